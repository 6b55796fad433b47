import { type Component, isThenable } from './component.ts';
import { HandleResult } from './enums.ts';
import type { SocketError } from './errors.ts';
import { $reportHookError } from './internals.ts';

/*
 * The one place that knows what a hook's answer means: nothing or any value is Ok, `HandleResult.Error` refuses, a throw or
 * a rejection fails, a promise is awaited. Everything that calls a hook says with a `HookOutcome` what follows from it.
 */

/** What follows from a hook. Exactly one of the first three is called: at once, or when the hook's promise is settled. */
export interface HookOutcome {
  /** It answered anything but Error. */
  answered(value: unknown): void;
  /** It answered `HandleResult.Error`. */
  refused(): void;
  /** It threw, or its promise was rejected. */
  failed(thrown: unknown): void;
  /** It returned a promise: one of the others is called later. */
  waits?(): void;
}

/** Calls a hook. */
export function callHook(call: () => unknown, outcome: HookOutcome): void {
  let result: unknown;
  try {
    result = call();
  } catch (thrown) {
    return outcome.failed(thrown);
  }
  settleHook(result, outcome);
}

/** Whether a result asks for more than to go on. Anything else that a hook may return, such as what `send` answered, is Ok. */
export function mustSettle(result: unknown): boolean {
  return result === HandleResult.Error || (typeof result === 'object' && result !== null);
}

/** What a hook returned. Hot paths call their hook themselves, and come here only with results that are not plainly Ok. */
export function settleHook(result: unknown, outcome: HookOutcome): void {
  let isPending: boolean;
  try {
    isPending = isThenable(result); // a getter named `then` may throw
  } catch (thrown) {
    return outcome.failed(thrown);
  }
  if (!isPending) return answer(result, outcome);
  outcome.waits?.();
  // Not `result.then`: what calls itself a promise may throw from it, or call back twice, or at once.
  Promise.resolve(result).then(
    (value) => answer(value, outcome),
    (thrown: unknown) => outcome.failed(thrown),
  );
}

function answer(value: unknown, outcome: HookOutcome): void {
  if (value === HandleResult.Error) outcome.refused();
  else outcome.answered(value);
}

/** Calls a hook whose answer means nothing; only that it failed does. */
export function notifyHook(call: () => unknown, failed: (thrown: unknown) => void): void {
  callHook(call, { answered: nothing, refused: nothing, failed });
}

function nothing(): void {}

/** Told how opening went: undefined if the connection is open, else why not. */
export type OpeningDone = (error?: SocketError) => void;

/** A connection that opens by hooks which may refuse it. */
export interface OpeningConnection {
  /**
   * The answer of a hook is awaited, or, with null, has come: nothing is delivered meanwhile. `goOn` lets the connection in
   * before the hook has answered; it is not to be called within the hook.
   */
  awaitHook(goOn: (() => void) | null): void;
  /** An opening hook may not take for ever: ends the connection unless the function returned is called before. Null for no limit. */
  limitHook(hook: string): (() => void) | null;
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
  callHook(call, new OpeningHook(connection, hook, done, next));
}

/** The outcome of a hook that may refuse its connection. */
class OpeningHook implements HookOutcome {
  #connection: OpeningConnection;
  #hook: string;
  #done: OpeningDone;
  #next: () => void;
  #isWaiting = false;
  /** Whether the connection was let in without waiting for the answer. */
  #isOver = false;
  #unlimit: (() => void) | null = null;

  constructor(connection: OpeningConnection, hook: string, done: OpeningDone, next: () => void) {
    this.#connection = connection;
    this.#hook = hook;
    this.#done = done;
    this.#next = next;
  }

  waits(): void {
    this.#isWaiting = true;
    this.#unlimit = this.#connection.limitHook(this.#hook);
    this.#connection.awaitHook(() => {
      if (this.#isOver) return;
      this.#settled();
      this.#isOver = true;
      this.#next();
    });
  }

  answered(): void {
    if (this.#isOver) return;
    this.#settled();
    this.#next();
  }

  refused(): void {
    this.#ended(false, undefined);
  }

  failed(thrown: unknown): void {
    this.#ended(true, thrown);
  }

  #ended(hasThrown: boolean, thrown: unknown): void {
    if (this.#isOver) return this.#connection.endedBy?.(this.#hook, hasThrown, thrown);
    this.#settled();
    this.#connection.refusedBy(this.#hook, hasThrown, thrown, this.#done);
  }

  #settled(): void {
    if (!this.#isWaiting) return;
    this.#isWaiting = false;
    this.#isOver = true;
    this.#unlimit?.();
    this.#connection.awaitHook(null);
  }
}

/**
 * Calls a hook that may cancel a start or a connect.
 * @param refused Makes the error of it; `what` ends its sentence.
 * @param isTold Whether the caller gets a failure as that error.
 * @returns The error, or null.
 */
export function prepareByHook(
  component: Component,
  listener: object,
  hook: 'onPrepareListen' | 'onPrepareConnect',
  connId: number,
  call: () => unknown,
  refused: (what: string, cause?: unknown) => SocketError,
  isTold: () => boolean,
): Promise<SocketError | null> {
  return new Promise((resolve) => {
    callHook(call, {
      answered: () => resolve(null),
      refused: () => resolve(refused('answered HandleResult.Error')),
      failed: (thrown) => {
        component[$reportHookError](listener, hook, thrown, connId, isTold());
        resolve(refused('failed', thrown));
      },
    });
  });
}
