import type { Component } from '../core/component.ts';
import { type Sendable, toBytes } from '../memory/sendable.ts';
import { DatagramConnection } from './datagram-connection.ts';
import type { ArqConnection } from './udp-arq-protocol.ts';

/** One peer of an ARQ component: what there is for every datagram connection, and the sends that ARQ has beside `send`. */
export class UdpArqConnection<Extra = unknown> extends DatagramConnection<Extra> {
  readonly #connection: ArqConnection;

  /** @internal */
  constructor(component: Component, connection: ArqConnection, canPause: boolean) {
    super(component, connection, canPause);
    this.#connection = connection;
  }

  /**
   * Sends one message unless it could not begin to leave within `deadlineMs`: then it is dropped, and counted in
   * `stats().kcp.expiredMessages`. For data that is worth nothing when it is late. Results as `send`.
   * @param deadlineMs Milliseconds, also Infinity; 0 or less drops it.
   * @throws TypeError if that is no number.
   */
  sendWithin(data: Sendable, deadlineMs: number): boolean {
    return this.#connection.protocol.send('sendWithin', toBytes(data, 0, undefined), deadlineMs);
  }

  /**
   * Sends one message at once, unreliably, beside the reliable stream: it may be lost, repeated, reordered. Only if both
   * ends are of this library with the option `unreliable`; a peer of HP-Socket never sees one.
   * @returns false with `lastError`: EOPNOTSUPP (the peer does not take it, or has not said so yet), EMSGSIZE (larger than
   *   `maxTransUnit - 24`), else as `send`.
   */
  sendUnreliable(data: Sendable): boolean {
    return this.#connection.protocol.sendUnreliable(toBytes(data, 0, undefined));
  }

  /** Segments (not messages) that wait or are unacknowledged; 0 once it is closed (`GetWaitingSendMessageCount`, ARQ-S-023, ARQ-C-023). */
  get waitingSendMessageCount(): number {
    return this.#connection.isValid ? this.#connection.protocol.waitingSendCount : 0;
  }
}
