/** Peers that mean no good, or leave at the wrong moment, on a server of requests and WebSockets. */
import { once } from 'node:events';
import net from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { HttpServer, serve } from '../../src/http.ts';
import { frameOf, MASK, readMessages } from './support.ts';

const running: HttpServer[] = [];
const sockets: net.Socket[] = [];

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  for (const server of running.splice(0)) if (server.hasStarted) await server.stop();
});

const head = [
  'GET /chat HTTP/1.1',
  'Host: 127.0.0.1',
  'Upgrade: websocket',
  'Connection: Upgrade',
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
  'Sec-WebSocket-Version: 13',
  'Sec-WebSocket-Extensions: permessage-deflate',
  '',
  '',
].join('\r\n');

const conversation = Buffer.concat([
  Buffer.from(`GET /page HTTP/1.1\r\nHost: x\r\n\r\n${head}`),
  frameOf({ opcode: 1, payload: 'first', mask: MASK }),
  frameOf({ opcode: 2, payload: Buffer.alloc(300, 'x'), isFinal: false, mask: MASK }),
  frameOf({ opcode: 9, payload: 'ping', mask: MASK }),
  frameOf({ opcode: 0, payload: Buffer.alloc(300, 'y'), mask: MASK }),
  frameOf({ opcode: 8, payload: Buffer.from([3, 232]), mask: MASK }),
]);

async function start(kind: 'ws' | 'fetch'): Promise<{ server: HttpServer; port: number; log: string[] }> {
  const log: string[] = [];
  const ws = {
    compression: true,
    onOpen: () => void log.push('open'),
    onMessage: (server: HttpServer, connId: number, data: Buffer | string, isBinary: boolean) =>
      void server.send(connId, isBinary ? data : String(data)),
    onWSClose: () => void log.push('close'),
  };
  const onHookError = (_server: unknown, hook: string, error: unknown): void => void log.push(`${hook} ${error}`);
  if (kind === 'ws') {
    const server = new HttpServer(
      { onRequest: (_server, _id, request) => void request.respond('page'), onHookError },
      { ws },
    );
    running.push(server);
    return { server, port: (await server.start('127.0.0.1', 0)).port, log };
  }
  const server = await serve(
    async (request, info) => {
      await Promise.resolve();
      return request.url.endsWith('/chat') ? info.upgradeWebSocket() : new Response('page');
    },
    { host: '127.0.0.1', websocket: ws, onError: (error) => log.push(String(error)) },
  );
  running.push(server);
  return { server, port: server.getListenAddress()!.port, log };
}

async function open(port: number): Promise<net.Socket> {
  const socket = net.connect({ port, host: '127.0.0.1', noDelay: true });
  sockets.push(socket);
  socket.on('error', () => {});
  await once(socket, 'connect');
  return socket;
}

describe.each(['ws', 'fetch'] as const)('a server of requests and WebSockets (%s)', (kind) => {
  it('understands a conversation however it is cut', async () => {
    const { port, server } = await start(kind);
    const cuts = Array.from({ length: Math.ceil(conversation.length / 7) }, (_, i) => i * 7);
    for (const cut of [1, ...cuts.slice(1)]) {
      const socket = await open(port);
      socket.write(conversation.subarray(0, cut));
      await new Promise((resolve) => setImmediate(resolve));
      socket.write(conversation.subarray(cut));
      const chunks: Buffer[] = [];
      for await (const chunk of socket) chunks.push(chunk);
      const answer = Buffer.concat(chunks);
      const text = answer.toString('latin1');
      expect(text).toMatch(/^HTTP\/1\.1 200 .*pageHTTP\/1\.1 101 /s);
      expect(readMessages('client', answer.subarray(answer.lastIndexOf('\r\n\r\n') + 4)).log).toEqual([
        'text:first',
        'pong:70696e67',
        `binary:${Buffer.concat([Buffer.alloc(300, 'x'), Buffer.alloc(300, 'y')]).toString('hex')}`,
        'close:1000:',
      ]);
    }
    await expect.poll(() => server.connectionCount).toBe(0);
  });

  it('forgets peers that reset, or end, at each stage', async () => {
    const { port, server, log } = await start(kind);
    for (let at = 0; at <= conversation.length; at += 23) {
      for (const how of ['resetAndDestroy', 'end'] as const) {
        const socket = await open(port);
        socket.write(conversation.subarray(0, at));
        await new Promise((resolve) => setImmediate(resolve));
        socket[how]();
        socket.resume();
      }
    }
    await expect.poll(() => server.connectionCount, { timeout: 15_000 }).toBe(0);
    expect(server.webSocketStats()).toMatchObject({ open: 0 });
    expect(log.filter((line) => line === 'open').length).toBe(log.filter((line) => line === 'close').length);
    // A fetch handler that comes too late is told so, and nobody else is.
    const others = log.filter((line) => line !== 'open' && line !== 'close');
    expect(others.filter((line) => !line.includes('answered already, or its connection is gone'))).toEqual([]);
    expect(server.webSocketStats()?.compression).toMatchObject({ contextBytes: 0, contexts: 0 });
  });

  it('refuses requests that are half a handshake, and goes on for the others', async () => {
    const { port, server } = await start(kind);
    const bad = [
      head.replace('Version: 13', 'Version: 13, 14'),
      head.replace('Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==', 'Sec-WebSocket-Key: x'),
      head.replace('GET', 'POST').replace('\r\n\r\n', '\r\nContent-Length: 0\r\n\r\n'),
      head.replace('Upgrade: websocket', 'Upgrade: websocket\r\nSec-WebSocket-Protocol: a, a'),
      head.replace('Host: 127.0.0.1\r\n', ''),
      head.replace('\r\n\r\n', '\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n'),
      head.replace('\r\n\r\n', '\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n'),
    ];
    for (const text of bad) {
      const socket = await open(port);
      socket.end(text.replace('Connection: Upgrade', 'Connection: Upgrade, close'));
      let answer = '';
      for await (const chunk of socket) answer += chunk;
      expect(answer).toMatch(/^HTTP\/1\.1 4\d\d /);
    }
    expect(server.webSocketStats()).toMatchObject({ open: 0 });
    expect(await (await fetch(`http://127.0.0.1:${port}/page`)).text()).toBe('page');
  });
});
