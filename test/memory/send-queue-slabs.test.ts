import { describe, expect, test } from 'vitest';
import { COPY_LIMIT_BYTES, SendQueue, type StreamWriter } from '../../src/memory/send-queue.ts';
import { copyBytes, SendSlabPool, SlabPool } from '../../src/memory/slab-pool.ts';

/** A writer that takes everything at once and keeps it, as many chunks as it came in. */
function writer(answer: 0 | 1 = 0): StreamWriter & { writes: string[][]; isBusy: boolean } {
  const writes: string[][] = [];
  return {
    writes,
    isBusy: false,
    write(chunks) {
      writes.push(chunks.map((chunk) => Buffer.from(chunk).toString('latin1')));
      return answer;
    },
  };
}

const text = (value: string): Buffer => Buffer.from(value, 'latin1');

describe('a send queue and its slabs', () => {
  test('neighbours in a slab become one chunk', () => {
    const to = writer();
    const queue = new SendQueue(new SendSlabPool(), to);
    for (const part of ['ab', 'c', 'def']) queue.append(text(part), 0, part.length);
    queue.flush();
    expect(to.writes).toEqual([['abcdef']]);
  });

  test('what another queue put between them makes two', () => {
    const pool = new SendSlabPool();
    const to = writer();
    const queue = new SendQueue(pool, to);
    const other = new SendQueue(pool, writer());
    queue.append(text('ab'), 0, 2);
    other.append(text('--'), 0, 2);
    queue.append(text('cd'), 0, 2);
    queue.flush();
    expect(to.writes).toEqual([['ab', 'cd']]);
  });

  test('a new slab makes two as well, though it begins where the last one ended', () => {
    const to = writer();
    const queue = new SendQueue(new SendSlabPool(4), to);
    for (const part of ['abcd', 'efgh', 'ijkl']) queue.append(text(part), 0, 4);
    queue.flush();
    expect(to.writes).toEqual([['abcd', 'efgh', 'ijkl']]);
  });

  test('an empty piece is none, and leaves no trace', () => {
    const to = writer();
    const queue = new SendQueue(new SendSlabPool(), to);
    const large = Buffer.alloc(COPY_LIMIT_BYTES + 1);
    queue.append(large, 0, 0);
    expect(queue.queuedBytes).toBe(0);
    expect(queue.flush()).toBe(0);
    expect(queue.writtenBytes).toBe(0);
  });

  test('counts what is queued, under way, and written', () => {
    const to = writer(1);
    const queue = new SendQueue(new SendSlabPool(), to);
    queue.maxWriteBytes = 4;
    queue.append(text('abcdef'), 0, 6);
    const counts = (): unknown[] => [queue.queuedBytes, queue.pendingBytes, queue.writtenBytes, queue.isWriting];
    expect(counts()).toEqual([6, 6, 0, false]);
    expect(queue.flush()).toBe(1);
    expect(counts()).toEqual([2, 6, 0, true]);
    expect(queue.flush()).toBe(0); // one write at a time
    queue.written();
    expect(counts()).toEqual([2, 2, 4, false]);
    expect(queue.flush()).toBe(1);
    queue.written();
    expect(counts()).toEqual([0, 0, 6, false]);
    expect(to.writes).toEqual([['abcd'], ['ef']]);
    expect(() => queue.written()).toThrow(/not under way/);
  });

  test('exactly maxWriteBytes are one write', () => {
    const to = writer();
    const queue = new SendQueue(new SendSlabPool(), to);
    queue.maxWriteBytes = 6;
    queue.append(text('abcdef'), 0, 6);
    queue.flush();
    expect(to.writes).toEqual([['abcdef']]);
  });

  test('a write ends at maxWriteBytes in the middle of a piece, or between two', () => {
    const pool = new SendSlabPool();
    const to = writer();
    const queue = new SendQueue(pool, to);
    const other = new SendQueue(pool, writer());
    queue.maxWriteBytes = 3;
    for (const part of ['ab', 'cd', 'ef']) {
      queue.append(text(part), 0, 2);
      other.append(text('-'), 0, 1);
    }
    queue.flush();
    expect(to.writes).toEqual([
      ['ab', 'c'],
      ['d', 'ef'],
    ]);
    queue.maxWriteBytes = 2;
    for (const part of ['ab', 'cd']) {
      queue.append(text(part), 0, 2);
      other.append(text('-'), 0, 1);
    }
    queue.flush();
    expect(to.writes.slice(2)).toEqual([['ab'], ['cd']]);
  });

  test('a large piece that is sent whole is the bytes of the caller, not a view of them', () => {
    const seen: Uint8Array[] = [];
    const queue = new SendQueue(new SendSlabPool(), {
      write(chunks) {
        seen.push(...chunks);
        return 0;
      },
    });
    const large = Buffer.alloc(COPY_LIMIT_BYTES + 1);
    queue.append(large, 0, large.length);
    queue.append(text('x'), 0, 1);
    queue.flush();
    expect(seen[0]).toBe(large);
    queue.append(large, 1, large.length);
    expect(queue.queuedBytes).toBe(COPY_LIMIT_BYTES); // a piece that is copied
    queue.flush();
    expect(seen[2]).toHaveLength(COPY_LIMIT_BYTES);
  });

  test('waits for a writer that is busy', () => {
    const to = writer();
    const queue = new SendQueue(new SendSlabPool(), to);
    queue.append(text('a'), 0, 1);
    to.isBusy = true;
    expect(queue.flush()).toBe(0);
    expect([to.writes, queue.queuedBytes]).toEqual([[], 1]);
    to.isBusy = false;
    queue.flush();
    expect(to.writes).toEqual([['a']]);
  });

  test.each(['clear', 'abandon'] as const)('%s gives its slabs back, and keeps none of large pieces', (way) => {
    const pool = new SendSlabPool(16);
    const queue = new SendQueue(pool, writer());
    queue.append(text('0123456789'), 0, 10);
    queue.append(Buffer.alloc(COPY_LIMIT_BYTES + 1), 0, COPY_LIMIT_BYTES + 1);
    queue.append(text('0123456789'), 0, 10);
    expect(pool.slabCount).toBe(2);
    queue[way]();
    expect([queue.pendingBytes, pool.freeCount]).toEqual([0, 1]); // the other is the current one
    // Both are used again.
    for (let i = 0; i < 2; i++) queue.append(text('0123456789'), 0, 10);
    expect(pool.slabCount).toBe(2);
  });

  test('abandon gives back what a write was using, clear does not', () => {
    const pool = new SendSlabPool(16);
    const queue = new SendQueue(pool, writer(1));
    queue.append(text('0123456789'), 0, 10);
    queue.append(Buffer.alloc(COPY_LIMIT_BYTES + 1), 0, COPY_LIMIT_BYTES + 1);
    queue.append(text('0123456789'), 0, 10);
    queue.flush();
    queue.clear();
    expect([queue.pendingBytes, pool.freeCount]).toEqual([COPY_LIMIT_BYTES + 21, 0]);
    queue.abandon();
    expect([queue.pendingBytes, queue.isWriting, pool.freeCount]).toEqual([0, false, 1]);
  });

  test('reports show each chunk that was written, in order, when somebody asks', () => {
    const queue = new SendQueue(new SendSlabPool(), writer());
    queue.append(text('unseen'), 0, 6);
    queue.flush();
    expect(queue.reports).toBeNull();
    queue.reports = [];
    const large = Buffer.alloc(COPY_LIMIT_BYTES + 1, 'l');
    queue.append(text('a'), 0, 1);
    queue.append(large, 0, large.length);
    queue.flush();
    expect(queue.reports.map((bytes) => bytes.length)).toEqual([1, COPY_LIMIT_BYTES + 1]);
  });

  test('a package is its header, little-endian, and its body behind it, copied or not', () => {
    for (const length of [0, 3, COPY_LIMIT_BYTES, COPY_LIMIT_BYTES + 1]) {
      const chunks: Buffer[] = [];
      const queue = new SendQueue(new SendSlabPool(), {
        write(all) {
          chunks.push(...all.map((chunk) => Buffer.from(chunk)));
          return 0;
        },
      });
      const body = Buffer.alloc(length, 'b');
      queue.appendPackage(0x12345678, body);
      expect(queue.queuedBytes).toBe(4 + length);
      const isCopied = length <= COPY_LIMIT_BYTES;
      body.fill('x');
      queue.flush();
      expect(Buffer.concat(chunks).toString('latin1')).toBe(`\x78\x56\x34\x12${(isCopied ? 'b' : 'x').repeat(length)}`);
    }
  });

  test('a package that is copied lies in one piece, also where only its header would fit into a slab', () => {
    for (const length of [4, COPY_LIMIT_BYTES]) {
      const to = writer();
      const queue = new SendQueue(new SendSlabPool(8 + COPY_LIMIT_BYTES), to);
      const before = 'x'.repeat(8 + COPY_LIMIT_BYTES - 6);
      const first = before.slice(COPY_LIMIT_BYTES);
      queue.append(text(first), 0, first.length);
      queue.append(text(before), 0, before.length - first.length);
      queue.appendPackage(0x01020304, text('b'.repeat(length)));
      queue.flush();
      expect(to.writes).toEqual([[before, `\x04\x03\x02\x01${'b'.repeat(length)}`]]);
    }
  });

  test('sends of one size that are written at once show one view of the slab', () => {
    const seen: Uint8Array[] = [];
    const queue = new SendQueue(new SendSlabPool(16), {
      write(chunks) {
        seen.push(...chunks);
        return 0;
      },
    });
    for (let i = 0; i < 3; i++) {
      queue.append(text('0123456789'), 0, 10);
      queue.flush();
    }
    expect(seen[1]).toBe(seen[0]);
    expect(seen[2]).toBe(seen[0]);
  });

  test('a piece of a large buffer is that piece, wherever it begins', () => {
    const large = Buffer.from(Array.from({ length: 20_000 }, (_, i) => i % 251));
    for (const [start, end] of [
      [0, 20_000],
      [5000, 15_000],
      [0, 15_000],
      [5000, 20_000],
    ] as const) {
      const to = writer();
      const queue = new SendQueue(new SendSlabPool(), to);
      queue.append(large, start, end);
      queue.flush();
      expect(to.writes).toEqual([[large.toString('latin1', start, end)]]);
    }
  });

  test('room that was reserved is filled in place, in front of the end of its slab', () => {
    const to = writer();
    const queue = new SendQueue(new SendSlabPool(), to);
    queue.append(text('<'), 0, 1);
    const slab = queue.reserve(3);
    slab.bytes.write('abc', slab.end - 3, 'latin1');
    queue.append(text('>'), 0, 1);
    queue.flush();
    expect(to.writes).toEqual([['<abc>']]);
  });
});

describe('copies', () => {
  test.each([0, 1, 23, 24, 25, 26, 100])('of %i bytes, the whole source or a part of it', (length) => {
    const source = Buffer.from(Array.from({ length: length + 10 }, (_, i) => i + 1));
    for (const [bytes, start] of [
      [source, 5],
      [source.subarray(0, length), 0],
    ] as const) {
      const target = Buffer.alloc(length + 4);
      copyBytes(bytes, start, start + length, target, 2);
      const expected = Buffer.concat([Buffer.alloc(2), bytes.subarray(start, start + length), Buffer.alloc(2)]);
      expect(target.equals(expected)).toBe(true);
    }
  });

  test('slabs are 32 KiB unless said otherwise; a quarter of one is still a piece of it', () => {
    const pool = new SlabPool();
    expect(pool.slabBytes).toBe(32 * 1024);
    const source = Buffer.alloc(8193, 'x');
    const small = pool.copy(source, 0, 8192);
    expect([small.buffer.byteLength, pool.largeCount]).toEqual([32 * 1024, 0]);
    const large = pool.copy(source, 0, 8193);
    expect([large.buffer.byteLength, pool.largeCount, pool.slabCount]).toEqual([8193, 1, 1]);
    expect(large.equals(source)).toBe(true);
  });

  test('a slab is used to its last byte', () => {
    const pool = new SlabPool(1024);
    const source = Buffer.alloc(256, 'x');
    const pieces = Array.from({ length: 5 }, () => pool.copy(source, 0, 256));
    expect(new Set(pieces.slice(0, 4).map(({ buffer }) => buffer)).size).toBe(1);
    expect(pieces.map(({ byteOffset }) => byteOffset)).toEqual([0, 256, 512, 768, 0]);
    expect(pool.slabCount).toBe(2);
  });
});
