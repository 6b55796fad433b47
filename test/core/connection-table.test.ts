import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ConnectionTable } from '../../src/core/connection-table.ts';

interface Entry {
  id: number;
}

/** The rule of HP-Socket in the plainest way: an ID tells its slot and how often that was used before. */
class PlainTable {
  readonly live = new Map<number, Entry>();
  readonly dead: number[] = [];
  readonly capacity: number;
  #uses = new Map<number, number>();
  #free: number[] = [];

  constructor(capacity: number) {
    this.capacity = capacity;
    for (let slot = 0; slot < capacity; slot++) this.#free.push(slot);
  }

  insert(entry: Entry): number {
    const slot = this.#free.shift();
    if (slot === undefined) return 0;
    const uses = this.#uses.get(slot) ?? 0;
    this.#uses.set(slot, uses + 1);
    const id = slot + 1 + uses * this.capacity;
    this.live.set(id, entry);
    return id;
  }

  delete(id: number): boolean {
    if (!this.live.delete(id)) return false;
    this.#free.push((id - 1) % this.capacity);
    this.dead.push(id);
    return true;
  }
}

describe('a table of connections', () => {
  test('with room for two hands out 1, 2, 3, 4, 5, 6: CID-002', () => {
    const table = new ConnectionTable<Entry>(2);
    const ids: number[] = [];
    for (let i = 0; i < 6; i++) {
      ids.push(table.insert({ id: 0 }));
      if (table.size === 2) table.delete(ids[i - 1]!);
    }
    expect(ids).toEqual([1, 2, 3, 4, 5, 6]);
  });

  test('gives freed slots out in the order they were freed, each with its next generation: CID-002, CID-004, POOL-007', () => {
    const table = new ConnectionTable<Entry>(4);
    for (let i = 0; i < 4; i++) table.insert({ id: 0 });
    for (const id of [3, 1, 4, 2]) expect(table.delete(id)).toBe(true);
    expect([0, 0, 0, 0].map((id) => table.insert({ id }))).toEqual([7, 5, 8, 6]);
    for (const stale of [1, 2, 3, 4]) {
      expect(table.get(stale)).toBeUndefined();
      expect(table.delete(stale)).toBe(false);
    }
    expect(table.size).toBe(4);
  });

  test('with room for one never gives an ID twice, far beyond 256 uses of the slot: CID-002, CID-004', () => {
    const table = new ConnectionTable<Entry>(1);
    for (let i = 1; i <= 5000; i++) {
      const entry = { id: 0 };
      expect(table.insert(entry)).toBe(i);
      expect(table.insert({ id: 0 })).toBe(0);
      expect(table.get(i - 1)).toBeUndefined();
      expect(table.get(i)).toBe(entry);
      table.delete(i);
    }
    expect(table.size).toBe(0);
  });

  test('what was refused keeps its id, and leaves no trace', () => {
    const table = new ConnectionTable<Entry>(1);
    const one = { id: 0 };
    const refused = { id: 77 };
    table.insert(one);
    expect(table.insert(refused)).toBe(0);
    expect(refused.id).toBe(77);
    expect([...table.values()]).toEqual([one]);
  });

  test.each([0, -1, -2, 3, 1.5, Number.NaN, Number.POSITIVE_INFINITY, -0, 2 ** 53, '1', null, undefined, {}])(
    '%s is no ID of two connections: CID-001',
    (id) => {
      const table = new ConnectionTable<Entry>(5);
      table.insert({ id: 0 });
      table.insert({ id: 0 });
      expect(table.get(id as number)).toBeUndefined();
      expect(table.delete(id as number)).toBe(false);
      expect(table.size).toBe(2);
    },
  );

  test('entries may be deleted and inserted while it is walked', () => {
    const table = new ConnectionTable<Entry>(10);
    for (let i = 0; i < 6; i++) table.insert({ id: 0 });
    const seen: number[] = [];
    for (const { id } of table.values()) {
      seen.push(id);
      table.delete(id);
      if (id === 2) table.delete(5);
    }
    expect(seen).toEqual([1, 2, 3, 4, 6]);
    expect(table.size).toBe(0);
  });

  test('memory grows with use, not with the capacity', () => {
    const table = new ConnectionTable<Entry>(5_000_000);
    const before = process.memoryUsage().heapUsed;
    for (let i = 0; i < 100; i++) table.insert({ id: 0 });
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(10_000_000);
  });

  test('does as the plain rule says, whatever comes and goes: CID-001, CID-002, CID-004', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 6 }),
        fc.array(fc.oneof(fc.constant(-1), fc.nat(20)), { maxLength: 200 }),
        (capacity, steps) => {
          const table = new ConnectionTable<Entry>(capacity);
          const plain = new PlainTable(capacity);
          for (const step of steps) {
            if (step < 0) {
              const entry = { id: 0 };
              expect(table.insert(entry)).toBe(plain.insert(entry));
            } else {
              const ids = [...plain.live.keys(), ...plain.dead];
              const id = ids[step % Math.max(ids.length, 1)] ?? step;
              expect(table.delete(id)).toBe(plain.delete(id));
            }
            expect(table.size).toBe(plain.live.size);
            for (const [id, entry] of plain.live) expect(table.get(id)).toBe(entry);
            for (const id of plain.dead) expect(table.get(id)).toBeUndefined();
          }
          expect(new Set(table.values())).toEqual(new Set(plain.live.values()));
        },
      ),
      { numRuns: 200 },
    );
  });

  test('thousands of frees before the next insert keep their order', () => {
    const capacity = 5000;
    const table = new ConnectionTable<Entry>(capacity);
    const plain = new PlainTable(capacity);
    const both = (): void => {
      const entry = { id: 0 };
      if (table.insert(entry) !== plain.insert(entry)) throw new Error('IDs differ');
    };
    for (let i = 0; i < capacity; i++) both();
    for (let round = 0; round < 4; round++) {
      const ids = [...plain.live.keys()].filter((_, i) => i % 7 !== round);
      for (const id of ids.reverse()) {
        table.delete(id);
        plain.delete(id);
      }
      for (let i = 0; i < ids.length; i++) both();
    }
    expect(table.size).toBe(capacity);
    expect(table.insert({ id: 0 })).toBe(0);
  });
});
