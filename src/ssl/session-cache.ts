/** Sessions of servers that were connected to, for resumption: the newest one of each, and so many servers at most. */
export class SessionCache {
  readonly max: number;
  #sessions = new Map<string, Buffer>();

  constructor(max: number) {
    this.max = max;
  }

  get size(): number {
    return this.#sessions.size;
  }

  set(server: string, session: Buffer): void {
    this.#sessions.delete(server);
    this.#sessions.set(server, session);
    if (this.#sessions.size > this.max) {
      const [oldest] = this.#sessions.keys();
      this.#sessions.delete(oldest!);
    }
  }

  /** Takes the session of a server: each serves once, since servers hand out a new one with each connection. */
  take(server: string): Buffer | undefined {
    const session = this.#sessions.get(server);
    this.#sessions.delete(server);
    return session;
  }

  clear(): void {
    this.#sessions.clear();
  }
}
