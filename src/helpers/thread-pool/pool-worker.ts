import { MessageChannel, type MessagePort, Worker, type WorkerOptions } from 'node:worker_threads';
import { ArgumentKind, Ask, Told, type WorkerSetup } from './messages.ts';
import type { Task } from './task.ts';

/** The script that threads run. Tests that run from sources put the address of a compiled copy here. */
export const workerScript = { url: new URL('./worker.js', import.meta.url) };

/** How long a thread may take to end by itself before it is made to. */
const END_GRACE_MS = 1000;

/** What a worker tells the pool. */
export interface PoolWorkerOwner {
  workerReady(worker: PoolWorker): void;
  /** `task` is done; `error` is set if it failed. */
  taskDone(worker: PoolWorker, task: Task, isFailed: boolean, value: unknown): void;
  /** The thread is gone. `error` says why if it was not asked to end, else it is null. */
  workerGone(worker: PoolWorker, error: unknown): void;
}

/** What every thread of a pool is given. */
export interface PoolWorkerSettings {
  readonly niceness: number;
  readonly workerData: unknown;
}

/** One thread as the pool sees it. */
export class PoolWorker {
  readonly threadId: number;
  isReady = false;
  isGone = false;
  /** Told to end, by `end` or `terminate`. */
  isEnding = false;
  task: Task | null = null;
  readonly #owner: PoolWorkerOwner;
  readonly #thread: Worker;
  readonly #port: MessagePort;
  readonly #posted = new Int32Array(new SharedArrayBuffer(4));
  readonly #defined = new Set<number>();
  #failure: unknown = null;
  #graceTimer: NodeJS.Timeout | undefined;

  constructor(owner: PoolWorkerOwner, settings: PoolWorkerSettings, options: WorkerOptions) {
    const { port1, port2 } = new MessageChannel();
    const setup: WorkerSetup = { port: port2, posted: this.#posted, niceness: settings.niceness };
    this.#owner = owner;
    this.#port = port1;
    this.#thread = new Worker(workerScript.url, {
      ...options,
      workerData: { hpSocket: setup, data: settings.workerData },
      transferList: [port2],
    });
    this.threadId = this.#thread.threadId;
    port1.on('message', (message: unknown[]) => this.#receive(message));
    port1.on('messageerror', (error: unknown) => this.#finishTask(true, error));
    this.#thread.on('error', (error) => {
      this.#failure ??= error ?? new Error('the thread failed with an empty error');
    });
    this.#thread.on('exit', (exitCode) => this.#onExit(exitCode));
  }

  /**
   * Hands over a task. Only when no other runs.
   * @throws what cloning the argument throws; the worker is then as before.
   */
  run(task: Task): void {
    const { id, url, name } = task.ref;
    if (!this.#defined.has(id)) {
      this.#post([Ask.Define, id, url, name]);
      this.#defined.add(id);
    }
    if (task.kind === ArgumentKind.Plain && task.argument === undefined) this.#post([id]);
    else this.#post([id, task.argument, task.kind], task.transfer);
    this.task = task;
  }

  /** Lets the thread end when it is through with what it does. */
  end(): void {
    if (this.isEnding) return;
    this.isEnding = true;
    this.#post([Ask.End]);
    // A module may keep its thread alive from an exit handler, or block it.
    this.#graceTimer = setTimeout(() => this.terminate(), END_GRACE_MS);
  }

  /** Ends the thread because of its task, which the pool has rejected with `error`. */
  abandon(error: unknown): void {
    this.task = null;
    this.#failure ??= error;
    this.terminate();
  }

  /** Ends the thread in the middle of whatever it does. */
  terminate(): void {
    this.isEnding = true;
    this.#thread.terminate().catch(() => {});
  }

  #post(message: unknown[], transfer?: readonly unknown[]): void {
    if (transfer === undefined) this.#port.postMessage(message);
    else this.#port.postMessage(message, transfer as never);
    Atomics.add(this.#posted, 0, 1);
    Atomics.notify(this.#posted, 0, 1);
  }

  #receive(message: unknown[]): void {
    const value = message[1];
    switch (message[0]) {
      case Told.Ready:
        this.isReady = true;
        this.#owner.workerReady(this);
        break;
      case Told.Value:
        this.#finishTask(false, value);
        break;
      case Told.Bytes: {
        const bytes = value as Uint8Array;
        this.#finishTask(false, Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
        break;
      }
      case Told.Error:
        this.#finishTask(true, withMembers(value, message[2] as Record<string, unknown>));
        break;
    }
  }

  #finishTask(isFailed: boolean, value: unknown): void {
    const { task } = this;
    if (task === null) return;
    this.task = null;
    this.#owner.taskDone(this, task, isFailed, value);
  }

  #onExit(exitCode: number): void {
    clearTimeout(this.#graceTimer);
    this.isGone = true;
    this.#port.close();
    const why = this.#failure ?? (this.isEnding ? null : new Error(`the thread exited with code ${exitCode}`));
    this.#owner.workerGone(this, why);
  }
}

/** The members that cloning an error drops. `name` stays hidden in print, as it is in every error. */
function withMembers(error: unknown, members: Record<string, unknown>): unknown {
  if (!(error instanceof Error)) return error;
  for (const [name, value] of Object.entries(members)) {
    if (name === 'name' && error.name === value) continue;
    Object.defineProperty(error, name, { value, writable: true, configurable: true, enumerable: name !== 'name' });
  }
  return error;
}
