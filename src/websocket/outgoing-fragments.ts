import type { DeflateContext } from './deflate-context.ts';
import { buildFrame, COMPRESSED, FINAL } from './frame-writer.ts';
import { Opcode } from './opcode.ts';
import type { Outbox } from './outbox.ts';

/** How frames leave. */
export interface FrameWay {
  /** What waits to be compressed on a thread, and everything behind it; null if nothing does. */
  readonly outbox: Outbox | null;
  /** The same; made if there is none. */
  useOutbox(deflate: DeflateContext): Outbox;
  /** Sends a frame behind that. False if it cannot be queued. */
  sendInOrder(frame: Buffer): boolean;
}

const EMPTY = Buffer.alloc(0);
/**
 * What ends a compressed message whose last fragment went out with its tail: an empty block, without its own (RFC 7692, 7.2.1 and
 * 7.2.3.6). So no fragment waits for the next one.
 */
const LAST_BLOCK = Buffer.from([0x00]);

/**
 * A message that is sent in fragments. Compressed, it is one deflate stream (RFC 7692, 6.1): RSV1 is set on its first frame alone;
 * each fragment is flushed, so that the peer can inflate all of it as it comes; and the tail is left out at its end.
 */
export class OutgoingFragments {
  readonly #opcode: Opcode;
  readonly #isMasked: boolean;
  readonly #deflate: DeflateContext | null;
  /** What the caller wants. */
  readonly #isAsked: boolean | undefined;
  /** Whether it is compressed: its first fragment decides. */
  #isCompressed: boolean | null = null;
  /** Whether its first fragment was sent. */
  hasBegun = false;
  /** Called when nothing more of it can be sent: one of the two sides says goodbye, or the connection is gone. */
  onInterrupted: (() => void) | null = null;

  /** @param deflate Null if compression was not agreed on. */
  constructor(opcode: Opcode, isMasked: boolean, deflate: DeflateContext | null, isAsked: boolean | undefined) {
    this.#opcode = opcode;
    this.#isMasked = isMasked;
    this.#deflate = deflate;
    this.#isAsked = isAsked;
  }

  /**
   * The next fragment. @returns whether it was queued; a promise if it waits for a thread: nothing of the message may be sent before
   * that resolves, and its bytes belong to it until then.
   */
  send(data: Uint8Array, isLast: boolean, way: FrameWay): boolean | Promise<boolean> {
    this.#isCompressed ??= data.length > 0 && this.#deflate?.beginFragments(data.length, this.#isAsked) === true;
    let first: number = isLast ? FINAL : 0;
    if (this.hasBegun) first |= Opcode.Continuation;
    else first |= this.#isCompressed ? COMPRESSED | this.#opcode : this.#opcode;
    if (!this.#isCompressed) return this.#sent(way.sendInOrder(buildFrame(first, data, this.#isMasked)));
    if (data.length === 0) {
      return this.#sent(way.sendInOrder(buildFrame(first, isLast ? LAST_BLOCK : EMPTY, this.#isMasked)));
    }
    return this.#sendCompressed(first, data, isLast, way);
  }

  #sent(isSent: boolean): boolean {
    if (isSent) this.hasBegun = true;
    return isSent;
  }

  #sendCompressed(first: number, data: Uint8Array, isLast: boolean, way: FrameWay): boolean | Promise<boolean> {
    const deflate = this.#deflate!;
    const isLate = deflate.isFragmentLate(data.length);
    if (!isLate && way.outbox === null) {
      const frame = buildFrame(first, deflate.deflateFragment(data, isLast), this.#isMasked);
      if (way.sendInOrder(frame)) return this.#sent(true);
      // The peer will not have what the compressor has seen.
      deflate.sentElsewhere();
      return false;
    }
    this.hasBegun = true;
    let isMade = false;
    const frameOf = (compressed: Uint8Array | null): Buffer => {
      isMade = compressed !== null;
      return compressed === null ? EMPTY : buildFrame(first, compressed, this.#isMasked);
    };
    return new Promise((resolve) => {
      const make = (): Buffer | Promise<Buffer> =>
        isLate
          ? deflate.deflateFragmentLater(data, isLast).then(frameOf)
          : frameOf(deflate.deflateFragment(data, isLast));
      way.useOutbox(deflate).made(data.length, make, (isSent) => resolve(isSent && isMade));
    });
  }

  /** It is complete, or will never be. */
  close(): void {
    if (this.#isCompressed === true) this.#deflate!.endFragments();
  }
}
