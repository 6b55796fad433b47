import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { TICK_MS, TimerWheel, WheelTimer } from '../../src/core/timer-wheel.ts';

/** Time that the test moves: a clock, and the one system timer of a wheel. */
class MovedTime {
  #now: number;
  #wake: { at: number; callback: () => void } | null = null;
  wakeUps = 0;

  constructor(start: number) {
    this.#now = start;
  }

  now = (): number => this.#now;

  set = (callback: () => void, delayMs: number): unknown => {
    this.#wake = { at: this.#now + delayMs, callback };
    return this.#wake;
  };

  clear = (handle: unknown): void => {
    if (this.#wake === handle) this.#wake = null;
  };

  get isAsleep(): boolean {
    return this.#wake === null;
  }

  /** Moves on; the system timer fires `lateMs` too late. */
  move(ms: number, lateMs: number): void {
    const end = this.#now + ms;
    while (this.#wake !== null && this.#wake.at + lateMs <= end) {
      const { at, callback } = this.#wake;
      this.#now = Math.max(this.#now, at + lateMs);
      this.#wake = null;
      this.wakeUps++;
      callback();
    }
    this.#now = end;
  }
}

describe('the timer wheel', () => {
  test('arms, re-arms and cancels as a plain list of deadlines would, on time', () => {
    const step = fc.oneof(
      fc.record({
        do: fc.constant('arm' as const),
        timer: fc.nat(9),
        delay: fc.oneof(fc.integer({ min: 0, max: 200 }), fc.integer({ min: 9000, max: 25_000 })),
      }),
      fc.record({ do: fc.constant('cancel' as const), timer: fc.nat(9) }),
      fc.record({ do: fc.constant('move' as const), ms: fc.oneof(fc.nat(50), fc.nat(15_000)) }),
    );
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 60 }),
        fc.nat(100_000),
        fc.constantFrom(0, 3.5, 40),
        (steps, start, late) => {
          const time = new MovedTime(start + 0.25);
          const wheel = new TimerWheel(time, time);
          /** Deadline of each timer; undefined while it is not armed. */
          const due: (number | undefined)[] = new Array(10).fill(undefined);
          const timers = due.map(
            (_, i) =>
              new WheelTimer(() => {
                const deadline = due[i];
                due[i] = undefined;
                if (deadline === undefined) throw new Error(`timer ${i} expired, though it was not armed`);
                if (time.now() < deadline) throw new Error(`timer ${i} expired ${deadline - time.now()} ms early`);
                if (time.now() > deadline + 2 * TICK_MS + late) throw new Error(`timer ${i} was late`);
              }),
          );
          for (const one of steps) {
            if (one.do === 'arm') {
              due[one.timer] = time.now() + one.delay;
              wheel.arm(timers[one.timer]!, one.delay);
            } else if (one.do === 'cancel') {
              due[one.timer] = undefined;
              wheel.cancel(timers[one.timer]!);
            } else {
              time.move(one.ms, late);
              for (const deadline of due) {
                if (deadline !== undefined && deadline + 2 * TICK_MS + late < time.now()) throw new Error('overdue');
              }
            }
            expect(wheel.size).toBe(due.filter((deadline) => deadline !== undefined).length);
            timers.forEach((timer, i) => {
              if (timer.isArmed !== (due[i] !== undefined)) throw new Error(`timer ${i} is armed or not`);
            });
          }
          time.move(60_000, late);
          expect(wheel.size).toBe(0);
          expect(time.isAsleep).toBe(true);
        },
      ),
      { numRuns: 300 },
    );
  });

  test('a timer that arms itself again keeps its beat', () => {
    const time = new MovedTime(0);
    const wheel = new TimerWheel(time, time);
    let beats = 0;
    const timer: WheelTimer = new WheelTimer(() => {
      beats++;
      wheel.arm(timer, 100);
    });
    wheel.arm(timer, 100);
    time.move(10_000, 0);
    expect(beats).toBeGreaterThanOrEqual(90);
    expect(beats).toBeLessThanOrEqual(100);
    wheel.cancel(timer);
    expect(time.isAsleep).toBe(true);
  });

  test('a thousand timers of one tick cost one wake-up', () => {
    const time = new MovedTime(0);
    const wheel = new TimerWheel(time, time);
    let expired = 0;
    for (let i = 0; i < 1000; i++) wheel.arm(new WheelTimer(() => void expired++), 50);
    time.move(100, 0);
    expect(expired).toBe(1000);
    expect(time.wakeUps).toBe(1);
  });

  test('one that throws does not stop the others', () => {
    const time = new MovedTime(0);
    const wheel = new TimerWheel(time, time);
    let expired = 0;
    wheel.arm(
      new WheelTimer(() => {
        throw new Error('mine');
      }),
      10,
    );
    wheel.arm(new WheelTimer(() => void expired++), 10);
    wheel.arm(new WheelTimer(() => void expired++), 500);
    expect(() => time.move(30, 0)).toThrow('mine');
    time.move(1000, 0);
    expect(expired).toBe(2);
  });
});
