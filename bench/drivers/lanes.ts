import { setTimeout as delay } from 'node:timers/promises';
import type { Child } from '../harness/child.ts';
import type { Session } from './sessions.ts';

/**
 * Connections that are made one after the other in several lanes at once; a "message" is one of them, from its beginning to its
 * end.
 */
export class LaneSession implements Session {
  readonly child: Child;
  readonly #lanes: number;
  readonly #connectOnce: (port: number) => Promise<void>;
  #completed = 0;
  #isPaused = true;
  #busyLanes = 0;
  #failure: unknown;

  /** @param connectOnce Makes one connection and ends it; what it throws ends the measurement. */
  constructor(child: Child, lanes: number, connectOnce: (port: number) => Promise<void>) {
    this.child = child;
    this.#lanes = lanes;
    this.#connectOnce = connectOnce;
  }

  resume(): void {
    this.#isPaused = false;
    for (let lane = 0; lane < this.#lanes; lane++) {
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
      await this.#connectOnce(this.child.port);
      this.#completed++;
    }
  }
}
