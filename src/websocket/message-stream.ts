import { SocketErrorCode } from '../core/enums.ts';
import { Errno } from '../core/errno.ts';
import { SocketError } from '../core/errors.ts';

/** Bytes that may wait in a stream before its connection is read no further. */
const MAX_QUEUED_BYTES = 256 * 1024;
/** Pieces that may wait one by one; more become one, so that a peer that sends byte by byte takes no object for each. */
const MAX_QUEUED_PIECES = 512;

/**
 * A large message as it arrives (`onMessageStream`): pieces for `for await`, each the receiver's own for ever. While 256 KiB wait
 * to be taken, the connection is not read, and what was compressed is inflated no further. Leaving the loop early drops the rest of the
 * message. Pieces of text may end in the middle of a character; all of it is valid UTF-8, or the connection is failed and the loop throws.
 *
 * ```ts
 * for await (const piece of stream) file.write(piece);
 * ```
 */
export class WebSocketMessageStream implements AsyncIterable<Buffer> {
  /** Whether it came as bytes; otherwise as text. */
  readonly isBinary: boolean;
  readonly #connId: number;
  #pieces: Buffer[] = [];
  #queuedBytes = 0;
  #byteCount = 0;
  #isComplete = false;
  #isCancelled = false;
  #error: SocketError | null = null;
  #wake: (() => void) | null = null;
  #room: (() => void) | null = null;

  /** @internal */
  constructor(connId: number, isBinary: boolean) {
    this.#connId = connId;
    this.isBinary = isBinary;
  }

  /** Bytes that have come so far. */
  get byteCount(): number {
    return this.#byteCount;
  }

  /** Whether all of it has come. */
  get isComplete(): boolean {
    return this.#isComplete;
  }

  /** @throws SocketError (ECONNABORTED) if the connection ends, or is failed, before the end of the message. */
  [Symbol.asyncIterator](): AsyncIterator<Buffer> {
    const loop = this.#loop();
    return {
      next: () => loop.next(),
      // By itself a generator that was not begun does nothing at its end, and one that waits ends when it need not wait any more.
      return: () => {
        WebSocketMessageStream.cancel(this);
        return loop.return(undefined);
      },
    };
  }

  async *#loop(): AsyncGenerator<Buffer, undefined> {
    try {
      for (;;) {
        const piece = this.#pieces.shift();
        if (piece !== undefined) {
          this.#queuedBytes -= piece.length;
          if (this.#queuedBytes <= MAX_QUEUED_BYTES / 2) this.#makeRoom();
          yield piece;
        } else if (this.#error !== null) {
          throw this.#error;
        } else if (this.#isComplete || this.#isCancelled) {
          return undefined;
        } else {
          await new Promise<void>((resolve) => {
            this.#wake = resolve;
          });
        }
      }
    } finally {
      WebSocketMessageStream.cancel(this);
    }
  }

  #makeRoom(): void {
    const room = this.#room;
    this.#room = null;
    room?.();
  }

  #wakeUp(): void {
    const wake = this.#wake;
    this.#wake = null;
    wake?.();
  }

  /** Whether this is the error with which its loop ended. @internal */
  static isErrorOf(stream: WebSocketMessageStream, thrown: unknown): boolean {
    return stream.#error !== null && stream.#error === thrown;
  }

  /** A piece arrived. @returns Undefined to go on, or a promise of room for more. @internal */
  static push(stream: WebSocketMessageStream, piece: Buffer): Promise<void> | undefined {
    stream.#byteCount += piece.length;
    if (stream.#isCancelled) return undefined;
    stream.#pieces.push(piece);
    if (stream.#pieces.length > MAX_QUEUED_PIECES) stream.#pieces = [Buffer.concat(stream.#pieces)];
    stream.#queuedBytes += piece.length;
    stream.#wakeUp();
    if (stream.#queuedBytes < MAX_QUEUED_BYTES) return undefined;
    return new Promise((resolve) => {
      stream.#room = resolve;
    });
  }

  /** All of it has come. @internal */
  static complete(stream: WebSocketMessageStream): void {
    stream.#isComplete = true;
    stream.#wakeUp();
  }

  /** It is not read: what it holds, and what comes, is dropped. @internal */
  static cancel(stream: WebSocketMessageStream): void {
    stream.#isCancelled = true;
    stream.#pieces = [];
    stream.#queuedBytes = 0;
    stream.#wakeUp();
    stream.#makeRoom();
  }

  /** It will not be completed. @internal */
  static fail(stream: WebSocketMessageStream, message: string): void {
    if (stream.#isComplete) return;
    stream.#error = new SocketError({
      socketError: SocketErrorCode.Network,
      errno: Errno.ECONNABORTED,
      operation: 'onMessageStream',
      connId: stream.#connId,
      message,
    });
    stream.#wakeUp();
    stream.#makeRoom();
  }
}
