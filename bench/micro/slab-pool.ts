import { SendSlabPool, SlabPool } from '../../src/memory/slab-pool.ts';
import type { MicroTask } from './task.ts';

const operations = 256;

/** Copies of what was read into pooled memory, against what people do instead. */
export function microTasks(): MicroTask[] {
  const source = Buffer.alloc(65_536, 1);
  const tasks: MicroTask[] = [];
  for (const bytes of [16, 64, 1024, 4096, 65_536]) {
    const pool = new SlabPool();
    tasks.push({
      name: `slab pool: copy of ${bytes} B`,
      operations,
      run() {
        for (let i = 0; i < operations; i++) pool.copy(source, 0, bytes);
      },
    });
    tasks.push({
      name: `  against Buffer.from(view) of ${bytes} B`,
      operations,
      run() {
        for (let i = 0; i < operations; i++) Buffer.from(source.subarray(0, bytes));
      },
    });
  }
  const sendPool = new SendSlabPool();
  tasks.push({
    name: 'send slabs: take 64 B and release',
    operations,
    run() {
      for (let i = 0; i < operations; i++) {
        const slab = sendPool.current(64);
        slab.end += 64;
        slab.users++;
        sendPool.release(slab);
      }
    },
  });
  return tasks;
}
