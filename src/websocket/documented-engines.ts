import { promisify } from 'node:util';
import {
  constants,
  createInflateRaw,
  deflateRaw,
  deflateRawSync,
  type InflateRaw,
  inflateRawSync,
  type ZlibOptions,
} from 'node:zlib';
import { type Deflater, InflateError, type Inflater, RunEnd, TAIL, type TakeSlice } from './zlib-engine.ts';
import { type Expander, expand } from './zlib-run.ts';

const deflateRawLater = promisify<Uint8Array, ZlibOptions, Buffer>(deflateRaw);
const { Z_SYNC_FLUSH } = constants;
/** What ends the deflate stream that a whole message becomes by it: zlib says so if it does not, because its data was cut off. */
const LAST = Buffer.concat([TAIL, Buffer.of(1), TAIL]);

/** What the first deflate stream in `data` expands to, and its length. */
function inflateSome(data: Buffer, options: ZlibOptions): { made: Buffer; used: number } {
  const { buffer, engine } = inflateRawSync(data, { ...options, info: true }) as unknown as {
    buffer: Buffer;
    engine: { bytesWritten: number };
  };
  return { made: buffer, used: engine.bytesWritten > 0 ? engine.bytesWritten : data.length };
}

/** A window of the last bytes, for engines that begin anew with each message. */
class History {
  #maxBytes: number;
  #bytes: Buffer = Buffer.alloc(0);

  constructor(windowBits: number) {
    this.#maxBytes = 1 << windowBits;
  }

  /** As an option of zlib. */
  get dictionary(): { dictionary?: Buffer } {
    return this.#bytes.length === 0 ? {} : { dictionary: this.#bytes };
  }

  add(data: Uint8Array): void {
    const all = Buffer.concat([this.#bytes, data]);
    this.#bytes = Buffer.from(all.subarray(Math.max(0, all.length - this.#maxBytes)));
  }

  clear(): void {
    this.#bytes = Buffer.alloc(0);
  }
}

/** Compresses by documented calls alone: slower, for runtimes whose zlib has no state that is written to at once. */
export class DocumentedDeflater implements Deflater {
  #options: { windowBits: number; level: number; memLevel: number };
  #history: History;

  constructor(windowBits: number, level: number, memLevel: number) {
    this.#options = { windowBits, level, memLevel };
    this.#history = new History(windowBits);
  }

  get #present(): ZlibOptions {
    return { ...this.#options, finishFlush: Z_SYNC_FLUSH, ...this.#history.dictionary };
  }

  deflate(data: Uint8Array, endsMessage = true): Uint8Array {
    return this.#made(data, deflateRawSync(data, this.#present), endsMessage);
  }

  async deflateLater(data: Uint8Array, endsMessage = true): Promise<Uint8Array | null> {
    return this.#made(data, await deflateRawLater(data, this.#present), endsMessage);
  }

  #made(data: Uint8Array, out: Buffer, endsMessage: boolean): Uint8Array {
    this.#history.add(data);
    return endsMessage ? out.subarray(0, out.length - TAIL.length) : out;
  }

  reset(): void {
    this.#history.clear();
  }

  close(): void {
    this.reset();
  }
}

/** Expands by documented calls alone: whole messages at once, parts of them only on threads. */
export class DocumentedInflater implements Inflater, Expander {
  #windowBits: number;
  #history: History;
  /** Expands the parts of the present message; null between messages. */
  #stream: InflateRaw | null = null;
  readonly used = 0;

  constructor(windowBits: number) {
    this.#windowBits = windowBits;
    this.#history = new History(windowBits);
  }

  inflate(data: Uint8Array, maxBytes: number, isLast = true): Buffer | InflateError {
    if (data.length === 0 && !(isLast && this.#stream !== null)) return Buffer.alloc(0);
    if (!isLast || this.#stream !== null) return InflateError.TooLong;
    const input = Buffer.concat([data, LAST]);
    const pieces: Buffer[] = [];
    let at = 0;
    let total = 0;
    try {
      // A block with BFINAL ends a deflate stream: what follows begins a new one.
      for (let options: ZlibOptions = this.#history.dictionary; at < data.length; options = {}) {
        const maxOutputLength = Math.max(maxBytes - total, 1);
        const { made, used } = inflateSome(input.subarray(at), {
          windowBits: this.#windowBits,
          maxOutputLength,
          ...options,
        });
        pieces.push(made);
        total += made.length;
        at += used;
        if (total > maxBytes) return InflateError.TooLong;
      }
      // It ends with the data, or with all that was put behind it.
      if (at > data.length && at < input.length) return InflateError.Data;
      const out = pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces);
      this.#history.add(out);
      return out;
    } catch (error) {
      const isTooLong = (error as { code?: unknown }).code === 'ERR_BUFFER_TOO_LARGE';
      return isTooLong ? InflateError.TooLong : InflateError.Data;
    }
  }

  takeMade(): Buffer {
    return Buffer.alloc(0);
  }

  /** What works on threads. */
  get stream(): InflateRaw {
    this.#stream ??= createInflateRaw({ windowBits: this.#windowBits, ...this.#history.dictionary });
    return this.#stream;
  }

  /** Begins a new deflate stream. */
  renew(): void {
    this.#stream?.close();
    this.#stream = createInflateRaw({ windowBits: this.#windowBits });
  }

  expandSome(): { made: Buffer; used: number } {
    return { made: Buffer.alloc(0), used: 0 };
  }

  async inflateLater(data: Uint8Array, isLast: boolean, take: TakeSlice): Promise<RunEnd> {
    if (data.length === 0 && this.#stream === null) return RunEnd.Done;
    const end = await expand(this, data, isLast, (slice) => {
      this.#history.add(slice);
      return take(slice);
    });
    if (isLast || end !== RunEnd.Done) this.#giveUp();
    return end;
  }

  #giveUp(): void {
    this.#stream?.close();
    this.#stream = null;
  }

  reset(): void {
    this.#giveUp();
    this.#history.clear();
  }

  close(): void {
    this.reset();
  }
}
