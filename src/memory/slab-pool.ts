import { type Clock, systemClock } from '../core/clock.ts';
import { BufferView } from './buffer-view.ts';

/** Longest piece that comes from a small slab. */
export const SMALL_PIECE_BYTES = 128;
const SMALL_SLAB_BYTES = 2048;
/** The same while they are filled fast: new slabs then cost more than what a kept piece keeps alive. */
const BUSY_SLAB_BYTES = 16 * 1024;
/** How fast that is, in bytes per millisecond: 64,000 messages of 64 bytes a second. */
const BUSY_RATE = 4096;
/** So many slabs in a row must be filled so fast before they grow: a burst of first words, which listeners keep, is shorter. */
const BUSY_SLABS = 8;
/** Longest piece that comes from a large slab. */
const LARGE_PIECE_BYTES = 32 * 1024;
const LARGE_SLAB_BYTES = 128 * 1024;
const EMPTY = Buffer.alloc(0);

/** Gets called for memory that a pool allocates. */
export interface AllocationWatch {
  /** Whether memory that is not needed any more is soon free again, so that large slabs pay. */
  readonly frees: boolean;
  allocated(bytes: number): void;
}

const NO_WATCH: AllocationWatch = { frees: false, allocated() {} };

/** The slab that pieces of about one size come from at the moment. */
export class Slab {
  bytes: number;
  /** Those that there have been. */
  count = 0;
  readonly #watch: AllocationWatch;
  buffer: Buffer = EMPTY;
  memory: ArrayBufferLike = EMPTY.buffer;
  /** Where the last piece lies. */
  lastAt = 0;
  /** Beyond the end while there is none, so that a piece of no bytes makes one as well. */
  #next: number;

  constructor(bytes: number, watch: AllocationWatch) {
    this.bytes = bytes;
    this.#watch = watch;
    this.#next = bytes + 1;
  }

  renew(): void {
    this.buffer = Buffer.allocUnsafeSlow(this.bytes);
    this.memory = this.buffer.buffer;
    this.#next = 0;
    this.count++;
    this.#watch.allocated(this.bytes);
  }

  copy(source: Uint8Array, start: number, end: number): Buffer {
    const length = end - start;
    if (this.#next + length > this.bytes) this.renew();
    const at = this.#next;
    this.#next = at + length;
    this.lastAt = at;
    copyBytes(source, start, end, this.buffer, at);
    return new BufferView(this.memory, at, length);
  }
}

/**
 * The slab of small pieces, which grows while many come. (64 B echo: slabs of 2 KiB took 1.5 % of all CPU time, most of it in the
 * collector, which frees them one by one.)
 */
export class SmallSlab extends Slab {
  readonly #clock: Clock;
  #renewedAt = 0;
  #fastInRow = 0;

  constructor(clock: Clock) {
    // Not told of: the objects that come with small pieces fill the young generation soon enough.
    super(SMALL_SLAB_BYTES, NO_WATCH);
    this.#clock = clock;
  }

  override renew(): void {
    const now = this.#clock.now();
    this.#fastInRow = (now - this.#renewedAt) * BUSY_RATE < this.bytes ? this.#fastInRow + 1 : 0;
    this.#renewedAt = now;
    if (this.#fastInRow < BUSY_SLABS) this.bytes = SMALL_SLAB_BYTES;
    else if (this.bytes < BUSY_SLAB_BYTES) this.bytes *= 2;
    super.renew();
  }
}

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
 * kept keeps 2 KiB alive (16 KiB if it came among many), and not what large pieces were carved from.
 */
export class SlabPool {
  readonly slabBytes: number;
  readonly #watch: AllocationWatch;
  /** Where copies of up to `SMALL_PIECE_BYTES` lie. */
  readonly small: Slab;
  readonly #middle: Slab;
  readonly #large: Slab;
  /** Pieces that were too large for a slab and got memory of their own. */
  largeCount = 0;

  /**
   * @param slabBytes Size of a slab. Pieces larger than a quarter of it are allocated on their own, or come from larger slabs. A
   *   listener that keeps one piece keeps its whole slab, so slabs are no larger than it takes: 16 to 256 KiB cost the same for
   *   echoes of 64 B, 1 KiB and 4 KiB.
   * @param watch Told of what is allocated, but for small slabs.
   * @param clock Tells how fast small slabs are filled.
   */
  constructor(slabBytes = 32 * 1024, watch = NO_WATCH, clock = systemClock) {
    this.slabBytes = slabBytes;
    this.#watch = watch;
    this.small = new SmallSlab(clock);
    this.#middle = new Slab(slabBytes, watch);
    this.#large = new Slab(LARGE_SLAB_BYTES, watch);
    this.#middle.renew();
  }

  /** Slabs allocated since the start, without small ones. */
  get slabCount(): number {
    return this.#middle.count + this.#large.count;
  }

  /** Memory of its own, to be filled. */
  allocate(length: number): Buffer {
    this.largeCount++;
    this.#watch.allocated(length);
    return Buffer.allocUnsafeSlow(length);
  }

  /** A copy of `source[start, end)` that is its receiver's own. */
  copy(source: Uint8Array, start: number, end: number): Buffer {
    const length = end - start;
    if (length <= SMALL_PIECE_BYTES) return this.small.copy(source, start, end);
    if (length <= this.slabBytes >> 2) return this.#middle.copy(source, start, end);
    if (length <= LARGE_PIECE_BYTES && this.#watch.frees) return this.#large.copy(source, start, end);
    const own = this.allocate(length);
    copyBytes(source, start, end, own, 0);
    return own;
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
