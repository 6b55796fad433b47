import { constants } from 'node:zlib';
import { Codec, type CodecCallback } from './codec.ts';
import { Engine } from './engine.ts';
import {
  type BrotliOptions,
  type CodecFormat,
  checkBytes,
  compressSettings,
  type DeflateOptions,
  type ZstdOptions,
} from './options.ts';

/** ZSTD_e_flush, which older types of Node do not know. */
const ZSTD_FLUSH = 1;

/** Compresses what it is given, piece by piece (`IHPCompressor`, CPR-001 to CPR-004). Made by `createZLibCompressor` and others. */
export class Compressor<Context = undefined> extends Codec<Context> {
  readonly #format: CodecFormat;
  readonly #settings: Record<string, unknown>;
  #engine: Engine | null = null;

  /** @internal */
  constructor(format: CodecFormat, callback: CodecCallback<Context>, options: object | undefined) {
    super(callback);
    this.#format = format;
    this.#settings = compressSettings(format, options);
    // A missing zstd shows itself here, and not with the first bytes.
    this.#engine = Engine.compress(format, this.#settings);
  }

  /**
   * Compresses bytes (`Process`, CPR-001). The callback gets what comes of them; much is kept back until `last`.
   * @param data May be empty only with `last`. It must not change until the promise is done.
   * @param last Whether it is the end; the next call begins a new stream.
   * @returns false if it failed: `lastFailure` says why. The object has then begun anew.
   * @throws (rejects) what the callback throws.
   */
  process(data: Uint8Array, last: boolean, context?: Context): Promise<boolean> {
    return this.processEx(data, last, false, context);
  }

  /** As `process`; with `flush`, the callback gets all that the other side needs to see these bytes (`ProcessEx`, CPR-002). */
  processEx(data: Uint8Array, last: boolean, flush = false, context?: Context): Promise<boolean> {
    checkBytes(data);
    if (data.length === 0 && !last && !flush) throw new RangeError('data is empty, and it is not the last');
    return this.call('process', context as Context, () => this.#compress(data, last, flush));
  }

  /** @internal */
  protected override restart(): void {
    this.#engine?.destroy();
    this.#engine = null;
  }

  async *#compress(data: Uint8Array, last: boolean, flush: boolean): AsyncGenerator<Buffer, void> {
    this.#engine ??= Engine.compress(this.#format, this.#settings);
    const engine = this.#engine;
    if (data.length > 0) yield* engine.write(data);
    if (last) {
      yield* engine.end();
      this.restart();
    } else if (flush) {
      yield* engine.flush(this.#flushKind());
    }
  }

  #flushKind(): number {
    if (this.#format === 'brotli') return constants.BROTLI_OPERATION_FLUSH;
    return this.#format === 'zstd' ? ZSTD_FLUSH : constants.Z_SYNC_FLUSH;
  }
}

/** A compressor to zlib streams (`HP_Create_ZLibCompressor`, SYS-051). */
export function createZLibCompressor<Context = undefined>(
  callback: CodecCallback<Context>,
  options?: DeflateOptions,
): Compressor<Context> {
  return new Compressor('zlib', callback, options);
}

/** A compressor to gzip (`HP_Create_GZipCompressor`, SYS-051). */
export function createGZipCompressor<Context = undefined>(
  callback: CodecCallback<Context>,
  options?: DeflateOptions,
): Compressor<Context> {
  return new Compressor('gzip', callback, options);
}

/** A compressor to brotli (`HP_Create_BrotliCompressor`, SYS-051). */
export function createBrotliCompressor<Context = undefined>(
  callback: CodecCallback<Context>,
  options?: BrotliOptions,
): Compressor<Context> {
  return new Compressor('brotli', callback, options);
}

/** A compressor to zstd. @throws SocketError EOPNOTSUPP where this Node has no zstd. */
export function createZstdCompressor<Context = undefined>(
  callback: CodecCallback<Context>,
  options?: ZstdOptions,
): Compressor<Context> {
  return new Compressor('zstd', callback, options);
}
