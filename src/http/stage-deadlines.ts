import type { Clock } from '../core/clock.ts';
import type { Port } from '../protocol/protocol.ts';

/** What an HTTP connection may be waiting for. */
export const Stage = Object.freeze({
  /** The rest of a head. */
  Head: 0,
  /** The next message. */
  Idle: 1,
  /** More of a body. */
  Body: 2,
  /** The application's answer. */
  Answer: 3,
  /** The end of a connection whose message was refused. */
  Linger: 4,
} as const);
export type Stage = (typeof Stage)[keyof typeof Stage];

/** Told when a deadline has passed. */
export interface DeadlineOwner {
  stageExpired(stage: Stage): void;
}

const never = Number.POSITIVE_INFINITY;

/**
 * The deadlines of one connection over the one that its port has. Setting or clearing one costs an assignment: the port's is
 * moved only if it would come too late, and one that comes too early is set anew.
 */
export class StageDeadlines {
  #port: Pick<Port, 'deadline'>;
  #clock: Clock;
  #owner: DeadlineOwner;
  #at = [never, never, never, never, never];
  #armedAt = never;

  constructor(port: Pick<Port, 'deadline'>, clock: Clock, owner: DeadlineOwner) {
    this.#port = port;
    this.#clock = clock;
    this.#owner = owner;
  }

  /** Whether a deadline of this stage runs. */
  isSet(stage: Stage): boolean {
    return this.#at[stage] !== never;
  }

  /** Expires in `ms` milliseconds; 0 for never. */
  set(stage: Stage, ms: number): void {
    if (ms === 0) return this.clear(stage);
    const at = this.#clock.now() + ms;
    this.#at[stage] = at;
    if (at < this.#armedAt) this.#arm(at, ms);
  }

  clear(stage: Stage): void {
    this.#at[stage] = never;
  }

  /** None runs any more. */
  clearAll(): void {
    this.#at.fill(never);
    if (this.#armedAt === never) return;
    this.#armedAt = never;
    this.#port.deadline(0);
  }

  #arm(at: number, ms: number): void {
    this.#armedAt = at;
    this.#port.deadline(Math.max(1, Math.ceil(ms)));
  }

  /** The port's deadline has passed. */
  woken(): void {
    this.#armedAt = never;
    const now = this.#clock.now();
    for (let stage = 0; stage < this.#at.length; stage++) {
      if (this.#at[stage]! > now) continue;
      this.#at[stage] = never;
      this.#owner.stageExpired(stage as Stage);
    }
    const next = Math.min(...this.#at);
    if (next < this.#armedAt) this.#arm(next, next - this.#clock.now());
  }
}
