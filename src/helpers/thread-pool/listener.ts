import { unknownHook } from '../../core/check-listener.ts';
import { describe } from '../../core/describe.ts';
import type { SocketError } from '../../core/errors.ts';

/**
 * Hooks of a `ThreadPool` (`IHPThreadPoolListener`). None of them has a result; what one throws comes to `onHookError`, else
 * becomes a process warning.
 */
export interface ThreadPoolHooks<Pool = unknown> {
  /** `start` was called; no thread exists yet (EV-T-01). */
  onStartup?(pool: Pool): unknown;
  /** All threads have ended; the last hook (EV-T-02). */
  onShutdown?(pool: Pool): unknown;
  /** A thread is ready for tasks (EV-T-03). */
  onWorkerThreadStart?(pool: Pool, threadId: number): unknown;
  /**
   * A thread has ended (EV-T-04).
   * @param error Why, if it died of itself or was ended because of its task; null if the pool needed it no more.
   */
  onWorkerThreadEnd?(pool: Pool, threadId: number, error: SocketError | null): unknown;
  /** A hook threw. */
  onHookError?(pool: Pool, hook: string, error: unknown): unknown;
}

/** Base class of listeners that are classes. */
export class ThreadPoolListener<Pool = unknown> implements ThreadPoolHooks<Pool> {
  onStartup?(pool: Pool): unknown;
  onShutdown?(pool: Pool): unknown;
  onWorkerThreadStart?(pool: Pool, threadId: number): unknown;
  onWorkerThreadEnd?(pool: Pool, threadId: number, error: SocketError | null): unknown;
  onHookError?(pool: Pool, hook: string, error: unknown): unknown;
}

const names = ['onStartup', 'onShutdown', 'onWorkerThreadStart', 'onWorkerThreadEnd', 'onHookError'];

/** @throws TypeError unless `listener` is an object whose hooks are functions, and are all known. */
export function checkThreadPoolListener(listener: unknown): void {
  if (typeof listener !== 'object' || listener === null) {
    throw new TypeError(`the listener must be an object with hooks such as onStartup, not ${describe(listener)}`);
  }
  const members = listener as Record<string, unknown>;
  for (const name of names) {
    const hook = members[name];
    if (hook !== undefined && typeof hook !== 'function') {
      throw new TypeError(`the hook ${name} must be a function, not ${describe(hook)}`);
    }
  }
  const prototype: unknown = Object.getPrototypeOf(listener);
  if (prototype !== Object.prototype && prototype !== null) return;
  for (const name of Object.keys(members)) {
    if (/^on/i.test(name) && !names.includes(name)) {
      throw unknownHook(name, names);
    }
  }
}
