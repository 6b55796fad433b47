import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { TokenBucket } from '../../src/core/token-bucket.ts';

describe('a rate limit', () => {
  test('never gives more than one second’s worth at once, however long nobody took', () => {
    const bucket = new TokenBucket(5, 0);
    for (let i = 0; i < 5; i++) expect(bucket.tryTake(1, 1_000_000)).toBe(true);
    expect(bucket.tryTake(1, 1_000_000)).toBe(false);
  });

  test('what was refused costs nothing', () => {
    const bucket = new TokenBucket(10, 0);
    expect(bucket.tryTake(10, 0)).toBe(true);
    for (let i = 0; i < 100; i++) expect(bucket.tryTake(1, 50)).toBe(false);
    expect(bucket.tryTake(1, 100)).toBe(true);
    expect(bucket.tryTake(11, 1e9)).toBe(false); // more than it can ever hold
    expect(bucket.tryTake(10, 1e9)).toBe(true);
  });

  test('debt is given in milliseconds, and paid after them', () => {
    const bucket = new TokenBucket(1000, 0);
    expect(bucket.take(1000, 0)).toBe(0);
    expect(bucket.take(500, 0)).toBe(500);
    expect(bucket.take(500, 0)).toBe(1000);
    expect(bucket.take(0, 400)).toBe(600);
    expect(bucket.tryTake(1, 999)).toBe(false);
    expect(bucket.take(0, 1000)).toBe(0);
    expect(bucket.tryTake(1, 1000)).toBe(false);
    expect(bucket.tryTake(1, 1001)).toBe(true);
  });

  test('a clock that stands still brings nothing', () => {
    const bucket = new TokenBucket(3, 7);
    for (let i = 0; i < 3; i++) expect(bucket.tryTake(1, 7)).toBe(true);
    expect(bucket.tryTake(1, 7)).toBe(false);
  });

  test('over any time, no more than the rate and one burst', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 1000 }),
        fc.array(fc.record({ wait: fc.nat(3000), count: fc.integer({ min: 1, max: 50 }) }), { maxLength: 100 }),
        (perSecond, steps) => {
          const bucket = new TokenBucket(perSecond, 0);
          let now = 0;
          let taken = 0;
          for (const { wait, count } of steps) {
            now += wait;
            if (bucket.tryTake(count, now)) taken += count;
            expect(taken).toBeLessThanOrEqual(perSecond + (now * perSecond) / 1000 + 1e-6);
          }
        },
      ),
    );
  });

  test('waiting as long as it says, each time, gives exactly the rate', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 10_000 }),
        fc.array(fc.integer({ min: 1, max: 5000 }), { minLength: 1, maxLength: 50 }),
        (perSecond, counts) => {
          const bucket = new TokenBucket(perSecond, 0);
          let now = 0;
          let taken = 0;
          for (const count of counts) {
            now += bucket.take(count, now);
            taken += count;
            expect(now).toBeCloseTo((Math.max(taken - perSecond, 0) * 1000) / perSecond, 3);
          }
        },
      ),
    );
  });
});
