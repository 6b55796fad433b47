/** TCP components: `hp-socket/tcp`. */

export { TcpAgent, type TcpAgentOptions } from './agent/tcp-agent.ts';
export { TcpAgentListener, TcpPackAgentListener, TcpPullAgentListener } from './agent/tcp-agent-listener.ts';
export { TcpPackAgent, type TcpPackAgentOptions } from './agent/tcp-pack-agent.ts';
export { TcpPullAgent, type TcpPullAgentOptions } from './agent/tcp-pull-agent.ts';
export { TcpClient, type TcpClientOptions } from './client/tcp-client.ts';
export { TcpClientListener, TcpPackClientListener, TcpPullClientListener } from './client/tcp-client-listener.ts';
export { TcpPackClient, type TcpPackClientOptions } from './client/tcp-pack-client.ts';
export { TcpPullClient, type TcpPullClientOptions } from './client/tcp-pull-client.ts';
export { TcpPackServer, type TcpPackServerOptions } from './server/tcp-pack-server.ts';
export { TcpPullServer, type TcpPullServerOptions } from './server/tcp-pull-server.ts';
export { TcpServer, type TcpServerOptions } from './server/tcp-server.ts';
export { TcpPackServerListener, TcpPullServerListener, TcpServerListener } from './server/tcp-server-listener.ts';
export * from './streams.ts';
