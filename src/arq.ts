/** Reliable UDP, over KCP: `hp-socket/arq`. */

export type { KcpStats } from './arq/index.ts';
export { type RebindOptions, UdpArqClient, type UdpArqClientOptions } from './client/udp-arq-client.ts';
export { UdpArqClientListener } from './client/udp-client-listener.ts';
export * from './datagrams.ts';
export { type ArqServerProperties, UdpArqServer, type UdpArqServerOptions } from './server/udp-arq-server.ts';
export { UdpArqServerListener } from './server/udp-server-listener.ts';
export { UdpArqConnection } from './udp/udp-arq-connection.ts';
export type { ArqProperties } from './udp/udp-arq-properties.ts';
export type { ArqCookieCounters, ArqMoveCounters } from './udp/udp-stats.ts';
