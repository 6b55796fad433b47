import type { Component } from '../core/component.ts';
import { Connection } from '../core/connection.ts';
import { SocketErrorCode } from '../core/enums.ts';
import { Errno } from '../core/errno.ts';
import { $refuse } from '../core/internals.ts';
import { type Sendable, toBytes } from '../memory/sendable.ts';
import type { ProxyHeader } from '../protocol/preambles/proxy-header.ts';
import type { UdpConnection } from './udp-connection.ts';

/** One peer of a UDP or ARQ component: what there is for every connection, and sends. */
export class DatagramConnection<Extra = unknown> extends Connection<Extra> {
  readonly #component: Component;
  readonly #connection: UdpConnection;
  readonly #canPause: boolean;

  /** @internal */
  constructor(component: Component, connection: UdpConnection, canPause: boolean) {
    super(component, connection);
    this.#component = component;
    this.#canPause = canPause;
    this.#connection = connection;
  }

  /** The PROXY header of the client's first datagram, with `migration` from where it is now; null if it came with none, and without `proxyProtocol`. */
  get proxyHeader(): ProxyHeader | null {
    return this.#connection.source.header;
  }

  /** As on streams; servers cannot stop one peer, and answer false (EPERM). */
  override pause(): boolean {
    return this.#canPause ? super.pause() : this.#cannotPause();
  }

  override resume(): boolean {
    return this.#canPause ? super.resume() : this.#cannotPause();
  }

  #cannotPause(): false {
    const message = 'a UDP server cannot stop receiving from one peer only';
    return this.#component[$refuse]('pauseReceive', SocketErrorCode.IllegalState, Errno.EPERM, message, this.id);
  }

  /**
   * Sends one datagram, over ARQ one message (`Send`, CS-002).
   * @param data Bytes, or text to be sent as UTF-8.
   * @returns false with `lastError` and `lastFailure` of the component: EBADSLT (closed), EPERM (ARQ handshake not done), EINVAL
   *   or EMSGSIZE (length), ENOBUFS (queue full).
   */
  send(data: Sendable, offset = 0, length?: number): boolean {
    return this.#connection.send('send', toBytes(data, offset, length));
  }
}
