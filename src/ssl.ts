/** TLS components: `hp-socket/ssl`. */

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
export { SecureConnection, SecurePullConnection } from './ssl/secure-connection.ts';
export {
  SslAgent,
  type SslAgentOptions,
  SslPackAgent,
  type SslPackAgentOptions,
  SslPullAgent,
  type SslPullAgentOptions,
} from './ssl/ssl-agent.ts';
export {
  SslClient,
  type SslClientOptions,
  SslPackClient,
  type SslPackClientOptions,
  SslPullClient,
  type SslPullClientOptions,
} from './ssl/ssl-client.ts';
export {
  SslAgentListener,
  SslClientListener,
  SslPackAgentListener,
  SslPackClientListener,
  SslPackServerListener,
  SslPullAgentListener,
  SslPullClientListener,
  SslPullServerListener,
  SslServerListener,
} from './ssl/ssl-listeners.ts';
export {
  SslPackServer,
  type SslPackServerOptions,
  SslPullServer,
  type SslPullServerOptions,
  SslServer,
  type SslServerOptions,
} from './ssl/ssl-server.ts';
export * from './streams.ts';
