import { Errno } from '../core/errno.ts';
import { BufferView } from '../memory/buffer-view.ts';
import { copyBytes } from '../memory/slab-pool.ts';
import { ByteProtocol } from './byte-protocol.ts';
import { Lifetime, type Port, type ReceiveContext } from './protocol.ts';

/** What pull connections of one component share. */
export interface PullContext extends ReceiveContext {
  /** Most bytes that may wait to be fetched; 0 for no limit. */
  readonly maxBufferedBytes: number;
  /** Called when that struck. */
  exceeded(): void;
}

/** What is held of a read stays where the read landed if it has this size, and a fair share of that memory. */
const LARGE_BYTES = 4096;
/** Part of the memory that a read landed in below which it is no fair share: others' bytes would be kept along with it. */
const FAIR_SHARE = 1 / 16;
/** Sizes of the memory that small reads are gathered in: the next one has twice the size of the one before. */
const FIRST_TAIL_BYTES = 64;
const MAX_TAIL_BYTES = 64 * 1024;

/**
 * Pull: received bytes are held until the user fetches them; `onReceive` tells their total (EV-S-05, PULL-S-001).
 *
 * ```
 *   chunks   [ fetched | held........ ][ held.... ][ held ]
 *                      ^ head
 * ```
 *
 * `fetch` is all or nothing. A piece that lies within one chunk is handed out without a copy; a chunk is never written
 * again, so that is the receiver's own. `peek` copies, for what it shows will be fetched as well.
 *
 * What `onReceive` leaves of a small read is moved behind the chunk before it:
 *
 * ```
 *   tail     [ chunk of earlier reads | new ][ free...... ]
 *                                            ^ tailEnd
 * ```
 *
 * So a peer that sends byte by byte does not make us hold an object for each, and a few bytes that wait do not keep a
 * slab alive that they share with other connections.
 */
export class PullProtocol extends ByteProtocol {
  get deliversBytes(): boolean {
    return false;
  }

  #context: PullContext;
  #port: Pick<Port, 'deliver' | 'violate'>;
  #chunks: Buffer[] = [];
  /** Index of the first chunk that holds anything. */
  #first = 0;
  /** Offset of the first held byte in that chunk. */
  #head = 0;
  #total = 0;
  /** Where small reads are gathered; its last written byte may be the last of the last chunk. */
  #tail: Buffer | null = null;
  #tailEnd = 0;
  /** The chunk that was handed out of last, and where it lies in its memory. */
  #viewed: Buffer | null = null;
  #memory: ArrayBufferLike | null = null;
  #memoryAt = 0;

  constructor(context: PullContext, port: Pick<Port, 'deliver' | 'violate'>) {
    super();
    this.#context = context;
    this.#port = port;
  }

  /** Pull connections keep nothing back: bytes that wait are fetched, not delivered. */
  get hasBacklog(): boolean {
    return false;
  }

  get bufferedBytes(): number {
    return this.#total;
  }

  /** Chunks that hold what waits. */
  get chunkCount(): number {
    return this.#chunks.length - this.#first;
  }

  receive(bytes: Buffer, lifetime: Lifetime): void {
    this.#chunks.push(lifetime === Lifetime.Forever ? bytes : this.#context.pool.copy(bytes, 0, bytes.length));
    this.#total += bytes.length;
    this.#port.deliver(this.#total);
    if (this.#total > 0) this.#settle();
    const { maxBufferedBytes } = this.#context;
    if (maxBufferedBytes > 0 && this.#total > maxBufferedBytes) {
      this.#context.exceeded();
      const message = `${this.#total} bytes wait to be fetched, allowed are ${maxBufferedBytes} (maxPullBufferBytes); fetch them, or pause receiving`;
      this.#port.violate(Errno.ENOBUFS, message);
    }
  }

  resume(): void {}

  takeRest(): Buffer | null {
    if (this.#total === 0) return null;
    const rest = this.#read(this.#total, false);
    this.#consume(this.#total);
    return rest;
  }

  /** Takes `length` bytes: a Buffer of just that length, or null if fewer are held. */
  fetch(length: number): Buffer | null {
    const found = this.#read(length, false);
    if (found !== null) this.#consume(length);
    return found;
  }

  /** A copy of the next `length` bytes, which stay where they are; null if fewer are held. */
  peek(length: number): Buffer | null {
    return this.#read(length, true);
  }

  /** Moves what is held of the last read to the tail, if that is little. */
  #settle(): void {
    const index = this.#chunks.length - 1;
    const chunk = this.#chunks[index]!;
    const from = index === this.#first ? this.#head : 0;
    const length = chunk.length - from;
    if (length >= LARGE_BYTES && length >= chunk.buffer.byteLength * FAIR_SHARE) return;
    let tail = this.#tail;
    if (tail === null || this.#tailEnd + length > tail.length) {
      const size = tail === null ? FIRST_TAIL_BYTES : Math.min(tail.length * 2, MAX_TAIL_BYTES);
      tail = Buffer.allocUnsafe(Math.max(size, length));
      this.#tail = tail;
      this.#tailEnd = 0;
    }
    const at = this.#tailEnd;
    copyBytes(chunk, from, chunk.length, tail, at);
    this.#tailEnd = at + length;
    const before = index > this.#first ? this.#chunks[index - 1]! : chunk;
    const start = at - before.length;
    if (start >= 0 && before.buffer === tail.buffer && before.byteOffset === tail.byteOffset + start) {
      this.#chunks.pop();
      this.#chunks[index - 1] = tail.subarray(start, this.#tailEnd);
    } else {
      this.#chunks[index] = tail.subarray(at, this.#tailEnd);
      if (index === this.#first) this.#head = 0;
    }
  }

  #read(length: number, isCopied: boolean): Buffer | null {
    if (length > this.#total) return null;
    const chunk = this.#chunks[this.#first]!;
    const end = this.#head + length;
    if (end <= chunk.length && isCopied) return this.#context.pool.copy(chunk, this.#head, end);
    if (end <= chunk.length) return length === chunk.length ? chunk : this.#view(chunk, length);
    const joined = Buffer.allocUnsafe(length);
    let at = chunk.copy(joined, 0, this.#head);
    for (let i = this.#first + 1; at < length; i++) at += this.#chunks[i]!.copy(joined, at, 0, length - at);
    return joined;
  }

  /** The next `length` bytes of `chunk`, where they are. Records of one chunk come in rows, so its memory is remembered. */
  #view(chunk: Buffer, length: number): Buffer {
    if (this.#viewed !== chunk) {
      this.#viewed = chunk;
      this.#memory = chunk.buffer;
      this.#memoryAt = chunk.byteOffset;
    }
    return new BufferView(this.#memory!, this.#memoryAt + this.#head, length);
  }

  #consume(length: number): void {
    this.#total -= length;
    if (this.#total === 0) {
      this.#chunks.length = 0;
      this.#first = 0;
      this.#head = 0;
      this.#tail = null;
      this.#viewed = null;
      this.#memory = null;
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
