/** Main module of every measured process: loads one contender, starts it, and answers the driver's questions. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Answer, Report, Request, StartContender, Started } from './contract.ts';

let contender: Started | undefined;

const answer = (message: Answer): void => {
  process.send?.(message);
};

// The driver has gone or is done with us. Whatever still runs, no process may outlive the benchmark.
process.on('disconnect', () => process.exit(0));

process.on('message', (request: Request) => {
  handle(request).then(answer, (error: unknown) => answer(describe(error)));
});

async function handle(request: Request): Promise<Answer> {
  switch (request.ask) {
    case 'start': {
      const { start } = (await import(request.module)) as { start: StartContender };
      contender = await start(request.settings);
      return { is: 'started', port: contender.port, otherPort: contender.otherPort ?? 0 };
    }
    case 'kickOff':
      contender?.kickOff?.();
      return { is: 'done' };
    case 'report':
      if (request.collectGarbage) await collectGarbage();
      return { is: 'report', report: report() };
  }
}

function report(): Report {
  const { user, system } = process.cpuUsage();
  return {
    cpuMicros: user + system,
    residentBytes: process.memoryUsage.rss(),
    receivedBytes: contender?.receivedBytes?.() ?? 0,
    figure: contender?.figure?.() ?? 0,
    nowMicros: Number(process.hrtime.bigint() / 1000n),
  };
}

/** Rounds with a pause between until nothing more comes back: finalizers of one round free what the next can collect. */
async function collectGarbage(): Promise<void> {
  if (!globalThis.gc) throw new Error('the process was started without --expose-gc');
  let lowest = Number.POSITIVE_INFINITY;
  for (let round = 0, idle = 0; idle < 3 && round < 30; round++) {
    globalThis.gc();
    await delay(60);
    const resident = process.memoryUsage.rss();
    idle = resident < lowest - 64 * 1024 ? 0 : idle + 1;
    lowest = Math.min(lowest, resident);
  }
}

/** A component that is not exported yet, or a package that is not built yet, is no failure of the harness. */
function describe(error: unknown): Answer {
  const { name = '', code = '', message = String(error) } = error as { name?: string; code?: string; message?: string };
  const lacksExport = name === 'SyntaxError' && /does not provide an export named/.test(message);
  const lacksPackage = code === 'ERR_MODULE_NOT_FOUND' && /[\\/]dist[\\/]index\.js/.test(message);
  if (name === 'NotBuiltError' || lacksExport || lacksPackage) return { is: 'notBuilt', reason: message };
  return { is: 'failed', reason: error instanceof Error ? (error.stack ?? message) : message };
}
