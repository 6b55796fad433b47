import type { Clock } from './clock.ts';

/** Something that can have work to do at the end of a turn of the event loop: a connection. */
export interface TurnTask {
  /** Whether `turnEnded` is to be called; kept by `TurnEnd`, on the task so that no set is needed. */
  isScheduled: boolean;
  /** @param now The present, the same for all tasks of a turn; 0 if they do not ask for it. */
  turnEnded(now: number): void;
}

/**
 * The tasks that have something to do at the end of this turn of the event loop, in the order in which they asked. What
 * they ask for meanwhile is done at the end of the next turn.
 */
export class TurnEnd<T extends TurnTask> {
  readonly #clock: Clock | null;
  #due: T[] = [];
  #isScheduled = false;
  #end = (): void => this.#run();

  /** @param clock Tells the tasks the time; null if they do not ask for it, as reading it is not free. */
  constructor(clock: Clock | null) {
    this.#clock = clock;
  }

  /** Asks for `task.turnEnded()`, once however often this is called. */
  schedule(task: T): void {
    if (task.isScheduled) return;
    task.isScheduled = true;
    this.#due.push(task);
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    // The check phase comes after all reads of this turn, so that answers to many connections are gathered too.
    setImmediate(this.#end);
  }

  #run(): void {
    this.#isScheduled = false;
    const due = this.#due;
    this.#due = [];
    const now = this.#clock === null ? 0 : this.#clock.now();
    for (const task of due) {
      task.isScheduled = false;
      task.turnEnded(now);
    }
  }
}
