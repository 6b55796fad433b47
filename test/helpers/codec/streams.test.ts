import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { crc32ByTable } from '../../../src/helpers/codec/gzip-header.ts';
import { compressStream, decompressStream } from '../../../src/helpers.ts';
import { codeOf, collect, cut, formats, inflate, nodeCompress, nodeUncompress } from './support.ts';

const text = Buffer.from('a line that repeats itself, a line that repeats itself, and does not.\n'.repeat(3));
const runs = process.env.HP_SOCKET_FULL === '1' ? 500 : 25;

describe.each(formats)('%s', (format) => {
  const packed = nodeCompress[format](text);

  test('is decompressed at every split, and byte by byte', async () => {
    for (let at = 0; at <= packed.length; at++) {
      expect(await inflate([packed.subarray(0, at), packed.subarray(at)], format)).toEqual(text);
    }
    expect(
      await inflate(
        [...packed].map((byte) => Uint8Array.of(byte)),
        format,
      ),
    ).toEqual(text);
  });

  test('what is compressed here, Node decompresses', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uint8Array({ maxLength: 3000 }),
        fc.array(fc.nat(), { maxLength: 4 }),
        async (bytes, cuts) => {
          const data = Buffer.from(bytes);
          const options = format === 'brotli' ? { quality: 3 } : {};
          const out = await collect(compressStream(cut(data, cuts), format, { ...options, bufferSizeBytes: 64 }));
          expect(nodeUncompress[format](out)).toEqual(data);
        },
      ),
      { numRuns: runs },
    );
  });

  test('what Node compresses is decompressed here, however it is cut', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uint8Array({ maxLength: 3000 }),
        fc.array(fc.nat(), { maxLength: 4 }),
        async (bytes, cuts) => {
          const data = Buffer.from(bytes);
          const out = await inflate(cut(nodeCompress[format](data), cuts), format, { bufferSizeBytes: 64 });
          expect(out).toEqual(data);
        },
      ),
      { numRuns: runs },
    );
  });

  test('data that ends too early is an error at every length', async () => {
    for (let length = 0; length < packed.length; length++) {
      expect(await codeOf(inflate([packed.subarray(0, length)], format)), `${length} bytes`).toBe('HP_TRUNCATED');
    }
  });

  test('a damaged byte is an error or gives bytes, but never hangs, crashes or exceeds the limit', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.nat(packed.length - 1),
        fc.integer({ min: 1, max: 255 }),
        fc.nat(),
        async (at, flip, split) => {
          const damaged = Buffer.from(packed);
          damaged[at]! ^= flip;
          let length = 0;
          const work = async (): Promise<void> => {
            for await (const piece of decompressStream(cut(damaged, [split]), format, { maxOutputBytes: 5000 })) {
              length += piece.length;
            }
          };
          expect(['', 'HP_BAD_MESSAGE', 'HP_TRUNCATED', 'HP_MESSAGE_TOO_LARGE']).toContain(await codeOf(work()));
          expect(length).toBeLessThanOrEqual(5000);
        },
      ),
      { numRuns: runs * 4 },
    );
  });

  test('garbage is an error, or nothing: never an exception of another kind', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ minLength: 1, maxLength: 200 }), async (bytes) => {
        const code = await codeOf(inflate([bytes], format, { maxOutputBytes: 100_000 }));
        expect(['', 'HP_BAD_MESSAGE', 'HP_TRUNCATED', 'HP_MESSAGE_TOO_LARGE']).toContain(code);
      }),
      { numRuns: runs * 2 },
    );
  });

  test('the limit strikes while a bomb is inflated', async () => {
    const bomb = nodeCompress[format](Buffer.alloc(64 * 1024 * 1024));
    let length = 0;
    const work = async (): Promise<void> => {
      for await (const piece of decompressStream([bomb], format, { maxOutputBytes: 1_000_000 })) length += piece.length;
    };
    expect(await codeOf(work())).toBe('HP_MESSAGE_TOO_LARGE');
    expect(length).toBeLessThanOrEqual(1_000_000);
  });

  test('a limit of just the size does not strike', async () => {
    expect(await inflate([packed], format, { maxOutputBytes: text.length })).toEqual(text);
    expect(await codeOf(inflate([packed], format, { maxOutputBytes: text.length - 1 }))).toBe('HP_MESSAGE_TOO_LARGE');
  });

  test('whoever stops reading ends the work', async () => {
    const source = async function* (): AsyncGenerator<Buffer> {
      for (;;) yield text;
    };
    let pieces = 0;
    const options = format === 'brotli' ? { quality: 1 } : {};
    for await (const _ of compressStream(source(), format, { ...options, bufferSizeBytes: 64 })) {
      if (++pieces === 3) break;
    }
    expect(pieces).toBe(3);
  });
});

describe('gzip in members', () => {
  const members = [Buffer.from('one, '), Buffer.alloc(0), Buffer.from('two, '), Buffer.from('three')];
  const packed = Buffer.concat(members.map((member) => gzipSync(member)));

  test('all of them are decompressed, at every split', async () => {
    for (let at = 0; at <= packed.length; at++) {
      const pieces = [packed.subarray(0, at), packed.subarray(at)];
      expect((await inflate(pieces, 'gzip')).toString()).toBe('one, two, three');
    }
  });

  test('zeros behind the last are padding; other bytes are discarded or an error, wherever they are cut', async () => {
    const padded = Buffer.concat([packed, Buffer.alloc(20)]);
    const followed = Buffer.concat([padded, Buffer.from('not gzip')]);
    for (let at = packed.length - 10; at <= followed.length; at++) {
      const pieces = [followed.subarray(0, at), followed.subarray(at)];
      expect(
        (await inflate([padded.subarray(0, at), padded.subarray(at)], 'gzip', { trailingData: 'error' })).length,
      ).toBe(15);
      expect((await inflate(pieces, 'gzip')).toString()).toBe('one, two, three');
      expect(await codeOf(inflate(pieces, 'gzip', { trailingData: 'error' }))).toBe('HP_BAD_MESSAGE');
    }
  });

  test('a wrong checksum or length is an error in each member', async () => {
    const one = gzipSync(text);
    for (let at = one.length - 8; at < one.length; at++) {
      const damaged = Buffer.concat([gzipSync('first'), one, gzipSync('last')]);
      damaged[gzipSync('first').length + at]! ^= 1;
      expect(await codeOf(inflate([damaged], 'gzip'))).toBe('HP_BAD_MESSAGE');
    }
  });

  test('a header with all fields is skipped, one without end refused', async () => {
    const body = gzipSync(text).subarray(10);
    const header = Buffer.concat([
      Buffer.from([0x1f, 0x8b, 8, 0x1f, 0, 0, 0, 0, 0, 3, 3, 0, 1, 2, 3]),
      Buffer.from('name\0comment\0'),
      Buffer.from([1, 2]),
    ]);
    const whole = Buffer.concat([header, body]);
    for (let at = 0; at <= header.length; at++) {
      expect(await inflate([whole.subarray(0, at), whole.subarray(at)], 'gzip')).toEqual(text);
    }
    const endless = [Buffer.from([0x1f, 0x8b, 8, 8, 0, 0, 0, 0, 0, 3]), Buffer.alloc(200_000, 'x')];
    expect(await codeOf(inflate(endless, 'gzip'))).toBe('HP_BAD_MESSAGE');
    const reserved = Buffer.from(gzipSync(text));
    reserved[3] = 0x80;
    expect(await codeOf(inflate([reserved], 'gzip'))).toBe('HP_BAD_MESSAGE');
  });

  test('zlib is taken as well: SYS-037', async () => {
    expect(await inflate([nodeCompress.zlib(text)], 'gzip')).toEqual(text);
  });

  test('the checksum is the one of every gzip, also where Node has none', () => {
    expect(crc32ByTable(Buffer.from('123456789'), 0)).toBe(0xcbf43926);
    expect(crc32ByTable(Buffer.from('6789'), crc32ByTable(Buffer.from('12345'), 0))).toBe(0xcbf43926);
  });
});

describe.each(['zlib', 'raw', 'brotli'] as const)('behind the end of %s', (format) => {
  test('bytes are discarded, or an error, wherever they are cut', async () => {
    const packed = nodeCompress[format](text);
    const followed = Buffer.concat([packed, Buffer.from('something else')]);
    for (let at = packed.length - 3; at <= followed.length; at++) {
      const pieces = [followed.subarray(0, at), followed.subarray(at)];
      expect(await inflate(pieces, format)).toEqual(text);
      expect(await codeOf(inflate(pieces, format, { trailingData: 'error' }))).toBe('HP_BAD_MESSAGE');
    }
  });
});

test.runIf(formats.includes('zstd'))(
  'zstd in frames: all of them, at every split; what follows is an error',
  async () => {
    const packed = Buffer.concat([nodeCompress.zstd(Buffer.from('one, ')), nodeCompress.zstd(Buffer.from('two'))]);
    const followed = Buffer.concat([packed, Buffer.from('not zstd at all')]);
    for (let at = 0; at <= packed.length; at++) {
      expect((await inflate([packed.subarray(0, at), packed.subarray(at)], 'zstd')).toString()).toBe('one, two');
      expect(await codeOf(inflate([followed.subarray(0, at), followed.subarray(at)], 'zstd'))).toBe('HP_BAD_MESSAGE');
    }
  },
);

test.runIf(!formats.includes('zstd'))('without zstd in this Node, asking for it says so', () => {
  expect(() => compressStream([], 'zstd')).toThrow(/Node .* has none; use 22.15 or later/);
});

test('wrong options and sources are errors', async () => {
  expect(() => compressStream([], 'lzma' as never)).toThrow(/format must be one of/);
  expect(() => compressStream([], 'gzip', { levle: 1 } as never)).toThrow('did you mean level?');
  expect(() => compressStream([], 'gzip', { level: 10 })).toThrow(/level/);
  expect(() => decompressStream([], 'gzip', { maxOutputBytes: 0 })).toThrow(/maxOutputBytes/);
  expect(() => decompressStream([], 'gzip', { maxOutput: 1 } as never)).toThrow('did you mean maxOutputBytes?');
  await expect(collect(compressStream(['text'] as never, 'gzip'))).rejects.toThrow(TypeError);
  await expect(collect(decompressStream(['text'] as never, 'gzip'))).rejects.toThrow(TypeError);
});
