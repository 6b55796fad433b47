import type { SocketAddress } from '../core/address.ts';

/** The senders of what a `UdpCast` receives: it hears anybody on its port (CAST-009). */
export class CastSenders {
  /** Sender of the datagram that is being delivered, or was last. */
  latest: SocketAddress | null = null;
  /** Those of datagrams that may wait for the listener. */
  readonly #senders = new WeakMap<Buffer, SocketAddress>();

  /** A datagram came. */
  came(bytes: Buffer, address: string, port: number): void {
    this.#senders.set(bytes, { address, port });
  }

  /** It goes to the listener now. */
  delivers(bytes: Buffer): void {
    this.latest = this.#senders.get(bytes) ?? this.latest;
  }
}
