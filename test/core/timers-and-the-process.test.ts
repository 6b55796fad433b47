import { afterEach, describe, expect, test } from 'vitest';
import { TimerWheel, WheelTimer } from '../../src/core/timer-wheel.ts';

/** Timers that keep this process alive. */
function heldTimers(): number {
  return process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
}

describe('a wheel in the time of the system', () => {
  const wheel = new TimerWheel();
  const armed: WheelTimer[] = [];
  const arm = (delayMs: number, holdsProcess?: boolean): WheelTimer => {
    const timer = new WheelTimer(() => {}, holdsProcess);
    armed.push(timer);
    wheel.arm(timer, delayMs);
    return timer;
  };

  afterEach(() => {
    for (const timer of armed.splice(0)) wheel.cancel(timer);
  });

  test('does not keep the process alive for a deadline', () => {
    const before = heldTimers();
    arm(60_000);
    expect(heldTimers()).toBe(before);
    arm(10);
    expect(heldTimers()).toBe(before);
  });

  test('keeps it alive for a timer that asks for that, as long as it is armed', () => {
    const before = heldTimers();
    arm(60_000);
    const holding = arm(60_000, true);
    expect(heldTimers()).toBe(before + 1);
    arm(10); // the system timer is set anew
    expect(heldTimers()).toBe(before + 1);
    wheel.cancel(holding);
    expect(heldTimers()).toBe(before);
  });
});
