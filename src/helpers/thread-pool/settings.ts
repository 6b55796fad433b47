import type { ResourceLimits } from 'node:worker_threads';
import { describe } from '../../core/describe.ts';
import type { TableOf } from '../../core/properties.ts';
import { custom, integer, oneOf } from '../../core/properties.ts';
import { RejectedPolicy } from '../enums.ts';
import { maxWaitRule, signalRule } from '../options.ts';
import { moduleUrl } from './task-ref.ts';

/** Options of `new ThreadPool`; all but `env` are also properties, to be set while the pool is stopped. */
export interface ThreadPoolProperties {
  /** The module whose exported functions `submit` runs by name: a URL or an absolute path. Default null: each task says. */
  module: string | URL | null;
  /**
   * Longest run of a task in milliseconds, 1 or more. One that takes longer is rejected with ETIMEDOUT, and its thread replaced, as
   * nothing else ends it. Default 0: no limit, as in HP-Socket.
   */
  taskTimeoutMs: number;
  /** Most submits that wait for room at once with `RejectedPolicy.WaitFor`, 1 or more; default 65,536. */
  maxWaitingSubmits: number;
  /** Limits of each thread's heap, as `node:worker_threads` takes them. Default null: Node's. */
  resourceLimits: ResourceLimits | null;
  /**
   * How much the threads stand back behind others when processors are short, 0 to 19 (as `nice`); default 0, not at all. With as many
   * busy threads as processors, 5 to 10 keeps the event loop quick. Linux only: elsewhere it does nothing.
   */
  niceness: number;
  /** Cloned into `workerData.data` of each thread. Default null. */
  workerData: unknown;
  /** Node's command line options for the threads; default null: those of this process. */
  execArgv: readonly string[] | null;
}

/** Options of `start`. */
export interface ThreadPoolStartOptions {
  /** Most tasks that wait for a thread, 1 or more; 0, the default, for no limit. Running ones do not count. */
  maxQueueSize?: number | undefined;
  /** What happens to a task when the queue is full; default `CallFail`. */
  rejectedPolicy?: RejectedPolicy | undefined;
  /** Stack of each thread in bytes, 256 KiB to 1 GiB; 0, the default, is Node's 4 MiB. */
  stackSizeBytes?: number | undefined;
  /** Aborting it while the pool starts cancels the start; later it stops the pool. */
  signal?: AbortSignal | undefined;
}

/** Options of `stop`. */
export interface ThreadPoolStopOptions {
  /**
   * Longest time in milliseconds that tasks are waited for, queued ones too; 0 and -1, the default, for ever. What is left
   * then is rejected with ECANCELED.
   */
  maxWaitMs?: number | undefined;
  /** Aborting it ends the waiting, as if `maxWaitMs` were over. */
  signal?: AbortSignal | undefined;
}

/** What became of the tasks that `stop` found. */
export interface ThreadPoolStopReport {
  /** Tasks that ended, well or not, while the pool stopped. */
  readonly finished: number;
  /** Tasks that were rejected with ECANCELED because the time was over. */
  readonly cancelled: number;
}

/** Options of `submit`. */
export interface SubmitOptions {
  /** With `RejectedPolicy.WaitFor`: longest wait for room in milliseconds; 0 and -1, the default, for ever (TPF-006). */
  maxWaitMs?: number | undefined;
  /** Longest run in milliseconds, 1 or more, 0 for no limit; default: the pool's `taskTimeoutMs`. */
  timeoutMs?: number | undefined;
  /** Aborting it rejects the task with ECANCELED. If it runs, its thread is ended and replaced. */
  signal?: AbortSignal | undefined;
  /** What of the argument moves to the worker instead of being copied. */
  transfer?: readonly object[] | undefined;
}

const maxTimeoutMs = 0x7fffffff;

export const poolTable = {
  module: custom(null, (name, value) => {
    if (value !== null) moduleUrl(name, value);
  }),
  taskTimeoutMs: integer(0, 1, maxTimeoutMs, true),
  maxWaitingSubmits: integer(65_536, 1),
  resourceLimits: custom(null, (name, value) => {
    if (typeof value !== 'object') throw new TypeError(`${name} must be an object or null, not ${describe(value)}`);
  }),
  niceness: integer(0, 0, 19),
  workerData: custom(null, () => {}),
  execArgv: custom(null, (name, value) => {
    if (value !== null && !(Array.isArray(value) && value.every((text) => typeof text === 'string'))) {
      throw new TypeError(`${name} must be an array of strings, or null`);
    }
  }),
} satisfies TableOf<ThreadPoolProperties>;

export const startTable = {
  maxQueueSize: integer(0, 1, Number.MAX_SAFE_INTEGER, true),
  rejectedPolicy: oneOf<RejectedPolicy>(RejectedPolicy.CallFail, Object.values(RejectedPolicy)),
  stackSizeBytes: integer(0, 256 * 1024, 1024 ** 3, true),
  signal: signalRule,
} satisfies TableOf<ThreadPoolStartOptions>;

export const stopTable = { maxWaitMs: maxWaitRule, signal: signalRule } satisfies TableOf<ThreadPoolStopOptions>;

export const submitTable = {
  maxWaitMs: maxWaitRule,
  timeoutMs: integer(0, 1, maxTimeoutMs, true),
  signal: signalRule,
  transfer: custom(undefined, (name, value) => {
    if (!Array.isArray(value)) throw new TypeError(`${name} must be an array, not ${describe(value)}`);
  }),
} satisfies TableOf<SubmitOptions>;
