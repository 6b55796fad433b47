import { runInNewContext } from 'node:vm';
import { afterEach, describe, expect, test, vi } from 'vitest';
import {
  COLLECT_EVERY_BYTES,
  type Collect,
  FIRST_COLLECTION_BYTES,
  findCollect,
  isYoung,
  needsCollections,
  YoungCollector,
} from '../../src/core/young-collector.ts';

/** A process whose clocks stand until a collection takes its time. */
class FakeRuntime {
  isNeeded = true;
  time = 0;
  found = 0;
  /** What a collection takes. */
  costMs = 0.2;
  waitMs = 0;
  cpuTime = 0;
  collect: Collect | null = () => {
    this.time += this.costMs + this.waitMs;
    this.cpuTime += this.costMs;
  };
  readonly due: (() => void)[] = [];
  readonly now = (): number => this.time;
  readonly cpu = (): number => this.cpuTime;
  readonly atTurnEnd = (call: () => void): void => void this.due.push(call);
  readonly find = (): Collect | null => {
    this.found++;
    return this.collect;
  };

  endTurn(): void {
    for (const call of this.due.splice(0)) call();
  }
}

function started(): { runtime: FakeRuntime; collector: YoungCollector; receive: (bytes: number) => void } {
  const runtime = new FakeRuntime();
  const collector = new YoungCollector(runtime);
  collector.allow();
  const receive = (bytes: number): void => {
    collector.allocated(bytes);
    runtime.endTurn();
  };
  return { runtime, collector, receive };
}

describe('collections of the young generation', () => {
  test('are looked for when much was received, and come at ends of turns', () => {
    const { runtime, collector, receive } = started();
    expect(collector.frees).toBe(true);
    receive(FIRST_COLLECTION_BYTES - 1);
    expect(runtime.found).toBe(0);
    receive(1);
    expect([runtime.found, collector.count]).toEqual([1, 0]);
    collector.allocated(COLLECT_EVERY_BYTES - 1);
    expect(runtime.due).toEqual([]);
    collector.allocated(COLLECT_EVERY_BYTES);
    collector.allocated(COLLECT_EVERY_BYTES);
    expect([runtime.due.length, collector.count]).toEqual([1, 0]);
    runtime.endTurn();
    expect(collector.count).toBe(1);
    receive(COLLECT_EVERY_BYTES - 1);
    expect(collector.count).toBe(1);
    receive(1);
    expect([collector.count, runtime.found]).toEqual([2, 1]);
  });

  test.each([
    ['is not needed', (runtime: FakeRuntime) => void (runtime.isNeeded = false), true],
    ['was not allowed', () => {}, false],
  ])('are never asked for where it %s', (_, prepare, allow) => {
    const runtime = new FakeRuntime();
    prepare(runtime);
    const collector = new YoungCollector(runtime);
    if (allow) collector.allow();
    collector.allocated(FIRST_COLLECTION_BYTES * 2);
    expect([collector.frees, runtime.due.length]).toEqual([false, 0]);
  });

  test('are given up where there is no way to ask, or the way throws', () => {
    const none = started();
    none.runtime.collect = null;
    none.receive(FIRST_COLLECTION_BYTES);
    const throws = started();
    throws.runtime.collect = () => {
      throw new Error('no');
    };
    throws.receive(FIRST_COLLECTION_BYTES);
    throws.receive(COLLECT_EVERY_BYTES);
    for (const { collector, receive, runtime } of [none, throws]) {
      receive(FIRST_COLLECTION_BYTES * 2);
      expect([collector.frees, collector.count, runtime.found]).toEqual([false, 0, 1]);
    }
  });

  test('get a sixteenth of the time when all are dear', () => {
    const { runtime, collector, receive } = started();
    receive(FIRST_COLLECTION_BYTES);
    runtime.costMs = 10;
    for (let i = 0; i < 4; i++) receive(COLLECT_EVERY_BYTES);
    expect(collector.count).toBe(4);
    const ended = runtime.time;
    runtime.time = ended + 599;
    receive(COLLECT_EVERY_BYTES);
    expect(collector.count).toBe(4);
    runtime.time = ended + 600;
    receive(1);
    expect(collector.count).toBe(5);
  });

  test('come when they are due again after a pause, if the first of four alone was dear', () => {
    const { runtime, collector, receive } = started();
    receive(FIRST_COLLECTION_BYTES);
    runtime.costMs = 10;
    for (let i = 0; i < 4; i++) receive(COLLECT_EVERY_BYTES);
    runtime.time += 600;
    receive(COLLECT_EVERY_BYTES);
    runtime.costMs = 0.2;
    for (let i = 0; i < 20; i++) receive(COLLECT_EVERY_BYTES);
    expect(collector.count).toBe(25);
  });

  test('do not cost what the process is charged late for', () => {
    const { runtime, collector, receive } = started();
    const { collect } = runtime;
    runtime.collect = () => {
      collect!();
      runtime.cpuTime += 2;
    };
    receive(FIRST_COLLECTION_BYTES);
    for (let i = 0; i < 20; i++) receive(COLLECT_EVERY_BYTES);
    expect(collector.count).toBe(20);
  });

  test('come when they are due though some take long, and all wait for a processor', () => {
    const { runtime, collector, receive } = started();
    receive(FIRST_COLLECTION_BYTES);
    for (let i = 0; i < 20; i++) {
      runtime.costMs = i % 4 === 0 ? 0.2 : 50;
      runtime.waitMs = 100;
      receive(COLLECT_EVERY_BYTES);
    }
    expect(collector.count).toBe(20);
  });

  test('pay where they were measured, and nowhere else', () => {
    expect(needsCollections({ node: '26.10.0', v8: '14.0' })).toBe(true);
    for (const node of ['20.20.2', '22.11.0', '24.0.0', '25.1.0']) expect(needsCollections({ node })).toBe(true);
    for (const node of ['18.0.0', '21.0.0', '23.0.0']) expect(needsCollections({ node })).toBe(false);
    expect(needsCollections({ node: '26.0.0', bun: '1.4.5' })).toBe(false);
    expect(needsCollections({ node: '26.0.0', deno: '2.9.0' })).toBe(false);
    expect(needsCollections({ node: '27.0.0' })).toBe(false);
    expect(needsCollections({})).toBe(false);
  });
});

describe('the way to ask for a young collection', () => {
  test('runs such collections and none of the whole heap, and shows `gc` to nobody', () => {
    const before = runInNewContext('typeof gc') as string;
    const collect = findCollect();
    expect(collect).not.toBeNull();
    expect(isYoung(collect!)).toBe(true);
    if (before === 'undefined') {
      expect(runInNewContext('typeof gc')).toBe('undefined');
      expect(typeof globalThis.gc).toBe('undefined');
    }
  });

  test('is believed only if a young collection ran', () => {
    expect(isYoung(() => {})).toBe(false);
    expect(
      isYoung(() => {
        throw new Error('no');
      }),
    ).toBe(false);
  });
});

describe('the collector of this process', () => {
  const { gc } = globalThis;

  afterEach(() => {
    vi.restoreAllMocks();
    Object.assign(globalThis, { gc });
    if (gc === undefined) Reflect.deleteProperty(globalThis, 'gc');
  });

  test('asks by the `gc` that is there already', () => {
    const collect = findCollect()!;
    const asked: unknown[] = [];
    Object.assign(globalThis, {
      gc: (options: unknown) => {
        asked.push(options);
        collect();
      },
    });
    expect(isYoung(findCollect()!)).toBe(true);
    expect(asked.length).toBeGreaterThanOrEqual(2);
    for (const options of asked) expect(options).toEqual({ type: 'minor' });
  });

  test.runIf(needsCollections(process.versions)).each([
    ['its thread', true],
    ['the process, where that of a thread is not told', false],
  ])('counts the CPU time of %s, in milliseconds', async (_, isTold) => {
    vi.resetModules();
    const { youngCollector } = await import('../../src/core/young-collector.ts');
    const own = Object.getOwnPropertyDescriptor(process, 'threadCpuUsage');
    let used = 0;
    // Each call finds 5 ms more used, and an hour has passed.
    const usage = (): NodeJS.CpuUsage => ({ user: ++used * 3000, system: used * 2000 });
    const wrong = (): never => {
      throw new Error('the other one is to be asked');
    };
    let now = 1;
    let passes = 3_600_000;
    vi.spyOn(performance, 'now').mockImplementation(() => (now += passes));
    vi.spyOn(process, 'cpuUsage').mockImplementation(isTold ? wrong : usage);
    Object.defineProperty(process, 'threadCpuUsage', { value: isTold ? usage : undefined, configurable: true });
    try {
      const receive = async (): Promise<number> => {
        youngCollector.allocated(FIRST_COLLECTION_BYTES);
        await new Promise((resolve) => setImmediate(resolve));
        return youngCollector.count;
      };
      youngCollector.allow();
      for (const count of [0, 1, 2, 3, 4]) expect(await receive()).toBe(count);
      // Four of 5 ms are followed by 300 ms.
      passes = 0;
      now += 299;
      expect(await receive()).toBe(4);
      now += 1;
      expect(await receive()).toBe(5);
    } finally {
      if (own === undefined) Reflect.deleteProperty(process, 'threadCpuUsage');
      else Object.defineProperty(process, 'threadCpuUsage', own);
    }
  });
});
