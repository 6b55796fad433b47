import type { SocketAddress } from '../core/address.ts';
import { SocketErrorCode, type SocketOperation } from '../core/enums.ts';
import { Errno } from '../core/errno.ts';
import type { SocketError } from '../core/errors.ts';
import { $refuse } from '../core/internals.ts';
import { UdpConnection } from './udp-connection.ts';

/** The connection of a `UdpCast`: sends to the group, receives from anybody; no heartbeats, no close notify (CA-006). */
export class CastConnection extends UdpConnection {
  /** Sender of the datagram that is being delivered, or was last. */
  sender: SocketAddress | null = null;
  /** Senders of datagrams that may wait for the listener. */
  #senders = new WeakMap<Buffer, SocketAddress>();

  /** A datagram of `address`. */
  arrived(bytes: Buffer, address: string, port: number, now: number): void {
    this.#senders.set(bytes, { address, port });
    this.received(bytes, now);
  }

  override received(bytes: Buffer, now: number): void {
    const { maxDatagramSize, markSilence } = this.host.settings;
    if (!this.isValid) return;
    this.lastHeardAt = now;
    if (markSilence) this.lastReceiveAt = now;
    this.datagramsIn++;
    this.bytesIn += bytes.length;
    if (bytes.length > maxDatagramSize) this.oversize(bytes.length);
    else this.payload(bytes, now);
  }

  protected override deliver(data: Buffer, isUnreliable: boolean): void {
    this.sender = this.#senders.get(data) ?? this.sender;
    super.deliver(data, isUnreliable);
  }

  protected override beginDetect(): void {}

  override send(operation: string, bytes: Uint8Array): boolean {
    const { host } = this;
    if (bytes.length > 0) return super.send(operation, bytes);
    if (!this.isValid) return this.cannotSend(operation);
    if (host.transmit(this, bytes, 0, false) < 0) {
      return host.owner[$refuse](operation, SocketErrorCode.DataSend, Errno.ENOBUFS, 'the system refused it', this.id);
    }
    this.messagesOut++;
    host.messagesOut++;
    return true;
  }

  override close(operation: SocketOperation, errorCode: number, error: SocketError | undefined): void {
    super.close(operation, errorCode, error, false);
  }
}
