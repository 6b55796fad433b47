import { isThenable } from './component.ts';
import { HandleResult } from './enums.ts';
import type { SocketError } from './errors.ts';

/** Told how opening went: undefined if the connection is open, else why not. */
export type OpeningDone = (error?: SocketError) => void;

/** A connection that opens by hooks which may refuse it. */
export interface OpeningConnection {
  /** The answer of a hook is awaited, or has come: nothing is delivered meanwhile. */
  awaitHook(isAwaited: boolean): void;
  /** The hook answered `HandleResult.Error`, or failed. */
  refusedBy(hook: string, hasThrown: boolean, thrown: unknown, done: OpeningDone): void;
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
  connection.awaitHook(true);
  result.then(
    (value) => {
      connection.awaitHook(false);
      answered(value);
    },
    (thrown: unknown) => {
      connection.awaitHook(false);
      connection.refusedBy(hook, true, thrown, done);
    },
  );
}

/** Calls a hook whose result does not matter, only that it did not fail. */
export function callHook(call: () => unknown, failed: (thrown: unknown) => void): void {
  try {
    const result = call();
    if (isThenable(result)) result.then(undefined, failed);
  } catch (thrown) {
    failed(thrown);
  }
}
