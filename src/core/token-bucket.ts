/**
 * A rate limit: `perSecond` units on average, at most that many at once. Time comes in with each call, in milliseconds.
 */
export class TokenBucket {
  readonly perSecond: number;
  #tokens: number;
  #filledAt: number;

  constructor(perSecond: number, now: number) {
    this.perSecond = perSecond;
    this.#tokens = perSecond;
    this.#filledAt = now;
  }

  /** Takes `count` units if they are there; false, taking none, if not. */
  tryTake(count: number, now: number): boolean {
    this.#fill(now);
    if (this.#tokens < count) return false;
    this.#tokens -= count;
    return true;
  }

  /** Takes `count` units, into debt if need be. Returns the milliseconds until the debt is paid, 0 if there is none. */
  take(count: number, now: number): number {
    this.#fill(now);
    this.#tokens -= count;
    return this.#tokens >= 0 ? 0 : (-this.#tokens * 1000) / this.perSecond;
  }

  #fill(now: number): void {
    const elapsed = Math.max(now - this.#filledAt, 0);
    this.#filledAt = now;
    this.#tokens = Math.min(this.perSecond, this.#tokens + (elapsed * this.perSecond) / 1000);
  }
}
