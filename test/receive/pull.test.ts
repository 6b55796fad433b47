import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FetchResult } from '../../src/core/enums.ts';
import { SlabPool } from '../../src/core/slab-pool.ts';
import { PullLayer } from '../../src/receive/pull.ts';
import { PushLayer } from '../../src/receive/push.ts';
import { feedBorrowed, RecordingSink } from './support.ts';

function make(maxBufferedBytes = 0): { layer: PullLayer; sink: RecordingSink; struck: () => number } {
  const sink = new RecordingSink();
  let count = 0;
  const context = { pool: new SlabPool(), maxBufferedBytes, exceeded: () => void count++ };
  return { layer: new PullLayer(context, sink), sink, struck: () => count };
}

describe('PullLayer', () => {
  test('tells the total, fetches all or nothing, peeks without taking: PULL-S-001, PULL-S-002, PULL-C-001, PULL-C-002, EV-S-05', () => {
    const { layer, sink } = make();
    feedBorrowed(layer, Buffer.from('abcdef'), [2, 3]);
    expect(sink.totals).toEqual([2, 3, 6]);
    expect(layer.fetch(7)).toBe(FetchResult.LengthTooLong);
    expect(layer.peek(7)).toBe(FetchResult.LengthTooLong);
    expect(layer.peek(4).toString()).toBe('abcd');
    expect(layer.fetch(4).toString()).toBe('abcd');
    expect(layer.bufferedBytes).toBe(2);
    expect(layer.fetch(2).toString()).toBe('ef');
    expect(layer.fetch(1)).toBe(FetchResult.LengthTooLong);
  });

  test('more than maxPullBufferBytes is a violation, and counted', () => {
    const { layer, sink, struck } = make(10);
    feedBorrowed(layer, Buffer.alloc(10), []);
    expect(sink.violation).toBeNull();
    feedBorrowed(layer, Buffer.alloc(1), []);
    expect(sink.violation).toMatchObject({ errno: 105, message: expect.stringContaining('maxPullBufferBytes') });
    expect(struck()).toBe(1);
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
            expect(result).toBe(FetchResult.LengthTooLong);
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

describe('PushLayer', () => {
  test('hands on each read as it came, owned by the receiver', () => {
    const sink = new RecordingSink();
    const layer = new PushLayer({ pool: new SlabPool(), maxChunkBytes: 0 }, sink);
    feedBorrowed(layer, Buffer.from('abcdefgh'), [1, 4]);
    expect(sink.delivered.map(String)).toEqual(['a', 'bcd', 'efgh']);
  });

  test('cuts reads to maxChunkBytes, and keeps what is left when told to stop: TCP-S-004', () => {
    const sink = new RecordingSink();
    const layer = new PushLayer({ pool: new SlabPool(), maxChunkBytes: 3 }, sink);
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
