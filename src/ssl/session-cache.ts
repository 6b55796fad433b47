/** A session of a server, as an agent or client keeps it. */
export interface KeptSession {
  readonly session: Buffer;
  /** Certificates of the server: it sends none when the session is resumed. */
  readonly chain: readonly Buffer[];
  /** Version of the contexts that it was made with. With others, the server might not be trusted. */
  readonly version: number;
}

/** Sessions of servers that were connected to, for resumption: the newest one of each, and so many servers at most. */
export class SessionCache {
  readonly max: number;
  #sessions = new Map<string, KeptSession>();

  constructor(max: number) {
    this.max = max;
  }

  get size(): number {
    return this.#sessions.size;
  }

  set(server: string, session: KeptSession): void {
    this.#sessions.delete(server);
    this.#sessions.set(server, session);
    if (this.#sessions.size > this.max) {
      const [oldest] = this.#sessions.keys();
      this.#sessions.delete(oldest!);
    }
  }

  /**
   * The session of a server that was made with this version of the contexts. It serves more than once: many servers, Node's
   * too, give no new one to a resumed connection.
   */
  get(server: string, version: number): KeptSession | undefined {
    const found = this.#sessions.get(server);
    return found?.version === version ? found : undefined;
  }

  delete(server: string): void {
    this.#sessions.delete(server);
  }

  clear(): void {
    this.#sessions.clear();
  }
}
