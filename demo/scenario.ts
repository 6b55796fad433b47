/** What a scenario reports about one component: a row of the table. */
export interface Row {
  component: string;
  did: string;
  messages: number;
  bytes: number;
  /** Empty if everything was right, else what was wrong. */
  problem?: string;
}

/** One part of the demonstration. */
export interface Scenario {
  title: string;
  /** Runs it; throws, or returns rows with a problem, if anything was wrong. */
  run(progress: (text: string) => void): Promise<Row[]>;
}

/** Resolves when `isDone` says so; rejects after `seconds` with what `state` tells. */
export function until(isDone: () => boolean, state: () => string, seconds = 60): Promise<void> {
  return new Promise((resolve, reject) => {
    const startedAt = Date.now();
    const check = (): void => {
      if (isDone()) return resolve();
      if (Date.now() - startedAt > seconds * 1000) return reject(new Error(`not done after ${seconds} s: ${state()}`));
      setTimeout(check, 2);
    };
    check();
  });
}

/** Throws unless `condition` holds. */
export function expect(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Error(message);
}
