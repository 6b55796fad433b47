import { SocketErrorCode, SocketOperation } from '../core/enums.ts';
import { Errno } from '../core/errno.ts';
import { describeSystemError } from '../core/errors.ts';
import type { OpeningDone } from '../core/hooks.ts';
import type { DatagramPort, DatagramProtocol } from './datagram-protocol.ts';
import { DatagramQueue } from './datagram-queue.ts';
import type { CastSenders } from './udp-cast-senders.ts';

/**
 * Plain UDP: each datagram is a message, of one peer, or, with `senders`, from anybody. Casts go to a group, which hears no
 * heartbeats and no close notify (CA-006); there, an empty datagram is a message as well.
 */
export class PlainProtocol implements DatagramProtocol {
  /** Null where the other end is one peer. */
  readonly senders: CastSenders | null;
  readonly #port: DatagramPort;
  #waiting: DatagramQueue | null = null;

  constructor(port: DatagramPort, senders: CastSenders | null = null) {
    this.#port = port;
    this.senders = senders;
  }

  get hasPeer(): boolean {
    return this.senders === null;
  }

  get hasBacklog(): boolean {
    return this.#waiting !== null;
  }

  get bufferedBytes(): number {
    return this.#waiting?.bytes ?? 0;
  }

  opened(done: OpeningDone): void {
    const port = this.#port;
    // The first heartbeat leaves before anything that the hook sends, so a server knows the peer when data comes (UD-004, UD-006).
    if (port.isClient) port.beginDetect();
    if (!port.isOpening) return done(port.closedBefore('onHandShake'));
    port.shakeHands(done);
  }

  receive(bytes: Buffer): void {
    const port = this.#port;
    if (this.#waiting === null && port.mayDeliver) return this.#deliver(bytes);
    this.#waiting ??= new DatagramQueue();
    this.#waiting.push(port, bytes);
  }

  #deliver(bytes: Buffer): void {
    if (this.senders !== null) this.senders.delivers(bytes);
    this.#port.deliver(bytes, false);
  }

  pause(): void {}

  resume(): void {
    if (this.#waiting?.drainInto(this.#port, (bytes) => this.#deliver(bytes)) === true) this.#waiting = null;
  }

  send(operation: string, bytes: Uint8Array): boolean {
    const port = this.#port;
    const { host } = port;
    const { length } = bytes;
    if (!port.maySend) return port.cannotSend(operation);
    if ((length === 0 && this.senders === null) || length > host.settings.maxDatagramSize) {
      const least = this.senders === null ? 1 : 0;
      const message = `a datagram of ${length} bytes is not possible, allowed are ${least} to ${host.settings.maxDatagramSize} (maxDatagramSize)`;
      return port.refuse(operation, SocketErrorCode.InvalidParam, Errno.EINVAL, message);
    }
    const status = host.transmit(port, bytes, length, false);
    if (status < 0) return port.refuse(operation, SocketErrorCode.DataSend, -status, whyNotSent(-status));
    port.sentOne();
    return true;
  }

  /** One that is too large for the way that it has to go is lost as any datagram may be. */
  outlives(errno: number, operation: SocketOperation): boolean {
    return errno === Errno.EMSGSIZE && operation === SocketOperation.Send;
  }

  turnEnded(): void {}

  /** There is nothing to wait for: what was sent is with the system. */
  drain(): void {
    this.#port.disconnect();
  }

  closed(): boolean {
    this.#waiting = null;
    return true;
  }

  addStats(): void {}
}

/** The protocol of a connection of plain UDP. */
export function plainProtocol(port: DatagramPort): PlainProtocol {
  return new PlainProtocol(port);
}

function whyNotSent(errno: number): string {
  return errno === Errno.ENOBUFS
    ? 'the system takes no more for now and the datagram was dropped; send slower, or raise maxSendQueueBytes'
    : describeSystemError('the system refused the datagram', errno);
}
