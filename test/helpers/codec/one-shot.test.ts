import { brotliDecompressSync, deflateSync, gunzipSync, gzipSync, inflateRawSync, inflateSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import {
  brotliCompress,
  brotliUncompress,
  CodecResult,
  codecResultOf,
  compress,
  gzipCompress,
  gzipUncompress,
  rawCompress,
  rawUncompress,
  uncompress,
  zstdCompress,
  zstdUncompress,
} from '../../../src/helpers.ts';
import { Random } from '../../tools/random.ts';
import { codeOf, formats, nodeCompress } from './support.ts';

const small = Buffer.from('small, small, small');
const large = Buffer.concat([new Random(1).bytes(300_000), Buffer.alloc(3_000_000, 'abc')]);

const shots = {
  zlib: [compress, uncompress],
  gzip: [gzipCompress, gzipUncompress],
  raw: [rawCompress, rawUncompress],
  brotli: [brotliCompress, brotliUncompress],
  zstd: [zstdCompress, zstdUncompress],
} as const;

describe.each(formats)('%s in one call', (format) => {
  const [pack, unpack] = shots[format];
  const fast = (format === 'brotli' ? { quality: 2 } : {}) as object;

  test('goes there and back, small, large and empty: SYS-031 to SYS-034, SYS-036, SYS-037, SYS-039, SYS-041', async () => {
    for (const data of [small, large, Buffer.alloc(0)]) {
      expect((await unpack(await pack(data, fast))).equals(data)).toBe(true);
    }
  });

  test('damaged and incomplete data is -3, at every length: SYS-033, SYS-041, NHP-001', async () => {
    const packed = await pack(small, fast);
    for (let length = 0; length < packed.length; length++) {
      const error = await unpack(packed.subarray(0, length)).catch((thrown: unknown) => thrown);
      expect(codecResultOf(error), `${length} bytes`).toBe(CodecResult.BadInput);
    }
    const damaged = Buffer.from(packed).fill(0xff, 0, 6);
    expect(codecResultOf(await unpack(damaged).catch((thrown: unknown) => thrown))).toBe(-3);
  });

  test('more output than maxOutputBytes is -5: SYS-033, NHP-001', async () => {
    for (const data of [small, large]) {
      const error = await unpack(await pack(data, fast), { maxOutputBytes: 5 }).catch((thrown: unknown) => thrown);
      expect(codecResultOf(error)).toBe(CodecResult.BufferTooSmall);
    }
    expect(await codeOf(unpack(nodeCompress[format](Buffer.alloc(65 * 1024 * 1024))))).toBe('HP_MESSAGE_TOO_LARGE');
  });
});

describe('as HP-Socket does it', () => {
  test('SYS-031 SYS-032: window and memory level are those of zlib’s options', async () => {
    expect(await compress(small)).toEqual(deflateSync(small, { memLevel: 9 }));
    expect(await compress(small, { level: 1, windowBits: 9, memLevel: 1, strategy: 2 })).toEqual(
      deflateSync(small, { level: 1, windowBits: 9, memLevel: 1, strategy: 2 }),
    );
    expect(inflateRawSync(await rawCompress(small))).toEqual(small);
    expect(inflateSync(await compress(large)).equals(large)).toBe(true);
  });

  test('SYS-036: gzip begins with 1f 8b 08 00', async () => {
    expect((await gzipCompress(small)).subarray(0, 4).toString('hex')).toBe('1f8b0800');
    expect(gunzipSync(await gzipCompress(large)).equals(large)).toBe(true);
  });

  test('SYS-037: gzipUncompress takes gzip, many members of it, and zlib', async () => {
    expect(await gzipUncompress(gzipSync(small))).toEqual(small);
    expect(await gzipUncompress(deflateSync(small))).toEqual(small);
    const two = Buffer.concat([gzipSync(small), gzipSync(small)]);
    expect(await gzipUncompress(two)).toEqual(Buffer.concat([small, small]));
    expect(await gzipUncompress(Buffer.concat([two, Buffer.from('junk')]))).toEqual(Buffer.concat([small, small]));
    expect(await codeOf(gzipUncompress(Buffer.concat([two, Buffer.from('x')]), { trailingData: 'error' }))).toBe(
      'HP_BAD_MESSAGE',
    );
  });

  test('SYS-039 SYS-040: brotli with quality, window and mode', async () => {
    const packed = await brotliCompress(small, { quality: 5, window: 16, mode: 1 });
    expect(brotliDecompressSync(packed)).toEqual(small);
    await expect(brotliCompress(small, { window: 30 })).rejects.toThrow(RangeError);
  });
});

test('codecResultOf of what is no error of a codec', () => {
  expect([codecResultOf(undefined), codecResultOf(new Error('?'))]).toEqual([0, -3]);
});

test('64 MiB are decompressed in many turns of the event loop', async () => {
  const packed = gzipSync(Buffer.alloc(64 * 1024 * 1024), { level: 1 });
  let turns = 0;
  let isDone = false;
  const turn = (): void => {
    turns++;
    if (!isDone) setImmediate(turn);
  };
  setImmediate(turn);
  const data = await gzipUncompress(packed);
  isDone = true;
  expect(data.length).toBe(64 * 1024 * 1024);
  // Reading and counting the output takes a turn for each piece, putting it together one for each MiB.
  expect(turns).toBeGreaterThan(500);
});

test('text is no bytes', async () => {
  await expect(compress('text' as never)).rejects.toThrow(/Uint8Array/);
  await expect(uncompress('text' as never)).rejects.toThrow(/Uint8Array/);
});
