/** Where time comes from: milliseconds that never run backwards. Tests inject their own. */
export interface Clock {
  /** Milliseconds since an arbitrary start, with fractions. What is kept of it goes through `stamp`. */
  now(): number;
}

const { performance } = globalThis;

/**
 * A time that is kept: whole milliseconds, since V8 keeps a number with a fraction in 16 bytes of its own, and there may be a
 * million connections.
 */
export function stamp(now: number): number {
  return Math.floor(now);
}

/** The clock of the machine: monotonic, so a change of the wall clock closes nothing. */
export const systemClock: Clock = { now: () => performance.now() };
