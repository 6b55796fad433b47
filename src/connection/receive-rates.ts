import { type TimerWheel, WheelTimer } from '../core/timer-wheel.ts';
import { TokenBucket } from '../core/token-bucket.ts';

/** Properties that limit how fast a connection receives; 0 for no limit. */
export interface ReceiveRateLimits {
  readonly maxReceiveBytesPerSecond: number;
  readonly maxReceiveMessagesPerSecond: number;
}

/** What the rates at which one connection may receive allow; only there if the component limits them. */
export class ReceiveRates {
  readonly #bytes: TokenBucket | null;
  readonly #messages: TokenBucket | null;
  /** Bytes that were charged to another protocol, and come again for the next. */
  #chargedBytes = 0;
  #timer: WheelTimer | null = null;
  /** When both allow reading again. */
  #resumesAt = 0;

  private constructor(bytesPerSecond: number, messagesPerSecond: number, now: number) {
    this.#bytes = bytesPerSecond > 0 ? new TokenBucket(bytesPerSecond, now) : null;
    this.#messages = messagesPerSecond > 0 ? new TokenBucket(messagesPerSecond, now) : null;
  }

  /** Those of a new connection; null for none. */
  static of(limits: ReceiveRateLimits, now: number): ReceiveRates | null {
    const { maxReceiveBytesPerSecond: bytes, maxReceiveMessagesPerSecond: messages } = limits;
    return bytes > 0 || messages > 0 ? new ReceiveRates(bytes, messages, now) : null;
  }

  /** Bytes came. Returns how many milliseconds nothing more may be read. */
  bytesCame(count: number, now: number): number {
    const charged = Math.min(this.#chargedBytes, count);
    this.#chargedBytes -= charged;
    return this.#bytes?.take(count - charged, now) ?? 0;
  }

  /** A message came. Returns how many milliseconds nothing more may be read. */
  messageCame(now: number): number {
    return this.#messages?.take(1, now) ?? 0;
  }

  /** Bytes that came are to come again. */
  forgive(bytes: number): void {
    this.#chargedBytes += bytes;
  }

  /** Calls `resume` when `waitMs` have passed, unless the other rate demands more already. */
  wait(wheel: TimerWheel, waitMs: number, now: number, resume: () => void): void {
    if (this.#timer?.isArmed === true && this.#resumesAt >= now + waitMs) return;
    // A socket that is not read does not keep the process alive, though its peer may have sent more.
    this.#timer ??= new WheelTimer(resume, true);
    this.#resumesAt = now + waitMs;
    wheel.arm(this.#timer, waitMs);
  }

  cancel(wheel: TimerWheel): void {
    if (this.#timer !== null) wheel.cancel(this.#timer);
  }
}
