import { SendSlabPool, SlabPool } from './slab-pool.ts';

/** Size of the one buffer that every small read of the process lands in. */
export const READ_BUFFER_BYTES = 256 * 1024;
/** A read of at least this size gives its connection a window of its own for the next reads. */
export const WINDOW_ENTER_BYTES = 32 * 1024;
/** A read of less than this size sends its connection back to the shared buffer. */
export const WINDOW_LEAVE_BYTES = 8 * 1024;
/** Least room of a window; behind it, a new slab is begun. */
const WINDOW_LEAST_BYTES = 128 * 1024;
/** Most connections of the process with a window of their own, which is up to 16 MiB. */
const MAX_WINDOWS = 64;

/**
 * Memory that reads land in, shared by all components of the process.
 *
 * Small reads land in one shared buffer and are copied out of it, so that an idle connection owns no read buffer. A copy
 * of 64 KiB costs more than everything else about it, so a connection that reads much gets windows of its own, which are
 * handed to the listener without a copy. (64 KiB echo, 4 in flight, CPU per message relative to bare node:net: copied
 * 1.05, own 64 KiB buffers 0.88, own 256 KiB windows 0.68.)
 */
export class ReadMemory {
  readonly shared: Buffer = Buffer.allocUnsafeSlow(READ_BUFFER_BYTES);
  #windows = 0;
  #view: Buffer = this.shared;

  /** Connections that have windows of their own. */
  get windowCount(): number {
    return this.#windows;
  }

  /** The first `length` bytes of the shared buffer. Messages of one size come in rows, so the last view often fits. */
  view(length: number): Buffer {
    if (this.#view.length !== length) this.#view = this.shared.subarray(0, length);
    return this.#view;
  }

  /** A window for a connection that has none; null when there are enough. */
  open(): Buffer | null {
    if (this.#windows >= MAX_WINDOWS) return null;
    this.#windows++;
    return Buffer.allocUnsafeSlow(READ_BUFFER_BYTES);
  }

  /** The window for the read after one that filled `filled` bytes of `window`. */
  next(window: Buffer, filled: number): Buffer {
    const rest = window.length - filled;
    return rest >= WINDOW_LEAST_BYTES ? window.subarray(filled) : Buffer.allocUnsafeSlow(READ_BUFFER_BYTES);
  }

  /** A connection gave its window up. */
  close(): void {
    this.#windows--;
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
