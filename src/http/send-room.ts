import { STREAM_WINDOW_BYTES } from './settings.ts';

/** How much of a connection's answers is on its way: whoever streams one waits here for room. */
export class SendRoom {
  /** Bytes that were pending when the connection last wrote, and those sent since. */
  #pendingBytes = 0;
  #sentBytes = 0;
  #waiting: (() => void)[] | null = null;

  sent(bytes: number): void {
    this.#sentBytes += bytes;
  }

  /** The connection has written. */
  wrote(pendingBytes: number): void {
    this.#pendingBytes = pendingBytes;
    this.#sentBytes = 0;
    if (this.#waiting !== null && pendingBytes <= STREAM_WINDOW_BYTES / 2) this.tell();
  }

  /** Whether so much is on its way that whoever streams should wait. */
  get isFull(): boolean {
    return this.#pendingBytes + this.#sentBytes > STREAM_WINDOW_BYTES;
  }

  /** Resolves when there is room again, or by `tell`. */
  wait(): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting ??= [];
      this.#waiting.push(resolve);
    });
  }

  /** Lets everybody go on that waits. */
  tell(): void {
    const waiting = this.#waiting;
    this.#waiting = null;
    if (waiting !== null) for (const resolve of waiting) resolve();
  }
}
