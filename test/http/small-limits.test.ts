/*
 * A limit on pending bytes (`maxPendingBytes`) that is smaller than messages: what has begun is completed when there is room, or
 * nothing of it is sent. A head without its body would be taken for the beginning of whatever is sent next.
 */
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { HttpAgent, HttpClient, HttpServer, type HttpServerHooks, HttpSyncClient } from '../../src/http.ts';
import { eventually } from '../tcp/support.ts';

const running: { stop(): Promise<unknown> }[] = [];
const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  await Promise.all(running.splice(0).map((component) => component.stop()));
  for (const cleanup of cleanups.splice(0)) await cleanup();
});

async function start(hooks: HttpServerHooks<HttpServer>, maxPendingBytes: number): Promise<number> {
  const server = new HttpServer(hooks, { maxPendingBytes });
  running.push(server);
  return (await server.start('127.0.0.1', 0)).port;
}

/** Bodies of the answers to `requests`, sent at once on one connection and read late. */
async function askSlowly(port: number, requests: readonly string[]): Promise<Buffer[]> {
  const socket = net.connect(port, '127.0.0.1');
  cleanups.push(() => socket.destroy());
  socket.pause();
  socket.write(requests.map((path) => `GET ${path} HTTP/1.1\r\nHost: h\r\n\r\n`).join(''));
  await new Promise((resolve) => setTimeout(resolve, 50));
  let input: Buffer = Buffer.alloc(0);
  const bodies: Buffer[] = [];
  for await (const piece of socket) {
    input = Buffer.concat([input, piece as Buffer]);
    for (let body = takeBody(); body !== null; body = takeBody()) bodies.push(body);
    if (bodies.length === requests.length) break;
  }
  return bodies;

  function takeBody(): Buffer | null {
    const end = input.indexOf('\r\n\r\n');
    if (end < 0) return null;
    const head = input.toString('latin1', 0, end + 2);
    expect(head).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    const length = /\r\nContent-Length: (\d+)\r\n/.exec(head)?.[1];
    if (length !== undefined) {
      const to = end + 4 + Number(length);
      if (input.length < to) return null;
      const body = Buffer.from(input.subarray(end + 4, to));
      input = input.subarray(to);
      return body;
    }
    const pieces: Buffer[] = [];
    for (let at = end + 4; ; ) {
      const lineEnd = input.indexOf('\r\n', at);
      if (lineEnd < 0) return null;
      const size = Number.parseInt(input.toString('latin1', at, lineEnd), 16);
      const to = lineEnd + 2 + size;
      if (input.length < to + 2) return null;
      expect(input.toString('latin1', to, to + 2)).toBe('\r\n');
      if (size === 0) {
        input = input.subarray(to + 2);
        return Buffer.concat(pieces);
      }
      pieces.push(input.subarray(lineEnd + 2, to));
      at = to + 2;
    }
  }
}

const MUCH = 1_500_000;
/** A body that shows where in it something is missing. */
const body = Buffer.from(
  Array.from({ length: MUCH / 4 }, (_, i) => i % 65_536).flatMap((i) => [i >> 8, i & 255, 0, 1]),
);

describe.each([1000, 20_000, 200_000])('with maxPendingBytes of %d', (maxPendingBytes) => {
  it('whole answers that are larger arrive', async () => {
    let told: unknown[] = [];
    const port = await start(
      { onRequest: async (_s, _id, request) => void told.push(await request.respond({ body })) },
      maxPendingBytes,
    );
    const [first, second] = await askSlowly(port, ['/', '/']);
    expect(first!.equals(body) && second!.equals(body)).toBe(true);
    await eventually(() => told.length === 2);
    expect(told).toEqual([true, true]);
    told = [];
  });

  it('texts, too', async () => {
    const text = 'é'.repeat(300_000);
    const port = await start({ onRequest: (_s, _id, request) => request.respond(text) }, maxPendingBytes);
    const [answer] = await askSlowly(port, ['/']);
    expect(answer!.toString() === text).toBe(true);
  });

  it('streamed answers arrive, whatever the size of their pieces', async () => {
    async function* pieces(): AsyncGenerator<Uint8Array | string> {
      yield body.subarray(0, 500);
      yield body.subarray(500, 700_000);
      yield body.subarray(700_000);
    }
    const port = await start({ onRequest: (_s, _id, request) => request.respond({ body: pieces() }) }, maxPendingBytes);
    const [first, second] = await askSlowly(port, ['/', '/']);
    expect(first!.equals(body) && second!.equals(body)).toBe(true);
  });

  it('answers to pipelined requests arrive whole and in order, made in any order, by handlers that wait or do not', async () => {
    for (const waits of [true, false]) {
      const port = await start(
        {
          onRequest: async (_s, _id, request) => {
            const size = Number(request.path.slice(1));
            if (size % 2 === 0) await new Promise((resolve) => setTimeout(resolve, 5));
            const answer = request.respond({ body: body.subarray(0, size) });
            if (waits) await answer;
          },
        },
        maxPendingBytes,
      );
      const sizes = Array.from({ length: 16 }, (_, i) => 100_000 + i);
      const answers = await askSlowly(
        port,
        sizes.map((size) => `/${size}`),
      );
      expect(answers.map(({ length }) => length)).toEqual(sizes);
      for (const answer of answers) expect(answer.equals(body.subarray(0, answer.length))).toBe(true);
    }
  });

  it('files arrive', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'small-limits-'));
    cleanups.push(() => rm(folder, { recursive: true }));
    const name = join(folder, 'file');
    await writeFile(name, body);
    const port = await start(
      { onMessageComplete: (server, connId) => void server.sendLocalFile(connId, name) },
      maxPendingBytes,
    );
    const [answer] = await askSlowly(port, ['/']);
    expect(answer!.equals(body)).toBe(true);
  });

  it('requests of agents and clients with larger bodies arrive, in one piece or streamed', async () => {
    const received: Buffer[] = [];
    const peer = createServer((request, response) => {
      const pieces: Buffer[] = [];
      setTimeout(() => {
        request.on('data', (piece: Buffer) => pieces.push(piece));
        request.on('end', () => {
          received.push(Buffer.concat(pieces));
          response.end('ok');
        });
      }, 30);
    }).listen(0, '127.0.0.1');
    await once(peer, 'listening');
    cleanups.push(
      () => peer.closeAllConnections(),
      () => peer.close(),
    );
    const url = `http://127.0.0.1:${(peer.address() as net.AddressInfo).port}/`;
    const sync = new HttpSyncClient({}, { maxPendingBytes });
    const agent = new HttpAgent({}, { maxPendingBytes });
    const client = new HttpClient({}, { maxPendingBytes });
    await agent.start();
    await client.start('127.0.0.1', (peer.address() as net.AddressInfo).port);
    running.push(sync, agent, client);
    for (const source of [() => body, () => [body.subarray(0, 700_000), body.subarray(700_000)]]) {
      expect((await sync.openUrl('POST', url, { body: source() })).status).toBe(200);
      expect((await agent.request(url, { method: 'POST', body: source() })).status).toBe(200);
      expect((await client.request({ method: 'POST', path: '/', body: source() })).status).toBe(200);
    }
    expect(received.map((bytes) => bytes.equals(body))).toEqual([true, true, true, true, true, true]);
  });
});

describe('what a hook sends that has no room', () => {
  it('is refused whole: an answer, a chunk, a request [RES-002 CHK-001]', async () => {
    const results: boolean[] = [];
    const port = await start(
      {
        onMessageComplete(server, connId) {
          const large = Buffer.alloc(20_000);
          results.push(server.sendResponse(connId, 200, 'OK', [], large));
          results.push(server.sendResponse(connId, 200, 'OK', [['Transfer-Encoding', 'chunked']]));
          results.push(server.sendChunkData(connId, large));
          results.push(server.sendChunkData(connId, 'ab'));
          results.push(server.sendChunkData(connId, null));
        },
      },
      10_000,
    );
    const [answer] = await askSlowly(port, ['/']);
    expect(answer!.toString()).toBe('ab');
    expect(results).toEqual([false, true, false, true, true]);
    const client = new HttpClient({}, { maxPendingBytes: 10_000 });
    running.push(client);
    await client.start('127.0.0.1', port);
    expect(client.sendRequest('POST', '/', [], Buffer.alloc(20_000))).toBe(false);
    expect((await client.request({ method: 'GET', path: '/' })).status).toBe(200);
  });
});
