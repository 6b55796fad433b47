import type { SocketOperation } from '../core/enums.ts';
import type { SocketError } from '../core/errors.ts';
import type { TurnTask } from '../core/turn-end.ts';
import type { DatagramSource } from './datagram-source.ts';

/** A UDP connection, as its host and its heartbeat see it, which must not name it: it is made of them. */
export interface UdpLink extends TurnTask {
  readonly id: number;
  readonly isClient: boolean;
  readonly source: DatagramSource;
  /** Time of the last datagram of the peer, heartbeats included. */
  readonly lastHeardAt: number;
  datagramsOut: number;
  bytesOut: number;
  pendingBytes: number;
  /** A datagram left; `onSend` is called at the end of this turn. */
  report(bytes: Buffer): void;
  /** An error of the system on the socket. */
  systemFailed(errno: number, operation: SocketOperation, cause: Error | undefined): void;
  close(operation: SocketOperation, errorCode: number, error: SocketError | undefined, isPeerTold: boolean): void;
}
