import { createHash } from 'node:crypto';
import { availableParallelism, getPriority } from 'node:os';
import { describe, expect, test } from 'vitest';
import { resolveThreadCount } from '../../../src/helpers/thread-pool/thread-count.ts';
import { createSocketTask, RejectedPolicy, TaskBufferType, ThreadPool } from '../../../src/helpers.ts';
import { ServiceState } from '../../../src/index.ts';
import { Gate, makePool, tasksUrl } from './support.ts';

describe('what a task gets and gives', () => {
  test('a function of a module runs on another thread, with any value that can be cloned: TP-003, CB-02, NHP-003', async () => {
    const pool = makePool();
    await pool.start(1);
    expect(await pool.submit('where')).not.toBe(0);
    const value = { text: 'ä', map: new Map([[1, [2n]]]), date: new Date(5), nothing: undefined };
    expect(await pool.submit('echo', value)).toEqual(value);
    expect(await pool.submit('echoLater', value)).toEqual(value);
    expect(await pool.submit('echo')).toBeUndefined();
  });

  test('a module can be named per task, by URL, path, or data, with its default export', async () => {
    const pool = new ThreadPool({}, { execArgv: [] });
    await pool.start(1);
    try {
      expect(await pool.submit({ module: tasksUrl }, 1)).toBe(1);
      expect(await pool.submit({ module: tasksUrl.pathname, name: 'echo' }, 2)).toBe(2);
      expect(
        await pool.submit({ module: 'data:text/javascript,export const add = (x) => x + 1', name: 'add' }, 2),
      ).toBe(3);
      expect(() => pool.submit({ module: './tasks.mjs' })).toThrow(/module must be a URL such as new URL/);
      expect(() => pool.submit('echo')).toThrow(/which module exports "echo"/);
    } finally {
      await pool.stop();
    }
  });

  test('a Buffer arrives as a Buffer, without the memory that it is a part of', async () => {
    const pool = makePool();
    await pool.start(1);
    const part = Buffer.alloc(100_000, 'x').subarray(10, 30);
    expect(await pool.submit('memoryBehind', part)).toEqual([20, 20, true]);
    expect(part.toString()).toBe('x'.repeat(20));
    const digest = await pool.submit('sha256', part);
    expect(Buffer.isBuffer(digest)).toBe(true);
    expect(digest).toEqual(createHash('sha256').update(part).digest());
    const small = (await pool.submit('smallBuffer', 10)) as Buffer;
    expect(small.toString()).toBe('x'.repeat(10));
    expect(small.buffer.byteLength).toBe(10);
  });

  test('memory moves instead of being copied, where the caller or the task says so', async () => {
    const pool = makePool();
    await pool.start(1);
    const bytes = new Uint8Array(50).fill(1);
    expect(await pool.submit('echo', bytes, { transfer: [bytes.buffer] })).toEqual(new Uint8Array(50).fill(1));
    expect(bytes.byteLength).toBe(0);
    const moved = (await pool.submit('moveOut', 9)) as unknown as Uint8Array;
    expect(moved).toEqual(new Uint8Array(9).fill(5));
    expect(await pool.submit('whatIsLeft')).toBe(0);
  });

  test('workerData is the same for all threads', async () => {
    const pool = makePool({}, { workerData: { key: 'value' } });
    await pool.start(1);
    expect(await pool.submit('data')).toEqual({ key: 'value' });
  });

  test.runIf(process.platform === 'linux')('niceness is that of the threads, and not of the event loop', async () => {
    const pool = makePool({}, { niceness: 3 });
    const before = getPriority();
    await pool.start(1);
    expect(await pool.submit('priority')).toBe(Math.min(before + 3, 19));
    expect(getPriority()).toBe(before);
  });

  test('timers of a module fire though tasks come without a gap', async () => {
    const pool = makePool();
    await pool.start(1);
    await pool.submit('startTicking');
    const isTicking = async (): Promise<boolean> => Number(await pool.submit('ticksSoFar')) >= 3;
    while (!(await isTicking()));
    expect(await pool.submit('ticksSoFar')).toBeGreaterThanOrEqual(3);
  });
});

describe('socket tasks', () => {
  test('carry sender, connection ID, bytes and two parameters: TP-004, SYS-050, CB-03', async () => {
    const pool = makePool();
    await pool.start(1);
    const sender = { send() {} };
    const task = createSocketTask('describeSocketTask', sender, 77, Buffer.from('hello'), { wparam: 1, lparam: ['x'] });
    expect(task.sender).toBe(sender);
    expect(await pool.submit(task)).toEqual([77, true, 'hello', 1, ['x']]);
    expect(() => pool.submit(task)).toThrow(/was submitted before/);
  });

  test('Copy leaves the caller its bytes, also those that change at once: TPF-007', async () => {
    const pool = makePool();
    await pool.start(1);
    const bytes = Buffer.from('before');
    const task = createSocketTask('describeSocketTask', null, 1, bytes);
    bytes.fill('x');
    expect(await pool.submit(task)).toEqual([1, true, 'before', undefined, undefined]);
    expect(bytes.toString()).toBe('xxxxxx');
  });

  test('Attach takes the memory at once, and only a whole one', async () => {
    const pool = makePool();
    await pool.start(1);
    const bytes = new Uint8Array(Buffer.from('whole'));
    const task = createSocketTask('describeSocketTask', null, 1, bytes, { bufferType: TaskBufferType.Attach });
    expect(bytes.byteLength).toBe(0);
    expect(await pool.submit(task)).toEqual([1, true, 'whole', undefined, undefined]);
    const part = new Uint8Array(10).subarray(2);
    expect(() => createSocketTask('x', null, 1, part, { bufferType: TaskBufferType.Attach })).toThrow(
      /whole ArrayBuffer/,
    );
  });

  test('Refer shows both threads the same bytes, which must be shared', async () => {
    const pool = makePool();
    await pool.start(1);
    const shared = new Uint8Array(new SharedArrayBuffer(4));
    const module = `data:text/javascript,export const mark = ({ data }) => { data[0] = 9; }`;
    const task = createSocketTask({ module, name: 'mark' }, null, 1, shared, { bufferType: TaskBufferType.Refer });
    await pool.submit(task);
    expect([...shared]).toEqual([9, 0, 0, 0]);
    const own = new Uint8Array(4);
    expect(() => createSocketTask('x', null, 1, own, { bufferType: TaskBufferType.Refer })).toThrow(
      /SharedArrayBuffer/,
    );
  });

  test('a task that was refused keeps its bytes and can be submitted again: TPF-007', async () => {
    const pool = makePool();
    const gate = new Gate();
    await pool.start(1, { maxQueueSize: 1 });
    const blocker = pool.submit('waitAt', gate.cells);
    const queued = pool.submit('echo', 1);
    const task = createSocketTask('describeSocketTask', null, 5, Buffer.from('again'));
    await expect(pool.submit(task)).rejects.toMatchObject({ errnoName: 'EXFULL' });
    gate.open();
    await Promise.all([blocker, queued]);
    expect(await pool.submit(task)).toEqual([5, true, 'again', undefined, undefined]);
  });

  test.each([
    [{ buffertype: 0 }, /unknown option "buffertype"/],
    [{ bufferType: 3 }, /bufferType must be one of/],
  ])('wrong options are errors: %j', (options, message) => {
    expect(() => createSocketTask('x', null, 1, Buffer.alloc(1), options as never)).toThrow(message);
  });
});

describe('threads', () => {
  test('the number of threads is what TPF-002 says', () => {
    expect(resolveThreadCount(513, 2)).toBe(513);
    expect(resolveThreadCount(0, 2)).toBe(6);
    expect(resolveThreadCount(0, 400)).toBe(512);
    expect(resolveThreadCount(-1, 2)).toBe(2);
    expect(resolveThreadCount(-3, 2)).toBe(6);
    expect(resolveThreadCount(-1)).toBe(availableParallelism());
    for (const wrong of [1.5, Number.NaN, 4097, -5000]) expect(() => resolveThreadCount(wrong, 2)).toThrow(RangeError);
  });

  test('as many tasks run at once as there are threads; the rest waits: TP-009, TP-010, TP-011, TPF-004', async () => {
    const pool = makePool();
    const gate = new Gate();
    await pool.start(2);
    expect(pool.threadCount).toBe(2);
    const tasks = Array.from({ length: 5 }, () => pool.submit('waitAt', gate.cells));
    expect([pool.taskCount, pool.queueSize]).toEqual([2, 3]);
    await gate.reached(2);
    gate.open();
    const ids = await Promise.all(tasks);
    expect(new Set(ids).size).toBe(2);
    expect([pool.taskCount, pool.queueSize]).toEqual([0, 0]);
    expect(pool.stats()).toMatchObject({ started: 5, completed: 5, failed: 0, peakQueueSize: 3 });
  });

  test('tasks begin in the order in which they were submitted: TPF-003', async () => {
    const pool = makePool();
    await pool.start(1);
    const cells = new Int32Array(new SharedArrayBuffer(4 * 201));
    await Promise.all(Array.from({ length: 200 }, (_, i) => pool.submit('note', [cells, i])));
    expect([...cells.subarray(1)]).toEqual(Array.from({ length: 200 }, (_, i) => i));
  });

  test('adjustThreadCount tells the new number at once; surplus threads go when they are idle: TP-005, TPF-008', async () => {
    const ended: (object | null)[] = [];
    let started = 0;
    const pool = makePool({
      onWorkerThreadStart: () => void started++,
      onWorkerThreadEnd: (_pool, _id, error) => void ended.push(error),
    });
    const gate = new Gate();
    await pool.start(1);
    const grown = pool.adjustThreadCount(3);
    expect(pool.threadCount).toBe(3);
    await grown;
    expect(started).toBe(3);
    const tasks = Array.from({ length: 6 }, () => pool.submit('waitAt', gate.cells));
    await gate.reached(3);
    await pool.adjustThreadCount(1);
    expect(pool.threadCount).toBe(1);
    expect([pool.taskCount, pool.queueSize, ended.length]).toEqual([3, 3, 0]);
    gate.open();
    await Promise.all(tasks);
    await pool.stop();
    expect(ended).toEqual([null, null, null]);
    expect(pool.stats().threadsReplaced).toBe(0);
  });

  test('the listener hears of startup, each thread, and at last of shutdown: EV-T-01 to EV-T-04, TPF-012, TPN-001, ECO-009', async () => {
    const heard: string[] = [];
    const pool = makePool({
      onStartup: (p) => void heard.push(`startup ${p.state === ServiceState.Starting} ${p.threadCount}`),
      onWorkerThreadStart: (_p, id) => void heard.push(`start ${typeof id}`),
      onWorkerThreadEnd: (_p, id, error) => void heard.push(`end ${typeof id} ${error}`),
      onShutdown: (p) => void heard.push(`shutdown ${p.state === ServiceState.Stopping}`),
    });
    await pool.start(2);
    await pool.stop();
    expect(heard).toEqual([
      'startup true 0',
      'start number',
      'start number',
      'end number null',
      'end number null',
      'shutdown true',
    ]);
  });

  test('EV-T-01 EV-T-02 EV-T-03 EV-T-04: a hook that throws disturbs nothing', async () => {
    const errors: string[] = [];
    const bad = (name: string) => (): never => {
      throw new Error(name);
    };
    const pool = makePool({
      onStartup: bad('a'),
      onWorkerThreadStart: async () => bad('b')(),
      onWorkerThreadEnd: bad('c'),
      onShutdown: bad('d'),
      onHookError: (_pool, hook) => void errors.push(hook),
    });
    await pool.start(1);
    expect(await pool.submit('echo', 4)).toBe(4);
    await pool.stop();
    expect(errors).toEqual(['onStartup', 'onWorkerThreadStart', 'onWorkerThreadEnd', 'onShutdown']);
  });
});

describe('a full queue', () => {
  test('CallFail refuses with EXFULL; running tasks do not count: TPF-004, TPF-005, TP-012, TP-013', async () => {
    const pool = makePool();
    const gate = new Gate();
    await pool.start(1, { maxQueueSize: 2 });
    expect([pool.maxQueueSize, pool.rejectedPolicy]).toEqual([2, RejectedPolicy.CallFail]);
    const tasks = Array.from({ length: 3 }, () => pool.submit('waitAt', gate.cells));
    // TPF-006: maxWaitMs means nothing with this policy
    await expect(pool.submit('echo', 1, { maxWaitMs: 60_000 })).rejects.toMatchObject({
      errno: 54,
      errnoName: 'EXFULL',
    });
    expect(pool.lastSystemError).toBe(54);
    gate.open();
    await Promise.all(tasks);
    expect(pool.stats()).toMatchObject({ completed: 3, rejected: 1 });
  });

  test('WaitFor waits for room, in order: TPF-005', async () => {
    const pool = makePool();
    const gate = new Gate();
    const cells = new Int32Array(new SharedArrayBuffer(4 * 10));
    await pool.start(1, { maxQueueSize: 1, rejectedPolicy: RejectedPolicy.WaitFor });
    const blocker = pool.submit('waitAt', gate.cells);
    const tasks = [1, 2, 3, 4].map((value) => pool.submit('note', [cells, value], { maxWaitMs: 0 }));
    expect(pool.queueSize).toBe(1);
    gate.open();
    await Promise.all([blocker, ...tasks]);
    expect([...cells.subarray(1, 5)]).toEqual([1, 2, 3, 4]);
  });

  test('WaitFor gives up after maxWaitMs with ETIMEDOUT, and when the pool stops with EPERM: TPF-005', async () => {
    const pool = makePool();
    const gate = new Gate();
    await pool.start(1, { maxQueueSize: 1, rejectedPolicy: RejectedPolicy.WaitFor });
    const tasks = [pool.submit('waitAt', gate.cells), pool.submit('echo', 1)];
    await expect(pool.submit('echo', 2, { maxWaitMs: 5 })).rejects.toMatchObject({
      errno: 110,
      errnoName: 'ETIMEDOUT',
    });
    const waiting = pool.submit('echo', 3);
    const stopped = pool.stop();
    await expect(waiting).rejects.toMatchObject({ errno: 1, errnoName: 'EPERM' });
    gate.open();
    await Promise.all(tasks);
    expect(await stopped).toEqual({ finished: 2, cancelled: 0 });
  });

  test('not more than maxWaitingSubmits wait', async () => {
    const pool = makePool({}, { maxWaitingSubmits: 1 });
    const gate = new Gate();
    await pool.start(1, { maxQueueSize: 1, rejectedPolicy: RejectedPolicy.WaitFor });
    const tasks = [pool.submit('waitAt', gate.cells), pool.submit('echo', 1), pool.submit('echo', 2)];
    await expect(pool.submit('echo', 3)).rejects.toMatchObject({ errnoName: 'EXFULL' });
    gate.open();
    await Promise.all(tasks);
  });

  test('CallerRun runs the task here: TPF-005', async () => {
    const pool = makePool();
    const gate = new Gate();
    await pool.start(1, { maxQueueSize: 1, rejectedPolicy: RejectedPolicy.CallerRun });
    const tasks = [pool.submit('waitAt', gate.cells), pool.submit('where')];
    // In tests this thread is itself one of a pool, or the main one: what counts is that it is ours.
    const { threadId } = await import('node:worker_threads');
    expect(await pool.submit('where')).toBe(threadId);
    await expect(pool.submit('fail', 'here too')).rejects.toThrow('here too');
    const task = createSocketTask('describeSocketTask', null, 3, Buffer.from('here'));
    expect(await pool.submit(task)).toEqual([3, true, 'here', undefined, undefined]);
    gate.open();
    const ids = await Promise.all(tasks);
    expect(ids[1]).toBe(ids[0]);
    expect(pool.stats().callerRuns).toBe(3);
  });

  test('a queue of 100,000 tasks is no problem', async () => {
    const pool = makePool();
    const gate = new Gate();
    await pool.start(1);
    const blocker = pool.submit('waitAt', gate.cells);
    const abort = new AbortController();
    let sum = 0;
    const kept: Promise<unknown>[] = [];
    let cancelled = 0;
    for (let i = 0; i < 100_000; i++) {
      // Nine of ten are taken out again, from anywhere in the queue.
      if (i % 10 === 0) kept.push(pool.submit('echo', 1).then((value) => void (sum += value as number)));
      else pool.submit('echo', 1, { signal: abort.signal }).catch(() => void cancelled++);
    }
    expect(pool.queueSize).toBe(100_000);
    abort.abort();
    expect(pool.queueSize).toBe(10_000);
    gate.open();
    await Promise.all([blocker, ...kept]);
    expect([sum, cancelled]).toEqual([10_000, 90_000]);
  });
});
