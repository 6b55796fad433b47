/** What a table holds: anything that carries the connection ID it was inserted under. */
export interface TableEntry {
  id: number;
}

/**
 * Connections by ID, with the look-up being one array access.
 *
 * ```
 * id = slot + 1 + generation * capacity        (HP-Socket: components.md, CID-002)
 *
 * slot       0 .. capacity-1, never-used slots first, then freed ones in the order they were freed
 * generation how often the slot was used before; not limited to 8 bits as in the original
 * ```
 *
 * So the first IDs are 1, 2, 3, ..., an ID of a closed connection never finds a newer one, and all are safe integers.
 */
export class ConnectionTable<T extends TableEntry> {
  readonly capacity: number;
  #slots: (T | undefined)[] = [];
  #generations: number[] = [];
  /** Freed slots, oldest first: a queue in an array with a moving head. */
  #freed: number[] = [];
  #freedHead = 0;
  #size = 0;
  /** The entry that was looked up last: answers come in rows. (2 ns instead of 9, of which most is the division.) */
  #latest: T | undefined = undefined;

  /** @param capacity Largest number of entries at once, 1 or more. Memory grows with use, not with this number. */
  constructor(capacity: number) {
    this.capacity = capacity;
  }

  /** Number of entries. */
  get size(): number {
    return this.#size;
  }

  /** Inserts `entry`, writes its `id`, and returns that; 0 when the table is full. */
  insert(entry: T): number {
    let slot: number;
    if (this.#slots.length < this.capacity) {
      slot = this.#slots.length;
      this.#slots.push(entry);
      this.#generations.push(0);
    } else if (this.#freedHead < this.#freed.length) {
      slot = this.#freed[this.#freedHead++]!;
      if (this.#freedHead > 1024 && this.#freedHead * 2 > this.#freed.length) {
        this.#freed = this.#freed.slice(this.#freedHead);
        this.#freedHead = 0;
      }
      this.#slots[slot] = entry;
      this.#generations[slot]!++;
    } else {
      return 0;
    }
    this.#size++;
    entry.id = slot + 1 + this.#generations[slot]! * this.capacity;
    return entry.id;
  }

  /** The entry with this ID, or undefined. Anything but a live ID is simply not found. */
  get(id: number): T | undefined {
    const latest = this.#latest;
    if (latest !== undefined && latest.id === id) return latest;
    const entry = this.#slots[(id - 1) % this.capacity];
    if (entry === undefined || entry.id !== id) return undefined;
    this.#latest = entry;
    return entry;
  }

  /** Removes the entry with this ID; false if there is none. */
  delete(id: number): boolean {
    const slot = (id - 1) % this.capacity;
    const entry = this.#slots[slot];
    if (entry === undefined || entry.id !== id) return false;
    this.#slots[slot] = undefined;
    this.#latest = undefined;
    this.#freed.push(slot);
    this.#size--;
    return true;
  }

  /** All entries, lowest slot first. Entries may be deleted while iterating. */
  *values(): IterableIterator<T> {
    for (let slot = 0; slot < this.#slots.length; slot++) {
      const entry = this.#slots[slot];
      if (entry !== undefined) yield entry;
    }
  }
}
