import { setTimeout as delay } from 'node:timers/promises';
import { withChild } from '../harness/child.ts';
import type { Report } from '../harness/contract.ts';
import type { Pair, RunSettings, Sample } from '../harness/work.ts';

const messageSize = 64;

/**
 * A server and an agent echo to each other, one message per connection going round for ever, and both are measured in the
 * same seconds. Neither has a driver, so each does exactly the other's work: read 64 bytes, call the listener, send 64 bytes.
 */
export async function measureAgentAgainstServer(
  serverModule: string,
  agentModule: string,
  connections: number,
  run: RunSettings,
): Promise<Pair> {
  const connectionCount = Math.ceil(connections / run.shrink);
  return withChild(serverModule, { messageSize }, (server) =>
    withChild(agentModule, { port: server.port, connectionCount, messageSize }, async (agent) => {
      await agent.kickOff();
      await delay(run.warmUpSeconds * 1000);
      const before = await Promise.all([server.report(), agent.report()]);
      await delay(run.seconds * 1000);
      const after = await Promise.all([server.report(), agent.report()]);
      return {
        baseline: perMessage(before[0], after[0], connectionCount),
        subject: perMessage(before[1], after[1], connectionCount),
      };
    }),
  );
}

function perMessage(before: Report, after: Report, connections: number): Sample {
  const messages = (after.receivedBytes - before.receivedBytes) / messageSize;
  if (!(messages > 0)) throw new Error('no message went round while measuring');
  const cpuMicros = after.cpuMicros - before.cpuMicros;
  const wallMicros = after.nowMicros - before.nowMicros;
  return {
    value: cpuMicros / messages,
    details: { connections, messages, serverBusyShare: cpuMicros / wallMicros },
  };
}
