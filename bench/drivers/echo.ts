import { setTimeout as delay } from 'node:timers/promises';
import { withChild } from '../harness/child.ts';
import type { Settings } from '../harness/contract.ts';
import type { RunSettings, Sample } from '../harness/work.ts';
import { type Connector, closeAll, openAll } from './connections.ts';
import { type EchoShape, EchoStream } from './echo-stream.ts';
import { measureCpuPerMessage } from './window.ts';

export interface EchoLoad {
  readonly connections: number;
  readonly shape: EchoShape;
  readonly connect: Connector;
  readonly settings?: Settings;
}

/** Drives an echo server over a stream transport, and measures the server's CPU time per message in microseconds. */
export async function measureEcho(module: string, load: EchoLoad, run: RunSettings): Promise<Sample> {
  return withChild(module, load.settings ?? {}, async (child) => {
    const streams = Array.from({ length: load.connections }, (_, index) => new EchoStream(load.shape, index));
    const sockets = await openAll(load.connections, async (index) => {
      const stream = streams[index]!;
      const socket = await load.connect(child.port, (bytes) => stream.take(bytes));
      socket.on('error', (error) => stream.fail(error));
      socket.on('close', () => {
        if (!stream.isSettled) stream.fail(new Error('the server closed the connection'));
      });
      return socket;
    });
    try {
      sockets.forEach((socket, index) => {
        streams[index]!.begin(socket);
      });
      const countMessages = (): number => {
        let messages = 0;
        for (const stream of streams) {
          if (stream.failure) throw stream.failure;
          messages += stream.messages;
        }
        return messages;
      };
      const sample = await measureCpuPerMessage(child, countMessages, run);
      await settle(streams);
      return sample;
    } finally {
      for (const stream of streams) stream.draining = true;
      await closeAll(sockets);
    }
  });
}

/** Lets everything on its way come back: the count is exact only if nothing was lost, doubled or changed. */
async function settle(streams: readonly EchoStream[]): Promise<void> {
  for (const stream of streams) stream.draining = true;
  for (const deadline = Date.now() + 5_000; Date.now() < deadline; await delay(5)) {
    const failed = streams.find((stream) => stream.failure);
    if (failed?.failure) throw failed.failure;
    if (streams.every((stream) => stream.isSettled)) return;
  }
  const open = streams.filter((stream) => !stream.isSettled).length;
  throw new Error(`${open} of ${streams.length} connections did not get everything back`);
}
