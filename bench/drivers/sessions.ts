import { setTimeout as delay } from 'node:timers/promises';
import type { Child } from '../harness/child.ts';
import { fromCheckout } from '../harness/compile.ts';
import type { Pair, RunSettings, Sample } from '../harness/work.ts';

/** A load that is ready to run against one contender, and can be halted and taken up again. */
export interface Session {
  readonly child: Child;
  resume(): void;
  /** Halts the load and waits until nothing is on its way any more; throws if something was lost or changed. */
  pause(): Promise<void>;
  /** Messages that came back whole so far; throws when the load has failed. */
  countMessages(): number;
  close(): Promise<void>;
}

interface Tally {
  messages: number;
  cpuMicros: number;
  wallMicros: number;
  driverMicros: number;
}

// Slices of the seconds measured, the contenders taking turns: the neighbours on a shared machine come and go within
// seconds. (TcpServer and node:net, 1 KiB with 16 in flight, Node 20, three times each within two minutes, five runnable processes
// for each processor: in slices 0.90, 0.84, 0.47; each alone for 2.5 s, one after the other, 0.39, 1.04, 0.30. In the minute when the
// machine was quietest, microseconds per message were 1.03 and 0.89 in slices, 1.07 and 1.11 alone.) So a ratio of two runs one
// after the other means something on a quiet machine only. There it is stricter: in the pauses between slices V8 may collect on
// time that nobody measures, and a heap that works without a pause pays for all it leaves behind.
const sliceSeconds = 0.3;
// From an empty to a full pipeline, at the start of each slice.
const rampSeconds = 0.1;

/**
 * The usual `measurePair` for work that is counted in messages: both contenders at once, each in its process, loaded in turns.
 *
 * Values are the CPU time of the contender's process per message, in microseconds.
 *
 * @param warmUpFactor How many times the usual warm-up the work needs before V8 has compiled what it runs.
 */
export function takeTurns(
  openBaseline: () => Promise<Session>,
  openSubject: () => Promise<Session>,
  warmUpFactor = 1,
): (run: RunSettings) => Promise<Pair> {
  return async (run) => {
    const first = await (run.against === undefined ? openBaseline() : fromCheckout(run.against, openSubject));
    try {
      const second = await (run.selfCheck ? openBaseline : openSubject)();
      try {
        return await measureInTurns(first, second, { ...run, warmUpSeconds: run.warmUpSeconds * warmUpFactor });
      } finally {
        await second.close();
      }
    } finally {
      await first.close();
    }
  };
}

/** Loads two sessions in turns, in slices of the seconds to measure. */
export async function measureInTurns(first: Session, second: Session, run: RunSettings): Promise<Pair> {
  const tallies: [Tally, Tally] = [emptyTally(), emptyTally()];
  for (const session of [first, second]) await runSlice(session, run.warmUpSeconds, emptyTally());
  const slices = Math.max(1, Math.round(run.seconds / sliceSeconds));
  for (let slice = 0; slice < slices; slice++) {
    await runSlice(first, run.seconds / slices, tallies[0]);
    await runSlice(second, run.seconds / slices, tallies[1]);
  }
  return { baseline: toSample(tallies[0]), subject: toSample(tallies[1]) };
}

async function runSlice(session: Session, seconds: number, tally: Tally): Promise<void> {
  session.resume();
  await delay(rampSeconds * 1000);
  const before = await session.child.report();
  const messagesBefore = session.countMessages();
  const driverBefore = process.cpuUsage();
  await delay(seconds * 1000);
  const after = await session.child.report();
  tally.messages += session.countMessages() - messagesBefore;
  const driver = process.cpuUsage(driverBefore);
  await session.pause();
  tally.cpuMicros += after.cpuMicros - before.cpuMicros;
  tally.wallMicros += after.nowMicros - before.nowMicros;
  tally.driverMicros += driver.user + driver.system;
}

function emptyTally(): Tally {
  return { messages: 0, cpuMicros: 0, wallMicros: 0, driverMicros: 0 };
}

function toSample({ messages, cpuMicros, wallMicros, driverMicros }: Tally): Sample {
  if (messages <= 0) throw new Error('no message came back while measuring');
  return {
    value: cpuMicros / messages,
    details: {
      messages,
      messagesPerSecond: (messages / wallMicros) * 1e6,
      // Well below 1 means that the driver, not the server, was the bottleneck.
      serverBusyShare: cpuMicros / wallMicros,
      driverBusyShare: driverMicros / wallMicros,
    },
  };
}
