import { getEventListeners } from 'node:events';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { Component } from '../../src/core/component.ts';
import { $aborted, $illegalState, $refuse, $reportHookError, $transition } from '../../src/core/internals.ts';
import {
  callPrepare,
  EmptyWait,
  invalidParam,
  shutDown,
  startCancelled,
  stopOnAbort,
  whileStarting,
} from '../../src/core/start-stop.ts';
import { checkStopOptions } from '../../src/core/stop-options.ts';
import { Errno, HandleResult, ServiceState, type SocketError, SocketErrorCode } from '../../src/index.ts';

const { Stopped, Starting, Started, Stopping } = ServiceState;

/** A component that is nothing but its state. */
class Bare extends Component {
  stops = 0;
  isRefusing = false;

  constructor() {
    super(undefined);
  }

  async stop(): Promise<void> {
    this.stops++;
    if (this.isRefusing) throw new Error('not now');
  }

  /** Moves through these states. */
  move(...states: ServiceState[]): this {
    for (const state of states) this[$transition](state);
    return this;
  }
}

function told({ socketError, code, errno, operation, message, cause }: SocketError): unknown[] {
  return [socketError, code, errno, operation, message, cause];
}

describe('a component in the wrong state', () => {
  test.each([
    [[], 'send', 'send is not possible while the component is stopped; start it first'],
    [[Starting], 'start', 'start is not possible while the component is starting; await stop() or wait() first'],
    [
      [Starting, Started],
      'start',
      'start is not possible while the component is started; await stop() or wait() first',
    ],
    [[Starting, Stopping], 'connect', 'connect is not possible while the component is stopping; start it first'],
  ])('after %j says so to %s, and what to do', (states, operation, message) => {
    const component = new Bare().move(...states);
    const error = component[$illegalState](operation);
    expect(told(error)).toEqual([
      SocketErrorCode.IllegalState,
      'HP_ILLEGAL_STATE',
      Errno.EPERM,
      operation,
      message,
      undefined,
    ]);
    expect([component.lastFailure, component.lastError]).toEqual([error, SocketErrorCode.IllegalState]);
  });

  test.each([
    [[Stopped]],
    [[Started]],
    [[Stopping]],
    [[Starting, Starting]],
    [[Starting, Stopped]],
    [[Starting, Started, Starting]],
    [[Starting, Started, Stopped]],
    [[Starting, Stopping, Started]],
    [[Starting, Stopping, Starting]],
  ])('does not go the way %j', (states) => {
    expect(() => new Bare().move(...states)).toThrow(/^hp-socket internal error: transition from state \d to \d/);
  });
});

test.each([
  ['start', SocketErrorCode.ConnectServer],
  ['connect', SocketErrorCode.ConnectServer],
  ['wait', SocketErrorCode.IllegalState],
  ['stop', SocketErrorCode.IllegalState],
])('the error of %s that was aborted has its number and the reason', (operation, number) => {
  const component = new Bare();
  const reason = new Error('no time');
  const message = `${operation} was aborted by its signal`;
  const expected = (cause: unknown): unknown[] => [number, 'HP_ABORTED', Errno.ECANCELED, operation, message, cause];
  expect(told(component[$aborted](operation, AbortSignal.abort(reason)))).toEqual(expected(reason));
  expect(told(component[$aborted](operation, undefined))).toEqual(expected(undefined));
  expect(component.lastError).toBe(number);
});

test('the error of an argument of start is its message', () => {
  expect(told(invalidParam('port must be given'))).toEqual([
    SocketErrorCode.InvalidParam,
    'HP_INVALID_PARAM',
    Errno.EINVAL,
    'start',
    'port must be given',
    undefined,
  ]);
});

test.each([
  [() => HandleResult.Error, 'HP_HOOK_REFUSED', 'answered HandleResult.Error'],
  [() => Promise.reject(new Error('mine')), 'HP_HOOK_FAILED', 'failed'],
  [() => Promise.reject(), 'HP_HOOK_FAILED', 'failed'],
])('a start that its hook cancels says which hook did', async (call, code, end) => {
  const failures: unknown[] = [];
  const listener = { onHookError: (...args: unknown[]) => failures.push(args) };
  const component = new Bare().move(Starting);
  const error = await callPrepare(component, listener, 'onPrepareListen', undefined, call);
  expect(told(error!).slice(0, 5)).toEqual([
    SocketErrorCode.SocketPrepare,
    code,
    Errno.ECANCELED,
    'start',
    `start failed because the hook onPrepareListen ${end}`,
  ]);
  expect(failures).toHaveLength(code === 'HP_HOOK_FAILED' ? 1 : 0);
});

describe('what a start waits for', () => {
  const pending = new Promise<never>(() => {});

  test('is its outcome', async () => {
    const component = new Bare().move(Starting);
    const { signal } = new AbortController();
    expect(await whileStarting(component, signal, Promise.resolve(5))).toBe(5);
    expect(getEventListeners(signal, 'abort')).toEqual([]);
    const error = new Error('mine');
    await expect(whileStarting(component, undefined, Promise.reject(error))).rejects.toBe(error);
  });

  test('is waited for no longer than the start lasts, or until its signal is aborted', async () => {
    const component = new Bare().move(Starting);
    const stopped = whileStarting(component, undefined, pending);
    const controller = new AbortController();
    const aborted = whileStarting(component, controller.signal, pending);
    controller.abort();
    expect(await aborted).toBe(null);
    component.move(Stopping);
    expect(await stopped).toBe(null);
  });

  test('is not waited for once the start has ended', async () => {
    for (const states of [
      [Starting, Started],
      [Starting, Stopping],
      [Starting, Stopping, Stopped],
    ])
      expect(await whileStarting(new Bare().move(...states), undefined, pending)).toBe(null);
  });

  test('was for nothing when stop() came meanwhile', () => {
    const component = new Bare();
    const error = startCancelled(component);
    expect(told(error)).toEqual([
      SocketErrorCode.IllegalState,
      'HP_ABORTED',
      Errno.ECANCELED,
      'start',
      'start was cancelled because stop() was called before it was done',
      undefined,
    ]);
    expect(component.lastFailure).toBe(error);
  });
});

test('a component has started from the beginning of its start to that of its stop', () => {
  const component = new Bare();
  const seen = [component.hasStarted];
  for (const state of [Starting, Started, Stopping, Stopped]) seen.push(component.move(state).hasStarted);
  expect(seen).toEqual([false, true, true, false, false]);
});

describe('waiting for the end of a component', () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] }));
  afterEach(() => void vi.useRealTimers());

  test('ends at once if it does not run, whatever else', async () => {
    expect(await new Bare().wait(0, { signal: AbortSignal.abort() })).toBe(true);
  });

  test('ends with it, or with its time, and leaves no timer', async () => {
    const component = new Bare().move(Starting, Started);
    const waits = [component.wait(), component.wait(1000), component.wait(-1), component.wait(Infinity)];
    const none = component.wait(0);
    const early = component.wait(999);
    await vi.advanceTimersByTimeAsync(0);
    expect(await none).toBe(false);
    await vi.advanceTimersByTimeAsync(999);
    expect(await early).toBe(false);
    component.move(Stopping);
    await vi.advanceTimersByTimeAsync(1);
    expect(await waits[1]).toBe(false);
    component.move(Stopped);
    waits.splice(1, 1);
    expect(await Promise.all(waits)).toEqual([true, true, true]);
    expect(vi.getTimerCount()).toBe(0);
  });

  test('is cancelled by its signal, before and meanwhile', async () => {
    const component = new Bare().move(Starting);
    const controller = new AbortController();
    const { signal } = controller;
    const waiting = component.wait(1000, { signal });
    const reason = new Error('mine');
    controller.abort(reason);
    for (const wait of [waiting, component.wait(1000, { signal })])
      await expect(wait).rejects.toMatchObject({ code: 'HP_ABORTED', operation: 'wait', cause: reason });
    expect(vi.getTimerCount()).toBe(0);
    component.move(Stopping, Stopped);
    expect(await component.wait(1000, { signal })).toBe(true);
  });

  test('needs a number, and a signal that is one', async () => {
    const component = new Bare().move(Starting);
    await expect(component.wait(Number.NaN)).rejects.toThrow(new TypeError('timeoutMs must be a number, not NaN'));
    await expect(component.wait(1, { signal: {} as never })).rejects.toThrow('signal must be an AbortSignal');
    await expect(component.wait(1, { sig: 1 } as never)).rejects.toThrow('unknown option "sig" of wait');
  });

  test('is part of disposing, which stops what runs', async () => {
    const stopped = new Bare();
    await stopped[Symbol.asyncDispose]();
    expect(stopped.stops).toBe(0);
    const running = new Bare().move(Starting, Started);
    let isDisposed = false;
    const disposed = running[Symbol.asyncDispose]().then(() => {
      isDisposed = true;
    });
    await new Promise((resolve) => setImmediate(resolve));
    expect([running.stops, isDisposed]).toEqual([1, false]);
    running.move(Stopping, Stopped);
    await disposed;
  });
});

describe('the last failure of a component', () => {
  test('is made a sentence when it is asked for, with its connection if there is one', () => {
    const component = new Bare();
    expect([component.lastFailure, component.lastError, component.lastSystemError]).toEqual([null, 0, 0]);
    expect(component.lastErrorDesc).toBe('SUCCESS');
    expect(component[$refuse]('send', SocketErrorCode.DataSend, Errno.ENOBUFS, 'too much')).toBe(false);
    const error = component.lastFailure!;
    expect([error.message, error.connId, error.code]).toEqual([
      'send failed: too much (ENOBUFS)',
      null,
      'HP_SEND_BUFFER_FULL',
    ]);
    expect(component.lastFailure).toBe(error);
    component[$refuse]('send', SocketErrorCode.IllegalState, Errno.EBADSLT, 'it is closed', 7);
    expect(component.lastFailure).toMatchObject({
      message: 'send on connection 7 failed: it is closed (EBADSLT)',
      connId: 7,
    });
    expect([component.lastError, component.lastSystemError]).toEqual([SocketErrorCode.IllegalState, Errno.EBADSLT]);
    expect(component.lastErrorDesc).toBe('Illegal State');
  });
});

describe('the failure of a hook that no onClose tells', () => {
  const error = new Error('mine');
  const warnings: unknown[][] = [];
  beforeEach(() => {
    warnings.length = 0;
    vi.spyOn(process, 'emitWarning').mockImplementation((...args: unknown[]) => void warnings.push(args));
  });
  afterEach(() => void vi.restoreAllMocks());
  const kind = { type: 'HpSocketWarning', code: 'HP_SOCKET_HOOK' };

  test('goes to onHookError, which is called as the others are', () => {
    const component = new Bare();
    const calls: unknown[][] = [];
    const listener = {
      onHookError(...args: unknown[]): void {
        calls.push([this, ...args]);
      },
    };
    for (const isTold of [false, true]) component[$reportHookError](listener, 'onSend', error, 7, isTold);
    expect(calls).toEqual(Array(2).fill([listener, component, 'onSend', error, 7]));
    expect(warnings).toEqual([]);
  });

  test('is a warning without it, unless it is told elsewhere', () => {
    const component = new Bare();
    component[$reportHookError]({}, 'onSend', error, 7, true);
    expect(warnings).toEqual([]);
    component[$reportHookError]({}, 'onSend', error, 7, false);
    component[$reportHookError]({}, 'onClose', 'text', 7, false);
    const bare = Object.assign(new Error('no stack'), { stack: undefined });
    component[$reportHookError]({}, 'onClose', bare, 7, false);
    expect(warnings).toEqual([
      [`the hook onSend failed: ${error.stack}`, kind],
      ['the hook onClose failed: text', kind],
      ['the hook onClose failed: no stack', kind],
    ]);
  });

  test('is not told twice where a start fails by it', async () => {
    const component = new Bare().move(Starting);
    const failed = await callPrepare(component, {}, 'onPrepareListen', undefined, () => Promise.reject(error));
    expect([failed?.cause, warnings]).toEqual([error, []]);
  });

  test('and that of onHookError is a warning', async () => {
    const component = new Bare();
    const throwing = (): never => {
      throw error;
    };
    const report = (onHookError: () => unknown): void =>
      component[$reportHookError]({ onHookError }, 'onSend', new Error('first'), 7, true);
    report(throwing);
    report(() => Promise.reject(error));
    report(() => Promise.resolve());
    await new Promise((resolve) => setImmediate(resolve));
    expect(warnings).toEqual(Array(2).fill([`the hook onHookError failed: ${error.stack}`, kind]));
  });
});

describe('the end of a stop', () => {
  test.each<[string, unknown]>([
    ['no hook', undefined],
    ['one that answers', () => {}],
    ['one that answers later', async () => {}],
    ['one that answers with Error, which means nothing here', () => HandleResult.Error],
  ])('with %s is Stopped, and no failure', async (_what, onShutdown) => {
    const failures: unknown[] = [];
    const component = new Bare().move(Starting, Stopping);
    const listener = { onShutdown, onHookError: (...args: unknown[]) => failures.push(args) };
    const ended = shutDown(component, listener);
    expect(component.state).toBe(Stopping);
    await ended;
    expect([component.state, failures]).toEqual([Stopped, []]);
  });

  test('is told to onShutdown while the component is Stopping, and is there though that throws', async () => {
    const error = new Error('mine');
    const failures: unknown[][] = [];
    const component = new Bare().move(Starting, Stopping);
    const seen: unknown[] = [];
    const listener = {
      onShutdown(sender: Bare): void {
        seen.push(this === listener, sender, sender.state);
        throw error;
      },
      onHookError: (...args: unknown[]) => void failures.push(args),
    };
    await shutDown(component, listener);
    expect(seen).toEqual([true, component, Stopping]);
    expect(failures).toEqual([[component, 'onShutdown', error, 0]]);
    expect(component.state).toBe(Stopped);
  });
});

test('the options of a stop are those that there are', () => {
  for (const options of [{}, { drainTimeoutMs: 0 }, { drainTimeoutMs: Infinity }, { signal: AbortSignal.abort() }])
    expect(() => checkStopOptions(options)).not.toThrow();
  for (const [options, message] of [
    [{ drainTimeoutMs: -1 }, 'drainTimeoutMs must be 0 milliseconds or more, not -1'],
    [{ drainTimeoutMs: '5' }, 'drainTimeoutMs must be a number, not "5"'],
    [{ signal: new AbortController() }, 'signal must be an AbortSignal, not an object'],
    [null, 'the options of stop must be an object, not null'],
  ])
    expect(() => checkStopOptions(options as never)).toThrow(message as string);
  for (const name of ['drainTimeout', 'drain', 'timeout', 'timeoutMs'])
    expect(() => checkStopOptions({ [name]: 5 } as never)).toThrow(
      `unknown option "${name}" of stop; it is called drainTimeoutMs here`,
    );
});

describe('the signal of a start', () => {
  const running = (): Bare => new Bare().move(Starting, Started);

  test('stops the component once when it is aborted, at once if it is so already', () => {
    const controller = new AbortController();
    const component = running();
    stopOnAbort(component, controller.signal);
    expect(component.stops).toBe(0);
    controller.abort();
    controller.signal.dispatchEvent(new Event('abort'));
    expect(component.stops).toBe(1);
    const late = running();
    stopOnAbort(late, controller.signal);
    expect(late.stops).toBe(1);
  });

  test('may be left out, and its stop may fail without a word', async () => {
    const component = running();
    component.isRefusing = true;
    stopOnAbort(component, undefined);
    expect(component.stops).toBe(0);
    stopOnAbort(component, AbortSignal.abort());
    expect(component.stops).toBe(1);
    await new Promise((resolve) => setImmediate(resolve)); // a rejection that nobody catches would fail the run
  });

  test('stops no component that does not run', () => {
    const component = new Bare();
    stopOnAbort(component, AbortSignal.abort());
    expect(component.stops).toBe(0);
  });

  test('means nothing for the next run', async () => {
    const controller = new AbortController();
    const component = running();
    stopOnAbort(component, controller.signal);
    component.move(Stopping, Stopped);
    await component.wait();
    await new Promise((resolve) => setImmediate(resolve));
    component.move(Starting, Started);
    controller.abort();
    expect(component.stops).toBe(0);
  });
});

describe('waiting until there are no connections', () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] }));
  afterEach(() => void vi.useRealTimers());

  test('ends with the last one, and leaves no timer', async () => {
    const empty = new EmptyWait();
    const controller = new AbortController();
    const waiting = empty.wait(controller.signal, 1000);
    expect(() => empty.wait()).toThrow('two stops wait for the same connections');
    empty.emptied();
    await waiting;
    expect(vi.getTimerCount()).toBe(0);
    empty.emptied();
    // Another wait begins anew, and the signal of the first means nothing to it.
    const again = empty.wait();
    controller.abort();
    expect(vi.getTimerCount()).toBe(0);
    empty.emptied();
    await again;
  });

  test('ends when its time is over, not before, or its signal is aborted', async () => {
    const empty = new EmptyWait();
    let isOver = false;
    const timed = empty.wait(undefined, 1000).then(() => {
      isOver = true;
    });
    await vi.advanceTimersByTimeAsync(999);
    expect(isOver).toBe(false);
    await vi.advanceTimersByTimeAsync(1);
    await timed;
    const controller = new AbortController();
    const aborted = empty.wait(controller.signal, 1000);
    controller.abort();
    await aborted;
    expect(vi.getTimerCount()).toBe(0);
  });
});
