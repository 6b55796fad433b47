import { STREAM_WINDOW_BYTES } from './settings.ts';

/** How much HTTP connections of one component may have on its way. */
export interface SendBounds {
  /** Most bytes that a connection takes (`maxPendingBytes`); Infinity for no limit. */
  readonly maxBytes: number;
  /** Bytes that may be on their way before a message that is sent in pieces waits, and most bytes of one piece. */
  readonly windowBytes: number;
}

/** What is on its way, a piece, and a head fit into the limit together. @param maxPendingBytes 0 for no limit. */
export function sendBounds(maxPendingBytes: number): SendBounds {
  const maxBytes = maxPendingBytes === 0 ? Number.POSITIVE_INFINITY : maxPendingBytes;
  return { maxBytes, windowBytes: Math.max(1, Math.min(STREAM_WINDOW_BYTES, Math.floor(maxBytes / 3))) };
}

/** How much of a connection's messages is on its way: what is sent in pieces waits here for room. */
export class SendRoom {
  /** Bytes that were pending when the connection last wrote, and those sent since. */
  #pendingBytes = 0;
  #sentBytes = 0;
  #waiting: (() => void)[] | null = null;
  readonly #bounds: SendBounds;

  constructor(bounds: SendBounds) {
    this.#bounds = bounds;
  }

  sent(bytes: number): void {
    this.#sentBytes += bytes;
  }

  /** The connection has written. */
  wrote(pendingBytes: number): void {
    this.#pendingBytes = pendingBytes;
    this.#sentBytes = 0;
    if (this.#waiting !== null && pendingBytes <= this.#bounds.windowBytes / 2) this.tell();
  }

  /** Whether the connection can take so many bytes at once. */
  fits(bytes: number): boolean {
    return this.#pendingBytes + this.#sentBytes + bytes <= this.#bounds.maxBytes;
  }

  /** Whether so much is on its way that the next piece should wait. */
  get isFull(): boolean {
    return this.#pendingBytes + this.#sentBytes > this.#bounds.windowBytes;
  }

  /** Most bytes of one piece. */
  get windowBytes(): number {
    return this.#bounds.windowBytes;
  }

  /** Resolves when there is room again, or by `tell`. */
  wait(): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting ??= [];
      this.#waiting.push(resolve);
    });
  }

  /** Lets all go on that wait. */
  tell(): void {
    const waiting = this.#waiting;
    this.#waiting = null;
    if (waiting !== null) for (const resolve of waiting) resolve();
  }
}
