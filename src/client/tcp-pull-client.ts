import type { StreamConnection } from '../connection/stream-connection.ts';
import type { FetchResult } from '../core/enums.ts';
import { $link, $makeFace, $pullReader } from '../core/internals.ts';
import type { ClientHooks, ListenerOf } from '../core/listener.ts';
import { defineProperties, type OptionsOf } from '../core/properties.ts';
import { PullConnection } from '../stream/pull-connection.ts';
import { type PullProperties, PullReader, pullModel, pullProperties } from '../stream/pull-model.ts';
import { StreamClient } from './stream-client.ts';
import type { TcpClientOptions } from './tcp-client.ts';

/** Options of a TCP pull client: any of its properties. */
export type TcpPullClientOptions = TcpClientOptions & OptionsOf<PullProperties>;

/**
 * A TCP client that holds received bytes until they are fetched (HP-Socket's `TcpPullClient`). `onReceive` gets the total
 * number of bytes held.
 */
export class TcpPullClient<Extra = unknown> extends StreamClient<Extra> {
  constructor(
    listener: ClientHooks<TcpPullClient<Extra>, number> & ListenerOf<'pull'>,
    options?: TcpPullClientOptions,
  ) {
    super(listener, options, pullModel);
  }

  /** @internal */
  protected readonly [$pullReader] = new PullReader();

  /** @internal */
  protected override [$makeFace](connection: StreamConnection): PullConnection<Extra> {
    return new PullConnection(this, connection);
  }

  /**
   * Takes `length` bytes, all or nothing (`Fetch`, PULL-C-001). They are the caller's own.
   * @returns null while fewer are held, which is no failure, and if the client is not connected or became a stream.
   * @throws RangeError if `length` is no whole number above 0.
   */
  fetch(length: number): Buffer | null {
    return this[$pullReader].read(this[$link]?.protocol, length, false);
  }

  /** As `fetch`, and leaves the bytes where they are: what is returned is a copy (`Peek`, PULL-C-002). */
  peek(length: number): Buffer | null {
    return this[$pullReader].read(this[$link]?.protocol, length, true);
  }

  /** HP-Socket's number of how the last `fetch` or `peek` ended (`EnFetchResult`). */
  get lastFetchResult(): FetchResult {
    return this[$pullReader].lastResult;
  }
}

export interface TcpPullClient<Extra = unknown> extends PullProperties {
  /** The connection, with `fetch` and `peek`; null while there is none. Inside `onClose` it is still there. */
  get connection(): PullConnection<Extra> | null;
}
defineProperties(TcpPullClient.prototype, pullProperties);
