import { describe, expect, test } from 'vitest';
import { LossEstimator } from '../../src/arq/loss.ts';

const ALL = 65_536;

/** The estimate after each of the samples, in parts of 65536; `x` is a lost one, `.` one that arrived. */
function estimates(samples: string, loss = new LossEstimator()): number[] {
  return [...samples].map((sample) => {
    loss.sample(sample === 'x');
    return loss.rate;
  });
}

describe('loss seen by a sender', () => {
  test('is none at first, jumps with the first losses, and fades when they stop', () => {
    const loss = new LossEstimator();
    for (let i = 0; i < 100; i++) loss.sample(false);
    expect([loss.share, loss.isLossy]).toEqual([0, false]);
    loss.sample(true);
    expect([loss.isLossy, loss.isHeavy]).toEqual([true, false]);
    for (let i = 0; i < 6; i++) loss.sample(true);
    expect([loss.isLossy, loss.isHeavy]).toEqual([true, true]);
    for (let i = 0; i < 200; i++) loss.sample(false);
    expect([loss.share < 0.001, loss.isLossy]).toEqual([true, false]);
  });

  test('is the mean of the samples', () => {
    const loss = new LossEstimator();
    for (let i = 0; i < 1_000; i++) loss.sample(i % 4 === 0);
    expect(loss.share).toBeGreaterThan(0.2);
    expect(loss.share).toBeLessThan(0.3);
  });

  test('the first 32 samples weigh the same, rounded down', () => {
    expect(estimates('x..x')).toEqual([ALL, ALL / 2, 21_845, 32_767]); // 1, 1/2, 1/3, 2/4
    expect(estimates('..xx')).toEqual([0, 0, 21_845, 32_767]);
    expect(estimates(`${'.'.repeat(27)}xxxxx`).at(-1)).toBe(10_237); // 5/32, less what was rounded off
  });

  test('later ones move it by a 32nd of what is left, up and down', () => {
    const loss = new LossEstimator();
    estimates('.'.repeat(50), loss);
    expect(estimates('xx...xx', loss)).toEqual([2_048, 4_032, 3_906, 3_783, 3_664, 5_597, 7_470]);
    expect(loss.share).toBe(7_470 / ALL);
  });

  test('is lossy from 1 of 32 on', () => {
    const loss = new LossEstimator();
    estimates(`${'.'.repeat(31)}x`, loss);
    expect([loss.share, loss.isLossy, loss.isHeavy]).toEqual([1 / 32, true, false]);
    loss.sample(false);
    expect([loss.rate, loss.isLossy]).toEqual([1_984, false]);
  });

  test('is heavy from 5 of 32 on', () => {
    const loss = new LossEstimator();
    expect(estimates('.....................x...x...xxx......x', loss).at(-1)).toBe((ALL * 5) / 32);
    expect(loss.isHeavy).toBe(true);
    loss.sample(false);
    expect([loss.isLossy, loss.isHeavy]).toEqual([true, false]);
  });
});
