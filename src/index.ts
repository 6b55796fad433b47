export type { AgentConnectOptions, AgentStartOptions, StreamAgent } from './agent/stream-agent.ts';
export { TcpAgent, type TcpAgentOptions, TcpPackAgent, TcpPullAgent } from './agent/tcp-agent.ts';
export { TcpAgentListener, TcpPullAgentListener } from './agent/tcp-agent-listener.ts';
export type { KcpStats } from './arq/index.ts';
export type { ClientStartOptions, StreamClient } from './client/stream-client.ts';
export { TcpClient, type TcpClientOptions, TcpPackClient, TcpPullClient } from './client/tcp-client.ts';
export { TcpClientListener, TcpPullClientListener } from './client/tcp-client-listener.ts';
export { UdpArqClient, type UdpArqClientOptions } from './client/udp-arq-client.ts';
export { UdpCast, type UdpCastOptions, type UdpCastProperties, type UdpCastStartOptions } from './client/udp-cast.ts';
export { UdpCastListener } from './client/udp-cast-listener.ts';
export { UdpClient, type UdpClientOptions } from './client/udp-client.ts';
export { UdpClientListener } from './client/udp-client-listener.ts';
export { UdpNode, type UdpNodeOptions, type UdpNodeProperties, type UdpNodeStartOptions } from './client/udp-node.ts';
export { UdpNodeListener } from './client/udp-node-listener.ts';
export type { UdpClientStartOptions } from './client/udp-target.ts';
export type { MessagesOptions } from './connection/message-queue.ts';
export { ConnectionStream, type ConnectionStreamOptions } from './connection/stream.ts';
export type { AddressList, SocketAddress } from './core/address.ts';
export type { CloseInfo, EndedBy } from './core/close-info.ts';
export type { DisconnectOptions } from './core/complex-socket.ts';
export type { AbortOptions, Component } from './core/component.ts';
export {
  CastMode,
  FetchResult,
  getSocketErrorDesc,
  HandleResult,
  handleResultNumber,
  IPAddrType,
  OnSendSyncPolicy,
  ReuseAddressPolicy,
  SendPolicy,
  ServiceState,
  SocketErrorCode,
  SocketOperation,
  SSLSessionInfo,
  SSLVerifyMode,
} from './core/enums.ts';
export { Errno, errnoName } from './core/errno.ts';
export type { OwnErrorName, SocketErrorName, SystemErrorName } from './core/error-names.ts';
export { SocketError, type SocketErrorInit } from './core/errors.ts';
export type {
  AgentHooks,
  ClientHooks,
  CommonHooks,
  ConnectionHooks,
  ConnId,
  HookResult,
  ServerHooks,
} from './core/listener.ts';
export type { ComponentStats, ConnectionStats, LimitCounters, StopReport } from './core/stats.ts';
export type { StopOptions } from './core/stop-options.ts';
export type { Sendable } from './memory/sendable.ts';
export type { ServerStartOptions, StreamServer } from './server/stream-server.ts';
export { TcpPackServer, TcpPullServer, TcpServer, type TcpServerOptions } from './server/tcp-server.ts';
export { TcpPullServerListener, TcpServerListener } from './server/tcp-server-listener.ts';
export { type ArqServerProperties, UdpArqServer, type UdpArqServerOptions } from './server/udp-arq-server.ts';
export type { UdpServerStartOptions } from './server/udp-datagram-server.ts';
export { UdpServer, type UdpServerOptions } from './server/udp-server.ts';
export { UdpServerListener } from './server/udp-server-listener.ts';
export type {
  SNICallback,
  SSLCommonOptions,
  SSLContextOptions,
  SSLInfo,
  SSLMemoryContextOptions,
  SSLNamedContextOptions,
  SSLWatchOptions,
  SslClientContext,
  SslServerContexts,
} from './ssl/options.ts';
export type { SslComplexProperties, SslProperties, SslServerProperties } from './ssl/properties.ts';
export { SslAgent, type SslAgentOptions, SslPackAgent, SslPullAgent } from './ssl/ssl-agent.ts';
export { SslClient, type SslClientOptions, SslPackClient, SslPullClient } from './ssl/ssl-client.ts';
export { SslPackServer, SslPullServer, SslServer, type SslServerOptions } from './ssl/ssl-server.ts';
export type { ArqProperties } from './udp/udp-arq-properties.ts';
export type {
  UdpCastHooks,
  UdpClientHooks,
  UdpConnectionHooks,
  UdpNodeHooks,
  UdpServerHooks,
} from './udp/udp-listener.ts';
export type { JoinOptions, MulticastProperties } from './udp/udp-multicast.ts';
export type {
  DetectProperties,
  UdpClientProperties,
  UdpServerProperties,
  UdpSocketProperties,
} from './udp/udp-properties.ts';
export type {
  ArqCookieCounters,
  UdpConnectionStats,
  UdpDropCounters,
  UdpLimitCounters,
  UdpStats,
} from './udp/udp-stats.ts';
