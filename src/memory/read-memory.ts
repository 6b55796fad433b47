import { youngCollector } from '../core/young-collector.ts';
import { BufferView } from './buffer-view.ts';
import { type AllocationWatch, SendSlabPool, SlabPool } from './slab-pool.ts';

/** Size of the one buffer that every small read of the process lands in. */
export const READ_BUFFER_BYTES = 256 * 1024;
/** A read of at least this size gives its connection a window of its own for the next reads. */
export const WINDOW_ENTER_BYTES = 8 * 1024;
/** A read of less than this size sends its connection back to the shared buffer. */
export const WINDOW_LEAVE_BYTES = 2 * 1024;
/** A window has room for this many bytes at least, or it is replaced. */
const MIN_ROOM_BYTES = 16 * 1024;
/** Most windows of the process, which is 32 MiB. Connections beyond that are read through the shared buffer. */
const MAX_WINDOWS = 128;

/**
 * Where the reads of one busy connection land: what a read filled is handed to the listener without a copy, the next read
 * gets what is behind it.
 *
 * ```
 *   |## read 1 ##|#### read 2 ####|... next read ........|
 *                                  ^ rest
 * ```
 */
export class ReadWindow {
  /** What is left of the memory; a read lands at its front. */
  rest!: Buffer;
  #memory!: ArrayBufferLike;
  #at = 0;
  readonly #isLent: boolean;
  /** The last view that was lent: reads of one size come in rows. */
  #lent: Buffer | null = null;

  /** @param isLent Whether what a read brings is mostly read over again. */
  constructor(filled: number, isLent = false) {
    this.#isLent = isLent;
    this.#renew(filled);
  }

  /** The `filled` bytes that a read brought, which the next one is going to overwrite unless they are taken. */
  lend(filled: number): Buffer {
    if (this.#lent === null || this.#lent.length !== filled)
      this.#lent = new BufferView(this.#memory, this.#at, filled);
    return this.#lent;
  }

  /** The `filled` bytes that a read brought. The window moves past them, to new memory if the next would be cut short. */
  take(filled: number): Buffer {
    this.#lent = null;
    const { rest } = this;
    const memory = this.#memory;
    const at = this.#at;
    const left = rest.length - filled;
    if (left >= Math.max(2 * filled, MIN_ROOM_BYTES)) {
      this.#at = at + filled;
      this.rest = new BufferView(memory, this.#at, left);
    } else {
      this.#renew(filled);
    }
    return left === 0 ? rest : new BufferView(memory, at, filled);
  }

  get memory(): ArrayBufferLike {
    return this.#memory;
  }

  /**
   * New memory for reads of about `filled` bytes: enough for three of 64 KiB, seven of 16 KiB. One that is read into again and
   * again is as large as one read, so that it stays in the cache until that has been written again.
   */
  #renew(filled: number): void {
    this.rest = Buffer.allocUnsafeSlow(this.#isLent || filled < 32 * 1024 ? 128 * 1024 : 256 * 1024);
    this.#memory = this.rest.buffer;
    this.#at = 0;
  }
}

/**
 * Memory that reads land in, shared by all components of the process.
 *
 * Small reads land in one shared buffer and are copied out of it, so that an idle connection owns no read buffer. Copying
 * much costs more than all of our other work on it, so a connection that reads much gets a window of its own. (CPU per
 * message relative to bare node:net, Node 20. 64 KiB echo, 4 in flight: copied 1.05, own 64 KiB buffers 0.88, own 256 KiB windows
 * 0.55-0.68. 1 KiB echo, 16 in flight: copied 0.94, windows of 128 KiB 0.81, of 256 KiB 1.0 and more: with 100 connections
 * they outlive the young generation. What is left is the kernel's; a window that is lent, not taken, is read into again and
 * again, which gets to 0.68.)
 *
 * Where V8 is asked to collect (young-collector.ts), copying is the cheaper way: the shared buffer stays in the nearest cache, and
 * what is copied lands in memory that was free a moment ago. Windows would live longer than two of those collections, and so be
 * left to full ones.
 */
export class ReadMemory {
  readonly shared: Buffer = Buffer.allocUnsafeSlow(READ_BUFFER_BYTES);
  readonly #watch: AllocationWatch | null;
  #windowCount = 0;
  #view: Buffer = this.shared;

  /** @param watch Says whether memory that is not needed is soon free again; null for never. */
  constructor(watch: AllocationWatch | null = null) {
    this.#watch = watch;
  }

  /** Connections that have windows of their own. */
  get windowCount(): number {
    return this.#windowCount;
  }

  /** The first `length` bytes of the shared buffer. Messages of one size come in rows, so the last view often fits. */
  view(length: number): Buffer {
    if (this.#view.length !== length) this.#view = new BufferView(this.shared.buffer, 0, length);
    return this.#view;
  }

  /** A window for a connection whose last read had `filled` bytes; null when there are enough, or copying is cheaper. */
  open(filled: number, isLent = false): ReadWindow | null {
    keepFreedMemory();
    if (this.#windowCount >= MAX_WINDOWS || (!isLent && this.#watch?.frees === true)) return null;
    this.#windowCount++;
    return new ReadWindow(filled, isLent);
  }

  /** A connection gives its window up. */
  close(): void {
    this.#windowCount--;
  }
}

/** Large enough that what one collection frees stays; glibc learns nothing from blocks beyond 32 MiB. */
const LESSON_BYTES = 16 * 1024 * 1024;

let freedMemoryIsKept = false;

/**
 * Teaches glibc's malloc to keep the memory of windows that were collected, instead of giving it back to the system and
 * asking for it again a moment later, which costs a page fault for every 4 KiB.
 *
 * By default it maps blocks of 128 KiB and more one by one and trims its heap at 256 KiB. Once a mapped block is freed,
 * both limits rise: to the size of that block and to twice that size (mallopt(3), "dynamic mmap threshold"). This block
 * is freed by the next collection; as it is not written to, it never occupies memory. Other allocators do not care.
 * (64 KiB echo: 1.8 faults per read without, 0.01 with; CPU per message 0.77 and 0.74 of bare node:net.) Processes that
 * only see small reads are spared: what a burst of 10,000 connections frees would stay as well, 0.3 KB for each.
 */
export function keepFreedMemory(): void {
  if (freedMemoryIsKept) return;
  freedMemoryIsKept = true;
  Buffer.allocUnsafeSlow(LESSON_BYTES);
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
  shared ??= {
    read: new ReadMemory(youngCollector),
    slabs: new SlabPool(undefined, youngCollector),
    sendSlabs: new SendSlabPool(),
  };
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
