import { describe, expect, test } from 'vitest';
import { SlabPool } from '../../src/memory/slab-pool.ts';
import { Lifetime } from '../../src/protocol/protocol.ts';
import { PullProtocol } from '../../src/protocol/pull.ts';
import { byteByByte, everySplit, feedBorrowed, RecordingSink } from './support.ts';

function make(maxBufferedBytes = 0): { layer: PullProtocol; sink: RecordingSink; struck: () => number } {
  const sink = new RecordingSink();
  let struck = 0;
  const context = { pool: new SlabPool(1024), maxBufferedBytes, exceeded: () => void struck++ };
  return { sink, layer: new PullProtocol(context, sink), struck: () => struck };
}

const conversation = Buffer.from('000102030405060708090a0b', 'hex');
const { length } = conversation;

describe('fetch and peek', () => {
  test('of every length, after every split and byte by byte: PULL-S-001, PULL-S-002', () => {
    for (const cuts of [[], byteByByte(length), ...everySplit(length)]) {
      for (let size = 1; size <= length; size++) {
        const { layer, sink } = make();
        feedBorrowed(layer, conversation, cuts);
        expect(sink.totals).toEqual([...cuts, length]);
        let at = 0;
        while (at + size <= length) {
          const expected = conversation.subarray(at, at + size).toString('hex');
          expect((layer.peek(size) as Buffer).toString('hex')).toBe(expected);
          expect(layer.bufferedBytes).toBe(length - at);
          expect((layer.fetch(size) as Buffer).toString('hex')).toBe(expected);
          at += size;
        }
        const left = length - at;
        expect(layer.bufferedBytes).toBe(left);
        expect(layer.fetch(left + 1)).toBe(null);
        expect(layer.peek(left + 1)).toBe(null);
        expect(layer.takeRest()?.toString('hex') ?? '').toBe(conversation.subarray(at).toString('hex'));
      }
    }
  });

  test('have exactly the length that was asked for, and stay as they were', () => {
    const { layer } = make();
    const kept: Buffer[] = [];
    for (let i = 0; i < 500; i++) {
      feedBorrowed(layer, Buffer.alloc(7, i), [3]);
      if (i % 2 === 1) kept.push(layer.fetch(10) as Buffer, layer.fetch(4) as Buffer);
    }
    kept.forEach((buffer, i) => {
      expect(buffer).toHaveLength(i % 2 === 0 ? 10 : 4);
      const round = (i >> 1) * 2;
      const both = Buffer.concat([Buffer.alloc(7, round), Buffer.alloc(7, round + 1)]);
      expect(buffer.equals(i % 2 === 0 ? both.subarray(0, 10) : both.subarray(10))).toBe(true);
    });
  });

  test('inside onReceive count for the next total', () => {
    const totals: number[] = [];
    const layer: PullProtocol = new PullProtocol(
      { pool: new SlabPool(), maxBufferedBytes: 0, exceeded: () => {} },
      {
        deliver(total) {
          totals.push(total as number);
          while (layer.bufferedBytes >= 4) layer.fetch(4);
          return true;
        },
        violate: () => {},
      },
    );
    feedBorrowed(layer, conversation, [3, 6, 7]);
    expect(totals).toEqual([3, 6, 3, 8]);
    expect(layer.bufferedBytes).toBe(0);
  });
});

describe('maxPullBufferBytes', () => {
  test('counts what waits, not what was fetched', () => {
    const { layer, sink, struck } = make(10);
    for (let i = 0; i < 100; i++) {
      feedBorrowed(layer, Buffer.alloc(10, i), []);
      expect((layer.fetch(10) as Buffer).equals(Buffer.alloc(10, i))).toBe(true);
    }
    expect(sink.violation).toBeNull();
    expect(struck()).toBe(0);
  });

  test('lets onReceive fetch first', () => {
    const violations: number[] = [];
    let struck = 0;
    let fetches = true;
    const layer: PullProtocol = new PullProtocol(
      { pool: new SlabPool(), maxBufferedBytes: 5, exceeded: () => void struck++ },
      {
        deliver(total) {
          if (fetches) layer.fetch(total as number);
          return true;
        },
        violate: (errno) => void violations.push(errno),
      },
    );
    feedBorrowed(layer, Buffer.alloc(100), []);
    expect([violations, struck, layer.bufferedBytes]).toEqual([[], 0, 0]);
    fetches = false;
    feedBorrowed(layer, Buffer.alloc(6), []);
    expect([violations, struck]).toEqual([[105], 1]);
    // What came before the end can still be fetched in onClose.
    expect((layer.fetch(6) as Buffer).equals(Buffer.alloc(6))).toBe(true);
  });

  test('0 is no limit', () => {
    const { layer, sink } = make(0);
    for (let i = 0; i < 40; i++) layer.receive(Buffer.alloc(1_000_000, i), Lifetime.Forever);
    expect(sink.violation).toBeNull();
    expect(layer.bufferedBytes).toBe(40_000_000);
    expect((layer.fetch(1_000_001) as Buffer)[1_000_000]).toBe(1);
  });
});
