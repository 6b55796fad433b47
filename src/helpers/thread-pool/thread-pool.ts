import { watchAbort } from '../../core/abort-watch.ts';
import { Component, isSignalAborted } from '../../core/component.ts';
import { deadlineAfter, timeoutAfter } from '../../core/delay.ts';
import { ServiceState, SocketErrorCode } from '../../core/enums.ts';
import { Errno } from '../../core/errno.ts';
import type { SocketErrorName } from '../../core/error-names.ts';
import { SocketError } from '../../core/errors.ts';
import { notifyHook } from '../../core/hooks.ts';
import {
  $aborted,
  $failed,
  $illegalState,
  $isStopped,
  $reportHookError,
  $settings,
  $transition,
} from '../../core/internals.ts';
import { defineProperties } from '../../core/properties.ts';
import { startCancelled, stopOnAbort } from '../../core/start-stop.ts';
import { RejectedPolicy } from '../enums.ts';
import type { Filled } from '../options.ts';
import { readOptions } from '../options.ts';
import { callHere } from './call-here.ts';
import { Crew, type CrewOwner } from './crew.ts';
import { checkThreadPoolListener, type ThreadPoolHooks } from './listener.ts';
import { ArgumentKind } from './messages.ts';
import type { PoolWorker } from './pool-worker.ts';
import {
  poolTable,
  type SubmitOptions,
  startTable,
  stopTable,
  submitTable,
  type ThreadPoolProperties,
  type ThreadPoolStartOptions,
  type ThreadPoolStopOptions,
  type ThreadPoolStopReport,
} from './settings.ts';
import { SignalTasks } from './signals.ts';
import { SocketTask } from './socket-task.ts';
import { emptyStats, type ThreadPoolStats } from './stats.ts';
import { Task, type TaskFunctionRef, TaskPlace } from './task.ts';
import { TaskQueue } from './task-queue.ts';
import { moduleUrl, TaskFunctions, type TaskRef } from './task-ref.ts';
import { resolveThreadCount } from './thread-count.ts';

/** The functions of a pool's module when nothing is known about them. */
export type AnyTasks = Record<string, (argument: unknown) => unknown>;

type ArgumentOf<F> = F extends (...args: infer A) => unknown ? A[0] : never;
type ResultOf<F> = F extends (...args: never[]) => infer R ? Awaited<R> : never;
type NameOf<Tasks> = { [K in keyof Tasks]: Tasks[K] extends (...args: never[]) => unknown ? K : never }[keyof Tasks] &
  string;

type Settings = { -readonly [K in keyof ThreadPoolProperties]: ThreadPoolProperties[K] };

export interface ThreadPool<Tasks = AnyTasks> extends ThreadPoolProperties {}

/**
 * Runs functions on other threads (`IHPThreadPool`, TP-001 to TP-013; TPF-001 to TPF-012).
 *
 * A thread runs one task at a time; tasks begin in the order in which they were submitted. A started pool keeps the process
 * alive until it is stopped.
 *
 * ```ts
 * // hash.js: export function sha256(data) { return createHash('sha256').update(data).digest(); }
 * const pool = new ThreadPool<typeof import('./hash.js')>({}, { module: new URL('./hash.js', import.meta.url) });
 * await pool.start(4);
 * const digest = await pool.submit('sha256', data);
 * ```
 *
 * @typeParam Tasks Type of the module whose functions are run, so that `submit` knows arguments and results.
 */
export class ThreadPool<Tasks = AnyTasks> extends Component {
  readonly #listener: ThreadPoolHooks<ThreadPool>;
  readonly #functions = new TaskFunctions();
  readonly #stats = emptyStats();
  readonly #queue = new TaskQueue();
  /** Tasks that run on this thread. */
  readonly #here = new Set<Task>();
  readonly #signals = new SignalTasks((tasks, signal) => this.#cancel(tasks, signal));
  readonly #crewOwner: CrewOwner;
  #crew: Crew | null = null;
  #moduleUrl: string | null = null;
  #rejectedPolicy: RejectedPolicy = RejectedPolicy.CallFail;
  #taskTimeoutMs = 0;
  #onReady: ((error: unknown) => void) | null = null;
  #onProgress: (() => void) | null = null;
  #growths: (() => void)[] = [];

  /**
   * @param listener Hooks, or an instance of a `ThreadPoolListener`; may be empty.
   * @throws TypeError or RangeError for a wrong option or hook.
   */
  constructor(listener: ThreadPoolHooks<ThreadPool> = {}, options: Partial<ThreadPoolProperties> = {}) {
    checkThreadPoolListener(listener);
    super(options);
    this.#listener = listener;
    this.#crewOwner = {
      needsThreads: () => this.#needsThreads(),
      workerReady: (worker) => this.#workerReady(worker),
      taskDone: (worker, task, isFailed, value) => this.#taskDone(worker, task, isFailed, value),
      workerGone: (worker, cause) => this.#workerGone(worker, cause),
    };
  }

  /** Tasks that wait for a thread (`GetQueueSize`, TP-009). */
  get queueSize(): number {
    return this.#queue.size;
  }

  /** Tasks that run (`GetTaskCount`, TP-010). */
  get taskCount(): number {
    return this.#here.size + (this.#crew?.runningCount ?? 0);
  }

  /** Threads that there are, or soon will be (`GetThreadCount`, TP-011); 0 while stopped. */
  get threadCount(): number {
    return this.#crew?.target ?? 0;
  }

  /** Most tasks that may wait, 0 for no limit (`GetMaxQueueSize`, TP-012): what the last `start` said. */
  get maxQueueSize(): number {
    return this.#queue.maxSize;
  }

  /** What happens when the queue is full (`GetRejectedPolicy`, TP-013): what the last `start` said. */
  get rejectedPolicy(): RejectedPolicy {
    return this.#rejectedPolicy;
  }

  /** Counters since the pool was created. */
  stats(): ThreadPoolStats {
    return { ...this.#stats, peakQueueSize: this.#queue.peakSize };
  }

  /**
   * Starts the threads (`Start`, TP-001); resolves when all are ready.
   * @param threadCount Above 0 just that many, at most 4096; 0, the default, for twice the processors and two more; -n for n
   *   per processor (TPF-002).
   * @throws SocketError IllegalState (EPERM) unless stopped; WorkerThreadCreate if a thread does not start.
   */
  async start(threadCount = 0, options: ThreadPoolStartOptions = {}): Promise<void> {
    const settings = readOptions<Filled<ThreadPoolStartOptions>>('start', startTable, options);
    const target = resolveThreadCount(threadCount);
    if (!this[$isStopped]) throw this[$illegalState]('start');
    const signal = options.signal;
    if (isSignalAborted(signal)) throw this[$aborted]('start', signal);
    this[$transition](ServiceState.Starting);
    this.#adopt(settings);
    this.#callHook('onStartup');
    const { stackSizeBytes } = settings;
    const { resourceLimits, execArgv, workerData, niceness } = this[$settings] as unknown as Settings;
    const stack = stackSizeBytes === 0 ? {} : { stackSizeMb: stackSizeBytes / 1024 / 1024 };
    this.#crew = new Crew(
      this.#crewOwner,
      { workerData, niceness },
      {
        resourceLimits: { ...resourceLimits, ...stack },
        ...(execArgv === null ? {} : { execArgv: [...execArgv] }),
      },
    );
    stopOnAbort(this, signal);
    const failure = await this.#fillCrew(this.#crew, target);
    if (this.state !== ServiceState.Starting) throw startCancelled(this);
    if (failure === null) {
      this[$transition](ServiceState.Started);
      return;
    }
    const error = this[$failed]({
      socketError: SocketErrorCode.WorkerThreadCreate,
      operation: 'start',
      message: 'start failed because a thread did not start; its error is the cause',
      cause: failure,
    });
    this[$transition](ServiceState.Stopping);
    await this.#shutDown();
    throw error;
  }

  /**
   * Runs a function of the pool's module on a thread (`Submit`, TP-003).
   * @param task Name of the function, or module and name.
   * @param argument Cloned when the task starts; it belongs to the pool until then. Bytes arrive as a Buffer, and only they are
   *   copied, not the larger memory that they may be part of.
   * @returns What the function returns, or its promise resolves to.
   * @throws (rejects) what the function throws; or a `SocketError` with the code HP_ILLEGAL_STATE (errno EPERM) while the pool is
   *   not started, EXFULL if the queue is full, ETIMEDOUT if there was no room in `maxWaitMs` or it ran longer than `timeoutMs`,
   *   HP_ABORTED (ECANCELED) if `signal` or a stop ended it, HP_INVALID_PARAM (EINVAL) if the argument cannot be cloned, EIO if
   *   its thread died.
   */
  submit<Name extends NameOf<Tasks>>(
    task: Name,
    argument?: ArgumentOf<Tasks[Name]>,
    options?: SubmitOptions,
  ): Promise<ResultOf<Tasks[Name]>>;
  submit(task: TaskRef, argument?: unknown, options?: SubmitOptions): Promise<unknown>;
  /** Runs a function with the ID and bytes of a connection (TP-004). A task that is refused can be submitted again. */
  submit(task: SocketTask, options?: SubmitOptions): Promise<unknown>;
  submit(task: string | TaskRef | SocketTask, second?: unknown, third?: SubmitOptions): Promise<unknown> {
    if (task instanceof SocketTask) return this.#submitSocketTask(task, second as SubmitOptions | undefined);
    const ref = this.#functions.find(task, this.#moduleUrl);
    if (!(second instanceof Uint8Array)) return this.#submit(ref, second, ArgumentKind.Plain, third);
    const kind = Buffer.isBuffer(second) ? ArgumentKind.Bytes : ArgumentKind.Plain;
    const isWhole = second.byteLength === second.buffer.byteLength || !(second.buffer instanceof ArrayBuffer);
    return this.#submit(ref, isWhole ? second : new Uint8Array(second), kind, third);
  }

  /**
   * Changes the number of threads (`AdjustThreadCount`, TP-005, TPF-008). `threadCount` tells the new number at once; threads
   * too many end when they find the queue empty.
   * @param threadCount As for `start`.
   * @returns when the threads that were missing are ready.
   * @throws SocketError IllegalState (EPERM) unless started; RangeError.
   */
  async adjustThreadCount(threadCount: number): Promise<void> {
    const target = resolveThreadCount(threadCount);
    const crew = this.#crew;
    if (this.state !== ServiceState.Started || crew === null) throw this[$illegalState]('adjustThreadCount');
    crew.target = target;
    if (this.#queue.size === 0) crew.trim();
    crew.fill();
    if (!crew.areAllReady) await new Promise<void>((resolve) => this.#growths.push(resolve));
  }

  /**
   * Stops the pool (`Stop`, TP-002, TPF-009): no new tasks; those that were submitted are run to their end, at most for
   * `maxWaitMs`. Do not await it inside a task that `RejectedPolicy.CallerRun` runs here.
   * @throws SocketError IllegalState (EPERM) unless starting or started.
   */
  async stop(options: ThreadPoolStopOptions = {}): Promise<ThreadPoolStopReport> {
    const { maxWaitMs, signal } = readOptions<Filled<ThreadPoolStopOptions>>('stop', stopTable, options);
    if (!this.hasStarted) throw this[$illegalState]('stop');
    this[$transition](ServiceState.Stopping);
    this.#onReady?.(null);
    for (let task = this.#queue.shiftWaiting(); task !== null; task = this.#queue.shiftWaiting()) {
      this.#end(task);
      task.reject(this.#refusal(Errno.EPERM, 'the pool was stopped while the task waited for room in the queue'));
    }
    const before = this.#queue.size + this.taskCount;
    await this.#drained(maxWaitMs <= 0 ? Number.POSITIVE_INFINITY : maxWaitMs, signal);
    const cancelled = this.#cancelAll();
    await this.#shutDown();
    return { finished: before - cancelled, cancelled };
  }

  #needsThreads(): boolean {
    if (this.state === ServiceState.Started) return true;
    return this.state === ServiceState.Stopping && this.#queue.size > 0;
  }

  #workerReady(worker: PoolWorker): void {
    this.#callHook('onWorkerThreadStart', worker.threadId);
    const crew = this.#crew!;
    crew.becameReady(worker);
    this.#workOn();
    if (!crew.areAllReady) return;
    this.#onReady?.(null);
    for (const grown of this.#growths.splice(0)) grown();
  }

  #taskDone(worker: PoolWorker, task: Task, isFailed: boolean, value: unknown): void {
    this.#settle(task, isFailed, value);
    this.#crew!.becameIdle(worker);
    this.#workOn();
  }

  #workerGone(worker: PoolWorker, cause: unknown): void {
    const { task } = worker;
    let error: SocketError | null = null;
    if (cause !== null) {
      const where = task === null ? 'a thread of the pool died' : 'the thread of the task died';
      error = new SocketError({
        socketError: SocketErrorCode.DataProc,
        code: 'EIO',
        errno: Errno.EIO,
        operation: 'submit',
        message: `${where}: ${cause instanceof Error ? cause.message.slice(0, 80) : 'see the cause'}`,
        cause,
      });
    }
    if (task !== null) {
      worker.task = null;
      this.#end(task);
      this.#stats.failed++;
      task.reject(error ?? this.#refusal(Errno.ECANCELED, 'its thread was ended'));
    }
    if (worker.isReady) this.#callHook('onWorkerThreadEnd', worker.threadId, error);
    const crew = this.#crew!;
    if (this.#onReady !== null) {
      crew.workers.delete(worker);
      this.#onReady(cause);
    } else if (crew.remove(worker)) {
      this.#stats.threadsReplaced++;
    }
    this.#onProgress?.();
  }

  #adopt(settings: Filled<ThreadPoolStartOptions>): void {
    const { module, taskTimeoutMs, maxWaitingSubmits } = this[$settings] as unknown as Settings;
    this.#moduleUrl = module === null ? null : moduleUrl('module', module);
    this.#taskTimeoutMs = taskTimeoutMs;
    this.#queue.maxWaiting = maxWaitingSubmits;
    this.#queue.maxSize = settings.maxQueueSize;
    this.#rejectedPolicy = settings.rejectedPolicy;
  }

  /** Resolves when all threads are ready, one has failed (to its error), or the start was cancelled. */
  #fillCrew(crew: Crew, target: number): Promise<unknown> {
    return new Promise((resolve) => {
      this.#onReady = (error) => {
        this.#onReady = null;
        resolve(error);
      };
      crew.target = target;
      try {
        crew.fill();
      } catch (error) {
        this.#onReady(error);
      }
    });
  }

  #submitSocketTask(task: SocketTask, options: SubmitOptions | undefined): Promise<unknown> {
    const ref = this.#functions.find(task.task, this.#moduleUrl);
    const data = task.takeData();
    const { length } = data;
    const argument = [task.connId, data, task.wparam, task.lparam];
    const transfer = [...(options?.transfer ?? [])];
    if (data.buffer instanceof ArrayBuffer) transfer.push(data.buffer);
    try {
      const result = this.#submit(ref, argument, ArgumentKind.SocketTask, { ...options, transfer });
      // A task that never got to a thread still has its bytes.
      result.catch(() => {
        if (data.length === length) task.putBack(data);
      });
      return result;
    } catch (error) {
      task.putBack(data);
      throw error;
    }
  }

  #submit(
    ref: TaskFunctionRef,
    argument: unknown,
    kind: ArgumentKind,
    options: SubmitOptions | undefined,
  ): Promise<unknown> {
    const settings = options === undefined ? undefined : readOptions<SubmitOptions>('submit', submitTable, options);
    const signal = options?.signal;
    if (this.state !== ServiceState.Started) return Promise.reject(this[$illegalState]('submit'));
    if (isSignalAborted(signal)) return Promise.reject(this[$aborted]('submit', signal));
    return new Promise((resolve, reject) => {
      const timeoutMs = options?.timeoutMs ?? this.#taskTimeoutMs;
      const task = new Task(ref, argument, kind, options?.transfer, timeoutMs, resolve, reject);
      if (signal !== undefined) this.#signals.add(task, signal);
      this.#admit(task, settings?.maxWaitMs ?? -1);
    });
  }

  #admit(task: Task, maxWaitMs: number): void {
    const worker = this.#queue.size === 0 ? this.#crew!.takeIdle() : null;
    if (worker !== null) {
      if (!this.#run(worker, task)) this.#crew!.becameIdle(worker);
    } else if (this.#queue.hasRoom) {
      this.#queue.push(task);
    } else if (this.#rejectedPolicy === RejectedPolicy.CallerRun) {
      this.#runHere(task);
    } else if (this.#rejectedPolicy === RejectedPolicy.WaitFor && this.#queue.mayWait) {
      this.#queue.wait(task, maxWaitMs, () => this.#waitedTooLong(task, maxWaitMs));
    } else {
      this.#stats.rejected++;
      this.#end(task);
      task.reject(this.#refusal(Errno.EXFULL, `the queue is full (${this.#queue.size} tasks); submit slower`));
    }
  }

  #waitedTooLong(task: Task, maxWaitMs: number): void {
    this.#end(task);
    this.#stats.rejected++;
    task.reject(this.#refusal(Errno.ETIMEDOUT, `the queue had no room for ${maxWaitMs} ms; submit slower`));
  }

  /** Gives queued tasks to idle threads, and the room that this makes to the submits that wait for it. */
  #workOn(): void {
    const crew = this.#crew!;
    while (this.#queue.size > 0) {
      const worker = crew.takeIdle();
      if (worker === null) break;
      while (this.#queue.size > 0 && !this.#run(worker, this.#queue.shift()!));
      if (worker.task === null) crew.becameIdle(worker);
      this.#queue.admitWaiting();
    }
    this.#queue.admitWaiting();
    if (this.#queue.size === 0) crew.trim();
    this.#onProgress?.();
  }

  /** Returns false if the task cannot be handed over, which has then been rejected. */
  #run(worker: PoolWorker, task: Task): boolean {
    try {
      worker.run(task);
    } catch (cause) {
      this.#end(task);
      this.#stats.failed++;
      const message = `the argument of the task cannot be cloned: ${cause instanceof Error ? cause.message.slice(0, 80) : ''}`;
      task.reject(this.#refusal(Errno.EINVAL, message, cause));
      return false;
    }
    this.#stats.started++;
    task.place = TaskPlace.Running;
    if (task.timeoutMs > 0) task.timer = timeoutAfter(task.timeoutMs, () => this.#expire(worker, task));
    return true;
  }

  /** Runs a task on this thread (`RejectedPolicy.CallerRun`). Its argument is not cloned. */
  #runHere(task: Task): void {
    this.#stats.callerRuns++;
    this.#stats.started++;
    task.place = TaskPlace.Running;
    this.#here.add(task);
    const done = (isFailed: boolean, value: unknown): void => {
      this.#here.delete(task);
      if (task.place !== TaskPlace.Done) this.#settle(task, isFailed, value);
      this.#onProgress?.();
    };
    callHere(task).then(
      (value) => done(false, value),
      (error: unknown) => done(true, error),
    );
  }

  /** Nothing ends the task any more but the result that follows. */
  #end(task: Task): void {
    task.settle();
    this.#signals.remove(task);
  }

  #settle(task: Task, isFailed: boolean, value: unknown): void {
    this.#end(task);
    if (isFailed) {
      this.#stats.failed++;
      task.reject(value);
    } else {
      this.#stats.completed++;
      task.resolve(value);
    }
  }

  /** All of them get the same error: 100,000 with a stack each would take seconds. */
  #cancel(tasks: ReadonlySet<Task>, signal: AbortSignal): void {
    const error = this[$aborted]('submit', signal);
    for (const task of tasks) {
      this.#queue.remove(task);
      this.#stats.cancelled++;
      this.#giveUp(task, error);
    }
    this.#workOn();
  }

  #expire(worker: PoolWorker, task: Task): void {
    if (worker.task !== task) return;
    this.#stats.timedOut++;
    this.#giveUp(
      task,
      this.#refusal(Errno.ETIMEDOUT, `the task ran for longer than ${task.timeoutMs} ms; its thread was ended`),
    );
  }

  /** Rejects a task; ends its thread, if it runs on one. */
  #giveUp(task: Task, error: SocketError): void {
    this.#end(task);
    task.reject(error);
    for (const worker of this.#crew!.workers) {
      if (worker.task === task) worker.abandon(error);
    }
  }

  /** Resolves when nothing is queued or running, the time is over, or `signal` is aborted. */
  #drained(maxWaitMs: number, signal: AbortSignal | undefined): Promise<void> {
    const isDone = (): boolean => this.#queue.size === 0 && this.taskCount === 0;
    if (isDone() || isSignalAborted(signal)) return Promise.resolve();
    return new Promise((resolve) => {
      const done = (): void => {
        this.#onProgress = null;
        cancel();
        watch.end();
        resolve();
      };
      const cancel = deadlineAfter(maxWaitMs, done);
      const watch = watchAbort(signal, done);
      this.#onProgress = () => {
        if (isDone()) done();
      };
    });
  }

  /** Rejects every task that is left; returns how many. */
  #cancelAll(): number {
    let count = 0;
    if (this.#queue.size === 0 && this.taskCount === 0) return count;
    const error = this.#refusal(Errno.ECANCELED, 'the pool was stopped before the task was done');
    const cancel = (task: Task): void => {
      count++;
      this.#stats.cancelled++;
      this.#giveUp(task, error);
    };
    for (let task = this.#queue.shift(); task !== null; task = this.#queue.shift()) cancel(task);
    for (const worker of this.#crew?.workers ?? []) if (worker.task !== null) cancel(worker.task);
    for (const task of this.#here) cancel(task);
    this.#here.clear();
    return count;
  }

  /** Ends the threads, calls the last hook, and is stopped. */
  async #shutDown(): Promise<void> {
    const crew = this.#crew;
    if (crew !== null) {
      crew.endAll();
      if (crew.workers.size > 0) {
        await new Promise<void>((resolve) => {
          this.#onProgress = () => {
            if (crew.workers.size === 0) resolve();
          };
        });
        this.#onProgress = null;
      }
    }
    this.#crew = null;
    for (const grown of this.#growths.splice(0)) grown();
    this.#callHook('onShutdown');
    this[$transition](ServiceState.Stopped);
  }

  #refusal(errno: number, message: string, cause?: unknown): SocketError {
    return this[$failed]({
      ...refusals[errno]!,
      errno,
      operation: 'submit',
      message,
      ...(cause !== undefined && { cause }),
    });
  }

  #callHook(hook: Exclude<keyof ThreadPoolHooks, 'onHookError'>, ...args: unknown[]): void {
    const listener = this.#listener as Record<string, ((...all: unknown[]) => unknown) | undefined>;
    const call = listener[hook];
    if (call === undefined) return;
    notifyHook(
      () => call.call(listener, this, ...args),
      (thrown) => this[$reportHookError](this.#listener, hook, thrown, 0, false),
    );
  }
}

defineProperties(ThreadPool.prototype, poolTable);

/** What the errors of tasks are called, by errno. */
const refusals: Readonly<Record<number, { socketError: SocketErrorCode; code: SocketErrorName }>> = {
  [Errno.EPERM]: { socketError: SocketErrorCode.IllegalState, code: 'HP_ILLEGAL_STATE' },
  [Errno.EINVAL]: { socketError: SocketErrorCode.InvalidParam, code: 'HP_INVALID_PARAM' },
  [Errno.EXFULL]: { socketError: SocketErrorCode.DataProc, code: 'EXFULL' },
  [Errno.ETIMEDOUT]: { socketError: SocketErrorCode.DataProc, code: 'ETIMEDOUT' },
  [Errno.ECANCELED]: { socketError: SocketErrorCode.DataProc, code: 'HP_ABORTED' },
};
