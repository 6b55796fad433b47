import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { SlabPool } from '../../src/memory/slab-pool.ts';
import { Lifetime } from '../../src/protocol/protocol.ts';
import { PullProtocol } from '../../src/protocol/pull.ts';
import { PushProtocol } from '../../src/protocol/push.ts';
import { behindConnection, feedBorrowed, RecordingSink } from './support.ts';

function make(maxBufferedBytes = 0): { layer: PullProtocol; sink: RecordingSink; struck: () => number } {
  const sink = new RecordingSink();
  let count = 0;
  const context = { pool: new SlabPool(), maxBufferedBytes, exceeded: () => void count++ };
  return { layer: new PullProtocol(context, sink), sink, struck: () => count };
}

describe('PullProtocol', () => {
  test('tells the total, fetches all or nothing, peeks without taking: PULL-S-001, PULL-S-002, PULL-C-001, PULL-C-002, EV-S-05', () => {
    const { layer, sink } = make();
    feedBorrowed(layer, Buffer.from('abcdef'), [2, 3]);
    expect(sink.totals).toEqual([2, 3, 6]);
    expect(layer.fetch(7)).toBe(null);
    expect(layer.peek(7)).toBe(null);
    expect(String(layer.peek(4))).toBe('abcd');
    expect(String(layer.fetch(4))).toBe('abcd');
    expect(layer.bufferedBytes).toBe(2);
    expect(String(layer.fetch(2))).toBe('ef');
    expect(layer.fetch(1)).toBe(null);
  });

  test('what was peeked is a copy: changing it does not change what is fetched', () => {
    const { layer } = make();
    feedBorrowed(layer, Buffer.from('abcdef'), []);
    for (const length of [1, 4, 6]) (layer.peek(length) as Buffer).fill(0);
    expect(String(layer.fetch(6))).toBe('abcdef');
  });

  test('a peer that sends byte by byte does not make it hold an object for each', () => {
    const { layer } = make();
    const count = 300_000;
    let most = 0;
    for (let i = 0; i < count; i++) {
      layer.receive(Buffer.of(i & 255), Lifetime.Call);
      most = Math.max(most, layer.chunkCount);
    }
    expect(most).toBeLessThan(count / 10_000);
    expect(layer.fetch(3)).toEqual(Buffer.from([0, 1, 2]));
    const rest = layer.fetch(count - 3) as Buffer;
    for (let i = 3; i < count; i++) if (rest[i - 3] !== (i & 255)) throw new Error(`wrong byte at ${i}`);
    expect(layer.bufferedBytes).toBe(0);
  });

  test('what little waits keeps none of the memory alive that others share', () => {
    const pool = new SlabPool();
    const layer = new PullProtocol({ pool, maxBufferedBytes: 0, exceeded: () => {} }, new RecordingSink());
    const others = Buffer.alloc(60_000);
    for (let i = 0; i < 2000; i++) {
      if (i % 2 === 0) layer.receive(Buffer.of(i & 255), Lifetime.Call);
      // The end of a read that landed in a large window.
      else layer.receive(Buffer.alloc(128 * 1024, i & 255).subarray(-1), Lifetime.Forever);
      if (i % 10 === 0) for (let k = 0; k < 5; k++) pool.copy(others, 0, others.length);
    }
    const memory = new Set<ArrayBufferLike>();
    for (let i = 0; i < 2000; i++) {
      const piece = layer.fetch(1) as Buffer;
      expect(piece[0]).toBe(i & 255);
      memory.add(piece.buffer);
    }
    // What waits may share Node's own pool with others; its size differs from version to version.
    const held = [...memory].reduce((sum, { byteLength }) => sum + byteLength, 0);
    expect(held).toBeLessThan(4 * Buffer.poolSize);
  });

  test('what is left of a read that was fetched in part is moved, and what was fetched stays as it was', () => {
    const context = { pool: new SlabPool(), maxBufferedBytes: 0, exceeded: () => {} };
    const fetched: Buffer[] = [];
    const layer: PullProtocol = new PullProtocol(context, {
      deliver(total) {
        // All but the last three bytes.
        if ((total as number) > 3) fetched.push(layer.fetch((total as number) - 3) as Buffer);
        return true;
      },
      violate: () => {},
    });
    let sent = 0;
    for (let round = 0; round < 2000; round++) {
      const read = Buffer.alloc(1 + (round % 40));
      for (let i = 0; i < read.length; i++) read[i] = sent++ % 251;
      layer.receive(read, Lifetime.Call);
      read.fill(0xee);
      expect(layer.chunkCount).toBeLessThanOrEqual(2);
    }
    fetched.push(layer.takeRest()!);
    const all = Buffer.concat(fetched);
    expect(all).toHaveLength(sent);
    for (let i = 0; i < sent; i++) if (all[i] !== i % 251) throw new Error(`wrong byte at ${i}`);
  });

  test('more than maxPullBufferBytes is a violation, and counted', () => {
    const { layer, sink, struck } = make(10);
    feedBorrowed(layer, Buffer.alloc(10), []);
    expect(sink.violation).toBeNull();
    feedBorrowed(layer, Buffer.alloc(1), []);
    expect(sink.violation).toMatchObject({ errno: 105, message: expect.stringContaining('maxPullBufferBytes') });
    expect(struck()).toBe(1);
  });

  test('delivers no bytes but their total, and keeps nothing back', () => {
    const { layer } = make();
    expect([layer.deliversBytes, layer.hasBacklog]).toEqual([false, false]);
    feedBorrowed(layer, Buffer.from('abc'), []);
    expect([layer.hasBacklog, layer.bufferedBytes]).toEqual([false, 3]);
  });

  test('what waits of a read stays where it landed from 4096 bytes on that are a 16th of that memory', () => {
    const isMoved = (length: number, memoryBytes: number): boolean => {
      const { layer } = make();
      const memory = Buffer.alloc(memoryBytes, 'x');
      layer.receive(memory.subarray(0, length), Lifetime.Forever);
      const piece = layer.fetch(length) as Buffer;
      expect(piece.equals(memory.subarray(0, length))).toBe(true);
      return piece.buffer !== memory.buffer;
    };
    expect([4095, 4096].map((length) => isMoved(length, 5000))).toEqual([true, false]);
    expect([16 * 4096, 16 * 4096 + 1].map((bytes) => isMoved(4096, bytes))).toEqual([false, true]);
    expect([8191, 8192].map((length) => isMoved(length, 128 * 1024))).toEqual([true, false]);
  });

  test('a chunk that is fetched or given up whole is handed out itself, also behind others', () => {
    const { layer } = make();
    const reads = Array.from({ length: 3 }, (_, i) => Buffer.alloc(5000, i));
    for (const read of reads) layer.receive(read, Lifetime.Forever);
    expect(layer.chunkCount).toBe(3);
    expect(layer.fetch(5000)).toBe(reads[0]);
    expect(layer.chunkCount).toBe(2);
    const [first, second] = [layer.fetch(2000), layer.fetch(3000)];
    expect([first!.buffer, second!.buffer]).toEqual([reads[1]!.buffer, reads[1]!.buffer]);
    expect(second!.byteOffset).toBe(reads[1]!.byteOffset + 2000);
    expect(layer.chunkCount).toBe(1);
    expect(layer.takeRest()).toBe(reads[2]);
    expect([layer.takeRest(), layer.chunkCount, layer.bufferedBytes]).toEqual([null, 0, 0]);
  });

  test('a large read that is gone after the call is copied', () => {
    const { layer } = make();
    feedBorrowed(layer, Buffer.alloc(5000, 'x'), []);
    expect(layer.fetch(5000)?.equals(Buffer.alloc(5000, 'x'))).toBe(true);
  });

  test('what lies in several reads is peeked and fetched in one piece', () => {
    const { layer } = make();
    const reads = ['a', 'b', 'c'].map((letter) => Buffer.alloc(5000, letter));
    for (const read of reads) layer.receive(read, Lifetime.Forever);
    const all = Buffer.concat(reads);
    for (const [skipped, length] of [
      [0, 5001],
      [4999, 2],
      [0, 9999],
    ] as const) {
      layer.fetch(skipped);
      const expected = all.subarray(15_000 - layer.bufferedBytes).subarray(0, length);
      expect(layer.peek(length)?.equals(expected)).toBe(true);
    }
    expect(layer.fetch(10_001)?.equals(all.subarray(4999))).toBe(true);
  });

  test('small reads in front of a large one, and behind it, stay apart', () => {
    const { layer } = make();
    // Gathered in memory of 64, 128, ... 4096 bytes, and then as many in the next as the large read has.
    const small = Buffer.alloc(8128 + 5000, 's');
    for (let i = 0; i < small.length; i++) layer.receive(small.subarray(i, i + 1), Lifetime.Call);
    const large = Buffer.allocUnsafeSlow(5000).fill('l');
    layer.receive(large, Lifetime.Forever);
    layer.receive(Buffer.from('behind'), Lifetime.Call);
    expect(layer.takeRest()?.equals(Buffer.concat([small, large, Buffer.from('behind')]))).toBe(true);
  });

  test('hundreds of chunks are fetched in order, whole and in parts, while others come', () => {
    const { layer } = make();
    const reads = Array.from({ length: 400 }, (_, i) => Buffer.alloc(4096, i));
    for (const read of reads.slice(0, 200)) layer.receive(read, Lifetime.Forever);
    reads.forEach((read, i) => {
      if (i < 200) layer.receive(reads[i + 200]!, Lifetime.Forever);
      if (i % 3 === 0) {
        const parts = [layer.fetch(4000)!, layer.fetch(96)!];
        expect(Buffer.concat(parts).equals(read)).toBe(true);
      } else expect(layer.fetch(4096)).toBe(read);
      const left = Math.min(200, 399 - i);
      expect([layer.chunkCount, layer.bufferedBytes]).toEqual([left, left * 4096]);
    });
  });

  test('chunks that were fetched are let go while others wait', async () => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const { layer } = make();
    const reads: WeakRef<Buffer>[] = [];
    for (let i = 0; i < 300; i++) {
      const read = Buffer.allocUnsafeSlow(4096);
      reads.push(new WeakRef(read));
      layer.receive(read, Lifetime.Forever);
    }
    for (let i = 0; i < 299; i++) layer.fetch(4096);
    // What a WeakRef was made of in this turn of the event loop is kept until its end.
    await new Promise((resolve) => setImmediate(resolve));
    collect();
    expect(reads.filter((read) => read.deref() !== undefined).length).toBeLessThan(100);
    expect(layer.chunkCount).toBe(1);
  });

  test('does what a naive model does, over every chunking', () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant('receive' as const), bytes: fc.uint8Array({ minLength: 1, maxLength: 200 }) }),
      fc.record({ kind: fc.constantFrom('fetch' as const, 'peek' as const), length: fc.integer({ min: 1, max: 400 }) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const { layer, sink } = make();
        let model = Buffer.alloc(0);
        const kept: [Buffer, string][] = [];
        for (const each of steps) {
          if (each.kind === 'receive') {
            feedBorrowed(layer, Buffer.from(each.bytes), []);
            model = Buffer.concat([model, each.bytes]);
            expect(sink.totals.at(-1)).toBe(model.length);
            continue;
          }
          const result = layer[each.kind](each.length);
          if (each.length > model.length) {
            expect(result).toBe(null);
            continue;
          }
          expect((result as Buffer).equals(model.subarray(0, each.length))).toBe(true);
          kept.push([result as Buffer, (result as Buffer).toString('hex')]);
          if (each.kind === 'fetch') model = model.subarray(each.length);
          expect(layer.bufferedBytes).toBe(model.length);
        }
        for (const [buffer, hex] of kept) expect(buffer.toString('hex')).toBe(hex);
      }),
    );
  });
});

describe('PushProtocol', () => {
  test('hands on each read as it came, owned by the receiver', () => {
    const sink = new RecordingSink();
    const layer = new PushProtocol({ pool: new SlabPool(), maxChunkBytes: 0 }, sink);
    feedBorrowed(layer, Buffer.from('abcdefgh'), [1, 4]);
    expect(sink.delivered.map(String)).toEqual(['a', 'bcd', 'efgh']);
  });

  test('a read of up to maxChunkBytes is handed on itself, one byte more is cut', () => {
    const sink = new RecordingSink();
    const layer = new PushProtocol({ pool: new SlabPool(), maxChunkBytes: 3 }, sink);
    const reads = ['a', 'abc', 'abcd'].map((text) => Buffer.from(text));
    for (const read of reads) layer.receive(read, Lifetime.Forever);
    expect(sink.delivered[0]).toBe(reads[0]);
    expect(sink.delivered[1]).toBe(reads[1]);
    expect(sink.delivered.map(String)).toEqual(['a', 'abc', 'abc', 'd']);
    expect(layer.hasBacklog).toBe(false);
  });

  test('what waits is cut as well, each time that it is resumed, and is not copied again', () => {
    for (const lifetime of [Lifetime.Forever, Lifetime.Loan]) {
      const sink = new RecordingSink();
      const layer = new PushProtocol({ pool: new SlabPool(), maxChunkBytes: 3 }, sink);
      const read = Buffer.from('abcdefghij');
      sink.stopAfter = 1;
      layer.receive(read, lifetime);
      expect(sink.delivered.map(String)).toEqual(['abc']);
      if (lifetime === Lifetime.Loan) read.fill(0xee);
      for (const stopAfter of [1, 2]) {
        sink.stopAfter = stopAfter;
        layer.resume();
      }
      const [, ...later] = sink.delivered;
      expect(later.map(String)).toEqual(['def', 'ghi', 'j']);
      expect(new Set(later.map(({ buffer }) => buffer)).size).toBe(1);
      const begin = lifetime === Lifetime.Loan ? later[0]!.byteOffset : read.byteOffset + 3;
      expect(later.map(({ byteOffset }) => byteOffset - begin)).toEqual([0, 3, 6]);
      expect(sink.delivered[0]!.buffer).toBe(read.buffer);
      expect([layer.hasBacklog, layer.bufferedBytes]).toEqual([false, 0]);
    }
  });

  test('cuts reads to maxChunkBytes, and keeps what is left when told to stop: TCP-S-004', () => {
    const sink = new RecordingSink();
    const layer = behindConnection(new PushProtocol({ pool: new SlabPool(), maxChunkBytes: 3 }, sink));
    sink.stopAfter = 2;
    feedBorrowed(layer, Buffer.from('abcdefgh'), []);
    expect(sink.delivered.map(String)).toEqual(['abc', 'def']);
    expect(layer.hasBacklog).toBe(true);
    expect(layer.bufferedBytes).toBe(2);
    feedBorrowed(layer, Buffer.from('ij'), []);
    sink.stopAfter = Number.POSITIVE_INFINITY;
    layer.resume();
    expect(sink.delivered.map(String).join('')).toBe('abcdefghij');
  });
});
