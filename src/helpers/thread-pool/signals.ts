import type { Task } from './task.ts';

/**
 * The tasks that each signal may cancel. One listener per signal: adding one per task would look through all of those before
 * it, which for 100,000 tasks takes minutes.
 */
export class SignalTasks {
  readonly #tasks = new Map<AbortSignal, Set<Task>>();
  readonly #cancel: (tasks: ReadonlySet<Task>, signal: AbortSignal) => void;

  constructor(cancel: (tasks: ReadonlySet<Task>, signal: AbortSignal) => void) {
    this.#cancel = cancel;
  }

  add(task: Task, signal: AbortSignal): void {
    let tasks = this.#tasks.get(signal);
    if (tasks === undefined) {
      tasks = new Set();
      this.#tasks.set(signal, tasks);
      signal.addEventListener('abort', this.#onAbort, { once: true });
    }
    tasks.add(task);
    task.signal = signal;
  }

  /** The task is done. */
  remove(task: Task): void {
    const { signal } = task;
    if (signal === undefined) return;
    const tasks = this.#tasks.get(signal);
    if (tasks === undefined || !tasks.delete(task) || tasks.size > 0) return;
    this.#tasks.delete(signal);
    signal.removeEventListener('abort', this.#onAbort);
  }

  readonly #onAbort = (event: Event): void => {
    const signal = event.target as AbortSignal;
    const tasks = this.#tasks.get(signal);
    this.#tasks.delete(signal);
    if (tasks !== undefined) this.#cancel(tasks, signal);
  };
}
