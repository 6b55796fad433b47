/** Milliseconds after which a proof that has come to no end counts as failed. It takes some 5 ms where all is well. */
const PROOF_MS = 3000;

/** What a running proof can do beside its work. */
export interface ProofRun {
  /** Ends the proof: something was not as promised. */
  fail(why: unknown): void;
  /** Called when the proof is over, however it ended: closes what it opened. */
  onEnd(close: () => void): void;
}

/**
 * An undocumented way of the runtime, believed only after it has done its work once in this process: over real sockets, with
 * real bytes. The proof runs when it is first asked for. A connection that cannot wait for it takes the documented way meanwhile.
 */
export class Proof {
  #prove: (run: ProofRun) => Promise<void>;
  #timeoutMs: number;
  #running: Promise<boolean> | null = null;
  #isProven = false;
  #isSettled = false;
  #problem: string | null = null;

  /** @param prove Does the work; rejects, throws or never ends where the runtime cannot do it. */
  constructor(prove: (run: ProofRun) => Promise<void>, timeoutMs = PROOF_MS) {
    this.#prove = prove;
    this.#timeoutMs = timeoutMs;
  }

  /** Whether the way may be taken. */
  get isProven(): boolean {
    return this.#isProven;
  }

  /** Whether there is nothing to wait for: proven, or found wanting. */
  get isSettled(): boolean {
    return this.#isSettled;
  }

  /** Why the way is not taken; null as long as nothing speaks against it. */
  get problem(): string | null {
    return this.#problem;
  }

  /** Whether the way may be taken, as soon as that is known. Never rejects. */
  settle(): Promise<boolean> {
    this.#running ??= this.#run();
    return this.#running;
  }

  /** The way has failed in use: it is not taken any more. */
  refute(why: unknown): void {
    this.#isProven = false;
    this.#isSettled = true;
    this.#problem ??= why instanceof Error ? why.message : String(why);
  }

  async #run(): Promise<boolean> {
    const closers: (() => void)[] = [];
    try {
      await new Promise<void>((resolve, reject) => {
        // A process that was busy all the time gets a turn to read what has arrived meanwhile.
        const timer = setTimeout(
          () => setTimeout(() => reject(new Error('no answer came in time')), 1),
          this.#timeoutMs,
        );
        closers.push(() => clearTimeout(timer));
        this.#prove({ fail: reject, onEnd: (close) => void closers.push(close) }).then(resolve, reject);
      });
      this.#isProven = this.#problem === null;
    } catch (thrown) {
      this.refute(thrown);
    }
    this.#isSettled = true;
    for (const close of closers) {
      try {
        close();
      } catch {
        // It is not ours to mend.
      }
    }
    return this.#isProven;
  }
}
