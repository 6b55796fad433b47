import { SendQueue } from '../../src/memory/send-queue.ts';
import { SendSlabPool } from '../../src/memory/slab-pool.ts';
import type { MicroTask } from './task.ts';

/** Gathering sends and handing them over, with a system that takes all at once and with one that takes its time. */
export function microTasks(): MicroTask[] {
  const tasks: MicroTask[] = [];
  for (const [bytes, gathered] of [
    [64, 1],
    [64, 16],
    [1024, 16],
    [65_536, 4],
  ] as const) {
    const message = Buffer.alloc(bytes, 1);
    const queue = new SendQueue(new SendSlabPool(), { write: () => 0 });
    tasks.push({
      name: `send queue: ${gathered} x ${bytes} B and flush`,
      operations: gathered,
      run() {
        for (let i = 0; i < gathered; i++) queue.append(message, 0, bytes);
        queue.flush();
      },
    });
  }
  const message = Buffer.alloc(64, 1);
  const slow = new SendQueue(new SendSlabPool(), { write: () => 1 });
  tasks.push({
    name: 'send queue: 16 x 64 B, the write completes later',
    operations: 16,
    run() {
      for (let i = 0; i < 16; i++) slow.append(message, 0, 64);
      slow.flush();
      slow.written();
    },
  });
  const framed = new SendQueue(new SendSlabPool(), { write: () => 0 });
  tasks.push({
    name: 'send queue: 16 packages of 64 B (header and body)',
    operations: 16,
    run() {
      for (let i = 0; i < 16; i++) {
        framed.appendPackage(64, message);
      }
      framed.flush();
    },
  });
  return tasks;
}
