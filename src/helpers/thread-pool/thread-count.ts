import { availableParallelism } from 'node:os';
import { describe } from '../../core/describe.ts';

/** Threads of a pool that was started with 0, at most. */
const MAX_DEFAULT_THREADS = 512;
/** Most threads that can be asked for. Each is a V8 isolate of its own, with some 5 MB. */
export const MAX_THREADS = 4096;

/**
 * The number of threads that `start` and `adjustThreadCount` mean (TPF-002).
 * @param threadCount Above 0 just that many; 0 means twice the processors and two more, at most 512; -n means n per processor.
 * @throws RangeError
 */
export function resolveThreadCount(threadCount: number, processors = availableParallelism()): number {
  if (!Number.isInteger(threadCount)) {
    throw new RangeError(`threadCount must be a whole number, not ${describe(threadCount)}`);
  }
  let count = threadCount;
  if (threadCount === 0) count = Math.min(2 * processors + 2, MAX_DEFAULT_THREADS);
  else if (threadCount < 0) count = processors * -threadCount;
  if (count > MAX_THREADS) throw new RangeError(`threadCount ${threadCount} is more than ${MAX_THREADS} threads`);
  return count;
}
