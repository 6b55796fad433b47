import type { Component } from '../core/component.ts';
import { Connection } from '../core/connection.ts';
import { SocketErrorCode } from '../core/enums.ts';
import { Errno } from '../core/errno.ts';
import { $refuse } from '../core/internals.ts';
import type { ConnId } from '../core/listener.ts';
import { type Sendable, toBytes } from '../memory/sendable.ts';
import type { ProxyHeader } from '../protocol/preambles/proxy-header.ts';
import type { UdpConnection } from './udp-connection.ts';
import { type DatagramSender, sendPacketsOn } from './udp-send.ts';
import type { UdpConnectionStats } from './udp-stats.ts';

/** Notes that a server cannot pause one peer. Always false. */
export function cannotPause(component: Component, operation: string, connId: ConnId): false {
  const message = 'a UDP server cannot pause one peer; return a promise from onReceive instead';
  return component[$refuse](operation, SocketErrorCode.IllegalState, Errno.EPERM, message, connId);
}

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

  /** As on streams; servers cannot pause one peer, and answer false (EPERM). */
  override pause(): boolean {
    return this.#mayPause ? super.pause() : cannotPause(this.#component, 'pauseReceive', this.id);
  }

  override resume(): boolean {
    return this.#mayPause ? super.resume() : cannotPause(this.#component, 'pauseReceive', this.id);
  }

  /** One that is closed says that instead. */
  get #mayPause(): boolean {
    return this.#canPause || !this.#connection.isValid;
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
