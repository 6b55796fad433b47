import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { copyBytes, SendSlab, SendSlabPool, SlabPool, SmallSlab } from '../../src/memory/slab-pool.ts';

describe('slabs for received bytes', () => {
  test('copies of any pieces are right, apart from one another, and never change', () => {
    const piece = fc.record({
      bytes: fc.uint8Array({ maxLength: 300 }),
      before: fc.nat(40),
      after: fc.nat(40),
    });
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 60 }), fc.constantFrom(16, 64, 256, 1024), (pieces, slabBytes) => {
        const pool = new SlabPool(slabBytes);
        const copies = pieces.map(({ bytes, before, after }) => {
          const source = Buffer.concat([Buffer.alloc(before, 0xaa), bytes, Buffer.alloc(after, 0xbb)]);
          const copy = pool.copy(source, before, before + bytes.length);
          source.fill(0xee);
          return copy;
        });
        copies.forEach((copy, i) => {
          expect(copy.equals(Buffer.from(pieces[i]!.bytes))).toBe(true);
        });
        // Whoever writes into one, changes no other.
        copies.forEach((copy) => {
          copy.fill(0x77);
        });
        for (const copy of copies) expect(copy.every((byte) => byte === 0x77)).toBe(true);
        expect(copies.reduce((sum, copy) => sum + copy.length, 0)).toBe(
          pieces.reduce((sum, { bytes }) => sum + bytes.length, 0),
        );
      }),
      { numRuns: 300 },
    );
  });

  test('a writer of one copy reaches no other', () => {
    const pool = new SlabPool(256);
    const one = pool.copy(Buffer.from('one'), 0, 3);
    const other = pool.copy(Buffer.from('other'), 0, 5);
    one.fill(0);
    expect(other.toString()).toBe('other');
    expect(one.length).toBe(3);
  });

  test('a slab serves until the next piece does not fit, larger pieces have memory of their own', () => {
    const pool = new SlabPool(1024);
    const source = Buffer.alloc(2000);
    for (let i = 0; i < 4; i++) pool.copy(source, 0, 256);
    expect([pool.slabCount, pool.largeCount]).toEqual([1, 0]);
    pool.copy(source, 0, 129);
    expect([pool.slabCount, pool.largeCount]).toEqual([2, 0]);
    const large = pool.copy(source, 3, 3 + 257);
    expect([pool.slabCount, pool.largeCount]).toEqual([2, 1]);
    expect(large.buffer.byteLength).toBe(257);
    expect(pool.copy(source, 5, 5)).toHaveLength(0);
  });

  test('pieces of up to 128 bytes come from slabs of 2 KiB, the first of them of no bytes at all', () => {
    const pool = new SlabPool();
    const source = Buffer.alloc(200, 'x');
    expect(pool.copy(source, 7, 7)).toHaveLength(0);
    const pieces = Array.from({ length: 17 }, () => pool.copy(source, 0, 128));
    expect(pieces.every((piece) => piece.equals(source.subarray(0, 128)))).toBe(true);
    expect(new Set(pieces.slice(0, 16).map(({ buffer }) => buffer)).size).toBe(1);
    expect([pieces[0]!.buffer.byteLength, pieces[16]!.buffer === pieces[0]!.buffer]).toEqual([2048, false]);
    expect(pool.copy(source, 0, 129).buffer.byteLength).toBe(32 * 1024);
    expect([pool.slabCount, pool.largeCount]).toEqual([1, 0]);
  });
});

describe('the slab of small pieces', () => {
  /** Sizes of the slabs that pieces of 64 bytes come from, when one comes every so many milliseconds. */
  function sizes(pieces: number, everyMs: number, slab: SmallSlab, clock: { time: number }): number[] {
    const seen: number[] = [];
    for (let i = 0; i < pieces; i++) {
      clock.time += everyMs;
      const { buffer } = slab.copy(Buffer.alloc(64), 0, 64);
      if (seen.length === 0 || buffer !== slab.memory || slab.lastAt === 0) seen.push(buffer.byteLength);
    }
    return seen;
  }

  test('grows to 16 KiB while pieces come fast, not for a burst, and is small again when they are slower', () => {
    const clock = { time: 1000 };
    const slab = new SmallSlab({ now: () => clock.time });
    expect(new Set(sizes(256, 0, slab, clock))).toEqual(new Set([2048]));
    expect(sizes(64 + 128 + 256 + 256, 0.01, slab, clock)).toEqual([4096, 8192, 16_384, 16_384]);
    expect(sizes(256 + 64, 0.02, slab, clock)).toEqual([16_384, 2048, 2048]);
    // Nor do many bursts with pauses between them.
    for (let burst = 0; burst < 20; burst++) {
      clock.time += 1000;
      expect(new Set(sizes(64, 0, slab, clock))).toEqual(new Set([2048]));
    }
  });
});

describe('pieces of more than a quarter of a slab', () => {
  test('come from slabs of 128 KiB up to 32 KiB where memory is soon free again, else they have memory of their own', () => {
    const told: number[] = [];
    const watch = { frees: true, allocated: (bytes: number) => void told.push(bytes) };
    const pool = new SlabPool(1024, watch);
    const source = Buffer.from(Array.from({ length: 32 * 1024 + 1 }, (_, i) => i % 251));
    const pieces = [257, 32 * 1024, 20_000].map((length) => pool.copy(source, 1, 1 + length));
    for (const piece of pieces) expect(piece.equals(source.subarray(1, 1 + piece.length))).toBe(true);
    expect(pieces.map(({ buffer, byteOffset }) => [buffer.byteLength, byteOffset])).toEqual([
      [128 * 1024, 0],
      [128 * 1024, 257],
      [128 * 1024, 257 + 32 * 1024],
    ]);
    expect(pool.copy(source, 0, source.length).buffer.byteLength).toBe(source.length);
    watch.frees = false;
    expect(pool.copy(source, 0, 300).buffer.byteLength).toBe(300);
    expect([pool.slabCount, pool.largeCount]).toEqual([2, 2]);
    // Everything that was allocated is told, the first slab too.
    expect(told).toEqual([1024, 128 * 1024, source.length, 300]);
  });
});

test('copyBytes copies just the piece, whatever its length', () => {
  for (const length of [0, 1, 23, 24, 25, 100]) {
    for (const start of [0, 3]) {
      const source = Buffer.from(Array.from({ length: length + start + 2 }, (_, i) => i + 1));
      const target = Buffer.alloc(length + 10);
      copyBytes(source, start, start + length, target, 4);
      expect(target.subarray(4, 4 + length).equals(source.subarray(start, start + length))).toBe(true);
      expect(target.subarray(0, 4).equals(Buffer.alloc(4))).toBe(true);
      expect(target.subarray(4 + length).equals(Buffer.alloc(6))).toBe(true);
    }
  }
  const whole = Buffer.from(Array.from({ length: 100 }, (_, i) => i));
  const target = Buffer.alloc(100);
  copyBytes(whole, 0, 100, target, 0);
  expect(target.equals(whole)).toBe(true);
});

describe('slabs for sends', () => {
  test('the current one is filled up, then rewound if nobody uses it, else another is taken', () => {
    const pool = new SendSlabPool(100);
    const first = pool.current(60);
    first.end += 60;
    first.users++;
    expect(pool.current(40)).toBe(first);
    const second = pool.current(41);
    expect(second).not.toBe(first);
    expect(pool.slabCount).toBe(2);
    pool.release(first);
    expect(pool.freeCount).toBe(1);
    expect(first.end).toBe(0);
    second.end = 100;
    expect(pool.current(1)).toBe(second); // nobody uses it: it starts anew
    expect(second.end).toBe(0);
    second.end = 100;
    second.users++;
    expect(pool.current(1)).toBe(first);
    expect([pool.slabCount, pool.freeCount]).toEqual([2, 0]);
  });

  test('one with several users comes back with the last of them', () => {
    const pool = new SendSlabPool(10);
    const slab = pool.current(10);
    slab.end = 10;
    slab.users = 2;
    pool.current(1);
    pool.release(slab);
    expect([pool.freeCount, slab.end]).toEqual([0, 10]);
    pool.release(slab);
    expect([pool.freeCount, slab.end]).toEqual([1, 0]);
  });
});

test('a send slab shows just the bytes that are asked for, the same view for the same place', () => {
  const slab = new SendSlab(16);
  const whole = slab.view(0, 16);
  expect(whole.equals(slab.bytes)).toBe(true);
  const places = [
    [2, 12],
    [2, 8],
    [3, 8],
    [0, 8],
    [4, 12],
  ] as const;
  for (const [start, end] of places) {
    const view = slab.view(start, end);
    expect([view.byteOffset - slab.bytes.byteOffset, view.length]).toEqual([start, end - start]);
    expect(slab.view(start, end)).toBe(view);
  }
});
