import { setTimeout as delay } from 'node:timers/promises';
import type { Child } from '../harness/child.ts';
import type { RunSettings, Sample } from '../harness/work.ts';

/**
 * Lets the load run warm, then measures for a while.
 *
 * @returns the child's CPU time per message in microseconds
 */
export async function measureCpuPerMessage(
  child: Child,
  countMessages: () => number,
  run: RunSettings,
): Promise<Sample> {
  await delay(run.warmUpSeconds * 1000);
  const before = await child.report();
  const messagesBefore = countMessages();
  const driverBefore = process.cpuUsage();
  await delay(run.seconds * 1000);
  const after = await child.report();
  const messages = countMessages() - messagesBefore;
  const driver = process.cpuUsage(driverBefore);
  if (messages <= 0) throw new Error('no message came back while measuring');

  const wallMicros = after.nowMicros - before.nowMicros;
  const cpuMicros = after.cpuMicros - before.cpuMicros;
  return {
    value: cpuMicros / messages,
    details: {
      messages,
      messagesPerSecond: (messages / wallMicros) * 1e6,
      // Well below 1 means that the driver, not the server, was the bottleneck.
      serverBusyShare: cpuMicros / wallMicros,
      driverBusyShare: (driver.user + driver.system) / wallMicros,
    },
  };
}
