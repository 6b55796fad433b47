/** Where time comes from: milliseconds that never run backwards. Tests inject their own. */
export interface Clock {
  /** Milliseconds since an arbitrary start, with fractions. */
  now(): number;
}

const { performance } = globalThis;

/** The clock of the machine: monotonic, so a change of the wall clock closes nothing. */
export const systemClock: Clock = { now: () => performance.now() };
