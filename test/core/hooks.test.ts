import { describe, expect, test } from 'vitest';
import {
  askHook,
  callHook,
  type HookOutcome,
  mustSettle,
  notifyHook,
  type OpeningConnection,
  settleHook,
} from '../../src/core/hooks.ts';
import { HandleResult } from '../../src/index.ts';

const thrown = new Error('mine');

/** An outcome that notes what was called. */
function noted(): { outcome: Required<HookOutcome>; calls: unknown[][] } {
  const calls: unknown[][] = [];
  const outcome = {
    answered: (value: unknown) => void calls.push(['answered', value]),
    refused: () => void calls.push(['refused']),
    failed: (error: unknown) => void calls.push(['failed', error]),
    waits: () => void calls.push(['waits']),
  };
  return { outcome, calls };
}

/** A rejected promise that Node does not warn of before it is awaited. */
function rejected(): Promise<never> {
  const promise = Promise.reject(thrown);
  promise.catch(() => {});
  return promise;
}

/** Lets every promise that is settled call back. */
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('what a hook returns', () => {
  test.each([undefined, null, true, false, 0, 7, 'text', HandleResult.Ok, HandleResult.Ignore])('%s is Ok', (value) => {
    const { outcome, calls } = noted();
    expect(mustSettle(value)).toBe(false);
    settleHook(value, outcome);
    expect(calls).toEqual([['answered', value]]);
  });

  test('is looked at when it is Error, or may be a promise', () => {
    for (const value of [HandleResult.Error, {}, [], Promise.resolve()]) expect(mustSettle(value)).toBe(true);
  });

  test('refuses at once if it is Error, and is Ok at once if it is an object and no promise', () => {
    const { outcome, calls } = noted();
    settleHook(HandleResult.Error, outcome);
    const value = [() => {}];
    settleHook(value, outcome);
    expect(calls).toEqual([['refused'], ['answered', value]]);
  });

  test.each([
    ['answers', Promise.resolve(7), ['answered', 7]],
    ['answers Error', Promise.resolve(HandleResult.Error), ['refused']],
    ['is rejected', rejected(), ['failed', thrown]],
  ])('a promise is awaited, and then %s', async (_, promise, last) => {
    const { outcome, calls } = noted();
    settleHook(promise, outcome);
    expect(calls).toEqual([['waits']]);
    await settled();
    expect(calls).toEqual([['waits'], last]);
  });

  test('is awaited also without the callback that says so', async () => {
    const { outcome, calls } = noted();
    const { answered, refused, failed } = outcome;
    settleHook(Promise.resolve(7), { answered, refused, failed });
    await settled();
    expect(calls).toEqual([['answered', 7]]);
  });

  test('failed when the hook threw, or what it returned throws at a look', () => {
    const { outcome, calls } = noted();
    callHook(() => {
      throw thrown;
    }, outcome);
    const trap = {
      // biome-ignore lint/suspicious/noThenProperty: it is what a hostile result has
      get then() {
        throw thrown;
      },
    };
    callHook(() => trap, outcome);
    expect(calls).toEqual([
      ['failed', thrown],
      ['failed', thrown],
    ]);
  });
});

test('of a hook that is only told something, nothing counts but that it failed', async () => {
  const failures: unknown[] = [];
  const failed = (error: unknown): void => void failures.push(error);
  for (const result of [undefined, HandleResult.Error, Promise.resolve(HandleResult.Error), {}])
    notifyHook(() => result, failed);
  await settled();
  expect(failures).toEqual([]);
  notifyHook(() => {
    throw thrown;
  }, failed);
  expect(failures).toEqual([thrown]);
  notifyHook(rejected, failed);
  await settled();
  expect(failures).toEqual([thrown, thrown]);
});

describe('a hook that may refuse its connection', () => {
  /** Asks it; the connection notes what it is told. */
  function asked(call: () => unknown): { calls: unknown[]; goOn: () => void } {
    const calls: unknown[] = [];
    let letIn: (() => void) | null = null;
    const connection: OpeningConnection = {
      awaitHook: (goOn) => {
        calls.push(goOn === null ? 'awaited' : 'awaits');
        letIn ??= goOn;
      },
      limitHook: (hook) => {
        calls.push(`limit ${hook}`);
        return () => void calls.push('unlimit');
      },
      refusedBy: (hook, hasThrown, error) => void calls.push(['refused', hook, hasThrown, error]),
      endedBy: (hook, hasThrown, error) => void calls.push(['ended', hook, hasThrown, error]),
    };
    askHook(
      connection,
      'onAccept',
      call,
      () => calls.push('done'),
      () => calls.push('next'),
    );
    return { calls, goOn: () => letIn!() };
  }

  test('goes on at once, and sets no limit, if it does not wait', () => {
    expect(asked(() => {}).calls).toEqual(['next']);
    expect(asked(() => HandleResult.Error).calls).toEqual([['refused', 'onAccept', false, undefined]]);
  });

  test('is limited while it is awaited', async () => {
    const waiting = ['limit onAccept', 'awaits'];
    const good = asked(async () => {});
    const bad = asked(() => Promise.reject(thrown));
    expect([good.calls, bad.calls]).toEqual([waiting, waiting]);
    await settled();
    expect(good.calls).toEqual([...waiting, 'unlimit', 'awaited', 'next']);
    expect(bad.calls).toEqual([...waiting, 'unlimit', 'awaited', ['refused', 'onAccept', true, thrown]]);
  });

  test('does not let the connection in twice when it answers late', async () => {
    const { calls, goOn } = asked(async () => {});
    goOn();
    goOn();
    await settled();
    expect(calls).toEqual(['limit onAccept', 'awaits', 'unlimit', 'awaited', 'next']);
  });

  test('needs no limit, nor anybody who ends a connection that was let in', async () => {
    const calls: string[] = [];
    const bare: OpeningConnection = {
      awaitHook: (goOn) => goOn?.(),
      limitHook: () => null,
      refusedBy: () => void calls.push('refused'),
    };
    const next = (): void => void calls.push('next');
    for (const call of [rejected, async () => {}]) askHook(bare, 'onAccept', call, () => calls.push('done'), next);
    await settled();
    expect(calls).toEqual(['next', 'next']);
  });

  test('ends a connection that was let in before it refused', async () => {
    const { calls, goOn } = asked(() => Promise.reject(thrown));
    goOn();
    await settled();
    expect(calls.slice(-2)).toEqual(['next', ['ended', 'onAccept', true, thrown]]);
  });
});
