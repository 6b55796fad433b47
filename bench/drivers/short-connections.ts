import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { Child } from '../harness/child.ts';
import type { Settings } from '../harness/contract.ts';
import type { Session } from './sessions.ts';

// Connections that are open at any time.
const connectionsAtOnce = 32;
const payload = Buffer.alloc(16, 0x5a);

/**
 * Connections one after the other in several lanes, each for one echo: a "message" is one connection.
 *
 * @param preamble What each sends in front of its payload, in one write with it.
 */
export async function openShortConnections(module: string, preamble: Buffer, settings: Settings): Promise<Session> {
  return new ShortConnections(await Child.start(module, settings), Buffer.concat([preamble, payload]));
}

class ShortConnections implements Session {
  readonly child: Child;
  #bytes: Buffer;
  #completed = 0;
  #isPaused = true;
  #busyLanes = 0;
  #failure: unknown;

  constructor(child: Child, bytes: Buffer) {
    this.child = child;
    this.#bytes = bytes;
  }

  resume(): void {
    this.#isPaused = false;
    for (let lane = 0; lane < connectionsAtOnce; lane++) {
      this.#busyLanes++;
      this.#runLane()
        .catch((error: unknown) => {
          this.#failure ??= error;
        })
        .finally(() => {
          this.#busyLanes--;
        });
    }
  }

  countMessages(): number {
    if (this.#failure) throw this.#failure;
    return this.#completed;
  }

  async pause(): Promise<void> {
    this.#isPaused = true;
    while (this.#busyLanes > 0) await delay(2);
    this.countMessages();
  }

  async close(): Promise<void> {
    await this.pause();
    await this.child.stop();
  }

  async #runLane(): Promise<void> {
    while (!this.#isPaused) {
      const socket = connect({ host: '127.0.0.1', port: this.child.port, noDelay: true });
      socket.write(this.#bytes);
      const [answer] = (await once(socket, 'data')) as [Buffer];
      if (!answer.equals(payload)) throw new Error(`the echo is ${answer.length} bytes, and not what was sent`);
      this.#completed++;
      // By reset, so that tens of thousands of them leave nothing in TIME_WAIT.
      socket.on('error', () => {});
      socket.resetAndDestroy();
    }
  }
}
