import { type AbortWatch, watchAbort } from './abort-watch.ts';
import { timeoutAfter } from './delay.ts';
import { describe } from './describe.ts';
import { getSocketErrorDesc, ServiceState, SocketErrorCode } from './enums.ts';
import { Errno, errnoName } from './errno.ts';
import { internalError, SocketError, type SocketErrorInit } from './errors.ts';
import { $inspect, type Inspect, inspected } from './inspect.ts';
import {
  $aborted,
  $facts,
  $failed,
  $illegalState,
  $isStopped,
  $refuse,
  $reportHookError,
  $settings,
  $startEnded,
  $transition,
  $wheel,
} from './internals.ts';
import { checkOptions, type OptionRule } from './option-names.ts';
import { applyOptions, defaultSettings } from './properties.ts';
import { sharedTimerWheel, type TimerWheel } from './timer-wheel.ts';

/** Options of `wait` and `stop` that cancel the waiting. */
export interface AbortOptions {
  /** Aborting rejects the promise with a `SocketError`, errno ECANCELED. */
  signal?: AbortSignal | undefined;
}

const waitRules = { signal: true } satisfies Record<keyof AbortOptions, OptionRule>;

/** A failure on the hot path, from which `lastFailure` makes a sentence when asked. */
interface Failure {
  operation: string;
  errno: number;
  connId: number;
  message: string;
}

/**
 * What every component shares: one state machine, errors, waiting, and properties.
 *
 * | from                | on                              | to       | ID             |
 * |---------------------|---------------------------------|----------|----------------|
 * | Stopped             | start with valid parameters     | Starting | ST-001         |
 * | Stopped             | start with invalid parameters   | Stopped  | ST-002         |
 * | Starting            | set up, or client connected     | Started  | ST-003, ST-004 |
 * | Starting            | failure                         | Stopping | ST-005         |
 * | Starting, Started   | stop, or client link closed     | Stopping | ST-006         |
 * | Stopping            | cleanup done                    | Stopped  | ST-007         |
 *
 * Any other transition is an internal error. `start` and `stop` in a wrong state change nothing and are refused with
 * IllegalState (ST-008, ST-009).
 */
export abstract class Component implements AsyncDisposable {
  /** Values of the properties. @internal */
  readonly [$settings]: Record<string, unknown>;
  /** @internal */
  readonly [$wheel]: TimerWheel = sharedTimerWheel();
  #state: ServiceState = ServiceState.Stopped;
  #lastError: SocketErrorCode = SocketErrorCode.Ok;
  #lastSystemError = 0;
  #lastFailure: SocketError | Failure | null = null;
  #waiters = new Set<() => void>();
  #startWaiters: (() => void)[] = [];

  constructor(options: object | undefined) {
    this[$settings] = defaultSettings(this);
    applyOptions(this as never, options);
  }

  /** State of the component (`GetState`, CS-013, CLI-011). */
  get state(): ServiceState {
    return this.#state;
  }

  /** @internal */
  [$inspect](depth: number | null, options: object, inspect: Inspect): string {
    // Its own members have symbols or are private, so the others are those of a subclass of a user.
    return inspected(this, { ...this[$facts](), ...Object.fromEntries(Object.entries(this)) }, depth, options, inspect);
  }

  /** What `console.log` prints of the component. @internal */
  protected [$facts](): object {
    return { state: Object.keys(ServiceState)[this.#state] };
  }

  /** @internal */
  protected get [$isStopped](): boolean {
    return this.#state === ServiceState.Stopped;
  }

  /** True while Starting or Started (`HasStarted`). */
  get hasStarted(): boolean {
    return this.#state === ServiceState.Starting || this.#state === ServiceState.Started;
  }

  /** Component error of the last call that failed; not cleared by later successes (`GetLastError`). */
  get lastError(): SocketErrorCode {
    return this.#lastError;
  }

  /** HP-Socket's text for `lastError` (`GetLastErrorDesc`). */
  get lastErrorDesc(): string {
    return getSocketErrorDesc(this.#lastError);
  }

  /** System error (Linux errno) of the last call that failed, as `SYS_GetLastError` after it in HP-Socket. */
  get lastSystemError(): number {
    return this.#lastSystemError;
  }

  /** The last call that failed, as an error with a sentence; null if none has. */
  get lastFailure(): SocketError | null {
    const failure = this.#lastFailure;
    if (failure === null || failure instanceof SocketError) return failure;
    const { operation, errno, connId, message } = failure;
    const where = connId === 0 ? '' : ` on connection ${describe(connId)}`;
    this.#lastFailure = new SocketError({
      socketError: this.#lastError,
      errno,
      operation,
      message: `${operation}${where} failed: ${message} (${errnoName(errno)})`,
      ...(connId === 0 ? {} : { connId }),
    });
    return this.#lastFailure as SocketError;
  }

  /**
   * Waits until the component is stopped (`Wait`, CS-008).
   * @param timeoutMs Longest time in milliseconds; -1, the default, for ever, as is HP-Socket's INFINITE.
   * @returns true when it is stopped (at once if it never started), false when the time ran out.
   * @throws SocketError (ECANCELED) when `signal` is aborted.
   */
  async wait(timeoutMs = -1, options: AbortOptions = {}): Promise<boolean> {
    if (typeof timeoutMs !== 'number' || Number.isNaN(timeoutMs))
      throw new TypeError(`timeoutMs must be a number, not ${describe(timeoutMs)}`);
    checkOptions('wait', options, waitRules);
    const { signal } = options;
    const isAborted = isSignalAborted(signal);
    if (this.#state === ServiceState.Stopped) return true;
    return new Promise((resolve, reject) => {
      let timer: NodeJS.Timeout | undefined;
      let watch: AbortWatch | undefined;
      const done = (act: () => void): void => {
        clearTimeout(timer);
        watch?.end();
        this.#waiters.delete(onStopped);
        act();
      };
      const onStopped = (): void => done(() => resolve(true));
      const onAbort = (): void => done(() => reject(this[$aborted]('wait', signal)));
      if (isAborted) return onAbort();
      this.#waiters.add(onStopped);
      watch = watchAbort(signal, onAbort);
      if (timeoutMs >= 0) timer = timeoutAfter(timeoutMs, () => done(() => resolve(false)));
    });
  }

  /** Resolves when the component is not Starting, or no longer. @internal */
  [$startEnded](): Promise<void> {
    if (this.#state !== ServiceState.Starting) return Promise.resolve();
    return new Promise((resolve) => this.#startWaiters.push(resolve));
  }

  /** Stops the component (`Stop`). */
  abstract stop(options?: AbortOptions): Promise<unknown>;

  /** Stops the component if it runs, and waits until it is stopped: `await using server = new TcpServer(...)`. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.hasStarted) await this.stop();
    await this.wait();
  }

  /** Moves the state machine. @internal */
  [$transition](to: ServiceState): void {
    const from = this.#state;
    const isLegal =
      (from === ServiceState.Stopped && to === ServiceState.Starting) ||
      (from === ServiceState.Starting && (to === ServiceState.Started || to === ServiceState.Stopping)) ||
      (from === ServiceState.Started && to === ServiceState.Stopping) ||
      (from === ServiceState.Stopping && to === ServiceState.Stopped);
    if (!isLegal) throw internalError(`transition from state ${from} to ${to}`);
    this.#state = to;
    if (from === ServiceState.Starting) for (const waiter of this.#startWaiters.splice(0)) waiter();
    if (to === ServiceState.Stopped) for (const waiter of [...this.#waiters]) waiter();
  }

  /** Remembers `error` as the last one and returns it. @internal */
  [$failed](init: SocketErrorInit | SocketError): SocketError {
    const error = init instanceof SocketError ? init : new SocketError(init);
    this.#lastError = error.socketError;
    this.#lastSystemError = error.errno;
    this.#lastFailure = error;
    return error;
  }

  /** As `failed` for calls that return false: costs no error object until someone asks. @internal */
  [$refuse](operation: string, code: SocketErrorCode, errno: number, message: string, connId = 0): false {
    this.#lastError = code;
    this.#lastSystemError = errno;
    this.#lastFailure = { operation, errno, connId, message };
    return false;
  }

  /** @internal */
  [$illegalState](operation: string): SocketError {
    const name = Object.keys(ServiceState)[this.#state]?.toLowerCase();
    const todo = operation === 'start' ? 'await stop() or wait() first' : 'start it first';
    return this[$failed]({
      socketError: SocketErrorCode.IllegalState,
      errno: Errno.EPERM,
      operation,
      message: `${operation} is not possible while the component is ${name}; ${todo}`,
    });
  }

  /** @internal */
  [$aborted](operation: string, signal: AbortSignal | undefined): SocketError {
    return this[$failed]({
      socketError:
        operation === 'connect' || operation === 'start' ? SocketErrorCode.ConnectServer : SocketErrorCode.IllegalState,
      errno: Errno.ECANCELED,
      operation,
      message: `${operation} was aborted by its signal`,
      cause: signal?.reason,
    });
  }

  /** An error of a hook that no `onClose` can tell: to `onHookError` if there is one, else a process warning. @internal */
  [$reportHookError](listener: object, hook: string, error: unknown, connId: number, isTold: boolean): void {
    const { onHookError } = listener as { onHookError?: (...args: unknown[]) => unknown };
    if (typeof onHookError === 'function') {
      try {
        const result = onHookError.call(listener, this, hook, error, connId);
        if (isThenable(result)) result.then(undefined, (reason: unknown) => warn('onHookError', reason));
      } catch (second) {
        warn('onHookError', second);
      }
    } else if (!isTold) {
      warn(hook, error);
    }
  }
}

/** Throws if it is no signal: an AbortController is easily given instead. So ask before anything has begun. @internal */
export function isSignalAborted(signal: AbortSignal | undefined): boolean {
  if (signal === undefined) return false;
  if (typeof signal?.addEventListener !== 'function')
    throw new TypeError(`signal must be an AbortSignal, not ${describe(signal)}`);
  return signal.aborted;
}

/** @internal */
export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && typeof (value as PromiseLike<unknown>).then === 'function';
}

function warn(hook: string, error: unknown): void {
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  process.emitWarning(`the hook ${hook} failed: ${text}`, { type: 'HpSocketWarning', code: 'HP_SOCKET_HOOK' });
}
