import type { FetchResult } from '../core/enums.ts';
import { $table, $unknownId } from '../core/internals.ts';
import type { AgentHooks, ConnId, ListenerOf } from '../core/listener.ts';
import { defineProperties, type OptionsOf } from '../core/properties.ts';
import { type PullProperties, PullReader, pullModel, pullProperties } from '../stream/pull-model.ts';
import { StreamAgent } from './stream-agent.ts';
import type { TcpAgentOptions } from './tcp-agent.ts';

/** Options of a TCP pull agent: any of its properties. */
export type TcpPullAgentOptions = TcpAgentOptions & OptionsOf<PullProperties>;

/**
 * A TCP agent that holds received bytes until they are fetched (HP-Socket's `TcpPullAgent`). `onReceive` gets the total
 * number of bytes held.
 */
export class TcpPullAgent<Extra = unknown> extends StreamAgent<Extra> {
  constructor(listener: AgentHooks<TcpPullAgent<Extra>, number> & ListenerOf<'pull'>, options?: TcpPullAgentOptions) {
    super(listener, options, pullModel);
  }

  readonly #reader = new PullReader();

  /**
   * Takes `length` bytes, all or nothing (`Fetch`, PULL-S-001). They are the caller's own.
   * @returns null while fewer are held, which is no failure, and for an unknown ID or a connection that became a stream.
   * @throws RangeError if `length` is no whole number above 0.
   */
  fetch(connId: ConnId, length: number): Buffer | null {
    return this.#read('fetch', connId, length);
  }

  /** As `fetch`, and leaves the bytes where they are: what is returned is a copy (`Peek`, PULL-S-002). */
  peek(connId: ConnId, length: number): Buffer | null {
    return this.#read('peek', connId, length);
  }

  /** HP-Socket's number of how the last `fetch` or `peek` ended (`EnFetchResult`). */
  get lastFetchResult(): FetchResult {
    return this.#reader.lastResult;
  }

  #read(operation: 'fetch' | 'peek', connId: ConnId, length: number): Buffer | null {
    const connection = this[$table].get(connId);
    const bytes = this.#reader.read(connection?.protocol, length, operation === 'peek');
    if (connection === undefined) this[$unknownId](operation, connId);
    return bytes;
  }
}

export interface TcpPullAgent<Extra = unknown> extends PullProperties {}
defineProperties(TcpPullAgent.prototype, pullProperties);
