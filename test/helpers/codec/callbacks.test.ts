import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import {
  createBrotliCompressor,
  createBrotliDecompressor,
  createGZipCompressor,
  createGZipDecompressor,
  createZLibCompressor,
  createZLibDecompressor,
  createZstdCompressor,
  createZstdDecompressor,
} from '../../../src/helpers.ts';
import { formats, nodeCompress, nodeUncompress } from './support.ts';

const text = Buffer.from('some text that is long enough to be compressed, compressed, compressed '.repeat(5));

const kinds = {
  zlib: [createZLibCompressor, createZLibDecompressor],
  gzip: [createGZipCompressor, createGZipDecompressor],
  brotli: [createBrotliCompressor, createBrotliDecompressor],
  zstd: [createZstdCompressor, createZstdDecompressor],
} as const;
const names = formats.filter((format) => format !== 'raw') as (keyof typeof kinds)[];

describe.each(names)('%s compressor', (format) => {
  const [create] = kinds[format];

  test('process gives the output to the callback, and begins anew after the last: CPR-001, CB-04, SYS-051', async () => {
    const pieces: Buffer[] = [];
    const contexts = new Set<unknown>();
    const compressor = create<string>((data, context) => {
      pieces.push(data);
      contexts.add(context);
    });
    for (let round = 0; round < 3; round++) {
      // Not awaited: calls follow each other in any case.
      const calls = [
        compressor.process(text.subarray(0, 100), false, 'mine'),
        compressor.process(text.subarray(100), false, 'mine'),
        compressor.process(Buffer.alloc(0), true, 'mine'),
      ];
      expect(await Promise.all(calls)).toEqual([true, true, true]);
      expect(nodeUncompress[format](Buffer.concat(pieces.splice(0)))).toEqual(text);
    }
    expect([...contexts]).toEqual(['mine']);
  });

  test('processEx with flush gives all that the other side needs so far: CPR-002', async () => {
    const packed: Buffer[] = [];
    const seen: Buffer[] = [];
    const compressor = create((data) => void packed.push(data));
    const decompressor = kinds[format][1]((data) => void seen.push(data));
    for (const part of [text.subarray(0, 10), text.subarray(10, 40), text.subarray(40)]) {
      expect(await compressor.processEx(part, false, true)).toBe(true);
      expect(await decompressor.process(Buffer.concat(packed.splice(0)))).toBe(true);
      expect(Buffer.concat(seen.splice(0))).toEqual(part);
    }
  });

  test('a callback that returns false ends the call with ECANCELED: CPR-001, CB-04', async () => {
    let answer: boolean | undefined = false;
    const pieces: Buffer[] = [];
    const compressor = create((data) => {
      if (answer !== false) pieces.push(data);
      return answer;
    });
    expect(await compressor.process(text, true)).toBe(false);
    expect(compressor.lastSystemError).toBe(125);
    expect(compressor.lastFailure).toMatchObject({ code: 'HP_ABORTED' });
    answer = undefined;
    expect(await compressor.process(text, true)).toBe(true);
    expect(nodeUncompress[format](Buffer.concat(pieces))).toEqual(text);
  });

  test('reset forgets what was processed: CPR-003', async () => {
    const pieces: Buffer[] = [];
    const compressor = create((data) => void pieces.push(data));
    await compressor.process(Buffer.from('forget me'), false);
    expect(compressor.reset()).toBe(true);
    pieces.length = 0;
    await compressor.process(text, true);
    expect(nodeUncompress[format](Buffer.concat(pieces))).toEqual(text);
  });

  test('isValid until it is closed; then every call fails with EPERM: CPR-004, CPR-001', async () => {
    const compressor = create(() => {});
    expect(compressor.isValid).toBe(true);
    const underWay = compressor.process(text, true);
    compressor.close();
    expect(await underWay).toBe(false);
    expect(compressor.isValid).toBe(false);
    expect([await compressor.process(text, true), compressor.reset()]).toEqual([false, false]);
    expect(compressor.lastSystemError).toBe(1);
  });
});

describe.each(names)('%s decompressor', (format) => {
  const create = kinds[format][1];
  const packed = nodeCompress[format](text);

  test('process gives the output to the callback, at every split: DCP-001, CB-05, SYS-052', async () => {
    for (let at = 1; at < packed.length; at++) {
      const pieces: Buffer[] = [];
      const decompressor = create<number>((data, context) => {
        expect(context).toBe(at);
        pieces.push(data);
      });
      expect(await decompressor.process(packed.subarray(0, at), at)).toBe(true);
      expect(await decompressor.process(packed.subarray(at), at)).toBe(true);
      expect(Buffer.concat(pieces)).toEqual(text);
      expect(await decompressor.finish(at)).toBe(true);
    }
  });

  test('behind the end of the data the next call begins anew: DCP-001', async () => {
    const pieces: Buffer[] = [];
    const decompressor = create((data) => void pieces.push(data));
    for (let i = 0; i < 3; i++) expect(await decompressor.process(packed)).toBe(true);
    expect(Buffer.concat(pieces)).toEqual(Buffer.concat([text, text, text]));
  });

  test('damaged data is EBADMSG, and the object can be used again: DCP-001', async () => {
    const pieces: Buffer[] = [];
    const decompressor = create((data) => void pieces.push(data));
    const damaged = Buffer.from(packed);
    damaged.fill(0xff, 0, 8);
    expect(await decompressor.process(damaged)).toBe(false);
    expect(decompressor.lastSystemError).toBe(74);
    pieces.length = 0;
    expect(await decompressor.process(packed)).toBe(true);
    expect(Buffer.concat(pieces)).toEqual(text);
  });

  test('finish notices data that ends too early', async () => {
    const decompressor = create(() => {});
    await decompressor.process(packed.subarray(0, -2));
    expect(await decompressor.finish()).toBe(false);
    expect(decompressor.lastFailure).toMatchObject({ code: 'HP_TRUNCATED', errno: 74 });
    expect(await decompressor.finish()).toBe(true);
  });

  test('a callback that returns false, or a promise of it, ends the call with ECANCELED: CB-05', async () => {
    const decompressor = create(async () => false);
    expect(await decompressor.process(packed)).toBe(false);
    expect(decompressor.lastSystemError).toBe(125);
  });

  test('what the callback throws comes out of process', async () => {
    const decompressor = create(() => {
      throw new Error('mine');
    });
    await expect(decompressor.process(packed)).rejects.toThrow('mine');
  });

  test('reset forgets what was processed: DCP-002', async () => {
    const pieces: Buffer[] = [];
    const decompressor = create((data) => void pieces.push(data));
    await decompressor.process(packed.subarray(0, 10));
    expect(decompressor.reset()).toBe(true);
    pieces.length = 0;
    expect(await decompressor.process(packed)).toBe(true);
    expect(Buffer.concat(pieces)).toEqual(text);
  });

  test('isValid until it is closed; then every call fails with EPERM: DCP-003, DCP-001', async () => {
    const decompressor = create(() => {});
    expect(decompressor.isValid).toBe(true);
    {
      using used = decompressor;
      expect(used.isValid).toBe(true);
    }
    expect(decompressor.isValid).toBe(false);
    expect(await decompressor.process(packed)).toBe(false);
    expect(decompressor.lastSystemError).toBe(1);
  });

  test('the limit strikes while a bomb is inflated, however it is fed', async () => {
    const bomb = nodeCompress[format](Buffer.alloc(8 * 1024 * 1024));
    let length = 0;
    const decompressor = create((data) => void (length += data.length), { maxOutputBytes: 100_000 });
    let isOk = true;
    for (let at = 0; at < bomb.length && isOk; at += 50) isOk = await decompressor.process(bomb.subarray(at, at + 50));
    expect(isOk).toBe(false);
    expect(decompressor.lastFailure).toMatchObject({ code: 'HP_MESSAGE_TOO_LARGE', errno: 90 });
    expect(length).toBeLessThanOrEqual(100_000);
  });
});

test('bytes behind the end in the same call are discarded, but a member of gzip is not: DCP-001', async () => {
  const pieces: Buffer[] = [];
  const decompressor = createGZipDecompressor((data) => void pieces.push(data));
  const packed = Buffer.concat([gzipSync('a'), gzipSync('b'), Buffer.from('junk')]);
  expect(await decompressor.process(packed)).toBe(true);
  expect(await decompressor.process(gzipSync('c'))).toBe(true);
  expect(Buffer.concat(pieces).toString()).toBe('abc');
});

test('not more than 1024 calls wait for each other', async () => {
  const compressor = createZLibCompressor(() => {});
  const calls = Array.from({ length: 1100 }, () => compressor.process(Buffer.from('x'), false));
  const results = await Promise.all(calls);
  expect(results.filter((isOk) => !isOk)).toHaveLength(76);
  expect(compressor.lastFailure).toMatchObject({ code: 'HP_LIMIT_REACHED' });
  expect(await compressor.process(Buffer.from('x'), true)).toBe(true);
});

test('wrong arguments are errors', () => {
  expect(() => createZLibCompressor(5 as never)).toThrow(/callback must be a function/);
  expect(() => createBrotliCompressor(() => {}, { quality: 12 })).toThrow(/quality/);
  expect(() => createBrotliCompressor(() => {}, { level: 1 } as never)).toThrow(/unknown option "level"/);
  const compressor = createGZipCompressor(() => {});
  expect(() => compressor.process('text' as never, true)).toThrow(TypeError);
  expect(() => compressor.process(Buffer.alloc(0), false)).toThrow(/data is empty/);
  expect(() => createGZipDecompressor(() => {}).process(Buffer.alloc(0))).toThrow(/data is empty/);
});
