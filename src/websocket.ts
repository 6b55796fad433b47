/** WebSockets: `hp-socket/websocket`. */
export type { CompressionStats } from './websocket/compression-budget.ts';
export type { FrameHooks, WSMessageState } from './websocket/frame-protocol.ts';
export type { HeaderList } from './websocket/handshake.ts';
export { WebSocketMessageStream } from './websocket/message-stream.ts';
export { CloseCode, Opcode } from './websocket/opcode.ts';
export { SecureWebSocketConnection } from './websocket/secure-websocket-connection.ts';
export type { SendStreamOptions } from './websocket/send-stream.ts';
export { LocalTopicBus, type TopicBus, type TopicBusMember, type TopicMessage } from './websocket/topic-bus.ts';
export type { SlowSubscriberPolicy, TopicStats } from './websocket/topics.ts';
export { WebSocket, WebSocketCloseEvent, WebSocketErrorEvent, type WebSocketInit } from './websocket/web-socket.ts';
export {
  SslWebSocketAgent,
  type SslWebSocketAgentOptions,
  WebSocketAgent,
  type WebSocketAgentOptions,
  type WebSocketOpenOptions,
} from './websocket/websocket-agent.ts';
export {
  type ClientOpenOptions,
  type ReconnectOptions,
  SslWebSocketClient,
  type SslWebSocketClientOptions,
  WebSocketClient,
  type WebSocketClientOptions,
} from './websocket/websocket-client.ts';
export { WebSocketConnection } from './websocket/websocket-connection.ts';
export type { WebSocketCounters, WebSocketEnd } from './websocket/websocket-context.ts';
export { WebSocketHub } from './websocket/websocket-hub.ts';
export type {
  UpgradeAcceptance,
  UpgradeDecision,
  UpgradeDenial,
  WebSocketAgentHooks,
  WebSocketClientHooks,
  WebSocketHooksOf,
  WebSocketHubHooks,
  WebSocketRequest,
  WebSocketServerHooks,
} from './websocket/websocket-listener.ts';
export type { PublishOptions } from './websocket/websocket-methods.ts';
export type {
  TopicProperties,
  WebSocketProperties,
  WebSocketServerProperties,
  WebSocketServing,
} from './websocket/websocket-properties.ts';
export type { WebSocketStats } from './websocket/websocket-run.ts';
export {
  SslWebSocketServer,
  type SslWebSocketServerOptions,
  WebSocketServer,
  type WebSocketServerOptions,
} from './websocket/websocket-server.ts';
