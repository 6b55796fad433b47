import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { deadlineAfter, MAX_DELAY_MS, timeoutAfter } from '../../src/core/delay.ts';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] }));
afterEach(() => void vi.useRealTimers());

test('a deadline that has passed leaves a turn for what waits in the system, and some for what ends by it', async () => {
  const calls: string[] = [];
  deadlineAfter(100, () => calls.push('deadline'));
  vi.advanceTimersByTime(99);
  for (let i = 0; i < 10; i++) await turn();
  expect(calls).toEqual([]);
  vi.advanceTimersByTime(1);
  await turn();
  await turn();
  expect(calls).toEqual([]);
  for (let i = 0; i < 10; i++) await turn();
  expect(calls).toEqual(['deadline']);
});

test('a deadline can be cancelled before it has passed, in the turns behind it, and when all is over', async () => {
  const calls: string[] = [];
  const before = deadlineAfter(100, () => calls.push('before'));
  const behind = deadlineAfter(100, () => calls.push('behind'));
  const over = deadlineAfter(100, () => calls.push('over'));
  before();
  vi.advanceTimersByTime(100);
  await turn();
  behind();
  for (let i = 0; i < 10; i++) await turn();
  over();
  expect(calls).toEqual(['over']);
});

test('what is longer than a timer can be never ends', () => {
  expect(timeoutAfter(MAX_DELAY_MS + 1, () => {})).toBeUndefined();
  expect(vi.getTimerCount()).toBe(0);
  clearTimeout(timeoutAfter(MAX_DELAY_MS, () => {})!);
  expect(timeoutAfter(MAX_DELAY_MS, () => {})).toBeDefined();
  vi.clearAllTimers();
  const cancel = deadlineAfter(Number.POSITIVE_INFINITY, () => expect.unreachable());
  expect(vi.getTimerCount()).toBe(0);
  cancel();
  deadlineAfter(MAX_DELAY_MS, () => {})();
  expect(vi.getTimerCount()).toBe(0);
});
