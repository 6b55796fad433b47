import type { TimerWheel } from '../core/timer-wheel.ts';
import type { DatagramSource } from './datagram-source.ts';
import { OwnedTimer } from './udp-timer.ts';

/** How long after an empty datagram the handshake of a new client may still come, milliseconds. */
const PATIENCE_MS = 1_000;
/** Strangers that are waited for at a time; as each waits for a second, also how many are answered per second. */
const STRANGERS_LIMIT = 256;

interface Stranger {
  readonly source: DatagramSource;
  readonly dueMs: number;
}

/**
 * Strangers whose empty datagram is to be answered, because it may be the heartbeat of a client that believes in a connection of
 * this server before its restart. A C++ server answers each such datagram with a handshake packet (UD-002, AQ-013), from which that
 * client learns that its connection is gone (AQ-018); otherwise it would only notice when `detectAttempts` heartbeats have been in
 * vain, minutes later.
 *
 * A new client sends an empty datagram too, just before its first handshake packet (UD-006), and must not be given an ID that is
 * not its cookie's. So the answer waits for a second, and a peer that sends a handshake packet meanwhile gets none.
 */
export class ArqStrangers {
  /** Answers given. */
  answered = 0;
  readonly #wheel: TimerWheel;
  readonly #answer: (source: DatagramSource) => void;
  readonly #timer: OwnedTimer<ArqStrangers>;
  /** In the order of their times. */
  readonly #waiting = new Map<string, Stranger>();

  constructor(wheel: TimerWheel, answer: (source: DatagramSource) => void) {
    this.#wheel = wheel;
    this.#answer = answer;
    this.#timer = new OwnedTimer<ArqStrangers>(this, expired);
  }

  /** An empty datagram came from an address without a connection. */
  heard(source: DatagramSource, now: number): void {
    const key = keyOf(source);
    if (this.#waiting.size >= STRANGERS_LIMIT || this.#waiting.has(key)) return;
    this.#waiting.set(key, { source, dueMs: now + PATIENCE_MS });
    if (!this.#timer.isArmed) this.#wheel.arm(this.#timer, PATIENCE_MS);
  }

  /** A handshake packet came from there. */
  spoke(source: DatagramSource): void {
    if (this.#waiting.size > 0) this.#waiting.delete(keyOf(source));
  }

  /** Answers those whose time has come. */
  settle(): void {
    const now = this.#wheel.now();
    for (const [key, { source, dueMs }] of this.#waiting) {
      if (dueMs > now) {
        this.#wheel.arm(this.#timer, dueMs - now);
        return;
      }
      this.#waiting.delete(key);
      this.answered++;
      this.#answer(source);
    }
  }

  /** No stranger is answered any more. */
  clear(): void {
    this.#waiting.clear();
    this.#wheel.cancel(this.#timer);
  }
}

function keyOf({ key, remotePort }: DatagramSource): string {
  return `${key} ${remotePort}`;
}

function expired(this: OwnedTimer<ArqStrangers>): void {
  this.owner.settle();
}
