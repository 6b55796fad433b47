import { describe, expect, test } from 'vitest';
import { limitKey, normalizeAddress, splitHost } from '../../src/core/address.ts';
import { ConnectionTable } from '../../src/core/connection-table.ts';
import { TimerWheel, WheelTimer } from '../../src/core/timer-wheel.ts';
import { TokenBucket } from '../../src/core/token-bucket.ts';
import { SendQueue } from '../../src/memory/send-queue.ts';
import { SendSlabPool, SlabPool } from '../../src/memory/slab-pool.ts';
import { isListed, toBlockList } from '../../src/transport/address-list.ts';

describe('ConnectionTable', () => {
  test('hands out 1, 2, 3, ... with two slots, and never finds an old ID: CID-001, CID-002, CID-004', () => {
    const table = new ConnectionTable<{ id: number }>(2);
    const ids: number[] = [];
    for (let i = 0; i < 6; i++) {
      const entry = { id: 0 };
      ids.push(table.insert(entry));
      expect(table.get(entry.id)).toBe(entry);
      table.delete(entry.id);
    }
    expect(ids).toEqual([1, 2, 3, 4, 5, 6]);
    for (const id of [...ids, 0, -1, 1.5, Number.NaN, 1e15]) expect(table.get(id)).toBeUndefined();
  });

  test('is full at its capacity, and has room again after a delete', () => {
    const table = new ConnectionTable<{ id: number }>(3);
    const entries = [1, 2, 3].map(() => ({ id: 0 }));
    for (const entry of entries) expect(table.insert(entry)).toBeGreaterThan(0);
    expect(table.insert({ id: 0 })).toBe(0);
    expect(table.size).toBe(3);
    table.delete(2);
    expect(table.delete(2)).toBe(false);
    expect(table.insert({ id: 0 })).toBe(5);
    expect([...table.values()].map(({ id }) => id)).toEqual([1, 5, 3]);
  });
});

describe('SlabPool', () => {
  test('copies belong to their receivers', () => {
    const pool = new SlabPool(1024);
    const source = Buffer.alloc(100);
    const copies = Array.from({ length: 50 }, (_, i) => pool.copy(source.fill(i), 0, 10 + i));
    copies.forEach((copy, i) => {
      expect(copy.equals(Buffer.alloc(10 + i, i))).toBe(true);
    });
    expect(pool.copy(Buffer.alloc(2000, 9), 500, 1500).equals(Buffer.alloc(1000, 9))).toBe(true);
    expect(pool.largeCount).toBe(1);
  });
});

/** A writer whose answers the test chooses. */
class FakeWriter {
  readonly written: string[] = [];
  answer = 0;

  write(chunks: Uint8Array[]): number {
    this.written.push(chunks.map((chunk) => Buffer.from(chunk).toString()).join(''));
    return this.answer;
  }
}

describe('SendQueue', () => {
  test('gathers small sends into one write and recycles the slab: POOL-002, POOL-013', () => {
    const pool = new SendSlabPool(256);
    const writer = new FakeWriter();
    const queue = new SendQueue(pool, writer);
    for (let round = 0; round < 100; round++) {
      for (const text of ['one ', 'two ', 'three']) queue.append(Buffer.from(text), 0, text.length);
      expect(queue.pendingBytes).toBe(13);
      expect(queue.flush()).toBe(0);
      expect(queue.pendingBytes).toBe(0);
    }
    expect(writer.written).toEqual(Array.from({ length: 100 }, () => 'one two three'));
    expect(pool.slabCount).toBe(1);
  });

  test('queues of many connections share a slab and keep their own order', () => {
    const pool = new SendSlabPool(64);
    const writers = [new FakeWriter(), new FakeWriter()];
    const queues = writers.map((writer) => new SendQueue(pool, writer));
    for (let i = 0; i < 40; i++)
      for (const [q, queue] of queues.entries()) queue.append(Buffer.from(`${q}${i % 10}`), 0, 2);
    for (const queue of queues) queue.flush();
    writers.forEach((writer, q) => {
      expect(writer.written.join('')).toBe(Array.from({ length: 40 }, (_, i) => `${q}${i % 10}`).join(''));
    });
  });

  test('waits for a write under way, in order, with large buffers by reference', () => {
    const writer = new FakeWriter();
    const queue = new SendQueue(new SendSlabPool(), writer);
    const large = Buffer.alloc(5000, 'L');
    writer.answer = 1;
    queue.append(Buffer.from('a'), 0, 1);
    expect(queue.flush()).toBe(1);
    queue.append(large, 0, large.length);
    queue.append(Buffer.from('b'), 0, 1);
    queue.flush();
    expect(writer.written).toEqual(['a']);
    expect(queue.pendingBytes).toBe(5002);
    writer.answer = 0;
    queue.written();
    queue.flush();
    expect(writer.written[1]).toBe(`${large}b`);
    expect(queue.writtenBytes).toBe(5002);
    expect(() => queue.written()).toThrow(/internal error/);
  });

  test('writes at most maxWriteBytes at once', () => {
    const writer = new FakeWriter();
    const queue = new SendQueue(new SendSlabPool(), writer);
    queue.maxWriteBytes = 10;
    queue.append(Buffer.from('x'.repeat(25)), 0, 25);
    queue.flush();
    expect(writer.written.map((text) => text.length)).toEqual([10, 10, 5]);
  });

  test('reports what was written, and gives everything back when abandoned', () => {
    const pool = new SendSlabPool(64);
    const writer = new FakeWriter();
    const queue = new SendQueue(pool, writer);
    queue.reports = [];
    queue.append(Buffer.from('abc'), 0, 3);
    queue.appendUInt32LE(0x5a400005);
    queue.flush();
    expect(Buffer.concat(queue.reports).toString('hex')).toBe('6162630500405a');
    writer.answer = 1;
    queue.append(Buffer.from('under way'), 0, 9);
    queue.flush();
    queue.append(Buffer.from('queued'), 0, 6);
    queue.abandon();
    expect(queue.pendingBytes).toBe(0);
    expect(queue.isWriting).toBe(false);
  });
});

/** A clock and a timer that the test moves. */
class FakeTime {
  time = 1000;
  wake: { at: number; callback: () => void } | null = null;
  now = (): number => this.time;
  set = (callback: () => void, delayMs: number): unknown => {
    this.wake = { at: this.time + delayMs, callback };
    return this.wake;
  };
  clear = (): void => {
    this.wake = null;
  };

  advance(ms: number): void {
    const end = this.time + ms;
    while (this.wake !== null && this.wake.at <= end) {
      const { at, callback } = this.wake;
      this.time = Math.max(at, this.time);
      this.wake = null;
      callback();
    }
    this.time = end;
  }
}

describe('TimerWheel', () => {
  test('expires never early, at most a tick late, in order, also over several turns of the wheel', () => {
    const time = new FakeTime();
    const wheel = new TimerWheel(time, time);
    const expired: [number, number][] = [];
    for (const delay of [25_000, 5, 10, 999, 10_240, 10_241, 60_000]) {
      wheel.arm(new WheelTimer(() => void expired.push([delay, time.time - 1000])), delay);
    }
    time.advance(70_000);
    expect(expired.map(([delay]) => delay)).toEqual([5, 10, 999, 10_240, 10_241, 25_000, 60_000]);
    for (const [delay, at] of expired) {
      expect(at).toBeGreaterThanOrEqual(delay);
      expect(at).toBeLessThanOrEqual(delay + 20);
    }
    expect(wheel.size).toBe(0);
    expect(time.wake).toBeNull(); // nothing to do costs nothing
  });

  test('can be armed again, cancelled, and cancelled from inside an expiry', () => {
    const time = new FakeTime();
    const wheel = new TimerWheel(time, time);
    const expired: string[] = [];
    const victim = new WheelTimer(() => void expired.push('victim'));
    const killer = new WheelTimer(() => {
      expired.push('killer');
      wheel.cancel(victim);
    });
    const late = new WheelTimer(() => void expired.push('late'));
    wheel.arm(killer, 50);
    wheel.arm(victim, 50);
    wheel.arm(late, 10);
    wheel.arm(late, 500);
    time.advance(400);
    expect(expired).toEqual(['killer']);
    time.advance(200);
    expect(expired).toEqual(['killer', 'late']);
    wheel.arm(late, 10);
    wheel.cancel(late);
    time.advance(1000);
    expect(expired).toHaveLength(2);
    expect(time.wake).toBeNull();
  });

  test('a clock that jumps an hour expires what is due, once', () => {
    const time = new FakeTime();
    const wheel = new TimerWheel(time, time);
    let count = 0;
    for (let i = 1; i <= 100; i++) wheel.arm(new WheelTimer(() => void count++), i * 100);
    wheel.arm(new WheelTimer(() => void (count += 1000)), 7_200_000);
    time.time += 3_600_000;
    wheel.advance();
    expect(count).toBe(100);
    expect(wheel.size).toBe(1);
  });
});

describe('TokenBucket', () => {
  test('allows a burst of one second, then the average', () => {
    const bucket = new TokenBucket(10, 0);
    for (let i = 0; i < 10; i++) expect(bucket.tryTake(1, 0)).toBe(true);
    expect(bucket.tryTake(1, 0)).toBe(false);
    expect(bucket.tryTake(1, 100)).toBe(true);
    expect(bucket.take(6, 100)).toBe(600);
    expect(bucket.take(0, 1000)).toBe(0);
  });
});

describe('addresses', () => {
  test('limits count an IPv4 address, or an IPv6 /64 network', () => {
    expect(limitKey('192.0.2.1')).toBe('192.0.2.1');
    expect(limitKey('2001:db8:1:2:aaaa::1')).toBe(limitKey('2001:db8:1:2::2'));
    expect(limitKey('2001:db8:1:3::1')).not.toBe(limitKey('2001:db8:1:2::1'));
    expect(limitKey('::1')).toBe('0:0:0:0::/64');
    expect(limitKey('fe80::1%eth0')).toBe('fe80:0:0:0::/64');
    expect(normalizeAddress('::ffff:192.0.2.1')).toBe('192.0.2.1');
    expect(normalizeAddress('::1')).toBe('::1');
  });

  test('lists take addresses and networks, and name what they do not take', () => {
    const list = toBlockList('blockList', ['192.0.2.0/24', '2001:db8::/32', '198.51.100.7']);
    expect(isListed(list, '192.0.2.200')).toBe(true);
    expect(isListed(list, '192.0.3.1')).toBe(false);
    expect(isListed(list, '2001:db8::5')).toBe(true);
    expect(isListed(list, '198.51.100.7')).toBe(true);
    expect(() => toBlockList('blockList', ['nonsense'])).toThrow(/blockList: "nonsense"/);
    expect(() => toBlockList('allowList', ['10.0.0.0/33'])).toThrow(/allowList/);
    expect(splitHost('192.0.2.1^example.com')).toEqual({ dial: '192.0.2.1', name: 'example.com' });
    expect(splitHost('example.com')).toEqual({ dial: 'example.com', name: 'example.com' });
  });
});
