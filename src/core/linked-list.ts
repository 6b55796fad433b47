/** What stands in one list at most, and knows its neighbours there. */
export interface Linked<T> {
  /** Null for the first one, and for what stands in no list. */
  previous: T | null;
  next: T | null;
  isListed: boolean;
}

/**
 * Elements in the order in which they came, for much that comes and goes.
 *
 * A `Set` is no good for that. When its table is full it gets a new one; the old table stays in V8's old generation until the whole
 * heap is collected, and keeps alive what stood in it, and the table behind it. So connections that lived for a millisecond
 * survived young collections. An element that has left this list points to nothing, and nothing points to it. (Behind a PROXY header, that
 * was half of the time of all collections of a server.)
 */
export class LinkedList<T extends Linked<T>> {
  #first: T | null = null;
  #last: T | null = null;
  #size = 0;

  /** The one that came first. */
  get first(): T | null {
    return this.#first;
  }

  get size(): number {
    return this.#size;
  }

  /** In their order. Only the one that is at hand may be removed meanwhile. */
  *[Symbol.iterator](): Generator<T, void, undefined> {
    let element = this.#first;
    while (element !== null) {
      const { next } = element;
      yield element;
      element = next;
    }
  }

  /** Adds `element`, which stands in no list, behind the others. */
  add(element: T): void {
    const last = this.#last;
    element.previous = last;
    element.isListed = true;
    if (last === null) this.#first = element;
    else last.next = element;
    this.#last = element;
    this.#size++;
  }

  /** Removes `element`, which stands in this list or in none. @returns Whether it stood in it. */
  remove(element: T): boolean {
    if (!element.isListed) return false;
    const { previous, next } = element;
    if (previous === null) this.#first = next;
    else previous.next = next;
    if (next === null) this.#last = previous;
    else next.previous = previous;
    element.previous = null;
    element.next = null;
    element.isListed = false;
    this.#size--;
    return true;
  }
}
