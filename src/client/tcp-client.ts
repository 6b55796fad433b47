import type { FetchResult } from '../core/enums.ts';
import { $link } from '../core/internals.ts';
import type { ClientHooks, ListenerOf } from '../core/listener.ts';
import { defineProperties, type OptionsOf } from '../core/properties.ts';
import type { SingleSocketProperties } from '../core/single-socket.ts';
import type { Sendable } from '../memory/sendable.ts';
import {
  type FramingOption,
  type FramingProperties,
  framingProperties,
  type PackProperties,
  type PullProperties,
  PullReader,
  packModel,
  packProperties,
  pullModel,
  pullProperties,
  pushModel,
} from '../stream/protocol-models.ts';
import type { StreamProperties } from '../stream/stream-properties.ts';
import { StreamClient, type StreamClientProperties } from './stream-client.ts';

/** Options of every TCP client: any of its properties. */
export type TcpClientOptions = OptionsOf<SingleSocketProperties & StreamProperties & StreamClientProperties>;

/** Options of a TCP pull client: any of its properties. */
export type TcpPullClientOptions = TcpClientOptions & OptionsOf<PullProperties>;

/** Options of a TCP pack client: any of its properties. */
export type TcpPackClientOptions = TcpClientOptions & OptionsOf<PackProperties>;

/**
 * A TCP client that hands on bytes as they arrive (HP-Socket's `TcpClient`).
 *
 * ```ts
 * const client = new TcpClient({
 *   onReceive(client, connId, data) { console.log(data.toString()); },
 * });
 * await client.start('127.0.0.1', 5555);
 * client.send('hello');
 * ```
 */
export class TcpClient<Extra = unknown, Data = Buffer, Message = Sendable> extends StreamClient<Extra, Message> {
  constructor(
    listener: ClientHooks<TcpClient<Extra, Data, Message>, Data> & ListenerOf<'push'>,
    options?: TcpClientOptions & FramingOption<Data, Message>,
  ) {
    super(listener, options, pushModel);
  }
}

export interface TcpClient<Extra = unknown, Data = Buffer, Message = Sendable>
  extends FramingProperties<Data, Message> {}
defineProperties(TcpClient.prototype, framingProperties);

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

  readonly #reader = new PullReader();

  /**
   * Takes `length` bytes, all or nothing (`Fetch`, PULL-C-001). They are the caller's own.
   * @returns null while fewer are held, which is no failure, and if the client is not connected or became a stream.
   * @throws RangeError if `length` is no whole number above 0.
   */
  fetch(length: number): Buffer | null {
    return this.#reader.read(this[$link]?.protocol, length, false);
  }

  /** As `fetch`, and leaves the bytes where they are: what is returned is a copy (`Peek`, PULL-C-002). */
  peek(length: number): Buffer | null {
    return this.#reader.read(this[$link]?.protocol, length, true);
  }

  /** HP-Socket's number of how the last `fetch` or `peek` ended (`EnFetchResult`). */
  get lastFetchResult(): FetchResult {
    return this.#reader.lastResult;
  }
}

export interface TcpPullClient<Extra = unknown> extends PullProperties {}
defineProperties(TcpPullClient.prototype, pullProperties);

/**
 * A TCP client whose messages are packages: a 4-byte header and a body, sent whole and received whole (HP-Socket's
 * `TcpPackClient`, byte for byte). `onReceive` gets one body.
 */
export class TcpPackClient<Extra = unknown> extends StreamClient<Extra> {
  constructor(
    listener: ClientHooks<TcpPackClient<Extra>, Buffer> & ListenerOf<'pack'>,
    options?: TcpPackClientOptions,
  ) {
    super(listener, options, packModel);
  }
}

export interface TcpPackClient<Extra = unknown> extends PackProperties {}
defineProperties(TcpPackClient.prototype, packProperties);
