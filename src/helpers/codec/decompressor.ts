import type { Filled } from '../options.ts';
import { Codec, type CodecCallback } from './codec.ts';
import { Engine } from './engine.ts';
import { Inflater } from './inflater.ts';
import { type CodecFormat, checkBytes, type DecompressOptions, decompressSettings } from './options.ts';

/**
 * Decompresses what it is given, piece by piece (`IHPDecompressor`, DCP-001 to DCP-003). Made by `createZLibDecompressor` and
 * others. `maxOutputBytes` counts from one beginning to the next.
 */
export class Decompressor<Context = undefined> extends Codec<Context> {
  readonly #format: CodecFormat;
  readonly #options: Filled<DecompressOptions>;
  #inflater: Inflater | null = null;

  /** @internal */
  constructor(format: CodecFormat, callback: CodecCallback<Context>, options: DecompressOptions | undefined) {
    super(callback);
    this.#format = format;
    this.#options = decompressSettings(format, options);
    // A missing zstd shows itself here, and not with the first bytes.
    if (format === 'zstd') Engine.decompress(format, this.#options.bufferSizeBytes).destroy();
  }

  /**
   * Decompresses bytes (`Process`, DCP-001). Behind the end of the data, the next call begins anew.
   * @param data Not empty. It must not change until the promise is done.
   * @returns false if it failed: `lastFailure` says why. The object has then begun anew.
   * @throws (rejects) what the callback throws.
   */
  process(data: Uint8Array, context?: Context): Promise<boolean> {
    checkBytes(data);
    if (data.length === 0) throw new RangeError('data is empty');
    return this.call('process', context as Context, () => this.#decompress(data));
  }

  /**
   * Says that no more comes. HP-Socket has no such call, and does not notice data that ends too early.
   * @returns false if the data is incomplete (EBADMSG). The object has begun anew in any case.
   */
  finish(context?: Context): Promise<boolean> {
    return this.call('finish', context as Context, () => this.#finish());
  }

  /** @internal */
  protected override restart(): void {
    this.#inflater?.destroy();
    this.#inflater = null;
  }

  async *#decompress(data: Uint8Array): AsyncGenerator<Buffer, void> {
    if (this.#inflater?.isDone) this.restart();
    this.#inflater ??= new Inflater(this.#format, this.#options);
    yield* this.#inflater.feed(data, true);
  }

  async *#finish(): AsyncGenerator<Buffer, void> {
    if (this.#inflater !== null) yield* this.#inflater.finish();
    this.restart();
  }
}

/** A decompressor of zlib streams (`HP_Create_ZLibDecompressor`, SYS-052). */
export function createZLibDecompressor<Context = undefined>(
  callback: CodecCallback<Context>,
  options?: DecompressOptions,
): Decompressor<Context> {
  return new Decompressor('zlib', callback, options);
}

/** A decompressor of gzip and of zlib streams (`HP_Create_GZipDecompressor`, SYS-052). */
export function createGZipDecompressor<Context = undefined>(
  callback: CodecCallback<Context>,
  options?: DecompressOptions,
): Decompressor<Context> {
  return new Decompressor('gzip', callback, options);
}

/** A decompressor of brotli (`HP_Create_BrotliDecompressor`, SYS-052). */
export function createBrotliDecompressor<Context = undefined>(
  callback: CodecCallback<Context>,
  options?: DecompressOptions,
): Decompressor<Context> {
  return new Decompressor('brotli', callback, options);
}

/** A decompressor of zstd. @throws SocketError EOPNOTSUPP where this Node has no zstd. */
export function createZstdDecompressor<Context = undefined>(
  callback: CodecCallback<Context>,
  options?: DecompressOptions,
): Decompressor<Context> {
  return new Decompressor('zstd', callback, options);
}
