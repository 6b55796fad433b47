import type { Transform } from 'node:stream';
import * as zlib from 'node:zlib';
import { SocketErrorCode } from '../../core/enums.ts';
import { Errno } from '../../core/errno.ts';
import { SocketError } from '../../core/errors.ts';
import { badInput, codecCancelled, truncatedInput } from './codec-error.ts';
import type { CodecFormat } from './options.ts';

type ZlibStream = Transform & { readonly bytesWritten: number; flush(kind: number, done: () => void): void };

/** zstd came with Node 22.15 and 23.8. */
interface ZstdModule {
  createZstdCompress?(options: object): ZlibStream;
  createZstdDecompress?(options: object): ZlibStream;
}
const zstd = zlib as ZstdModule;

/** Whether this Node has zstd. */
export const hasZstd = typeof zstd.createZstdDecompress === 'function';

/**
 * One stream of `node:zlib`, driven piece by piece. All work is done on libuv's threads; between two pieces of output the
 * event loop turns.
 */
export class Engine {
  readonly #stream: ZlibStream;
  readonly #operation: string;
  #error: unknown = null;
  #isEnded = false;
  #wake: (() => void) | null = null;

  private constructor(stream: ZlibStream, operation: string) {
    this.#stream = stream;
    this.#operation = operation;
    const wake = (): void => this.#wake?.();
    stream.on('readable', wake);
    stream.on('end', () => {
      this.#isEnded = true;
      wake();
    });
    stream.on('error', (error) => {
      this.#error ??= describeZlibError(operation, error);
      wake();
    });
  }

  static compress(format: CodecFormat, settings: Record<string, unknown>): Engine {
    switch (format) {
      case 'zlib':
        return new Engine(zlib.createDeflate(settings) as never, 'compress');
      case 'gzip':
        return new Engine(zlib.createGzip(settings) as never, 'compress');
      case 'raw':
        return new Engine(zlib.createDeflateRaw(settings) as never, 'compress');
      case 'brotli':
        return new Engine(zlib.createBrotliCompress(settings) as never, 'compress');
      case 'zstd':
        return new Engine(needZstd('compress', zstd.createZstdCompress)(settings), 'compress');
    }
  }

  /** Decompresses one member; `gzip` has to be taken apart by the caller. */
  static decompress(format: Exclude<CodecFormat, 'gzip'>, bufferSizeBytes: number): Engine {
    const settings = { chunkSize: bufferSizeBytes };
    switch (format) {
      case 'zlib':
        return new Engine(zlib.createInflate(settings) as never, 'decompress');
      case 'raw':
        return new Engine(zlib.createInflateRaw(settings) as never, 'decompress');
      case 'brotli':
        return new Engine(zlib.createBrotliDecompress(settings) as never, 'decompress');
      case 'zstd':
        return new Engine(needZstd('decompress', zstd.createZstdDecompress)(settings), 'decompress');
    }
  }

  /** Bytes of input that were used: fewer than were written once the data has ended before the input. */
  get consumedBytes(): number {
    return this.#stream.bytesWritten;
  }

  write(data: Uint8Array): AsyncGenerator<Buffer, void> {
    return this.#drive((done) => void this.#stream.write(data, done));
  }

  flush(kind: number): AsyncGenerator<Buffer, void> {
    return this.#drive((done) => this.#stream.flush(kind, done));
  }

  /** The input is complete. @throws truncatedInput */
  end(): AsyncGenerator<Buffer, void> {
    return this.#drive(() => void this.#stream.end());
  }

  /** A read that waits for output gets an error. */
  destroy(): void {
    this.#error ??= codecCancelled(this.#operation, 'it was reset or closed');
    this.#stream.destroy();
    this.#wake?.();
  }

  /** Does `step` and yields what comes of it, until it is done, or the stream has ended. */
  async *#drive(step: (done: () => void) => void): AsyncGenerator<Buffer, void> {
    let isDone = false;
    step(() => {
      isDone = true;
      this.#wake?.();
    });
    for (;;) {
      const wasDone = isDone;
      for (let piece = this.#read(); piece !== null; piece = this.#read()) yield piece;
      if (this.#error !== null) throw this.#error;
      if (wasDone || this.#isEnded) return;
      if (isDone) continue;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      this.#wake = null;
    }
  }

  #read(): Buffer | null {
    return this.#error === null ? (this.#stream.read() as Buffer | null) : null;
  }
}

function needZstd<T>(operation: string, create: T | undefined): T {
  if (create !== undefined) return create;
  throw new SocketError({
    socketError: SocketErrorCode.InvalidParam,
    code: 'EOPNOTSUPP',
    errno: Errno.EOPNOTSUPP,
    operation,
    message: `${operation} cannot use zstd: Node ${process.versions.node} has none; use 22.15 or later`,
  });
}

function describeZlibError(operation: string, error: unknown): SocketError {
  const { code, message } = error as { code?: string; message?: string };
  if (code === 'Z_BUF_ERROR') return truncatedInput(operation);
  if (/unexpected end/i.test(message ?? '')) return truncatedInput(operation);
  return badInput(operation, (message ?? 'the data is damaged').slice(0, 80), error);
}
