import { constants, createDeflateRaw, createInflateRaw, type DeflateRaw, type InflateRaw } from 'node:zlib';
import { type Deflater, END, InflateError, type Inflater, RunEnd, TAIL, type TakeSlice } from './zlib-engine.ts';
import { type Expander, expand, runStream } from './zlib-run.ts';

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
/** Most bytes that are expanded at once when a deflate stream ended inside a message, and what they make. */
const SOME_BYTES = 4096;
const SOME_MADE_BYTES = 64 * 1024;
/** Compressed messages up to this length are handed out where they were made: they are copied anyway. */
const BORROW_BYTES = 4096;
const { Z_SYNC_FLUSH } = constants;

/** Compresses by calls that Node does not document: at once, and with the window kept from message to message. */
export class NativeDeflater implements Deflater {
  #stream: DeflateRaw;
  #handle: Handle;
  #state: Uint32Array;

  constructor(windowBits: number, level: number, memLevel: number) {
    this.#stream = createDeflateRaw({ windowBits, level, memLevel });
    const internals = this.#stream as unknown as Internals;
    this.#handle = internals._handle;
    this.#state = internals._writeState;
  }

  deflate(data: Uint8Array, endsMessage = true): Uint8Array {
    const { length } = data;
    const state = this.#state;
    const cut = endsMessage ? TAIL.length : 0;
    let at = 0;
    let pieces: Buffer[] | null = null;
    for (;;) {
      this.#handle.writeSync(Z_SYNC_FLUSH, data, at, length - at, chunk, 0, CHUNK_BYTES);
      const made = CHUNK_BYTES - state[0]!;
      at = length - state[1]!;
      if (state[0]! > 0) {
        if (pieces === null) {
          const view = chunk.subarray(0, made - cut);
          return made <= BORROW_BYTES ? view : Buffer.from(view);
        }
        pieces.push(Buffer.from(chunk.subarray(0, made)));
        const all = Buffer.concat(pieces);
        return all.subarray(0, all.length - cut);
      }
      pieces ??= [];
      pieces.push(Buffer.from(chunk));
    }
  }

  async deflateLater(data: Uint8Array, endsMessage = true): Promise<Uint8Array | null> {
    const pieces: Buffer[] = [];
    const end = await runStream(this.#stream, data, (piece) => pieces.push(piece) > 0);
    if (end !== RunEnd.Done) return null;
    const all = Buffer.concat(pieces);
    return endsMessage ? all.subarray(0, all.length - TAIL.length) : all;
  }

  reset(): void {
    this.#handle.reset();
  }

  close(): void {
    this.#stream.close();
  }
}

/** Expands by calls that Node does not document. */
export class NativeInflater implements Inflater, Expander {
  readonly #windowBits: number;
  /** What works on threads. */
  stream!: InflateRaw;
  #handle!: Handle;
  #state!: Uint32Array;
  /** Whether the stream works on a thread. */
  #isRunning = false;
  #hasFailed = false;
  /** Whether a part of the present message was expanded. */
  #hasBegun = false;
  #pieces: Buffer[] = [];
  #total = 0;
  used = 0;

  constructor(windowBits: number) {
    this.#windowBits = windowBits;
    this.#begin();
  }

  #begin(): void {
    this.stream = createInflateRaw({ windowBits: this.#windowBits });
    const internals = this.stream as unknown as Internals;
    this.#handle = internals._handle;
    this.#state = internals._writeState;
    const { onerror } = this.#handle;
    this.#handle.onerror = (message, errno, code) => {
      this.#hasFailed = true;
      if (this.#isRunning) onerror.call(this.#handle, message, errno, code);
    };
  }

  /** Begins a new deflate stream. */
  renew(): void {
    this.stream.close();
    this.#begin();
  }

  expandSome(data: Uint8Array): { made: Buffer; used: number } | null {
    const some = data.subarray(0, SOME_BYTES);
    this.#isRunning = false;
    const made = this.inflate(some, SOME_MADE_BYTES, false);
    this.#isRunning = true;
    if (made === InflateError.Data) return null;
    return made === InflateError.TooLong ? { made: this.takeMade(), used: this.used } : { made, used: some.length };
  }

  async inflateLater(data: Uint8Array, isLast: boolean, take: TakeSlice): Promise<RunEnd> {
    if (data.length === 0 && !this.#hasBegun) return RunEnd.Done;
    this.#isRunning = true;
    const end = await expand(this, data, isLast, take);
    this.#isRunning = false;
    this.#hasBegun = !isLast;
    return end;
  }

  inflate(data: Uint8Array, maxBytes: number, isLast = true): Buffer | InflateError {
    // Nothing at all is no deflate block; it can only mean nothing at all.
    if (data.length === 0 && !(isLast && this.#hasBegun)) return Buffer.alloc(0);
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
    this.#hasBegun = !isLast || this.#total > maxBytes;
    if (this.#total > maxBytes) return InflateError.TooLong;
    if (left > 0) this.#hasFailed = true;
    else if (!this.#hasFailed && isLast) this.#writeEnd(maxBytes);
    const pieces = this.#pieces;
    this.#pieces = [];
    if (this.#hasFailed) return InflateError.Data;
    return pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces, this.#total);
  }

  #writeEnd(maxBytes: number): void {
    const total = this.#total;
    const left = this.#write(END, 0, maxBytes);
    // Whole blocks are expanded without it: of data that was cut off inside one it makes some more, or an end.
    if (this.#total > total || (left > 0 && left < END.length)) this.#hasFailed = true;
    // The stream ended with the last byte of the message: the tail belongs to no block, and the next message begins anew.
    else if (left > 0) this.#handle.reset();
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
        this.#pieces.push(Buffer.from(chunk.subarray(0, made)));
        if (this.#total > maxBytes) {
          this.used = from;
          return 0;
        }
      }
      if (state[0]! > 0) return state[1]!;
    }
  }

  takeMade(): Buffer {
    const made = Buffer.concat(this.#pieces);
    this.#pieces = [];
    return made;
  }

  reset(): void {
    this.#hasFailed = false;
    this.#hasBegun = false;
    this.#pieces = [];
    this.#handle.reset();
  }

  close(): void {
    this.stream.close();
  }
}
