import { Queue } from './queue.ts';
import type { SendRoom } from './send-room.ts';

/** Where the bytes of answers go: the connection. */
export interface AnswerOutput {
  /** Sends a part of an answer. @returns false if it could not be queued. */
  write(part: string | Uint8Array): boolean;
  /** How much is on its way. */
  readonly room: SendRoom;
  readonly isOpen: boolean;
  /** The oldest answer is complete. */
  answered(answer: Answer): void;
  /** An answer goes nowhere. */
  dropped(answer: Answer): void;
}

/**
 * The answer to one request. Answers leave in the order of their requests, whatever order they are made in (RFC 9112 9.3.2):
 * what is written to one whose turn has not come is held, and so is what the connection has no room for. Nothing of one that has
 * begun is left out: the client would take what comes next for the rest of it.
 */
export class Answer {
  /** Whether its head was written. */
  hasBegun = false;
  /** Whether nothing will be added. */
  isComplete = false;
  /** Whether the connection is gone, or the request was refused: it goes nowhere. */
  isDropped = false;
  /** Whether the connection closes behind it. */
  closes = false;
  /** Bytes of the request's body that are held for it. */
  bodyBytes = 0;
  /** Called when its turn comes, and it may be streamed. */
  onTurn: (() => void) | null = null;
  /** What was written and has not left, in order; null for nothing. */
  #held: (string | Uint8Array)[] | null = null;
  #isWaiting = false;
  /** Called when nothing is held any more, or the answer goes nowhere. */
  #whenSent: ((isSent: boolean) => void) | null = null;
  #queue: AnswerQueue;

  constructor(queue: AnswerQueue) {
    this.#queue = queue;
  }

  /** Whether what is written leaves at once. */
  get isItsTurn(): boolean {
    return !this.isDropped && this.#queue.first === this;
  }

  /** Whether something of it waits for its turn, or for room. */
  get isHolding(): boolean {
    return this.#held !== null;
  }

  /** Adds a part: text of characters up to 0xff, or bytes, which may be kept. @returns false if it goes nowhere. */
  write(part: string | Uint8Array): boolean {
    if (this.isDropped || this.isComplete) return false;
    this.hasBegun = true;
    const { first, output } = this.#queue;
    if (first === this && this.#held === null && output.room.fits(part.length) && output.write(part)) return true;
    if (!output.isOpen) return false;
    this.#held ??= [];
    this.#held.push(part);
    if (first === this) this.#send();
    return true;
  }

  /** Resolves when nothing is held any more: true, or false if it goes nowhere. */
  whenSent(): Promise<boolean> {
    if (this.#held === null) return Promise.resolve(!this.isDropped);
    return new Promise((resolve) => {
      this.#whenSent = resolve;
    });
  }

  /** Sends what is held, as there is room. */
  #send(): void {
    const { output } = this.#queue;
    const held = this.#held;
    while (held !== null && held.length > 0) {
      if (this.#isWaiting) return;
      const part = held[0]!;
      const bytes = typeof part === 'string' ? Buffer.from(part, 'latin1') : part;
      const fits = output.room.fits(bytes.length);
      const length = fits ? bytes.length : Math.min(bytes.length, output.room.windowBytes);
      if ((!fits && output.room.isFull) || !output.write(length < bytes.length ? bytes.subarray(0, length) : bytes)) {
        if (!output.isOpen) return; // it is dropped when the connection is closed
        held[0] = bytes;
        return this.#waitForRoom();
      }
      if (length < bytes.length) held[0] = bytes.subarray(length);
      else held.shift();
    }
    this.#held = null;
    this.#settleSent(true);
    if (this.isComplete) this.#queue.advance();
  }

  #waitForRoom(): void {
    this.#isWaiting = true;
    void this.#queue.output.room.wait().then(() => {
      this.#isWaiting = false;
      if (!this.isDropped) this.#send();
    });
  }

  #settleSent(isSent: boolean): void {
    const whenSent = this.#whenSent;
    this.#whenSent = null;
    whenSent?.(isSent);
  }

  /** Adds an interim answer: it is not the beginning. */
  interim(text: string): void {
    const { hasBegun } = this;
    this.write(text);
    this.hasBegun = hasBegun;
  }

  /** Nothing will be added. */
  complete(): void {
    if (this.isComplete || this.isDropped) return;
    this.isComplete = true;
    if (this.#queue.first === this && this.#held === null) this.#queue.advance();
  }

  /** Its turn has come: what is held leaves. @internal */
  release(): void {
    this.#send();
    if (!this.isComplete) this.onTurn?.();
  }

  /** It goes nowhere. @internal */
  drop(): void {
    this.isDropped = true;
    this.#held = null;
    this.#settleSent(false);
  }
}

/** The answers that a connection owes, oldest first. */
export class AnswerQueue {
  readonly output: AnswerOutput;
  #answers = new Queue<Answer>();
  #isAdvancing = false;

  constructor(output: AnswerOutput) {
    this.output = output;
  }

  get first(): Answer | undefined {
    return this.#answers.first;
  }

  get size(): number {
    return this.#answers.size;
  }

  /** A request that is to be answered. */
  add(): Answer {
    const answer = new Answer(this);
    this.#answers.push(answer);
    return answer;
  }

  /** The youngest will not be answered by the application: something else takes its place. */
  dropLast(answer: Answer): void {
    answer.drop();
    this.#answers.removeLast(answer);
    this.output.dropped(answer);
  }

  /** All go nowhere: the connection is gone. */
  dropAll(): void {
    for (let answer = this.#answers.shift(); answer !== undefined; answer = this.#answers.shift()) {
      answer.drop();
      this.output.dropped(answer);
    }
  }

  /** The oldest is complete and has left: the next ones leave as far as they were made. @internal */
  advance(): void {
    if (this.#isAdvancing) return;
    this.#isAdvancing = true;
    for (let answer = this.first; answer?.isComplete === true && !answer.isHolding; answer = this.first) {
      this.#answers.shift();
      this.output.answered(answer);
      this.first?.release();
    }
    this.#isAdvancing = false;
  }
}
