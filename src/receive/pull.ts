import { FetchResult } from '../core/enums.ts';
import { Errno } from '../core/errno.ts';
import type { ReceiveContext, ReceiveLayer, ReceiveSink } from './receive-layer.ts';

/** What pull connections of one component share. */
export interface PullContext extends ReceiveContext {
  /** Most bytes that may wait to be fetched; 0 for no limit. */
  readonly maxBufferedBytes: number;
  /** Called when that struck. */
  exceeded(): void;
}

/**
 * Pull: received bytes are held until the user fetches them; `onReceive` tells their total (EV-S-05, PULL-S-001).
 *
 * ```
 *   chunks   [ fetched | held........ ][ held.... ][ held ]
 *                      ^ head
 * ```
 *
 * `fetch` is all or nothing. A piece that lies within one chunk is handed out without a copy; a chunk is never written
 * again, so that is the receiver's own.
 */
export class PullLayer implements ReceiveLayer {
  #context: PullContext;
  #sink: ReceiveSink;
  #chunks: Buffer[] = [];
  /** Index of the first chunk that holds anything. */
  #first = 0;
  /** Offset of the first held byte in that chunk. */
  #head = 0;
  #total = 0;

  constructor(context: PullContext, sink: ReceiveSink) {
    this.#context = context;
    this.#sink = sink;
  }

  /** Pull layers keep nothing back: bytes that wait are fetched, not delivered. */
  get hasBacklog(): boolean {
    return false;
  }

  get bufferedBytes(): number {
    return this.#total;
  }

  receive(bytes: Buffer, isBorrowed: boolean): void {
    this.#chunks.push(isBorrowed ? this.#context.pool.copy(bytes, 0, bytes.length) : bytes);
    this.#total += bytes.length;
    this.#sink.deliver(this.#total);
    const { maxBufferedBytes } = this.#context;
    if (maxBufferedBytes > 0 && this.#total > maxBufferedBytes) {
      this.#context.exceeded();
      const message = `${this.#total} bytes wait to be fetched, allowed are ${maxBufferedBytes} (maxPullBufferBytes); fetch them, or pause receiving`;
      this.#sink.violate(Errno.ENOBUFS, message);
    }
  }

  resume(): void {}

  takeRest(): Buffer | null {
    if (this.#total === 0) return null;
    const rest = this.#read(this.#total) as Buffer;
    this.#consume(this.#total);
    return rest;
  }

  /** Takes `length` bytes: a Buffer of just that length, or why not. */
  fetch(length: number): Buffer | FetchResult {
    const found = this.#read(length);
    if (found instanceof Buffer) this.#consume(length);
    return found;
  }

  /** As `fetch`, and leaves the bytes where they are. */
  peek(length: number): Buffer | FetchResult {
    return this.#read(length);
  }

  #read(length: number): Buffer | FetchResult {
    if (length > this.#total) return FetchResult.LengthTooLong;
    const chunk = this.#chunks[this.#first]!;
    const end = this.#head + length;
    if (end <= chunk.length) return length === chunk.length ? chunk : chunk.subarray(this.#head, end);
    const joined = Buffer.allocUnsafe(length);
    let at = chunk.copy(joined, 0, this.#head);
    for (let i = this.#first + 1; at < length; i++) at += this.#chunks[i]!.copy(joined, at, 0, length - at);
    return joined;
  }

  #consume(length: number): void {
    this.#total -= length;
    if (this.#total === 0) {
      this.#chunks.length = 0;
      this.#first = 0;
      this.#head = 0;
      return;
    }
    this.#head += length;
    let chunk = this.#chunks[this.#first]!;
    while (this.#head >= chunk.length) {
      this.#head -= chunk.length;
      this.#first++;
      chunk = this.#chunks[this.#first]!;
    }
    if (this.#first > 64 && this.#first * 2 > this.#chunks.length) {
      this.#chunks.splice(0, this.#first);
      this.#first = 0;
    }
  }
}
