import { describe, expect, test } from 'vitest';
import { Segment, SegmentQueue, SegmentWindow } from '../../src/arq/segment.ts';

function numbered(sn: number): Segment {
  const segment = new Segment();
  segment.sn = sn;
  segment.length = sn;
  return segment;
}

describe('a queue of segments', () => {
  test('keeps their order while it grows and turns, and visits them in it', () => {
    const queue = new SegmentQueue();
    const visited = (): number[] => {
      const sns: number[] = [];
      queue.forEach((segment) => void sns.push(segment.sn));
      return sns;
    };
    expect(visited()).toEqual([]);
    const expected: number[] = [];
    for (let sn = 1; sn <= 100; sn++) {
      queue.push(numbered(sn));
      expected.push(sn);
      if (sn % 3 === 0) expect(queue.shift().sn).toBe(expected.shift());
      expect([queue.length, queue.first().sn, visited()]).toEqual([expected.length, expected[0], expected]);
      expect(queue.sizeOf(queue.length)).toBe(expected.reduce((sum, bytes) => sum + bytes));
    }
    while (queue.length > 0) expect(queue.shift().sn).toBe(expected.shift());
    expect([expected, visited()]).toEqual([[], []]);
  });
});

describe('a window of segments', () => {
  test('finds what is in it, and nothing in the places between, however wide it becomes', () => {
    for (const first of [0, 3, 0x7ffffffe, -2]) {
      const window = new SegmentWindow();
      const held = new Set<number>();
      for (const offset of [0, 1, 2, 3, 6, 5, 40, 13]) {
        const sn = (first + offset) | 0;
        window.set(sn, numbered(sn), first);
        held.add(offset);
        for (let other = 0; other <= 40; other++) {
          const at = (first + other) | 0;
          if (held.has(other)) expect(window.get(at)?.sn).toBe(at);
          else if (other <= Math.max(...held)) expect(window.get(at)).toBe(undefined);
        }
      }
      window.delete((first + 6) | 0);
      expect(window.get((first + 6) | 0)).toBe(undefined);
      expect(window.get((first + 5) | 0)?.sn).toBe((first + 5) | 0);
    }
  });
});
