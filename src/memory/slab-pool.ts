import { BufferView } from './buffer-view.ts';

/** Longest piece that comes from a small slab. */
const SMALL_PIECE_BYTES = 128;
const SMALL_SLAB_BYTES = 2048;
const EMPTY = Buffer.alloc(0);

/**
 * Memory for bytes that are handed out: large slabs, carved from the front.
 *
 * ```
 * slab  |####|######|##|..............|      # carved, given to listeners; never carved again
 *                      ^ next
 * ```
 *
 * A carved piece belongs to the caller, for ever: nothing in it is overwritten (JavaScript cannot tell when the last
 * view is gone, so a slab that was carved is left to the garbage collector). The gain is that a read costs no allocation
 * of its own: `Buffer.allocUnsafe` of 4 KiB costs 600 ns and more, carving about 50 ns.
 *
 * Small pieces, such as logins and other first words that listeners keep, come from small slabs of their own: one that is
 * kept keeps 2 KiB alive, and not what large pieces were carved from.
 */
export class SlabPool {
  readonly slabBytes: number;
  #slab: Buffer;
  #memory: ArrayBufferLike;
  #next = 0;
  #small = EMPTY;
  #smallMemory: ArrayBufferLike = EMPTY.buffer;
  /** Beyond the end while there is no small slab, so that a piece of no bytes makes one as well. */
  #smallNext = SMALL_SLAB_BYTES + 1;
  /** Slabs allocated since the start. */
  slabCount = 1;
  /** Pieces that were too large for a slab and got memory of their own. */
  largeCount = 0;

  /**
   * @param slabBytes Size of a slab. Pieces larger than a quarter of it are allocated on their own. A listener that keeps
   *   one piece keeps its whole slab, so slabs are no larger than it takes: 16 to 256 KiB cost the same for echoes of 64 B,
   *   1 KiB and 4 KiB.
   */
  constructor(slabBytes = 32 * 1024) {
    this.slabBytes = slabBytes;
    this.#slab = Buffer.allocUnsafeSlow(slabBytes);
    this.#memory = this.#slab.buffer;
  }

  /** A copy of `source[start, end)` that is its receiver's own. */
  copy(source: Uint8Array, start: number, end: number): Buffer {
    const length = end - start;
    if (length <= SMALL_PIECE_BYTES) return this.#copySmall(source, start, end);
    if (length > this.slabBytes >> 2) {
      this.largeCount++;
      const own = Buffer.allocUnsafeSlow(length);
      own.set(source.subarray(start, end));
      return own;
    }
    let at = this.#next;
    if (at + length > this.slabBytes) {
      this.#slab = Buffer.allocUnsafeSlow(this.slabBytes);
      this.#memory = this.#slab.buffer;
      this.slabCount++;
      at = 0;
    }
    this.#next = at + length;
    copyBytes(source, start, end, this.#slab, at);
    return new BufferView(this.#memory, at, length);
  }

  #copySmall(source: Uint8Array, start: number, end: number): Buffer {
    const length = end - start;
    let at = this.#smallNext;
    if (at + length > SMALL_SLAB_BYTES) {
      this.#small = Buffer.allocUnsafeSlow(SMALL_SLAB_BYTES);
      this.#smallMemory = this.#small.buffer;
      at = 0;
    }
    this.#smallNext = at + length;
    copyBytes(source, start, end, this.#small, at);
    return new BufferView(this.#smallMemory, at, length);
  }
}

const { set } = Uint8Array.prototype;

/**
 * Copies `source[start, end)` to `target` at `at`. The native copy costs some 60 ns to enter, so short pieces are copied
 * byte by byte (bench/micro: break-even near 32 bytes).
 */
export function copyBytes(source: Uint8Array, start: number, end: number, target: Uint8Array, at: number): void {
  if (end - start <= 24) {
    for (let i = start; i < end; i++) target[at++] = source[i]!;
  } else if (source.length === end - start) {
    // (`byteLength`, `byteOffset` and `buffer` cost 10 to 30 ns more than `length` does, and `target.set` 8 ns more than this:
    // V8 looks the method up each time.)
    set.call(target, source, at);
  } else {
    target.set(source.subarray(start, end), at);
  }
}

/** A slab that queued sends are copied into; used again as soon as everything in it has been handed to the system. */
export class SendSlab {
  readonly bytes: Buffer;
  /** First free byte. */
  end = 0;
  /** Segments of send queues that point into it. */
  users = 0;

  #memory: ArrayBufferLike;
  #view: Buffer;
  #viewStart = 0;

  constructor(size: number) {
    this.bytes = Buffer.allocUnsafeSlow(size);
    this.#memory = this.bytes.buffer;
    this.#view = this.bytes;
  }

  /**
   * Its bytes `[start, end)`. Answers of one size that are written at once all have the same place in the slab, so the last
   * view is kept.
   */
  view(start: number, end: number): Buffer {
    if (this.#viewStart !== start || this.#view.length !== end - start) {
      this.#viewStart = start;
      this.#view = new BufferView(this.#memory, start, end - start);
    }
    return this.#view;
  }
}

/**
 * Slabs for send queues. All connections of a component copy their small sends into one current slab, so that a
 * connection that has nothing to send owns no send buffer at all.
 */
export class SendSlabPool {
  readonly slabBytes: number;
  /** Most free slabs kept for reuse. */
  readonly maxFree: number;
  #current: SendSlab;
  #free: SendSlab[] = [];
  #isRecycling = true;
  slabCount = 1;

  constructor(slabBytes = 64 * 1024, maxFree = 64) {
    this.slabBytes = slabBytes;
    this.maxFree = maxFree;
    this.#current = new SendSlab(slabBytes);
  }

  /** Never reuse a slab: for listeners that get to see sent bytes (`onSend`) and may keep them. */
  keepBytes(): void {
    this.#isRecycling = false;
  }

  /** Free slabs kept for reuse. */
  get freeCount(): number {
    return this.#free.length;
  }

  /** The slab that the next small send is copied into, with room for at least `length` bytes. */
  current(length: number): SendSlab {
    const slab = this.#current;
    if (slab.end + length <= this.slabBytes) return slab;
    if (slab.users === 0 && this.#isRecycling) {
      slab.end = 0;
      return slab;
    }
    const next = this.#free.pop();
    if (next !== undefined) this.#current = next;
    else {
      this.slabCount++;
      this.#current = new SendSlab(this.slabBytes);
    }
    return this.#current;
  }

  /** Takes one use of `slab` back. */
  release(slab: SendSlab): void {
    if (--slab.users > 0 || !this.#isRecycling) return;
    slab.end = 0;
    if (slab !== this.#current && this.#free.length < this.maxFree) this.#free.push(slab);
  }
}
