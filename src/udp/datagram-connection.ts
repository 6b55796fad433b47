import type { Component } from '../core/component.ts';
import { Connection } from '../core/connection.ts';
import { SocketErrorCode } from '../core/enums.ts';
import { Errno } from '../core/errno.ts';
import { $refuse } from '../core/internals.ts';
import { type Sendable, toBytes } from '../memory/sendable.ts';
import type { ProxyHeader } from '../protocol/preambles/proxy-header.ts';
import type { UdpConnection } from './udp-connection.ts';
import { type DatagramSender, sendPacketsOn } from './udp-send.ts';
import type { UdpConnectionStats } from './udp-stats.ts';

/** One peer of a UDP or ARQ component: what there is for every connection, and sends. */
export class DatagramConnection<Extra = unknown> extends Connection<Extra> {
  readonly #component: DatagramSender;
  readonly #connection: UdpConnection;
  readonly #canPause: boolean;

  /** @internal */
  constructor(component: Component, connection: UdpConnection, canPause: boolean) {
    super(component, connection);
    this.#component = component as DatagramSender;
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

  /**
   * Sends several pieces as one datagram, over ARQ as one message (`SendPackets`, CS-003, CLI-004). Results as `send`; EINVAL
   * for an empty list, EMSGSIZE if they are too large together.
   */
  sendPackets(packets: readonly Sendable[]): boolean {
    return sendPacketsOn(this.#component, this.#connection, packets);
  }

  /** Snapshot of the connection's counters; over ARQ with those of KCP. */
  override stats(): UdpConnectionStats {
    return this.#connection.stats();
  }
}
