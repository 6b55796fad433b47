import { watchAbort } from './abort-watch.ts';
import { type Component, isSignalAborted } from './component.ts';
import { hookCode } from './connection-errors.ts';
import { deadlineAfter } from './delay.ts';
import { ServiceState, SocketErrorCode } from './enums.ts';
import { Errno } from './errno.ts';
import { internalError, SocketError } from './errors.ts';
import { callHook, prepareByHook } from './hooks.ts';
import { $failed, $reportHookError, $startEnded, $transition } from './internals.ts';

/** The error of `start` for an argument that makes no sense. */
export function invalidParam(message: string): SocketError {
  return new SocketError({
    socketError: SocketErrorCode.InvalidParam,
    errno: Errno.EINVAL,
    operation: 'start',
    message,
  });
}

/**
 * Calls a hook that may cancel a start; returns the error of it, or null (EV-S-01, EV-C-01, EV-N-01). It also returns when
 * the start is over, or `signal` aborted, before the hook has answered.
 */
export function callPrepare(
  component: Component,
  listener: object,
  hook: 'onPrepareListen' | 'onPrepareConnect',
  signal: AbortSignal | undefined,
  call: () => unknown,
): Promise<SocketError | null> {
  const refused = (what: string, cause?: unknown): SocketError =>
    new SocketError({
      socketError: SocketErrorCode.SocketPrepare,
      code: hookCode(what),
      errno: Errno.ECANCELED,
      operation: 'start',
      message: `start failed because the hook ${hook} ${what}`,
      cause,
    });
  const answer = prepareByHook(component, listener, hook, 0, call, refused, () => true);
  return whileStarting(component, signal, answer);
}

/** What `work` comes to; null as soon as the start of `component` is over, or `signal` aborted, before that. */
export function whileStarting<T>(
  component: Component,
  signal: AbortSignal | undefined,
  work: Promise<T>,
): Promise<T | null> {
  return new Promise((resolve, reject) => {
    const done = (act: () => void): void => {
      watch.end();
      act();
    };
    const giveUp = (): void => done(() => resolve(null));
    const watch = watchAbort(signal, giveUp);
    component[$startEnded]().then(giveUp);
    work.then(
      (value) => done(() => resolve(value)),
      (error: unknown) => done(() => reject(error)),
    );
  });
}

/** The error of a start that `stop` overtook. */
export function startCancelled(component: Component): SocketError {
  return component[$failed]({
    socketError: SocketErrorCode.IllegalState,
    errno: Errno.ECANCELED,
    operation: 'start',
    message: 'start was cancelled because stop() was called before it was done',
  });
}

/** Calls `stop` when `signal` is aborted while the present run lasts. */
export function stopOnAbort(component: Component, signal: AbortSignal | undefined): void {
  if (signal === undefined) return;
  const stop = (): void => {
    if (component.hasStarted) component.stop().catch(() => {});
  };
  if (isSignalAborted(signal)) return stop();
  const watch = watchAbort(signal, stop);
  component.wait().then(() => watch.end());
}

/** Milliseconds beyond its time after which a stop gives up opening hooks that do not answer. */
export const HOOK_GRACE_MS = 50;

/** How a stop waits until a component has no connections any more. */
export class EmptyWait {
  #done: (() => void) | null = null;

  /** Resolves when `emptied` is called, or before that when `signal` is aborted or `timeoutMs` have passed. */
  wait(signal?: AbortSignal, timeoutMs = Number.POSITIVE_INFINITY): Promise<void> {
    if (this.#done !== null) throw internalError('two stops wait for the same connections');
    return new Promise((resolve) => {
      const done = (): void => {
        this.#done = null;
        cancel();
        watch.end();
        resolve();
      };
      const cancel = deadlineAfter(timeoutMs, done);
      this.#done = done;
      const watch = watchAbort(signal, done);
    });
  }

  /** The last connection is gone. */
  emptied(): void {
    this.#done?.();
  }
}

/** Ends a stop, or a start that failed after it had begun: `onShutdown`, then Stopped. */
export async function shutDown(component: Component, listener: object): Promise<void> {
  await new Promise<void>((resolve) => {
    const done = (): void => resolve();
    callHook(() => (listener as { onShutdown?(sender: Component): unknown }).onShutdown?.(component), {
      answered: done,
      refused: done,
      failed: (thrown) => {
        component[$reportHookError](listener, 'onShutdown', thrown, 0, false);
        resolve();
      },
    });
  });
  component[$transition](ServiceState.Stopped);
}
