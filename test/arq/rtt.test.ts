import { describe, expect, test } from 'vitest';
import { RttEstimator } from '../../src/arq/rtt.ts';

/** What is known after each sample: smoothed round trip, variation, timeout. */
function after(rtt: RttEstimator, sample: number): number[] {
  rtt.sample(sample);
  expect(rtt.rtt).toBe(sample);
  return [rtt.srtt, rtt.rttvar, rtt.rto];
}

describe('round trips', () => {
  test('KC-018: srtt = 7/8 srtt + 1/8 rtt; rttvar = 3/4 rttvar + 1/4 |srtt - rtt|, with the srtt before; rounded down', () => {
    const rtt = new RttEstimator(10, 30);
    expect([rtt.srtt, rtt.rttvar, rtt.rto]).toEqual([0, 0, 200]);
    for (const [sample, srtt, rttvar, rto] of [
      [100, 100, 50, 300], // the first: itself, and half of it
      [140, 105, 47, 293], // (3*50+40)/4 = 47.5; (7*100+140)/8 = 105
      [105, 105, 35, 245], // (3*47+0)/4 = 35.25
      [20, 94, 47, 282], //   (3*35+85)/4 = 47.5; (7*105+20)/8 = 94.4
      [0, 82, 58, 314], //    (3*47+94)/4 = 58.75; (7*94+0)/8 = 82.25
      [600, 146, 173, 838], // (3*58+518)/4 = 173; (7*82+600)/8 = 146.75
    ] as const) {
      expect(after(rtt, sample)).toEqual([srtt, rttvar, rto]);
    }
  });

  test('KC-009 KC-010: the timeout is srtt and four variations, but at least an interval, within minRto and a minute', () => {
    const rtt = new RttEstimator(60, 100);
    expect(after(rtt, 0)).toEqual([0, 0, 100]);
    expect(after(rtt, 20)).toEqual([20, 10, 100]);
    expect(after(rtt, 20)).toEqual([20, 7, 100]);
    expect(after(rtt, 100)).toEqual([30, 25, 130]);
    expect(after(new RttEstimator(60, 100), 60_000)).toEqual([60_000, 30_000, 60_000]);
  });

  test('a smoothed round trip does not fall below 1 ms once there is one, or the next sample would count as the first', () => {
    const rtt = new RttEstimator(10, 5);
    expect(after(rtt, 1)).toEqual([1, 0, 11]);
    expect(after(rtt, 0)).toEqual([1, 0, 11]);
    expect(after(rtt, 80)).toEqual([10, 19, 86]);
  });

  test('samples from the future, and of more than a minute, are none', () => {
    const rtt = new RttEstimator(10, 30);
    after(rtt, 100);
    for (const sample of [-1, 60_001]) rtt.sample(sample);
    expect([rtt.rtt, rtt.srtt, rtt.rttvar, rtt.rto]).toEqual([100, 100, 50, 300]);
  });
});
