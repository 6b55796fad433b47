// One segment on its way out or in, the header codec, and the two containers that hold segments.

const EMPTY = new Uint8Array(0);

/**
 * A piece of a message. Sequence numbers and time stamps are kept as signed 32-bit integers everywhere (`| 0`): V8 stores
 * those unboxed, while an unsigned number above 2^31 is a heap object; and `(a - b) | 0` is the wrap-around difference
 * for either reading. Only what is shown to users is turned into unsigned (`>>> 0`).
 *
 * There is no free list: with one, the bulk case of bench/micro/kcp.ts was no faster and small messages 20 % slower, as old
 * objects that point to young data cost the collector more than new objects do.
 */
export class Segment {
  sn = 0;
  frg = 0;
  /** Time of the last transmission; the next one if nothing is heard. */
  sentTs = 0;
  resendTs = 0;
  rto = 0;
  /** Acknowledgements of later segments seen since the last transmission (KC-025). */
  skips = 0;
  transmits = 0;
  /** Has been sent once more beside that, see redundancy.ts. */
  isCopied = false;
  hasDeadline = false;
  deadlineTs = 0;
  /** Outgoing: exactly the data. Incoming: the whole datagram, of which `offset` and `length` cut the data. */
  data: Uint8Array = EMPTY;
  offset = 0;
  length = 0;
}

/*
 *  0               4   5   6       8 (BYTE)
 *  +---------------+---+---+-------+
 *  |     conv      |cmd|frg|  wnd  |
 *  +---------------+---+---+-------+   8
 *  |      ts       |      sn       |
 *  +---------------+---------------+  16
 *  |      una      |      len      |
 *  +---------------+---------------+  24, then len bytes of data; all little-endian
 *
 * Single byte stores and loads, because V8 inlines them on any Uint8Array; a DataView would have to be created for every
 * datagram received.
 */
export function writeHeader(
  out: Uint8Array,
  at: number,
  conv: number,
  cmd: number,
  frg: number,
  wnd: number,
  ts: number,
  sn: number,
  una: number,
  length: number,
): void {
  out[at] = conv;
  out[at + 1] = conv >> 8;
  out[at + 2] = conv >> 16;
  out[at + 3] = conv >> 24;
  out[at + 4] = cmd;
  out[at + 5] = frg;
  out[at + 6] = wnd;
  out[at + 7] = wnd >> 8;
  out[at + 8] = ts;
  out[at + 9] = ts >> 8;
  out[at + 10] = ts >> 16;
  out[at + 11] = ts >> 24;
  out[at + 12] = sn;
  out[at + 13] = sn >> 8;
  out[at + 14] = sn >> 16;
  out[at + 15] = sn >> 24;
  out[at + 16] = una;
  out[at + 17] = una >> 8;
  out[at + 18] = una >> 16;
  out[at + 19] = una >> 24;
  out[at + 20] = length;
  out[at + 21] = length >> 8;
  out[at + 22] = length >> 16;
  out[at + 23] = length >> 24;
}

/** Little-endian signed 32-bit integer at `at`; the caller has checked the bounds. */
export function readInt32(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
}

const SLOTS_FIRST = 4;
/** Stands for no slots, and is never written to: a session that has not said anything yet owns no arrays. */
const NO_SLOTS: Array<Segment | undefined> = [];

function emptySlots(capacity: number): Array<Segment | undefined> {
  return new Array<Segment | undefined>(capacity).fill(undefined);
}

/** First-in first-out ring that starts small, because most sessions are idle, and grows by doubling. */
export class SegmentQueue {
  length = 0;
  private head = 0;
  private slots = NO_SLOTS;

  push(segment: Segment): void {
    if (this.length === this.slots.length) this.grow();
    this.slots[(this.head + this.length++) & (this.slots.length - 1)] = segment;
  }

  /** The first segment; `length` must not be 0. */
  first(): Segment {
    return this.slots[this.head]!;
  }

  /** Bytes of the first `count` segments. */
  sizeOf(count: number): number {
    let bytes = 0;
    for (let i = 0; i < count; i++) bytes += this.slots[(this.head + i) & (this.slots.length - 1)]!.length;
    return bytes;
  }

  /** Calls `visit` for each segment, first to last. */
  forEach(visit: (segment: Segment) => void): void {
    for (let i = 0; i < this.length; i++) visit(this.slots[(this.head + i) & (this.slots.length - 1)]!);
  }

  /** Takes the first segment out; `length` must not be 0. */
  shift(): Segment {
    const segment = this.slots[this.head]!;
    this.slots[this.head] = undefined;
    this.head = (this.head + 1) & (this.slots.length - 1);
    this.length--;
    return segment;
  }

  private grow(): void {
    const old = this.slots;
    const slots = emptySlots(Math.max(old.length * 2, SLOTS_FIRST));
    for (let i = 0; i < old.length; i++) slots[i] = old[(this.head + i) & (old.length - 1)];
    this.slots = slots;
    this.head = 0;
  }
}

/**
 * Segments of a window, found by sequence number: `slots[sn & mask]`. As a window is never wider than the array, no two
 * live numbers share a slot, and neither insertion nor removal in the middle moves anything.
 */
export class SegmentWindow {
  private slots = NO_SLOTS;

  get(sn: number): Segment | undefined {
    return this.slots[sn & (this.slots.length - 1)];
  }

  /** Puts `segment` at `sn`; `first` is the lowest number of the window, whose other members must stay reachable. */
  set(sn: number, segment: Segment, first: number): void {
    const span = ((sn - first) | 0) + 1;
    if (span > this.slots.length) this.grow(span, first);
    this.slots[sn & (this.slots.length - 1)] = segment;
  }

  delete(sn: number): void {
    this.slots[sn & (this.slots.length - 1)] = undefined;
  }

  private grow(span: number, first: number): void {
    const old = this.slots;
    let capacity = Math.max(old.length, SLOTS_FIRST);
    while (capacity < span) capacity *= 2;
    const slots = emptySlots(capacity);
    for (let i = 0; i < old.length; i++) {
      const sn = (first + i) | 0;
      slots[sn & (capacity - 1)] = old[sn & (old.length - 1)];
    }
    this.slots = slots;
  }
}
