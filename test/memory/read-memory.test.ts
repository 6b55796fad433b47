import fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import {
  keptSendSlabPool,
  ReadMemory,
  type ReadWindow,
  sharedMemory,
  WINDOW_ENTER_BYTES,
} from '../../src/memory/read-memory.ts';

/** A piece of memory that a listener got, and what it found there. */
interface Kept {
  piece: Buffer;
  value: number;
}

/** A read of up to `length` bytes lands in the window, as the system does it, and the listener keeps it. */
function readInto(window: ReadWindow, length: number, value: number): Kept {
  const filled = Math.min(length, window.rest.length);
  window.rest.fill(value, 0, filled);
  const piece = window.take(filled);
  expect(piece).toHaveLength(filled);
  return { piece, value };
}

describe('read windows', () => {
  test('what a read filled is never read into again, whatever sizes reads have', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 300_000 }), { minLength: 1, maxLength: 60 }), (lengths) => {
        const memory = new ReadMemory();
        const window = memory.open(lengths[0]!)!;
        const kept = lengths.map((length, i) => readInto(window, length, i + 1));
        for (const { piece, value } of kept) {
          if (piece.findIndex((byte) => byte !== value) !== -1) throw new Error(`read ${value} was overwritten`);
        }
        memory.close();
        expect(memory.windowCount).toBe(0);
      }),
      { numRuns: 40 },
    );
  });

  test('the next read always finds room for one as large as the last', () => {
    const memory = new ReadMemory();
    for (const length of [8192, WINDOW_ENTER_BYTES, 50_000, 65_536]) {
      const window = memory.open(length)!;
      for (let i = 0; i < 50; i++) {
        expect(window.rest.length).toBeGreaterThanOrEqual(length);
        readInto(window, length, i);
      }
      memory.close();
    }
  });

  test('there are up to 128 windows, which is 32 MiB; another connection stays with the shared buffer', () => {
    const memory = new ReadMemory();
    const windows: ReadWindow[] = [];
    for (let i = 0; i < 200; i++) {
      const window = memory.open(65_536);
      if (window !== null) windows.push(window);
    }
    const bytes = windows.reduce((sum, { rest }) => sum + rest.length, 0);
    expect(bytes).toBeLessThanOrEqual(32 * 1024 * 1024);
    expect(memory.windowCount).toBe(windows.length);
    expect(windows).toHaveLength(128);
    memory.close();
    expect(memory.open(65_536)).not.toBeNull();
    expect(memory.open(65_536)).toBeNull();
  });

  test('there are none where memory is soon free again, but for what is lent', () => {
    const watch = { frees: true, allocated() {} };
    const memory = new ReadMemory(watch);
    expect(memory.open(65_536)).toBeNull();
    expect(memory.open(65_536, true)).not.toBeNull();
    watch.frees = false;
    expect(memory.open(65_536)).not.toBeNull();
    expect(memory.windowCount).toBe(2);
  });

  test('views of the shared buffer have the length that was asked for', () => {
    const memory = new ReadMemory();
    for (const length of [10, 10, 20, 10, 1]) {
      expect(memory.view(length)).toHaveLength(length);
      expect(memory.view(length).buffer).toBe(memory.shared.buffer);
    }
  });

  test('a read that is taken leaves the window where it ended; one that fills it gets the memory itself', () => {
    const window = new ReadMemory().open(10_000)!;
    expect(window.rest).toHaveLength(128 * 1024);
    const { memory, rest } = window;
    const first = window.take(10_000);
    expect([first.byteOffset, first.length, first.buffer === memory]).toEqual([0, 10_000, true]);
    expect([window.rest.byteOffset, window.rest.length, window.memory === memory]).toEqual([10_000, 121_072, true]);
    const second = window.take(5000);
    expect([second.byteOffset, window.rest.byteOffset]).toEqual([10_000, 15_000]);
    const whole = window.rest;
    expect(window.take(whole.length)).toBe(whole);
    expect(window.memory).not.toBe(memory);
    expect(rest.buffer).toBe(memory);
  });

  test('a window is replaced when the next two reads would not fit, or 16 KiB are not left', () => {
    const window = new ReadMemory().open(1000)!;
    const { memory } = window;
    window.take(128 * 1024 - 16 * 1024);
    expect(window.memory === memory).toBe(false); // for reads of that size, it is not enough
    const small = window.memory;
    while (window.rest.length >= 16 * 1024 + 1000) window.take(1000);
    expect(window.memory === small).toBe(true);
    window.take(1000);
    expect(window.memory === small).toBe(false);
  });

  test('a window is kept when just 16 KiB are left, or just twice the read', () => {
    for (const [filled, isKept] of [
      [1024, true],
      [1025, false],
    ] as const) {
      const window = new ReadMemory().open(1)!;
      for (let i = 0; i < 111; i++) window.take(1024);
      const { memory } = window;
      window.take(filled);
      expect(window.memory === memory).toBe(isKept);
    }
    for (const [filled, isKept] of [
      [40_000, true],
      [40_001, false],
    ] as const) {
      const window = new ReadMemory().open(1)!;
      window.take(128 * 1024 - 120_000);
      const { memory } = window;
      window.take(filled);
      expect(window.memory === memory).toBe(isKept);
    }
  });

  test('a window that is lent has 128 KiB for reads of any size', () => {
    expect(new ReadMemory().open(65_536, true)!.rest).toHaveLength(128 * 1024);
  });

  test('memory is 128 KiB for small reads, 256 KiB for reads of 32 KiB and more', () => {
    const memory = new ReadMemory();
    for (const [filled, bytes] of [
      [1, 128 * 1024],
      [32 * 1024 - 1, 128 * 1024],
      [32 * 1024, 256 * 1024],
      [65_536, 256 * 1024],
    ] as const) {
      expect(memory.open(filled)!.rest).toHaveLength(bytes);
    }
  });

  test('what is lent lies where the next read lands, the same view for the same length', () => {
    const window = new ReadMemory().open(10_000)!;
    window.take(100);
    const lent = window.lend(50);
    expect([lent.byteOffset, lent.length, lent.buffer === window.memory]).toEqual([100, 50, true]);
    expect(window.lend(50)).toBe(lent);
    expect(window.lend(60)).toHaveLength(60);
    expect(window.rest.byteOffset).toBe(100);
    window.take(60);
    expect(window.lend(60).byteOffset).toBe(160);
  });

  test('one view of the shared buffer serves reads of one length', () => {
    const memory = new ReadMemory();
    expect(memory.view(10)).toBe(memory.view(10));
    expect(memory.view(11)).not.toBe(memory.view(10));
    expect(memory.shared).toHaveLength(256 * 1024);
  });
});

describe('memory of the process', () => {
  test('16 MiB are allocated and let go before the first window, once, and not before', async () => {
    vi.resetModules();
    const fresh = await import('../../src/memory/read-memory.ts');
    const allocate = vi.spyOn(Buffer, 'allocUnsafeSlow');
    try {
      const memory = new fresh.ReadMemory();
      memory.open(1);
      new fresh.ReadMemory().open(1);
      fresh.keepFreedMemory();
      expect(allocate.mock.calls).toEqual([[256 * 1024], [16 * 1024 * 1024], [128 * 1024], [256 * 1024], [128 * 1024]]);
    } finally {
      allocate.mockRestore();
    }
  });

  test('is one for all components', () => {
    expect(sharedMemory()).toBe(sharedMemory());
  });

  test('slabs for listeners with onSend are never used again', () => {
    const pool = keptSendSlabPool();
    expect(keptSendSlabPool()).toBe(pool);
    expect(pool).not.toBe(sharedMemory().sendSlabs);
    const slab = pool.current(10);
    slab.users++;
    slab.end = 10;
    pool.release(slab);
    expect(slab.end).toBe(10);
  });
});
