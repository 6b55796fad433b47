import { setTimeout as delay } from 'node:timers/promises';
import { type Child, withChild } from '../harness/child.ts';
import type { Report, Settings } from '../harness/contract.ts';
import type { RunSettings, Sample } from '../harness/work.ts';
import { type Connector, closeAll, openAll } from './connections.ts';

export interface IdleLoad {
  readonly connections: number;
  readonly connect: Connector;
  settings?(): Promise<Settings>;
}

// Connected and gone again before the first look, few at a time: what a process loads for its first connection, and what V8 compiles
// when it has seen some hundreds (up to 20 MB of memory of its compiler on Node 24 and 26), is no memory of a connection.
const warmUpRounds = 40;
const warmUpConnections = 50;
// V8 gives memory of its young generation back after it has been idle for 8 s, and the connections are to be idle.
const restMs = 10_000;

/** Resident kilobytes that each idle connection costs the server. */
export async function measureIdleMemory(module: string, load: IdleLoad, run: RunSettings): Promise<Sample> {
  return withChild(module, (await load.settings?.()) ?? {}, async (child) => {
    const count = Math.ceil(load.connections / run.shrink);
    const open = (): ReturnType<Connector> => load.connect(child.port, () => {});
    for (let round = 0; round < Math.ceil(warmUpRounds / run.shrink); round++)
      await closeAll(await openAll(warmUpConnections, open));
    const before = await restedReport(child, run);
    const sockets = await openAll(count, open);
    try {
      const after = await restedReport(child, run);
      const closed = sockets.filter((socket) => socket.destroyed).length;
      if (closed > 0) throw new Error(`${closed} of ${count} idle connections were closed`);
      return {
        value: (after.residentBytes - before.residentBytes) / 1024 / count,
        details: { connections: count, beforeBytes: before.residentBytes, afterBytes: after.residentBytes },
      };
    } finally {
      await closeAll(sockets);
    }
  });
}

/** What the process holds when nothing has happened for a while. */
export async function restedReport(child: Child, { shrink }: RunSettings): Promise<Report> {
  await delay(300);
  await child.report({ collectGarbage: true });
  await delay(restMs / shrink);
  return child.report({ collectGarbage: true });
}
