import type { ArgumentKind } from './messages.ts';

/** A function of a module, as the pool knows it: its workers get the location once, and then the number alone. */
export interface TaskFunctionRef {
  readonly id: number;
  readonly url: string;
  readonly name: string;
}

/** Where a task is. */
export const TaskPlace = Object.freeze({ Waiting: 0, Queued: 1, Running: 2, Done: 3 } as const);
export type TaskPlace = (typeof TaskPlace)[keyof typeof TaskPlace];

/** One submitted task, a member of a `TaskList` while it waits. */
export class Task {
  place: TaskPlace = TaskPlace.Waiting;
  previous: Task | null = null;
  next: Task | null = null;
  /** Ends the waiting for room in the queue, or the running. */
  timer: NodeJS.Timeout | undefined = undefined;
  signal: AbortSignal | undefined = undefined;

  readonly ref: TaskFunctionRef;
  readonly argument: unknown;
  readonly kind: ArgumentKind;
  readonly transfer: readonly unknown[] | undefined;
  readonly timeoutMs: number;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;

  constructor(
    ref: TaskFunctionRef,
    argument: unknown,
    kind: ArgumentKind,
    transfer: readonly unknown[] | undefined,
    timeoutMs: number,
    resolve: (value: unknown) => void,
    reject: (error: unknown) => void,
  ) {
    this.ref = ref;
    this.argument = argument;
    this.kind = kind;
    this.transfer = transfer;
    this.timeoutMs = timeoutMs;
    this.resolve = resolve;
    this.reject = reject;
  }

  /** Nothing ends it any more but its result. */
  settle(): void {
    this.place = TaskPlace.Done;
    if (this.timer !== undefined) clearTimeout(this.timer);
  }
}

/** First in, first out; any member can be taken out at no cost, however long the list is. */
export class TaskList {
  #head: Task | null = null;
  #tail: Task | null = null;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  push(task: Task): void {
    task.previous = this.#tail;
    if (this.#tail === null) this.#head = task;
    else this.#tail.next = task;
    this.#tail = task;
    this.#size++;
  }

  shift(): Task | null {
    const task = this.#head;
    if (task !== null) this.remove(task);
    return task;
  }

  remove(task: Task): void {
    if (task.previous === null) this.#head = task.next;
    else task.previous.next = task.next;
    if (task.next === null) this.#tail = task.previous;
    else task.next.previous = task.previous;
    task.previous = null;
    task.next = null;
    this.#size--;
  }
}
