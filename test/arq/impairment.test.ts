import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { ImpairedLink, type Impairment, UdpRelay } from '../tools/impairment.ts';
import { Random } from '../tools/random.ts';
import { VirtualClock } from '../tools/virtual-clock.ts';

// The tool that the network tests stand on: does it do what they think it does?

function run(
  impairment: Impairment,
  count = 10_000,
  seed = 1,
): { arrived: Array<[at: number, n: number, length: number]>; link: ImpairedLink } {
  const clock = new VirtualClock();
  const arrived: Array<[number, number, number]> = [];
  const link = new ImpairedLink(clock, new Random(seed), impairment, (d) =>
    arrived.push([clock.now(), d.length >= 4 ? d.readUInt32LE(0) : -1, d.length]),
  );
  const datagram = Buffer.alloc(100);
  for (let i = 0; i < count; i++) {
    clock.runUntil(i);
    datagram.writeUInt32LE(i, 0);
    link.send(datagram);
  }
  while (clock.step());
  return { arrived, link };
}

describe('impairment link', () => {
  test('a good line', () => {
    const { arrived } = run({ delayMs: 7 });
    expect(arrived).toEqual(Array.from({ length: 10_000 }, (_, i) => [i + 7, i, 100]));
  });

  test('loss, duplication, truncation at about the rate asked for', () => {
    const { arrived, link } = run({ lossRate: 0.3, duplicateRate: 0.1, truncateRate: 0.05 });
    expect(Math.abs(link.lost - 3000)).toBeLessThan(200);
    expect(Math.abs(link.duplicated - 700)).toBeLessThan(100);
    expect(arrived).toHaveLength(10_000 - link.lost + link.duplicated);
    const cut = arrived.filter(([, , length]) => length < 100).length;
    expect(cut).toBeGreaterThan(200);
  });

  test('jitter reorders unless told not to', () => {
    const inOrder = ({ arrived }: ReturnType<typeof run>): boolean => arrived.every(([, n], i) => n === i);
    expect(inOrder(run({ delayMs: 5, jitterMs: 20 }))).toBe(false);
    expect(inOrder(run({ delayMs: 5, jitterMs: 20, keepsOrder: true }))).toBe(true);
    expect(inOrder(run({ reorderRate: 0.01, reorderMs: 3 }))).toBe(false);
  });

  test('bandwidth delays, and drops what the queue does not hold', () => {
    const slow = run({ bytesPerSecond: 50_000 }, 100);
    expect(slow.arrived.at(-1)![0]).toBeCloseTo(100 * 2, 6);
    const full = run({ bytesPerSecond: 50_000, queueBytes: 500 });
    expect(full.link.overflowed).toBeGreaterThan(4000);
    expect(full.arrived).toHaveLength(10_000 - full.link.overflowed);
  });

  test('the same seed gives the same run, another one does not', () => {
    const bad = { lossRate: 0.1, jitterMs: 10, duplicateRate: 0.1 };
    expect(run(bad, 1000, 5).arrived).toEqual(run(bad, 1000, 5).arrived);
    expect(run(bad, 1000, 5).arrived).not.toEqual(run(bad, 1000, 6).arrived);
  });
});

describe('UDP relay', () => {
  const sockets: Socket[] = [];
  let relay: UdpRelay | undefined;
  afterEach(() => {
    relay?.stop();
    for (const socket of sockets.splice(0)) socket.close();
  });

  async function socket(): Promise<Socket> {
    const s = createSocket('udp4');
    sockets.push(s);
    s.bind(0, '127.0.0.1');
    await once(s, 'listening');
    return s;
  }

  test('carries datagrams both ways, each client from an address of its own, and loses what it is told to', async () => {
    const server = await socket();
    const seen = new Set<number>();
    server.on('message', (d, from) => {
      seen.add(from.port);
      server.send(d, from.port, from.address);
    });
    relay = new UdpRelay({ host: '127.0.0.1', port: (server.address() as AddressInfo).port }, 1, { delayMs: 1 });
    const port = await relay.start();
    for (let i = 0; i < 2; i++) {
      const client = await socket();
      client.send(`hello ${i}`, port, '127.0.0.1');
      const [datagram] = await once(client, 'message');
      expect(datagram.toString()).toBe(`hello ${i}`);
    }
    expect(seen.size).toBe(2);
    relay.set({ lossRate: 1 }, {});
    const client = await socket();
    let answers = 0;
    client.on('message', () => answers++);
    client.send('lost', port, '127.0.0.1');
    await vi.waitFor(() => expect(relay!.counters().lost).toBe(1));
    relay.set({});
    client.send('kept', port, '127.0.0.1');
    await once(client, 'message');
    expect(answers).toBe(1);
    expect(relay.counters()).toEqual({ sent: 7, delivered: 6, lost: 1 });
  });
});
