import { Queue } from './queue.ts';

/** Where the bytes of answers go: the connection. */
export interface AnswerOutput {
  /** Sends a part of an answer. @returns false if it could not be queued. */
  write(part: string | Uint8Array): boolean;
  /** The oldest answer is complete. */
  answered(answer: Answer): void;
  /** An answer goes nowhere. */
  dropped(answer: Answer): void;
}

/**
 * The answer to one request. Answers leave in the order of their requests, whatever order they are made in (RFC 9112 9.3.2):
 * what is written to one whose turn has not come is held.
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
  #held: (string | Uint8Array)[] | null = null;
  #queue: AnswerQueue;

  constructor(queue: AnswerQueue) {
    this.#queue = queue;
  }

  /** Whether what is written leaves at once. */
  get isItsTurn(): boolean {
    return !this.isDropped && this.#queue.first === this;
  }

  /** Adds a part: text of characters up to 0xff, or bytes. @returns false if it goes nowhere, or could not be queued. */
  write(part: string | Uint8Array): boolean {
    if (this.isDropped || this.isComplete) return false;
    this.hasBegun = true;
    if (this.#queue.first === this) return this.#queue.output.write(part);
    this.#held ??= [];
    this.#held.push(part);
    return true;
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
    if (this.#queue.first === this) this.#queue.advance();
  }

  /** Its turn has come. @internal */
  release(): void {
    const held = this.#held;
    this.#held = null;
    if (held !== null) for (const part of held) this.#queue.output.write(part);
    if (!this.isComplete) this.onTurn?.();
  }
}

/** The answers that a connection owes, oldest first. */
export class AnswerQueue {
  readonly output: AnswerOutput;
  #answers = new Queue<Answer>();

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
    answer.isDropped = true;
    this.#answers.removeLast(answer);
    this.output.dropped(answer);
  }

  /** All go nowhere: the connection is gone. */
  dropAll(): void {
    for (let answer = this.#answers.shift(); answer !== undefined; answer = this.#answers.shift()) {
      answer.isDropped = true;
      this.output.dropped(answer);
    }
  }

  /** The oldest is complete: the next ones leave as far as they were made. @internal */
  advance(): void {
    for (let answer = this.#answers.first; answer?.isComplete === true; answer = this.#answers.first) {
      this.#answers.shift();
      this.output.answered(answer);
      this.#answers.first?.release();
    }
  }
}
