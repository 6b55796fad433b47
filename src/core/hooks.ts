import { isThenable } from './component.ts';
import { HandleResult } from './enums.ts';
import type { SocketError } from './errors.ts';

/** Told how opening went: undefined if the connection is open, else why not. */
export type OpeningDone = (error?: SocketError) => void;

/** A connection that opens by hooks which may refuse it. */
export interface OpeningConnection {
  /**
   * The answer of a hook is awaited, or, with null, has come: nothing is delivered meanwhile. `goOn` lets the connection in
   * before the hook has answered; it is not to be called within the hook.
   */
  awaitHook(goOn: (() => void) | null): void;
  /** The hook answered `HandleResult.Error`, or failed. */
  refusedBy(hook: string, hasThrown: boolean, thrown: unknown, done: OpeningDone): void;
  /** The same after `goOn`. */
  endedBy?(hook: string, hasThrown: boolean, thrown: unknown): void;
}

/** Calls a hook that may refuse the connection, by Error, a throw or a rejection, at once or later; else goes on with `next`. */
export function askHook(
  connection: OpeningConnection,
  hook: string,
  call: () => unknown,
  done: OpeningDone,
  next: () => void,
): void {
  const answered = (value: unknown): void => {
    if (value === HandleResult.Error) connection.refusedBy(hook, false, undefined, done);
    else next();
  };
  let result: unknown;
  try {
    result = call();
  } catch (thrown) {
    return connection.refusedBy(hook, true, thrown, done);
  }
  if (!isThenable(result)) return answered(result);
  let isOver = false;
  const goOn = (): void => {
    if (isOver) return;
    isOver = true;
    connection.awaitHook(null);
    next();
  };
  connection.awaitHook(goOn);
  result.then(
    (value) => {
      if (!isOver) {
        isOver = true;
        connection.awaitHook(null);
        answered(value);
      } else if (value === HandleResult.Error) {
        connection.endedBy?.(hook, false, undefined);
      }
    },
    (thrown: unknown) => {
      if (isOver) return connection.endedBy?.(hook, true, thrown);
      isOver = true;
      connection.awaitHook(null);
      connection.refusedBy(hook, true, thrown, done);
    },
  );
}

/** Calls a hook; `failed` is told what it threw or rejected with, `answered` its result, now or later. */
export function callHook(
  call: () => unknown,
  failed: (thrown: unknown) => void,
  answered?: (value: unknown) => void,
): void {
  let result: unknown;
  try {
    result = call();
    if (isThenable(result)) return void result.then(answered, failed);
  } catch (thrown) {
    return failed(thrown);
  }
  answered?.(result);
}
