import type { SocketErrorCode, SocketOperation } from '../core/enums.ts';
import type { SocketError } from '../core/errors.ts';
import type { OpeningDone } from '../core/hooks.ts';
import type { UdpHost } from './udp-host.ts';
import type { UdpLink } from './udp-link.ts';
import type { UdpConnectionStats } from './udp-stats.ts';

/** What a UDP connection lends to its protocol. */
export interface DatagramPort extends UdpLink {
  readonly host: UdpHost;
  readonly remoteAddress: string;
  readonly remotePort: number;
  /** Time of the last sign of the peer. */
  lastHeardAt: number;

  // ---- state -----------------------------------------------------------------------------------------------------

  /** Whether its hooks have still to let the connection in, or its handshake is not done. */
  readonly isOpening: boolean;
  /** Whether data flow. */
  readonly isOpen: boolean;
  /** Whether it is opening or open, so that something may be sent. */
  readonly maySend: boolean;
  /** Whether receiving is paused, or the promise of a hook is pending. */
  readonly isHeld: boolean;
  /** Whether data flow and nothing is held. */
  readonly mayDeliver: boolean;
  /** Whether the promise of a hook is pending. */
  readonly awaitsAnswer: boolean;
  /** The error that the connection ended with, if there is one. */
  readonly endError: SocketError | undefined;

  // ---- opening ---------------------------------------------------------------------------------------------------

  /** Begins to watch over the peer, if the settings ask for it. */
  beginDetect(): void;
  /** `onHandShake`, then data flow. A refusal ends the connection without `onClose`. */
  shakeHands(done: OpeningDone): void;
  /** The handshake of the protocol is over: data flow, and `onHandShake` is called. A refusal ends the connection with `onClose`. */
  ready(): void;
  /** Why the connection is not open, though no hook refused it. */
  closedBefore(hook: string): SocketError;

  // ---- receiving -------------------------------------------------------------------------------------------------

  /** One `onReceive`, or `onReceiveUnreliable`. */
  deliver(data: Buffer, isUnreliable: boolean): void;
  /** A datagram came for which there is no room. */
  droppedOne(): void;

  // ---- sending ---------------------------------------------------------------------------------------------------

  /** A message was taken. */
  sentOne(): void;
  /** Notes why `operation` is not possible; always false. */
  refuse(operation: string, code: SocketErrorCode, errno: number, message: string): false;
  /** The same for one that is closing. */
  cannotSend(operation: string): false;
  /** A hook about sending threw. */
  hookFailed(hook: string, thrown: unknown, operation: SocketOperation): void;

  // ---- ending ----------------------------------------------------------------------------------------------------

  /** The peer broke a rule: the connection ends, and the peer gets a close notify (UD-013). */
  violated(errno: number, message: string): void;
  /** Closes the connection at the end of this turn, with a close notify. */
  disconnect(): void;
}

/**
 * What the datagrams of one connection mean, in both directions: a message each (plain UDP, casts), or those of an ARQ
 * session. The connection asks it for everything that differs between them. Heartbeats, close notifies, counters, hooks
 * and the life of the connection are the connection's.
 */
export interface DatagramProtocol {
  /** Whether the other end is one peer, which gets heartbeats and a close notify. Casts have none (CA-006). */
  readonly hasPeer: boolean;
  /** Whether datagrams wait for the listener. */
  readonly hasBacklog: boolean;
  /** Bytes of them. */
  readonly bufferedBytes: number;

  /** The first hook let the connection in: `done` is called when data flow, or with the reason why they will not. */
  opened(done: OpeningDone): void;
  /** A datagram with data, not longer than `maxDatagramSize`. Its bytes are the protocol's. */
  receive(bytes: Buffer, now: number): void;
  /** Nothing may be delivered for now; `resume` is called when that is over. */
  pause(): void;
  /** Delivers what waited, as far as the listener takes it. */
  resume(): void;
  /**
   * Sends one message; the caller has its bytes back as `UdpHost.transmit` says.
   * @param deadlineMs When it is worth nothing any more, in milliseconds from now; where messages wait at all.
   * @returns false after noting why not.
   */
  send(operation: string, bytes: Uint8Array, deadlineMs?: number): boolean;
  /**
   * An error of the system on the socket.
   * @param giveUp Ends the connection with it, for a protocol that tried something and failed.
   * @returns true if the connection goes on.
   */
  outlives(errno: number, operation: SocketOperation, giveUp: () => void): boolean;
  /** End of a turn of the event loop for which it called `UdpHost.schedule`. */
  turnEnded(now: number): void;
  /** Takes no more sends, and closes when the peer has everything, at the latest in `timeoutMs`. */
  drain(timeoutMs: number): void;
  /**
   * The connection is closing, and its peer has not been told yet.
   * @returns Whether all that was queued is known to have arrived, or nothing was.
   */
  closed(): boolean;
  /** Adds what it counts. */
  addStats(stats: UdpConnectionStats): void;
}
