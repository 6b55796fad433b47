import { setTimeout as delay } from 'node:timers/promises';
import { TcpPackClient } from 'hp-socket';
import { maxPackSize } from '../baselines/framing-by-hand.ts';
import { withChild } from '../harness/child.ts';
import type { RunSettings, Sample } from '../harness/work.ts';

const hashedBytes = 3_000_000;
const pauseMs = 1;

/** CPU of the whole process, threads included, per task that a contender ran. */
export async function measureTasks(module: string, run: RunSettings): Promise<Sample> {
  return withChild(module, {}, async (child) => {
    await child.kickOff();
    await delay(run.warmUpSeconds * 1000);
    const before = await child.report();
    await delay(run.seconds * 1000);
    const after = await child.report();
    const tasks = after.receivedBytes - before.receivedBytes;
    if (!(tasks > 0)) throw new Error('no task was done while measuring');
    const wallMicros = after.nowMicros - before.nowMicros;
    return {
      value: (after.cpuMicros - before.cpuMicros) / tasks,
      details: { tasks, microsPerTask: wallMicros / tasks },
    };
  });
}

/** The figure that a contender gives of itself when it has received `bytes`. */
export async function measureFigure(module: string, bytes: number): Promise<Sample> {
  return withChild(module, {}, async (child) => {
    await child.kickOff();
    for (;;) {
      const { receivedBytes, figure } = await child.report();
      if (receivedBytes >= bytes) return { value: figure, details: { receivedBytes } };
      await delay(100);
    }
  });
}

/** How long small packages are under way, in milliseconds (p99), while another client has large ones hashed all the time. */
export async function measurePackDelay(module: string, run: RunSettings): Promise<Sample> {
  return withChild(module, {}, async (child) => {
    const large = Buffer.alloc(hashedBytes, 'x');
    let hashes = 0;
    const hasher = new TcpPackClient(
      {
        onReceive(client) {
          hashes++;
          client.send(large);
        },
      },
      { maxPackSize },
    );
    let answered: () => void = () => {};
    const pinger = new TcpPackClient({ onReceive: () => answered() }, { maxPackSize });
    await Promise.all([hasher.start('127.0.0.1', child.port), pinger.start('127.0.0.1', child.port)]);
    hasher.send(large);
    const delays: number[] = [];
    const until = performance.now() + run.seconds * 1000;
    while (performance.now() < until) {
      const sentAt = performance.now();
      await new Promise<void>((resolve) => {
        answered = resolve;
        pinger.send('ping');
      });
      delays.push(performance.now() - sentAt);
      await delay(pauseMs);
    }
    await Promise.all([hasher.stop(), pinger.stop()]);
    delays.sort((a, b) => a - b);
    const at = (share: number): number => delays[Math.floor(delays.length * share)]!;
    return { value: at(0.99), details: { pings: delays.length, hashes, medianMs: at(0.5) } };
  });
}
