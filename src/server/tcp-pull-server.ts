import type { FetchResult } from '../core/enums.ts';
import { $table, $unknownId } from '../core/internals.ts';
import type { ConnId, ListenerOf, ServerHooks } from '../core/listener.ts';
import { defineProperties, type OptionsOf } from '../core/properties.ts';
import { type PullProperties, PullReader, pullModel, pullProperties } from '../stream/pull-model.ts';
import { StreamServer } from './stream-server.ts';
import type { TcpServerOptions } from './tcp-server.ts';

/** Options of a TCP pull server: any of its properties. */
export type TcpPullServerOptions = TcpServerOptions & OptionsOf<PullProperties>;

/**
 * A TCP server that holds received bytes until they are fetched (HP-Socket's `TcpPullServer`). `onReceive` gets the total
 * number of bytes held.
 */
export class TcpPullServer<Extra = unknown> extends StreamServer<Extra> {
  constructor(
    listener: ServerHooks<TcpPullServer<Extra>, number> & ListenerOf<'pull'>,
    options?: TcpPullServerOptions,
  ) {
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

export interface TcpPullServer<Extra = unknown> extends PullProperties {}
defineProperties(TcpPullServer.prototype, pullProperties);
