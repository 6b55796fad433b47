import { promisify } from 'node:util';
import {
  constants,
  createDeflateRaw,
  createInflateRaw,
  type DeflateRaw,
  deflateRaw,
  deflateRawSync,
  type InflateRaw,
  inflateRaw,
  inflateRawSync,
  type ZlibOptions,
} from 'node:zlib';

const deflateRawLater = promisify<Uint8Array, ZlibOptions, Buffer>(deflateRaw);
const inflateRawLater = promisify<Uint8Array, ZlibOptions, Buffer>(inflateRaw);

/** What a message compressed by a sync flush ends with, and what is left out on the wire (RFC 7692, 7.2.1). */
export const TAIL: Buffer = Buffer.from([0x00, 0x00, 0xff, 0xff]);

/** Why a message cannot be inflated. */
export const InflateError = Object.freeze({ Data: 1, TooLong: 2 } as const);
export type InflateError = (typeof InflateError)[keyof typeof InflateError];

/** Compresses messages of one sender, each of them a unit (RFC 7692, 7.2.1). */
export interface Deflater {
  /** The compressed message without its tail. Its bytes are the caller's own, or, up to 4096, valid until the next call. */
  deflate(data: Uint8Array): Uint8Array;
  /** The same on a thread of Node's pool, the caller's own; null if it was closed meanwhile. One at a time, and nothing else meanwhile. */
  deflateLater(data: Uint8Array): Promise<Uint8Array | null>;
  /** Forgets the messages before. */
  reset(): void;
  close(): void;
}

/** Expands messages of one sender. */
export interface Inflater {
  /** The message, the caller's own, or why there is none. No more than `maxBytes` are ever made of it. */
  inflate(data: Uint8Array, maxBytes: number): Buffer | InflateError;
  /** The same on a thread of Node's pool; null if it was closed meanwhile. One at a time, and nothing else meanwhile. */
  inflateLater(data: Uint8Array, maxBytes: number): Promise<Buffer | InflateError | null>;
  /** Forgets the messages before. */
  reset(): void;
  close(): void;
}

/** The part of Node's zlib streams that works at once and keeps its state: not documented, the same since Node 8. */
interface Handle {
  writeSync(
    flush: number,
    input: Uint8Array,
    inputAt: number,
    inputLength: number,
    output: Uint8Array,
    outputAt: number,
    outputLength: number,
  ): void;
  reset(): void;
  onerror: (message: string, errno: number, code: string) => void;
}

interface Internals {
  _handle: Handle;
  /** Free output and unused input after a write. */
  _writeState: Uint32Array;
}

/** Output is made in pieces of this size, in memory that all engines share: everything here happens at once. */
const CHUNK_BYTES = 64 * 1024;
const chunk = Buffer.allocUnsafeSlow(CHUNK_BYTES);
/** Compressed messages up to this length are handed out where they were made: they are copied anyway. */
const BORROW_BYTES = 4096;
const { Z_SYNC_FLUSH } = constants;

class NativeDeflater implements Deflater {
  #stream: DeflateRaw;
  #handle: Handle;
  #state: Uint32Array;

  constructor(windowBits: number, level: number, memLevel: number) {
    this.#stream = createDeflateRaw({ windowBits, level, memLevel });
    const internals = this.#stream as unknown as Internals;
    this.#handle = internals._handle;
    this.#state = internals._writeState;
  }

  deflate(data: Uint8Array): Uint8Array {
    const { length } = data;
    const state = this.#state;
    let at = 0;
    let pieces: Buffer[] | null = null;
    for (;;) {
      this.#handle.writeSync(Z_SYNC_FLUSH, data, at, length - at, chunk, 0, CHUNK_BYTES);
      const made = CHUNK_BYTES - state[0]!;
      at = length - state[1]!;
      if (state[0]! > 0) {
        if (pieces === null) {
          const view = chunk.subarray(0, made - TAIL.length);
          return made <= BORROW_BYTES ? view : Buffer.from(view);
        }
        pieces.push(Buffer.from(chunk.subarray(0, made)));
        const all = Buffer.concat(pieces);
        return all.subarray(0, all.length - TAIL.length);
      }
      pieces ??= [];
      pieces.push(Buffer.from(chunk));
    }
  }

  async deflateLater(data: Uint8Array): Promise<Uint8Array | null> {
    const pieces: Buffer[] = [];
    const end = await runStream(this.#stream, data, (piece) => pieces.push(piece) > 0);
    if (end !== StreamEnd.Flushed) return null;
    const all = Buffer.concat(pieces);
    return all.subarray(0, all.length - TAIL.length);
  }

  reset(): void {
    this.#handle.reset();
  }

  close(): void {
    this.#stream.close();
  }
}

/** How a run of a stream ended. */
const StreamEnd = { Flushed: 0, Ended: 1, Failed: 2, Closed: 3 } as const;
type StreamEnd = (typeof StreamEnd)[keyof typeof StreamEnd];

/**
 * Lets a zlib stream work on `data` on a thread of the pool, and flush. `take` gets what it makes; false from it ends the run as
 * failed.
 */
function runStream(
  stream: DeflateRaw | InflateRaw,
  data: Uint8Array,
  take: (piece: Buffer) => boolean,
): Promise<StreamEnd> {
  return new Promise((resolve) => {
    if (stream.destroyed) return resolve(StreamEnd.Closed);
    const settle = (end: StreamEnd): void => {
      stream.off('data', onData).off('end', onEnd).off('error', onError).off('close', onClose);
      // What it still makes goes nowhere.
      if (end === StreamEnd.Failed) stream.on('data', ignore).on('error', ignore);
      resolve(end);
    };
    const onData = (piece: Buffer): void => {
      if (!take(piece)) settle(StreamEnd.Failed);
    };
    const onEnd = (): void => settle(StreamEnd.Ended);
    const onError = (): void => settle(StreamEnd.Failed);
    const onClose = (): void => settle(StreamEnd.Closed);
    stream.on('data', onData).on('end', onEnd).on('error', onError).on('close', onClose);
    stream.write(data);
    stream.flush(Z_SYNC_FLUSH, () => settle(StreamEnd.Flushed));
  });
}

function ignore(): void {}

class NativeInflater implements Inflater {
  readonly #windowBits: number;
  #stream!: InflateRaw;
  #handle!: Handle;
  #state!: Uint32Array;
  /** Whether the stream works on a thread. */
  #isRunning = false;
  #hasFailed = false;
  #pieces: Buffer[] = [];
  #total = 0;

  constructor(windowBits: number) {
    this.#windowBits = windowBits;
    this.#begin();
  }

  #begin(): void {
    this.#stream = createInflateRaw({ windowBits: this.#windowBits });
    const internals = this.#stream as unknown as Internals;
    this.#handle = internals._handle;
    this.#state = internals._writeState;
    const { onerror } = this.#handle;
    this.#handle.onerror = (message, errno, code) => {
      this.#hasFailed = true;
      if (this.#isRunning) onerror.call(this.#handle, message, errno, code);
    };
  }

  async inflateLater(data: Uint8Array, maxBytes: number): Promise<Buffer | InflateError | null> {
    const pieces: Buffer[] = [];
    let total = 0;
    const take = (piece: Buffer): boolean => {
      total += piece.length;
      pieces.push(piece);
      return total <= maxBytes;
    };
    this.#isRunning = true;
    try {
      for (let rest = data; rest.length > 0; ) {
        const before = this.#stream.bytesWritten;
        const end = await runStream(this.#stream, rest, take);
        if (end === StreamEnd.Closed) return null;
        if (end === StreamEnd.Failed) return total > maxBytes ? InflateError.TooLong : InflateError.Data;
        if (end === StreamEnd.Flushed) break;
        // A block with BFINAL ended the deflate stream: what follows begins a new one, as `inflate` has it.
        const used = this.#stream.bytesWritten - before;
        this.#renew();
        if (used === 0) return InflateError.Data;
        rest = rest.subarray(used);
      }
      const end = await runStream(this.#stream, TAIL, take);
      if (end === StreamEnd.Closed) return null;
      if (end === StreamEnd.Failed) return total > maxBytes ? InflateError.TooLong : InflateError.Data;
      if (end === StreamEnd.Ended) this.#renew();
      return Buffer.concat(pieces, total);
    } finally {
      this.#isRunning = false;
    }
  }

  #renew(): void {
    this.#stream.close();
    this.#begin();
  }

  inflate(data: Uint8Array, maxBytes: number): Buffer | InflateError {
    // Nothing at all is no deflate block; it can only mean nothing at all.
    if (data.length === 0) return Buffer.alloc(0);
    this.#total = 0;
    let left = this.#write(data, 0, maxBytes);
    // Input that is left over after the end of a deflate stream: blocks with BFINAL are allowed (RFC 7692, 7.2.3.4 and WSS-013).
    for (
      let at = data.length - left;
      left > 0 && !this.#hasFailed && this.#total <= maxBytes;
      at = data.length - left
    ) {
      this.#handle.reset();
      const before = left;
      left = this.#write(data, at, maxBytes);
      if (left === before) break;
    }
    if (left === 0 && !this.#hasFailed && this.#total <= maxBytes) {
      // The stream ended with the last byte of the message: the tail belongs to no block, and the next message begins anew.
      if (this.#write(TAIL, 0, maxBytes) > 0) this.#handle.reset();
    } else {
      this.#hasFailed = true;
    }
    const pieces = this.#pieces;
    this.#pieces = [];
    if (this.#total > maxBytes) return InflateError.TooLong;
    if (this.#hasFailed) return InflateError.Data;
    return pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces, this.#total);
  }

  /** Expands `data[at..]`. Returns how many bytes of it were not used, because the deflate stream ended. */
  #write(data: Uint8Array, at: number, maxBytes: number): number {
    const state = this.#state;
    const { length } = data;
    let from = at;
    for (;;) {
      // One byte more than allowed shows that there is more.
      const room = Math.min(CHUNK_BYTES, maxBytes - this.#total + 1);
      this.#handle.writeSync(Z_SYNC_FLUSH, data, from, length - from, chunk, 0, room);
      if (this.#hasFailed) return 0;
      const made = room - state[0]!;
      from = length - state[1]!;
      if (made > 0) {
        this.#total += made;
        if (this.#total > maxBytes) return 0;
        this.#pieces.push(Buffer.from(chunk.subarray(0, made)));
      }
      if (state[0]! > 0) return state[1]!;
    }
  }

  reset(): void {
    this.#hasFailed = false;
    this.#handle.reset();
  }

  close(): void {
    this.#stream.close();
  }
}

/** A window of the last bytes, for engines that begin anew with each message. */
class History {
  #maxBytes: number;
  #bytes: Buffer = Buffer.alloc(0);

  constructor(windowBits: number) {
    this.#maxBytes = 1 << windowBits;
  }

  get dictionary(): Buffer | undefined {
    return this.#bytes.length === 0 ? undefined : this.#bytes;
  }

  add(data: Uint8Array): void {
    const all = Buffer.concat([this.#bytes, data]);
    this.#bytes = Buffer.from(all.subarray(Math.max(0, all.length - this.#maxBytes)));
  }

  clear(): void {
    this.#bytes = Buffer.alloc(0);
  }
}

/** The same by documented calls alone: slower, for runtimes whose zlib has no state that is written to at once. */
class DocumentedDeflater implements Deflater {
  #options: { windowBits: number; level: number; memLevel: number };
  #history: History;

  constructor(windowBits: number, level: number, memLevel: number) {
    this.#options = { windowBits, level, memLevel };
    this.#history = new History(windowBits);
  }

  deflate(data: Uint8Array): Uint8Array {
    const { dictionary } = this.#history;
    const options = {
      ...this.#options,
      finishFlush: Z_SYNC_FLUSH,
      ...(dictionary === undefined ? {} : { dictionary }),
    };
    const out = deflateRawSync(data, options);
    this.#history.add(data);
    return out.subarray(0, out.length - TAIL.length);
  }

  async deflateLater(data: Uint8Array): Promise<Uint8Array | null> {
    const { dictionary } = this.#history;
    const options = {
      ...this.#options,
      finishFlush: Z_SYNC_FLUSH,
      ...(dictionary === undefined ? {} : { dictionary }),
    };
    const out = await deflateRawLater(data, options);
    this.#history.add(data);
    return out.subarray(0, out.length - TAIL.length);
  }

  reset(): void {
    this.#history.clear();
  }

  close(): void {
    this.reset();
  }
}

class DocumentedInflater implements Inflater {
  #windowBits: number;
  #history: History;

  constructor(windowBits: number) {
    this.#windowBits = windowBits;
    this.#history = new History(windowBits);
  }

  inflate(data: Uint8Array, maxBytes: number): Buffer | InflateError {
    if (data.length === 0) return Buffer.alloc(0);
    try {
      return this.#inflated(inflateRawSync(Buffer.concat([data, TAIL]), this.#options(maxBytes)), maxBytes);
    } catch (error) {
      return whyNotInflated(error);
    }
  }

  async inflateLater(data: Uint8Array, maxBytes: number): Promise<Buffer | InflateError | null> {
    if (data.length === 0) return Buffer.alloc(0);
    try {
      return this.#inflated(await inflateRawLater(Buffer.concat([data, TAIL]), this.#options(maxBytes)), maxBytes);
    } catch (error) {
      return whyNotInflated(error);
    }
  }

  #options(maxBytes: number): ZlibOptions {
    const { dictionary } = this.#history;
    return {
      windowBits: this.#windowBits,
      finishFlush: Z_SYNC_FLUSH,
      maxOutputLength: Math.max(maxBytes, 1),
      ...(dictionary === undefined ? {} : { dictionary }),
    };
  }

  /** What came out: part of the history from now on, unless it is too much. */
  #inflated(out: Buffer, maxBytes: number): Buffer | InflateError {
    if (out.length > maxBytes) return InflateError.TooLong;
    this.#history.add(out);
    return out;
  }

  reset(): void {
    this.#history.clear();
  }

  close(): void {
    this.reset();
  }
}

let nativeWorks: boolean | null = null;

/** Whether the undocumented calls are there and right: they are believed only after they have carried bytes. */
export function hasNativeEngines(): boolean {
  nativeWorks ??= process.env.HP_SOCKET_FAST_PATH !== 'off' && probe();
  return nativeWorks;
}

function probe(): boolean {
  const messages = ['first message', 'first message, again', 'x'.repeat(100_000)].map((text) => Buffer.from(text));
  try {
    const deflater = new NativeDeflater(15, 6, 8);
    const inflater = new NativeInflater(15);
    const isRight = messages.every((message) => {
      const back = inflater.inflate(Buffer.from(deflater.deflate(message)), 1 << 20);
      return Buffer.isBuffer(back) && back.equals(message);
    });
    const refuses = inflater.inflate(Buffer.from([0xff, 0xff]), 100) === InflateError.Data;
    deflater.close();
    inflater.close();
    return isRight && refuses;
  } catch {
    return false;
  }
}

/** zlib has no raw deflate with a window of 256 bytes (bits 8): it makes one of 512 of it, which the peer need not understand. */
export const MIN_DEFLATE_BITS = 9;

/** @param windowBits 9 to 15. @param level 0 to 9, -1 for zlib's own. @param memLevel 1 to 9. */
export function createDeflater(windowBits: number, level: number, memLevel: number): Deflater {
  return hasNativeEngines()
    ? new NativeDeflater(windowBits, level, memLevel)
    : new DocumentedDeflater(windowBits, level, memLevel);
}

/** @param windowBits 8 to 15. */
export function createInflater(windowBits: number): Inflater {
  return hasNativeEngines() ? new NativeInflater(windowBits) : new DocumentedInflater(windowBits);
}

/** For tests: both kinds of engines. */
export const engines = {
  native: {
    deflater: (bits: number): Deflater => new NativeDeflater(bits, 6, 8),
    inflater: (bits: number): Inflater => new NativeInflater(bits),
  },
  documented: {
    deflater: (bits: number): Deflater => new DocumentedDeflater(bits, 6, 8),
    inflater: (bits: number): Inflater => new DocumentedInflater(bits),
  },
};

function whyNotInflated(error: unknown): InflateError {
  return (error as { code?: unknown }).code === 'ERR_BUFFER_TOO_LARGE' ? InflateError.TooLong : InflateError.Data;
}
