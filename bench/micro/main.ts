/** `npm run bench:micro`: what the parts of the hot path cost by themselves, in nanoseconds per operation. */
import { existsSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { Bench } from 'tinybench';
import type { MakeMicroTasks, MicroTask } from './task.ts';

const modules = [
  'slab-pool',
  'connection-table',
  'pack-parser',
  'send-queue',
  'websocket',
  'proxy-header',
  'stream-path',
];

const usage = `Usage: npm run bench:micro -- [options]

  --only <text>   only tasks of modules whose name contains the text (${modules.join(', ')}, kcp)
  --time <ms>     milliseconds per task (300)
`;

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      only: { type: 'string', default: '' },
      time: { type: 'string', default: '300' },
      help: { type: 'boolean', default: false },
    },
  });
  const time = Number(values.time);
  if (values.help || !(time > 0)) {
    process.stdout.write(usage);
    return;
  }
  for (const name of modules) {
    const url = new URL(`./${name}.ts`, import.meta.url);
    if (!name.includes(values.only)) continue;
    const { microTasks } = (await import(url.href)) as { microTasks: MakeMicroTasks };
    const tasks = await microTasks();
    for (const task of tasks) await measure(task, time);
    for (const task of tasks) await task.close?.();
  }
  if ('kcp'.includes(values.only)) await measureKcp(time);
}

/** KCP counts in segments and megabytes rather than operations, so it has a table of its own. */
async function measureKcp(time: number): Promise<void> {
  const url = new URL('./kcp.ts', import.meta.url);
  if (!existsSync(url)) return;
  const { kcpBench } = (await import(url.href)) as { kcpBench: (timeMs: number) => Promise<object[]> };
  console.table(await kcpBench(time));
}

/** Each task in a bench of its own, so that its line appears as soon as it is done. */
async function measure(task: MicroTask, time: number): Promise<void> {
  const bench = new Bench({ time, warmupTime: time / 4 });
  bench.add(task.name, () => task.run());
  await bench.run();
  const result = bench.tasks[0]?.result;
  if (!result || !('latency' in result)) throw new Error(`${task.name} gave no result: ${JSON.stringify(result)}`);
  const { latency } = result;
  // The median, for a pause of the garbage collector or of the machine belongs to no single operation.
  const nanoseconds = ((latency.p50 ?? latency.mean) * 1e6) / task.operations;
  const meanNanoseconds = (latency.mean * 1e6) / task.operations;
  process.stdout.write(
    `${task.name.padEnd(52)} ${nanoseconds.toFixed(1).padStart(9)} ns/op   mean ${meanNanoseconds.toFixed(1).padStart(9)}` +
      `   ${Math.round(1e9 / meanNanoseconds)
        .toLocaleString('en')
        .padStart(14)} op/s\n`,
  );
}

await main();
