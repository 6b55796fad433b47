import { keepFreedMemory } from '../memory/read-memory.ts';
import type { SlabPool } from '../memory/slab-pool.ts';
import { Utf8Validator } from './utf8.ts';

/** Memory for a payload is first asked for in this size, if more than that was announced. */
const FIRST_BYTES = 4096;
/** How many times the bytes that came, memory may be asked for ahead of those that were announced. */
const GROWTH = 4;
/** Memory of so many bytes and more is worth to be kept by the allocator when it is free. */
const LARGE_BYTES = 16 * 1024;

/**
 * A message that is not complete: all its fragments in one piece of memory, which grows as bytes arrive. 131,000 fragments of
 * one byte take 131,000 bytes; a length that was only announced takes at most four times what has come of it.
 */
export class MessageAssembly {
  readonly isBinary: boolean;
  readonly isCompressed: boolean;
  /** Checks the text; null if there is none, or it is compressed. */
  readonly text: Utf8Validator | null;
  fragmentCount = 0;
  /** Whether it is handed on as it arrives. */
  isStreamed = false;
  /** Bytes that were handed on. */
  streamedBytes = 0;
  /** `bytes[0, length)` is there. */
  bytes: Buffer = EMPTY;
  length = 0;

  readonly #pool: SlabPool;

  constructor(pool: SlabPool, isBinary: boolean, isCompressed: boolean) {
    this.#pool = pool;
    this.isBinary = isBinary;
    this.isCompressed = isCompressed;
    this.text = isBinary || isCompressed ? null : new Utf8Validator();
  }

  /** Memory that it holds. */
  get capacity(): number {
    return this.bytes.length;
  }

  /** Bytes that it may have on the wire beyond `maxBytes`: deflate makes some more of what it cannot compress, fragment by fragment. */
  allowance(maxBytes: number): number {
    return this.isCompressed ? Math.ceil(maxBytes / 1024) + 16 * (this.fragmentCount + 1) : 0;
  }

  /**
   * Makes room for the next `count` bytes, the first of `announced` that the current frame has still to bring. Returns the offset at
   * which they are to be written to `bytes`.
   * @param isLast Whether nothing is known to follow the current frame.
   */
  extend(count: number, announced: number, maxBytes: number, isLast = false): number {
    const at = this.length;
    const length = at + count;
    if (length > this.bytes.length) this.#grow(length, at + announced, maxBytes, isLast);
    this.length = length;
    return at;
  }

  #grow(needed: number, announced: number, maxBytes: number, isLast: boolean): void {
    const wanted = isLast ? announced : Math.max(announced, needed * 2);
    if (wanted >= LARGE_BYTES) keepFreedMemory();
    const bytes = Math.min(wanted, Math.max(needed * GROWTH, FIRST_BYTES), maxBytes);
    const grown = this.#pool.allocate(Math.max(bytes, needed));
    grown.set(this.bytes.subarray(0, this.length));
    this.bytes = grown;
  }

  /** What it holds of a streamed message, the caller's own; null if it is nothing. */
  takePiece(): Buffer | null {
    if (this.length === 0) return null;
    const piece = this.take();
    this.streamedBytes += piece.length;
    this.bytes = EMPTY;
    this.length = 0;
    return piece;
  }

  /** The message. Memory that it does not fill by half is not kept alive by it. */
  take(): Buffer {
    const { bytes, length } = this;
    if (length === bytes.length) return bytes;
    const view = bytes.subarray(0, length);
    return length < bytes.length >> 1 ? Buffer.from(view) : view;
  }
}

const EMPTY = Buffer.alloc(0);
