import { SlabPool } from '../../src/memory/slab-pool.ts';
import { PackProtocol, packHeader } from '../../src/protocol/pack.ts';
import { Lifetime } from '../../src/protocol/protocol.ts';
import type { MicroTask } from './task.ts';

const packHeaderFlag = 0x169;
const readBytes = 65_536;

/** The pack layer on reads of whole packages, and on packages that arrive in halves; borrowed memory, as from a socket. */
export function microTasks(): MicroTask[] {
  const tasks: MicroTask[] = [];
  for (const bodyBytes of [16, 64, 1024]) {
    const packages = Math.floor(readBytes / (4 + bodyBytes));
    const stream = makeStream(packages, bodyBytes);
    const whole = makeLayer();
    tasks.push({
      name: `pack parser: ${bodyBytes} B bodies, ${packages} in a read`,
      operations: packages,
      run: () => whole.receive(stream, Lifetime.Call),
    });
  }
  const single = makeStream(1, 64);
  const one = makeLayer();
  tasks.push({
    name: 'pack parser: one 64 B body per read',
    operations: 256,
    run() {
      for (let i = 0; i < 256; i++) one.receive(single, Lifetime.Call);
    },
  });
  const [head, tail] = [single.subarray(0, 30), single.subarray(30)];
  const split = makeLayer();
  tasks.push({
    name: 'pack parser: 64 B body split over two reads',
    operations: 256,
    run() {
      for (let i = 0; i < 256; i++) {
        split.receive(head, Lifetime.Call);
        split.receive(tail, Lifetime.Call);
      }
    },
  });
  return tasks;
}

function makeStream(packages: number, bodyBytes: number): Buffer {
  const stream = Buffer.alloc(packages * (4 + bodyBytes), 0x5a);
  for (let at = 0; at < stream.length; at += 4 + bodyBytes)
    stream.writeUInt32LE(packHeader(packHeaderFlag, bodyBytes), at);
  return stream;
}

function makeLayer(): PackProtocol {
  let delivered = 0;
  return new PackProtocol(
    { pool: new SlabPool(), maxPackSize: 0x3fffff, packHeaderFlag },
    {
      deliver(data) {
        delivered += (data as Buffer).length;
        return delivered > 0;
      },
      violate(_errno, message) {
        throw new Error(message);
      },
    },
  );
}
