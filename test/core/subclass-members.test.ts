import { afterEach, expect, test } from 'vitest';
import * as internals from '../../src/core/internals.ts';
import { HttpServer, HttpSyncClient } from '../../src/http.ts';
import {
  ServiceState,
  SslClient,
  SslServer,
  TcpAgent,
  TcpClient,
  TcpPackClient,
  TcpPackServer,
  TcpServer,
  UdpArqClient,
  UdpArqServer,
  UdpClient,
  UdpServer,
} from '../../src/index.ts';
import { WebSocketClient, WebSocketServer } from '../../src/websocket.ts';
import { commonCertificates } from '../tools/certificates.ts';

const host = '127.0.0.1';

/** Every name that this library uses for members of its own, as a subclass of a user might, too. */
const names = Object.values(internals).map((symbol) => symbol.description as string);

interface Stoppable {
  readonly state: ServiceState;
  stop(): Promise<unknown>;
}

type Constructor = abstract new (...args: never[]) => Stoppable;

const running: Stoppable[] = [];
afterEach(async () => {
  for (const each of running.splice(0).reverse()) if (each.state !== ServiceState.Stopped) await each.stop();
});

/** A subclass with a method and a field under each of these names: whoever calls one gets an error. */
function crowded<C extends Constructor>(Component: C): C {
  // Some of ours have the name of a public member as well; who overrides that one means it.
  const own = names.filter((name) => !(name in Component.prototype));
  const Base = Component as unknown as new (...args: unknown[]) => Stoppable;
  class Crowded extends Base {
    constructor(...args: unknown[]) {
      super(...args);
      running.push(this);
      for (const name of own.filter((_, index) => index % 2 === 1)) Object.assign(this, { [name]: 'mine' });
    }
  }
  for (const name of own.filter((_, index) => index % 2 === 0)) {
    Object.defineProperty(Crowded.prototype, name, {
      get() {
        throw new Error(`${name} is the user's`);
      },
    });
  }
  return Crowded as unknown as C;
}

test('the names cover what people call their own members', () => {
  expect(names.length).toBeGreaterThan(40);
  for (const name of ['begin', 'host', 'table', 'link', 'settings', 'listener', 'context'])
    expect(names).toContain(name);
});

const echo = {
  onReceive(sender: { send(id: number, data: Uint8Array): boolean }, id: number, data: Uint8Array) {
    sender.send(id, data);
  },
};

/** Sends 'hello' by a client and waits for it to come back; then ends both. */
async function exchange(
  Server: Constructor,
  Client: Constructor,
  serverListener: object = echo,
  options: { server?: object; client?: object } = {},
): Promise<void> {
  const server = new (crowded(Server) as unknown as typeof TcpServer)(serverListener, options.server);
  const { port } = await server.start(host, 0);
  let answered: (text: string) => void = () => {};
  const answer = new Promise<string>((resolve) => {
    answered = resolve;
  });
  const client = new (crowded(Client) as unknown as typeof TcpClient)(
    { onReceive: (_sender, _id, data) => answered(String(data)) },
    options.client,
  );
  await client.start(host, port);
  client.send('hello');
  expect(await answer).toBe('hello');
  expect(server.stats().bytesIn).toBeGreaterThan(0);
  expect(server.connection(server.getAllConnectionIDs()[0] as number)?.isConnected).toBe(true);
  const report = await server.stop({ drainTimeoutMs: 5_000 });
  expect(report.droppedBytes).toBe(0);
}

test.each([
  ['TCP', TcpServer, TcpClient],
  ['TCP packages', TcpPackServer, TcpPackClient],
  ['UDP', UdpServer, UdpClient],
  ['ARQ', UdpArqServer, UdpArqClient],
] as const)('a subclass may have any member of its own: %s', (_title, Server, Client) => exchange(Server, Client));

test('a subclass may have any member of its own: TLS', async () => {
  const { authority, server } = await commonCertificates();
  await exchange(SslServer, SslClient, echo, {
    server: { ssl: { cert: server.cert, key: server.key } },
    client: { ssl: { ca: authority.ca } },
  });
});

test('a subclass may have any member of its own: an agent', async () => {
  const server = new TcpServer(echo);
  running.push(server);
  const { port } = await server.start(host, 0);
  const agent = new (crowded(TcpAgent))({ onReceive: (_agent, _id, data) => answered(String(data)) });
  let answered: (text: string) => void = () => {};
  await agent.start();
  const answer = new Promise<string>((resolve) => {
    answered = resolve;
  });
  const id = await agent.connect(host, port);
  agent.send(id, 'hello');
  expect(await answer).toBe('hello');
});

test('a subclass may have any member of its own: HTTP', async () => {
  const server = new (crowded(HttpServer))({ onRequest: (_server, _id, request) => request.respond('hello') });
  const { port } = await server.start(host, 0);
  const client = new (crowded(HttpSyncClient))();
  const response = await client.openUrl('GET', `http://${host}:${port}/`);
  expect(String(response.body)).toBe('hello');
});

test('a subclass may have any member of its own: WebSocket', async () => {
  const server = new (crowded(WebSocketServer))({
    onMessage(sender, id, data) {
      sender.send(id, data);
    },
  });
  const { port } = await server.start(host, 0);
  let answered: (text: string) => void = () => {};
  const answer = new Promise<string>((resolve) => {
    answered = resolve;
  });
  const client = new (crowded(WebSocketClient))({ onMessage: (_client, _id, data) => answered(String(data)) });
  await client.open(`ws://${host}:${port}/`);
  client.send(Buffer.from('hello'));
  expect(await answer).toBe('hello');
});
