import { type AbortOptions, isSignalAborted } from './component.ts';
import { checkOptions, type ForeignNames, type OptionRule } from './option-names.ts';
import { duration } from './properties.ts';

/** Options of `stop`, of every component that closes connections. */
export interface StopOptions extends AbortOptions {
  /**
   * Let connections end in peace: no more are accepted, what is queued is sent, each peer gets a FIN and so many
   * milliseconds to answer it; over ARQ, until it has acknowledged everything. The rest is cut off. With 0, the default, all
   * are cut off at once, as HP-Socket does; `Infinity` for no limit. What a peer sent to a connection that `pauseReceive` holds is waited for as well:
   * resume it, or it is lost when the time is up.
   */
  drainTimeoutMs?: number | undefined;
}

const rules = { drainTimeoutMs: duration, signal: true } satisfies Record<keyof StopOptions, OptionRule>;

/** What others call it. */
const foreign: ForeignNames = {
  drainTimeout: 'drainTimeoutMs',
  drain: 'drainTimeoutMs',
  timeout: 'drainTimeoutMs',
  timeoutMs: 'drainTimeoutMs',
};

/** Checks the options of `stop`. @throws TypeError, RangeError */
export function checkStopOptions(options: StopOptions): void {
  checkOptions('stop', options, rules, foreign);
  isSignalAborted(options.signal);
}
