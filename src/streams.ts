// What the subpaths of stream components, plain and TLS, have in common.

export type {
  AgentConnectOptions,
  AgentStartOptions,
  StreamAgent,
  StreamAgentProperties,
} from './agent/stream-agent.ts';
export type { ClientStartOptions, StreamClient, StreamClientProperties } from './client/stream-client.ts';
export type { MessagesOptions } from './connection/message-queue.ts';
export { ConnectionStream, type ConnectionStreamOptions } from './connection/stream.ts';
export { TcpConnection } from './connection/tcp-connection.ts';
export type { AgentHooks, ClientHooks, ConnectionHooks, ServerHooks } from './core/listener.ts';
export type { ServerStartOptions, StreamServer, StreamServerProperties } from './server/stream-server.ts';
export * from './shared.ts';
export type { ConnectOptions } from './stream/connecting.ts';
export type { PackProperties, PullProperties } from './stream/protocol-models.ts';
export type { StreamProperties } from './stream/stream-properties.ts';
