import { describe, expect, test } from 'vitest';
import { createSocketTask, ThreadPool } from '../../../src/helpers.ts';
import { ServiceState, SocketError, SocketErrorCode } from '../../../src/index.ts';
import { Gate, makePool } from './support.ts';

describe('a task that fails', () => {
  test('rejects with what it threw, its name and its code; the thread goes on: TPF-011', async () => {
    const pool = makePool();
    await pool.start(1);
    const id = await pool.submit('where');
    const error = await pool.submit('fail', 'wrong').catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(RangeError);
    expect(error).toMatchObject({ message: 'wrong', code: 'MY_CODE' });
    await expect(pool.submit('rejectLater', 'later')).rejects.toThrow(new TypeError('later'));
    await expect(pool.submit('throwOwnError')).rejects.toMatchObject({ name: 'OwnError', message: 'my own' });
    await expect(pool.submit('throwFunction')).rejects.toThrow(/the task threw/);
    await expect(pool.submit('throwUnprintable')).rejects.toThrow(/cannot be shown|threw/);
    await expect(pool.submit('throwNothing').catch((thrown) => [thrown])).resolves.toEqual([undefined]);
    expect(await pool.submit('where')).toBe(id);
    expect(pool.stats()).toMatchObject({ failed: 6, threadsReplaced: 0 });
  });

  test('what cannot be cloned is an error, there and back', async () => {
    const pool = makePool();
    await pool.start(1);
    const id = await pool.submit('where');
    await expect(pool.submit('returnFunction')).rejects.toThrow(/could not be cloned/);
    await expect(pool.submit('returnTrap')).rejects.toThrow('the getter was read');
    await expect(pool.submit('returnBadThenable')).rejects.toThrow('no then for you');
    await expect(pool.submit('echo', () => {})).rejects.toMatchObject({
      code: 'HP_INVALID_PARAM',
      errnoName: 'EINVAL',
    });
    const gate = new Gate();
    const tasks = [pool.submit('waitAt', gate.cells), pool.submit('echo', () => {}), pool.submit('echo', 5)];
    gate.open();
    const results = await Promise.allSettled(tasks);
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(await pool.submit('where')).toBe(id);
  });

  test('so is a function, or a module, that does not exist', async () => {
    const pool = makePool();
    await pool.start(1);
    await expect(pool.submit('missing' as 'echo')).rejects.toThrow('exports no function "missing"');
    await expect(pool.submit('notAFunction' as 'echo')).rejects.toThrow('exports no function "notAFunction"');
    await expect(pool.submit({ module: '/no/such/module.mjs' })).rejects.toMatchObject({
      code: 'ERR_MODULE_NOT_FOUND',
    });
    expect(await pool.submit('echo', 1)).toBe(1);
  });
});

describe('a thread that dies', () => {
  test.each([
    ['calls process.exit', 'exit', 3, /exited with code 3/],
    ['throws behind the task’s back', 'crashLater', undefined, /crashed behind the task/],
    ['leaves a rejection unhandled', 'rejectUnhandled', undefined, /nobody looks/],
  ] as const)('because it %s: told, replaced, and its task rejected', async (_what, name, argument, message) => {
    const ended: (SocketError | null)[] = [];
    const pool = makePool({ onWorkerThreadEnd: (_pool, _id, error) => void ended.push(error) });
    await pool.start(1);
    const id = await pool.submit('where');
    const doomed = pool.submit(name, argument as never);
    const behind = pool.submit('where');
    await expect(doomed).rejects.toThrow(message);
    await expect(doomed).rejects.toMatchObject({
      socketError: SocketErrorCode.DataProc,
      code: 'EIO',
      errnoName: 'EIO',
    });
    expect(await behind).not.toBe(id);
    expect(ended).toHaveLength(1);
    expect(ended[0]).toBeInstanceOf(SocketError);
    expect(pool.stats()).toMatchObject({ failed: 1, threadsReplaced: 1 });
    expect(pool.threadCount).toBe(1);
  });

  test('because its heap is full', async () => {
    const pool = makePool({}, { resourceLimits: { maxOldGenerationSizeMb: 16, maxYoungGenerationSizeMb: 4 } });
    await pool.start(1);
    await expect(pool.submit('useUpMemory')).rejects.toMatchObject({ cause: { code: 'ERR_WORKER_OUT_OF_MEMORY' } });
    expect(await pool.submit('echo', 1)).toBe(1);
  });

  test('one that dies between tasks is replaced too', async () => {
    const pool = makePool();
    await pool.start(1);
    const module = 'data:text/javascript,export const f = () => { setImmediate(() => process.exit(1)); }';
    await pool.submit({ module, name: 'f' });
    while (pool.stats().threadsReplaced === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    expect(await pool.submit('echo', 1)).toBe(1);
  });
});

describe('a task that does not end', () => {
  test.each(['spin', 'never'] as const)('is ended by its time-out, with its thread: %s', async (name) => {
    const pool = makePool({}, { taskTimeoutMs: 50 });
    await pool.start(1);
    const id = await pool.submit('where', undefined, { timeoutMs: 0 });
    await expect(pool.submit(name)).rejects.toMatchObject({ errnoName: 'ETIMEDOUT' });
    expect(await pool.submit('where', undefined, { timeoutMs: 0 })).not.toBe(id);
    expect(pool.stats()).toMatchObject({ timedOut: 1, threadsReplaced: 1 });
  });

  test.each(['spin', 'never'] as const)('is ended by its signal: %s', async (name) => {
    const pool = makePool();
    await pool.start(1);
    const id = await pool.submit('where');
    const abort = new AbortController();
    const task = pool.submit(name, undefined, { signal: abort.signal });
    abort.abort(new Error('enough'));
    await expect(task).rejects.toMatchObject({
      code: 'HP_ABORTED',
      errnoName: 'ECANCELED',
      cause: new Error('enough'),
    });
    expect(await pool.submit('where')).not.toBe(id);
  });

  test('a signal takes a task out of the queue, out of the waiting, and away before both', async () => {
    const pool = makePool();
    const gate = new Gate();
    await pool.start(1, { maxQueueSize: 1, rejectedPolicy: 1 });
    const blocker = pool.submit('waitAt', gate.cells);
    const abort = new AbortController();
    const queued = pool.submit('echo', 1, { signal: abort.signal });
    const waiting = pool.submit('echo', 2, { signal: abort.signal });
    const other = pool.submit('echo', 3);
    abort.abort();
    for (const task of [queued, waiting, pool.submit('echo', 4, { signal: abort.signal })]) {
      await expect(task).rejects.toMatchObject({ errnoName: 'ECANCELED' });
    }
    gate.open();
    await blocker;
    expect(await other).toBe(3);
    expect(pool.stats()).toMatchObject({ cancelled: 2, threadsReplaced: 0 });
  });
});

describe('start and stop', () => {
  test('go through the states of every component: TPF-001, TP-001, TP-002, TP-006, TP-007, TP-008', async () => {
    const pool = makePool();
    expect([pool.state, pool.hasStarted, pool.threadCount]).toEqual([ServiceState.Stopped, false, 0]);
    expect(await pool.wait()).toBe(true);
    const starting = pool.start(1);
    expect([pool.state, pool.hasStarted]).toEqual([ServiceState.Starting, true]);
    await expect(pool.start(1)).rejects.toMatchObject({ errnoName: 'EPERM' });
    await expect(pool.submit('echo')).rejects.toMatchObject({ errnoName: 'EPERM' });
    await starting;
    expect([pool.state, pool.hasStarted]).toEqual([ServiceState.Started, true]);
    await expect(pool.start(1)).rejects.toMatchObject({ socketError: SocketErrorCode.IllegalState });
    expect(await pool.wait(1)).toBe(false);
    const stopping = pool.stop();
    expect([pool.state, pool.hasStarted]).toEqual([ServiceState.Stopping, false]);
    await expect(pool.stop()).rejects.toMatchObject({ errnoName: 'EPERM' });
    await expect(pool.start(1)).rejects.toMatchObject({ errnoName: 'EPERM' });
    await expect(pool.submit('echo')).rejects.toMatchObject({ errnoName: 'EPERM' });
    await expect(pool.adjustThreadCount(2)).rejects.toMatchObject({ errnoName: 'EPERM' });
    expect(await stopping).toEqual({ finished: 0, cancelled: 0 });
    expect(pool.state).toBe(ServiceState.Stopped);
    await expect(pool.stop()).rejects.toMatchObject({ errnoName: 'EPERM' });
    await expect(pool.submit('echo')).rejects.toMatchObject({ errnoName: 'EPERM' });
    await pool.start(1);
    expect(await pool.submit('echo', 'again')).toBe('again');
  });

  test('stop lets every queued task run: TPF-009', async () => {
    const pool = makePool();
    const gate = new Gate();
    await pool.start(1);
    const tasks = [pool.submit('waitAt', gate.cells), ...[1, 2, 3].map((value) => pool.submit('echo', value))];
    const stopped = pool.stop({ maxWaitMs: 0 });
    await expect(pool.submit('echo')).rejects.toMatchObject({ errnoName: 'EPERM' });
    gate.open();
    expect((await Promise.all(tasks)).slice(1)).toEqual([1, 2, 3]);
    expect(await stopped).toEqual({ finished: 4, cancelled: 0 });
  });

  test('after maxWaitMs what is left is rejected and the threads are ended: TPF-009', async () => {
    const pool = makePool();
    await pool.start(1);
    const tasks = [pool.submit('spin'), pool.submit('echo', 1), pool.submit('echo', 2)];
    const results = Promise.allSettled(tasks);
    expect(await pool.stop({ maxWaitMs: 20 })).toEqual({ finished: 0, cancelled: 3 });
    for (const result of await results)
      expect(result).toMatchObject({ reason: { errno: 125, errnoName: 'ECANCELED' } });
    expect(pool.stats().cancelled).toBe(3);
  });

  test('the signal of stop ends the waiting', async () => {
    const pool = makePool();
    await pool.start(2);
    const task = pool.submit('never');
    const abort = new AbortController();
    const stopped = pool.stop({ signal: abort.signal });
    abort.abort();
    await expect(task).rejects.toMatchObject({ errnoName: 'ECANCELED' });
    expect(await stopped).toEqual({ finished: 0, cancelled: 1 });
  });

  test('a thread that dies while the pool stops is replaced if tasks are left', async () => {
    const pool = makePool();
    await pool.start(1);
    const tasks = Promise.allSettled([pool.submit('exit', 0), pool.submit('echo', 1), pool.submit('exit', 1)]);
    expect(await pool.stop()).toEqual({ finished: 3, cancelled: 0 });
    expect((await tasks).map(({ status }) => status)).toEqual(['rejected', 'fulfilled', 'rejected']);
  });

  test('stop while it starts cancels the start, and no thread is left', async () => {
    const ended: number[] = [];
    let isShutDown = false;
    const pool = makePool({
      onWorkerThreadEnd: (_pool, id) => void ended.push(id),
      onShutdown: () => void (isShutDown = true),
    });
    const starting = pool.start(2);
    await Promise.all([expect(starting).rejects.toMatchObject({ errnoName: 'ECANCELED' }), pool.stop()]);
    expect([pool.state, isShutDown]).toEqual([ServiceState.Stopped, true]);
    await pool.start(1);
    expect(await pool.submit('echo', 1)).toBe(1);
  });

  test('the signal of start cancels it, and later stops the pool', async () => {
    const pool = makePool();
    await expect(pool.start(1, { signal: AbortSignal.abort() })).rejects.toMatchObject({ errnoName: 'ECANCELED' });
    expect(pool.state).toBe(ServiceState.Stopped);
    const abort = new AbortController();
    await pool.start(1, { signal: abort.signal });
    abort.abort();
    expect(await pool.wait()).toBe(true);
  });

  test('TPF-010: stop from within a task that runs here waits for that task', async () => {
    const pool = makePool();
    const gate = new Gate();
    await pool.start(1, { maxQueueSize: 1, rejectedPolicy: 2 });
    const tasks = [pool.submit('waitAt', gate.cells), pool.submit('echo', 1)];
    const here = pool.submit('echoLater', 'done');
    const stopped = pool.stop();
    gate.open();
    expect(await here).toBe('done');
    expect(await stopped).toEqual({ finished: 3, cancelled: 0 });
    await Promise.all(tasks);
  });

  test('a thread that does not start fails the start, and onShutdown follows', async () => {
    let isShutDown = false;
    const pool = makePool({ onShutdown: () => void (isShutDown = true) }, { execArgv: ['--no-such-option'] });
    await expect(pool.start(2)).rejects.toMatchObject({
      socketError: SocketErrorCode.WorkerThreadCreate,
      cause: { code: 'ERR_WORKER_INVALID_EXEC_ARGV' },
    });
    expect([pool.state, isShutDown]).toEqual([ServiceState.Stopped, true]);
    pool.execArgv = ['--import', 'data:text/javascript,throw new Error("no start")'];
    await expect(pool.start(2)).rejects.toMatchObject({ cause: { message: 'no start' } });
    pool.execArgv = [];
    await pool.start(1);
    expect(await pool.submit('echo', 1)).toBe(1);
  });

  test('await using stops it', async () => {
    const pool = makePool();
    {
      await using used = pool;
      await used.start(1);
    }
    expect(pool.state).toBe(ServiceState.Stopped);
  });
});

describe('wrong arguments', () => {
  test('are errors that name them', async () => {
    expect(() => new ThreadPool({}, { modul: 'x' } as never)).toThrow('did you mean module?');
    expect(() => new ThreadPool({}, { module: 'relative.js' })).toThrow(/module must be a URL/);
    expect(() => new ThreadPool({}, { taskTimeoutMs: -1 })).toThrow(/taskTimeoutMs/);
    expect(() => new ThreadPool({}, { execArgv: 'x' as never })).toThrow(/execArgv/);
    expect(() => new ThreadPool({}, { resourceLimits: 5 as never })).toThrow(/resourceLimits/);
    expect(() => new ThreadPool(null as never)).toThrow(/listener must be an object/);
    expect(() => new ThreadPool({ onStartup: 5 as never })).toThrow(/onStartup must be a function/);
    expect(() => new ThreadPool({ onstart() {} } as never)).toThrow(/unknown hook "onstart"/);
    const pool = makePool();
    await expect(pool.start(1, { maxQueueSiz: 5 } as never)).rejects.toThrow('did you mean maxQueueSize?');
    await expect(pool.start(1, { maxQueueSize: -1 })).rejects.toThrow(/maxQueueSize/);
    await expect(pool.start(1, { rejectedPolicy: 3 as never })).rejects.toThrow(/rejectedPolicy/);
    await expect(pool.start(1, { stackSizeBytes: 1000 })).rejects.toThrow(/stackSizeBytes/);
    await expect(pool.start(1.5)).rejects.toThrow(/threadCount/);
    expect(pool.state).toBe(ServiceState.Stopped);
    await pool.start(1, { stackSizeBytes: 1024 * 1024 });
    expect(() => pool.submit('echo', 1, { maxWait: 1 } as never)).toThrow('did you mean maxWaitMs?');
    expect(() => pool.submit('echo', 1, { maxWaitMs: -2 })).toThrow(/maxWaitMs/);
    expect(() => pool.submit('echo', 1, { signal: {} as never })).toThrow(/AbortSignal/);
    expect(() => pool.submit('echo', 1, { transfer: {} as never })).toThrow(/transfer/);
    const task = createSocketTask('describeSocketTask', null, 1, Buffer.from('x'));
    expect(() => pool.submit(task, { maxWait: 1 } as never)).toThrow('did you mean maxWaitMs?');
    expect(await pool.submit(task)).toEqual([1, true, 'x', undefined, undefined]);
    await expect(pool.stop({ maxWaitMs: Number.NaN })).rejects.toThrow(/maxWaitMs/);
    expect(() => {
      pool.taskTimeoutMs = 5;
    }).toThrow(/while the component is stopped/);
  });
});
