import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import net from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { WebSocketServer as WsServer, type WebSocket as WsWebSocket } from 'ws';
import { HandleResult } from '../../src/core/enums.ts';
import { WebSocketAgent } from '../../src/websocket/websocket-agent.ts';
import { SslWebSocketClient, WebSocketClient } from '../../src/websocket/websocket-client.ts';
import { SslWebSocketServer, WebSocketServer } from '../../src/websocket/websocket-server.ts';
import { commonCertificates } from '../tools/certificates.ts';

const closing: (() => Promise<unknown> | unknown)[] = [];

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

function stops<T extends { readonly hasStarted: boolean; stop(): Promise<unknown> }>(component: T): T {
  closing.push(() => (component.hasStarted ? component.stop() : undefined));
  return component;
}

/** A `ws` server that echoes. */
async function wsServer(
  options: object = {},
): Promise<{ port: number; server: WsServer; requests: IncomingMessage[] }> {
  const requests: IncomingMessage[] = [];
  const server = new WsServer({ host: '127.0.0.1', port: 0, ...options });
  server.on('connection', (socket, request) => {
    requests.push(request);
    socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));
  });
  await once(server, 'listening');
  closing.push(() => {
    for (const client of server.clients) client.terminate();
    server.close();
  });
  return { port: (server.address() as net.AddressInfo).port, server, requests };
}

/** A server that answers a request for a WebSocket with these bytes. */
async function rawServer(answer: string): Promise<number> {
  const server = net.createServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', () => socket.write(answer));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  closing.push(() => server.close());
  return (server.address() as net.AddressInfo).port;
}

describe('a WebSocketClient', () => {
  it('opens, sends and gets messages, and closes (WSA-003, WSA-005)', async () => {
    const { port, requests } = await wsServer({ handleProtocols: () => 'b' });
    const log: string[] = [];
    let gotAll = (): void => {};
    const all = new Promise<void>((resolve) => (gotAll = resolve));
    const client = stops(
      new WebSocketClient(
        {
          onOpen: () => log.push('open'),
          onMessage: (_client, _id, data, isBinary) => {
            log.push(`${isBinary ? 'binary' : 'text'} ${data.toString()}`);
            if (log.length === 3) gotAll();
          },
          onPong: (_client, _id, data) => log.push(`pong ${data.toString()}`),
          onWSClose: (_client, _id, code, _reason, wasClean) => log.push(`ws close ${code} ${wasClean}`),
          onClose: (_client, _id, _operation, errorCode) => log.push(`close ${errorCode}`),
        },
        { textAsString: true },
      ),
    );
    await client.open(`ws://127.0.0.1:${port}/path?q=1`, {
      subProtocols: ['a', 'b'],
      headers: [['Authorization', 'Bearer x']],
    });
    expect(client.isOpen).toBe(true);
    expect(client.subProtocol).toBe('b');
    expect(requests[0]).toMatchObject({
      url: '/path?q=1',
      headers: { authorization: 'Bearer x', host: `127.0.0.1:${port}` },
    });
    expect(client.send('text')).toBe(true);
    expect(client.send(Buffer.from('bytes'))).toBe(true);
    await all;
    expect(client.close(1000, 'done')).toBe(true);
    await client.wait();
    expect(log).toEqual(['open', 'text text', 'binary bytes', 'ws close 1000 true', 'close 0']);
    expect(client.send('x')).toBe(false);
  });

  it('compresses with a server that agrees, messages of any size', async () => {
    const { port } = await wsServer({ perMessageDeflate: { threshold: 0 } });
    const got: string[] = [];
    let done = (): void => {};
    const all = new Promise<void>((resolve) => (done = resolve));
    const client = stops(
      new WebSocketClient(
        {
          onMessage: (_client, _id, data) => {
            got.push(data.toString());
            if (got.length === 4) done();
          },
        },
        { compression: true, compressionThresholdBytes: 0 },
      ),
    );
    await client.open(`ws://127.0.0.1:${port}`);
    expect(client.isCompressing).toBe(true);
    const texts = [10, 1000, 100_000, 1_000_000].map((length) => 'abc '.repeat(length / 4));
    for (const text of texts) client.send(text);
    await all;
    expect(got.every((text, i) => text === texts[i])).toBe(true);
  });

  const wrong: [string, string][] = [
    ['refuses', 'HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n'],
    ['redirects', 'HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n'],
    ['sends no accept', 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n'],
    [
      'sends a wrong accept',
      'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n',
    ],
    ['upgrades to something else', 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n'],
    ['is no HTTP server', 'SSH-2.0-OpenSSH_9.6\r\n\r\n'],
  ];
  it.each(wrong)('does not open when the server %s (WSA-004)', async (_what, answer) => {
    const port = await rawServer(answer);
    const opened: unknown[] = [];
    const client = stops(new WebSocketClient({ onOpen: () => opened.push(1) }));
    await expect(client.open(`ws://127.0.0.1:${port}`)).rejects.toMatchObject({ name: 'SocketError' });
    await client.wait();
    expect(opened).toEqual([]);
  });

  it('gives up when no answer comes in time', async () => {
    const port = await rawServer('');
    const client = stops(new WebSocketClient({}, { handshakeTimeoutMs: 50 }));
    await expect(client.open(`ws://127.0.0.1:${port}`)).rejects.toMatchObject({ errno: 110 });
  });

  it('refuses URLs, options and headers that make no sense', async () => {
    const client = new WebSocketClient({});
    for (const url of ['http//x', 'ftp://x', 'ws://x/#f', 'ws://user:pw@x/', 'wss://127.0.0.1/']) {
      await expect(client.open(url)).rejects.toThrow(TypeError);
    }
    await expect(client.open('ws://x', { header: [] } as never)).rejects.toThrow(/header/);
    await expect(client.open('ws://x', { headers: [['Upgrade', 'h2c']] })).rejects.toThrow(TypeError);
    await expect(client.open('ws://127.0.0.1:1')).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  });

  it('connects again when it is lost, asks a hook where to, and gives up when it is closed', async () => {
    const { port, server } = await wsServer();
    const attempts: number[] = [];
    let reopened = (): void => {};
    const second = new Promise<void>((resolve) => (reopened = resolve));
    let opens = 0;
    const client = stops(
      new WebSocketClient({
        onOpen: () => {
          if (++opens === 2) reopened();
        },
        onReconnect: (_client, attempt, target) => {
          attempts.push(attempt);
          target.url = `ws://127.0.0.1:${port}/again`;
        },
      }),
    );
    await client.open(`ws://127.0.0.1:${port}`, { reconnect: { minDelayMs: 1, maxDelayMs: 10 } });
    const connected = once(server, 'connection');
    for (const socket of server.clients) socket.terminate();
    const [, request] = (await connected) as [WsWebSocket, IncomingMessage];
    await second;
    expect(request.url).toBe('/again');
    expect(attempts).toEqual([1]);
    client.close();
    await client.wait();
    expect(attempts).toEqual([1]);
  });

  it('gives up connecting again when the hook says so, or after so many attempts', async () => {
    const { port, server } = await wsServer();
    const client = stops(new WebSocketClient({ onReconnect: () => HandleResult.Error }));
    await client.open(`ws://127.0.0.1:${port}`, { reconnect: { minDelayMs: 1, maxDelayMs: 1 } });
    const attempts: number[] = [];
    const trying = stops(
      new WebSocketClient({
        onReconnect: (_client, attempt, target) => {
          attempts.push(attempt);
          target.url = 'ws://127.0.0.1:1';
        },
      }),
    );
    await trying.open(`ws://127.0.0.1:${port}`, { reconnect: { minDelayMs: 1, maxDelayMs: 1, maxAttempts: 3 } });
    for (const socket of server.clients) socket.terminate();
    await expect.poll(() => attempts).toEqual([1, 2, 3]);
    await client.wait();
    await trying.wait();
  });

  it('is kept open once, however often it is opened between the attempts, and no more after stop', async () => {
    const { port, server } = await wsServer();
    let connections = 0;
    server.on('connection', () => connections++);
    const client = stops(new WebSocketClient({}));
    const reconnect = { minDelayMs: 60_000, maxDelayMs: 60_000 };
    await client.open(`ws://127.0.0.1:${port}`, { reconnect });
    for (const socket of server.clients) socket.terminate();
    await client.wait();
    await client.open(`ws://127.0.0.1:${port}`, { reconnect: { minDelayMs: 0, maxDelayMs: 0 } });
    const third = once(server, 'connection');
    for (const socket of server.clients) socket.terminate();
    await third;
    await expect.poll(() => client.isOpen).toBe(true);
    expect(connections).toBe(3);
    await client.stop();
    // Between two attempts there is nothing to stop, and that is no mistake of the caller's.
    await client.open(`ws://127.0.0.1:${port}`, { reconnect });
    for (const socket of server.clients) socket.terminate();
    await client.wait();
    await client.stop();
    await expect(client.stop()).rejects.toMatchObject({ code: 'HP_ILLEGAL_STATE' });
    expect(connections).toBe(4);
  });

  it('does not connect again if it was closed, stopped or aborted while it was opened', async () => {
    const { port, server } = await wsServer();
    let connections = 0;
    server.on('connection', () => connections++);
    let attempts = 0;
    for (const how of ['close', 'stop', 'abort']) {
      const controller = new AbortController();
      const client = stops(
        new WebSocketClient({
          onOpen(client) {
            if (how === 'close') client.close();
            else if (how === 'stop') void client.stop();
            else controller.abort();
          },
          onReconnect: () => void attempts++,
        }),
      );
      const reconnect = { minDelayMs: 0, maxDelayMs: 0 };
      await client.open(`ws://127.0.0.1:${port}`, { reconnect, signal: controller.signal }).catch(() => {});
      await client.wait();
    }
    // The time in which the attempts would have been made: another client opens and closes.
    const other = stops(new WebSocketClient({}));
    await other.open(`ws://127.0.0.1:${port}`);
    other.close();
    await other.wait();
    expect([attempts, connections]).toEqual([0, 4]);
  });

  it('reports an onReconnect that throws, or changes the target to what cannot be opened, and goes on', async () => {
    const { port, server } = await wsServer();
    const failures: string[] = [];
    let opens = 0;
    const client = stops(
      new WebSocketClient({
        onOpen: () => void opens++,
        onReconnect(_client, attempt, target) {
          if (attempt === 1) throw new Error('no token');
          target.url = attempt === 2 ? 'ftp://127.0.0.1/' : `ws://127.0.0.1:${port}`;
        },
        onHookError: (_client, hook, error) => void failures.push(`${hook}: ${(error as Error).message}`),
      }),
    );
    await client.open(`ws://127.0.0.1:${port}`, { reconnect: { minDelayMs: 0, maxDelayMs: 0 } });
    for (const socket of server.clients) socket.terminate();
    await expect.poll(() => opens).toBe(2);
    expect(failures).toEqual([
      'onReconnect: no token',
      'onReconnect: the URL of a WebSocket begins with ws:// or wss://',
    ]);
  });

  it('rejects what cannot be sent before it connects', async () => {
    const { port, requests } = await wsServer();
    const url = `ws://127.0.0.1:${port}`;
    const client = stops(new WebSocketClient({}));
    const agent = stops(new WebSocketAgent({}));
    await agent.start();
    const wrong: object[] = [
      { subProtocols: 'chat' },
      { subProtocols: ['a b'] },
      { subProtocols: ['a', 'a'] },
      { headers: [['a', 'b\r\nc: d']] },
      { headers: 5 },
      { signal: {} },
    ];
    for (const options of wrong) {
      await expect(client.open(url, options), JSON.stringify(options)).rejects.toThrow(TypeError);
      await expect(agent.open(url, options), JSON.stringify(options)).rejects.toThrow(TypeError);
    }
    for (const reconnect of [{ minDelayMs: '5' }, { minDelayMs: 2, maxDelayMs: 1 }, { maxAttempts: 1.5 }, 5]) {
      await expect(client.open(url, { reconnect: reconnect as object })).rejects.toThrow(
        /reconnect|DelayMs|maxAttempts/,
      );
    }
    await client.open(url, { headers: { 'X-A': 'b' } });
    expect(requests.map((request) => request.headers['x-a'])).toEqual(['b']);
  });

  it('says that its signal was aborted when that ends the handshake', async () => {
    const port = await rawServer('');
    const client = stops(new WebSocketClient({}));
    const agent = stops(new WebSocketAgent({}));
    await agent.start();
    for (const opener of [client, agent]) {
      const controller = new AbortController();
      const opened = opener.open(`ws://127.0.0.1:${port}`, { signal: controller.signal });
      await expect.poll(() => opener.stats().opened).toBe(1);
      controller.abort();
      await expect(opened).rejects.toMatchObject({ code: 'HP_ABORTED', errnoName: 'ECANCELED' });
    }
  });

  it('talks over TLS with a WebSocketServer of ours', async () => {
    const { authority, server: identity } = await commonCertificates();
    const server = stops(
      new SslWebSocketServer({ onMessage: (sender, connId, data) => void sender.sendText(connId, data) }),
    );
    server.setupSSLContext({ cert: identity.cert, key: identity.key });
    const { port } = await server.start('127.0.0.1', 0);
    const echoed = new Promise<string>((resolve) => {
      const client = stops(
        new SslWebSocketClient({
          onOpen: (sender) => void sender.send('over TLS'),
          onMessage: (_client, _id, data) => resolve(data.toString()),
        }),
      );
      client.setupSSLContext({ ca: authority.ca, verifyHost: false });
      client.open(`wss://127.0.0.1:${port}`).catch((error: unknown) => resolve(String(error)));
    });
    expect(await echoed).toBe('over TLS');
  });
});

describe('a WebSocketAgent', () => {
  it('opens many WebSockets to any servers, and publishes to those that are subscribed (WSA-002, WSA-007)', async () => {
    const [one, two] = [await wsServer(), await wsServer()];
    const got: string[] = [];
    const agent = stops(
      new WebSocketAgent({ onMessage: (_agent, connId, data) => got.push(`${connId}:${data.toString()}`) }),
    );
    await agent.start();
    const a = await agent.open(`ws://127.0.0.1:${one.port}/a`);
    const b = await agent.open(`ws://127.0.0.1:${two.port}/b`);
    expect(one.requests[0]!.url).toBe('/a');
    expect(agent.isOpen(a)).toBe(true);
    agent.send(a, 'to a');
    await expect.poll(() => got).toEqual([`${a}:to a`]);
    agent.subscribe(a, 't');
    agent.subscribe(b, 't');
    expect(agent.publish('t', 'to both')).toBe(2);
    await expect.poll(() => got.slice(1).sort()).toEqual([`${a}:to both`, `${b}:to both`].sort());
    expect(agent.close(a, 4000)).toBe(true);
    await expect.poll(() => agent.connectionCount).toBe(1);
    await expect(agent.open('ws://127.0.0.1:1')).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    expect(await agent.stop({ drainTimeoutMs: 60_000 })).toMatchObject({ connections: 1, drained: 1 });
  });

  it('drains from servers of ours, also behind a hook that is pending', async () => {
    const asked: (() => void)[] = [];
    let answers = 0;
    const server = stops(
      new WebSocketServer({
        onOpen: (s, connId) => void s.sendText(connId, 'question'),
        onMessage: () => void answers++,
      }),
    );
    const { port } = await server.start('127.0.0.1', 0);
    const agent = stops(
      new WebSocketAgent({
        onMessage: async (a, connId) => {
          await new Promise<void>((resolve) => asked.push(resolve));
          a.sendText(connId, 'late');
        },
      }),
    );
    await agent.start();
    await Promise.all([1, 2].map(() => agent.open(`ws://127.0.0.1:${port}/`)));
    await expect.poll(() => asked.length).toBe(2);
    const stopped = agent.stop({ drainTimeoutMs: 60_000 });
    for (const answer of asked) answer();
    expect(await stopped).toMatchObject({ connections: 2, drained: 2 });
    await expect.poll(() => answers).toBe(2);
  });

  it('is refused by a server of ours with the status of its hook', async () => {
    const server = stops(new WebSocketServer({ onUpgradeRequest: () => ({ status: 503 }) }));
    const { port } = await server.start('127.0.0.1', 0);
    const agent = stops(new WebSocketAgent({}));
    await agent.start();
    await expect(agent.open(`ws://127.0.0.1:${port}`)).rejects.toThrow(/503/);
  });

  it('takes a plain HTTP server for what it is', async () => {
    const http = createServer((_request, response) => response.end('hello'));
    http.listen(0, '127.0.0.1');
    await once(http, 'listening');
    closing.push(() => http.close());
    const agent = stops(new WebSocketAgent({}));
    await agent.start();
    const { port } = http.address() as net.AddressInfo;
    await expect(agent.open(`ws://127.0.0.1:${port}`)).rejects.toThrow(/200/);
  });
});
