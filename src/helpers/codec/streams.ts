import { Engine } from './engine.ts';
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

/** Bytes in pieces: an array, a generator, a readable stream, ... */
export type ByteSource = Iterable<Uint8Array> | AsyncIterable<Uint8Array>;

/**
 * Compresses pieces of bytes as they come. The event loop is not blocked, and no more is read than is asked for.
 * @example for await (const piece of compressStream(createReadStream(path), 'gzip')) server.send(connId, piece);
 * @throws TypeError or RangeError at once for a wrong option; `SocketError` EOPNOTSUPP where this Node has no zstd.
 */
export function compressStream(
  source: ByteSource,
  format: CodecFormat,
  options?: DeflateOptions | BrotliOptions | ZstdOptions,
): AsyncGenerator<Buffer, void> {
  const settings = compressSettings(format, options);
  return compressPieces(source, Engine.compress(format, settings));
}

async function* compressPieces(source: ByteSource, engine: Engine): AsyncGenerator<Buffer, void> {
  try {
    for await (const data of source) {
      checkBytes(data);
      if (data.length > 0) yield* engine.write(data);
    }
    yield* engine.end();
  } finally {
    engine.destroy();
  }
}

/**
 * Decompresses pieces of bytes as they come, however they are cut.
 * @throws while iterating, `SocketError` with errno EBADMSG for damaged (HP_BAD_MESSAGE) or incomplete (HP_TRUNCATED) data, and
 *   EMSGSIZE (HP_MESSAGE_TOO_LARGE) as soon as there is more output than `maxOutputBytes`.
 */
export function decompressStream(
  source: ByteSource,
  format: CodecFormat,
  options?: DecompressOptions,
): AsyncGenerator<Buffer, void> {
  return decompressPieces(source, new Inflater(format, decompressSettings(format, options)));
}

async function* decompressPieces(source: ByteSource, inflater: Inflater): AsyncGenerator<Buffer, void> {
  try {
    for await (const data of source) {
      checkBytes(data);
      yield* inflater.feed(data);
    }
    yield* inflater.finish();
  } finally {
    inflater.destroy();
  }
}
