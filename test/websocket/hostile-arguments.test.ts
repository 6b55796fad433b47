import * as api from '../../src/websocket.ts';
import { type HostilePair, hostileSuite } from '../compliance/hostile-suite.ts';

async function connected(): Promise<HostilePair> {
  let opened: (id: number) => void = () => {};
  const id = new Promise<number>((resolve) => {
    opened = resolve;
  });
  const server = new api.WebSocketServer({ onOpen: (_server, connId) => opened(connId) });
  const { port } = await server.start('127.0.0.1', 0);
  const client = new api.WebSocketClient({});
  await client.open(`ws://127.0.0.1:${port}/`);
  return { server, client, others: [server.connection(await id)!] };
}

hostileSuite({
  api,
  entry: 'websocket.ts',
  components: /^(Ssl)?WebSocket(Server|Agent|Client)$/,
  ending: /^(start|stop|wait|disconnect.*|createStream|messages|terminate)$/,
  isFresh: true,
  pairs: { WebSocket: connected },
});
