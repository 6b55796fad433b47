import { once } from 'node:events';
import net from 'node:net';
import { Hono } from 'hono';
import { secureHeaders } from 'hono/secure-headers';
import { afterEach, describe, expect, it } from 'vitest';
import WebSocket from 'ws';
import { upgradeWebSocket } from '../../src/hono.ts';
import { type FetchHandler, HttpServer, HttpsServer, type ServeOptions, serve } from '../../src/http.ts';
import { acceptOf } from '../../src/websocket/handshake.ts';
import { WebSocketServer } from '../../src/websocket.ts';
import { commonCertificates } from '../tools/certificates.ts';
import { frameOf, MASK, readMessages } from './support.ts';

const running: { stop(): Promise<unknown>; hasStarted: boolean }[] = [];
const clients: WebSocket[] = [];

afterEach(async () => {
  for (const client of clients.splice(0)) client.terminate();
  for (const server of running.splice(0)) if (server.hasStarted) await server.stop();
});

type Arguments = ConstructorParameters<typeof HttpServer>;

async function start(...args: Arguments): Promise<{ server: HttpServer; port: number }> {
  const server = new HttpServer(...args);
  running.push(server);
  const { port } = await server.start('127.0.0.1', 0);
  return { server, port };
}

async function serving(
  handler: FetchHandler | Hono,
  options: ServeOptions = {},
): Promise<{ server: HttpServer; port: number }> {
  const server = await serve(handler as FetchHandler, { host: '127.0.0.1', websocket: true, ...options });
  running.push(server);
  return { server, port: server.getListenAddress()!.port };
}

async function connect(port: number, path = '/', protocols: string[] = []): Promise<WebSocket> {
  const client = new WebSocket(`ws://127.0.0.1:${port}${path}`, protocols);
  clients.push(client);
  await once(client, 'open');
  return client;
}

async function statusOf(port: number, path = '/'): Promise<number> {
  const client = new WebSocket(`ws://127.0.0.1:${port}${path}`);
  client.on('error', () => {});
  const [, response] = (await once(client, 'unexpected-response')) as [unknown, import('node:http').IncomingMessage];
  client.terminate();
  return response.statusCode!;
}

async function nextMessage(client: WebSocket): Promise<string> {
  const [data, isBinary] = (await once(client, 'message')) as [Buffer, boolean];
  return `${isBinary ? 'binary' : 'text'} ${data.toString()}`;
}

async function talk(port: number, ...pieces: (string | Buffer)[]): Promise<Buffer> {
  const socket = net.connect(port, '127.0.0.1');
  const chunks: Buffer[] = [];
  socket.on('data', (chunk) => chunks.push(chunk));
  for (const piece of pieces) socket.write(piece);
  await once(socket, 'end');
  socket.end();
  return Buffer.concat(chunks);
}

const KEY = 'dGhlIHNhbXBsZSBub25jZQ==';
const head = (path = '/', lines: string[] = []): string =>
  [
    `GET ${path} HTTP/1.1`,
    'Host: 127.0.0.1',
    'Upgrade: websocket',
    'Connection: Upgrade',
    `Sec-WebSocket-Key: ${KEY}`,
    'Sec-WebSocket-Version: 13',
    ...lines,
    '',
    '',
  ].join('\r\n');
const framesOf = (answer: Buffer): string[] =>
  readMessages('client', answer.subarray(answer.lastIndexOf('\r\n\r\n') + 4)).log;

describe('an HttpServer with the option ws', () => {
  it('serves requests and WebSockets on one port (WSS-002, WSS-016)', async () => {
    const log: string[] = [];
    const { server, port } = await start(
      {
        onRequest: (_server, _id, request) => void request.respond(`page ${request.path}`),
        onClose: (_server, _id, _operation, code) => void log.push(`close ${code}`),
      },
      {
        ws: {
          onOpen: (sender, connId) => void log.push(`open ${sender.getRequest(connId)?.path}`),
          onMessage: (sender, connId, data, isBinary) => sender.send(connId, isBinary ? data : data.toString()),
          onWSClose: (_sender, _id, code) => void log.push(`ws close ${code}`),
        },
      },
    );
    const client = await connect(port, '/chat?room=1');
    expect(await (await fetch(`http://127.0.0.1:${port}/index`)).text()).toBe('page /index');
    client.send('text');
    expect(await nextMessage(client)).toBe('text text');
    client.send(Buffer.from('bytes'));
    expect(await nextMessage(client)).toBe('binary bytes');
    const plain = net.connect(port, '127.0.0.1');
    await once(plain, 'connect');
    // All connections, whether they are WebSockets or not, as of HP-Socket's .NET port.
    await expect.poll(() => server.getAllConnectionIDs().filter((id) => !server.isOpen(id)).length).toBeGreaterThan(0);
    expect(server.getAllConnectionIDs().filter((id) => server.isOpen(id))).toHaveLength(1);
    expect(server.broadcast('all')).toBe(1);
    expect(await nextMessage(client)).toBe('text all');
    const [connId] = server.getAllConnectionIDs();
    server.connection(connId!)!.send('by face');
    expect(await nextMessage(client)).toBe('text by face');
    expect(server.httpStats().upgrades).toBe(1);
    expect(server.webSocketStats()).toMatchObject({ open: 1 });
    client.close(1000);
    await once(client, 'close');
    plain.destroy();
    await expect.poll(() => log.slice(0, 3)).toEqual(['open /chat', 'ws close 1000', 'close 0']);
  });

  it('over TLS too', async () => {
    const { server: ssl } = await commonCertificates();
    const server = new HttpsServer(
      { onRequest: (_server, _id, request) => void request.respond('page') },
      { ssl, ws: { onMessage: (sender, connId, data) => sender.send(connId, String(data)) } },
    );
    running.push(server as unknown as HttpServer);
    const { port } = await server.start('127.0.0.1', 0);
    const client = new WebSocket(`wss://127.0.0.1:${port}/`, { rejectUnauthorized: false });
    clients.push(client);
    await once(client, 'open');
    client.send('x');
    expect(await nextMessage(client)).toBe('text x');
  });

  it('leaves other upgrades alone: h2c is ignored, CONNECT refused (WSS-009)', async () => {
    const { port } = await start({ onRequest: (_s, _id, request) => void request.respond('page') }, { ws: true });
    const h2c = await talk(
      port,
      'GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, close\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\n\r\n',
    );
    expect(h2c.toString()).toMatch(/^HTTP\/1\.1 200 .*page$/s);
    expect((await talk(port, 'CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n')).toString()).toMatch(/^HTTP\/1\.1 501 /);
    const { port: other } = await start({}, { ws: true });
    expect((await talk(other, head().replace(KEY, 'short'))).toString()).toMatch(/^HTTP\/1\.1 400 /);
  });

  it('calls the hooks about messages as ever, those of the listener itself', async () => {
    class Listener {
      readonly #log: string[] = [];
      get log(): string[] {
        return this.#log;
      }
      onRequestLine(_server: unknown, _id: number, method: string, url: string): void {
        this.#log.push(`${method} ${url}`);
      }
      onHeadersComplete(): Promise<void> {
        this.#log.push('head');
        return Promise.resolve();
      }
      onMessageComplete(server: HttpServer, connId: number): void {
        this.#log.push('complete');
        if (!server.isUpgrade(connId)) server.sendResponse(connId, 200, null, null, 'page');
      }
    }
    const listener = new Listener();
    const { port } = await start(listener, {
      ws: { onUpgradeRequest: (_server, _id, request) => request.path === '/yes' },
    });
    expect(await (await fetch(`http://127.0.0.1:${port}/`)).text()).toBe('page');
    await connect(port, '/yes');
    expect(await statusOf(port, '/no')).toBe(403);
    expect(listener.log).toEqual(['GET /', 'head', 'complete', 'GET /yes', 'head', 'complete', 'GET /no', 'head']);
  });

  it('waits with an upgrade until the requests before it are answered', async () => {
    const answers: (() => void)[] = [];
    const { port } = await start(
      {
        onRequest: (_server, _id, request) =>
          new Promise<void>((resolve) => {
            answers.push(() => {
              request.respond(`page ${request.path}`);
              resolve();
            });
          }),
      },
      { ws: { onMessage: (sender, connId, data) => sender.send(connId, String(data)) } },
    );
    const answer = talk(
      port,
      Buffer.concat([
        Buffer.from(`GET /1 HTTP/1.1\r\nHost: x\r\n\r\nGET /2 HTTP/1.1\r\nHost: x\r\n\r\n${head()}`),
        frameOf({ opcode: 1, payload: 'behind', mask: MASK }),
        frameOf({ opcode: 8, mask: MASK }),
      ]),
    );
    await expect.poll(() => answers.length).toBe(2);
    answers[1]!();
    answers[0]!();
    const bytes = await answer;
    expect(bytes.toString('latin1')).toMatch(/^HTTP\/1\.1 200 .*page \/1HTTP\/1\.1 200 .*page \/2HTTP\/1\.1 101 /s);
    expect(framesOf(bytes)).toEqual(['text:behind', 'close:1005:']);
  });

  it('leaves paths that it does not serve to the hook onUpgrade', async () => {
    const got: string[] = [];
    const { server, port } = await start(
      {
        onUpgrade(sender, connId) {
          const key = sender.getHeader(connId, 'sec-websocket-key')!;
          sender.sendResponse(connId, 101, null, [
            ['Connection', 'Upgrade'],
            ['Upgrade', 'websocket'],
            ['Sec-WebSocket-Accept', acceptOf(key)],
          ]);
        },
        onWSMessageBody: (_sender, _id, data) => void got.push(`frame ${data}`),
      },
      { ws: true },
    );
    server.addHub('/hub', { onMessage: (_sender, _id, data) => void got.push(`hub ${data}`) });
    (await connect(port, '/hub')).send('x');
    (await connect(port, '/frames')).send('y');
    await expect.poll(() => got.sort()).toEqual(['frame y', 'hub x']);
  });

  it('checks its options', () => {
    expect(() => new HttpServer({}, { ws: { maxMesageBytes: 1 } as never })).toThrow(/maxMessageBytes/);
    expect(() => new HttpServer({}, { ws: { onMesage() {} } as never })).toThrow(/onMessage/);
    expect(() => new HttpServer({}, { ws: { maxMessageBytes: 0 } })).toThrow(/ws\.maxMessageBytes/);
    expect(() => new HttpServer({}, { ws: { onMessage: 1 as never } })).toThrow(TypeError);
    expect(() => new HttpServer({}, { ws: 1 as never })).toThrow(/ws must be/);
    expect(() => new HttpServer({}).addHub('/', {})).toThrow(/option ws/);
  });

  it('goes on over stop and start', async () => {
    const { server, port } = await start(
      {},
      { ws: { onMessage: (sender, id, data) => sender.send(id, String(data)) } },
    );
    await connect(port);
    await server.stop({ drainTimeoutMs: 1000 });
    const { port: next } = await server.start('127.0.0.1', 0);
    const client = await connect(next);
    client.send('again');
    expect(await nextMessage(client)).toBe('text again');
  });
});

describe('a fetch handler with the option websocket', () => {
  it('opens WebSockets by upgradeWebSocket, and answers the rest', async () => {
    const { server, port } = await serving(
      (request, info) => {
        const { pathname } = new URL(request.url);
        if (pathname !== '/echo') return new Response('page', { status: pathname === '/' ? 200 : 404 });
        return info.upgradeWebSocket({ headers: [['X-A', 'b']], extra: { name: 'Ann' } });
      },
      { websocket: { subProtocols: ['v1'], onMessage: (sender, id, data) => sender.send(id, String(data)) } },
    );
    expect(await (await fetch(`http://127.0.0.1:${port}/`)).text()).toBe('page');
    expect((await fetch(`http://127.0.0.1:${port}/echo`)).status).toBe(426);
    expect(await statusOf(port, '/elsewhere')).toBe(404);
    const client = new WebSocket(`ws://127.0.0.1:${port}/echo`, ['v1']);
    clients.push(client);
    const opened = once(client, 'open');
    const [response] = (await once(client, 'upgrade')) as [import('node:http').IncomingMessage];
    await opened;
    expect(response.headers['x-a']).toBe('b');
    expect(client.protocol).toBe('v1');
    client.send('x');
    expect(await nextMessage(client)).toBe('text x');
    const connId = server.getAllConnectionIDs().find((id) => server.isOpen(id))!;
    expect(server.getConnectionExtra(connId)).toEqual({ name: 'Ann' });
    expect(server.getRequest(connId)?.path).toBe('/echo');
  });

  it('decides later, while nothing behind the request is parsed', async () => {
    const { port } = await serving(
      async (_request, info) => {
        for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve));
        return info.upgradeWebSocket();
      },
      { websocket: { onMessage: (sender, id, data) => sender.send(id, String(data)) } },
    );
    const frames = Buffer.concat([
      frameOf({ opcode: 1, payload: 'early', mask: MASK }),
      frameOf({ opcode: 8, mask: MASK }),
    ]);
    for (const pieces of [[Buffer.concat([Buffer.from(head()), frames])], [head(), frames]]) {
      const answer = await talk(port, ...pieces);
      expect(answer.toString('latin1')).toMatch(/^HTTP\/1\.1 101 /);
      expect(framesOf(answer)).toEqual(['text:early', 'close:1005:']);
    }
    const refused = await talk(
      port,
      head().replace('Version: 13', 'Version: 8').replace('Upgrade\r\n', 'Upgrade, close\r\n'),
    );
    expect(refused.toString()).toMatch(/^HTTP\/1\.1 426 /);
  });

  it('answers what is no WebSocket in order, and goes on', async () => {
    const { port } = await serving((request) => new Response(new URL(request.url).pathname));
    const answer = await talk(port, `${head('/a')}GET /b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
    expect(answer.toString('latin1')).toMatch(/^HTTP\/1\.1 200 .*\/aHTTP\/1\.1 200 .*\/b$/s);
  });

  it('says what is wrong', async () => {
    const errors: string[] = [];
    const onError = (error: unknown): void => void errors.push(String(error));
    const { port } = await serving((_request, info) => info.upgradeWebSocket(), { websocket: false, onError });
    expect(await statusOf(port)).toBe(500);
    expect(errors.pop()).toMatch(/option websocket/);
    const { port: other } = await serving((_request, info) => info.upgradeWebSocket({ subProtocol: 'x' }), { onError });
    expect(await statusOf(other)).toBe(500);
    expect(errors.pop()).toMatch(/sub-protocol/);
    const { port: third } = await serving((_request, info) => info.upgradeWebSocket({ hook: {} } as never), {
      onError,
    });
    expect(await statusOf(third)).toBe(500);
    expect(errors.pop()).toMatch(/hooks/);
    await expect(serve(() => new Response(), { ws: true } as never)).rejects.toThrow(/websocket/);
  });

  it('leaves the paths of hubs to them', async () => {
    const { server, port } = await serving(() => new Response('no', { status: 404 }));
    server.addHub('/hub', { onOpen: (sender, connId) => sender.send(connId, 'hub') });
    const client = new WebSocket(`ws://127.0.0.1:${port}/hub`);
    clients.push(client);
    expect(await nextMessage(client)).toBe('text hub');
    expect(await statusOf(port, '/other')).toBe(404);
  });
});

describe("Hono's upgradeWebSocket", () => {
  it('works in apps that serve runs', async () => {
    const log: string[] = [];
    const app = new Hono();
    app.use(secureHeaders());
    app.get('/', (c) => c.text('page'));
    app.get(
      '/ws',
      upgradeWebSocket((c) => ({
        onOpen: (_event, ws) => ws.send(`hello ${c.req.query('name')}`),
        onMessage(event, ws) {
          if (event.data === 'throw') throw new Error('on purpose');
          if (event.data === 'bye') return ws.close(4000, 'bye');
          const { data } = event;
          ws.send(typeof data === 'string' ? `${data}, ${ws.readyState} ${ws.url?.pathname}` : (data as ArrayBuffer));
        },
        onClose: (event, ws) => void log.push(`close ${event.code} ${event.reason} ${ws.readyState}`),
        onError: (event) => void log.push(`error ${(event as unknown as { error: Error }).error.message}`),
      })),
    );
    app.get('/ws', (c) => c.text('no WebSocket', 400));
    const { server, port } = await serving(app);
    expect(await (await fetch(`http://127.0.0.1:${port}/`)).text()).toBe('page');
    expect((await fetch(`http://127.0.0.1:${port}/ws`)).status).toBe(400);
    expect(await statusOf(port, '/none')).toBe(404);
    const client = new WebSocket(`ws://127.0.0.1:${port}/ws?name=Ann`);
    clients.push(client);
    expect(await nextMessage(client)).toBe('text hello Ann');
    client.send('x');
    expect(await nextMessage(client)).toBe('text x, 1 /ws');
    client.send(Buffer.from('bytes'));
    expect(await nextMessage(client)).toBe('binary bytes');
    client.send('throw');
    client.send('bye');
    expect((await once(client, 'close'))[0]).toBe(4000);
    await expect.poll(() => log).toEqual(['error on purpose', 'close 4000 bye 3']);
    expect(server.webSocketStats()?.open).toBe(0);
  });

  it('closes a WebSocket whose handler throws and has no onError', async () => {
    const app = new Hono();
    app.get(
      '/ws',
      upgradeWebSocket(() => ({
        onMessage: () => {
          throw new Error('on purpose');
        },
      })),
    );
    const { port } = await serving(app);
    const client = await connect(port, '/ws');
    client.send('x');
    expect((await once(client, 'close'))[0]).toBe(1006);
    const other = new Hono();
    other.get(
      '/ws',
      upgradeWebSocket(() => ({})),
    );
    const answer = await other.request('/ws', { headers: { upgrade: 'websocket' } });
    expect(answer.status).toBe(500);
  });
});

describe('hubs (WSS-004, WSS-005)', () => {
  it('serve one path each, exactly (ECO-006)', async () => {
    const { WebSocketHub } = await import('../../src/websocket.ts');
    const log: string[] = [];
    class Chat extends WebSocketHub<WebSocketServer> {
      override onOpen(server: WebSocketServer, connId: number): void {
        log.push(`open ${this.path} ${server.isOpen(connId)}`);
      }
      override onMessage(_server: WebSocketServer, connId: number, data: Buffer | string): void {
        this.broadcast(String(data), { except: connId });
      }
      override onWSClose(): void {
        log.push(`close with ${this.connectionCount}`);
      }
    }
    const server = new WebSocketServer({});
    running.push(server);
    const chat = server.addHub('/chat', Chat);
    const news = server.addHub('/news', { onUpgradeRequest: (_server, _id, request) => request.query === 'key=1' });
    expect(server.getHub('/chat')).toBe(chat);
    expect(server.getHub('/')).toBeNull();
    expect(() => server.addHub('/chat', new Chat())).toThrow(/already/);
    expect(() => server.addHub('/other', chat)).toThrow(/one path/);
    expect(() => server.addHub('chat', {})).toThrow(/begins with/);
    expect(() => server.addHub('/chat?a', {})).toThrow(/no query/);
    expect(() => server.addHub('/x', { onMesage() {} } as never)).toThrow(/onMesage/);
    expect(() => server.addHub('/x', class {} as never)).toThrow(/extend WebSocketHub/);
    const { port } = await server.start('127.0.0.1', 0);
    const [one, two] = [await connect(port, '/chat?name=1'), await connect(port, '/chat')];
    const reader = await connect(port, '/news?key=1');
    for (const path of ['/', '/chat/', '/Chat', '/chat/x']) expect(await statusOf(port, path)).toBe(404);
    expect(await statusOf(port, '/news')).toBe(403);
    expect(chat.connectionIds).toHaveLength(2);
    const heard = nextMessage(two);
    one.send('hello');
    expect(await heard).toBe('text hello');
    const told = nextMessage(reader);
    expect(news.broadcast(Buffer.from('news'))).toBe(1);
    expect(await told).toBe('binary news');
    expect(server.broadcast('all')).toBe(3);
    one.close();
    await once(one, 'close');
    await expect.poll(() => chat.connectionCount).toBe(1);
    expect(server.removeHub('/chat')).toBe(true);
    expect(server.removeHub('/chat')).toBe(false);
    expect(await statusOf(port, '/chat')).toBe(404);
    expect(chat.broadcast('still there')).toBe(1);
    two.close();
    await once(two, 'close');
    await expect.poll(() => log).toEqual(['open /chat true', 'open /chat true', 'close with 2', 'close with 1']);
    server.addHub('/again', chat);
    await connect(port, '/again');
    expect(chat.connectionCount).toBe(1);
  });

  it('leave the other paths to the listener, if it has hooks for them', async () => {
    const server = new WebSocketServer({ onOpen: (sender, connId) => sender.send(connId, 'own') });
    running.push(server);
    server.addHub('/hub', { onOpen: (sender, connId) => sender.send(connId, 'hub') });
    const { port } = await server.start('127.0.0.1', 0);
    for (const [path, text] of [
      ['/hub', 'text hub'],
      ['/else', 'text own'],
    ] as const) {
      const client = new WebSocket(`ws://127.0.0.1:${port}${path}`);
      clients.push(client);
      expect(await nextMessage(client)).toBe(text);
    }
  });
});
