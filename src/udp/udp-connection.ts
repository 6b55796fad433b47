import { isCloseNotify } from '../arq/index.ts';
import { ConnectionState } from '../connection/state.ts';
import type { ManagedConnection } from '../core/connection.ts';
import { HandleResult, SocketErrorCode, SocketOperation } from '../core/enums.ts';
import { Errno } from '../core/errno.ts';
import { describeSystemError } from '../core/errors.ts';
import { type HookOutcome, notifyHook, type OpeningDone, settleHook } from '../core/hooks.ts';
import { $refuse } from '../core/internals.ts';
import { Heartbeat, sendHeartbeat } from './udp-heartbeat.ts';
import type { UdpHost } from './udp-host.ts';
import { type PeerAddress, UdpLifecycle } from './udp-lifecycle.ts';
import type { UdpConnectionStats } from './udp-stats.ts';

/** Why nothing is delivered for now; bits of `hold`. */
const HELD_BY_HOOK = 1;
const HELD_BY_USER = 2;

/** One pseudo-connection of a UDP server, or the one of a UDP client: what it sends, receives and hands on while it lives. */
export class UdpConnection extends UdpLifecycle implements ManagedConnection {
  lastReceiveAt: number;
  lastHeardAt: number;
  bytesIn = 0;
  bytesOut = 0;
  datagramsIn = 0;
  datagramsOut = 0;
  messagesIn = 0;
  messagesOut = 0;
  pendingBytes = 0;
  droppedDatagrams = 0;
  protected hold = 0;
  #waiting: Buffer[] | null = null;
  #reports: Buffer[] | null = null;
  #heartbeat: Heartbeat | null = null;
  #endsAfterQueue = false;
  #mustSettle = false;

  /** @param now The present, as the wheel's clock tells it. */
  constructor(host: UdpHost, peer: PeerAddress, isClient: boolean, now: number) {
    super(host, peer, isClient, now);
    this.lastReceiveAt = now;
    this.lastHeardAt = now;
  }

  get isPaused(): boolean {
    return (this.hold & HELD_BY_USER) !== 0;
  }

  // ---- opening ---------------------------------------------------------------------------------------------------

  /** Plain UDP: `onHandShake`, and data flows. */
  protected override letIn(done: OpeningDone): void {
    // The first heartbeat leaves before anything that the hook sends, so a server knows the peer when data comes (UD-004, UD-006).
    if (this.isClient) this.beginDetect();
    if (this.state !== ConnectionState.Opening) return done(this.closedBefore('onHandShake'));
    this.shakeHands(done);
  }

  protected override begin(): void {
    this.move(ConnectionState.Open);
    this.beginDetect();
    if (this.#waiting !== null || this.#endsAfterQueue) this.settleLater();
  }

  override awaitHook(goOn: (() => void) | null): void {
    super.awaitHook(goOn);
    this.setHold(HELD_BY_HOOK, goOn !== null);
  }

  /** Whether the promise of a hook is pending. */
  protected get awaitsAnswer(): boolean {
    return (this.hold & HELD_BY_HOOK) !== 0;
  }

  /** Begins to watch over the peer. */
  protected beginDetect(): void {
    if (this.#heartbeat !== null || !Heartbeat.isWanted(this)) return;
    this.#heartbeat = new Heartbeat(this);
    if (this.state >= ConnectionState.Closing) this.host.wheel.cancel(this.#heartbeat); // nobody listens there
  }

  // ---- receiving -------------------------------------------------------------------------------------------------

  /** A datagram of the peer; its bytes are ours. */
  received(bytes: Buffer, now: number): void {
    if (this.state >= ConnectionState.Closing) return;
    const { length } = bytes;
    this.lastHeardAt = now;
    if (this.#heartbeat !== null) this.#heartbeat.missed = 0;
    this.datagramsIn++;
    if (length === 16 && isCloseNotify(bytes)) {
      if (this.isClient || length <= this.host.settings.maxDatagramSize) return this.#notified();
    }
    if (length > this.host.settings.maxDatagramSize) return this.oversize(length);
    if (length === 0) return this.#heartbeatCame();
    this.bytesIn += length;
    if (this.host.settings.markSilence) this.lastReceiveAt = now;
    this.payload(bytes, now);
  }

  #heartbeatCame(): void {
    this.host.heartbeatsIn++;
    if (!this.isClient) sendHeartbeat(this);
  }

  /** The peer says goodbye (UD-012): what came before it is still delivered. */
  #notified(): void {
    this.host.closeNotifiesIn++;
    this.endedByPeer();
    if (this.hold !== 0 || this.#waiting !== null) this.#endsAfterQueue = true;
    else this.close(SocketOperation.Close, 0, undefined, false);
  }

  /** The peer said goodbye, and what came before that still waits for the listener: what comes now is of somebody new. */
  get isLeaving(): boolean {
    return this.#endsAfterQueue;
  }

  /** After the peer's goodbye, that nobody listens there any more is no news: what it sent before is still delivered. */
  override systemFailed(errno: number, operation: SocketOperation, cause: Error | undefined): void {
    if (!this.#endsAfterQueue) super.systemFailed(errno, operation, cause);
  }

  protected oversize(length: number): void {
    this.host.drops.oversize++;
    const message = `a datagram of ${length} bytes came from the peer of connection ${this.id}; allowed are ${this.host.settings.maxDatagramSize} (maxDatagramSize)`;
    this.violated(Errno.EMSGSIZE, message);
  }

  /** A datagram with data. */
  protected payload(bytes: Buffer, _now: number): void {
    if (this.hold === 0 && this.#waiting === null && this.state === ConnectionState.Open) this.deliver(bytes, false);
    else this.#waiting = this.enqueue(this.#waiting, bytes);
  }

  /** Adds a datagram to those that wait, unless they are `maxQueuedDatagrams` already. */
  protected enqueue(waiting: Buffer[] | null, bytes: Buffer): Buffer[] {
    const queue = waiting ?? [];
    if (queue.length < this.host.settings.maxQueuedDatagrams) {
      queue.push(bytes);
    } else {
      this.droppedDatagrams++;
      this.host.drops.queueFull++;
    }
    return queue;
  }

  /** Datagrams are always read: there is nothing to read ahead. */
  readAhead(): void {}

  /** One `onReceive`. */
  protected deliver(data: Buffer, isUnreliable: boolean): void {
    const { host } = this;
    this.messagesIn++;
    host.messagesIn++;
    let result: unknown;
    const { listener } = host;
    const hook = isUnreliable && listener.onReceiveUnreliable !== undefined ? 'onReceiveUnreliable' : 'onReceive';
    try {
      result = listener[hook]?.(host.owner, this.id, data);
    } catch (thrown) {
      this.hookFailed(hook, thrown, SocketOperation.Receive);
      return;
    }
    if (result !== undefined && result !== HandleResult.Ok) settleHook(result, this.outcomeOf(hook));
  }

  /** What follows from a hook that got data: while its promise is pending, nothing more is delivered. */
  protected outcomeOf(hook: string): HookOutcome {
    return {
      waits: () => this.setHold(HELD_BY_HOOK, true),
      answered: () => {
        if ((this.hold & HELD_BY_HOOK) === 0) return;
        this.setHold(HELD_BY_HOOK, false);
        this.settle();
      },
      refused: () => {
        this.setHold(HELD_BY_HOOK, false);
        this.listenerRefused(hook);
      },
      failed: (thrown) => {
        this.setHold(HELD_BY_HOOK, false);
        this.hookFailed(hook, thrown, SocketOperation.Receive);
      },
    };
  }

  /** Sets or clears one reason to deliver nothing. */
  protected setHold(bit: number, isHeld: boolean): void {
    this.hold = isHeld ? this.hold | bit : this.hold & ~bit;
  }

  pauseReceive(isPaused: boolean): void {
    this.setHold(HELD_BY_USER, isPaused);
    if (!isPaused) this.settleLater();
  }

  /** Delivers what waited at the end of this turn. */
  protected settleLater(): void {
    this.#mustSettle = true;
    this.host.schedule(this);
  }

  /** Delivers what waited, as far as the listener lets it. */
  protected settle(): void {
    const waiting = this.#waiting;
    if (waiting !== null) {
      let at = 0;
      while (at < waiting.length && this.hold === 0 && this.state === ConnectionState.Open)
        this.deliver(waiting[at++]!, false);
      if (at === waiting.length) this.#waiting = null;
      else if (at > 0) this.#waiting = waiting.slice(at);
    }
    if (this.#endsAfterQueue && this.hold === 0 && this.#waiting === null) {
      this.close(SocketOperation.Close, 0, undefined, false);
    }
  }

  /** Datagrams that wait for the listener. */
  get bufferedBytes(): number {
    return this.#waiting?.reduce((sum, { length }) => sum + length, 0) ?? 0;
  }

  // ---- sending ---------------------------------------------------------------------------------------------------

  /** Sends one datagram. */
  send(operation: string, bytes: Uint8Array): boolean {
    const { host } = this;
    const { length } = bytes;
    if (this.state > ConnectionState.Open) return this.cannotSend(operation);
    if (length === 0 || length > host.settings.maxDatagramSize) {
      const message = `a datagram of ${length} bytes is not possible, allowed are 1 to ${host.settings.maxDatagramSize} (maxDatagramSize)`;
      return host.owner[$refuse](operation, SocketErrorCode.InvalidParam, Errno.EINVAL, message, this.id);
    }
    const status = host.transmit(this, bytes, length, false);
    if (status < 0) return this.#sendRefused(operation, -status);
    this.messagesOut++;
    host.messagesOut++;
    return true;
  }

  protected cannotSend(operation: string): false {
    const errno = this.isClient ? Errno.EPERM : Errno.EBADSLT;
    return this.host.owner[$refuse](operation, SocketErrorCode.IllegalState, errno, 'it is closing', this.id);
  }

  #sendRefused(operation: string, errno: number): false {
    const message =
      errno === Errno.ENOBUFS
        ? 'the system takes no more for now and the datagram was dropped; send slower, or raise maxSendQueueBytes'
        : describeSystemError('the system refused the datagram', errno);
    return this.host.owner[$refuse](operation, SocketErrorCode.DataSend, errno, message, this.id);
  }

  /** The system refused a datagram for a reason that will stay. */
  sendFailed(errno: number): void {
    if (errno === Errno.EMSGSIZE) return;
    this.systemFailed(errno, SocketOperation.Send, undefined);
  }

  /** A datagram left; `onSend` is told at the end of this turn. */
  report(bytes: Buffer): void {
    this.#reports ??= [];
    this.#reports.push(bytes);
    this.host.schedule(this);
  }

  #reportSends(): void {
    const reports = this.#reports;
    if (reports === null) return;
    this.#reports = null;
    const { listener, owner } = this.host;
    for (const data of reports) {
      if (this.state >= ConnectionState.Closing) return;
      notifyHook(
        () => listener.onSend?.(owner, this.id, data),
        (thrown) => this.hookFailed('onSend', thrown, SocketOperation.Send),
      );
    }
  }

  override turnEnded(now: number): void {
    this.#reportSends();
    if (this.#mustSettle) {
      this.#mustSettle = false;
      this.settle();
    }
    super.turnEnded(now);
  }

  protected override closed(): void {
    if (this.#heartbeat !== null) this.host.wheel.cancel(this.#heartbeat);
    this.#waiting = null;
    this.#reports = null;
  }

  stats(): UdpConnectionStats {
    const now = this.host.wheel.clock.now();
    return {
      bytesIn: this.bytesIn,
      bytesOut: this.bytesOut,
      messagesIn: this.messagesIn,
      messagesOut: this.messagesOut,
      pendingBytes: this.pendingBytes,
      bufferedBytes: this.bufferedBytes,
      ageMs: now - this.openedAt,
      silenceMs: now - this.lastReceiveAt,
      datagramsIn: this.datagramsIn,
      datagramsOut: this.datagramsOut,
      droppedDatagrams: this.droppedDatagrams,
    };
  }
}
