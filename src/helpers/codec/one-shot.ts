import * as zlib from 'node:zlib';
import { Engine } from './engine.ts';
import { gather } from './gather.ts';
import { Inflater } from './inflater.ts';
import {
  type BrotliOptions,
  type CodecFormat,
  checkBytes,
  compressSettings,
  type DecompressOptions,
  type DeflateOptions,
  decompressSettings,
  type ZstdOptions,
} from './options.ts';

/** Up to here, the work takes less than a millisecond and is done at once: a trip to another thread costs more. */
const SYNC_INPUT_BYTES = 16 * 1024;
const SYNC_OUTPUT_BYTES = 128 * 1024;
/** Pieces of output of larger inputs. */
const LARGE_PIECE_BYTES = 64 * 1024;

/**
 * Compresses to a zlib stream (`SYS_Compress`, `SYS_CompressEx`; SYS-031, SYS-032). Inputs above 16 KiB are worked on outside the
 * event loop.
 * @param options memLevel is 9 by default here, as in `SYS_Compress`.
 */
export async function compress(data: Uint8Array, options?: DeflateOptions): Promise<Buffer> {
  return deflate('zlib', data, { memLevel: 9, ...options });
}

/** Compresses to a gzip member (`SYS_GZipCompress`, SYS-036). */
export async function gzipCompress(data: Uint8Array, options?: DeflateOptions): Promise<Buffer> {
  return deflate('gzip', data, options);
}

/** Compresses to deflate data without header or checksum: `SYS_CompressEx` with negative window bits (SYS-032). */
export async function rawCompress(data: Uint8Array, options?: DeflateOptions): Promise<Buffer> {
  return deflate('raw', data, options);
}

/** Compresses with brotli (`SYS_BrotliCompress`, `SYS_BrotliCompressEx`; SYS-039, SYS-040). */
export async function brotliCompress(data: Uint8Array, options?: BrotliOptions): Promise<Buffer> {
  return compressAll('brotli', data, options);
}

/** Compresses to a zstd frame. @throws SocketError EOPNOTSUPP where this Node has no zstd. */
export async function zstdCompress(data: Uint8Array, options?: ZstdOptions): Promise<Buffer> {
  return compressAll('zstd', data, options);
}

/**
 * Decompresses a zlib stream (`SYS_Uncompress`, SYS-033).
 * @throws SocketError with errno EBADMSG (`codecResultOf` gives -3) for damaged or incomplete data, EMSGSIZE (-5) as soon as there
 *   is more output than `maxOutputBytes`.
 */
export async function uncompress(data: Uint8Array, options?: DecompressOptions): Promise<Buffer> {
  return inflateAll('zlib', data, options, zlib.inflateSync);
}

/** Decompresses gzip, all members of it, or a zlib stream (`SYS_GZipUncompress`, SYS-037). Throws as `uncompress`. */
export async function gzipUncompress(data: Uint8Array, options?: DecompressOptions): Promise<Buffer> {
  return inflateAll('gzip', data, options, zlib.unzipSync);
}

/** Decompresses deflate data without header: `SYS_UncompressEx` with negative window bits (SYS-034). Throws as `uncompress`. */
export async function rawUncompress(data: Uint8Array, options?: DecompressOptions): Promise<Buffer> {
  return inflateAll('raw', data, options, zlib.inflateRawSync);
}

/** Decompresses brotli data (`SYS_BrotliUncompress`, SYS-041). Throws as `uncompress`. */
export async function brotliUncompress(data: Uint8Array, options?: DecompressOptions): Promise<Buffer> {
  return inflateAll('brotli', data, options, zlib.brotliDecompressSync);
}

/** Decompresses zstd frames. Throws as `uncompress`, and EOPNOTSUPP where this Node has no zstd. */
export async function zstdUncompress(data: Uint8Array, options?: DecompressOptions): Promise<Buffer> {
  return inflateAll('zstd', data, options, null);
}

const deflateSync = { zlib: zlib.deflateSync, gzip: zlib.gzipSync, raw: zlib.deflateRawSync };

function deflate(
  format: 'zlib' | 'gzip' | 'raw',
  data: Uint8Array,
  options: DeflateOptions | undefined,
): Buffer | Promise<Buffer> {
  checkBytes(data);
  if (data.length > SYNC_INPUT_BYTES) return compressAll(format, data, options);
  return deflateSync[format](data, compressSettings(format, options));
}

function compressAll(format: CodecFormat, data: Uint8Array, options: object | undefined): Promise<Buffer> {
  checkBytes(data);
  const engine = Engine.compress(format, compressSettings(format, withLargePieces(data, options)));
  return gather(wholeInput(engine, data));
}

async function* wholeInput(engine: Engine, data: Uint8Array): AsyncGenerator<Buffer, void> {
  try {
    if (data.length > 0) yield* engine.write(data);
    yield* engine.end();
  } finally {
    engine.destroy();
  }
}

async function inflateAll(
  format: CodecFormat,
  data: Uint8Array,
  options: DecompressOptions | undefined,
  sync: ((data: Uint8Array, options: { maxOutputLength: number }) => Buffer) | null,
): Promise<Buffer> {
  checkBytes(data);
  const settings = decompressSettings(format, withLargePieces(data, options));
  if (sync !== null && data.length <= SYNC_INPUT_BYTES && settings.trailingData === 'discard') {
    try {
      return sync(data, { maxOutputLength: Math.min(SYNC_OUTPUT_BYTES, settings.maxOutputBytes) });
    } catch {
      // Too large, damaged, or with something behind its end: what follows tells which.
    }
  }
  const inflater = new Inflater(format, settings);
  return gather(wholeOutput(inflater, data));
}

async function* wholeOutput(inflater: Inflater, data: Uint8Array): AsyncGenerator<Buffer, void> {
  try {
    yield* inflater.feed(data);
    yield* inflater.finish();
  } finally {
    inflater.destroy();
  }
}

function withLargePieces(data: Uint8Array, options: object | undefined): object | undefined {
  return data.length > SYNC_INPUT_BYTES ? { bufferSizeBytes: LARGE_PIECE_BYTES, ...options } : options;
}
