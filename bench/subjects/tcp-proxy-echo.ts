import { type ServerHooks, TcpServer } from 'hp-socket';
import type { StartContender } from '../harness/contract.ts';

/** Two servers that echo: the second one wants a PROXY header. */
export const start: StartContender = async () => {
  const listener: ServerHooks<TcpServer, Buffer> = { onReceive: (server, connId, data) => server.send(connId, data) };
  const plain = new TcpServer(listener);
  const proxied = new TcpServer(listener, { proxyProtocol: { trustedProxies: ['127.0.0.1'] } });
  const { port } = await plain.start('127.0.0.1', 0);
  const { port: otherPort } = await proxied.start('127.0.0.1', 0);
  return { port, otherPort };
};
