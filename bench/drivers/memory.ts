import { setTimeout as delay } from 'node:timers/promises';
import { withChild } from '../harness/child.ts';
import type { Settings } from '../harness/contract.ts';
import type { RunSettings, Sample } from '../harness/work.ts';
import { type Connector, closeAll, openAll } from './connections.ts';

export interface IdleLoad {
  readonly connections: number;
  readonly connect: Connector;
  settings?(): Promise<Settings>;
}

// Connected and gone again before the first look: loads what the first connection of a process loads.
const warmUpConnections = 50;

/** Resident kilobytes that each idle connection costs the server. */
export async function measureIdleMemory(module: string, load: IdleLoad, run: RunSettings): Promise<Sample> {
  return withChild(module, (await load.settings?.()) ?? {}, async (child) => {
    const count = Math.ceil(load.connections / run.shrink);
    const open = (): ReturnType<Connector> => load.connect(child.port, () => {});
    await closeAll(await openAll(warmUpConnections, open));
    await delay(200);
    const before = await child.report({ collectGarbage: true });
    const sockets = await openAll(count, open);
    try {
      await delay(300);
      const after = await child.report({ collectGarbage: true });
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
