import { textOf } from './body-text.ts';
import { Queue } from './queue.ts';

/** Bytes that are held for a reader before the connection is no longer read. */
const WINDOW_BYTES = 64 * 1024;

/** What a streamed body asks of the request that it answers. */
export interface BodySource {
  /** Longest body that is collected, 0 for any. */
  readonly maxBodyBytes: number;
  /** `Content-Type` of the answer. */
  readonly contentType: string | undefined;
  /** The reader wants no more: nothing else ends a body than the end of its connection. */
  cancelled(): void;
  /** The error for a body that is longer than `maxBodyBytes`. */
  tooLong(): Error;
}

/**
 * The body of a streamed answer: pieces as they arrive. Little more than what the reader takes is read from the connection, so read
 * it to its end, or `cancel` it.
 */
export class HttpResponseBody implements AsyncIterable<Buffer> {
  #source: BodySource;
  #pieces = new Queue<Buffer>();
  #heldBytes = 0;
  #isTaken = false;
  #isComplete = false;
  #isCancelled = false;
  #failure: Error | null = null;
  /** Readers that wait for a piece. */
  #waiting: (() => void)[] = [];
  /** Tells the connection that there is room. */
  #room: (() => void) | null = null;

  /** @internal */
  constructor(source: BodySource) {
    this.#source = source;
    this.over = new Promise((resolve) => {
      this.#tellOver = resolve;
    });
  }

  /** Resolves when there is nothing more to come, for whatever reason. @internal */
  readonly over: Promise<void>;
  #tellOver!: () => void;

  /** Whether all of it has arrived. */
  get isComplete(): boolean {
    return this.#isComplete;
  }

  /**
   * The pieces. A loop that is left before the end cancels the body.
   * @throws SocketError if the connection goes before the end, or `signal` or a deadline ends it; Error if it is read twice.
   */
  [Symbol.asyncIterator](): AsyncIterator<Buffer, undefined> {
    if (this.#isTaken) {
      const error = new Error('the body of an answer can be read once, and not when it was cancelled');
      return { next: () => Promise.reject(error) };
    }
    this.#isTaken = true;
    // No generator: one that is given up before its first piece would not be told.
    return {
      next: () => this.#next(),
      return: () => {
        this.cancel();
        return Promise.resolve({ done: true, value: undefined });
      },
    };
  }

  async #next(): Promise<IteratorResult<Buffer, undefined>> {
    for (;;) {
      const piece = this.#pieces.shift();
      if (piece !== undefined) {
        this.#heldBytes -= piece.length;
        if (this.#heldBytes < WINDOW_BYTES) this.#makeRoom();
        return { done: false, value: piece };
      }
      if (this.#failure !== null) throw this.#failure;
      if (this.#isComplete || this.#isCancelled) return { done: true, value: undefined };
      await new Promise<void>((resolve) => {
        this.#waiting.push(resolve);
      });
    }
  }

  /** All of it, up to `maxBodyBytes`. @throws SocketError EMSGSIZE if it is longer, and as the loop does. */
  async bytes(): Promise<Buffer> {
    const { maxBodyBytes } = this.#source;
    const pieces: Buffer[] = [];
    let length = 0;
    for await (const piece of this) {
      length += piece.length;
      if (maxBodyBytes > 0 && length > maxBodyBytes) throw this.#source.tooLong();
      pieces.push(piece);
    }
    return pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces, length);
  }

  /** All of it as text, in the charset of its `Content-Type` if that names one that is known, else in UTF-8. */
  async text(): Promise<string> {
    return textOf(await this.bytes(), this.#source.contentType);
  }

  /** All of it as JSON, which is UTF-8. @throws SyntaxError if it is none. */
  async json(): Promise<unknown> {
    return JSON.parse((await this.bytes()).toString('utf8'));
  }

  /** The rest is not wanted: closes the connection, unless all of it has arrived. */
  cancel(): void {
    this.#isTaken = true;
    this.#isCancelled = true;
    this.#pieces = new Queue();
    this.#heldBytes = 0;
    this.#makeRoom();
    this.#wakeReader();
    if (!this.#isComplete && this.#failure === null) this.#source.cancelled();
  }

  /** Reads up to `maxBytes` of it and drops them; more cancel it. @internal */
  async discard(maxBytes: number): Promise<void> {
    let length = 0;
    for await (const piece of this) {
      length += piece.length;
      if (length > maxBytes) return;
    }
  }

  /** A piece arrived. @returns When there is room for more, undefined if there is. @internal */
  push(piece: Buffer): Promise<void> | undefined {
    if (this.#isCancelled) return undefined;
    this.#pieces.push(piece);
    this.#heldBytes += piece.length;
    this.#wakeReader();
    if (this.#heldBytes < WINDOW_BYTES) return undefined;
    return new Promise((resolve) => {
      this.#room = resolve;
    });
  }

  /** It is complete. @internal */
  end(): void {
    this.#isComplete = true;
    this.#tellOver();
    this.#wakeReader();
  }

  /** There will be no more of it. What has arrived is handed on before. @internal */
  fail(error: Error): void {
    this.#failure ??= error;
    this.#tellOver();
    this.#wakeReader();
    this.#makeRoom();
  }

  #wakeReader(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }

  #makeRoom(): void {
    const room = this.#room;
    this.#room = null;
    room?.();
  }
}
