import type { Filled } from '../options.ts';
import { badInput, outputTooLarge, truncatedInput } from './codec-error.ts';
import { Engine } from './engine.ts';
import { crc32, GzipHeader } from './gzip-header.ts';
import type { CodecFormat, DecompressOptions } from './options.ts';
import { ZstdFrames } from './zstd-frames.ts';

/**
 * Where the inflater is. Only gzip has more than Start, Body and Done.
 *
 * | from    | on                              | to                          |
 * |---------|---------------------------------|-----------------------------|
 * | Start   | the first byte                  | Header (gzip), Body         |
 * | Header  | its last byte                   | Body                        |
 * | Body    | the end of the compressed data  | Trailer (gzip), Body (zstd: another frame), Done |
 * | Trailer | its last byte, sums are right   | Between                     |
 * | Between | 1f, zeros skipped               | Header                      |
 * | Between | another byte                    | Done                        |
 */
const Phase = Object.freeze({ Start: 0, Header: 1, Body: 2, Trailer: 3, Between: 4, Done: 5 } as const);
type Phase = (typeof Phase)[keyof typeof Phase];

const TRAILER_BYTES = 8;
const GZIP_MAGIC = 0x1f;

/** Decompresses pieces of input, however they are cut, into pieces of output. One use at a time. */
export class Inflater {
  /** Bytes behind the end of the data. */
  trailingBytes = 0;
  readonly #format: CodecFormat;
  readonly #options: Filled<DecompressOptions>;
  #phase: Phase = Phase.Start;
  #engine: Engine | null = null;
  #isGzip = false;
  #header = new GzipHeader();
  #trailer: Buffer = Buffer.alloc(0);
  #outputBytes = 0;
  #memberBytes = 0;
  #crc = 0;
  #frames: ZstdFrames | null;

  constructor(format: CodecFormat, options: Filled<DecompressOptions>) {
    this.#format = format;
    this.#options = options;
    this.#frames = format === 'zstd' ? new ZstdFrames() : null;
  }

  /** The data is over: what comes now is behind its end. */
  get isDone(): boolean {
    return this.#phase === Phase.Done;
  }

  /**
   * Takes input; what it comes to is yielded piece by piece.
   * @param restarts Whether input that begins just behind the end of the data is new data, and not behind its end.
   */
  async *feed(input: Uint8Array, restarts = false): AsyncGenerator<Buffer, void> {
    let rest = input;
    while (rest.length > 0) {
      switch (this.#phase) {
        case Phase.Start:
          this.#isGzip = this.#format === 'gzip' && rest[0] === GZIP_MAGIC;
          this.#phase = this.#isGzip ? Phase.Header : Phase.Body;
          this.#header = new GzipHeader();
          break;
        case Phase.Header: {
          const used = this.#header.feed(rest);
          if (typeof used === 'string') throw badInput('decompress', used);
          if (used < 0) return;
          rest = rest.subarray(used);
          this.#phase = Phase.Body;
          this.#memberBytes = 0;
          this.#crc = 0;
          break;
        }
        case Phase.Body: {
          this.#engine ??= this.#makeEngine();
          const before = this.#engine.consumedBytes;
          yield* this.#count(this.#engine.write(rest));
          const used = this.#engine.consumedBytes - before;
          this.#frames?.push(used < rest.length ? rest.subarray(0, used) : rest);
          if (used === rest.length) return;
          rest = rest.subarray(used);
          this.#endMember(restarts && used === 0);
          break;
        }
        case Phase.Trailer: {
          const missing = TRAILER_BYTES - this.#trailer.length;
          this.#trailer = Buffer.concat([this.#trailer, rest.subarray(0, missing)]);
          rest = rest.subarray(missing);
          if (this.#trailer.length === TRAILER_BYTES) this.#checkTrailer();
          break;
        }
        case Phase.Between: {
          const used = rest.findIndex((byte) => byte !== 0);
          rest = used < 0 ? rest.subarray(rest.length) : rest.subarray(used);
          if (used >= 0) this.#phase = rest[0] === GZIP_MAGIC ? Phase.Header : Phase.Done;
          this.#header = new GzipHeader();
          break;
        }
        case Phase.Done:
          this.trailingBytes += rest.length;
          if (this.#options.trailingData === 'error') {
            throw badInput('decompress', `${rest.length} bytes or more stand behind the end of the data`);
          }
          return;
      }
    }
  }

  /** The input is complete. @throws truncatedInput */
  async *finish(): AsyncGenerator<Buffer, void> {
    if (this.#phase === Phase.Body && !this.#isGzip && this.#engine !== null) {
      yield* this.#count(this.#engine.end());
      if (this.#frames?.isComplete === false) throw truncatedInput('decompress');
      this.#phase = Phase.Done;
    }
    if (this.#phase !== Phase.Done && this.#phase !== Phase.Between) throw truncatedInput('decompress');
    this.destroy();
  }

  destroy(): void {
    this.#engine?.destroy();
    this.#engine = null;
  }

  #makeEngine(): Engine {
    const { bufferSizeBytes } = this.#options;
    if (this.#format !== 'gzip') return Engine.decompress(this.#format, bufferSizeBytes);
    return Engine.decompress(this.#isGzip ? 'raw' : 'zlib', bufferSizeBytes);
  }

  #endMember(isNewData: boolean): void {
    this.destroy();
    if (this.#isGzip) {
      this.#trailer = Buffer.alloc(0);
      this.#phase = Phase.Trailer;
    } else if (isNewData) {
      this.#phase = Phase.Start;
      this.#outputBytes = 0;
      if (this.#frames !== null) this.#frames = new ZstdFrames();
    } else if (this.#format !== 'zstd') {
      this.#phase = Phase.Done;
    }
  }

  #checkTrailer(): void {
    if (this.#trailer.readUInt32LE(0) !== this.#crc) throw badInput('decompress', 'incorrect data check');
    if (this.#trailer.readUInt32LE(4) !== this.#memberBytes % 2 ** 32) {
      throw badInput('decompress', 'incorrect length check');
    }
    this.#phase = Phase.Between;
  }

  async *#count(pieces: AsyncGenerator<Buffer, void>): AsyncGenerator<Buffer, void> {
    const { maxOutputBytes } = this.#options;
    for await (const piece of pieces) {
      this.#outputBytes += piece.length;
      if (this.#outputBytes > maxOutputBytes) throw outputTooLarge('decompress', maxOutputBytes);
      if (this.#isGzip) {
        this.#memberBytes += piece.length;
        this.#crc = crc32(piece, this.#crc);
      }
      yield piece;
    }
  }
}
