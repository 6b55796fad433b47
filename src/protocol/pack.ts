import { Errno } from '../core/errno.ts';
import { BufferView } from '../memory/buffer-view.ts';
import type { SendQueue } from '../memory/send-queue.ts';
import { ByteProtocol } from './byte-protocol.ts';
import { AtEnd, Lifetime, type Port, type ReceiveContext } from './protocol.ts';

/** Bytes of a package header. */
export const PACK_HEADER_BYTES = 4;
/** Largest body that the 22 length bits can tell (PK-003). */
export const MAX_PACK_SIZE = 0x3fffff;
/** Largest header flag, 10 bits (PK-004). */
export const MAX_PACK_FLAG = 0x3ff;

/**
 * Header word of a package (PK-001, PK-002), little-endian on the wire:
 *
 * ```
 *  31                22 21                                  0
 * +--------------------+-------------------------------------+
 * |    flag, 10 bits   |     length of the body, 22 bits     |
 * +--------------------+-------------------------------------+
 * ```
 */
export function packHeader(flag: number, bodyLength: number): number {
  return ((flag << 22) | bodyLength) >>> 0;
}

/** What the pack connections of one component share. */
export interface PackContext extends ReceiveContext {
  readonly maxPackSize: number;
  readonly packHeaderFlag: number;
}

/**
 * Pack: every complete package is one `onReceive` of its body (PK-008).
 *
 * Complete packages of a read are copied out together, in one copy, and delivered as views of that copy. An incomplete
 * one grows in a buffer of its own, which doubles as bytes arrive: nothing is ever allocated for a length that was only
 * announced. The header is checked as soon as its four bytes are there (PK-007).
 */
export class PackProtocol extends ByteProtocol {
  get deliversBytes(): boolean {
    return true;
  }

  override get hasMessages(): boolean {
    return true;
  }

  #context: PackContext;
  #port: Pick<Port, 'deliver' | 'violate'>;
  /** The incomplete package at the end of the stream: `#partial[0, #partialLength)`, header included. */
  #partial: Buffer | null = null;
  #partialLength = 0;
  /** Own bytes that were not parsed because the port said stop. They come before anything that arrives later. */
  #backlog: Buffer | null = null;
  #isBroken = false;

  constructor(context: PackContext, port: Pick<Port, 'deliver' | 'violate'>) {
    super();
    this.#context = context;
    this.#port = port;
  }

  get hasBacklog(): boolean {
    return this.#backlog !== null;
  }

  get bufferedBytes(): number {
    return this.#partialLength + (this.#backlog?.length ?? 0);
  }

  receive(bytes: Buffer, lifetime: Lifetime): void {
    if (this.#isBroken) return;
    let at = 0;
    if (this.#partialLength > 0) {
      at = this.completePartial(bytes);
      if (at < 0) return;
      if (this.#backlog !== null) {
        // The package that just became whole was the last one that the port wanted.
        this.#backlog = at < bytes.length ? Buffer.from(bytes.subarray(at)) : null;
        return;
      }
    }
    if (at < bytes.length) this.parse(bytes, at, lifetime);
  }

  get isMidMessage(): boolean {
    return this.#partialLength > 0;
  }

  /** The peer may end between two packages only. */
  override ended(): AtEnd {
    return this.#partialLength > 0 ? AtEnd.Truncated : AtEnd.Drain;
  }

  /** An empty package is not possible, nor one beyond `maxPackSize` (PK-010). */
  override sizeOf(length: number): number {
    return length === 0 || length > this.#context.maxPackSize ? -Errno.EMSGSIZE : length + PACK_HEADER_BYTES;
  }

  override frame(queue: SendQueue, bytes: Uint8Array): void {
    queue.appendPackage(packHeader(this.#context.packHeaderFlag, bytes.length), bytes);
  }

  override frameParts(queue: SendQueue, parts: readonly Uint8Array[], length: number): void {
    queue.appendUInt32LE(packHeader(this.#context.packHeaderFlag, length));
    super.frameParts(queue, parts, length);
  }

  override explain(length: number): string {
    return `a package of ${length} bytes is not possible, allowed are 1 to ${this.#context.maxPackSize} (maxPackSize)`;
  }

  resume(): void {
    const backlog = this.#backlog;
    if (backlog === null) return;
    this.#backlog = null;
    this.parse(backlog, 0, Lifetime.Forever);
  }

  takeRest(): Buffer | null {
    const partial = this.#partial?.subarray(0, this.#partialLength) ?? EMPTY;
    const rest = Buffer.concat([partial, this.#backlog ?? EMPTY]);
    this.#partial = null;
    this.#partialLength = 0;
    this.#backlog = null;
    return rest.length > 0 ? rest : null;
  }

  /** Delivers the whole packages of `bytes[at..]` and keeps what is left. */
  private parse(bytes: Buffer, at: number, lifetime: Lifetime): void {
    const isCopied = lifetime === Lifetime.Call;
    const own = isCopied ? this.#context.pool.copy(bytes, at, bytes.length) : bytes;
    const { buffer: memory, byteOffset, length: end } = own;
    let from = isCopied ? 0 : at;
    while (end - from >= PACK_HEADER_BYTES) {
      const header = readWord(own, from);
      const errno = this.check(header);
      if (errno !== 0) return this.violate(errno, header);
      const body = from + PACK_HEADER_BYTES;
      const length = header & MAX_PACK_SIZE;
      if (length > end - body) break;
      from = body + length;
      if (!this.#port.deliver(new BufferView(memory, byteOffset + body, length))) {
        if (from === end) return;
        const rest = own.subarray(from);
        this.#backlog = lifetime === Lifetime.Loan ? Buffer.from(rest) : rest;
        return;
      }
    }
    if (from < end) this.keepPartial(own, from);
  }

  private keepPartial(bytes: Buffer, at: number): void {
    const length = bytes.length - at;
    this.#partial = Buffer.allocUnsafe(Math.max(length, 64));
    this.#partial.set(at === 0 ? bytes : bytes.subarray(at));
    this.#partialLength = length;
  }

  /**
   * Adds to the incomplete package what `bytes` has of it. Returns the offset behind it, -1 if there was a violation. When
   * the port says stop, `#backlog` is set (to an empty buffer) as a sign.
   */
  private completePartial(bytes: Buffer): number {
    let at = 0;
    if (this.#partialLength < PACK_HEADER_BYTES) {
      at = this.grow(bytes, 0, PACK_HEADER_BYTES);
      if (this.#partialLength < PACK_HEADER_BYTES) return at;
      const header = readWord(this.#partial!, 0);
      const errno = this.check(header);
      if (errno !== 0) {
        this.violate(errno, header);
        return -1;
      }
    }
    const total = PACK_HEADER_BYTES + (readWord(this.#partial!, 0) & MAX_PACK_SIZE);
    at = this.grow(bytes, at, total);
    if (this.#partialLength < total) return at;
    const body = this.#partial!.subarray(PACK_HEADER_BYTES, total);
    this.#partial = null;
    this.#partialLength = 0;
    if (!this.#port.deliver(body)) this.#backlog = EMPTY;
    return at;
  }

  /** Appends `bytes[at..]` to the incomplete package until that has `target` bytes. Returns the offset behind what it took. */
  private grow(bytes: Buffer, at: number, target: number): number {
    const taken = Math.min(target - this.#partialLength, bytes.length - at);
    const length = this.#partialLength + taken;
    let partial = this.#partial!;
    if (length > partial.length) {
      partial = Buffer.allocUnsafe(Math.min(Math.max(partial.length * 2, length), Math.max(target, length)));
      this.#partial!.copy(partial, 0, 0, this.#partialLength);
      this.#partial = partial;
    }
    bytes.copy(partial, this.#partialLength, at, at + taken);
    this.#partialLength = length;
    return at + taken;
  }

  /** 0, or the errno of what is wrong with a header, in HP-Socket's order (PK-005). */
  private check(header: number): number {
    const flag = this.#context.packHeaderFlag;
    if (flag !== 0 && header >>> 22 !== flag) return Errno.EBADMSG;
    const length = header & MAX_PACK_SIZE;
    if (length === 0 || length > this.#context.maxPackSize) return Errno.EMSGSIZE;
    return 0;
  }

  private violate(errno: number, header: number): void {
    this.#isBroken = true;
    this.#partial = null;
    this.#partialLength = 0;
    const message =
      errno === Errno.EBADMSG
        ? `the peer sent a package with header flag ${header >>> 22}, expected ${this.#context.packHeaderFlag}; set the same packHeaderFlag on both ends`
        : `the peer announced a package of ${header & MAX_PACK_SIZE} bytes, allowed are 1 to ${this.#context.maxPackSize} (maxPackSize)`;
    this.#port.violate(errno, message);
  }
}

const EMPTY = Buffer.alloc(0);

function readWord(bytes: Buffer, at: number): number {
  return (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0;
}
