import { getEventListeners } from 'node:events';
import { expect, test } from 'vitest';
import { watchAbort } from '../../src/core/abort-watch.ts';

const listeners = (signal: AbortSignal): number => getEventListeners(signal, 'abort').length;

test('all that waits for one signal is called in its order, once, by one listener', () => {
  const controller = new AbortController();
  const { signal } = controller;
  const calls: number[] = [];
  for (let i = 0; i < 100; i++) watchAbort(signal, () => calls.push(i));
  expect(listeners(signal)).toBe(1);
  controller.abort();
  controller.abort();
  expect(calls).toEqual(Array.from({ length: 100 }, (_, i) => i));
  expect(listeners(signal)).toBe(0);
});

test('what has ended is not called, also if the call before it ended it; with the last one the listener goes', () => {
  const controller = new AbortController();
  const { signal } = controller;
  const calls: string[] = [];
  const first = watchAbort(signal, () => calls.push('first'));
  watchAbort(signal, () => {
    calls.push('second');
    third.end();
  });
  const third = watchAbort(signal, () => calls.push('third'));
  const alone = watchAbort(new AbortController().signal, () => {});
  first.end();
  first.end();
  expect(listeners(signal)).toBe(1);
  controller.abort();
  expect(calls).toEqual(['second']);
  third.end();
  alone.end();

  const other = new AbortController();
  const one = watchAbort(other.signal, () => calls.push('one'));
  const two = watchAbort(other.signal, () => calls.push('two'));
  one.end();
  expect(listeners(other.signal)).toBe(1);
  two.end();
  expect(listeners(other.signal)).toBe(0);
  watchAbort(other.signal, () => calls.push('again'));
  expect(listeners(other.signal)).toBe(1);
  other.abort();
  expect(calls).toEqual(['second', 'again']);
});

test('one that throws does not keep the others from being called', () => {
  const controller = new AbortController();
  const calls: string[] = [];
  const thrown: unknown[] = [];
  const { nextTick } = process;
  process.nextTick = (call: () => void): void => {
    try {
      call();
    } catch (error) {
      thrown.push(error);
    }
  };
  try {
    watchAbort(controller.signal, () => {
      throw new Error('on purpose');
    });
    watchAbort(controller.signal, () => calls.push('called'));
    controller.abort();
  } finally {
    process.nextTick = nextTick;
  }
  expect(calls).toEqual(['called']);
  expect(thrown).toEqual([new Error('on purpose')]);
});

test('without a signal, and for one that is aborted, nothing is called', () => {
  const calls: string[] = [];
  watchAbort(undefined, () => calls.push('none')).end();
  watchAbort(AbortSignal.abort(), () => calls.push('aborted')).end();
  expect(calls).toEqual([]);
});
