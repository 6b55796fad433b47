import type { TimerWheel } from '../core/timer-wheel.ts';
import { clientKey, clientPort, type ProxiedPeer } from './proxied-datagrams.ts';
import { OwnedTimer } from './udp-timer.ts';

/** How long after an empty datagram the handshake of a new client may still come, milliseconds. */
const PATIENCE_MS = 1_000;
/** Strangers that are waited for at a time; as each waits for a second, also how many are answered per second. */
const STRANGERS_LIMIT = 256;

interface Stranger {
  readonly address: string;
  readonly port: number;
  readonly proxied: ProxiedPeer | null;
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
  readonly #answer: (address: string, port: number, proxied: ProxiedPeer | null) => void;
  readonly #timer: OwnedTimer<ArqStrangers>;
  /** In the order of their times. */
  readonly #waiting = new Map<string, Stranger>();

  constructor(wheel: TimerWheel, answer: (address: string, port: number, proxied: ProxiedPeer | null) => void) {
    this.#wheel = wheel;
    this.#answer = answer;
    this.#timer = new OwnedTimer<ArqStrangers>(this, expired);
  }

  /** An empty datagram came from an address without a connection. */
  heard(address: string, port: number, proxied: ProxiedPeer | null, now: number): void {
    const key = keyOf(address, port, proxied);
    if (this.#waiting.size >= STRANGERS_LIMIT || this.#waiting.has(key)) return;
    this.#waiting.set(key, { address, port, proxied, dueMs: now + PATIENCE_MS });
    if (!this.#timer.isArmed) this.#wheel.arm(this.#timer, PATIENCE_MS);
  }

  /** A handshake packet came from there. */
  spoke(address: string, port: number, proxied: ProxiedPeer | null): void {
    if (this.#waiting.size > 0) this.#waiting.delete(keyOf(address, port, proxied));
  }

  /** Answers those whose time has come. */
  settle(): void {
    const now = this.#wheel.now();
    for (const [key, { address, port, proxied, dueMs }] of this.#waiting) {
      if (dueMs > now) {
        this.#wheel.arm(this.#timer, dueMs - now);
        return;
      }
      this.#waiting.delete(key);
      this.answered++;
      this.#answer(address, port, proxied);
    }
  }

  /** No stranger is answered any more. */
  clear(): void {
    this.#waiting.clear();
    this.#wheel.cancel(this.#timer);
  }
}

function keyOf(address: string, port: number, proxied: ProxiedPeer | null): string {
  return `${clientKey(address, proxied)} ${clientPort(port, proxied)}`;
}

function expired(this: OwnedTimer<ArqStrangers>): void {
  this.owner.settle();
}
