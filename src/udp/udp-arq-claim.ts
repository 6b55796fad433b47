import {
  MARK_CHALLENGE,
  MARK_MOVED,
  type MigrationKey,
  migrationCounter,
  migrationMark,
  migrationNonce,
} from '../arq/index.ts';
import type { DatagramSource } from './datagram-source.ts';
import type { UdpHost } from './udp-host.ts';
import { OwnedTimer } from './udp-timer.ts';

/** Pause before the second claim, milliseconds; doubled each time. */
const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 2_000;

/** The connection of a client, as its claim sees it. */
export interface Claimant {
  readonly host: UdpHost;
  readonly source: DatagramSource;
}

/**
 * A client says that its session goes on under another address, until the server has said so too, or `timeoutMs` have passed.
 * See arq/migration.ts.
 */
export class ArqClaim {
  readonly #claimant: Claimant;
  readonly #selfId: number;
  readonly #key: MigrationKey;
  readonly #firstCounter: number;
  readonly #deadline: number;
  readonly #ended: (isMoved: boolean) => void;
  readonly #timer: OwnedTimer<ArqClaim>;
  #pauseMs = FIRST_PAUSE_MS;

  /** @param selfId The client's conversation ID. */
  constructor(
    claimant: Claimant,
    selfId: number,
    key: MigrationKey,
    timeoutMs: number,
    ended: (isMoved: boolean) => void,
  ) {
    this.#claimant = claimant;
    this.#selfId = selfId;
    this.#key = key;
    this.#firstCounter = key.counter + 1;
    this.#deadline = claimant.host.wheel.now() + timeoutMs;
    this.#ended = ended;
    this.#timer = new OwnedTimer<ArqClaim>(this, expired);
    this.send();
  }

  /** Claims, and will again. The server may be told over another socket than before. */
  send(): void {
    const { host } = this.#claimant;
    const leftMs = this.#deadline - host.wheel.now();
    if (leftMs <= 0) return this.#ended(false);
    this.#transmit(this.#key.claim(this.#selfId));
    host.wheel.arm(this.#timer, Math.min(this.#pauseMs, leftMs));
    this.#pauseMs = Math.min(2 * this.#pauseMs, LONGEST_PAUSE_MS);
  }

  /** A packet of the server, or of a forger. */
  came(packet: Buffer): void {
    const counter = migrationCounter(packet);
    if (counter < this.#firstCounter || counter > this.#key.counter || !this.#key.isGenuine(packet)) return;
    const mark = migrationMark(packet);
    if (mark === MARK_CHALLENGE) this.#transmit(this.#key.answer(this.#selfId, counter, migrationNonce(packet)));
    else if (mark === MARK_MOVED) this.#ended(true);
  }

  cancel(): void {
    this.#claimant.host.wheel.cancel(this.#timer);
  }

  #transmit(packet: Buffer): void {
    this.#claimant.host.control(packet, this.#claimant.source);
  }
}

function expired(this: OwnedTimer<ArqClaim>): void {
  this.owner.send();
}
