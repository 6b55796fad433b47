import { constants } from 'node:zlib';
import { custom, integer, oneOf, type TableOf } from '../../core/properties.ts';
import type { Filled } from '../options.ts';
import { readOptions } from '../options.ts';

/**
 * Formats of compressed data. `raw` is deflate without header and checksum; `zstd` needs Node 22.15. Decompressing, `gzip` takes
 * zlib as well, as HP-Socket's does (SYS-037).
 */
export type CodecFormat = 'zlib' | 'gzip' | 'raw' | 'brotli' | 'zstd';

/** How deflate compresses (zlib, gzip and raw). */
export interface DeflateOptions {
  /** -1 (zlib's own choice, 6) to 9; default -1. */
  level?: number | undefined;
  /** Base-2 logarithm of the window, 9 to 15; default 15. */
  windowBits?: number | undefined;
  /** 1 to 9; default 8. */
  memLevel?: number | undefined;
  /** 0 default, 1 filtered, 2 Huffman only, 3 run lengths, 4 fixed; default 0. */
  strategy?: number | undefined;
  /** Bytes of each piece of output, 64 to 16 MiB; default 16 KiB. */
  bufferSizeBytes?: number | undefined;
}

/** How brotli compresses. */
export interface BrotliOptions {
  /** 0 to 11; default 11, which is slow (about 1 MB/s): 4 to 6 suits data that is made for one request. */
  quality?: number | undefined;
  /** Base-2 logarithm of the window, 10 to 24; default 22. */
  window?: number | undefined;
  /** 0 generic, 1 text, 2 font; default 0. */
  mode?: number | undefined;
  /** Bytes of each piece of output, 64 to 16 MiB; default 16 KiB. */
  bufferSizeBytes?: number | undefined;
}

/** How zstd compresses. */
export interface ZstdOptions {
  /** 1 to 22; default 3. */
  level?: number | undefined;
  /** Bytes of each piece of output, 64 to 16 MiB; default 16 KiB. */
  bufferSizeBytes?: number | undefined;
}

/** Options of decompressing. */
export interface DecompressOptions {
  /** Most bytes of output, 1 or more, or Infinity; default 64 MiB. It strikes while inflating, whatever the input claims. */
  maxOutputBytes?: number | undefined;
  /**
   * What becomes of bytes behind the end of the data: `discard`, the default, as in HP-Socket (DCP-001), or `error`. Zeros behind
   * gzip are padding; more members of gzip, and more frames of zstd, are part of the data. zstd always fails.
   */
  trailingData?: 'discard' | 'error' | undefined;
  /** Bytes of each piece of output, 64 to 16 MiB; default 16 KiB. */
  bufferSizeBytes?: number | undefined;
}

export const DEFAULT_MAX_OUTPUT_BYTES = 64 * 1024 * 1024;

const bufferSizeRule = integer(16 * 1024, 64, 16 * 1024 * 1024);
const maxOutputRule = custom(DEFAULT_MAX_OUTPUT_BYTES, (name, value) => {
  if (value === Number.POSITIVE_INFINITY) return;
  integer(0, 1).check(name, value);
});

const deflateTable = {
  level: integer(-1, -1, 9),
  windowBits: integer(15, 9, 15),
  memLevel: integer(8, 1, 9),
  strategy: integer(0, 0, 4),
  bufferSizeBytes: bufferSizeRule,
} satisfies TableOf<DeflateOptions>;
const brotliTable = {
  quality: integer(11, 0, 11),
  window: integer(22, 10, 24),
  mode: integer(0, 0, 2),
  bufferSizeBytes: bufferSizeRule,
} satisfies TableOf<BrotliOptions>;
const zstdTable = { level: integer(3, 1, 22), bufferSizeBytes: bufferSizeRule } satisfies TableOf<ZstdOptions>;
const decompressTable = {
  maxOutputBytes: maxOutputRule,
  trailingData: oneOf<string>('discard', ['discard', 'error']),
  bufferSizeBytes: bufferSizeRule,
} satisfies TableOf<DecompressOptions>;

/** Node's options of a compressor, from ours. @throws TypeError or RangeError */
export function compressSettings(format: CodecFormat, options: object | undefined): Record<string, unknown> {
  checkFormat(format);
  if (format === 'brotli') {
    const { quality, window, mode, bufferSizeBytes } = readOptions<Filled<BrotliOptions>>(
      'brotli',
      brotliTable,
      options,
    );
    const params = {
      [constants.BROTLI_PARAM_QUALITY]: quality,
      [constants.BROTLI_PARAM_LGWIN]: window,
      [constants.BROTLI_PARAM_MODE]: mode,
    };
    return { params, chunkSize: bufferSizeBytes };
  }
  if (format === 'zstd') {
    const { level, bufferSizeBytes } = readOptions<Filled<ZstdOptions>>('zstd', zstdTable, options);
    // ZSTD_c_compressionLevel; older types of Node do not know the constant.
    return { params: { 100: level }, chunkSize: bufferSizeBytes };
  }
  const { bufferSizeBytes, ...deflate } = readOptions<Filled<DeflateOptions>>(format, deflateTable, options);
  return { ...deflate, chunkSize: bufferSizeBytes };
}

/** Checked options of decompressing, with defaults. @throws TypeError or RangeError */
export function decompressSettings(
  format: CodecFormat,
  options: DecompressOptions | undefined,
): Filled<DecompressOptions> {
  checkFormat(format);
  return readOptions<Filled<DecompressOptions>>('decompress', decompressTable, options);
}

const formats: readonly CodecFormat[] = ['zlib', 'gzip', 'raw', 'brotli', 'zstd'];

function checkFormat(format: CodecFormat): void {
  oneOf<CodecFormat>('zlib', formats).check('format', format);
}

/** @throws TypeError unless `data` is bytes. */
export function checkBytes(data: unknown): asserts data is Uint8Array {
  if (!(data instanceof Uint8Array))
    throw new TypeError('data must be a Uint8Array; encode text with Buffer.from first');
}
