/** What waits for its turn to shake hands. */
export interface GateEntry {
  go(): void;
}

/** Lets so many handshakes be under way at once; the others wait in a row. They have their deadlines, so the row moves. */
export class HandshakeGate {
  readonly max: number;
  #struck: () => void;
  #underWay = 0;
  /** In order. Who closes while it waits is taken out at once, so that a flood leaves nothing behind. */
  #waiting = new Set<GateEntry>();

  /** @param struck Called for each entry that has to wait. */
  constructor(max: number, struck: () => void) {
    this.max = max;
    this.#struck = struck;
  }

  get underWay(): number {
    return this.#underWay;
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  enter(entry: GateEntry): void {
    if (this.#underWay < this.max) {
      this.#underWay++;
      entry.go();
    } else {
      this.#struck();
      this.#waiting.add(entry);
    }
  }

  /** An entry that had its turn is through. */
  leave(): void {
    this.#underWay--;
    for (const next of this.#waiting) {
      if (this.#underWay >= this.max) return;
      this.#waiting.delete(next);
      this.#underWay++;
      next.go();
    }
  }

  /** An entry gives up before its turn. */
  giveUp(entry: GateEntry): void {
    this.#waiting.delete(entry);
  }
}
