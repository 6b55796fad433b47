/** A first-in first-out list. It grows to what it has to hold, and gives the places back when it is empty. */
export class Queue<T> {
  #items: T[] = [];
  #from = 0;

  get size(): number {
    return this.#items.length - this.#from;
  }

  get first(): T | undefined {
    return this.#items[this.#from];
  }

  push(item: T): void {
    this.#items.push(item);
  }

  shift(): T | undefined {
    if (this.size === 0) return undefined;
    const item = this.#items[this.#from]!;
    this.#from++;
    if (this.#from === this.#items.length) {
      this.#items.length = 0;
      this.#from = 0;
    } else if (this.#from >= 32 && this.#from * 2 > this.#items.length) {
      this.#items.splice(0, this.#from);
      this.#from = 0;
    } else {
      this.#items[this.#from - 1] = undefined as T; // for the garbage collector
    }
    return item;
  }

  /** Removes `item` if it is the last. */
  removeLast(item: T): void {
    if (this.size > 0 && this.#items[this.#items.length - 1] === item) this.#items.pop();
  }
}
