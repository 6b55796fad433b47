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
export { fixedSize } from './protocol/framers/fixed-size.ts';
export { FrameInput } from './protocol/framers/frame-input.ts';
export { Framer, type FramingFunctions, type FramingOptions, framing } from './protocol/framers/framer.ts';
export { type LengthFieldOptions, lengthField } from './protocol/framers/length-field.ts';
export { delimiter, type LinesOptions, lines, startEnd } from './protocol/framers/marked.ts';
export { type Conversation, conversation } from './protocol/preambles/conversation.ts';
export type { Preamble, PreambleFactory, PreamblePort } from './protocol/preambles/preamble.ts';
export type { ProxySslOptions } from './protocol/preambles/proxy-ssl.ts';
export type { ProxyOption, ProxyOptions } from './protocol/preambles/proxy-url.ts';
export * from './proxy-headers.ts';
export type { ServerStartOptions, StreamServer, StreamServerProperties } from './server/stream-server.ts';
export * from './shared.ts';
export type { ConnectOptions } from './stream/connecting.ts';
export type { PackProperties } from './stream/pack-model.ts';
export type { ProxyHeaderOption, ProxyProperties, ProxyTarget } from './stream/proxying.ts';
export { PullConnection } from './stream/pull-connection.ts';
export type { PullProperties } from './stream/pull-model.ts';
export type { FramingOption, FramingProperties } from './stream/push-model.ts';
export type { StreamProperties } from './stream/stream-properties.ts';
