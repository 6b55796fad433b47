import { describe, expect, test } from 'vitest';
import { SendQueue } from '../../src/memory/send-queue.ts';
import { SendSlabPool, SlabPool } from '../../src/memory/slab-pool.ts';
import { AtEnd, Lifetime } from '../../src/protocol/protocol.ts';
import { PushProtocol } from '../../src/protocol/push.ts';
import { behindConnection, byteByByte, everySplit, feedBorrowed, RecordingSink } from './support.ts';

function make(maxChunkBytes = 0): { layer: PushProtocol; sink: RecordingSink } {
  const sink = new RecordingSink();
  return { sink, layer: behindConnection(new PushProtocol({ pool: new SlabPool(), maxChunkBytes }, sink)) };
}

const conversation = Buffer.from('000102ff7f80fe10111213', 'hex');

describe('a push layer', () => {
  test('delivers each read as it is, byte by byte and at every split: EV-S-04', () => {
    const ways = [[], byteByByte(conversation.length), ...everySplit(conversation.length)];
    for (const cuts of ways) {
      const { layer, sink } = make();
      feedBorrowed(layer, conversation, cuts);
      const ends = [...cuts, conversation.length];
      expect(sink.hex).toEqual(ends.map((end, i) => conversation.subarray(ends[i - 1] ?? 0, end).toString('hex')));
      expect([layer.bufferedBytes, layer.hasBacklog]).toEqual([0, false]);
    }
  });

  test('cut to a limit, delivers the same bytes, no piece above it and each as large as it may be: EV-S-04', () => {
    for (let limit = 1; limit <= conversation.length + 1; limit++) {
      for (const cuts of [[], ...everySplit(conversation.length)]) {
        const { layer, sink } = make(limit);
        feedBorrowed(layer, conversation, cuts);
        expect(Buffer.concat(sink.delivered).equals(conversation)).toBe(true);
        const reads = [...cuts, conversation.length].map((end, i, ends) => end - (ends[i - 1] ?? 0));
        const sizes = reads.flatMap((read) => [
          ...new Array<number>(Math.floor(read / limit)).fill(limit),
          ...(read % limit === 0 ? [] : [read % limit]),
        ]);
        expect(sink.delivered.map(({ length }) => length)).toEqual(sizes);
      }
    }
  });

  test('told to stop at every piece in turn, keeps the rest, and goes on with it', () => {
    for (let stop = 1; stop <= conversation.length; stop++) {
      const { layer, sink } = make(1);
      sink.stopAfter = stop;
      feedBorrowed(layer, conversation, []);
      expect(sink.delivered).toHaveLength(stop);
      expect(layer.bufferedBytes).toBe(conversation.length - stop);
      expect(layer.hasBacklog).toBe(stop < conversation.length);
      sink.stopAfter = 1;
      while (layer.hasBacklog) layer.resume();
      expect(Buffer.concat(sink.delivered).equals(conversation)).toBe(true);
    }
  });

  test('without a limit, stop is not for what was delivered, and nothing is kept', () => {
    const { layer, sink } = make();
    sink.stopAfter = 1;
    feedBorrowed(layer, conversation, []);
    expect([sink.delivered.length, layer.hasBacklog, layer.takeRest()]).toEqual([1, false, null]);
    layer.resume();
    expect(sink.delivered).toHaveLength(1);
  });

  test('reads that come while it was told to stop wait behind, and keep their bytes', () => {
    const { layer, sink } = make(2);
    sink.stopAfter = 1;
    feedBorrowed(layer, conversation, [5, 6, 9]);
    expect(sink.hex).toEqual(['0001']);
    expect(layer.bufferedBytes).toBe(9);
    sink.stopAfter = Number.POSITIVE_INFINITY;
    layer.resume();
    expect(Buffer.concat(sink.delivered).equals(conversation)).toBe(true);
    expect(sink.delivered.every(({ length }) => length <= 2)).toBe(true);
  });

  test('sends bytes as they are, and has no messages, nor anything to say at the end', () => {
    const { layer } = make();
    expect([layer.deliversBytes, layer.hasMessages, layer.sizeOf(0), layer.sizeOf(7)]).toEqual([true, false, 0, 7]);
    expect([layer.ended(), layer.drain()]).toEqual([AtEnd.Drain, true]);
    expect(layer.explain(7)).toBe('a message of 7 bytes is not possible');
    const written: string[] = [];
    const queue = new SendQueue(new SendSlabPool(), {
      write(chunks) {
        for (const chunk of chunks) written.push(String(Buffer.from(chunk)));
        return 0;
      },
    });
    layer.frame(queue, Buffer.from('abc'));
    layer.frameParts(queue, [Buffer.from('de'), Buffer.from('f')], 3);
    queue.flush();
    expect(written.join('')).toBe('abcdef');
  });

  test('what was delivered is never written again, over more than a slab', () => {
    const { layer, sink } = make();
    const memory = Buffer.alloc(4096);
    const expected: string[] = [];
    for (let i = 0; i < 300; i++) {
      const read = memory.subarray(0, 1 + ((i * 997) % 4096)).fill(i);
      expected.push(read.toString('hex'));
      layer.receive(read, Lifetime.Call);
      memory.fill(0xee);
    }
    expect(sink.hex).toEqual(expected);
  });
});
