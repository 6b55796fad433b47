import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ReadMemory, type ReadWindow, WINDOW_ENTER_BYTES } from '../../src/memory/read-memory.ts';

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

  test('there are not more than 32 MiB in windows; who comes too late stays with the shared buffer', () => {
    const memory = new ReadMemory();
    const windows: ReadWindow[] = [];
    for (let window = memory.open(65_536); window !== null; window = memory.open(65_536)) windows.push(window);
    const bytes = windows.reduce((sum, { rest }) => sum + rest.length, 0);
    expect(bytes).toBeLessThanOrEqual(32 * 1024 * 1024);
    expect(memory.windowCount).toBe(windows.length);
    memory.close();
    expect(memory.open(65_536)).not.toBeNull();
  });

  test('views of the shared buffer have the length that was asked for', () => {
    const memory = new ReadMemory();
    for (const length of [10, 10, 20, 10, 1]) {
      expect(memory.view(length)).toHaveLength(length);
      expect(memory.view(length).buffer).toBe(memory.shared.buffer);
    }
  });
});
