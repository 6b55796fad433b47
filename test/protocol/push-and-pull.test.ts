import fc from 'fast-check';
import { expect, test } from 'vitest';
import { SlabPool } from '../../src/memory/slab-pool.ts';
import { Lifetime } from '../../src/protocol/protocol.ts';
import { PullProtocol } from '../../src/protocol/pull.ts';
import { PushProtocol } from '../../src/protocol/push.ts';
import { anyLifetime, behindConnection, RecordingSink } from './support.ts';

function make(maxChunkBytes = 0): { layer: PushProtocol; sink: RecordingSink } {
  const sink = new RecordingSink();
  return { sink, layer: behindConnection(new PushProtocol({ pool: new SlabPool(1024), maxChunkBytes }, sink)) };
}

test('push: bytes that are not borrowed are delivered as they are, without a copy', () => {
  const { layer, sink } = make();
  const read = Buffer.from('own');
  layer.receive(read, Lifetime.Forever);
  expect(sink.delivered[0]).toBe(read);
});

test('push: takeRest gives up what waits, once', () => {
  const { layer, sink } = make(4);
  expect(layer.takeRest()).toBeNull();
  sink.stopAfter = 1;
  layer.receive(Buffer.from('aaaabbbb'), Lifetime.Call);
  expect(String(layer.takeRest())).toBe('bbbb');
  expect(layer.takeRest()).toBeNull();
  layer.resume();
  expect(sink.delivered).toHaveLength(1);
});

test('push: any reads, limits and pauses bring every byte once, in order, in pieces within the limit', () => {
  const read = fc.record({ length: fc.integer({ min: 1, max: 700 }), lifetime: anyLifetime });
  fc.assert(
    fc.property(
      fc.array(read, { maxLength: 30 }),
      fc.constantFrom(0, 8, 64, 500),
      fc.array(fc.integer({ min: 1, max: 5 }), { maxLength: 40 }),
      (reads, limit, stops) => {
        const { layer, sink } = make(limit);
        const sent: Buffer[] = [];
        let stop = 0;
        for (const { length, lifetime } of reads) {
          sink.stopAfter = stops[stop++] ?? Number.POSITIVE_INFINITY;
          const bytes = Buffer.alloc(length, sent.length + 1);
          sent.push(Buffer.from(bytes));
          sink.copies = lifetime === Lifetime.Loan;
          layer.receive(bytes, lifetime);
          if (lifetime !== Lifetime.Forever) bytes.fill(0xee);
        }
        sink.stopAfter = Number.POSITIVE_INFINITY;
        layer.resume();
        expect(layer.hasBacklog).toBe(false);
        expect(Buffer.concat(sink.delivered).equals(Buffer.concat(sent))).toBe(true);
        if (limit > 0) for (const piece of sink.delivered) expect(piece.length).toBeLessThanOrEqual(limit);
      },
    ),
  );
});

function makePull(): { layer: PullProtocol; sink: RecordingSink } {
  const sink = new RecordingSink();
  return { sink, layer: new PullProtocol({ pool: new SlabPool(1024), maxBufferedBytes: 0, exceeded: () => {} }, sink) };
}

test('pull: a fetch within one read costs no copy, and a whole read is that buffer itself', () => {
  const { layer } = makePull();
  const read = Buffer.alloc(16 * 1024, 'whole');
  layer.receive(read, Lifetime.Forever);
  expect(layer.fetch(read.length)).toBe(read);
  layer.receive(read, Lifetime.Forever);
  const part = layer.fetch(2) as Buffer;
  expect([part.buffer, part.byteOffset]).toEqual([read.buffer, read.byteOffset]);
});

test('pull: inside onReceive that is so for small reads as well', () => {
  const fetched: unknown[] = [];
  const layer: PullProtocol = new PullProtocol(
    { pool: new SlabPool(), maxBufferedBytes: 0, exceeded: () => {} },
    {
      deliver(total) {
        fetched.push(layer.fetch(total as number));
        return true;
      },
      violate: () => {},
    },
  );
  const read = Buffer.from('whole');
  layer.receive(read, Lifetime.Forever);
  expect(fetched[0]).toBe(read);
});

test('pull: takeRest gives up everything that was not fetched', () => {
  const { layer } = makePull();
  expect(layer.takeRest()).toBeNull();
  layer.receive(Buffer.from('abc'), Lifetime.Call);
  layer.receive(Buffer.from('def'), Lifetime.Call);
  layer.fetch(2);
  expect(String(layer.takeRest())).toBe('cdef');
  expect(layer.takeRest()).toBeNull();
  expect(layer.bufferedBytes).toBe(0);
});

test('pull: a queue of thousands of reads that is fetched a little at a time stays in order', () => {
  const { layer } = makePull();
  let sent = 0;
  let fetched = 0;
  const check = (piece: Buffer): void => {
    for (const value of piece) if (value !== (fetched++ & 255)) throw new Error(`byte ${fetched - 1} is ${value}`);
  };
  for (let round = 0; round < 3000; round++) {
    layer.receive(Buffer.from([sent++ & 255, sent++ & 255, sent++ & 255]), Lifetime.Call);
    check(layer.fetch(round % 4 === 0 ? 3 : 2) as Buffer);
  }
  check(layer.fetch(layer.bufferedBytes) as Buffer);
  expect(fetched).toBe(sent);
});
