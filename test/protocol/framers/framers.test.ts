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

  hook = '';

  threw(hook: string, thrown: unknown): boolean {
    this.hook = hook;
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
      expect(rest === null).toBe(held === 0);
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

  test('a read of several messages is no longer than each of them', () => {
    const { protocol, sink } = make(lines({ maxMessageBytes: 4 }));
    feedBorrowed(protocol, Buffer.from('aaaa\nbbbb\nccc'), []);
    expect([sink.texts, sink.violation, protocol.bufferedBytes]).toEqual([['aaaa', 'bbbb'], null, 3]);
  });

  test('only lines lose a CR in front of their end', () => {
    for (const [framer, stream, message] of [
      [delimiter(';'), 'a\r;', 'a\r'],
      [startEnd('<', '>'), '<a\r>', 'a\r'],
      [lines(), 'a\r\n', 'a'],
    ] as const) {
      const { protocol, sink } = make(framer);
      feedBorrowed(protocol, Buffer.from(stream), []);
      expect(sink.texts).toEqual([message]);
    }
  });

  test('lines are sent with LF, or CR LF if that is asked for', () => {
    const message = Buffer.from('a');
    for (const isInParts of [false, true]) {
      expect(String(wire(lines(), [message], isInParts))).toBe('a\n');
      expect(String(wire(lines({ crlf: true }), [message], isInParts))).toBe('a\r\n');
    }
  });

  test('lines as strings', () => {
    const { protocol, sink } = make(lines({ encoding: 'utf8' }));
    feedBorrowed(protocol, Buffer.from('grün\r\nblau\n'), [3]);
    expect(sink.delivered).toEqual(['grün', 'blau']);
    expect(protocol.deliversBytes).toBe(false);
  });

  test('what they deliver is bytes but for strings and what functions make of it', () => {
    const bytes = [lengthField(), fixedSize(1), delimiter(';'), lines(), startEnd('<', '>')];
    expect(bytes.map((framer) => make(framer).protocol.deliversBytes)).toEqual(Array(5).fill(true));
    const others = [lines({ encoding: 'utf8' }), lines({ encoding: 'latin1' }), numbers];
    expect(others.map((framer) => make(framer as Framer<unknown, never>).protocol.deliversBytes)).toEqual(
      Array(3).fill(false),
    );
    const { protocol, sink } = make(lines({ encoding: 'latin1' }));
    feedBorrowed(protocol, Buffer.from('gr\xfcn\n', 'latin1'), []);
    expect([sink.delivered, protocol.hasMessages]).toEqual([['gr\xfcn'], true]);
  });

  test('objects of a decoder, and what its encoder takes: ADP-003, ADP-005', () => {
    const { protocol, sink } = make(numbers);
    feedBorrowed(protocol, Buffer.from('000100020003', 'hex'), [1, 3]);
    expect(sink.delivered).toEqual([{ n: 1 }, { n: 2 }, { n: 3 }]);
    expect(protocol.encode?.({ n: 258 })).toEqual(Buffer.of(1, 2));
  });
});

describe('the protocol of a framing', () => {
  test('told to stop keeps what is behind, if anything is, and resumes that alone', () => {
    const { protocol, sink } = make(lines());
    sink.stopAfter = 1;
    protocol.receive(Buffer.from('a\nbc\nd'), Lifetime.Forever);
    expect([sink.texts, protocol.hasBacklog, protocol.bufferedBytes]).toEqual([['a'], true, 4]);
    sink.stopAfter = 1;
    protocol.resume();
    expect([sink.texts, protocol.hasBacklog, protocol.bufferedBytes]).toEqual([['a', 'bc'], true, 1]);
    protocol.resume();
    expect([protocol.hasBacklog, protocol.bufferedBytes, protocol.isMidMessage]).toEqual([false, 1, true]);
    sink.stopAfter = 1;
    protocol.receive(Buffer.from('e\n'), Lifetime.Forever);
    expect([sink.texts, protocol.hasBacklog, protocol.bufferedBytes]).toEqual([['a', 'bc', 'de'], false, 0]);
    protocol.resume();
    expect(sink.texts).toHaveLength(3);
  });

  test('hands on reads that are its own, or lent, without a copy; of a lent one it copies what waits', () => {
    for (const lifetime of [Lifetime.Forever, Lifetime.Loan]) {
      const { protocol, sink } = make(lines());
      const read = Buffer.from('a\nb\n');
      sink.stopAfter = 1;
      protocol.receive(read, lifetime);
      protocol.resume();
      const isOfRead = sink.delivered.map(
        ({ buffer, byteOffset }, i) => buffer === read.buffer && byteOffset === read.byteOffset + 2 * i,
      );
      expect(isOfRead).toEqual([true, lifetime === Lifetime.Forever]);
    }
    // What is no bytes may be kept, and views of the read with it.
    const whole = framing({
      decode(input) {
        const { at } = input;
        input.at = input.bytes.length;
        return { view: input.view(at, input.bytes.length) };
      },
      encode: () => '',
    });
    const { protocol, sink } = make(whole);
    feedBorrowed(protocol, Buffer.from('kept'), []);
    const lent = Buffer.from('lent');
    protocol.receive(lent, Lifetime.Loan);
    lent.fill(0xee);
    expect(sink.delivered.map((each) => String((each as unknown as { view: Buffer }).view))).toEqual(['kept', 'lent']);
  });

  test('asks a decoder only for bytes that are there, and not again before it can have what it needs', () => {
    const asked: number[] = [];
    const framer = framing({
      decode(input) {
        asked.push(input.available);
        input.needs = 4;
        if (input.available < 4) return undefined;
        input.at += 4;
        return 'four';
      },
      encode: () => '',
    });
    const { protocol, sink } = make(framer);
    feedBorrowed(protocol, Buffer.from('abcdefgh'), []);
    expect(asked).toEqual([8, 4]);
    feedBorrowed(protocol, Buffer.from('abcdef'), byteByByte(6));
    expect(asked).toEqual([8, 4, 1, 4, 1]);
    expect(sink.delivered).toEqual(['four', 'four', 'four']);
  });

  test('sends by its framing, and has nothing to say at the end', () => {
    const { protocol } = make(fixedSize(3));
    expect([protocol.sizeOf(3), protocol.sizeOf(4), protocol.drain()]).toEqual([3, -Errno.EMSGSIZE, true]);
    expect(protocol.explain(4)).toBe('a message of 4 bytes is not possible, each has 3');
    for (const isInParts of [false, true])
      expect(String(wire(protocol as never, [Buffer.from('abc'), Buffer.from('def')], isInParts))).toBe('abcdef');
  });

  test('of functions sends what was encoded as it is, up to maxMessageBytes', () => {
    const framer = framing({ decode: () => undefined, encode: () => '', maxMessageBytes: 3 });
    expect([framer.sizeOf(3), framer.sizeOf(4)]).toEqual([3, -Errno.EMSGSIZE]);
    for (const isInParts of [false, true])
      expect(String(wire(framer, [Buffer.from('abc'), Buffer.from('d')], isInParts))).toBe('abcd');
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
      [lengthField({ width: 1, strip: 3, maxMessageBytes: 3 }), '05eeee616161'],
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

  test('for a decoder that goes beyond what there is, takes too much, or fails and returns a message', () => {
    const encode = (): string => '';
    const decoding = (decode: Parameters<typeof framing>[0]['decode'], length: number) => {
      const made = make(framing({ decode, encode, maxMessageBytes: 3 }));
      made.protocol.receive(Buffer.alloc(length, 'x'), Lifetime.Forever);
      expect([made.sink.delivered, made.protocol.bufferedBytes]).toEqual([[], 0]);
      made.protocol.receive(Buffer.alloc(length, 'x'), Lifetime.Forever); // nothing more is looked at
      return made.sink;
    };
    let calls = 0;
    const beyond = decoding((input) => {
      calls++;
      input.at += 3;
      return 'message';
    }, 2);
    expect([beyond.hook, beyond.thrown, calls]).toEqual([
      'framing.decode',
      new RangeError('decode returned a message and did not set input.at behind it'),
      1,
    ]);
    const tooLong = (bytes: number): object => ({
      errno: Errno.EMSGSIZE,
      message: `the peer sent a message of ${bytes} bytes or more, allowed are 3 (maxMessageBytes)`,
    });
    const greedy = decoding((input) => {
      input.at += 4;
      return 'message';
    }, 5);
    expect(greedy.violation).toEqual(tooLong(4));
    const needing = decoding((input) => void (input.needs = 100), 2);
    expect(needing.violation).toEqual(tooLong(100));
    const waiting = decoding((input) => void (input.needs = 1), 5);
    expect(waiting.violation).toEqual(tooLong(5));
    const failing = decoding((input) => {
      input.fail('no', 5);
      input.at++;
      return 'message';
    }, 2);
    expect(failing.violation).toEqual({ errno: 5, message: 'no' });
  });

  test('for the length of the message that is too long, and not of those in front of it', () => {
    for (const [bytes, second] of [
      [6, () => undefined],
      [
        5,
        (input: { at: number }) => {
          input.at += 5;
          return 'second';
        },
      ],
    ] as const) {
      const framer = framing<string>({
        decode(input) {
          if (input.at > 0) return second(input);
          input.at = 2;
          return 'first';
        },
        encode: () => '',
        maxMessageBytes: 3,
      });
      const { protocol, sink } = make(framer);
      protocol.receive(Buffer.alloc(8), Lifetime.Forever);
      expect([sink.delivered, sink.violation?.message]).toEqual([
        ['first'],
        `the peer sent a message of ${bytes} bytes or more, allowed are 3 (maxMessageBytes)`,
      ]);
    }
  });

  test('for what is longer than the limit, and not for what may yet be no longer', () => {
    const { protocol, sink } = make(framing({ decode: () => undefined, encode: () => '', maxMessageBytes: 3 }));
    feedBorrowed(protocol, Buffer.from('abc'), byteByByte(3));
    expect([sink.violation, protocol.bufferedBytes]).toEqual([null, 3]);
    protocol.receive(Buffer.from('d'), Lifetime.Forever);
    expect(sink.violation?.errno).toBe(Errno.EMSGSIZE);
  });

  test('with a sentence that says what was wrong', () => {
    const said = (framer: Framer, hex: string): string | undefined => {
      const { protocol, sink } = make(framer);
      protocol.receive(Buffer.from(hex, 'hex'), Lifetime.Forever);
      return sink.violation?.message;
    };
    const less = (value: number): string =>
      `the length field of a message says ${value}, which is less than its header has`;
    expect(said(lengthField({ strip: 0, adjustment: -4 }), '00000003')).toBe(less(3));
    expect(said(lengthField({ width: 1, strip: 3 }), '01aa')).toBe(less(1));
    expect(said(startEnd('<', '>'), '3c3e61')).toBe(
      'the peer sent a message that does not begin with the mark of its start',
    );
    const tooLong = (bytes: number): string =>
      `the peer sent a message of ${bytes} bytes or more, allowed are 3 (maxMessageBytes)`;
    expect(said(lines({ maxMessageBytes: 3 }), '610a6161616161')).toBe(tooLong(5));
    expect(said(startEnd('<', '>', { maxMessageBytes: 3 }), '3c613e3c61616161613e')).toBe(tooLong(5));
    expect(said(startEnd('<', '>', { maxMessageBytes: 3 }), '3c613e3c6161616161')).toBe(tooLong(5));
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

test('a length field may say more than 32 bits', () => {
  for (const width of [5, 6, 7, 8]) {
    const value = width === 5 ? 0x12_3456_7890 : 0x1234_5678_9abc;
    const big = Buffer.alloc(width);
    const bytes = Math.min(width, 6);
    big.writeUIntBE(value, width - bytes, bytes);
    for (const endianness of ['big', 'little'] as const) {
      const written: Buffer[] = [];
      const queue = new SendQueue(new SendSlabPool(), {
        write(chunks) {
          for (const chunk of chunks) written.push(Buffer.from(chunk));
          return 0;
        },
      });
      lengthField({ width, endianness }).frameParts(queue, [], value);
      queue.flush();
      expect(Buffer.concat(written)).toEqual(endianness === 'big' ? big : Buffer.from(big).reverse());
    }
  }
});

test('a large message that has its header in it gets its length there', () => {
  const message = Buffer.alloc(100_000, 'x');
  const expected = Buffer.from(message);
  expected.writeUInt32BE(99_996 - 2, 2);
  for (const isInParts of [false, true])
    expect(wire(lengthField({ offset: 2, strip: 0 }), [message], isInParts).equals(expected)).toBe(true);
  expect(message.every((byte) => byte === 0x78)).toBe(true);
});

test('marks have 1 to 1024 bytes', () => {
  const longest = 'x'.repeat(1024);
  const { protocol, sink } = make(delimiter(longest));
  protocol.receive(Buffer.from(`a${longest}`), Lifetime.Forever);
  expect(sink.texts).toEqual(['a']);
  expect(() => delimiter(`${longest}x`)).toThrow(/must have 1 to 1024 bytes, not 1025/);
  expect(() => startEnd('', '>')).toThrow('start must have 1 to 1024 bytes, not 0');
  expect(() => startEnd('<', '')).toThrow('end must have 1 to 1024 bytes, not 0');
});

test('marks may be bytes, which are copied', () => {
  const mark = new Uint8Array([0xff, 0]);
  const { protocol, sink } = make(delimiter(mark));
  mark.fill(0);
  protocol.receive(Buffer.from('61ff00', 'hex'), Lifetime.Forever);
  expect(sink.texts).toEqual(['a']);
  for (const wrong of [7, null, undefined, ['a']])
    expect(() => delimiter(wrong as never)).toThrow(/^mark must be a string or bytes, not /);
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

test('the refusal of an option names it, and says what it may be', () => {
  expect(() => lengthField({ offset: 1025 })).toThrow('offset must be a whole number, 0 to 1024, not 1025');
  expect(() => lengthField({ width: 0 })).toThrow('width must be a whole number, 1 to 8, not 0');
  expect(() => lengthField({ adjustment: -4097 })).toThrow(
    'adjustment must be a whole number, -4096 to 4096, not -4097',
  );
  expect(() => lengthField({ strip: 4097 })).toThrow('strip must be a whole number, 0 to 4096, not 4097');
  expect(() => lengthField({ offset: 1, strip: 2 })).toThrow(
    'strip must leave the field whole: up to 1, or 5 and more, not 2',
  );
  expect(() => lengthField({ width: '4' as never })).toThrow(new TypeError('width must be a number, not "4"'));
  expect(() => fixedSize(1.5)).toThrow('the size of fixedSize must be a whole number, 1 to 1073741824, not 1.5');
  expect(() => lines({ maxMessageBytes: 0 })).toThrow(
    'maxMessageBytes must be a whole number, 1 to 281474976710656, not 0',
  );
  expect(() => framing({ decode: 5, encode: () => '' } as never)).toThrow(
    'decode of framing must be a function, not 5',
  );
  expect(() => lengthField({ x: 1 } as never)).toThrow('unknown option "x" of lengthField');
  expect(() => delimiter(';', { x: 1 } as never)).toThrow('unknown option "x" of delimiter');
  expect(() => lines({ x: 1 } as never)).toThrow('unknown option "x" of lines');
  expect(() => startEnd('<', '>', { x: 1 } as never)).toThrow('unknown option "x" of startEnd');
});

test('messages that cannot be framed are refused', () => {
  expect(fixedSize(3).sizeOf(2)).toBe(-Errno.EMSGSIZE);
  expect(lengthField({ width: 1 }).sizeOf(255)).toBe(256);
  expect(lengthField({ width: 1 }).sizeOf(256)).toBe(-Errno.EMSGSIZE);
  expect(lengthField({ strip: 0 }).sizeOf(3)).toBe(-Errno.EMSGSIZE);
  expect(lines({ maxMessageBytes: 3 }).sizeOf(3)).toBe(4);
  expect(lines({ maxMessageBytes: 3 }).sizeOf(4)).toBe(-Errno.EMSGSIZE);
  const limited = lengthField({ maxMessageBytes: 3 });
  expect([limited.sizeOf(3), limited.sizeOf(4)]).toEqual([7, -Errno.EMSGSIZE]);
  expect(limited.explain(4)).toContain('allowed are up to 3 (maxMessageBytes)');
  // Less than the header has, or than the field can say.
  const whole = lengthField({ strip: 0, adjustment: -4 });
  expect([whole.sizeOf(3), whole.sizeOf(4)]).toEqual([-Errno.EMSGSIZE, 4]);
  const adjusted = lengthField({ adjustment: 10 });
  expect([adjusted.sizeOf(9), adjusted.sizeOf(10)]).toEqual([-Errno.EMSGSIZE, 14]);
  expect(adjusted.explain(9)).toBe('a message of 9 bytes is not possible: its length field of 4 bytes cannot say -1');
  expect(lengthField({ maxMessageBytes: 9, adjustment: 10 }).explain(9)).toContain('cannot say -1');
  expect(lines({ maxMessageBytes: 3 }).explain(4)).toContain('maxMessageBytes');
});
