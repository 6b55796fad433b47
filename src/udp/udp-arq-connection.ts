import {
  ArqSession,
  type ArqSessionHost,
  type ArqSettings,
  handshakePeerId,
  handshakeSelfId,
  isHandshake,
  isMigration,
  KCP_HEADER_BYTES,
  type MigrationKey,
  type MigrationKeys,
} from '../arq/index.ts';
import { ConnectionState } from '../connection/state.ts';
import { describe } from '../core/describe.ts';
import { SocketErrorCode, SocketOperation } from '../core/enums.ts';
import { Errno, errnoName } from '../core/errno.ts';
import { SocketError } from '../core/errors.ts';
import { callHook, notifyHook, type OpeningDone } from '../core/hooks.ts';
import { $refuse } from '../core/internals.ts';
import { QUEUED } from '../transport/udp-socket.ts';
import { ArqBacklog, BacklogNews } from './udp-arq-backlog.ts';
import { ArqClaim } from './udp-arq-claim.ts';
import { UdpConnection } from './udp-connection.ts';
import type { UdpHost } from './udp-host.ts';
import type { PeerAddress } from './udp-lifecycle.ts';
import type { UdpConnectionStats } from './udp-stats.ts';
import { OwnedTimer } from './udp-timer.ts';

/** What keeps the answers of a server from its clients though both are there. */
const ANSWERS_FROM_ELSEWHERE =
  ', and that a server with several addresses listens on the one that it is asked at: one that listens on 0.0.0.0 may answer from another';

/** Why datagrams of kcp-go with FEC are not taken. */
export const FEC_REFUSED =
  'the peer sends forward error correction (kcp-go with dataShards and parityShards), which is not supported; set both to 0 there';

/** Why a datagram of plain KCP was dropped: it belongs to another conversation than `conv`. */
export function foreignConversation(bytes: Buffer, conv: number): string {
  const other = bytes.length >= KCP_HEADER_BYTES ? `conversation ${bytes.readUInt32LE(0)}` : 'what is no KCP';
  return `the peer sent ${other}, and this one is ${conv}; both ends need the same conv`;
}

/** What an ARQ connection begins with, beside a UDP one. */
export interface ArqStart {
  readonly settings: ArqSettings;
  readonly selfId: number;
  /** A peer that has proved itself to a server with cookies. */
  readonly proved?: { peerId: number; isPeerComplete: boolean };
  /** With `migration`: keys of the component. */
  readonly keys?: MigrationKeys | null;
  /** The session may change its address from now on. */
  readonly movable?: (connection: ArqConnection, key: MigrationKey) => void;
  /** The system says that nothing can be sent from this address any more. True if something is done about it. */
  readonly lost?: (connection: ArqConnection, giveUp: () => void) => boolean;
}

/** Errors of the system that another address of this machine may cure. */
const lostErrors: ReadonlySet<number> = new Set([
  Errno.ENETUNREACH,
  Errno.ENETDOWN,
  Errno.EHOSTUNREACH,
  Errno.EADDRNOTAVAIL,
]);
/** After a claim, milliseconds in which a server that does not know the client makes it no other one; less than a handshake may take. */
const CLAIM_PAUSE_MS = 1_000;

/**
 * A UDP connection with the ARQ session on top. The session is told the time when `nextDueMs` says so, by one timer; a
 * session with nothing in flight has none. What a turn of the event loop brings is answered at its end, so that
 * acknowledgements and messages share datagrams.
 */
export class ArqConnection extends UdpConnection implements ArqSessionHost {
  readonly #arq: ArqSettings;
  readonly #selfId: number;
  readonly #start: ArqStart;
  #claim: ArqClaim | null = null;
  #claimedAt = Number.NEGATIVE_INFINITY;
  /** Who waits for the end of the claim. */
  #claimEnded: ((error: SocketError | null) => void)[] = [];
  #proved: ArqStart['proved'];
  #session: ArqSession | null = null;
  #timer: OwnedTimer<ArqConnection> | null = null;
  /** When the timer is set for, Infinity if it is not. */
  #armedFor = Number.POSITIVE_INFINITY;
  #handshakeDone: OpeningDone | null = null;
  /** Datagrams that came while the first hook was thinking. */
  #early: Buffer[] | null = null;
  #drainTimer: OwnedTimer<ArqConnection> | null = null;
  /** Null until a message was refused. */
  #backlog: ArqBacklog | null = null;

  constructor(host: UdpHost, peer: PeerAddress, isClient: boolean, now: number, start: ArqStart) {
    super(host, peer, isClient, now);
    this.#arq = start.settings;
    this.#selfId = start.selfId;
    this.#proved = start.proved;
    this.#start = start;
  }

  /** Own conversation ID. */
  get selfId(): number {
    return this.#selfId;
  }

  /** The session, null until the first hook has let the connection in. */
  get session(): ArqSession | null {
    return this.#session;
  }

  /** Conversation ID of the peer, 0 while unknown. */
  get peerId(): number {
    return this.#session?.peerId ?? this.#proved?.peerId ?? 0;
  }

  // ---- opening ---------------------------------------------------------------------------------------------------

  /** The first hook let the connection in: the ARQ handshake begins (AQ-013). */
  protected override letIn(done: OpeningDone): void {
    this.#handshakeDone = done;
    const now = this.host.wheel.clock.now();
    const proved = this.#proved;
    this.#proved = undefined;
    // Plain KCP peers do not answer heartbeats.
    if (!this.isClient || !this.#arq.checkConv) this.beginDetect();
    const init = { selfId: this.#selfId, now, settings: this.#arq, host: this };
    const { keys } = this.#start;
    this.#session = new ArqSession({
      ...init,
      ...(proved === undefined ? {} : { proved }),
      ...(keys === undefined || keys === null ? {} : { migration: { keys, isClient: this.isClient } }),
    });
    if (this.hold !== 0) this.#session.pause();
    this.#session.start(now);
    const early = this.#early;
    this.#early = null;
    if (early !== null) for (const bytes of early) this.payload(bytes, now);
    this.#arm(now);
  }

  /** The ARQ handshake is done. */
  onReady(): void {
    if (this.state !== ConnectionState.Opening) return;
    this.move(ConnectionState.Open);
    const { listener, owner } = this.host;
    callHook(() => listener.onHandShake?.(owner, this.id), this.outcomeOf('onHandShake'));
    this.#settleHandshake(undefined); // unless the hook ended the connection, which settled it
  }

  #settleHandshake(error: SocketError | undefined): void {
    const done = this.#handshakeDone;
    this.#handshakeDone = null;
    done?.(error);
  }

  // ---- receiving -------------------------------------------------------------------------------------------------

  protected override payload(bytes: Buffer, now: number): void {
    const session = this.#session;
    if (session === null) {
      this.#early = this.enqueue(this.#early, bytes);
      return;
    }
    if (this.isClient && this.#isForAnother(bytes)) {
      this.host.drops.unknownPeer++;
      return;
    }
    if (session.migrationKey !== null && this.isClient) {
      if (isMigration(bytes)) {
        this.#claim?.came(bytes);
        return;
      }
      // Of another session of that server, whose client was here before.
      if (bytes.length >= KCP_HEADER_BYTES && bytes.readUInt32LE(0) !== session.peerId) {
        this.host.drops.unknownPeer++;
        return;
      }
      if (this.#isDisowned(session, bytes)) {
        if (
          this.#claim === null &&
          now - this.#claimedAt >= Math.min(CLAIM_PAUSE_MS, this.#arq.handshakeTimeoutMs >> 2)
        )
          this.claim();
        return;
      }
    }
    const foreignBefore = session.foreignDatagrams;
    const errno = session.input(bytes, now);
    if (errno !== 0) this.#sessionFailed(errno);
    else if (session.foreignDatagrams !== foreignBefore) this.#tellForeign(bytes);
    else this.host.schedule(this);
  }

  /** Plain KCP: a datagram of another conversation was dropped, which is what a `conv` that differs looks like. */
  #tellForeign(bytes: Buffer): void {
    const { host, id } = this;
    host.drops.foreignConversation++;
    const message = foreignConversation(bytes, this.#selfId);
    host.owner[$refuse]('receive', SocketErrorCode.DataProc, Errno.EBADMSG, message, id);
  }

  /**
   * Whether a client's packet is meant for somebody else: whoever had this port before, and left the server with an answer on
   * its way; or who wrote a false address, so that the server answers here. The letter of the protocol (AQ-016, AQ-018) would
   * have it end the connection.
   */
  #isForAnother(bytes: Buffer): boolean {
    if (!isHandshake(bytes)) return false;
    const to = handshakePeerId(bytes);
    return to !== 0 && to !== this.#selfId;
  }

  /** Whether the server says that it knows no connection with this address, by a packet of an ID that it never had. */
  #isDisowned(session: ArqSession, bytes: Buffer): boolean {
    return session.isReady && isHandshake(bytes) && handshakeSelfId(bytes) !== session.peerId;
  }

  // ---- another address -------------------------------------------------------------------------------------------

  onMovable(key: MigrationKey): void {
    this.#start.movable?.(this, key);
  }

  /** Whether the peer is known to take a change of address. */
  get isMovable(): boolean {
    return this.#session !== null && this.#session.migrationKey !== null && this.state === ConnectionState.Open;
  }

  /** A client claims its session at the address that it has now. Resolves to null when the server has moved it, else why not. */
  claim(): Promise<SocketError | null> {
    return new Promise((resolve) => {
      this.#claimEnded.push(resolve);
      this.#claim?.cancel();
      this.#claim = new ArqClaim(this, this.#session!.migrationKey!, this.#arq.handshakeTimeoutMs, (isMoved) =>
        this.#claimOver(isMoved),
      );
    });
  }

  #claimOver(isMoved: boolean): void {
    const now = this.host.wheel.clock.now();
    this.#claim?.cancel();
    this.#claim = null;
    this.#claimedAt = now;
    if (isMoved) this.moved(now);
    else this.#sessionFailed(Errno.ECONNRESET);
    this.#tellClaim(isMoved ? null : (this.closeReason.error ?? null));
  }

  #tellClaim(error: SocketError | null): void {
    for (const ended of this.#claimEnded.splice(0)) ended(error);
  }

  /** The session goes on at another address. */
  moved(now: number): void {
    this.lastHeardAt = now;
    this.#session?.pathChanged(now);
    this.host.schedule(this);
  }

  override systemFailed(errno: number, operation: SocketOperation, cause: Error | undefined): void {
    const { lost } = this.#start;
    const giveUp = (): void => super.systemFailed(errno, operation, cause);
    if (lost === undefined || !lostErrors.has(errno) || !this.isMovable || !lost(this, giveUp)) giveUp();
  }

  onMessage(message: Buffer): void {
    this.deliver(message, false);
  }

  onUnreliable(message: Buffer): void {
    if (this.state === ConnectionState.Open) this.deliver(message, true);
  }

  protected override setHold(bit: number, isHeld: boolean): void {
    super.setHold(bit, isHeld);
    if (this.hold !== 0) this.#session?.pause();
  }

  /** Delivers the messages that waited in the receive window; the peer is told that there is room again. */
  protected override settle(): void {
    if (this.hold === 0 && this.#session !== null && this.state <= ConnectionState.Open) {
      const errno = this.#session.resume(this.host.wheel.clock.now());
      if (errno !== 0) this.#sessionFailed(errno);
      else this.host.schedule(this);
    }
    super.settle();
  }

  #sessionFailed(errno: number): void {
    const settings = this.#arq;
    if (errno === Errno.ETIMEDOUT) {
      this.host.limits.handshakeTimeouts++;
      const error = new SocketError({
        socketError: SocketErrorCode.ConnectServer,
        errno,
        operation: 'handshake',
        connId: this.id,
        message: `the ARQ handshake of connection ${this.id} with ${this.remoteAddress}:${this.remotePort} did not end within ${settings.handshakeTimeoutMs} ms (handshakeTimeoutMs); check that an ARQ peer is there${this.isClient ? ANSWERS_FROM_ELSEWHERE : ''}`,
      });
      // CLS-024
      this.close(SocketOperation.Close, this.isClient ? errno : 0, error, true);
      return;
    }
    const reason =
      errno === Errno.ECONNRESET
        ? this.#whyReset()
        : errno === Errno.EMSGSIZE
          ? `the peer sent a message of more than ${settings.maxMessageSize} bytes (maxMessageSize)`
          : errno === Errno.EPROTO
            ? FEC_REFUSED
            : 'the peer sent what is no ARQ datagram';
    this.violated(errno, `connection ${this.id}: ${reason}`);
  }

  #whyReset(): string {
    return this.isClient
      ? 'the server does not know this connection: it was restarted, has closed it, or sees this client under another address now (another network, a NAT that forgot)'
      : 'the peer is another one than before: it was restarted, or another client has its address now';
  }

  /** A peer with the same address but another ID has proved itself: this one is gone (CLS-026). */
  supersede(): void {
    const error = new SocketError({
      socketError: SocketErrorCode.Network,
      errno: Errno.ECONNRESET,
      operation: 'receive',
      connId: this.id,
      message: `connection ${this.id}: the peer was restarted and came back with the same address (${errnoName(Errno.ECONNRESET)})`,
    });
    this.close(SocketOperation.Receive, Errno.ECONNRESET, error, false);
  }

  // ---- sending ---------------------------------------------------------------------------------------------------

  /** Queues one message (AQ-037). */
  override send(operation: string, bytes: Uint8Array, deadlineMs?: number): boolean {
    if (deadlineMs !== undefined && (typeof deadlineMs !== 'number' || Number.isNaN(deadlineMs)))
      throw new TypeError(`deadlineMs must be a number, not ${describe(deadlineMs)}`);
    const session = this.#session;
    if (this.state > ConnectionState.Open) return this.cannotSend(operation);
    if (session === null || this.#isDrained) return this.#refused(operation, Errno.EPERM, bytes.length);
    const now = this.host.wheel.clock.now();
    const errno = session.send(bytes, now, deadlineMs);
    if (errno === 0) return this.#accepted();
    if (errno === Errno.ENOBUFS) {
      this.#backlog ??= new ArqBacklog(this.#arq);
      if (this.#backlog.refused(bytes.length)) this.host.schedule(this);
    }
    return this.#refused(operation, errno, bytes.length);
  }

  /** Sends one unreliable message; only between two ends of this library that both have `unreliable` on. */
  sendUnreliable(bytes: Uint8Array): boolean {
    const session = this.#session;
    if (this.state > ConnectionState.Open) return this.cannotSend('sendUnreliable');
    if (session === null) return this.#refused('sendUnreliable', Errno.EPERM, bytes.length);
    const errno = session.sendUnreliable(bytes, this.host.wheel.clock.now());
    if (errno !== 0) return this.#refused('sendUnreliable', errno, bytes.length);
    return this.#accepted();
  }

  #accepted(): boolean {
    this.messagesOut++;
    this.host.messagesOut++;
    this.host.schedule(this);
    return true;
  }

  #refused(operation: string, errno: number, length: number): false {
    const settings = this.#arq;
    let message = 'the ARQ handshake is not done yet; send from onHandShake on';
    if (errno === Errno.EPERM && this.#isDrained) message = 'the connection is being drained';
    if (errno === Errno.EINVAL || errno === Errno.EMSGSIZE) {
      message =
        operation === 'sendUnreliable'
          ? `an unreliable message of ${length} bytes is not possible, allowed are 1 to ${settings.maxSegmentBytes} (maxTransUnit - 24)`
          : `a message of ${length} bytes is not possible, allowed are 1 to ${settings.maxMessageSize} (maxMessageSize)`;
    }
    if (errno === Errno.ENOBUFS)
      message = 'too many messages wait for the peer (maxWaitingSendCount); wait for onSendDrained';
    if (errno === Errno.EOPNOTSUPP) {
      message = 'the peer is not known to take unreliable messages; set the option unreliable at both ends';
    }
    const code = errno === Errno.EPERM ? SocketErrorCode.IllegalState : SocketErrorCode.InvalidParam;
    return this.host.owner[$refuse](operation, code, errno, message, this.id);
  }

  /** A datagram of the session. */
  output(bytes: Buffer, length: number): boolean {
    if (this.state > ConnectionState.Open) return false;
    return this.host.transmit(this, bytes, length, true) === QUEUED;
  }

  override sendFailed(errno: number): void {
    // A datagram that is too large now will be too large at each resend.
    this.systemFailed(errno, SocketOperation.Send, undefined);
  }

  // ---- time ------------------------------------------------------------------------------------------------------

  override turnEnded(now: number): void {
    const session = this.#session;
    if (session !== null && this.state <= ConnectionState.Open) {
      session.flush(now);
      this.#arm(now);
      if (this.#isDrained && session.waitingSendCount === 0) this.drained(true);
      if (this.#backlog !== null) this.#tellBacklog(this.#backlog, session);
    }
    super.turnEnded(now);
  }

  #tellBacklog(backlog: ArqBacklog, session: ArqSession): void {
    const { listener, owner } = this.host;
    while (this.state === ConnectionState.Open) {
      const waitingCount = session.waitingSendCount;
      const news = backlog.next(waitingCount);
      if (news === BacklogNews.None) return;
      const hook = news === BacklogNews.Blocked ? 'onSendBlocked' : 'onSendDrained';
      notifyHook(
        () => listener[hook]?.(owner, this.id, waitingCount),
        (thrown) => this.hookFailed(hook, thrown, SocketOperation.Send),
      );
    }
  }

  /** Sets the timer for what the session will have to do next; one that comes earlier may stay. */
  #arm(now: number): void {
    const due = this.#session!.nextDueMs(now);
    if (due >= this.#armedFor || this.state > ConnectionState.Open) return;
    this.#timer ??= new OwnedTimer<ArqConnection>(this, arqExpired);
    this.#armedFor = due;
    this.host.wheel.arm(this.#timer, due - now);
  }

  expired(): void {
    this.#armedFor = Number.POSITIVE_INFINITY;
    const session = this.#session;
    if (session === null || this.state > ConnectionState.Open) return;
    const now = this.host.wheel.clock.now();
    const errno = session.update(now);
    if (errno !== 0) this.#sessionFailed(errno);
    else this.#arm(now);
    // Messages may have been dropped because of their deadlines, and somebody may wait for that.
    if (this.#drainTimer !== null || this.#backlog !== null) this.host.schedule(this);
  }

  // ---- closing ---------------------------------------------------------------------------------------------------

  /** Takes no more messages, waits until the peer has acknowledged all, then closes; at the latest in `timeoutMs`. */
  override drain(timeoutMs: number): void {
    if (this.#drainTimer !== null) return;
    if (this.state !== ConnectionState.Open || !(timeoutMs > 0)) return this.disconnect();
    this.#drainTimer = new OwnedTimer<ArqConnection>(this, drainExpired);
    this.host.wheel.arm(this.#drainTimer, timeoutMs);
    this.host.schedule(this);
  }

  /** Whether nothing more may be sent: it drains, and no answer is still to come. */
  get #isDrained(): boolean {
    return this.#drainTimer !== null && !this.awaitsAnswer;
  }

  drained(isComplete: boolean): void {
    if (isComplete) return this.close(SocketOperation.Close, 0, undefined, true);
    const error = new SocketError({
      socketError: SocketErrorCode.Network,
      errno: Errno.ETIMEDOUT,
      operation: 'drain',
      connId: this.id,
      message: `the peer of connection ${this.id} did not acknowledge the last ${this.#session?.waitingSendCount} segments in time`,
    });
    this.close(SocketOperation.Close, Errno.ETIMEDOUT, error, true);
  }

  protected override closed(): void {
    super.closed();
    const { wheel } = this.host;
    this.hasDrained = (this.#session?.waitingSendCount ?? 0) === 0;
    this.#session?.close();
    this.#claim?.cancel();
    if (this.#claimEnded.length > 0) this.#tellClaim(this.closeReason.error ?? this.closedBefore('rebind'));
    if (this.#timer !== null) wheel.cancel(this.#timer);
    if (this.#drainTimer !== null) wheel.cancel(this.#drainTimer);
    this.#early = null;
    this.#settleHandshake(this.closeReason.error ?? this.closedBefore('onHandShake'));
  }

  /** Segments queued or unacknowledged (AQ-043); undefined before there is a session. */
  get waitingSendCount(): number | undefined {
    return this.#session?.waitingSendCount;
  }

  override stats(): UdpConnectionStats {
    const stats = super.stats();
    if (this.#session !== null) stats.kcp = this.#session.stats();
    return stats;
  }
}

function arqExpired(this: OwnedTimer<ArqConnection>): void {
  this.owner.expired();
}

function drainExpired(this: OwnedTimer<ArqConnection>): void {
  this.owner.drained(false);
}
