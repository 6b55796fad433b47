import { SendSlabPool, SlabPool } from './slab-pool.ts';

/** Size of the one buffer that every small read of the process lands in. */
export const READ_BUFFER_BYTES = 256 * 1024;
/** A read of at least this size gives its connection a window of its own for the next reads. */
export const WINDOW_ENTER_BYTES = 8 * 1024;
/** A read of less than this size sends its connection back to the shared buffer. */
export const WINDOW_LEAVE_BYTES = 4 * 1024;
const SMALL_WINDOW_BYTES = 64 * 1024;
const LARGE_WINDOW_BYTES = 256 * 1024;
/** A read of at least this size gets a large window next. */
const LARGE_READ_BYTES = 32 * 1024;
/** Most bytes in windows, for the whole process. Connections beyond that are read through the shared buffer. */
const MAX_WINDOW_BYTES = 32 * 1024 * 1024;

/**
 * Where the reads of one busy connection land: what a read filled is handed to the listener without a copy, the next read
 * gets what is behind it.
 *
 * ```
 *   |## read 1 ##|#### read 2 ####|... next read ........|
 *                                  ^ rest
 * ```
 */
export interface ReadWindow {
  /** What is left of the memory; a read lands at its front. */
  rest: Buffer;
  /** Size of the memory when it was new. */
  size: number;
}

/**
 * Memory that reads land in, shared by all components of the process.
 *
 * Small reads land in one shared buffer and are copied out of it, so that an idle connection owns no read buffer. A copy
 * of 16 KiB or more costs more than all of our other work on it, so a connection that reads much gets a window of its own.
 * (64 KiB echo, 4 in flight, CPU per message relative to bare node:net: copied 1.05, own 64 KiB buffers 0.88, own 256 KiB
 * windows 0.68.)
 */
export class ReadMemory {
  readonly shared: Buffer = Buffer.allocUnsafeSlow(READ_BUFFER_BYTES);
  #windowCount = 0;
  #windowBytes = 0;
  #view: Buffer = this.shared;

  /** Connections that have windows of their own. */
  get windowCount(): number {
    return this.#windowCount;
  }

  /** The first `length` bytes of the shared buffer. Messages of one size come in rows, so the last view often fits. */
  view(length: number): Buffer {
    if (this.#view.length !== length) this.#view = this.shared.subarray(0, length);
    return this.#view;
  }

  /** A window for a connection whose last read had `length` bytes; null when there are enough. */
  open(length: number): ReadWindow | null {
    const size = length >= LARGE_READ_BYTES ? LARGE_WINDOW_BYTES : SMALL_WINDOW_BYTES;
    if (this.#windowBytes + size > MAX_WINDOW_BYTES) return null;
    this.#windowCount++;
    this.#windowBytes += size;
    return { rest: Buffer.allocUnsafeSlow(size), size };
  }

  /** Moves `window` past the `filled` bytes of a read, to new memory if what is left would cut the next one short. */
  advance(window: ReadWindow, filled: number): void {
    const isCramped = window.rest.length - filled < Math.max(2 * filled, window.size >> 2);
    if (!isCramped) {
      window.rest = window.rest.subarray(filled);
      return;
    }
    const mayGrow =
      filled >= LARGE_READ_BYTES && this.#windowBytes + LARGE_WINDOW_BYTES - window.size <= MAX_WINDOW_BYTES;
    const size = mayGrow ? LARGE_WINDOW_BYTES : window.size;
    this.#windowBytes += size - window.size;
    window.size = size;
    window.rest = Buffer.allocUnsafeSlow(size);
  }

  /** A connection gives its window up. */
  close(window: ReadWindow): void {
    this.#windowCount--;
    this.#windowBytes -= window.size;
  }
}

interface SharedMemory {
  read: ReadMemory;
  /** Copies of received bytes. */
  slabs: SlabPool;
  /** Copies of small sends. */
  sendSlabs: SendSlabPool;
}

let shared: SharedMemory | undefined;

/** The memory that all components of this process share. */
export function sharedMemory(): SharedMemory {
  shared ??= { read: new ReadMemory(), slabs: new SlabPool(), sendSlabs: new SendSlabPool() };
  return shared;
}

let keptSendSlabs: SendSlabPool | undefined;

/** A pool of send slabs that are never used again, for listeners with `onSend`, which may keep what they see. */
export function keptSendSlabPool(): SendSlabPool {
  if (keptSendSlabs === undefined) {
    keptSendSlabs = new SendSlabPool();
    keptSendSlabs.keepBytes();
  }
  return keptSendSlabs;
}
