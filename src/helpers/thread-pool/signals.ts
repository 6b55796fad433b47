import { type AbortWatch, watchAbort } from '../../core/abort-watch.ts';
import type { Task } from './task.ts';

interface Cancellable {
  readonly tasks: Set<Task>;
  readonly watch: AbortWatch;
}

/** The tasks that each signal may cancel, so that all of them are cancelled by one call. */
export class SignalTasks {
  readonly #bySignal = new Map<AbortSignal, Cancellable>();
  readonly #cancel: (tasks: ReadonlySet<Task>, signal: AbortSignal) => void;

  constructor(cancel: (tasks: ReadonlySet<Task>, signal: AbortSignal) => void) {
    this.#cancel = cancel;
  }

  add(task: Task, signal: AbortSignal): void {
    let entry = this.#bySignal.get(signal);
    if (entry === undefined) {
      entry = { tasks: new Set(), watch: watchAbort(signal, () => this.#aborted(signal)) };
      this.#bySignal.set(signal, entry);
    }
    entry.tasks.add(task);
    task.signal = signal;
  }

  /** The task is done. */
  remove(task: Task): void {
    const { signal } = task;
    if (signal === undefined) return;
    const entry = this.#bySignal.get(signal);
    if (entry === undefined || !entry.tasks.delete(task) || entry.tasks.size > 0) return;
    this.#bySignal.delete(signal);
    entry.watch.end();
  }

  #aborted(signal: AbortSignal): void {
    const entry = this.#bySignal.get(signal);
    this.#bySignal.delete(signal);
    if (entry !== undefined) this.#cancel(entry.tasks, signal);
  }
}
