import { createHash } from 'node:crypto';
import { once } from 'node:events';
import type net from 'node:net';
import { Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { describe, expect, test } from 'vitest';
import { type ConnId, TcpPackServer, TcpPullServer, TcpServer } from '../../src/index.ts';
import { packHeader } from '../../src/protocol/pack.ts';
import { isFastPathAllowed } from '../../src/transport/fast-io.ts';
import { Counter, connectBare, deferred, readBytes } from './support.ts';

const options = { reuseReceiveMemory: true } as const;
const total = 6 * 1024 * 1024;

/** Bytes that are nowhere the same as 4 bytes further on. */
function makeBytes(length: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let at = 0, value = 1; at + 4 <= length; at += 4) {
    value = (Math.imul(value, 1_664_525) + 1_013_904_223) >>> 0;
    bytes.writeUInt32LE(value, at);
  }
  return bytes;
}

const sent = makeBytes(total);

function digest(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** Writes in pieces of the sizes of reads, so that some find room at once and some do not. */
async function write(peer: net.Socket, bytes: Buffer): Promise<void> {
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const size = [40_000, 16_384, 100_000, 65_536, 9_000][i % 5]!;
    if (!peer.write(bytes.subarray(at, at + size))) await once(peer, 'drain');
    at += size;
  }
}

/** Starts a server and sends it everything. What it answers is dropped. */
async function feed(server: { start(host: string, port: number): Promise<{ port: number }> }): Promise<net.Socket> {
  const { port } = await server.start('127.0.0.1', 0);
  const peer = await connectBare(port);
  peer.resume();
  await write(peer, sent);
  return peer;
}

describe('reuseReceiveMemory', () => {
  test('large reads land in the same memory over and over: POOL-009', async () => {
    const memories = new Set<ArrayBufferLike>();
    const count = new Counter();
    let large = 0;
    await using server = new TcpServer(
      {
        onReceive(server, connId, data) {
          if (data.length > 8192) {
            memories.add(data.buffer);
            large++;
          }
          server.send(connId, data.subarray(0, 1));
          count.add(data.length);
        },
      },
      options,
    );
    const peer = await feed(server);
    await count.reach(total);
    // The first large read is in memory of its own, as it came before there was a window.
    if (isFastPathAllowed()) expect(memories.size).toBeLessThanOrEqual(2);
    expect(large).toBeGreaterThan(10);
    peer.destroy();
  });

  test('an echo to a peer that reads late gets every byte right', async () => {
    await using server = new TcpServer(
      { onReceive: (server, connId, data) => void server.send(connId, data) },
      options,
    );
    const { port } = await server.start('127.0.0.1', 0);
    const peer = await connectBare(port);
    // 6 MB fit into no socket buffer: most of what is echoed is still queued when the next read comes.
    const written = write(peer, sent);
    const echoed = await readBytes(peer, total);
    await written;
    expect(digest(echoed)).toBe(digest(sent));
    peer.destroy();
  });

  test('what is sent on to other connections stays right', async () => {
    const others: ConnId[] = [];
    await using server = new TcpServer(
      {
        onAccept: (_server, connId) => void others.push(connId),
        onReceive(server, connId, data) {
          for (const id of others) if (id !== connId) server.send(id, data);
        },
      },
      options,
    );
    const { port } = await server.start('127.0.0.1', 0);
    const readers = [await connectBare(port), await connectBare(port)];
    const writer = await connectBare(port);
    const received = readers.map((reader) => readBytes(reader, total));
    await write(writer, sent);
    for (const bytes of await Promise.all(received)) expect(digest(bytes)).toBe(digest(sent));
    for (const socket of [...readers, writer]) socket.destroy();
  });

  test('a hook that returns a promise may keep what it got', async () => {
    const kept: Buffer[] = [];
    const count = new Counter();
    await using server = new TcpServer(
      {
        async onReceive(_server, _connId, data) {
          await new Promise((resolve) => setImmediate(resolve));
          kept.push(data);
          count.add(data.length);
        },
      },
      options,
    );
    const peer = await feed(server);
    await count.reach(total);
    expect(digest(Buffer.concat(kept))).toBe(digest(sent));
    peer.destroy();
  });

  test('a stream made in the middle of a connection gets bytes of its own', async () => {
    const chunks: Buffer[] = [];
    const done = deferred();
    await using server = new TcpServer(
      {
        onReceive(server, connId, data) {
          chunks.push(Buffer.from(data));
          const sink = new Writable({
            highWaterMark: 4 * 1024 * 1024,
            write(chunk: Buffer, _encoding, callback) {
              chunks.push(chunk);
              setImmediate(callback);
            },
          });
          pipeline(server.createStream(connId)!, sink).then(done.resolve, done.reject);
        },
      },
      options,
    );
    const peer = await feed(server);
    peer.end();
    await done.promise;
    expect(digest(Buffer.concat(chunks))).toBe(digest(sent));
    peer.destroy();
  });

  test('a listener with onSend may keep what that shows', async () => {
    const shown: Buffer[] = [];
    const count = new Counter();
    await using server = new TcpServer(
      {
        onReceive: (server, connId, data) => void server.send(connId, data),
        onSend(_server, _connId, data) {
          shown.push(data);
          count.add(data.length);
        },
      },
      options,
    );
    const peer = await feed(server);
    await count.reach(total);
    expect(digest(Buffer.concat(shown))).toBe(digest(sent));
    peer.destroy();
  });

  test('packages and cut chunks across pauses come out whole', async () => {
    const hash = createHash('sha256');
    const bodies = Array.from({ length: 3000 }, (_, i) => sent.subarray(i * 2000, i * 2000 + 1 + ((i * 37) % 4000)));
    const count = new Counter();
    await using server = new TcpPackServer(
      {
        onReceive(server, connId, body) {
          hash.update(body);
          if (count.count % 17 === 0) {
            server.pauseReceive(connId);
            setImmediate(() => server.pauseReceive(connId, false));
          }
          count.add();
        },
      },
      { ...options, packHeaderFlag: 7 },
    );
    const { port } = await server.start('127.0.0.1', 0);
    const peer = await connectBare(port);
    const packages = bodies.flatMap((body) => {
      const header = Buffer.alloc(4);
      header.writeUInt32LE(packHeader(7, body.length));
      return [header, body];
    });
    await write(peer, Buffer.concat(packages));
    await count.reach(bodies.length);
    expect(hash.digest('hex')).toBe(digest(Buffer.concat(bodies)));
    peer.destroy();
  });

  test('what pull components hold and hand out is not touched by it', async () => {
    const fetched: Buffer[] = [];
    const count = new Counter();
    await using server = new TcpPullServer(
      {
        onReceive(server, connId, length) {
          if (length < 3000) return;
          const bytes = server.fetch(connId, length - 1000);
          if (!Buffer.isBuffer(bytes)) throw new Error(`fetch answered ${bytes}`);
          fetched.push(bytes);
          count.add(bytes.length);
        },
      },
      options,
    );
    const peer = await feed(server);
    await count.reach(total - 4000);
    const bytes = Buffer.concat(fetched);
    expect(digest(bytes)).toBe(digest(sent.subarray(0, bytes.length)));
    peer.destroy();
  });
});
