import { setTimeout as delay } from 'node:timers/promises';
import type { TLSSocket } from 'node:tls';
import { testCertificate } from '../certificates.ts';
import { Child } from '../harness/child.ts';
import { connectTls } from './connections.ts';
import type { Session } from './sessions.ts';

// Connections that are in their handshake at any time.
const handshakesAtOnce = 16;

/** Full TLS handshakes, one connection after the other in several lanes; a "message" is one completed handshake. */
export async function openHandshakes(module: string): Promise<Session> {
  return new HandshakeSession(await Child.start(module, { certificate: await testCertificate() }));
}

class HandshakeSession implements Session {
  readonly child: Child;
  #completed = 0;
  #isPaused = true;
  #busyLanes = 0;
  #failure: unknown;

  constructor(child: Child) {
    this.child = child;
  }

  resume(): void {
    this.#isPaused = false;
    for (let lane = 0; lane < handshakesAtOnce; lane++) {
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
      const socket = (await connectTls(this.child.port, () => {})) as TLSSocket;
      if (socket.isSessionReused()) throw new Error('a session was resumed: that was no full handshake');
      this.#completed++;
      socket.on('error', () => {});
      // Orderly, with close_notify: the server must not have errors to handle in the one case and none in the other.
      const closed = new Promise((resolve) => socket.once('close', resolve));
      socket.end();
      await closed;
    }
  }
}
