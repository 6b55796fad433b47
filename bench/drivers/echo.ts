import type { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { Child } from '../harness/child.ts';
import type { Settings } from '../harness/contract.ts';
import { type Connector, closeAll, openAll } from './connections.ts';
import { type EchoShape, EchoStream } from './echo-stream.ts';
import type { Session } from './sessions.ts';

export interface EchoLoad {
  readonly connections: number;
  readonly shape: EchoShape;
  readonly connect: Connector;
  settings?(): Promise<Settings>;
}

/** Starts an echo server and connects to it over a stream transport. */
export async function openEcho(module: string, load: EchoLoad): Promise<Session> {
  const child = await Child.start(module, await load.settings?.());
  try {
    const streams: EchoStream[] = [];
    const sockets = await openAll(load.connections, (index) => {
      const stream = new EchoStream(load.shape, index);
      streams[index] = stream;
      return connectStream(child.port, stream, load.connect);
    });
    return new EchoSession(child, streams, sockets);
  } catch (error) {
    await child.stop();
    throw error;
  }
}

async function connectStream(port: number, stream: EchoStream, connect: Connector): Promise<Socket> {
  const socket = await connect(port, (bytes) => stream.take(bytes));
  stream.attach(socket);
  socket.on('error', (error) => stream.fail(error));
  socket.on('close', () => stream.fail(new Error('the server closed the connection')));
  return socket;
}

class EchoSession implements Session {
  readonly child: Child;
  readonly #streams: readonly EchoStream[];
  readonly #sockets: readonly Socket[];

  constructor(child: Child, streams: readonly EchoStream[], sockets: readonly Socket[]) {
    this.child = child;
    this.#streams = streams;
    this.#sockets = sockets;
  }

  resume(): void {
    for (const stream of this.#streams) stream.resume();
  }

  countMessages(): number {
    let messages = 0;
    for (const stream of this.#streams) {
      if (stream.failure) throw stream.failure;
      messages += stream.messages;
    }
    return messages;
  }

  /** The count is exact only if everything that is on its way comes back: nothing lost, doubled or changed. */
  async pause(): Promise<void> {
    for (const stream of this.#streams) stream.isPaused = true;
    for (const deadline = Date.now() + 5_000; Date.now() < deadline; await delay(2)) {
      this.countMessages();
      if (this.#streams.every((stream) => stream.isSettled)) return;
    }
    const open = this.#streams.filter((stream) => !stream.isSettled).length;
    throw new Error(`${open} of ${this.#streams.length} connections did not get everything back`);
  }

  async close(): Promise<void> {
    await closeAll(this.#sockets);
    await this.child.stop();
  }
}
