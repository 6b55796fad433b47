import { ConnectionTable, type TableEntry } from '../../src/core/connection-table.ts';
import type { MicroTask } from './task.ts';

const operations = 1000;
const entries = 10_000;

/** Look-up and turnover at 10,000 connections, against a `Map`. */
export function microTasks(): MicroTask[] {
  const table = new ConnectionTable<TableEntry>(30_000);
  const map = new Map<number, TableEntry>();
  const ids: number[] = [];
  for (let i = 0; i < entries; i++) {
    const entry = { id: 0 };
    ids.push(table.insert(entry));
    map.set(entry.id, entry);
  }
  // An order that no cache can guess, the same for both.
  const order = Array.from({ length: operations }, (_, i) => ids[(i * 7919) % entries]!);
  // Summed up and kept, so that the compiler cannot leave the look-ups out.
  let sum = 0;
  let nextMapId = entries + 1;
  const oldest = [...map.keys()];
  return [
    {
      name: 'connection table: get',
      operations,
      run() {
        for (let i = 0; i < operations; i++) sum += table.get(order[i]!)!.id;
      },
    },
    {
      name: '  against Map.get',
      operations,
      run() {
        for (let i = 0; i < operations; i++) sum += map.get(order[i]!)!.id;
      },
    },
    {
      name: 'connection table: get of an ID that is gone',
      operations,
      run() {
        for (let i = 0; i < operations; i++) sum += table.get(order[i]! + 30_000) === undefined ? 1 : 0;
      },
    },
    // From here on the IDs in `order` are stale.
    {
      name: 'connection table: delete and insert',
      operations,
      run() {
        const { length } = ids;
        for (let i = 0; i < operations; i++) {
          const at = (sum + i) % length;
          const entry = table.get(ids[at]!)!;
          table.delete(entry.id);
          ids[at] = table.insert(entry);
        }
      },
    },
    {
      name: '  against Map.delete and Map.set',
      operations,
      run() {
        for (let i = 0; i < operations; i++) {
          const at = (nextMapId + i) % oldest.length;
          const entry = map.get(oldest[at]!)!;
          map.delete(oldest[at]!);
          oldest[at] = nextMapId++;
          map.set(oldest[at]!, entry);
        }
      },
    },
  ];
}
