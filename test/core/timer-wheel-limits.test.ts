import { describe, expect, test } from 'vitest';
import {
  sharedTimerWheel,
  TICK_MS,
  type TimerHost,
  TimerWheel,
  WheelNode,
  WheelTimer,
} from '../../src/core/timer-wheel.ts';

/** Time that stands still unless the test moves it, and every delay that the wheel asked to be woken after. */
class NotedTime implements TimerHost {
  time = 0.3;
  readonly delays: number[] = [];
  isSet = false;
  now = (): number => this.time;

  set = (_callback: () => void, delayMs: number): unknown => {
    this.delays.push(delayMs);
    this.isSet = true;
    return this.delays.length;
  };

  clear = (): void => {
    this.isSet = false;
  };

  isHeld = false;
  hold = (_handle: unknown, isHeld: boolean): void => {
    this.isHeld = isHeld;
  };
}

/** The longest delay of setTimeout; it fires at once, with a warning, for a longer one. */
const MAX_TIMEOUT_MS = 2 ** 31 - 1;

describe('the system timer of a wheel', () => {
  test('is never asked for a longer delay than it takes', () => {
    for (const delay of [MAX_TIMEOUT_MS - 20, MAX_TIMEOUT_MS, 2 ** 40]) {
      const time = new NotedTime();
      const wheel = new TimerWheel(time, time);
      let expired = 0;
      wheel.arm(new WheelTimer(() => void expired++), delay);
      expect(time.delays).toHaveLength(1);
      expect(time.delays[0]).toBeLessThanOrEqual(MAX_TIMEOUT_MS);
      time.time += delay - 1;
      wheel.advance();
      expect(expired).toBe(0);
      time.time += 1 + TICK_MS;
      wheel.advance();
      expect(expired).toBe(1);
    }
  });

  test('the wheel of this process warns of nothing for the longest deadline', async () => {
    const warnings: Error[] = [];
    const note = (warning: Error): void => void warnings.push(warning);
    process.on('warning', note);
    const wheel = new TimerWheel();
    const timer = new WheelTimer(() => {});
    wheel.arm(timer, MAX_TIMEOUT_MS);
    await new Promise((resolve) => setImmediate(resolve)); // warnings are told in the next tick
    wheel.cancel(timer);
    process.off('warning', note);
    expect(warnings).toEqual([]);
  });

  test('is not set by a wheel that is idle, and set once for many deadlines of which the first is the nearest', () => {
    const time = new NotedTime();
    const wheel = new TimerWheel(time, time);
    expect(time.delays).toEqual([]);
    const timers = Array.from({ length: 100 }, () => new WheelTimer(() => {}));
    timers.forEach((timer, i) => {
      wheel.arm(timer, 100 + i * 50);
    });
    expect(time.delays).toHaveLength(1);
    for (const timer of timers) wheel.cancel(timer);
    expect(time.isSet).toBe(false);
    wheel.cancel(timers[0]!);
    expect(wheel.size).toBe(0);
  });

  test('holds the process while a deadline asks for it, and no longer', () => {
    const time = new NotedTime();
    const wheel = new TimerWheel(time, time);
    const holding = [1000, 50].map((delay) => {
      const timer = new WheelTimer(() => {}, true);
      wheel.arm(timer, delay);
      return timer;
    });
    wheel.arm(new WheelTimer(() => {}), 10_000);
    expect(time.isHeld).toBe(true);
    wheel.arm(holding[0]!, 2000);
    time.time += 100;
    wheel.advance();
    expect(time.isHeld).toBe(true);
    wheel.cancel(holding[0]!);
    expect(time.isHeld).toBe(false);
  });

  test('is set anew for a deadline before the nearest', () => {
    const time = new NotedTime();
    const wheel = new TimerWheel(time, time);
    for (const delay of [5000, 1000, 2000, 30]) wheel.arm(new WheelTimer(() => {}), delay);
    expect(time.delays).toHaveLength(3);
    time.delays.forEach((delay, i) => {
      const asked = [5000, 1000, 30][i]!;
      expect(delay).toBeGreaterThanOrEqual(asked);
      expect(delay).toBeLessThanOrEqual(asked + TICK_MS);
    });
  });
});

describe('a system timer that holds the process', () => {
  test('is held for the first deadline that asks for it, and let go with the last', () => {
    const time = new NotedTime();
    const wheel = new TimerWheel(time, time);
    wheel.arm(new WheelTimer(() => {}), 20);
    const holding = [100, 200].map((delay) => {
      const timer = new WheelTimer(() => {}, true);
      wheel.arm(timer, delay);
      expect(time.isHeld).toBe(true);
      return timer;
    });
    for (const timer of holding) {
      expect(time.isHeld).toBe(true);
      wheel.cancel(timer);
    }
    expect(time.isHeld).toBe(false);
  });
});

/** A host whose system timers, and which of them hold the process, can be looked at. */
class ManyTimers implements TimerHost {
  time = 0;
  readonly pending = new Map<number, { callback: () => void; at: number }>();
  readonly held = new Set<number>();
  sets = 0;
  now = (): number => this.time;

  set = (callback: () => void, delayMs: number): unknown => {
    this.pending.set(++this.sets, { callback, at: this.time + delayMs });
    return this.sets;
  };

  clear = (handle: unknown): void => {
    expect(this.pending.delete(handle as number)).toBe(true);
    this.held.delete(handle as number);
  };

  hold = (handle: unknown, isHeld: boolean): void => {
    expect(this.pending.has(handle as number)).toBe(true);
    if (isHeld) this.held.add(handle as number);
    else this.held.delete(handle as number);
  };

  /** The only system timer there is goes off, on time. */
  wake(): void {
    expect(this.pending.size).toBe(1);
    const [[handle, { callback, at }]] = [...this.pending] as [[number, { callback: () => void; at: number }]];
    this.pending.delete(handle);
    this.held.delete(handle);
    this.time = at;
    callback();
  }
}

describe('the system timers of a wheel', () => {
  test('are one at a time, and none when nothing is due', () => {
    const time = new ManyTimers();
    const wheel = new TimerWheel(time, time);
    const timers = [500, 100, 300].map((delay) => {
      const timer = new WheelTimer(() => {});
      wheel.arm(timer, delay);
      expect(time.pending.size).toBe(1);
      return timer;
    });
    expect([time.sets, time.held.size]).toEqual([2, 0]);
    time.wake();
    expect(time.time).toBe(100);
    expect([time.pending.size, time.sets, wheel.size]).toEqual([1, 3, 2]);
    for (const timer of timers) wheel.cancel(timer);
    expect([time.pending.size, wheel.size]).toEqual([0, 0]);
  });

  test('hold the process each, as long as a deadline asks for it', () => {
    const time = new ManyTimers();
    const wheel = new TimerWheel(time, time);
    const holding = new WheelTimer(() => {}, true);
    wheel.arm(holding, 500);
    wheel.arm(new WheelTimer(() => {}), 100);
    expect([time.sets, [...time.held]]).toEqual([2, [2]]);
    time.wake();
    expect(time.time).toBe(100);
    expect([time.sets, [...time.held]]).toEqual([3, [3]]);
    wheel.arm(new WheelTimer(() => {}), 1000);
    time.wake();
    expect([time.sets, [...time.held], holding.isArmed]).toEqual([4, [], false]);
  });

  test('hold it for no deadline that does not say so', () => {
    class Plain extends WheelNode {
      onExpire(): void {}
    }
    const time = new ManyTimers();
    const wheel = new TimerWheel(time, time);
    for (const timer of [new Plain(), new WheelTimer(() => {})]) {
      wheel.arm(timer, 100);
      expect([timer.holdsProcess, time.held.size]).toEqual([false, 0]);
    }
  });

  test('need not be able to hold a process', () => {
    const { now, set, clear } = new ManyTimers();
    const wheel = new TimerWheel({ now }, { set, clear });
    const holding = new WheelTimer(() => {}, true);
    wheel.arm(holding, 500);
    wheel.cancel(holding);
    expect(wheel.size).toBe(0);
  });

  test('are set once for all that is armed while others expire', () => {
    const time = new ManyTimers();
    const wheel = new TimerWheel(time, time);
    const arms = new WheelTimer(() => {
      for (const delay of [500, 300, 100]) wheel.arm(new WheelTimer(() => {}), delay);
    });
    wheel.arm(arms, 50);
    time.wake();
    expect([time.sets, time.pending.size, wheel.size]).toEqual([2, 1, 3]);
  });

  test('wake the wheel for what is armed, and for nothing that was', () => {
    const time = new ManyTimers();
    const wheel = new TimerWheel(time, time);
    const expired: number[] = [];
    const turn = 1024 * TICK_MS;
    const delays = [50, 300, 50 + turn, 40 + 3 * turn];
    const [, second] = delays.map((delay) => {
      const timer = new WheelTimer(() => void expired.push(delay));
      wheel.arm(timer, delay);
      return timer;
    });
    wheel.cancel(second!);
    let wakes = 0;
    // What is due in a later turn is looked at in each turn before: the last one of these twice.
    while (wheel.size > 0 && wakes++ < 100) time.wake();
    expect([expired, wakes, time.pending.size, time.time]).toEqual([
      [50, 50 + turn, 40 + 3 * turn],
      5,
      0,
      40 + 3 * turn,
    ]);
  });
});

test('a process has one wheel', () => {
  expect(sharedTimerWheel()).toBeInstanceOf(TimerWheel);
  expect(sharedTimerWheel()).toBe(sharedTimerWheel());
});

test('the time of a wheel is whole, and never before what it is counted from', () => {
  const time = new ManyTimers();
  time.time = 1000.2;
  const wheel = new TimerWheel(time, time);
  expect([wheel.now(), wheel.since(400), wheel.since(1001)]).toEqual([1001, 600.2, 0]);
});

describe('a system timer that comes late', () => {
  /** Wakes a wheel `lateMs` after its only deadline. */
  function woken(lateMs: number, canWait = true): { expired: () => number; read: () => void; waiting: () => number } {
    const waiting: (() => void)[] = [];
    let wake: () => void = () => {};
    let now = 1000;
    const host: TimerHost = { set: (callback) => (wake = callback), clear: () => {} };
    if (canWait) host.afterReading = (callback) => void waiting.push(callback);
    const wheel = new TimerWheel({ now: () => now }, host);
    let expired = 0;
    wheel.arm(new WheelTimer(() => void expired++), 100);
    now = 1100 + lateMs;
    wake();
    return {
      expired: () => expired,
      waiting: () => waiting.length,
      read: () => {
        for (const callback of waiting.splice(0)) callback();
      },
    };
  }

  test.each([0, 30])('by %i ms lets the deadlines expire at once', (lateMs) => {
    const { expired, waiting } = woken(lateMs);
    expect([expired(), waiting()]).toEqual([1, 0]);
  });

  test.each([30.5, 31, 5000])('by %d ms lets what waits in the system be read before', (lateMs) => {
    const { expired, waiting, read } = woken(lateMs);
    expect([expired(), waiting()]).toEqual([0, 1]);
    read();
    expect([expired(), waiting()]).toEqual([1, 0]);
  });

  test('expires everything at once where nothing can be put off', () => {
    expect(woken(5000, false).expired()).toBe(1);
  });
});

describe('expiries that touch the wheel', () => {
  test('cancel one another, whichever comes first, also within one slot', () => {
    const time = new NotedTime();
    const wheel = new TimerWheel(time, time);
    const expired: number[] = [];
    const timers: WheelTimer[] = Array.from(
      { length: 10 },
      (_, i) =>
        new WheelTimer(() => {
          expired.push(i);
          expect(timers[i]!.isArmed).toBe(false);
          wheel.cancel(timers[i]!); // itself: nothing happens
          wheel.cancel(timers[i ^ 1]!);
        }),
    );
    for (const timer of timers) wheel.arm(timer, 40);
    time.time += 60;
    wheel.advance();
    expect(expired).toEqual([0, 2, 4, 6, 8]);
    expect(wheel.size).toBe(0);
    expect(time.delays).toHaveLength(1);
  });

  test('re-armed with no delay, it expires again in a later tick and not for ever in this one', () => {
    const time = new NotedTime();
    const wheel = new TimerWheel(time, time);
    let expired = 0;
    const timer: WheelTimer = new WheelTimer(() => {
      expired++;
      wheel.arm(timer, 0);
    });
    wheel.arm(timer, 0);
    time.time += 5000;
    wheel.advance();
    const after = expired;
    expect(after).toBeLessThanOrEqual(2);
    expect(wheel.size).toBe(1);
    time.time += TICK_MS;
    wheel.advance();
    expect(expired).toBe(after + 1);
  });

  test('the same where its time is that of a tick', () => {
    const time = new NotedTime();
    time.time = 0;
    const wheel = new TimerWheel(time, time);
    let expired = 0;
    const timer: WheelTimer = new WheelTimer(() => {
      if (++expired < 100) wheel.arm(timer, 0);
    });
    wheel.arm(timer, TICK_MS);
    time.time = TICK_MS;
    wheel.advance();
    expect([expired, wheel.size]).toEqual([1, 1]);
    time.time = 2 * TICK_MS;
    wheel.advance();
    expect(expired).toBe(2);
  });

  test('a negative delay is none', () => {
    const time = new NotedTime();
    const wheel = new TimerWheel(time, time);
    let expired = 0;
    wheel.arm(new WheelTimer(() => void expired++), -1e9);
    expect(expired).toBe(0);
    time.time += 2 * TICK_MS;
    wheel.advance();
    expect(expired).toBe(1);
  });

  test('timers in the same slot of different turns keep apart, and a wake-up too early expires nothing', () => {
    const time = new NotedTime();
    const wheel = new TimerWheel(time, time);
    const turn = 1024 * TICK_MS;
    const expired: number[] = [];
    for (const turns of [3, 0, 2, 1]) {
      wheel.arm(new WheelTimer(() => void expired.push(turns)), 500 + turns * turn);
    }
    for (const turns of [0, 1, 2, 3]) {
      time.time = 0.3 + 499 + turns * turn;
      wheel.advance();
      expect(expired).toHaveLength(turns);
      time.time += 1 + TICK_MS;
      wheel.advance();
      expect(expired.at(-1)).toBe(turns);
    }
    expect(wheel.size).toBe(0);
  });
});
