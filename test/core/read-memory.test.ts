import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ReadMemory, type ReadWindow, WINDOW_ENTER_BYTES } from '../../src/core/read-memory.ts';

/** A piece of memory that a listener got, and what it found there. */
interface Kept {
  piece: Buffer;
  value: number;
}

/** A read of up to `length` bytes lands in the window, as the system does it, and the listener keeps it. */
function readInto(memory: ReadMemory, window: ReadWindow, length: number, value: number): Kept {
  const filled = Math.min(length, window.rest.length);
  const piece = window.rest.subarray(0, filled).fill(value);
  memory.advance(window, filled);
  return { piece, value };
}

describe('read windows', () => {
  test('what a read filled is never read into again, whatever sizes reads have', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 300_000 }), { minLength: 1, maxLength: 60 }),
        fc.integer({ min: WINDOW_ENTER_BYTES, max: 70_000 }),
        (lengths, first) => {
          const memory = new ReadMemory();
          const window = memory.open(first)!;
          const kept = lengths.map((length, i) => readInto(memory, window, length, i + 1));
          for (const { piece, value } of kept) {
            if (piece.findIndex((byte) => byte !== value) !== -1) throw new Error(`read ${value} was overwritten`);
          }
          memory.close(window);
          expect(memory.windowCount).toBe(0);
        },
      ),
      { numRuns: 40 },
    );
  });

  test('the next read always finds room for one as large as the last', () => {
    const memory = new ReadMemory();
    for (const length of [8192, 10_000, 32_767]) {
      const window = memory.open(length)!;
      for (let i = 0; i < 50; i++) {
        expect(window.rest.length).toBeGreaterThanOrEqual(length);
        readInto(memory, window, length, i);
      }
      memory.close(window);
    }
  });

  test('a window grows when a read is large, and reads of 64 KiB never cut the next one short', () => {
    const memory = new ReadMemory();
    const window = memory.open(WINDOW_ENTER_BYTES)!;
    const small = window.size;
    readInto(memory, window, 65_536, 1);
    expect(window.size).toBeGreaterThan(small);
    for (let i = 0; i < 20; i++) {
      expect(window.rest.length).toBeGreaterThanOrEqual(65_536);
      readInto(memory, window, 65_536, i);
    }
  });

  test('there are not more than 32 MiB in windows; who comes too late stays with the shared buffer', () => {
    const memory = new ReadMemory();
    const windows: ReadWindow[] = [];
    for (let window = memory.open(65_536); window !== null; window = memory.open(65_536)) windows.push(window);
    const bytes = windows.reduce((sum, { size }) => sum + size, 0);
    expect(bytes).toBeLessThanOrEqual(32 * 1024 * 1024);
    expect(memory.windowCount).toBe(windows.length);
    memory.close(windows.pop()!);
    expect(memory.open(65_536)).not.toBeNull();
    // Small ones do not grow beyond the limit either.
    const small = new ReadMemory();
    const many: ReadWindow[] = [];
    for (let window = small.open(WINDOW_ENTER_BYTES); window !== null; window = small.open(WINDOW_ENTER_BYTES)) {
      many.push(window);
    }
    for (const window of many) small.advance(window, window.rest.length);
    expect(many.reduce((sum, { size }) => sum + size, 0)).toBeLessThanOrEqual(32 * 1024 * 1024);
  });

  test('views of the shared buffer have the length that was asked for', () => {
    const memory = new ReadMemory();
    for (const length of [10, 10, 20, 10, 1]) {
      expect(memory.view(length)).toHaveLength(length);
      expect(memory.view(length).buffer).toBe(memory.shared.buffer);
    }
  });
});
