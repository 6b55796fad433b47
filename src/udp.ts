/** UDP components: `hp-socket/udp`. */

export { UdpCast, type UdpCastOptions, type UdpCastProperties, type UdpCastStartOptions } from './client/udp-cast.ts';
export { UdpCastListener } from './client/udp-cast-listener.ts';
export { UdpClient, type UdpClientOptions } from './client/udp-client.ts';
export { UdpClientListener } from './client/udp-client-listener.ts';
export { UdpNode, type UdpNodeOptions, type UdpNodeProperties, type UdpNodeStartOptions } from './client/udp-node.ts';
export { UdpNodeListener } from './client/udp-node-listener.ts';
export * from './datagrams.ts';
export { UdpServer, type UdpServerOptions } from './server/udp-server.ts';
export { UdpServerListener } from './server/udp-server-listener.ts';
export type { UdpCastHooks, UdpNodeHooks } from './udp/udp-listener.ts';
export type { JoinOptions, MulticastProperties } from './udp/udp-multicast.ts';
