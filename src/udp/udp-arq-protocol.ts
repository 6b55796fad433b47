import {
  ArqSession,
  type ArqSessionHost,
  type ArqSettings,
  handshakePeerId,
  isHandshake,
  type MigrationKey,
  type MigrationKeys,
} from '../arq/index.ts';
import { describe } from '../core/describe.ts';
import { SocketErrorCode, SocketOperation } from '../core/enums.ts';
import { Errno } from '../core/errno.ts';
import type { SocketError } from '../core/errors.ts';
import type { OpeningDone } from '../core/hooks.ts';
import { QUEUED } from '../transport/udp-socket.ts';
import type { DatagramPort, DatagramProtocol } from './datagram-protocol.ts';
import { DatagramQueue } from './datagram-queue.ts';
import { ArqBacklog } from './udp-arq-backlog.ts';
import {
  foreignConversation,
  handshakeTimeout,
  notAcknowledged,
  superseded,
  whyNotSent,
  whySessionFailed,
} from './udp-arq-errors.ts';
import { ArqPath, isPathLost, PathVerdict } from './udp-arq-path.ts';
import type { UdpConnection } from './udp-connection.ts';
import type { UdpConnectionStats } from './udp-stats.ts';
import { OwnedTimer } from './udp-timer.ts';

/** Throws for a deadline that is no number. */
export function checkDeadline(deadlineMs: number): void {
  if (typeof deadlineMs !== 'number' || Number.isNaN(deadlineMs))
    throw new TypeError(`deadlineMs must be a number, not ${describe(deadlineMs)}`);
}

/** A UDP connection with an ARQ session on top. */
export type ArqConnection = UdpConnection<ArqProtocol>;

/** What an ARQ session begins with. */
export interface ArqStart {
  readonly settings: ArqSettings;
  readonly selfId: number;
  /** A peer that has proved itself to a server with cookies. */
  readonly proved?: { peerId: number; isPeerComplete: boolean };
  /** With `migration`: keys of the component. */
  readonly keys?: MigrationKeys | null;
  /** The session may change its address from now on. */
  readonly movable?: (key: MigrationKey, port: DatagramPort) => void;
  /** The system says that nothing can be sent from this address any more. True if something is done about it. */
  readonly lost?: (giveUp: () => void) => boolean;
}

/**
 * The messages of an ARQ session. One timer calls the session with the time when `nextDueMs` says so; a session with
 * nothing in flight has none. What a turn of the event loop brings is answered at its end, so that acknowledgements and
 * messages share datagrams.
 */
export class ArqProtocol implements DatagramProtocol, ArqSessionHost {
  readonly #port: DatagramPort;
  readonly #start: ArqStart;
  /** Null until the first hook has let the connection in. */
  #session: ArqSession | null = null;
  #handshakeDone: OpeningDone | null = null;
  /** Datagrams that came while the first hook was thinking. */
  #early: DatagramQueue | null = null;
  #timer: OwnedTimer<ArqProtocol> | null = null;
  /** When the timer is set for, if it is. */
  #armedFor = 0;
  /** Set while it drains. */
  #drainTimer: OwnedTimer<ArqProtocol> | null = null;
  /** Null until a message was refused. */
  #backlog: ArqBacklog | null = null;
  /** A client whose session may change its address. */
  #path: ArqPath | null = null;

  constructor(port: DatagramPort, start: ArqStart) {
    this.#port = port;
    this.#start = start;
  }

  get hasPeer(): boolean {
    return true;
  }

  /** Messages wait in the session's receive window. */
  get hasBacklog(): boolean {
    return false;
  }

  get bufferedBytes(): number {
    return 0;
  }

  /** Own conversation ID. */
  get selfId(): number {
    return this.#start.selfId;
  }

  /** Conversation ID of the peer, 0 while unknown. */
  get peerId(): number {
    return this.#session?.peerId ?? this.#start.proved?.peerId ?? 0;
  }

  /** Whether the handshake is done. */
  get isReady(): boolean {
    return this.#session?.isReady === true;
  }

  /** Segments queued or unacknowledged (AQ-043); 0 before there is a session. */
  get waitingSendCount(): number {
    return this.#session?.waitingSendCount ?? 0;
  }

  // ---- opening ---------------------------------------------------------------------------------------------------

  /** The ARQ handshake begins (AQ-013). */
  opened(done: OpeningDone): void {
    const port = this.#port;
    const { settings, selfId, proved, keys } = this.#start;
    this.#handshakeDone = done;
    const now = port.host.wheel.now();
    // Plain KCP peers do not answer heartbeats.
    if (!port.isClient || !settings.checkConv) port.beginDetect();
    const session = new ArqSession({
      selfId,
      now,
      settings,
      host: this,
      ...(proved === undefined ? {} : { proved }),
      ...(keys === undefined || keys === null ? {} : { migration: { keys, isClient: port.isClient } }),
    });
    this.#session = session;
    if (port.isHeld) session.pause();
    session.start(now);
    const early = this.#early;
    this.#early = null;
    if (early !== null) for (const bytes of early.takeAll()) this.receive(bytes, now);
    this.arm(session, now);
  }

  /** The ARQ handshake is done. */
  onReady(): void {
    if (!this.#port.isOpening) return;
    this.#port.ready();
    this.settleHandshake(undefined); // unless the hook ended the connection, which settled it
  }

  private settleHandshake(error: SocketError | undefined): void {
    const done = this.#handshakeDone;
    this.#handshakeDone = null;
    done?.(error);
  }

  // ---- receiving -------------------------------------------------------------------------------------------------

  receive(bytes: Buffer, now: number): void {
    const port = this.#port;
    const session = this.#session;
    if (session === null) {
      this.#early ??= new DatagramQueue();
      this.#early.push(port, bytes);
      return;
    }
    if (port.isClient && this.isForAnother(session, bytes, now)) return;
    const foreignBefore = session.foreignDatagrams;
    const errno = session.input(bytes, now);
    if (errno !== 0) this.sessionFailed(errno);
    else if (session.foreignDatagrams !== foreignBefore) this.tellForeign(bytes);
    else port.host.schedule(port);
  }

  /**
   * Whether a client's packet is meant for another: for the one that had this port before, and left the server with an
   * answer on its way, or that wrote a false address, so that the server answers here. The letter of the protocol (AQ-016,
   * AQ-018) would have it end the connection.
   */
  private isForAnother(session: ArqSession, bytes: Buffer, now: number): boolean {
    let verdict: PathVerdict = PathVerdict.Ours;
    if (isHandshake(bytes)) {
      const to = handshakePeerId(bytes);
      if (to !== 0 && to !== this.selfId) verdict = PathVerdict.Foreign;
    }
    if (verdict === PathVerdict.Ours && this.#path !== null) {
      verdict = this.#path.came(bytes, session.peerId, session.isReady, now);
    }
    if (verdict === PathVerdict.Foreign) this.#port.host.drops.unknownPeer++;
    return verdict !== PathVerdict.Ours;
  }

  /** Plain KCP: a datagram of another conversation was dropped, which is what a `conv` that differs looks like. */
  private tellForeign(bytes: Buffer): void {
    const port = this.#port;
    port.host.drops.foreignConversation++;
    const message = foreignConversation(bytes, this.selfId);
    port.refuse('receive', SocketErrorCode.DataProc, Errno.EBADMSG, message);
  }

  onMessage(message: Buffer): void {
    this.#port.deliver(message, false);
  }

  onUnreliable(message: Buffer): void {
    if (this.#port.isOpen) this.#port.deliver(message, true);
  }

  pause(): void {
    this.#session?.pause();
  }

  /** Delivers the messages that waited in the receive window; the peer gets a segment that says there is room again. */
  resume(): void {
    const port = this.#port;
    if (this.#session === null) return;
    const errno = this.#session.resume(port.host.wheel.now());
    if (errno !== 0) this.sessionFailed(errno);
    else port.host.schedule(port);
  }

  private sessionFailed(errno: number): void {
    const port = this.#port;
    const { settings } = this.#start;
    if (errno !== Errno.ETIMEDOUT) {
      port.violated(errno, `connection ${port.id}: ${whySessionFailed(port, errno, settings)}`);
      return;
    }
    port.host.limits.handshakeTimeouts++;
    const error = handshakeTimeout(port, settings.handshakeTimeoutMs);
    port.close(SocketOperation.Close, port.isClient ? errno : 0, error, true); // CLS-024
  }

  // ---- another address -------------------------------------------------------------------------------------------

  onMovable(key: MigrationKey): void {
    const port = this.#port;
    if (port.isClient) {
      const { handshakeTimeoutMs } = this.#start.settings;
      this.#path = new ArqPath(port, this.selfId, key, handshakeTimeoutMs, (isMoved) => this.claimOver(isMoved));
    }
    this.#start.movable?.(key, port);
  }

  /** What a change of address is proved by; null while the peer is not known to take one. */
  get migrationKey(): MigrationKey | null {
    return this.#session?.migrationKey ?? null;
  }

  /** Whether the peer is known to take a change of address. */
  get isMovable(): boolean {
    return this.migrationKey !== null && this.#port.isOpen;
  }

  /** A client that `isMovable` claims its session at the address that it has now. Resolves to null, or to why it was not moved. */
  claim(): Promise<SocketError | null> {
    return this.#path!.claim();
  }

  private claimOver(isMoved: boolean): SocketError | null {
    const port = this.#port;
    if (isMoved) this.moved(port.host.wheel.now());
    else this.sessionFailed(Errno.ECONNRESET);
    return isMoved ? null : (port.endError ?? null);
  }

  /** The session goes on at another address. */
  moved(now: number): void {
    const port = this.#port;
    port.lastHeardAt = now;
    this.#session?.pathChanged(now);
    port.host.schedule(port);
  }

  /** What cannot leave from this address may from another. A datagram that is too large now will be too large at each resend. */
  outlives(errno: number, _operation: SocketOperation, giveUp: () => void): boolean {
    const { lost } = this.#start;
    return lost !== undefined && isPathLost(errno) && this.isMovable && lost(giveUp);
  }

  // ---- sending ---------------------------------------------------------------------------------------------------

  /** Queues one message (AQ-037). */
  send(operation: string, bytes: Uint8Array, deadlineMs?: number): boolean {
    if (deadlineMs !== undefined) checkDeadline(deadlineMs);
    const port = this.#port;
    const session = this.#session;
    if (!port.maySend) return port.cannotSend(operation);
    if (session === null) return this.refused(operation, Errno.EPERM, bytes.length);
    if (this.isDrained) {
      return port.refuse(operation, SocketErrorCode.IllegalState, Errno.EPERM, 'the connection is being drained');
    }
    const errno = session.send(bytes, port.host.wheel.now(), deadlineMs);
    if (errno === 0) return this.accepted();
    if (errno === Errno.ENOBUFS) {
      this.#backlog ??= new ArqBacklog(this.#start.settings);
      if (this.#backlog.refused(bytes.length)) port.host.schedule(port);
    }
    return this.refused(operation, errno, bytes.length);
  }

  /** Sends one unreliable message; only between two ends of this library that both have `unreliable` on. */
  sendUnreliable(bytes: Uint8Array): boolean {
    const port = this.#port;
    if (!port.maySend) return port.cannotSend('sendUnreliable');
    const errno = this.#session?.sendUnreliable(bytes, port.host.wheel.now()) ?? Errno.EPERM;
    return errno === 0 ? this.accepted() : this.refused('sendUnreliable', errno, bytes.length);
  }

  private accepted(): boolean {
    const port = this.#port;
    port.sentOne();
    port.host.schedule(port);
    return true;
  }

  private refused(operation: string, errno: number, length: number): false {
    const code = errno === Errno.EPERM ? SocketErrorCode.IllegalState : SocketErrorCode.InvalidParam;
    const message = whyNotSent(errno, length, operation === 'sendUnreliable', this.#start.settings);
    return this.#port.refuse(operation, code, errno, message);
  }

  /** A datagram of the session. */
  output(bytes: Buffer, length: number): boolean {
    const port = this.#port;
    return port.maySend && port.host.transmit(port, bytes, length, true) === QUEUED;
  }

  // ---- time ------------------------------------------------------------------------------------------------------

  turnEnded(now: number): void {
    const session = this.#session;
    if (session === null) return;
    session.flush(now);
    this.arm(session, now);
    if (this.isDrained && session.waitingSendCount === 0) this.drained(true);
    this.#backlog?.tell(this.#port, session);
  }

  /** Sets the timer for what the session will have to do next; one that comes earlier may stay. */
  private arm(session: ArqSession, now: number): void {
    const port = this.#port;
    const due = session.nextDueMs(now);
    if (due === Number.POSITIVE_INFINITY || !port.maySend) return;
    if (this.#timer?.isArmed === true && due >= this.#armedFor) return;
    this.#timer ??= new OwnedTimer<ArqProtocol>(this, sessionDue);
    this.#armedFor = due;
    port.host.wheel.arm(this.#timer, due - now);
  }

  /** The timer of the session has expired. */
  expired(): void {
    const port = this.#port;
    const session = this.#session;
    if (session === null || !port.maySend) return;
    const now = port.host.wheel.now();
    const errno = session.update(now);
    if (errno !== 0) this.sessionFailed(errno);
    else this.arm(session, now);
    // Messages may have been dropped because of their deadlines, and a caller may wait for that.
    if (this.#drainTimer !== null || this.#backlog !== null) port.host.schedule(port);
  }

  // ---- closing ---------------------------------------------------------------------------------------------------

  drain(timeoutMs: number): void {
    const port = this.#port;
    if (this.#drainTimer !== null) return;
    if (!port.isOpen || !(timeoutMs > 0)) return port.disconnect();
    this.#drainTimer = new OwnedTimer<ArqProtocol>(this, drainTimeout);
    port.host.wheel.arm(this.#drainTimer, timeoutMs);
    port.host.schedule(port);
  }

  /** Whether nothing more may be sent: it drains, and no answer is still to come. */
  private get isDrained(): boolean {
    return this.#drainTimer !== null && !this.#port.awaitsAnswer;
  }

  /** The draining took too long. */
  drainExpired(): void {
    this.drained(false);
  }

  private drained(isComplete: boolean): void {
    const port = this.#port;
    if (isComplete) return port.close(SocketOperation.Close, 0, undefined, true);
    port.close(SocketOperation.Close, Errno.ETIMEDOUT, notAcknowledged(port.id, this.waitingSendCount), true);
  }

  /** A peer with the same address but another ID has proved itself: this one is gone (CLS-026). */
  supersede(): void {
    const port = this.#port;
    port.close(SocketOperation.Receive, Errno.ECONNRESET, superseded(port.id), false);
  }

  closed(): boolean {
    const port = this.#port;
    const { wheel } = port.host;
    const hasArrived = this.waitingSendCount === 0;
    this.#session?.close();
    this.#path?.closed(port.endError ?? port.closedBefore('rebind'));
    if (this.#timer !== null) wheel.cancel(this.#timer);
    if (this.#drainTimer !== null) wheel.cancel(this.#drainTimer);
    this.#early = null;
    if (this.#handshakeDone !== null) this.settleHandshake(port.endError ?? port.closedBefore('onHandShake'));
    return hasArrived;
  }

  addStats(stats: UdpConnectionStats): void {
    if (this.#session !== null) stats.kcp = this.#session.stats();
  }
}

function sessionDue(this: OwnedTimer<ArqProtocol>): void {
  this.owner.expired();
}

function drainTimeout(this: OwnedTimer<ArqProtocol>): void {
  this.owner.drainExpired();
}
