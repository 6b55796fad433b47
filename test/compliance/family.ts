import type { StreamAgent } from '../../src/agent/stream-agent.ts';
import type { StreamClient } from '../../src/client/stream-client.ts';
import type { AgentHooks, ClientHooks, ConnId, ServerHooks } from '../../src/index.ts';
import type { StreamServer } from '../../src/server/stream-server.ts';

// The suites work with components of any receive model, so their hooks are typed for all of them.
// biome-ignore lint/suspicious/noExplicitAny: see above
export type AnyServerHooks = ServerHooks<any, any>;
// biome-ignore lint/suspicious/noExplicitAny: see above
export type AnyAgentHooks = AgentHooks<any, any>;
// biome-ignore lint/suspicious/noExplicitAny: see above
export type AnyClientHooks = ClientHooks<any, any>;

/** Server, agent and client of one receive model and one transport: what a compliance suite is run with. */
export interface Family {
  /** For test titles: 'TcpPack', 'SslPull', ... */
  name: string;
  model: 'push' | 'pull' | 'pack';
  isSecure: boolean;
  server(hooks: AnyServerHooks, options?: object): StreamServer<unknown>;
  agent(hooks: AnyAgentHooks, options?: object): StreamAgent<unknown>;
  client(hooks: AnyClientHooks, options?: object): StreamClient<unknown>;
}

/** The bytes of an `onReceive`: as they came, or everything that a pull component holds. */
export function bytesOf(sender: unknown, connId: ConnId, data: Buffer | number): Buffer {
  if (typeof data !== 'number') return data;
  const { fetch } = sender as { fetch(...args: number[]): Buffer };
  return fetch.length > 1 || 'connectionCount' in (sender as object)
    ? fetch.call(sender, connId, data)
    : fetch.call(sender, data);
}

/** Hooks of a server that echoes. */
export function echo(extra: AnyServerHooks = {}): AnyServerHooks {
  return {
    onReceive(server, connId, data) {
      server.send(connId, bytesOf(server, connId, data));
    },
    ...extra,
  };
}

/** A promise with its ends outside. */
export interface Deferred<T> {
  promise: Promise<T>;
  resolve(value: T): void;
  reject(error: Error): void;
}

export function deferred<T = void>(): Deferred<T> {
  let resolve!: (value: T) => void;
  let reject!: (error: Error) => void;
  const promise = new Promise<T>((onValue, onError) => {
    resolve = onValue;
    reject = onError;
  });
  return { promise, resolve, reject };
}

/** Resolves when `isDone` answers true; asks once a turn of the event loop. */
export async function until(isDone: () => boolean): Promise<void> {
  while (!isDone()) await new Promise((resolve) => setTimeout(resolve, 1));
}

/** Records calls by name, in order, and lets tests wait for one. */
export class Journal {
  readonly entries: string[] = [];

  add(entry: string): void {
    this.entries.push(entry);
  }

  has(entry: string): boolean {
    return this.entries.includes(entry);
  }

  seen(entry: string): Promise<void> {
    return until(() => this.has(entry));
  }
}
