import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { SlabPool } from '../../src/memory/slab-pool.ts';
import { PackProtocol, packHeader } from '../../src/protocol/pack.ts';
import { Lifetime } from '../../src/protocol/protocol.ts';
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
