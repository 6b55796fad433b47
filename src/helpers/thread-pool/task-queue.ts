import { timeoutAfter } from '../../core/delay.ts';
import { type Task, TaskList, TaskPlace } from './task.ts';

/**
 * The tasks of a pool that no thread has taken yet.
 *
 * ```
 *   submit --> [ waiting for room ] --> [ queued, at most maxSize ] --> a thread
 * ```
 */
export class TaskQueue {
  /** Most tasks that may be queued; 0 for no limit. */
  maxSize = 0;
  /** Most that may wait for room. */
  maxWaiting = 0;
  /** Most that were queued at one time. */
  peakSize = 0;
  readonly #queued = new TaskList();
  readonly #waiting = new TaskList();

  /** Tasks that are queued. */
  get size(): number {
    return this.#queued.size;
  }

  get hasRoom(): boolean {
    return this.maxSize === 0 || this.#queued.size < this.maxSize;
  }

  /** Whether one more may wait for room. */
  get mayWait(): boolean {
    return this.#waiting.size < this.maxWaiting;
  }

  push(task: Task): void {
    task.place = TaskPlace.Queued;
    this.#queued.push(task);
    if (this.#queued.size > this.peakSize) this.peakSize = this.#queued.size;
  }

  /** Takes the task that has been queued for longest; null if there is none. */
  shift(): Task | null {
    return this.#queued.shift();
  }

  /**
   * Lets a task wait for room.
   * @param maxWaitMs At most so long; 0 or less for as long as it takes.
   * @param expired Called when that is over; the task is out of the list then.
   */
  wait(task: Task, maxWaitMs: number, expired: () => void): void {
    this.#waiting.push(task);
    if (maxWaitMs <= 0) return;
    task.timer = timeoutAfter(maxWaitMs, () => {
      this.#waiting.remove(task);
      expired();
    });
  }

  /** Takes the task that has waited for room for longest; null if there is none. */
  shiftWaiting(): Task | null {
    return this.#waiting.shift();
  }

  /** Queues tasks that wait, as far as there is room. */
  admitWaiting(): void {
    while (this.#waiting.size > 0 && this.hasRoom) {
      const task = this.#waiting.shift()!;
      clearTimeout(task.timer);
      task.timer = undefined;
      this.push(task);
    }
  }

  /** Takes out a task that is queued, or waits; does nothing for others. */
  remove(task: Task): void {
    if (task.place === TaskPlace.Queued) this.#queued.remove(task);
    else if (task.place === TaskPlace.Waiting) this.#waiting.remove(task);
  }
}
