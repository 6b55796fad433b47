/** Calls that wait until less of a connection is pending. */
export class RoomWaiters {
  #waiters: { readonly maxBytes: number; readonly go: (isOpen: boolean) => void }[] = [];

  /** Resolves when at most `maxBytes` are pending, with true, or when the connection is gone, with false. */
  wait(maxBytes: number): Promise<boolean> {
    return new Promise((go) => {
      this.#waiters.push({ maxBytes, go });
    });
  }

  /** So many bytes are pending now. @returns Whether one still waits. */
  note(pendingBytes: number, isOpen: boolean): boolean {
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const waiter of waiters) {
      if (!isOpen || pendingBytes <= waiter.maxBytes) waiter.go(isOpen);
      else this.#waiters.push(waiter);
    }
    return this.#waiters.length > 0;
  }
}
