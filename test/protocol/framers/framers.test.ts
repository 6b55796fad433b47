import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Errno } from '../../../src/core/errno.ts';
import { SendQueue } from '../../../src/memory/send-queue.ts';
import { SendSlabPool, SlabPool } from '../../../src/memory/slab-pool.ts';
import { fixedSize } from '../../../src/protocol/framers/fixed-size.ts';
import { framedProtocols } from '../../../src/protocol/framers/framed.ts';
import { type Framer, framing } from '../../../src/protocol/framers/framer.ts';
import { lengthField } from '../../../src/protocol/framers/length-field.ts';
import { delimiter, lines, startEnd } from '../../../src/protocol/framers/marked.ts';
import { AtEnd, Lifetime, type Protocol } from '../../../src/protocol/protocol.ts';
import { anyLifetime, byteByByte, everySplit, feedBorrowed, RecordingSink } from '../support.ts';

class Sink extends RecordingSink {
  thrown: unknown = null;

  threw(_hook: string, thrown: unknown): boolean {
    this.thrown = thrown;
    return false;
  }

  get texts(): string[] {
    return this.delivered.map((each) => each.toString('latin1'));
  }
}

function make(framer: Framer<unknown, never>): { protocol: Protocol; sink: Sink } {
  const sink = new Sink();
  return { protocol: framedProtocols(new SlabPool(), framer as Framer<unknown, unknown>)(sink), sink };
}

/** What a framer sends for `messages`. */
function wire(
  framer: Framer<unknown, never>,
  messages: readonly Uint8Array[],
  isInParts = false,
  pool = new SendSlabPool(),
): Buffer {
  const written: Buffer[] = [];
  const queue = new SendQueue(pool, {
    write(chunks) {
      for (const chunk of chunks) written.push(Buffer.from(chunk));
      return 0;
    },
  });
  let expected = 0;
  for (const message of messages) {
    const size = framer.sizeOf(message.length);
    expect(size).toBeGreaterThan(-1);
    expected += size;
    const half = message.length >> 1;
    const parts = [message.subarray(0, half), message.subarray(half)];
    if (isInParts) framer.frameParts(queue, parts, message.length);
    else framer.frame(queue, message);
  }
  queue.flush();
  const bytes = Buffer.concat(written);
  expect(bytes.length).toBe(expected);
  return bytes;
}

const numbers = framing<{ n: number }, { n: number }>({
  decode(input) {
    if (input.available < 2) return undefined;
    const n = input.bytes.readUInt16BE(input.at);
    input.at += 2;
    return { n };
  },
  encode: ({ n }) => Buffer.of(n >> 8, n & 255),
});

/** Framers, hex of a stream, and what comes out of it. */
const streams: [string, Framer, string, string[]][] = [
  ['length of 1 byte: ADP-006', lengthField({ width: 1 }), '0161' + '00' + '03626364', ['61', '', '626364']],
  ['length of 2, little-endian', lengthField({ width: 2, endianness: 'little' }), '020061620000', ['6162', '']],
  ['length of 3 behind 2 bytes', lengthField({ width: 3, offset: 2 }), 'ffee00000161', ['61']],
  ['length of 8', lengthField({ width: 8 }), '000000000000000161', ['61']],
  ['a length that counts its own frame', lengthField({ adjustment: -4 }), '0000000561' + '00000004', ['61', '']],
  ['nothing stripped', lengthField({ width: 1, offset: 1, strip: 0 }), 'aa0161bb00', ['aa0161', 'bb00']],
  ['more stripped than the header', lengthField({ width: 1, strip: 3 }), '03aabb63', ['63']],
  ['fixed size: ADP-007', fixedSize(3), '616263646566', ['616263', '646566']],
  ['delimiter of 1 byte: ADP-008', delimiter(';'), '613b3b62633b', ['61', '', '6263']],
  ['delimiter of 3 bytes: ADP-008', delimiter('--;'), '612d2d3b2d2d2d3b62632d3b2d2d3b', ['61', '2d', '62632d3b']],
  ['a mark that overlaps itself: EBUG-013', delimiter('aa'), '616161' + '626161' + '61616161', ['', '6162', '', '']],
  ['lines with and without CR', lines(), '610d0a0a0d0a620d630a', ['61', '', '', '620d63']],
  ['start and end: ADP-009', startEnd('<<', '>>'), '3c3c613e3e' + '3c3c3e3e' + '3c3c623e633e3e', ['61', '', '623e63']],
];

describe('framers', () => {
  test.each(streams)('%s: in one read, at every split, byte by byte', (_name, framer, hex, expected) => {
    const bytes = Buffer.from(hex, 'hex');
    for (const cuts of [[], byteByByte(bytes.length), ...everySplit(bytes.length)]) {
      const { protocol, sink } = make(framer);
      feedBorrowed(protocol, bytes, cuts);
      expect(sink.violation).toBeNull();
      expect(sink.hex).toEqual(expected);
      expect(protocol.bufferedBytes).toBe(0);
      expect(protocol.isMidMessage).toBe(false);
      expect(protocol.ended()).toBe(AtEnd.Drain);
    }
  });

  test.each(streams)('%s: sends what it receives', (_name, framer, _hex, expected) => {
    const messages = expected.map((each) => Buffer.from(each, 'hex'));
    for (const isInParts of [false, true]) {
      const { protocol, sink } = make(framer);
      protocol.receive(wire(framer, messages, isInParts), Lifetime.Forever);
      expect(sink.hex).toEqual(expected);
    }
  });

  test.each(streams)('%s: cut off in the middle is truncated, and the rest is given up', (_name, framer, hex) => {
    const bytes = Buffer.from(hex, 'hex');
    for (let cut = 1; cut < bytes.length; cut++) {
      const { protocol } = make(framer);
      feedBorrowed(protocol, bytes.subarray(0, cut), []);
      const held = protocol.bufferedBytes;
      expect(protocol.isMidMessage).toBe(held > 0);
      expect(protocol.ended()).toBe(held > 0 ? AtEnd.Truncated : AtEnd.Drain);
      const rest = protocol.takeRest();
      expect(rest?.toString('hex') ?? '').toBe(bytes.subarray(cut - held, cut).toString('hex'));
      expect(protocol.bufferedBytes).toBe(0);
    }
  });

  test('large messages go out by reference and come back whole', () => {
    const large = Buffer.alloc(100_000, 'x');
    for (const framer of [lengthField(), lengthField({ strip: 0 }), lines(), startEnd('<', '>')]) {
      const message = Buffer.from(large);
      if (framer.sizeOf(large.length) === large.length) message.writeUInt32BE(large.length - 4);
      for (const isInParts of [false, true]) {
        const { protocol, sink } = make(framer);
        const bytes = wire(framer, [message, message], isInParts);
        feedBorrowed(protocol, bytes, [1, 5, 60_000, 100_003, 150_000]);
        expect(sink.delivered.map((each) => each.equals(message))).toEqual([true, true]);
      }
    }
  });

  test('any messages in any pieces with stops anywhere come out as they went in', () => {
    const framers = [
      lengthField({ width: 2, offset: 1, endianness: 'little' }),
      lengthField({ width: 8, adjustment: -8 }),
      delimiter('--'),
      lines({ crlf: true }),
      startEnd('((', '))'),
    ];
    fc.assert(
      fc.property(
        fc.constantFrom(...framers),
        fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 30 }),
        fc.array(fc.nat(3000), { maxLength: 30 }),
        fc.array(fc.integer({ min: 1, max: 5 }), { maxLength: 20 }),
        anyLifetime,
        (framer, random, cutPoints, stops, lifetime) => {
          // Bytes that are in none of the marks.
          const messages = random.map((each) => Buffer.from(each.map((byte) => byte | 0x80)));
          const { protocol, sink } = make(framer);
          sink.copies = lifetime === Lifetime.Loan;
          const stream = wire(framer, messages);
          const cuts = [...new Set(cutPoints.filter((at) => at < stream.length))].sort((a, b) => a - b);
          let from = 0;
          let nextStop = 0;
          for (const to of [...cuts, stream.length]) {
            sink.stopAfter = stops[nextStop++] ?? Number.POSITIVE_INFINITY;
            const piece = Buffer.from(stream.subarray(from, to));
            if (piece.length > 0) protocol.receive(piece, lifetime);
            if (lifetime !== Lifetime.Forever) piece.fill(0xee);
            from = to;
            while (protocol.hasBacklog) {
              sink.stopAfter = stops[nextStop++] ?? Number.POSITIVE_INFINITY;
              protocol.resume();
            }
          }
          expect(sink.hex).toEqual(messages.map((each) => each.toString('hex')));
        },
      ),
    );
  });

  test('garbage is cut as a naive model cuts it', () => {
    const naive = (bytes: Buffer): string[] => {
      const parts = bytes.toString('latin1').split('\n');
      return parts.slice(0, -1).map((each) => each.replace(/\r$/, ''));
    };
    fc.assert(
      fc.property(fc.array(fc.constantFrom(0x0a, 0x0d, 0x61, 0xff), { maxLength: 60 }), fc.nat(59), (garbage, cut) => {
        const bytes = Buffer.from(garbage);
        const { protocol, sink } = make(lines());
        feedBorrowed(protocol, bytes, cut > 0 && cut < bytes.length ? [cut] : []);
        expect(sink.texts).toEqual(naive(bytes));
      }),
    );
  });

  test('lines as strings', () => {
    const { protocol, sink } = make(lines({ encoding: 'utf8' }));
    feedBorrowed(protocol, Buffer.from('grün\r\nblau\n'), [3]);
    expect(sink.delivered).toEqual(['grün', 'blau']);
    expect(protocol.deliversBytes).toBe(false);
  });

  test('objects of a decoder, and what its encoder takes: ADP-003, ADP-005', () => {
    const { protocol, sink } = make(numbers);
    feedBorrowed(protocol, Buffer.from('000100020003', 'hex'), [1, 3]);
    expect(sink.delivered).toEqual([{ n: 1 }, { n: 2 }, { n: 3 }]);
    expect(protocol.encode?.({ n: 258 })).toEqual(Buffer.of(1, 2));
  });
});

describe('framers close connections', () => {
  test.each([
    ['a length beyond the limit', lengthField({ maxMessageBytes: 9 }), '0000000a', Errno.EMSGSIZE],
    ['a length of 2^53', lengthField({ width: 8 }), '0020000000000000', Errno.EMSGSIZE],
    ['a length of 2^64 - 1', lengthField({ width: 8, endianness: 'little' }), 'ffffffffffffffff', Errno.EMSGSIZE],
    ['a length less than its header', lengthField({ adjustment: -4 }), '00000003', Errno.EBADMSG],
    ['a line without end: ADP-011', lines({ maxMessageBytes: 4 }), '61616161610a', Errno.EMSGSIZE],
    ['no delimiter: ADP-011', delimiter('--', { maxMessageBytes: 4 }), '616161616161', Errno.EMSGSIZE],
    ['no start: ADP-009', startEnd('<<', '>>'), '3c61', Errno.EBADMSG],
    ['no end: ADP-011', startEnd('<', '>', { maxMessageBytes: 3 }), '3c6161616161', Errno.EMSGSIZE],
  ])('for %s, at every split', (_name, framer, hex, errno) => {
    const bytes = Buffer.from(hex, 'hex');
    for (const cuts of [[], byteByByte(bytes.length), ...everySplit(bytes.length)]) {
      const { protocol, sink } = make(framer);
      feedBorrowed(protocol, bytes, cuts);
      expect(sink.violation?.errno).toBe(errno);
      expect(sink.delivered).toEqual([]);
      expect(protocol.bufferedBytes).toBe(0);
      protocol.receive(Buffer.from(hex, 'hex'), Lifetime.Forever); // nothing more is looked at
      expect(sink.delivered).toEqual([]);
    }
  });

  test('what is as long as the limit passes, at every split', () => {
    const cases: [Framer, string][] = [
      [lengthField({ maxMessageBytes: 3 }), '00000003616161'],
      [lines({ maxMessageBytes: 3 }), '6161610d0a'],
      [delimiter('--', { maxMessageBytes: 3 }), '6161612d2d'],
      [startEnd('<<', '>>', { maxMessageBytes: 3 }), '3c3c6161613e3e'],
    ];
    for (const [framer, hex] of cases) {
      const bytes = Buffer.from(hex, 'hex');
      for (const cuts of [[], byteByByte(bytes.length), ...everySplit(bytes.length)]) {
        const { protocol, sink } = make(framer);
        feedBorrowed(protocol, bytes, cuts);
        expect(sink.texts).toEqual(['aaa']);
      }
    }
  });

  test('for what a decoder throws, does not consume, or lets grow: ADP-004', () => {
    const encode = (message: string): string => message;
    const throwing = make(
      framing({
        decode: () => {
          throw new Error('mine');
        },
        encode,
      }),
    );
    throwing.protocol.receive(Buffer.from('x'), Lifetime.Forever);
    expect(throwing.sink.thrown).toEqual(new Error('mine'));
    const standing = make(framing({ decode: () => 'again', encode }));
    standing.protocol.receive(Buffer.from('x'), Lifetime.Forever);
    expect(standing.sink.thrown).toBeInstanceOf(RangeError);
    expect(standing.sink.delivered).toEqual([]);
    const endless = make(framing({ decode: () => undefined, encode, maxMessageBytes: 3 }));
    feedBorrowed(endless.protocol, Buffer.from('abcd'), byteByByte(4));
    expect(endless.sink.violation?.errno).toBe(Errno.EMSGSIZE);
    const failing = make(framing({ decode: (input) => input.fail('no'), encode }));
    failing.protocol.receive(Buffer.from('x'), Lifetime.Forever);
    expect(failing.sink.violation).toEqual({ errno: Errno.EBADMSG, message: 'no' });
  });

  test('nothing is allocated for a length that was only announced', () => {
    const framer = lengthField({ maxMessageBytes: 2 ** 31 });
    const all = Array.from({ length: 1000 }, () => make(framer));
    const before = process.memoryUsage().arrayBuffers;
    for (const { protocol } of all) feedBorrowed(protocol, Buffer.from('7fffffff61', 'hex'), []);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(16 * 1024 * 1024);
    expect(all[0]?.protocol.bufferedBytes).toBe(5);
  });
});

test('bytes between a message and the next start are an error, and an end counts behind its start alone: EBUG-013', () => {
  for (const [stream, expected] of [
    ['<<a>>x<<b>>', ['a']],
    ['x<<a>>', []],
    ['>><<a>>', []],
    ['<<>>>', ['']],
  ] as const) {
    const bytes = Buffer.from(stream);
    for (const cuts of [[], byteByByte(bytes.length), ...everySplit(bytes.length)]) {
      const { protocol, sink } = make(startEnd('<<', '>>'));
      feedBorrowed(protocol, bytes, cuts);
      expect(sink.texts).toEqual(expected);
      expect(sink.violation?.errno).toBe(Errno.EBADMSG);
    }
  }
});

describe('a length field', () => {
  test('of any width and order of bytes is read behind its offset', () => {
    for (const width of [1, 2, 3, 4, 5, 6, 7]) {
      const bytes = Buffer.from([0xf1, 0xe2, 0xd3, 0xc4, 0x05, 0x06, 0x07].slice(0, width));
      if (width === 7) bytes[0] = bytes[6] = 1; // no more than 2^53, in either order
      for (const endianness of ['big', 'little'] as const) {
        const { protocol, sink } = make(lengthField({ offset: 2, width, endianness, maxMessageBytes: 1 }));
        feedBorrowed(protocol, Buffer.concat([Buffer.from('zz'), bytes]), []);
        const digits = endianness === 'big' ? bytes : Buffer.from(bytes).reverse();
        expect(sink.violation).toEqual({
          errno: Errno.EMSGSIZE,
          message: `the peer sent a message of ${Number(`0x${digits.toString('hex')}`)} bytes or more, allowed are 1 (maxMessageBytes)`,
        });
      }
    }
  });

  test('of any width and order of bytes is written behind its offset', () => {
    const message = Buffer.alloc(0x010203, 'x');
    for (const width of [3, 4, 5, 6, 7, 8]) {
      const big = Buffer.concat([Buffer.alloc(width - 3), Buffer.of(1, 2, 3)]);
      for (const endianness of ['big', 'little'] as const) {
        for (const isInParts of [false, true]) {
          const bytes = wire(lengthField({ offset: 2, width, endianness }), [message], isInParts);
          const expected = endianness === 'big' ? big : Buffer.from(big).reverse();
          expect(bytes.subarray(0, 2 + width)).toEqual(Buffer.concat([Buffer.alloc(2), expected]));
        }
      }
    }
  });
});

test('what send is not given in front of a length field is zeros, and nothing of what was sent before', () => {
  for (const [offset, width, strip] of [
    [0, 4, 4],
    [0, 2, 4],
    [2, 2, 2],
    [4, 4, 4],
    [8, 4, 4],
    [1, 2, 3],
    [3, 1, 6],
  ] as const) {
    const framer = lengthField({ offset, width, strip });
    const message = Buffer.alloc(16, 'm');
    const expected = Buffer.concat([Buffer.alloc(strip), message]);
    expected.writeUIntBE(expected.length - offset - width, offset, width);
    for (const isInParts of [false, true]) {
      const pool = new SendSlabPool();
      pool.current(1).bytes.fill('secret');
      expect(wire(framer, [message], isInParts, pool).toString('hex')).toBe(expected.toString('hex'));
    }
  }
});

test('marks have 1 to 1024 bytes', () => {
  const longest = 'x'.repeat(1024);
  const { protocol, sink } = make(delimiter(longest));
  protocol.receive(Buffer.from(`a${longest}`), Lifetime.Forever);
  expect(sink.texts).toEqual(['a']);
  expect(() => delimiter(`${longest}x`)).toThrow(/must have 1 to 1024 bytes, not 1025/);
  expect(() => startEnd('', '>')).toThrow(/must have 1 to 1024 bytes, not 0/);
});

test('an option of framing that there is not is refused by its name', () => {
  const functions = { decode: () => undefined, encode: () => '', decod: 1 };
  expect(() => framing(functions as never)).toThrow(/framing.*decod/);
});

test('options that make no sense are refused: EBUG-017', () => {
  expect(() => lengthField({ width: 9 })).toThrow(RangeError);
  expect(() => lengthField({ width: 2, strip: 1 })).toThrow(RangeError);
  expect(() => lengthField({ endianness: 'middle' as 'big' })).toThrow(RangeError);
  expect(() => lengthField({ widht: 2 } as never)).toThrow(/width/);
  expect(() => fixedSize(0)).toThrow(RangeError);
  expect(() => delimiter('')).toThrow(RangeError);
  expect(() => delimiter(7 as never)).toThrow(TypeError);
  expect(() => lines({ maxMessageBytes: 0 })).toThrow(RangeError);
  expect(() => startEnd('<', '')).toThrow(RangeError);
  expect(() => framing({ decode: () => 1 } as never)).toThrow(TypeError);
});

test('messages that cannot be framed are refused', () => {
  expect(fixedSize(3).sizeOf(2)).toBe(-Errno.EMSGSIZE);
  expect(lengthField({ width: 1 }).sizeOf(255)).toBe(256);
  expect(lengthField({ width: 1 }).sizeOf(256)).toBe(-Errno.EMSGSIZE);
  expect(lengthField({ strip: 0 }).sizeOf(3)).toBe(-Errno.EMSGSIZE);
  expect(lines({ maxMessageBytes: 3 }).sizeOf(4)).toBe(-Errno.EMSGSIZE);
  expect(lines({ maxMessageBytes: 3 }).explain(4)).toContain('maxMessageBytes');
});
