import { isCloseNotify } from '../arq/index.ts';
import { ConnectionState } from '../connection/state.ts';
import type { ManagedConnection } from '../core/connection.ts';
import { HandleResult, SocketErrorCode, SocketOperation } from '../core/enums.ts';
import { Errno } from '../core/errno.ts';
import type { SocketError } from '../core/errors.ts';
import { callHook, type HookOutcome, notifyHook, type OpeningDone, settleHook } from '../core/hooks.ts';
import { $refuse } from '../core/internals.ts';
import type { DatagramPort, DatagramProtocol } from './datagram-protocol.ts';
import type { DatagramSource } from './datagram-source.ts';
import { Heartbeat, sendHeartbeat } from './udp-heartbeat.ts';
import type { UdpHost } from './udp-host.ts';
import { UdpLifecycle } from './udp-lifecycle.ts';
import type { UdpConnectionStats } from './udp-stats.ts';

/** Why nothing is delivered for now; bits of `#hold`. */
const HELD_BY_HOOK = 1;
const HELD_BY_USER = 2;

/**
 * One pseudo-connection of a UDP server, or the one of a UDP client: hooks, heartbeats, goodbyes and counters of what it
 * carries. What its datagrams mean is its protocol's.
 */
export class UdpConnection<P extends DatagramProtocol = DatagramProtocol>
  extends UdpLifecycle
  implements ManagedConnection, DatagramPort
{
  readonly protocol: P;
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
  #hold = 0;
  #reports: Buffer[] | null = null;
  #heartbeat: Heartbeat | null = null;
  #endsAfterBacklog = false;
  #mustResume = false;

  /** @param now The present, as the wheel's clock tells it. */
  constructor(
    host: UdpHost,
    source: DatagramSource,
    isClient: boolean,
    now: number,
    protocol: (port: DatagramPort) => P,
  ) {
    super(host, source, isClient, now);
    this.lastReceiveAt = now;
    this.lastHeardAt = now;
    this.protocol = protocol(this);
  }

  // ---- state -----------------------------------------------------------------------------------------------------

  get isOpening(): boolean {
    return this.state === ConnectionState.Opening;
  }

  get isOpen(): boolean {
    return this.state === ConnectionState.Open;
  }

  get maySend(): boolean {
    return this.state <= ConnectionState.Open;
  }

  get isPaused(): boolean {
    return (this.#hold & HELD_BY_USER) !== 0;
  }

  get isHeld(): boolean {
    return this.#hold !== 0;
  }

  get mayDeliver(): boolean {
    return this.#hold === 0 && this.state === ConnectionState.Open;
  }

  get awaitsAnswer(): boolean {
    return (this.#hold & HELD_BY_HOOK) !== 0;
  }

  get endError(): SocketError | undefined {
    return this.closeReason.error;
  }

  // ---- opening ---------------------------------------------------------------------------------------------------

  protected letIn(done: OpeningDone): void {
    this.protocol.opened(done);
  }

  protected begin(): void {
    this.move(ConnectionState.Open);
    this.beginDetect();
    if (this.protocol.hasBacklog || this.#endsAfterBacklog) this.resumeLater();
  }

  ready(): void {
    this.move(ConnectionState.Open);
    const { listener, owner } = this.host;
    callHook(() => listener.onHandShake?.(owner, this.id), this.outcomeOf('onHandShake'));
  }

  override awaitHook(goOn: (() => void) | null): void {
    super.awaitHook(goOn);
    this.setHold(HELD_BY_HOOK, goOn !== null);
  }

  beginDetect(): void {
    if (this.#heartbeat !== null || !this.hasPeer || !Heartbeat.isWanted(this)) return;
    this.#heartbeat = new Heartbeat(this);
    if (this.state >= ConnectionState.Closing) this.host.wheel.cancel(this.#heartbeat); // nobody listens there
  }

  // ---- receiving -------------------------------------------------------------------------------------------------

  /** A datagram of the peer; its bytes are ours. */
  received(bytes: Buffer, now: number): void {
    if (this.state >= ConnectionState.Closing) return;
    const { protocol, host } = this;
    const { length } = bytes;
    this.lastHeardAt = now;
    if (this.#heartbeat !== null) this.#heartbeat.missed = 0;
    this.datagramsIn++;
    if (length === 16 && protocol.hasPeer && isCloseNotify(bytes)) {
      if (this.isClient || length <= host.settings.maxDatagramSize) return this.notified();
    }
    if (length > host.settings.maxDatagramSize) return this.oversize(length);
    if (length === 0 && protocol.hasPeer) return this.heartbeatCame();
    this.bytesIn += length;
    if (host.settings.markSilence) this.lastReceiveAt = now;
    protocol.receive(bytes, now);
  }

  private heartbeatCame(): void {
    this.host.heartbeatsIn++;
    if (!this.isClient) sendHeartbeat(this);
  }

  /** The peer says goodbye (UD-012): what came before it is still delivered. */
  private notified(): void {
    this.host.closeNotifiesIn++;
    this.endedByPeer();
    if (this.isHeld || this.protocol.hasBacklog) this.#endsAfterBacklog = true;
    else this.close(SocketOperation.Close, 0, undefined, false);
  }

  /** The peer said goodbye, and what came before that still waits for the listener: what comes now is of a new one. */
  get isLeaving(): boolean {
    return this.#endsAfterBacklog;
  }

  private oversize(length: number): void {
    this.host.drops.oversize++;
    const message = `a datagram of ${length} bytes came from the peer of connection ${this.id}; allowed are ${this.host.settings.maxDatagramSize} (maxDatagramSize)`;
    this.violated(Errno.EMSGSIZE, message);
  }

  droppedOne(): void {
    this.droppedDatagrams++;
    this.host.drops.queueFull++;
  }

  /** Datagrams are always read: there is nothing to read ahead. */
  readAhead(): void {}

  deliver(data: Buffer, isUnreliable: boolean): void {
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
  private outcomeOf(hook: string): HookOutcome {
    return {
      waits: () => this.setHold(HELD_BY_HOOK, true),
      answered: () => {
        if (!this.awaitsAnswer) return;
        this.setHold(HELD_BY_HOOK, false);
        this.resumeNow();
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
  private setHold(bit: number, isHeld: boolean): void {
    this.#hold = isHeld ? this.#hold | bit : this.#hold & ~bit;
    if (this.#hold !== 0) this.protocol.pause();
  }

  pauseReceive(isPaused: boolean): void {
    this.setHold(HELD_BY_USER, isPaused);
    if (!isPaused) this.resumeLater();
  }

  /** Delivers what waited at the end of this turn. */
  private resumeLater(): void {
    this.#mustResume = true;
    this.host.schedule(this);
  }

  /** Delivers what waited, as far as the listener lets it. */
  private resumeNow(): void {
    if (!this.isHeld && this.maySend) this.protocol.resume();
    if (this.#endsAfterBacklog && !this.isHeld && !this.protocol.hasBacklog) {
      this.close(SocketOperation.Close, 0, undefined, false);
    }
  }

  /** Bytes of datagrams that wait for the listener. */
  get bufferedBytes(): number {
    return this.protocol.bufferedBytes;
  }

  // ---- sending ---------------------------------------------------------------------------------------------------

  sentOne(): void {
    this.messagesOut++;
    this.host.messagesOut++;
  }

  refuse(operation: string, code: SocketErrorCode, errno: number, message: string): false {
    return this.host.owner[$refuse](operation, code, errno, message, this.id);
  }

  cannotSend(operation: string): false {
    const errno = this.isClient ? Errno.EPERM : Errno.EBADSLT;
    return this.refuse(operation, SocketErrorCode.IllegalState, errno, 'it is closing');
  }

  /** Sends one message. False after noting why not. */
  send(operation: string, bytes: Uint8Array): boolean {
    return this.protocol.send(operation, bytes);
  }

  /** A datagram left; `onSend` is called at the end of this turn. */
  report(bytes: Buffer): void {
    this.#reports ??= [];
    this.#reports.push(bytes);
    this.host.schedule(this);
  }

  private reportSends(): void {
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
    if (this.maySend) this.protocol.turnEnded(now);
    this.reportSends();
    if (this.#mustResume) {
      this.#mustResume = false;
      this.resumeNow();
    }
    super.turnEnded(now);
  }

  // ---- ending ----------------------------------------------------------------------------------------------------

  /** After the peer's goodbye an error of the system changes nothing: what the peer sent before is still delivered. */
  systemFailed(errno: number, operation: SocketOperation, cause: Error | undefined): void {
    if (this.#endsAfterBacklog) return;
    const giveUp = (): void => this.closeBySystem(errno, operation, cause);
    if (!this.protocol.outlives(errno, operation, giveUp)) giveUp();
  }

  drain(timeoutMs: number): void {
    this.protocol.drain(timeoutMs);
  }

  protected get hasPeer(): boolean {
    return this.protocol.hasPeer;
  }

  protected closed(): void {
    if (this.#heartbeat !== null) this.host.wheel.cancel(this.#heartbeat);
    this.#reports = null;
    this.hasDrained = this.protocol.closed();
  }

  stats(): UdpConnectionStats {
    const stats: UdpConnectionStats = {
      bytesIn: this.bytesIn,
      bytesOut: this.bytesOut,
      messagesIn: this.messagesIn,
      messagesOut: this.messagesOut,
      pendingBytes: this.pendingBytes,
      bufferedBytes: this.bufferedBytes,
      ageMs: this.since(this.openedAt),
      silenceMs: this.since(this.lastReceiveAt),
      datagramsIn: this.datagramsIn,
      datagramsOut: this.datagramsOut,
      droppedDatagrams: this.droppedDatagrams,
    };
    this.protocol.addStats(stats);
    return stats;
  }
}
