import type { TurnTask } from '../core/turn-end.ts';

/** Senders that idle connections may keep. */
const MAX_KEPT = 1024;
/** Senders without a connection that are kept for the next one. */
const MAX_SPARE = 64;
/** How many are looked at, beside as many as there are too many. */
const LOOKS = 16;

/** A sender, as far as it matters here. */
export interface KeptSender {
  /** Place in the ring; -1 outside. */
  ringAt: number;
  /** Whether it has nothing to send and nothing to tell, so that its connection can do without. */
  readonly isIdle: boolean;
  /** Its connection does without it from now on. */
  leave(): void;
}

/**
 * The senders of the connections of one component. Most connections of a large number have nothing to send, so beyond
 * `MAX_KEPT` idle ones give theirs to those that have: some 230 bytes each.
 *
 * ```
 *   [ s s s s s s s s ]     looked at by a hand that goes round, at the end of a turn, when no sender is in use
 *          ^ hand
 * ```
 */
export class SenderRing implements TurnTask {
  isScheduled = false;
  #senders: KeptSender[] = [];
  #hand = 0;
  #spare: KeptSender[] = [];
  #schedule: (task: TurnTask) => void;

  /** @param schedule Asks for the end of the turn. */
  constructor(schedule: (task: TurnTask) => void) {
    this.#schedule = schedule;
  }

  /** One that no connection has at present; null if there is none. */
  takeSpare(): KeptSender | null {
    return this.#spare.pop() ?? null;
  }

  /** A connection has it. */
  add(sender: KeptSender): void {
    sender.ringAt = this.#senders.length;
    this.#senders.push(sender);
    if (this.#senders.length > MAX_KEPT) this.#schedule(this);
  }

  /** Its connection has it no longer. @param isReusable Whether nothing calls it any more. */
  remove(sender: KeptSender, isReusable: boolean): void {
    const { ringAt } = sender;
    if (ringAt < 0) return;
    const last = this.#senders.pop()!;
    if (last !== sender) {
      this.#senders[ringAt] = last;
      last.ringAt = ringAt;
    }
    sender.ringAt = -1;
    if (isReusable && this.#spare.length < MAX_SPARE) this.#spare.push(sender);
  }

  turnEnded(): void {
    let looks = this.#senders.length - MAX_KEPT + LOOKS;
    while (looks-- > 0 && this.#senders.length > MAX_KEPT) {
      if (this.#hand >= this.#senders.length) this.#hand = 0;
      const sender = this.#senders[this.#hand]!;
      if (sender.isIdle) {
        sender.leave();
        this.remove(sender, true);
      } else {
        this.#hand++;
      }
    }
  }
}
