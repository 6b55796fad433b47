export type { AgentConnectOptions, AgentStartOptions } from './agent/stream-agent.ts';
export { TcpAgent, type TcpAgentOptions, TcpPackAgent, TcpPullAgent } from './agent/tcp-agent.ts';
export { TcpAgentListener, TcpPullAgentListener } from './agent/tcp-agent-listener.ts';
export type { ClientStartOptions, ClientStopOptions } from './client/stream-client.ts';
export { TcpClient, type TcpClientOptions, TcpPackClient, TcpPullClient } from './client/tcp-client.ts';
export { TcpClientListener, TcpPullClientListener } from './client/tcp-client-listener.ts';
export type { AddressList, SocketAddress } from './core/address.ts';
export type { StopOptions } from './core/complex-stream.ts';
export type { AbortOptions, Component } from './core/component.ts';
export { ConnectionStream } from './core/connection-stream.ts';
export {
  CastMode,
  FetchResult,
  getSocketErrorDesc,
  HandleResult,
  IPAddrType,
  OnSendSyncPolicy,
  ReuseAddressPolicy,
  SendPolicy,
  ServiceState,
  SocketErrorCode,
  SocketOperation,
} from './core/enums.ts';
export { Errno, errnoName } from './core/errno.ts';
export { SocketError } from './core/errors.ts';
export type {
  AgentHooks,
  ClientHooks,
  CommonHooks,
  ConnectionHooks,
  ConnId,
  HookResult,
  ServerHooks,
} from './core/listener.ts';
export type { MessagesOptions } from './core/message-queue.ts';
export type { ComponentStats, ConnectionStats, LimitCounters, StopReport } from './core/stats.ts';
export type { Sendable } from './core/stream-send.ts';
export type { ServerStartOptions } from './server/stream-server.ts';
export { TcpPackServer, TcpPullServer, TcpServer, type TcpServerOptions } from './server/tcp-server.ts';
export { TcpPullServerListener, TcpServerListener } from './server/tcp-server-listener.ts';
