import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { COPY_LIMIT_BYTES, SendQueue, type StreamWriter } from '../../src/memory/send-queue.ts';
import { SendSlabPool } from '../../src/memory/slab-pool.ts';
import { Random } from '../tools/random.ts';

/** The system, as far as a queue sees it: it reads the bytes of a write only when the write completes. */
class LateWriter implements StreamWriter {
  readonly taken: Buffer[] = [];
  /** What the write under way is to write, as it was when it began, and where that is read from. */
  underWay: { chunks: Uint8Array[]; asGiven: Buffer } | null = null;
  largest = 0;
  answers: (() => 0 | 1 | -1) | 0 | 1 | -1 = 0;

  write(chunks: Uint8Array[]): number {
    if (this.underWay !== null) throw new Error('two writes at once');
    const asGiven = Buffer.concat(chunks);
    this.largest = Math.max(this.largest, asGiven.length);
    const answer = typeof this.answers === 'function' ? this.answers() : this.answers;
    if (answer === 0) this.taken.push(asGiven);
    if (answer === 1) this.underWay = { chunks, asGiven };
    return answer;
  }

  /** The system reads what it was given: those bytes must still be there. */
  complete(): void {
    const { chunks, asGiven } = this.underWay!;
    this.underWay = null;
    if (!Buffer.concat(chunks).equals(asGiven)) throw new Error('bytes under way were overwritten');
    this.taken.push(asGiven);
  }

  get text(): string {
    return Buffer.concat(this.taken).toString('latin1');
  }
}

function append(queue: SendQueue, text: string): void {
  const bytes = Buffer.from(text, 'latin1');
  queue.append(bytes, 0, bytes.length);
}

describe('a send queue', () => {
  test('keeps what is under way when the rest is dropped, also if both lie in one slab', () => {
    const pool = new SendSlabPool(64);
    const writer = new LateWriter();
    const queue = new SendQueue(pool, writer);
    queue.maxWriteBytes = 10;
    writer.answers = 1;
    append(queue, 'a'.repeat(30));
    queue.flush();
    queue.clear();
    expect(queue.pendingBytes).toBe(10);
    // Another connection fills the slabs that are free now.
    const other = new SendQueue(pool, new LateWriter());
    for (let i = 0; i < 20; i++) append(other, 'b'.repeat(30));
    writer.complete();
    expect(writer.text).toBe('a'.repeat(10));
    queue.written();
    expect(queue.pendingBytes).toBe(0);
  });

  test('copies short sends, and keeps long ones by reference', () => {
    const writer = new LateWriter();
    const queue = new SendQueue(new SendSlabPool(), writer);
    const short = Buffer.alloc(COPY_LIMIT_BYTES, 's');
    const long = Buffer.alloc(COPY_LIMIT_BYTES + 1, 'l');
    for (const bytes of [short, long]) queue.append(bytes, 0, bytes.length);
    short.fill('x');
    long.fill('y');
    queue.flush();
    expect(writer.text).toBe('s'.repeat(COPY_LIMIT_BYTES) + 'y'.repeat(COPY_LIMIT_BYTES + 1));
  });

  test('a failed write is neither repeated nor counted', () => {
    const writer = new LateWriter();
    const queue = new SendQueue(new SendSlabPool(), writer);
    writer.answers = -1;
    append(queue, 'lost');
    expect(queue.flush()).toBe(-1);
    expect(queue.writtenBytes).toBe(0);
    queue.abandon();
    expect(queue.pendingBytes).toBe(0);
    expect(queue.flush()).toBe(0);
  });

  test('nothing queued is nothing written', () => {
    const writer = new LateWriter();
    const queue = new SendQueue(new SendSlabPool(), writer);
    append(queue, '');
    expect(queue.flush()).toBe(0);
    expect(writer.largest).toBe(0);
  });

  test('pieces of a caller’s buffer are sent as such', () => {
    const writer = new LateWriter();
    const queue = new SendQueue(new SendSlabPool(), writer);
    const bytes = Buffer.alloc(20_000);
    for (let i = 0; i < bytes.length; i++) bytes[i] = i % 251;
    queue.append(bytes, 5000, 15_000);
    queue.append(bytes, 3, 7);
    queue.maxWriteBytes = 999;
    queue.flush();
    expect(
      Buffer.concat(writer.taken).equals(Buffer.concat([bytes.subarray(5000, 15_000), bytes.subarray(3, 7)])),
    ).toBe(true);
    expect(writer.largest).toBe(999);
  });

  test('many queues on one pool: each stream in order and whole, whatever the system does, and every slab comes back', () => {
    fc.assert(
      fc.property(
        fc.integer(),
        fc.constantFrom(64, 300, 5000),
        fc.constantFrom(7, 100, 1_000_000),
        (seed, slabBytes, cap) => {
          const random = new Random(seed);
          const pool = new SendSlabPool(slabBytes, 8);
          const queues = Array.from({ length: 4 }, () => {
            const writer = new LateWriter();
            writer.answers = () => (random.chance(0.4) ? 1 : 0);
            const queue = new SendQueue(pool, writer);
            queue.maxWriteBytes = cap;
            queue.reports = random.chance(0.5) ? [] : null;
            return { writer, queue, expected: [] as Buffer[], reported: [] as Buffer[], isGone: false };
          });
          for (let step = 0; step < 150; step++) {
            const one = queues[random.int(0, 3)]!;
            const { queue, writer } = one;
            const act = random.next();
            if (one.isGone) continue;
            if (act < 0.45) {
              const length = random.chance(0.1)
                ? COPY_LIMIT_BYTES + random.int(1, 500)
                : random.int(0, Math.min(slabBytes, 200));
              const bytes = random.bytes(length);
              one.expected.push(Buffer.from(bytes));
              queue.append(bytes, 0, length);
              if (length <= COPY_LIMIT_BYTES) bytes.fill(0xee);
            } else if (act < 0.5) {
              const word = random.uint32();
              const bytes = Buffer.alloc(4);
              bytes.writeUInt32LE(word);
              one.expected.push(bytes);
              queue.appendUInt32LE(word);
            } else if (act < 0.75) {
              queue.flush();
            } else if (writer.underWay !== null) {
              writer.complete();
              queue.written();
              queue.flush();
            } else if (act > 0.985) {
              queue.clear();
              one.isGone = true;
            }
            if (queue.reports !== null)
              one.reported.push(...queue.reports.splice(0).map((bytes) => Buffer.from(bytes)));
            const expectedBytes = one.expected.reduce((sum, bytes) => sum + bytes.length, 0);
            if (!one.isGone) expect(queue.writtenBytes + queue.pendingBytes).toBe(expectedBytes);
          }
          for (const { queue, writer, expected, reported, isGone } of queues) {
            while (writer.underWay !== null) {
              writer.complete();
              queue.written();
              queue.flush();
            }
            writer.answers = 0;
            queue.flush();
            const sent = Buffer.concat(writer.taken);
            const whole = Buffer.concat(expected);
            if (isGone) expect(whole.subarray(0, sent.length).equals(sent)).toBe(true);
            else expect(sent.equals(whole)).toBe(true);
            if (queue.reports !== null) {
              reported.push(...queue.reports.map((bytes) => Buffer.from(bytes)));
              expect(Buffer.concat(reported).equals(sent)).toBe(true);
            }
            expect(queue.pendingBytes).toBe(0);
            expect(writer.largest).toBeLessThanOrEqual(cap);
          }
          // Every slab is free again, up to the number that is kept.
          expect(pool.freeCount).toBe(Math.min(pool.slabCount - 1, pool.maxFree));
        },
      ),
      { numRuns: 150 },
    );
  });
});

describe('send slabs', () => {
  test('are used again when everything in them was taken, unless listeners may have kept them', () => {
    for (const isKept of [false, true]) {
      const pool = new SendSlabPool(64);
      if (isKept) pool.keepBytes();
      const queue = new SendQueue(pool, new LateWriter());
      for (let i = 0; i < 100; i++) {
        append(queue, 'x'.repeat(40));
        queue.flush();
      }
      expect(pool.slabCount).toBe(isKept ? 100 : 1);
    }
  });

  test('no more than maxFree are kept for later: POOL-003', () => {
    const pool = new SendSlabPool(64, 3);
    const writer = new LateWriter();
    const queue = new SendQueue(pool, writer);
    for (let i = 0; i < 20; i++) append(queue, 'x'.repeat(60));
    queue.flush();
    expect(pool.slabCount).toBe(20);
    expect(pool.freeCount).toBe(3);
  });
});
