import { once } from 'node:events';
import net from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import WebSocket from 'ws';
import { HandleResult } from '../../src/core/enums.ts';
import type { WebSocketRequest, WebSocketServerHooks } from '../../src/websocket/websocket-listener.ts';
import { WebSocketServer, type WebSocketServerOptions } from '../../src/websocket/websocket-server.ts';
import { frameOf, MASK, readMessages } from './support.ts';

function deferred<T>(): { promise: Promise<T>; resolve: (value: T) => void } {
  let resolve!: (value: T) => void;
  const promise = new Promise<T>((done) => (resolve = done));
  return { promise, resolve };
}

type Hooks = WebSocketServerHooks<WebSocketServer>;

const running: WebSocketServer[] = [];

async function serve(
  hooks: Hooks,
  options?: WebSocketServerOptions,
): Promise<{ server: WebSocketServer; port: number }> {
  const server = new WebSocketServer(hooks, options);
  running.push(server);
  const { port } = await server.start('127.0.0.1', 0);
  return { server, port };
}

afterEach(async () => {
  for (const server of running.splice(0)) if (server.hasStarted) await server.stop();
});

const echo: Hooks = {
  onMessage: (server, connId, data, isBinary) => {
    server[isBinary ? 'send' : 'sendText'](connId, data);
  },
};

/** A `ws` client that is open. */
async function connect(
  port: number,
  path = '/',
  options: WebSocket.ClientOptions = {},
  protocols: string[] = [],
): Promise<WebSocket> {
  const client = new WebSocket(`ws://127.0.0.1:${port}${path}`, protocols, { perMessageDeflate: false, ...options });
  await once(client, 'open');
  return client;
}

async function nextMessage(client: WebSocket): Promise<[string, boolean]> {
  const [data, isBinary] = (await once(client, 'message')) as [Buffer, boolean];
  return [data.toString(), isBinary];
}

/** What a server answers to a client of `ws` that it refuses. */
async function refusalOf(
  port: number,
  path = '/',
  options: WebSocket.ClientOptions = {},
): Promise<{ status: number; headers: Record<string, unknown>; body: string }> {
  const client = new WebSocket(`ws://127.0.0.1:${port}${path}`, options);
  client.on('error', () => {});
  const [, response] = (await once(client, 'unexpected-response')) as [unknown, import('node:http').IncomingMessage];
  let body = '';
  for await (const chunk of response) body += chunk;
  return { status: response.statusCode!, headers: response.headers, body };
}

/** Sends bytes to a port, and returns what came back when the server has closed. */
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
const head = (lines: string[] = [], path = '/'): string =>
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

describe('a WebSocketServer', () => {
  it('echoes to a client of ws, text as text and bytes as bytes (WSS-012)', async () => {
    const { port } = await serve(echo);
    const client = await connect(port);
    client.send('grüße');
    expect(await nextMessage(client)).toEqual(['grüße', false]);
    client.send(Buffer.from('bytes'));
    expect(await nextMessage(client)).toEqual(['bytes', true]);
    const big = 'x'.repeat(1_000_000);
    client.send(big);
    expect((await nextMessage(client))[0] === big).toBe(true);
    client.close(1000);
    expect((await once(client, 'close'))[0]).toBe(1000);
  });

  it('calls hooks for the opening and the end of each WebSocket, then for its connection (WSS-005, WSS-011, WSS-012, EBUG-007)', async () => {
    const log: string[] = [];
    const over = deferred<void>();
    const { port, server } = await serve({
      onOpen: (_server, connId) => log.push(`open ${connId > 0}`),
      onPing: (_server, _id, data) => log.push(`ping ${data.toString()}`),
      onPong: (_server, _id, data) => log.push(`pong ${data.toString()}`),
      onWSClose: (_server, _id, code, reason, wasClean) => log.push(`ws close ${code} ${reason} ${wasClean}`),
      onClose: (_server, _id, _operation, errorCode) => {
        log.push(`close ${errorCode}`);
        over.resolve();
      },
    });
    const client = await connect(port);
    client.ping('here');
    await once(client, 'pong');
    const [connId] = server.getAllConnectionIDs();
    const ponged = once(client, 'ping');
    expect(server.ping(connId!, 'there')).toBe(true);
    await ponged;
    client.close(4001, 'enough');
    await over.promise;
    expect(log).toEqual(['open true', 'ping here', 'pong there', 'ws close 4001 enough true', 'close 0']);
    expect(server.webSocketStats()).toMatchObject({ open: 0, violations: 0 });
  });

  it('closes with a code and a reason, and when it stops with 1001', async () => {
    const { port, server } = await serve({
      onMessage: (sender, connId) => void sender.close(connId, 4000, 'no more'),
    });
    const client = await connect(port);
    client.send('x');
    const [code, reason] = (await once(client, 'close')) as [number, Buffer];
    expect([code, reason.toString()]).toEqual([4000, 'no more']);
    const other = await connect(port);
    const closed = once(other, 'close');
    const report = await server.stop({ drainTimeoutMs: 5000 });
    expect((await closed)[0]).toBe(1001);
    expect(report).toMatchObject({ connections: 1, drained: 1 });
  });

  it('drains behind a hook that is pending: its answer, the goodbye, and that of the peer', async () => {
    const asked = deferred<void>();
    const mayAnswer = deferred<void>();
    const { port, server } = await serve({
      onMessage: async (s, connId) => {
        asked.resolve();
        await mayAnswer.promise;
        s.sendText(connId, 'late');
      },
    });
    const client = await connect(port);
    client.send('question');
    await asked.promise;
    const stopped = server.stop({ drainTimeoutMs: 60_000 });
    const answer = nextMessage(client);
    const closed = once(client, 'close');
    mayAnswer.resolve();
    expect(await answer).toEqual(['late', false]);
    expect((await closed)[0]).toBe(1001);
    expect(await stopped).toMatchObject({ connections: 1, drained: 1 });
  });

  it('takes headers of an answer in any form, and answers 500 when they cannot be sent', async () => {
    const failures: string[] = [];
    const { port } = await serve({
      onUpgradeRequest(_server, _connId, { path }) {
        if (path === '/taken') return { headers: { 'X-A': 'b' } };
        if (path === '/refused') return { status: 401, headers: new Headers({ 'X-A': 'b' }) };
        if (path === '/bad-body') return { status: 401, body: 5 as never };
        const headers = [['X-A', 'b\r\nX-C: d']] as [string, string][];
        return path === '/bad' ? { headers } : { status: 401, headers };
      },
      onHookError: (_server, hook) => void failures.push(hook),
    });
    const taken = new WebSocket(`ws://127.0.0.1:${port}/taken`);
    const [upgraded] = (await once(taken, 'upgrade')) as [import('node:http').IncomingMessage];
    expect(upgraded.headers['x-a']).toBe('b');
    taken.terminate();
    const statuses: unknown[] = [];
    for (const path of ['/refused', '/bad', '/bad-refusal', '/bad-body']) {
      const client = new WebSocket(`ws://127.0.0.1:${port}${path}`);
      client.on('error', () => {});
      const [, response] = (await once(client, 'unexpected-response')) as [
        unknown,
        import('node:http').IncomingMessage,
      ];
      statuses.push([response.statusCode, response.headers['x-a']]);
      response.destroy();
    }
    expect(statuses).toEqual([
      [401, 'b'],
      [500, undefined],
      [500, undefined],
      [500, undefined],
    ]);
    expect(failures).toEqual(['onUpgradeRequest', 'onUpgradeRequest', 'onUpgradeRequest']);
  });

  it('shows the request, and lets a hook take or refuse it with any answer, at once or later (WSS-006, WSS-015)', async () => {
    const seen: WebSocketRequest[] = [];
    const { port, server } = await serve({
      onUpgradeRequest: async (_server, _connId, request) => {
        seen.push(request);
        await Promise.resolve();
        switch (request.path) {
          case '/no':
            return false;
          case '/login':
            return { status: 401, headers: [['WWW-Authenticate', 'Basic']], body: 'who are you?' };
          case '/elsewhere':
            return { status: 302, headers: [['Location', '/']] };
          case '/throws':
            throw new Error('on purpose');
          case '/error':
            return HandleResult.Error as never;
          default:
            return { subProtocol: 'v2', headers: [['Set-Cookie', 'a=b']] };
        }
      },
      onHookError: () => {},
    });
    const client = new WebSocket(`ws://127.0.0.1:${port}/chat?room=1`, ['v1', 'v2'], { origin: 'http://page' });
    const opened = once(client, 'open');
    const [response] = (await once(client, 'upgrade')) as [import('node:http').IncomingMessage];
    await opened;
    expect(client.protocol).toBe('v2');
    expect(response.headers['set-cookie']).toEqual(['a=b']);
    expect(response.headers['content-length']).toBeUndefined();
    expect(seen[0]).toMatchObject({
      path: '/chat',
      query: 'room=1',
      subProtocols: ['v1', 'v2'],
      origin: 'http://page',
    });
    const [connId] = server.getAllConnectionIDs();
    expect(server.getSubProtocol(connId!)).toBe('v2');
    expect(server.getRequest(connId!)?.header('Host')).toBe(`127.0.0.1:${port}`);
    expect(await refusalOf(port, '/no')).toMatchObject({ status: 403 });
    expect(await refusalOf(port, '/login')).toMatchObject({
      status: 401,
      body: 'who are you?',
      headers: { 'www-authenticate': 'Basic' },
    });
    expect(await refusalOf(port, '/elsewhere')).toMatchObject({ status: 302, headers: { location: '/' } });
    expect(await refusalOf(port, '/throws')).toMatchObject({ status: 500 });
    expect(await refusalOf(port, '/error')).toMatchObject({ status: 500 });
    client.terminate();
  });

  it('chooses sub-protocols by itself, and keeps foreign pages out (WSS-007)', async () => {
    const { port } = await serve(echo, { subProtocols: ['b', 'a'], allowedOrigins: ['https://example.com'] });
    const client = await connect(port, '/', { origin: 'https://example.com' }, ['a', 'b']);
    expect(client.protocol).toBe('b');
    client.terminate();
    expect(await refusalOf(port, '/', { origin: 'https://evil.example' })).toMatchObject({ status: 403 });
  });

  it('answers requests that are none for a WebSocket, and closes', async () => {
    const { port } = await serve(echo);
    const plain = (await talk(port, 'GET / HTTP/1.1\r\nHost: x\r\n\r\n')).toString();
    expect(plain).toMatch(/^HTTP\/1\.1 426 /);
    expect(plain).toMatch(/\r\nUpgrade: websocket\r\n/i);
    expect((await talk(port, head().replace('Version: 13', 'Version: 8'))).toString()).toMatch(
      /^HTTP\/1\.1 426 .*Sec-WebSocket-Version: 13\r\n/s,
    );
    expect((await talk(port, head().replace('GET', 'POST'))).toString()).toMatch(/^HTTP\/1\.1 405 /);
    expect((await talk(port, head().replace('HTTP/1.1', 'HTTP/1.0'))).toString()).toMatch(/^HTTP\/1\.1 4\d\d /);
    expect((await talk(port, head().replace(KEY, 'short'))).toString()).toMatch(/^HTTP\/1\.1 400 /);
    expect((await talk(port, head().replace('Host: 127.0.0.1\r\n', ''))).toString()).toMatch(/^HTTP\/1\.1 400 /);
  });

  it('serves ordinary requests on the same port, pipelined in front of an upgrade too', async () => {
    const { port } = await serve({
      ...echo,
      onRequest: (_server, _connId, request) => void request.respond({ body: `page ${request.path}` }),
    });
    const response = await fetch(`http://127.0.0.1:${port}/index`);
    expect(await response.text()).toBe('page /index');
    const client = await connect(port);
    client.send('x');
    expect(await nextMessage(client)).toEqual(['x', false]);
    client.terminate();
    const answer = await talk(
      port,
      Buffer.concat([
        Buffer.from(`GET /first HTTP/1.1\r\nHost: x\r\n\r\n${head()}`),
        frameOf({ opcode: 1, payload: 'behind', mask: MASK }),
        frameOf({ opcode: 8, mask: MASK }),
      ]),
    );
    const text = answer.toString('latin1');
    expect(text).toMatch(/^HTTP\/1\.1 200 .*page \/firstHTTP\/1\.1 101 /s);
    expect(readMessages('client', answer.subarray(answer.lastIndexOf('\r\n\r\n') + 4)).log).toEqual([
      'text:behind',
      'close:1005:',
    ]);
    expect((await talk(port, head().replace(KEY, 'short'))).toString()).toMatch(/^HTTP\/1\.1 400 /);
  });

  it('reads frames that come with the request in one piece (WS-013), and answers them as one', async () => {
    const { port } = await serve(echo);
    const frames = Buffer.concat([
      frameOf({ opcode: 1, payload: 'first', mask: MASK }),
      frameOf({ opcode: 9, payload: 'p', mask: MASK }),
      frameOf({ opcode: 8, payload: Buffer.from([3, 232]), mask: MASK }),
    ]);
    for (const pieces of [[Buffer.concat([Buffer.from(head()), frames])], [head(), frames]]) {
      const answer = await talk(port, ...pieces);
      const body = answer.indexOf('\r\n\r\n') + 4;
      expect(answer.subarray(0, body).toString()).toContain('Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=');
      expect(readMessages('client', answer.subarray(body)).log).toEqual(['text:first', 'pong:70', 'close:1000:']);
    }
  });

  it('fails a peer that breaks the rules with the code of what it did, and gives the reason to onClose', async () => {
    const errors: string[] = [];
    const codes: number[] = [];
    const { port } = await serve(
      {
        ...echo,
        onWSClose: (_server, _id, code) => codes.push(code),
        onClose: (_server, _id, _operation, errorCode, info) => errors.push(`${errorCode} ${info?.code}`),
      },
      { maxMessageBytes: 1000 },
    );
    const cases: [Buffer, number][] = [
      [frameOf({ opcode: 1, payload: 'x' }), 1002],
      [frameOf({ opcode: 3, mask: MASK }), 1002],
      [frameOf({ opcode: 1, payload: Buffer.from([0xff]), mask: MASK }), 1007],
      [frameOf({ opcode: 2, announced: 2n ** 40n, mask: MASK }), 1009],
      [frameOf({ opcode: 2, announced: 2n ** 63n, mask: MASK }), 1002],
    ];
    for (const [bytes, code] of cases) {
      const answer = await talk(port, head(), bytes);
      expect(readMessages('client', answer.subarray(answer.indexOf('\r\n\r\n') + 4)).log).toEqual([`close:${code}:`]);
    }
    await expect.poll(() => errors.length).toBe(cases.length);
    expect(codes).toEqual(cases.map(([, code]) => code));
    expect(errors).toEqual([
      '74 HP_BAD_MESSAGE',
      '74 HP_BAD_MESSAGE',
      '74 HP_BAD_MESSAGE',
      '90 HP_MESSAGE_TOO_LARGE',
      '74 HP_BAD_MESSAGE',
    ]);
  });

  it('compresses where that was agreed on (WSS-012)', async () => {
    const { port, server } = await serve(echo, { compression: true, compressionThresholdBytes: 0 });
    const client = await connect(port, '/', { perMessageDeflate: { threshold: 0 } });
    expect(client.extensions).toContain('permessage-deflate');
    const text = JSON.stringify({ list: Array.from({ length: 300 }, (_, i) => ({ i })) });
    for (let i = 0; i < 5; i++) {
      client.send(text);
      expect((await nextMessage(client))[0] === text).toBe(true);
    }
    expect(server.isCompressing(server.getAllConnectionIDs()[0]!)).toBe(true);
    expect(server.webSocketStats()?.compression?.contexts).toBe(2);
    const plain = await connect(port);
    plain.send('x');
    expect(await nextMessage(plain)).toEqual(['x', false]);
    client.close();
    await once(client, 'close');
    await expect.poll(() => server.webSocketStats()?.compression?.contexts).toBe(0);
    plain.terminate();
  });

  it('publishes to topics once for all, and forgets connections that are gone', async () => {
    const { port, server } = await serve({
      onOpen: (sender, connId) => void sender.subscribe(connId, sender.getRequest(connId)!.path),
      onMessage: (sender, connId, data) => void sender.publish('/a', data.toString(), { except: connId }),
    });
    const [one, two, other] = [await connect(port, '/a'), await connect(port, '/a'), await connect(port, '/b')];
    const got: string[] = [];
    for (const client of [one, two, other]) client.on('message', (data) => got.push(String(data)));
    const message = nextMessage(two);
    one.send('hello');
    expect(await message).toEqual(['hello', false]);
    expect(server.getSubscribers('/a')).toHaveLength(2);
    expect(server.broadcast('all')).toBe(3);
    await expect.poll(() => got.length).toBe(4);
    expect(got.sort()).toEqual(['all', 'all', 'all', 'hello']);
    two.terminate();
    await expect.poll(() => server.getSubscribers('/a').length).toBe(1);
    expect(server.publish('/a', Buffer.from('x'))).toBe(1);
    one.terminate();
    other.terminate();
  });

  it('sends what a source brings as one message, at the speed of the peer', async () => {
    const { port, server } = await serve({});
    const client = await connect(port);
    const [connId] = server.getAllConnectionIDs();
    async function* source(): AsyncGenerator<Buffer> {
      for (let i = 0; i < 100; i++) yield Buffer.alloc(10_000, i);
    }
    const message = once(client, 'message');
    const sent = server.sendStream(connId!, source());
    expect(server.send(connId!, 'between')).toBe(false);
    expect(server.lastSystemError).toBe(16);
    expect(await sent).toBe(true);
    const [data] = (await message) as [Buffer];
    expect(data.length).toBe(1_000_000);
    expect(data.every((byte, i) => byte === Math.floor(i / 10_000))).toBe(true);
    async function* broken(): AsyncGenerator<Buffer> {
      yield Buffer.from('half');
      throw new Error('the source broke');
    }
    const closed = once(client, 'close');
    await expect(server.sendStream(connId!, broken())).rejects.toThrow('the source broke');
    expect((await closed)[0]).toBe(1011);
  });

  it('pings a silent peer, and closes one that gives no sign of life (WSS-014)', async () => {
    const closed = deferred<string>();
    const { port } = await serve(
      {
        onClose: (_server, _id, _operation, errorCode, info) => closed.resolve(`${errorCode} ${info?.error?.message}`),
      },
      { pingIntervalMs: 20, pongTimeoutMs: 50 },
    );
    const alive = await connect(port);
    for (let i = 0; i < 3; i++) await once(alive, 'ping');
    expect(alive.readyState).toBe(WebSocket.OPEN);
    alive.pause();
    expect(await closed.promise).toMatch(/^110 .*pongTimeoutMs/);
    alive.terminate();
  });

  it('refuses listeners and options that are none', () => {
    expect(() => new WebSocketServer({ onMesage: () => {} } as never)).toThrow(/onMesage/);
    expect(() => new WebSocketServer({}, { maxMesageBytes: 1 } as never)).toThrow(/maxMessageBytes/);
    expect(() => new WebSocketServer({}, { subProtocols: ['a b'] })).toThrow(TypeError);
    expect(() => new WebSocketServer({}, { compressionServerWindowBits: 16 })).toThrow(RangeError);
  });

  it('says why it cannot send', async () => {
    const { server, port } = await serve({});
    expect(server.send(12345, 'x')).toBe(false);
    expect(server.lastFailure?.code).toBe('HP_NO_CONNECTION');
    const socket = net.connect(port, '127.0.0.1');
    await once(socket, 'connect');
    await expect.poll(() => server.connectionCount).toBe(1);
    expect(server.send(server.getAllConnectionIDs()[0]!, 'x')).toBe(false);
    expect(server.lastFailure?.message).toContain('opening handshake');
    socket.destroy();
  });
});

describe('a connection with no room for another byte (maxPendingBytes)', () => {
  /** Fills what may be pending to the last byte. */
  const fill = (server: WebSocketServer, connId: number): void => {
    const room = 20_000 - server.connection(connId)!.pendingBytes;
    expect(server.send(connId, Buffer.alloc(room - 4))).toBe(true);
    expect(server.ping(connId, 'x')).toBe(false);
  };

  it.each([
    ['closes', (server: WebSocketServer, connId: number): void => void server.close(connId, 4000, 'bye'), 4000],
    [
      'closes a slow subscriber',
      (server: WebSocketServer, connId: number): void => {
        server.subscribe(connId, 'all');
        server.publish('all', 'more');
      },
      1013,
    ],
    ['is broken by its client', (): void => {}, 1002],
    ['is closed by its client', (): void => {}, 3000],
  ] as const)('%s: the client gets everything, and why', async (how, end, code) => {
    const closed = deferred<number>();
    const { port } = await serve(
      {
        onOpen(server, connId) {
          fill(server, connId);
          end(server, connId);
        },
        onWSClose: (_server, _connId, told) => closed.resolve(told),
      },
      { maxPendingBytes: 20_000, slowSubscriberPolicy: 'close', maxSubscriberPendingBytes: 10_000 },
    );
    const client = new WebSocket(`ws://127.0.0.1:${port}/`, { perMessageDeflate: false });
    const ended = once(client, 'close') as Promise<[number, Buffer]>;
    let bytes = 0;
    client.on('message', (data: Buffer) => {
      bytes += data.length;
    });
    client.once('upgrade', ({ socket }: { socket: net.Socket }) => {
      if (how === 'is broken by its client') socket.write(frameOf({ opcode: 3, mask: MASK }));
    });
    if (how === 'is closed by its client') client.once('open', () => client.close(3000));
    expect((await ended)[0]).toBe(code);
    expect(bytes).toBeGreaterThan(19_000);
    expect(await closed.promise).toBe(code);
  });
});
