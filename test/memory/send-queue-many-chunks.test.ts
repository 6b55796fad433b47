import { expect, test } from 'vitest';
import { SendQueue } from '../../src/memory/send-queue.ts';
import { SendSlabPool } from '../../src/memory/slab-pool.ts';

// Small sends of connections that share a slab lie between each other, so each is a chunk of its own in a write.

test('a write of hundreds of thousands of pieces is reported, in order', () => {
  const pool = new SendSlabPool();
  const chunkCounts: number[] = [];
  const make = (): SendQueue =>
    new SendQueue(pool, {
      write(chunks) {
        chunkCounts.push(chunks.length);
        return 0;
      },
    });
  const one = make();
  const other = make();
  one.reports = [];
  const sends = 200_000;
  const bytes = Buffer.alloc(4);
  for (let i = 0; i < sends; i++) {
    one.appendUInt32LE(i);
    other.append(bytes, 0, 1);
  }
  expect(one.flush()).toBe(0);
  expect(chunkCounts).toEqual([sends]);
  expect(one.reports).toHaveLength(sends);
  let isInOrder = true;
  for (let i = 0; i < sends; i++) isInOrder &&= Buffer.from(one.reports[i]!).readUInt32LE() === i;
  expect(isInOrder).toBe(true);
});
