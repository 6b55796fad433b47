/** TCP components: `hp-socket/tcp`. */

export {
  TcpAgent,
  type TcpAgentOptions,
  TcpPackAgent,
  type TcpPackAgentOptions,
  TcpPullAgent,
  type TcpPullAgentOptions,
} from './agent/tcp-agent.ts';
export { TcpAgentListener, TcpPackAgentListener, TcpPullAgentListener } from './agent/tcp-agent-listener.ts';
export {
  TcpClient,
  type TcpClientOptions,
  TcpPackClient,
  type TcpPackClientOptions,
  TcpPullClient,
  type TcpPullClientOptions,
} from './client/tcp-client.ts';
export { TcpClientListener, TcpPackClientListener, TcpPullClientListener } from './client/tcp-client-listener.ts';
export {
  TcpPackServer,
  type TcpPackServerOptions,
  TcpPullServer,
  type TcpPullServerOptions,
  TcpServer,
  type TcpServerOptions,
} from './server/tcp-server.ts';
export { TcpPackServerListener, TcpPullServerListener, TcpServerListener } from './server/tcp-server-listener.ts';
export * from './streams.ts';
