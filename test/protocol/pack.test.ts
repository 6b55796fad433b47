import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { SendQueue } from '../../src/memory/send-queue.ts';
import { SendSlabPool, SlabPool } from '../../src/memory/slab-pool.ts';
import { PackProtocol, packHeader } from '../../src/protocol/pack.ts';
import { AtEnd, Lifetime } from '../../src/protocol/protocol.ts';
import { anyLifetime, behindConnection, byteByByte, everySplit, feedBorrowed, RecordingSink } from './support.ts';

function make(options: { flag?: number; max?: number } = {}): { layer: PackProtocol; sink: RecordingSink } {
  const sink = new RecordingSink();
  const context = { pool: new SlabPool(), packHeaderFlag: options.flag ?? 0, maxPackSize: options.max ?? 0x40000 };
  return { layer: behindConnection(new PackProtocol(context, sink)), sink };
}

function encode(flag: number, body: Buffer): Buffer {
  const head = Buffer.alloc(4);
  head.writeUInt32LE(packHeader(flag, body.length));
  return Buffer.concat([head, body]);
}

describe('pack header', () => {
  test('is one little-endian word, flag above 22 bits of length: PK-001, PK-002', () => {
    expect(encode(0x169, Buffer.from('abcde')).toString('hex')).toBe('0500405a6162636465');
    expect(packHeader(0x3ff, 0x3fffff)).toBe(0xffffffff);
    expect(packHeader(0, 1)).toBe(1);
  });
});

describe('PackProtocol', () => {
  const conversation = Buffer.from('0500405a6162636465' + '0100405a78' + '0300405a000000', 'hex');
  const bodies = ['6162636465', '78', '000000'];

  test('delivers each body once, in order: PK-003, PK-008, PK-014', () => {
    const { layer, sink } = make({ flag: 0x169 });
    feedBorrowed(layer, conversation, []);
    expect(sink.hex).toEqual(bodies);
    expect(layer.bufferedBytes).toBe(0);
  });

  test('byte by byte, and at every split, the same', () => {
    for (const cuts of [byteByByte(conversation.length), ...everySplit(conversation.length)]) {
      const { layer, sink } = make({ flag: 0x169 });
      feedBorrowed(layer, conversation, cuts);
      expect(sink.hex).toEqual(bodies);
      expect(sink.violation).toBeNull();
    }
  });

  test('1,000 packages in one read', () => {
    const { layer, sink } = make();
    const all = Array.from({ length: 1000 }, (_, i) => Buffer.alloc(1 + (i % 77), i));
    feedBorrowed(layer, Buffer.concat(all.map((body) => encode(0, body))), []);
    expect(sink.hex).toEqual(all.map((body) => body.toString('hex')));
  });

  test('a wrong flag is EBADMSG, before the body and before the length is looked at: PK-005, PK-006, PK-007', () => {
    const { layer, sink } = make({ flag: 0x169, max: 10 });
    feedBorrowed(layer, Buffer.from('ffffff5b', 'hex'), [1, 2, 3]); // flag 0x16f, length far too large
    expect(sink.violation).toMatchObject({ errno: 74, message: expect.stringContaining('packHeaderFlag') });
    expect(sink.delivered).toEqual([]);
    layer.receive(conversation, Lifetime.Forever);
    expect(sink.delivered).toEqual([]);
  });

  test('behind a header that is wrong nothing is looked at, though it came in two reads: PK-006, PK-007', () => {
    for (const cut of [1, 2, 3]) {
      const { layer, sink } = make({ flag: 0x169 });
      feedBorrowed(layer, Buffer.concat([Buffer.from('0100405b', 'hex'), conversation]), [cut]);
      expect([sink.violation?.errno, sink.delivered, layer.bufferedBytes]).toEqual([74, [], 0]);
    }
  });

  test('stop at a package that came in two reads leaves those behind it for later: PK-009', () => {
    for (const cut of [1, 4, 8]) {
      const { layer, sink } = make({ flag: 0x169 });
      sink.stopAfter = 1;
      feedBorrowed(layer, conversation, [cut]);
      expect([sink.hex, layer.hasBacklog, layer.bufferedBytes]).toEqual([bodies.slice(0, 1), true, 12]);
      sink.stopAfter = 1;
      layer.resume();
      expect(sink.hex).toEqual(bodies.slice(0, 2));
      layer.resume();
      expect([sink.hex, layer.hasBacklog, layer.bufferedBytes]).toEqual([bodies, false, 0]);
    }
  });

  test('with an own flag of 0, any flag will do: PK-004, PK-005, PK-012', () => {
    const { layer, sink } = make({ flag: 0 });
    feedBorrowed(layer, Buffer.concat([encode(1023, Buffer.from('a')), encode(5, Buffer.from('b'))]), []);
    expect(sink.hex).toEqual(['61', '62']);
  });

  test.each([
    ['zero', 0],
    ['above the maximum', 101],
    ['the largest there is', 0x3fffff],
  ])('length %s is EMSGSIZE as soon as the header is there: PK-003, PK-005, PK-007', (_name, length) => {
    for (const cuts of [[], [1], [2], [3], [1, 2, 3]]) {
      const { layer, sink } = make({ flag: 3, max: 100 });
      const head = Buffer.alloc(4);
      head.writeUInt32LE(packHeader(3, length));
      feedBorrowed(layer, head, cuts);
      expect(sink.violation).toMatchObject({ errno: 90, message: expect.stringContaining('maxPackSize') });
    }
  });

  test('what came before the violation is delivered first: PK-006', () => {
    const { layer, sink } = make({ flag: 0x169 });
    feedBorrowed(layer, Buffer.concat([conversation, Buffer.from('0000405a', 'hex')]), []);
    expect(sink.hex).toEqual(bodies);
    expect(sink.violation?.errno).toBe(90);
  });

  test('stop after any package, then resume: nothing lost, nothing twice: PK-009', () => {
    for (let stopAfter = 1; stopAfter <= 3; stopAfter++) {
      const { layer, sink } = make({ flag: 0x169 });
      sink.stopAfter = stopAfter;
      feedBorrowed(layer, conversation, []);
      expect(sink.delivered).toHaveLength(stopAfter);
      expect(layer.hasBacklog).toBe(stopAfter < 3);
      sink.stopAfter = Number.POSITIVE_INFINITY;
      layer.resume();
      expect(sink.hex).toEqual(bodies);
      expect(layer.hasBacklog).toBe(false);
    }
  });

  test('nothing is allocated for a length that was only announced', () => {
    const layers = Array.from({ length: 1000 }, () => make({ max: 0x3fffff }));
    const before = process.memoryUsage().arrayBuffers;
    const head = Buffer.alloc(5);
    head.writeUInt32LE(packHeader(0, 0x3fffff));
    for (const { layer } of layers) feedBorrowed(layer, head, []);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(4 * 1024 * 1024);
    expect(layers[0]?.layer.bufferedBytes).toBe(5);
  });

  test('delivered bodies are never overwritten, however they came', () => {
    const { layer, sink } = make();
    const sent: string[] = [];
    for (let i = 0; i < 2000; i++) {
      const body = Buffer.alloc(1 + ((i * 37) % 900), i);
      sent.push(body.toString('hex'));
      const bytes = encode(0, body);
      feedBorrowed(layer, bytes, i % 3 === 0 ? [] : [1 + (i % (bytes.length - 1))]);
    }
    expect(sink.hex).toEqual(sent);
  });

  test('delivers messages, as bytes', () => {
    const { layer } = make();
    expect([layer.deliversBytes, layer.hasMessages]).toEqual([true, true]);
  });

  test('a stream may end between two packages only, and knows where it is', () => {
    const { layer, sink } = make();
    const states = [0, 1, 2, 3, 4, 5, 6].map((length) => {
      const one = make().layer;
      feedBorrowed(one, encode(0, Buffer.from('ab')).subarray(0, length), []);
      return [one.isMidMessage, one.ended()];
    });
    const middle = [true, AtEnd.Truncated];
    const between = [false, AtEnd.Drain];
    expect(states).toEqual([between, middle, middle, middle, middle, middle, between]);
    // A package that waits because the port said stop is whole.
    sink.stopAfter = 1;
    feedBorrowed(layer, Buffer.concat([encode(0, Buffer.from('a')), encode(0, Buffer.from('b'))]), []);
    expect([layer.hasBacklog, layer.isMidMessage, layer.ended()]).toEqual([true, false, AtEnd.Drain]);
    expect(layer.bufferedBytes).toBe(5);
  });

  test('what can be sent has 1 to maxPackSize bytes, and its header before it', () => {
    const { layer } = make({ max: 100 });
    expect([0, 1, 99, 100, 101].map((length) => layer.sizeOf(length))).toEqual([-90, 5, 103, 104, -90]);
    expect(layer.explain(101)).toBe('a package of 101 bytes is not possible, allowed are 1 to 100 (maxPackSize)');
  });

  test('a package is sent behind its header, in one piece or in parts', () => {
    const { layer } = make({ flag: 0x169 });
    const written: Buffer[] = [];
    const queue = new SendQueue(new SendSlabPool(), {
      write(chunks) {
        for (const chunk of chunks) written.push(Buffer.from(chunk));
        return 0;
      },
    });
    layer.frame(queue, Buffer.from('abcde'));
    layer.frameParts(queue, [Buffer.from('x')], 1);
    layer.frameParts(queue, [Buffer.alloc(1), Buffer.alloc(2)], 3);
    queue.flush();
    expect(Buffer.concat(written)).toEqual(conversation);
  });

  test('a violation says what came and what was expected', () => {
    const violation = (flag: number, length: number): string | undefined => {
      const { layer, sink } = make({ flag: 3, max: 100 });
      const head = Buffer.alloc(4);
      head.writeUInt32LE(packHeader(flag, length));
      layer.receive(head, Lifetime.Forever);
      return sink.violation?.message;
    };
    expect(violation(1023, 5)).toContain('header flag 1023, expected 3;');
    expect(violation(3, 101)).toContain('a package of 101 bytes, allowed are 1 to 100 (maxPackSize)');
    expect(violation(3, 100)).toBeUndefined();
  });

  test('the rest is the part of a package, what waits behind a stop, or nothing', () => {
    const whole = encode(0, Buffer.from('abc'));
    const context = { pool: new SlabPool(), packHeaderFlag: 0, maxPackSize: 100 };
    const part = new PackProtocol(context, new RecordingSink());
    expect(part.takeRest()).toBeNull();
    feedBorrowed(part, whole.subarray(0, 6), []);
    expect(part.takeRest()).toEqual(whole.subarray(0, 6));
    expect([part.takeRest(), part.bufferedBytes, part.isMidMessage]).toEqual([null, 0, false]);
    const stopped = make();
    stopped.sink.stopAfter = 1;
    feedBorrowed(stopped.layer, Buffer.concat([whole, whole]), []);
    expect(stopped.layer.takeRest()).toEqual(whole);
    expect([stopped.layer.takeRest(), stopped.layer.bufferedBytes]).toEqual([null, 0]);
  });

  describe('copies', () => {
    /** A protocol whose port says stop after so many bodies, and the lengths of what it copies. */
    function counted(stopAfter: number): { layer: PackProtocol; sink: RecordingSink; copied: number[] } {
      const sink = new RecordingSink();
      sink.stopAfter = stopAfter;
      const copied: number[] = [];
      const pool = new SlabPool();
      const copy = pool.copy.bind(pool);
      pool.copy = (source, start, end) => {
        copied.push(end - start);
        return copy(source, start, end);
      };
      return { layer: new PackProtocol({ pool, packHeaderFlag: 0, maxPackSize: 1000 }, sink), sink, copied };
    }
    const two = Buffer.concat([encode(0, Buffer.from('abc')), encode(0, Buffer.from('de'))]);

    test('a read that is its own is not copied, nor what waits of it', () => {
      const { layer, sink, copied } = counted(1);
      const read = Buffer.from(two);
      layer.receive(read, Lifetime.Forever);
      sink.stopAfter = 2;
      layer.resume();
      expect(sink.delivered.map(({ buffer, byteOffset }) => [buffer === read.buffer, byteOffset])).toEqual([
        [true, read.byteOffset + 4],
        [true, read.byteOffset + 11],
      ]);
      expect(copied).toEqual([]);
    });

    test('of a read that is lent, only what waits is copied', () => {
      const { layer, sink, copied } = counted(1);
      const read = Buffer.from(two);
      layer.receive(read, Lifetime.Loan);
      expect(sink.delivered[0]!.buffer).toBe(read.buffer);
      read.fill(0xee);
      sink.stopAfter = 2;
      layer.resume();
      expect(sink.hex[1]).toBe('6465');
      expect(copied).toEqual([]);
    });

    test('a read that is gone after the call is copied once, without what completes a package', () => {
      const { layer, sink, copied } = counted(Number.POSITIVE_INFINITY);
      feedBorrowed(layer, Buffer.concat([two, two]), [5, 13]);
      // The first read, the second package, and a read that is whole packages.
      expect([sink.hex, copied]).toEqual([
        ['616263', '6465', '616263', '6465'],
        [5, 6, 13],
      ]);
      feedBorrowed(layer, two.subarray(0, 7), [5]);
      // The second read was the end of a package: nothing is left to copy.
      expect([sink.hex.length, copied.slice(3)]).toEqual([5, [5]]);
    });
  });

  test('any packages in any pieces with stops anywhere come out as they went in', () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ minLength: 1, maxLength: 300 }), { maxLength: 30 }),
        fc.array(fc.nat(2000), { maxLength: 30 }),
        fc.array(fc.integer({ min: 1, max: 5 }), { maxLength: 20 }),
        anyLifetime,
        (packages, cutPoints, stops, lifetime) => {
          const { layer, sink } = make({ flag: 7 });
          sink.copies = lifetime === Lifetime.Loan;
          const stream = Buffer.concat(packages.map((body) => encode(7, Buffer.from(body))));
          const cuts = [...new Set(cutPoints.filter((at) => at < stream.length))].sort((a, b) => a - b);
          let from = 0;
          let nextStop = 0;
          for (const to of [...cuts, stream.length]) {
            sink.stopAfter = stops[nextStop++] ?? Number.POSITIVE_INFINITY;
            const piece = Buffer.from(stream.subarray(from, to));
            if (piece.length > 0) layer.receive(piece, lifetime);
            if (lifetime !== Lifetime.Forever) piece.fill(0xee);
            from = to;
            while (layer.hasBacklog) {
              sink.stopAfter = stops[nextStop++] ?? Number.POSITIVE_INFINITY;
              layer.resume();
            }
          }
          expect(sink.hex).toEqual(packages.map((body) => Buffer.from(body).toString('hex')));
        },
      ),
    );
  });
});
