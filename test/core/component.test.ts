import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { Component } from '../../src/core/component.ts';
import { $aborted, $illegalState, $transition } from '../../src/core/internals.ts';
import { callPrepare, EmptyWait, invalidParam, stopOnAbort } from '../../src/core/start-stop.ts';
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
