import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { TurnEnd, type TurnTask } from '../../src/core/turn-end.ts';

/** A task that notes when it was called, and may ask for more. */
class NotedTask implements TurnTask {
  isScheduled = false;
  readonly calls: number[] = [];
  also: () => void = () => {};

  turnEnded(now: number): void {
    this.calls.push(now);
    this.also();
  }
}

beforeEach(() => void vi.useFakeTimers({ toFake: ['setImmediate', 'clearImmediate'] }));
afterEach(() => void vi.useRealTimers());

test('a turn has one end for all tasks, each once however often it asked, in their order', () => {
  let reads = 0;
  const end = new TurnEnd<NotedTask>({ now: () => 100 + ++reads });
  const tasks = [new NotedTask(), new NotedTask()];
  const order: number[] = [];
  tasks.forEach((task, i) => {
    task.also = () => order.push(i);
  });
  for (const i of [1, 0, 1, 0]) end.schedule(tasks[i]!);
  expect([vi.getTimerCount(), order]).toEqual([1, []]);
  vi.runOnlyPendingTimers();
  expect([order, reads]).toEqual([[1, 0], 1]);
  expect(tasks.map(({ calls }) => calls)).toEqual([[101], [101]]);
  expect(vi.getTimerCount()).toBe(0);
});

test('what is asked for meanwhile is done at the end of the next turn', () => {
  const end = new TurnEnd<NotedTask>(null);
  const task = new NotedTask();
  task.also = () => {
    if (task.calls.length < 2) end.schedule(task);
  };
  end.schedule(task);
  vi.runOnlyPendingTimers();
  expect([task.calls, task.isScheduled, vi.getTimerCount()]).toEqual([[0], true, 1]);
  vi.runOnlyPendingTimers();
  expect([task.calls, task.isScheduled, vi.getTimerCount()]).toEqual([[0, 0], false, 0]);
  end.schedule(task);
  vi.runOnlyPendingTimers();
  expect(task.calls).toEqual([0, 0, 0]);
});
