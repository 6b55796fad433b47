import { BufferView } from '../../memory/buffer-view.ts';

const EMPTY = Buffer.alloc(0);

/**
 * The bytes that a framing looks for its next message in: `bytes[at]` up to the end of `bytes`. One object serves every
 * connection of a component; do not keep it.
 */
export class FrameInput {
  /** What was received and not handed on yet. Never write to it. */
  bytes: Buffer = EMPTY;
  /** Where the next message begins. Set it behind the message that you return. */
  at = 0;
  /**
   * How many bytes from the beginning of the message need not be searched again. Set it when the message is not whole; it
   * is 0 for each new message.
   */
  scanned = 0;
  /** Bytes of the whole message, if they are known: `decode` is not called again before so many are there. */
  needs = 0;
  // Asking a Buffer for its memory and offset costs as much as the view that is made of them, so it is asked once a read.
  #memory: ArrayBufferLike = EMPTY.buffer;
  #offset = 0;
  /** @internal */
  errno = 0;
  /** @internal */
  problem = '';

  /** Bytes from `at` to the end. */
  get available(): number {
    return this.bytes.length - this.at;
  }

  /** `bytes[start, end)` without a copy: the listener's own, like all received bytes. */
  view(start: number, end: number): Buffer {
    return new BufferView(this.#memory, this.#offset + start, end - start);
  }

  /** The next message is looked for in `bytes`. @internal */
  use(bytes: Buffer): void {
    this.bytes = bytes;
    this.#memory = bytes.buffer;
    this.#offset = bytes.byteOffset;
  }

  /**
   * The peer broke the protocol: its connection is closed with this error.
   * @param message A sentence about it, without received bytes.
   * @param errno Linux errno. Default EBADMSG.
   */
  fail(message: string, errno = 74): undefined {
    this.errno = errno;
    this.problem = message;
    return undefined;
  }
}
