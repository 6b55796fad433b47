import fc from 'fast-check';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { SlabPool } from '../../src/memory/slab-pool.ts';
import { MAX_PACK_SIZE, PackProtocol, packHeader } from '../../src/protocol/pack.ts';
import { Lifetime } from '../../src/protocol/protocol.ts';
import { behindConnection, byteByByte, feedBorrowed, RecordingSink } from './support.ts';

// What pack.test.ts does with good packages, with streams of any kind, and with pauses in awkward places.

const EBADMSG = 74;
const EMSGSIZE = 90;

interface Limits {
  packHeaderFlag?: number;
  maxPackSize?: number;
}

function make({ packHeaderFlag = 0, maxPackSize = 0x40000 }: Limits = {}): {
  layer: PackProtocol;
  sink: RecordingSink;
} {
  const sink = new RecordingSink();
  // Small slabs, so that they end in the middle of things.
  return {
    sink,
    layer: behindConnection(new PackProtocol({ pool: new SlabPool(1024), packHeaderFlag, maxPackSize }, sink)),
  };
}

function header(flag: number, length: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(packHeader(flag, length));
  return bytes;
}

function pack(body: string | Uint8Array, flag = 0): Buffer {
  const bytes = Buffer.from(body as string);
  return Buffer.concat([header(flag, bytes.length), bytes]);
}

/** What a stream of packages means, in the plainest way. */
function parseNaively(bytes: Buffer, packHeaderFlag: number, maxPackSize: number): { bodies: string[]; errno: number } {
  const bodies: string[] = [];
  let rest = bytes;
  while (rest.length >= 4) {
    const word = rest.readUInt32LE(0);
    const length = word % 4_194_304;
    if (packHeaderFlag !== 0 && Math.floor(word / 4_194_304) !== packHeaderFlag) return { bodies, errno: EBADMSG };
    if (length === 0 || length > maxPackSize) return { bodies, errno: EMSGSIZE };
    if (rest.length < 4 + length) break;
    bodies.push(rest.subarray(4, 4 + length).toString('hex'));
    rest = rest.subarray(4 + length);
  }
  return { bodies, errno: 0 };
}

/** Cut points within `length` bytes. */
function cutsOf(points: readonly number[], length: number): number[] {
  return [...new Set(points.map((point) => point % Math.max(length, 1)))].filter((at) => at > 0).sort((a, b) => a - b);
}

afterEach(() => void vi.restoreAllMocks());

describe('a wrong header behind a good package', () => {
  const cases: [string, Limits, Buffer, number][] = [
    ['a wrong flag', { packHeaderFlag: 0x169 }, header(0x168, 5), EBADMSG],
    ['no flag where there must be one', { packHeaderFlag: 1 }, header(0, 5), EBADMSG],
    ['length zero', {}, header(0, 0), EMSGSIZE],
    ['one byte too long', { maxPackSize: 100 }, header(0, 101), EMSGSIZE],
    ['longer than the default', {}, header(0, 0x40001), EMSGSIZE],
    ['a wrong flag and a wrong length', { packHeaderFlag: 7 }, header(8, 0), EBADMSG],
    ['the right flag and a wrong length', { packHeaderFlag: 7 }, header(7, 0), EMSGSIZE],
  ];

  test.each(cases)(
    '%s is told at every split, and byte by byte: PK-005, PK-006, PK-007',
    (_what, limits, bad, errno) => {
      const stream = Buffer.concat([pack('good', limits.packHeaderFlag), bad, Buffer.from('never delivered')]);
      const splits = Array.from({ length: stream.length }, (_, at) => (at === 0 ? [] : [at]));
      for (const cuts of [...splits, byteByByte(stream.length)]) {
        const { layer, sink } = make(limits);
        feedBorrowed(layer, stream, cuts);
        expect(sink.delivered.map(String)).toEqual(['good']);
        expect(sink.violation?.errno).toBe(errno);
        expect(layer.bufferedBytes).toBe(0);
      }
    },
  );

  test('the sentence names both flags, and what to set', () => {
    const { layer, sink } = make({ packHeaderFlag: 3 });
    layer.receive(header(4, 1), Lifetime.Call);
    expect(sink.violation?.message).toMatch(/flag 4, expected 3; set the same packHeaderFlag/);
  });

  test('behind a pause the error comes after resuming', () => {
    const { layer, sink } = make({ maxPackSize: 10 });
    sink.stopAfter = 1;
    layer.receive(Buffer.concat([pack('one'), header(0, 11)]), Lifetime.Call);
    expect(sink.violation).toBeNull();
    layer.resume();
    expect(sink.violation?.errno).toBe(EMSGSIZE);
  });
});

describe('memory', () => {
  test('grows with what arrives, not with what is announced', () => {
    const sizes: number[] = [];
    for (const method of ['alloc', 'allocUnsafe', 'allocUnsafeSlow'] as const) {
      const original = Buffer[method] as (size: number) => Buffer;
      vi.spyOn(Buffer, method).mockImplementation(((size: number) => {
        sizes.push(size);
        return original.call(Buffer, size);
      }) as never);
    }
    const { layer } = make({ maxPackSize: MAX_PACK_SIZE });
    const piece = Buffer.from('0123456789'.repeat(100));
    sizes.length = 0;
    layer.receive(header(0, MAX_PACK_SIZE), Lifetime.Call);
    // The four bytes come from a small slab of the pool; nothing is made for the length.
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThan(4096);
    let arrived = 4;
    for (let i = 0; i < 200; i++) {
      layer.receive(piece, Lifetime.Call);
      arrived += piece.length;
      for (const size of sizes.splice(0)) expect(size).toBeLessThanOrEqual(Math.max(2 * arrived, 4096));
    }
    expect(layer.bufferedBytes).toBe(arrived);
  });

  test('the largest package that 22 bits can tell: PK-003', () => {
    const { layer, sink } = make({ maxPackSize: MAX_PACK_SIZE });
    const body = Buffer.alloc(MAX_PACK_SIZE, 0x5a);
    const stream = pack(body);
    for (let at = 0; at < stream.length; at += 60_000) layer.receive(stream.subarray(at, at + 60_000), Lifetime.Call);
    expect(sink.delivered[0]!.equals(body)).toBe(true);
    expect(layer.bufferedBytes).toBe(0);
  });

  test('1,000 packages of one read are copied at once', () => {
    const pool = new SlabPool();
    const copy = vi.spyOn(pool, 'copy');
    const sink = new RecordingSink();
    const layer = new PackProtocol({ pool, packHeaderFlag: 0, maxPackSize: 100 }, sink);
    const bodies = Array.from({ length: 1000 }, (_, i) => `package ${i}`);
    layer.receive(Buffer.concat(bodies.map((body) => pack(body))), Lifetime.Call);
    expect(sink.delivered.map(String)).toEqual(bodies);
    expect(copy).toHaveBeenCalledTimes(1);
  });
});

describe('pauses', () => {
  test('at the package that a later read completed, with more behind it: PK-009', () => {
    const { layer, sink } = make();
    const stream = Buffer.concat([pack('first'), pack('second')]);
    layer.receive(stream.subarray(0, 7), Lifetime.Call);
    sink.stopAfter = 1;
    layer.receive(stream.subarray(7), Lifetime.Call);
    expect(sink.delivered.map(String)).toEqual(['first']);
    expect(layer.bufferedBytes).toBe(10);
    layer.resume();
    expect(sink.delivered.map(String)).toEqual(['first', 'second']);
    expect(layer.hasBacklog).toBe(false);
  });

  test('at the package that a later read completed, with nothing behind it: PK-009', () => {
    const { layer, sink } = make();
    layer.receive(pack('first').subarray(0, 5), Lifetime.Call);
    sink.stopAfter = 1;
    layer.receive(pack('first').subarray(5), Lifetime.Call);
    expect(layer.hasBacklog).toBe(false);
    layer.receive(pack('second'), Lifetime.Call);
    expect(sink.delivered.map(String)).toEqual(['first', 'second']);
  });

  test('with reads that come meanwhile, which end in the middle of a package: PK-009', () => {
    const { layer, sink } = make();
    sink.stopAfter = 1;
    const three = pack('three');
    layer.receive(Buffer.concat([pack('one'), pack('two'), three.subarray(0, 5)]), Lifetime.Call);
    layer.receive(three.subarray(5, 6), Lifetime.Call);
    layer.receive(three.subarray(6), Lifetime.Call);
    expect(sink.delivered.map(String)).toEqual(['one']);
    sink.stopAfter = Number.POSITIVE_INFINITY;
    layer.resume();
    expect(sink.delivered.map(String)).toEqual(['one', 'two', 'three']);
    expect(layer.hasBacklog).toBe(false);
  });
});

test('takeRest gives up the incomplete package, or what waits behind a pause', () => {
  const { layer, sink } = make();
  expect(layer.takeRest()).toBeNull();
  layer.receive(pack('half').subarray(0, 6), Lifetime.Call);
  expect(layer.takeRest()!.equals(pack('half').subarray(0, 6))).toBe(true);
  sink.stopAfter = 1;
  layer.receive(Buffer.concat([pack('one'), pack('two')]), Lifetime.Call);
  expect(layer.takeRest()!.equals(pack('two'))).toBe(true);
  expect(layer.bufferedBytes).toBe(0);
  expect(layer.takeRest()).toBeNull();
});

test('any bytes in any reads: the same bodies and the same error as the naive parser', () => {
  const piece = fc.oneof(
    fc
      .tuple(fc.constantFrom(0, 5, 6), fc.constantFrom(0, 1, 2, 9, 10, 11, 0x3fffff), fc.uint8Array({ maxLength: 12 }))
      .map(([flag, length, body]) => Buffer.concat([header(flag, length), body])),
    fc.uint8Array({ minLength: 1, maxLength: 10 }).map((body) => pack(body, 5)),
  );
  fc.assert(
    fc.property(
      fc.array(piece, { maxLength: 10 }),
      fc.array(fc.nat(500), { maxLength: 20 }),
      fc.constantFrom(0, 5),
      (pieces, points, packHeaderFlag) => {
        const stream = Buffer.concat(pieces);
        const expected = parseNaively(stream, packHeaderFlag, 10);
        const { layer, sink } = make({ packHeaderFlag, maxPackSize: 10 });
        feedBorrowed(layer, stream, cutsOf(points, stream.length));
        expect(sink.hex).toEqual(expected.bodies);
        expect(sink.violation?.errno ?? 0).toBe(expected.errno);
      },
    ),
    { numRuns: 1000 },
  );
});
