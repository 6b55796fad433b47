import type { ComplexSocketProperties } from '../core/complex-socket.ts';
import type { FetchResult } from '../core/enums.ts';
import { $table, $unknownId } from '../core/internals.ts';
import type { ConnId, ListenerOf, ServerHooks } from '../core/listener.ts';
import { defineProperties, type OptionsOf } from '../core/properties.ts';
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
import { StreamServer, type StreamServerProperties } from './stream-server.ts';

/** Options of every TCP server: any of its properties. */
export type TcpServerOptions = OptionsOf<ComplexSocketProperties & StreamProperties & StreamServerProperties>;

/** Options of a TCP pull server: any of its properties. */
export type TcpPullServerOptions = TcpServerOptions & OptionsOf<PullProperties>;

/** Options of a TCP pack server: any of its properties. */
export type TcpPackServerOptions = TcpServerOptions & OptionsOf<PackProperties>;

/**
 * A TCP server that hands on bytes as they arrive (HP-Socket's `TcpServer`).
 *
 * ```ts
 * const echo = new TcpServer({
 *   onReceive(server, connId, data) { server.send(connId, data); },
 * });
 * const { port } = await echo.start('127.0.0.1', 0);
 * ```
 */
export class TcpServer<Extra = unknown, Data = Buffer, Message = Sendable> extends StreamServer<Extra, Message> {
  constructor(
    listener: ServerHooks<TcpServer<Extra, Data, Message>, Data> & ListenerOf<'push'>,
    options?: TcpServerOptions & FramingOption<Data, Message>,
  ) {
    super(listener, options, pushModel);
  }
}

export interface TcpServer<Extra = unknown, Data = Buffer, Message = Sendable>
  extends FramingProperties<Data, Message> {}
defineProperties(TcpServer.prototype, framingProperties);

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

/**
 * A TCP server whose messages are packages: a 4-byte header and a body, sent whole and received whole (HP-Socket's
 * `TcpPackServer`, byte for byte). `onReceive` gets one body.
 */
export class TcpPackServer<Extra = unknown> extends StreamServer<Extra> {
  constructor(
    listener: ServerHooks<TcpPackServer<Extra>, Buffer> & ListenerOf<'pack'>,
    options?: TcpPackServerOptions,
  ) {
    super(listener, options, packModel);
  }
}

export interface TcpPackServer<Extra = unknown> extends PackProperties {}
defineProperties(TcpPackServer.prototype, packProperties);
