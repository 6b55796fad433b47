import { loan } from '../memory/loan.ts';
import { COPY_LIMIT_BYTES } from '../memory/send-queue.ts';
import type { Port } from '../protocol/protocol.ts';
import type { DeflateContext } from './deflate-context.ts';
import { MAX_HEADER_BYTES } from './frame-header.ts';
import { buildFrame, COMPRESSED, FINAL } from './frame-writer.ts';
import type { Opcode } from './opcode.ts';
import type { SharedMessage } from './shared-message.ts';

/** What waits to be sent. */
interface Item {
  readonly reserved: number;
  /** The frame, or, if it is made on a thread, a promise of it. */
  frame(): Buffer | Promise<Buffer>;
  /** What is to be done when it was sent. */
  readonly whenSent: (() => void) | null;
  /** What is to be done when it never will be. */
  readonly whenDropped?: () => void;
}

/**
 * What a connection sends behind a message that is compressed on a thread, and that message: everything leaves in the order in which it
 * was sent, but for pings and pongs. Its bytes count as pending.
 */
export class Outbox {
  readonly #port: Port;
  readonly #deflate: DeflateContext;
  readonly #isMasked: boolean;
  readonly #emptied: () => void;
  #items: Item[] = [];
  #isWaiting = false;
  #isDropped = false;

  /** @param emptied Told when nothing waits any more. */
  constructor(port: Port, deflate: DeflateContext, isMasked: boolean, emptied: () => void) {
    this.#port = port;
    this.#deflate = deflate;
    this.#isMasked = isMasked;
    this.#emptied = emptied;
  }

  /** A message. Short ones are copied. */
  message(opcode: Opcode, given: Uint8Array): void {
    const bytes = given.length <= COPY_LIMIT_BYTES ? Buffer.from(given) : given;
    if (bytes === given && loan.isOpen) loan.keep();
    const frameOf = (compressed: Uint8Array | null): Buffer =>
      compressed === null
        ? buildFrame(FINAL | opcode, bytes, this.#isMasked)
        : buildFrame(FINAL | COMPRESSED | opcode, compressed, this.#isMasked);
    this.#push({
      reserved: roomFor(bytes.length),
      frame: () =>
        this.#deflate.isLate(bytes.length)
          ? this.#deflate.deflateLater(bytes).then(frameOf)
          : frameOf(this.#deflate.deflate(bytes)),
      whenSent: null,
    });
  }

  /** A message for many. */
  shared(message: SharedMessage): void {
    this.#push({
      reserved: roomFor(message.data.length),
      frame: () => {
        const frameOf = (compressed: Buffer | null): Buffer => {
          if (compressed !== null) this.#deflate.sentElsewhere();
          return compressed ?? message.frame(this.#isMasked);
        };
        const made = message.compressedFrame(this.#deflate, this.#isMasked);
        return made instanceof Promise ? made.then(frameOf) : frameOf(made);
      },
      whenSent: null,
    });
  }

  /** A frame as it is. */
  raw(frame: Buffer, whenSent: (() => void) | null = null): void {
    this.#push({ reserved: frame.length, frame: () => frame, whenSent });
  }

  /**
   * A frame of a payload of `length` bytes that is compressed when its turn comes.
   * @param settled Told whether it was sent.
   */
  made(length: number, frame: () => Buffer | Promise<Buffer>, settled: (isSent: boolean) => void): void {
    const whenSent = (): void => settled(true);
    this.#push({ reserved: roomFor(length), frame, whenSent, whenDropped: () => settled(false) });
  }

  #push(item: Item): void {
    this.#port.reserve(item.reserved);
    this.#items.push(item);
    if (!this.#isWaiting && this.#items.length === 1) this.#pump();
  }

  #pump(): void {
    for (;;) {
      const item = this.#items[0];
      if (item === undefined) return this.#emptied();
      const frame = item.frame();
      if (frame instanceof Promise) {
        this.#isWaiting = true;
        frame.then(
          (made) => {
            if (this.#isDropped) return;
            this.#isWaiting = false;
            this.#sent(item, made);
            this.#pump();
          },
          (error: unknown) => {
            if (!this.#isDropped) this.#port.threw('send', error);
          },
        );
        return;
      }
      this.#sent(item, frame);
      if (this.#isDropped) return;
    }
  }

  #sent(item: Item, frame: Buffer): void {
    this.#items.shift();
    this.#port.sendReserved(frame, item.reserved);
    item.whenSent?.();
  }

  /** What waits will not be sent. */
  drop(): void {
    this.#isDropped = true;
    const items = this.#items;
    this.#items = [];
    for (const { reserved, whenDropped } of items) {
      this.#port.reserve(-reserved);
      whenDropped?.();
    }
  }
}

/** Bytes that a message takes at most, compressed or not: deflate makes some bytes more of what it cannot compress. */
export function roomFor(length: number): number {
  return length + (length >> 10) + MAX_HEADER_BYTES + 64;
}
