/** A queue that may take lent bytes without copying them. */
export interface Borrower {
  /** Bytes that it still needs. */
  readonly pendingBytes: number;
  /** Not null if it shows what it has written. */
  readonly reports: Uint8Array[] | null;
}

/**
 * Received bytes that a listener may look at until its hook returns, because the next read lands in the same memory (option
 * `reuseReceiveMemory`). Code that still needs them after that keeps the loan, and the memory is not read into again.
 *
 * Delivery is synchronous, so there is one loan at a time in a process.
 */
export class Loan {
  #memory: ArrayBufferLike | null = null;
  #queue: Borrower | null = null;
  /** Another queue that took some of it: where a forwarder sends it to. */
  #other: Borrower | null = null;
  #isKept = false;

  /** Lends `memory`; what `queue` takes of it is going to be written before `end`, or the queue tells. */
  begin(memory: ArrayBufferLike, queue: Borrower | null): void {
    this.#memory = memory;
    this.#queue = queue;
    this.#other = null;
    this.#isKept = false;
  }

  /** A queue took `bytes` without copying them. */
  taken(bytes: Uint8Array, queue: Borrower): void {
    if (bytes.buffer !== this.#memory) return;
    // `onSend` shows what was written, to listeners that may keep it.
    if (queue.reports !== null) this.#isKept = true;
    else if (queue === this.#queue) return;
    else if (this.#other === null) this.#other = queue;
    else if (queue !== this.#other) this.#isKept = true;
  }

  /** What was lent goes on being used. */
  keep(): void {
    this.#isKept = true;
  }

  /** Whether memory is lent at this moment. */
  get isOpen(): boolean {
    return this.#memory !== null;
  }

  /** Ends it. True if the memory may be read into again. */
  end(): boolean {
    const isFree = !this.#isKept && !isPending(this.#queue) && !isPending(this.#other);
    this.#memory = null;
    this.#queue = null;
    this.#other = null;
    return isFree;
  }
}

function isPending(queue: Borrower | null): boolean {
  return queue !== null && queue.pendingBytes !== 0;
}

/** The loan of this process. */
export const loan = new Loan();
