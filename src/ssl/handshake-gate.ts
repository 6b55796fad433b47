/** What waits for its turn to shake hands. */
export interface GateEntry {
  /** Whether it is still wanted. */
  readonly isWanted: boolean;
  go(): void;
}

/** Lets so many handshakes be under way at once; the others wait in a row. They have their deadlines, so the row moves. */
export class HandshakeGate {
  readonly max: number;
  #struck: () => void;
  #underWay = 0;
  #waiting: GateEntry[] = [];
  #head = 0;

  /** @param struck Called for each entry that has to wait. */
  constructor(max: number, struck: () => void) {
    this.max = max;
    this.#struck = struck;
  }

  get underWay(): number {
    return this.#underWay;
  }

  enter(entry: GateEntry): void {
    if (this.#underWay < this.max) {
      this.#underWay++;
      entry.go();
    } else {
      this.#struck();
      this.#waiting.push(entry);
    }
  }

  /** An entry that had its turn is through. */
  leave(): void {
    this.#underWay--;
    while (this.#head < this.#waiting.length && this.#underWay < this.max) {
      const next = this.#waiting[this.#head++]!;
      if (!next.isWanted) continue;
      this.#underWay++;
      next.go();
    }
    if (this.#head === this.#waiting.length) {
      this.#waiting = [];
      this.#head = 0;
    }
  }
}
