// What the subpaths of datagram components, UDP and ARQ, have in common.

export type { UdpClientStartOptions } from './client/udp-target.ts';
export * from './proxy-headers.ts';
export type { UdpServerStartOptions } from './server/udp-datagram-server.ts';
export * from './shared.ts';
export { DatagramConnection } from './udp/datagram-connection.ts';
export type { UdpProxyProperties } from './udp/proxied-datagrams.ts';
export type { UdpClientHooks, UdpConnectionHooks, UdpServerHooks } from './udp/udp-listener.ts';
export type {
  DetectProperties,
  UdpClientProperties,
  UdpServerProperties,
  UdpSocketProperties,
} from './udp/udp-properties.ts';
export type { UdpConnectionStats, UdpDropCounters, UdpLimitCounters, UdpStats } from './udp/udp-stats.ts';
