import { internalError } from '../core/errors.ts';
import { loan } from './loan.ts';
import { copyBytes, type SendSlab, type SendSlabPool } from './slab-pool.ts';

/** Sends up to this length are copied at once; longer ones are kept by reference until they are written. */
export const COPY_LIMIT_BYTES = 4096;
/** Most bytes of one connection that are handed to the system in one call. */
export const MAX_WRITE_BYTES = 1024 * 1024;

const WORD_BYTES = 4;

/** How a queue hands bytes to the system. */
export interface StreamWriter {
  /**
   * Writes `chunks` in order.
   * @returns 0: all of it is with the system; 1: it is under way, the queue's `written` will be called; negative: failed,
   *          and the writer's owner has been told.
   */
  write(chunks: Uint8Array[]): number;
  /** Whether it cannot take a write now, though it took the last one whole. The queue's `flush` is called again then. */
  readonly isBusy?: boolean;
}

/** A run of queued bytes: a piece of a shared slab, or a buffer of the caller. */
interface Segment {
  bytes: Uint8Array;
  start: number;
  end: number;
  slab: SendSlab | null;
}

/** The segments of an empty queue. Nothing is pushed to it: an array that starts with its one segment never has to grow. */
const NO_SEGMENTS: Segment[] = [];

/**
 * What one connection has still to send.
 *
 * ```
 *   send(small) send(small)   send(large)     send(small)
 *        v          v             v               v
 *   [slab 0..64 | 64..128 ]  [caller's bytes]  [slab 128..192]     <- segments; neighbours in a slab become one
 *   `----------------------- one write --------------------'
 * ```
 *
 * At most one write is under way; what comes meanwhile is gathered for the next one.
 */
export class SendQueue {
  #pool: SendSlabPool;
  #writer: StreamWriter;
  #segments = NO_SEGMENTS;
  #inFlight: Uint8Array[] | null = null;
  #inFlightSegments = NO_SEGMENTS;
  #queuedBytes = 0;
  #inFlightBytes = 0;
  /** Most bytes handed over in one write. */
  maxWriteBytes = MAX_WRITE_BYTES;
  /** Bytes that the system has taken since the start. */
  writtenBytes = 0;
  /** Pieces of the stream that were written and not yet reported through `onSend`; null when they are not asked for. */
  reports: Uint8Array[] | null = null;

  constructor(pool: SendSlabPool, writer: StreamWriter) {
    this.#pool = pool;
    this.#writer = writer;
  }

  /** Bytes that the system has not taken yet. */
  get pendingBytes(): number {
    return this.#queuedBytes + this.#inFlightBytes;
  }

  /** Bytes that wait for a write, without those under way. */
  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  get isWriting(): boolean {
    return this.#inFlight !== null;
  }

  /** Appends `data[start, end)`: copies short pieces, keeps longer ones by reference. */
  append(data: Uint8Array, start: number, end: number): void {
    const length = end - start;
    if (length <= COPY_LIMIT_BYTES) {
      const slab = this.reserve(length);
      copyBytes(data, start, end, slab.bytes, slab.end - length);
    } else {
      loan.taken(data, this);
      this.push({ bytes: data, start, end, slab: null });
      this.#queuedBytes += length;
    }
  }

  /** Appends the little-endian word `value`: the header of a package. */
  appendUInt32LE(value: number): void {
    const slab = this.reserve(WORD_BYTES);
    writeWord(slab.bytes, slab.end - WORD_BYTES, value);
  }

  /** Appends the word `header` and `body` behind it: a package. */
  appendPackage(header: number, body: Uint8Array): void {
    const { length } = body;
    if (length > COPY_LIMIT_BYTES) {
      this.appendUInt32LE(header);
      this.append(body, 0, length);
      return;
    }
    const slab = this.reserve(WORD_BYTES + length);
    const at = slab.end - length;
    writeWord(slab.bytes, at - WORD_BYTES, header);
    copyBytes(body, 0, length, slab.bytes, at);
  }

  /**
   * Room for `length` bytes, at most a slab's, at the end of the queue: the bytes in front of `end` of the slab, to be filled
   * before anything else is sent. For protocols that build small messages in place.
   */
  reserve(length: number): SendSlab {
    const slab = this.#pool.current(length);
    const last = this.#segments.length > 0 ? this.#segments[this.#segments.length - 1]! : undefined;
    if (last !== undefined && last.slab === slab && last.end === slab.end) {
      last.end += length;
    } else {
      this.push({ bytes: slab.bytes, start: slab.end, end: slab.end + length, slab });
      slab.users++;
    }
    slab.end += length;
    this.#queuedBytes += length;
    return slab;
  }

  private push(segment: Segment): void {
    if (this.#segments.length === 0) this.#segments = [segment];
    else this.#segments.push(segment);
  }

  /** Hands what is queued to the system, unless a write is under way. Returns the writer's answer, 0 if there was nothing. */
  flush(): number {
    while (this.#segments.length > 0 && this.#inFlight === null && this.#writer.isBusy !== true) {
      const chunks = this.take();
      this.#inFlight = chunks;
      const status = this.#writer.write(chunks);
      if (status !== 0) return status;
      this.complete();
    }
    return 0;
  }

  /** Moves up to `maxWriteBytes` from the queue to what is in flight. */
  private take(): Uint8Array[] {
    const segments = this.#segments;
    // The usual case: what was sent in answer to one read is one run in a slab.
    if (segments.length === 1 && this.#queuedBytes <= this.maxWriteBytes) {
      this.#inFlightBytes = this.#queuedBytes;
      this.#queuedBytes = 0;
      this.#inFlightSegments = segments;
      this.#segments = NO_SEGMENTS;
      return [viewOf(segments[0]!)];
    }
    let room = this.maxWriteBytes;
    const chunks: Uint8Array[] = [];
    let cut: Segment | null = null;
    let used = 0;
    while (used < segments.length && room > 0) {
      const segment = segments[used]!;
      const length = segment.end - segment.start;
      const taken = Math.min(length, room);
      const { bytes, start } = segment;
      chunks.push(taken === length ? viewOf(segment) : bytes.subarray(start, start + taken));
      room -= taken;
      if (taken < length) {
        // The rest stays queued. What is taken uses the slab as well, for the rest may be dropped before this is written.
        cut = { bytes, start, end: start + taken, slab: segment.slab };
        if (segment.slab !== null) segment.slab.users++;
        segment.start += taken;
        break;
      }
      used++;
    }
    const bytes = this.maxWriteBytes - room;
    this.#queuedBytes -= bytes;
    this.#inFlightBytes = bytes;
    if (used === segments.length) {
      this.#inFlightSegments = segments;
      this.#segments = NO_SEGMENTS;
    } else {
      this.#inFlightSegments = segments.splice(0, used);
      if (cut !== null) this.#inFlightSegments.push(cut);
    }
    return chunks;
  }

  /** The write under way is done. */
  written(): void {
    if (this.#inFlight === null) throw internalError('a write completed that was not under way');
    this.complete();
  }

  private complete(): void {
    this.writtenBytes += this.#inFlightBytes;
    this.#inFlightBytes = 0;
    // One by one: there may be more of them than a call takes arguments.
    if (this.reports !== null) for (const chunk of this.#inFlight!) this.reports.push(chunk);
    this.#inFlight = null;
    for (const segment of this.#inFlightSegments) {
      if (segment.slab !== null) this.#pool.release(segment.slab);
    }
    this.#inFlightSegments = NO_SEGMENTS;
  }

  /** Drops everything that no write is using; called when the connection is gone. */
  clear(): void {
    for (const segment of this.#segments) if (segment.slab !== null) this.#pool.release(segment.slab);
    this.#segments = NO_SEGMENTS;
    this.#queuedBytes = 0;
  }

  /** Also gives up the write under way: the socket is closed, so the system no longer reads those bytes. */
  abandon(): void {
    this.clear();
    for (const segment of this.#inFlightSegments) if (segment.slab !== null) this.#pool.release(segment.slab);
    this.#inFlightSegments = NO_SEGMENTS;
    this.#inFlight = null;
    this.#inFlightBytes = 0;
  }
}

function viewOf({ bytes, start, end, slab }: Segment): Uint8Array {
  if (slab !== null) return slab.view(start, end);
  return end - start === bytes.length ? bytes : bytes.subarray(start, end);
}

/** Little-endian. */
function writeWord(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value & 255;
  bytes[at + 1] = (value >>> 8) & 255;
  bytes[at + 2] = (value >>> 16) & 255;
  bytes[at + 3] = value >>> 24;
}
