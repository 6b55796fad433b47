import type { ComplexSocketProperties } from '../core/complex-socket.ts';
import type { FetchResult } from '../core/enums.ts';
import type { ConnId, ServerHooks } from '../core/listener.ts';
import { defineProperties } from '../core/properties.ts';
import {
  type PackProperties,
  type PullProperties,
  packModel,
  packProperties,
  pullModel,
  pullProperties,
  pushModel,
  readPulled,
} from '../stream/protocol-models.ts';
import type { StreamProperties } from '../stream/stream-properties.ts';
import { StreamServer, type StreamServerProperties } from './stream-server.ts';

/** Options of every TCP server: any of its properties. */
export type TcpServerOptions = Partial<ComplexSocketProperties & StreamProperties & StreamServerProperties>;

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
export class TcpServer<Extra = unknown> extends StreamServer<Extra> {
  constructor(listener: ServerHooks<TcpServer<Extra>, Buffer>, options?: TcpServerOptions) {
    super(listener, options, pushModel);
  }
}

/**
 * A TCP server that holds received bytes until they are fetched (HP-Socket's `TcpPullServer`). `onReceive` gets the total
 * number of bytes held.
 */
export class TcpPullServer<Extra = unknown> extends StreamServer<Extra> {
  constructor(
    listener: ServerHooks<TcpPullServer<Extra>, number>,
    options?: TcpServerOptions & Partial<PullProperties>,
  ) {
    super(listener, options, pullModel);
  }

  /** Takes `length` bytes, or tells why not: all or nothing (`Fetch`, PULL-S-001). The bytes are the caller's own. */
  fetch(connId: ConnId, length: number): Buffer | FetchResult {
    return readPulled(this.table.get(connId)?.protocol, length, false);
  }

  /** As `fetch`, and leaves the bytes where they are (`Peek`, PULL-S-002). */
  peek(connId: ConnId, length: number): Buffer | FetchResult {
    return readPulled(this.table.get(connId)?.protocol, length, true);
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
    listener: ServerHooks<TcpPackServer<Extra>, Buffer>,
    options?: TcpServerOptions & Partial<PackProperties>,
  ) {
    super(listener, options, packModel);
  }
}

export interface TcpPackServer<Extra = unknown> extends PackProperties {}
defineProperties(TcpPackServer.prototype, packProperties);
