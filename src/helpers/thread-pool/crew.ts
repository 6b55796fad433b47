import type { WorkerOptions } from 'node:worker_threads';
import { PoolWorker, type PoolWorkerOwner, type PoolWorkerSettings } from './pool-worker.ts';

/** Pause before the thread after one that died before it was ready; doubles with each such death. */
const FIRST_PAUSE_MS = 10;
const LONGEST_PAUSE_MS = 5000;

/** What the crew asks of its pool. */
export interface CrewOwner extends PoolWorkerOwner {
  /** Whether a thread that is gone is needed again. */
  needsThreads(): boolean;
}

/** The threads of a pool: as many as `target` says, each replaced when it dies. */
export class Crew {
  target = 0;
  readonly workers = new Set<PoolWorker>();
  /** Ready, without a task; the one that worked last comes first, as its caches are warm. */
  readonly #idle: PoolWorker[] = [];
  readonly #owner: CrewOwner;
  readonly #settings: PoolWorkerSettings;
  readonly #options: WorkerOptions;
  #earlyDeaths = 0;
  #pause: NodeJS.Timeout | undefined;

  constructor(owner: CrewOwner, settings: PoolWorkerSettings, options: WorkerOptions) {
    this.#owner = owner;
    this.#settings = settings;
    this.#options = options;
  }

  /** Threads that are neither gone nor about to go. */
  get size(): number {
    let count = 0;
    for (const worker of this.workers) if (!worker.isEnding) count++;
    return count;
  }

  get runningCount(): number {
    let count = 0;
    for (const worker of this.workers) if (worker.task !== null) count++;
    return count;
  }

  get areAllReady(): boolean {
    for (const worker of this.workers) if (!worker.isReady && !worker.isEnding) return false;
    return this.size >= this.target;
  }

  /** Creates threads up to the target. @throws what `node:worker_threads` throws for options that it does not like. */
  fill(): void {
    for (let missing = this.target - this.size; missing > 0; missing--) {
      this.workers.add(new PoolWorker(this.#owner, this.#settings, this.#options));
    }
  }

  /** Ends idle threads that are more than the target. */
  trim(): void {
    if (this.workers.size <= this.target) return;
    while (this.size > this.target) {
      const worker = this.takeIdle();
      if (worker === null) return;
      worker.end();
    }
  }

  /** A worker without a task, no longer counted as idle; null if there is none. */
  takeIdle(): PoolWorker | null {
    for (;;) {
      const worker = this.#idle.pop();
      if (worker === undefined) return null;
      if (!worker.isEnding && !worker.isGone) return worker;
    }
  }

  becameIdle(worker: PoolWorker): void {
    this.#idle.push(worker);
  }

  becameReady(worker: PoolWorker): void {
    this.#earlyDeaths = 0;
    this.#idle.push(worker);
  }

  /** Takes a thread that is gone off the list, and replaces it if it is needed. Returns whether it will be replaced. */
  remove(worker: PoolWorker): boolean {
    this.workers.delete(worker);
    const at = this.#idle.indexOf(worker);
    if (at >= 0) this.#idle.splice(at, 1);
    if (!this.#owner.needsThreads() || this.size >= this.target) return false;
    if (worker.isReady) this.fill();
    else this.#fillLater();
    return true;
  }

  /** Ends all threads: idle ones by asking, others by force. */
  endAll(): void {
    clearTimeout(this.#pause);
    this.#pause = undefined;
    this.target = 0;
    for (const worker of this.workers) {
      if (worker.isReady && worker.task === null) worker.end();
      else worker.terminate();
    }
  }

  /** A thread that cannot even start is tried again, but never in a loop that eats the machine. */
  #fillLater(): void {
    if (this.#pause !== undefined) return;
    const pauseMs = Math.min(FIRST_PAUSE_MS * 2 ** this.#earlyDeaths++, LONGEST_PAUSE_MS);
    this.#pause = setTimeout(() => {
      this.#pause = undefined;
      if (this.#owner.needsThreads()) this.fill();
    }, pauseMs);
  }
}
