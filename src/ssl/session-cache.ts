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

  /** The session of a server. It serves more than once: many servers, Node's too, give no new one to a resumed connection. */
  get(server: string): Buffer | undefined {
    return this.#sessions.get(server);
  }

  clear(): void {
    this.#sessions.clear();
  }
}
