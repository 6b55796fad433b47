import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { youngCollector } from '../../src/core/young-collector.ts';
import {
  type ComponentStats,
  TcpClient,
  TcpPackClient,
  TcpPackServer,
  TcpPullServer,
  TcpServer,
} from '../../src/index.ts';
import { Counter, connectBare } from './support.ts';

async function runChild<T>(mode: string): Promise<T> {
  const script = fileURLToPath(new URL('./resources-child.ts', import.meta.url));
  const child = spawn(process.execPath, ['--expose-gc', '--import', 'tsx', script, mode], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let text = '';
  child.stdout.on('data', (chunk: Buffer) => {
    text += chunk.toString();
  });
  const [code] = (await once(child, 'close')) as [number];
  expect(code).toBe(0);
  return JSON.parse(text) as T;
}

test('10,000 connects and disconnects leave heap, handles, tables, pool and counters as they were', {
  timeout: 90_000,
}, async () => {
  interface Snapshot {
    heap: number;
    resources: Record<string, number>;
  }
  const { before, after, stats, ids, stopped } = await runChild<{
    before: Snapshot;
    after: Snapshot;
    stats: { server: ComponentStats; agent: ComponentStats };
    ids: number[];
    stopped: Record<string, number>;
  }>('many');
  // 200 bytes for each would be 2 MB.
  expect(after.heap - before.heap).toBeLessThan(2_000_000);
  expect(after.resources).toEqual(before.resources);
  expect(after.resources).toEqual({ TCPServerWrap: 1 });
  expect(stopped).toEqual({});
  expect(ids).toEqual([0, 0]);
  for (const { pool, limits, ...rest } of [stats.server, stats.agent]) {
    expect(rest).toMatchObject({
      connections: 0,
      opened: 12_000,
      closed: 12_000,
      refused: 0,
      pendingBytes: 0,
      bytesIn: 60_000,
      bytesOut: 60_000,
      messagesOut: 12_000,
    });
    expect(pool.readWindows).toBe(0);
    expect(pool.receiveSlabs).toBeLessThan(200);
    expect(pool.sendSlabs).toBeLessThan(50);
    expect(limits).toMatchObject({ connections: 0, perAddress: 0, idle: 0 });
  }
});

test('components that stopped, their listeners and what was attached are collected', { timeout: 60_000 }, async () => {
  const { all, alive } = await runChild<{ all: number; alive: string[] }>('collectable');
  expect(all).toBe(18);
  expect(alive).toEqual([]);
});

/** Bytes `offset` to `offset + length` of one endless stream that repeats nowhere soon. */
function streamBytes(offset: number, length: number): Buffer {
  const bytes = Buffer.allocUnsafe(length);
  for (let i = 0; i < length; i++) {
    const at = offset + i;
    bytes[i] = (at ^ (at >>> 7) ^ (at >>> 15) ^ Math.imul(at >>> 9, 31)) & 255;
  }
  return bytes;
}

/** Sizes of writes: rows of small ones, then bulk that makes reads larger than 32 KiB, then small ones again. */
const sizes = [
  ...Array.from({ length: 200 }, (_, i) => 1 + ((i * 37) % 1500)),
  ...Array.from({ length: 6 }, () => 1024 * 1024),
  ...Array.from({ length: 100 }, (_, i) => 1 + ((i * 91) % 6000)),
  ...Array.from({ length: 3 }, () => 700_001),
  ...Array.from({ length: 100 }, (_, i) => 1 + (i % 64)),
];
const total = sizes.reduce((sum, size) => sum + size, 0);

function expectStream(kept: readonly Buffer[], length: number): void {
  expect(kept.reduce((sum, one) => sum + one.length, 0)).toBe(length);
  let offset = 0;
  for (const one of kept) {
    if (!one.equals(streamBytes(offset, one.length))) throw new Error(`overwritten at ${offset}, ${one.length} bytes`);
    offset += one.length;
  }
}

describe('a listener that keeps every Buffer it got', () => {
  test('finds none overwritten: onReceive and onSend of an echo, small and bulk, across pauses', async () => {
    const received: Buffer[] = [];
    const sent: Buffer[] = [];
    const sentCount = new Counter();
    let windows = 0;
    await using server = new TcpServer({
      onReceive(server, connId, data) {
        received.push(data);
        server.send(connId, data);
        windows = Math.max(windows, server.stats().pool.readWindows);
        if (received.length % 7 === 0) {
          server.pauseReceive(connId);
          setImmediate(() => server.pauseReceive(connId, false));
        }
      },
      onSend(_server, _connId, data) {
        sent.push(data);
        sentCount.add(data.length);
      },
    });
    const { port } = await server.start('127.0.0.1', 0);
    const echoed: Buffer[] = [];
    const echoedCount = new Counter();
    await using client = new TcpClient({
      onReceive(_client, _connId, data) {
        echoed.push(data);
        echoedCount.add(data.length);
      },
      onSend: (_client, _connId, data) => void clientSent.push(data),
    });
    const clientSent: Buffer[] = [];
    await client.start('127.0.0.1', port);
    let offset = 0;
    for (const [index, size] of sizes.entries()) {
      client.send(streamBytes(offset, size));
      offset += size;
      // Now and then everything is let through, so that reads are small again.
      if (index % 10 === 0) await echoedCount.reach(offset);
    }
    await echoedCount.reach(total);
    await sentCount.reach(total);

    // Other connections use the same memory meanwhile.
    const other = new Counter();
    await using noise = new TcpServer({
      onReceive(noise, connId, data) {
        other.add(data.length);
        noise.send(connId, Buffer.alloc(2000, 0xee));
      },
    });
    const { port: noisePort } = await noise.start('127.0.0.1', 0);
    const peer = await connectBare(noisePort);
    peer.resume();
    for (let i = 0; i < 300; i++) peer.write(Buffer.alloc(i % 3 === 0 ? 100_000 : 500, 0xff));
    await other.reach(100 * 100_000 + 200 * 500);
    peer.destroy();

    for (const kept of [received, sent, echoed, clientSent]) expectStream(kept, total);
    // Where V8 is asked to collect, bytes are copied instead.
    if (process.env.HP_SOCKET_FAST_PATH !== 'off') expect(windows > 0).toBe(!youngCollector.frees);
    await client.stop();
    await server.stop();
    expect(server.stats().pool.readWindows).toBe(0);
  });

  test('finds none overwritten: packages, whole and in pieces', async () => {
    const packets: Buffer[] = [];
    const count = new Counter();
    await using server = new TcpPackServer(
      {
        onReceive(server, connId, packet) {
          packets.push(packet);
          if (packets.length % 5 === 0) {
            server.pauseReceive(connId);
            setImmediate(() => server.pauseReceive(connId, false));
          }
          count.add();
        },
      },
      { maxPackSize: 4_000_000 },
    );
    const { port } = await server.start('127.0.0.1', 0);
    await using client = new TcpPackClient({}, { maxPackSize: 4_000_000 });
    await client.start('127.0.0.1', port);
    let offset = 0;
    for (const size of sizes) {
      client.send(streamBytes(offset, size));
      offset += size;
    }
    await count.reach(sizes.length);
    expect(packets.map((packet) => packet.length)).toEqual(sizes);
    expectStream(packets, total);
  });

  test('finds none overwritten: what was fetched and peeked', async () => {
    const fetched: Buffer[] = [];
    const peeked: Buffer[] = [];
    const count = new Counter();
    await using server = new TcpPullServer({
      onReceive(server, connId, length) {
        for (let left = length; left > 0; ) {
          const next = Math.min(left, 1 + ((fetched.length * 4099) % 90_000));
          const peek = server.peek(connId, next);
          const bytes = server.fetch(connId, next);
          if (!Buffer.isBuffer(bytes) || !Buffer.isBuffer(peek)) throw new Error('nothing there');
          peeked.push(peek);
          fetched.push(bytes);
          left -= next;
          count.add(next);
        }
      },
    });
    const { port } = await server.start('127.0.0.1', 0);
    const peer = await connectBare(port);
    let offset = 0;
    for (const size of sizes) {
      if (!peer.write(streamBytes(offset, size))) await once(peer, 'drain');
      offset += size;
    }
    await count.reach(total);
    expectStream(fetched, total);
    expectStream(peeked, total);
    peer.destroy();
  });
});
