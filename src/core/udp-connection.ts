import { CLOSE_NOTIFY, isCloseNotify } from '../arq/index.ts';
import type { SocketAddress } from './address.ts';
import type { ManagedConnection } from './complex-socket.ts';
import { isThenable } from './component.ts';
import { closedBefore, datagramError, hookError, refusalError } from './connection-errors.ts';
import { HandleResult, SocketErrorCode, SocketOperation } from './enums.ts';
import { Errno, errnoName } from './errno.ts';
import { describeSystemError, internalError, SocketError } from './errors.ts';
import { askHook, type OpeningConnection, type OpeningDone } from './opening-hooks.ts';
import { Heartbeat, sendHeartbeat } from './udp-heartbeat.ts';
import type { UdpHost } from './udp-host.ts';
import type { UdpConnectionStats } from './udp-stats.ts';

/**
 * State of a UDP or ARQ connection. Legal transitions, everything else is an internal error:
 *
 * ```
 *  Opening --> Open --+
 *     |               v
 *     +----------> Closing --> Closed
 * ```
 *
 * - Opening: the first hooks run, over ARQ also the handshake. Datagrams wait.
 * - Open:    data flows.
 * - Closing: nothing is sent or delivered any more; `onClose` is called at the end of this turn. Then
 * - Closed:  the ID and the address are free.
 */
export const UdpState = Object.freeze({ Opening: 0, Open: 1, Closing: 2, Closed: 3 } as const);
export type UdpState = (typeof UdpState)[keyof typeof UdpState];

/** Why nothing is delivered for now; bits of `hold`. */
export const HELD_BY_HOOK = 1;
export const HELD_BY_USER = 2;

/** One pseudo-connection of a UDP server, or the one of a UDP client. */
export class UdpConnection implements ManagedConnection, OpeningConnection {
  id = 0;
  isScheduled = false;
  /** Whether `onClose` is owed. */
  wasLetIn = false;
  extra: unknown = undefined;
  /** Host name given to `start`, clients. */
  remoteHost = '';
  readonly host: UdpHost;
  readonly isClient: boolean;
  /** Peer as the system writes it; empty on a connected socket. */
  readonly sendAddress: string;
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly openedAt: number;
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
  closeOperation: SocketOperation = SocketOperation.Close;
  closeErrorCode = 0;
  closeError: SocketError | undefined = undefined;
  /** Called once when the connection is gone, whether it was let in or not. */
  onReleased: (() => void) | null = null;
  /** For `stop`: all that was queued is known to have arrived, or nothing was. */
  hasDrained = true;
  protected state: UdpState = UdpState.Opening;
  protected hold = 0;
  #waiting: Buffer[] | null = null;
  #reports: Buffer[] | null = null;
  #heartbeat: Heartbeat | null = null;
  #disconnects = false;
  #endsAfterQueue = false;
  #mustSettle = false;
  #isHookPending = false;
  #hasOpened = false;

  /** @param now The present, as the wheel's clock tells it. */
  constructor(
    host: UdpHost,
    peer: { sendAddress: string; remoteAddress: string; remotePort: number },
    isClient: boolean,
    now: number,
  ) {
    this.host = host;
    this.isClient = isClient;
    this.sendAddress = peer.sendAddress;
    this.remoteAddress = peer.remoteAddress;
    this.remotePort = peer.remotePort;
    this.openedAt = now;
    this.lastReceiveAt = now;
    this.lastHeardAt = now;
  }

  get isConnected(): boolean {
    return this.state <= UdpState.Open;
  }

  get isValid(): boolean {
    return this.state <= UdpState.Open;
  }

  get isPaused(): boolean {
    return (this.hold & HELD_BY_USER) !== 0;
  }

  get localAddress(): SocketAddress | null {
    const address = this.isValid ? (this.host.socket?.address() ?? null) : null;
    return address === null ? null : { address: address.address, port: address.port };
  }

  protected move(to: UdpState): void {
    if (to <= this.state) throw internalError(`UDP connection ${this.id} cannot go from state ${this.state} to ${to}`);
    this.state = to;
  }

  // ---- opening ---------------------------------------------------------------------------------------------------

  /** Runs the first hooks. `done` is told how it went: undefined if open, else why not. */
  open(firstHook: 'onAccept' | 'onConnect', done: OpeningDone): void {
    const { listener, owner } = this.host;
    const call = (): unknown =>
      firstHook === 'onAccept'
        ? listener.onAccept?.(owner, this.id, { address: this.remoteAddress, port: this.remotePort })
        : listener.onConnect?.(owner, this.id);
    askHook(this, firstHook, call, done, () => {
      this.wasLetIn = true;
      this.#hasOpened = true;
      this.host.opened++;
      if (this.state !== UdpState.Opening) {
        // It was closed while an async hook was thinking; the hook let it in, so it is owed the end as well.
        done(this.closedBefore(firstHook));
        return this.release();
      }
      this.letIn(done);
    });
  }

  /** The first hook let the connection in. Plain UDP: `onHandShake`, and data flows. */
  protected letIn(done: OpeningDone): void {
    const { listener, owner } = this.host;
    const call = (): unknown => listener.onHandShake?.(owner, this.id);
    askHook(this, 'onHandShake', call, done, () => {
      if (this.state !== UdpState.Opening) return done(this.closedBefore('onHandShake'));
      this.move(UdpState.Open);
      this.beginDetect();
      done();
      this.settle();
    });
  }

  awaitHook(isAwaited: boolean): void {
    this.#isHookPending = isAwaited && !this.wasLetIn;
    this.setHold(HELD_BY_HOOK, isAwaited);
  }

  /** A hook that may refuse the connection did: it ends without `onClose`. */
  refusedBy(hook: string, hasThrown: boolean, thrown: unknown, done: OpeningDone): void {
    const error = refusalError(this.id, hook, hasThrown, thrown);
    if (hasThrown) this.host.owner.reportHookError(this.host.listener, hook, thrown, this.id, false);
    const isClosed = this.state >= UdpState.Closing;
    this.wasLetIn = false;
    this.close(SocketOperation.Close, Errno.ECANCELED, error, true);
    if (isClosed) this.release();
    done(error);
  }

  /** Why the connection is not open, though no hook refused it. */
  protected closedBefore(hook: string): SocketError {
    return closedBefore(this.id, hook, this.closeError, this.closeErrorCode);
  }

  /** Begins to watch over the peer. */
  protected beginDetect(): void {
    if (this.#heartbeat !== null || !Heartbeat.isWanted(this)) return;
    this.#heartbeat = new Heartbeat(this);
    if (this.state >= UdpState.Closing) this.host.wheel.cancel(this.#heartbeat); // nobody listens there
  }

  // ---- receiving -------------------------------------------------------------------------------------------------

  /** A datagram of the peer; its bytes are ours. */
  received(bytes: Buffer, now: number): void {
    if (this.state >= UdpState.Closing) return;
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
    if (this.hold !== 0 || this.#waiting !== null) this.#endsAfterQueue = true;
    else this.close(SocketOperation.Close, 0, undefined, false);
  }

  protected oversize(length: number): void {
    this.host.drops.oversize++;
    const message = `a datagram of ${length} bytes came from the peer of connection ${this.id}; allowed are ${this.host.settings.maxDatagramSize} (maxDatagramSize)`;
    this.violated(Errno.EMSGSIZE, message);
  }

  /** The peer broke a rule: the connection ends, and it is told (UD-013). */
  protected violated(errno: number, message: string): void {
    const error = new SocketError({
      code: SocketErrorCode.DataProc,
      errno,
      operation: 'receive',
      connId: this.id,
      message: `${message} (${errnoName(errno)})`,
    });
    this.close(SocketOperation.Receive, errno, error, true);
  }

  /** A datagram with data. */
  protected payload(bytes: Buffer, _now: number): void {
    if (this.hold === 0 && this.#waiting === null && this.state === UdpState.Open) this.deliver(bytes, false);
    else this.#enqueue(bytes);
  }

  #enqueue(bytes: Buffer): void {
    this.#waiting ??= [];
    if (this.#waiting.length < this.host.settings.maxQueuedDatagrams) {
      this.#waiting.push(bytes);
      return;
    }
    this.droppedDatagrams++;
    this.host.drops.queueFull++;
  }

  /** One `onReceive`. */
  protected deliver(data: Buffer, isUnreliable: boolean): void {
    const { host } = this;
    this.messagesIn++;
    host.messagesIn++;
    let result: unknown;
    try {
      const { listener } = host;
      if (isUnreliable && listener.onReceiveUnreliable !== undefined) {
        result = listener.onReceiveUnreliable(host.owner, this.id, data);
      } else {
        result = listener.onReceive?.(host.owner, this.id, data);
      }
    } catch (thrown) {
      this.hookFailed('onReceive', thrown, SocketOperation.Receive);
      return;
    }
    if (result === undefined || result === HandleResult.Ok) return;
    if (result === HandleResult.Error) this.listenerRefused('onReceive');
    else if (isThenable(result)) this.waitFor('onReceive', result);
  }

  /** Holds deliveries until the promise of a hook is settled. */
  protected waitFor(hook: string, result: PromiseLike<unknown>): void {
    this.setHold(HELD_BY_HOOK, true);
    result.then(
      (value) => {
        this.setHold(HELD_BY_HOOK, false);
        if (value === HandleResult.Error) this.listenerRefused(hook);
        else this.settle();
      },
      (thrown: unknown) => {
        this.setHold(HELD_BY_HOOK, false);
        this.hookFailed(hook, thrown, SocketOperation.Receive);
      },
    );
  }

  protected listenerRefused(hook: string): void {
    const error = hookError(this.id, hook, 'answered HandleResult.Error');
    this.close(SocketOperation.Receive, Errno.ECANCELED, error, true);
  }

  /** Sets or clears one reason to deliver nothing. */
  protected setHold(bit: number, isHeld: boolean): void {
    this.hold = isHeld ? this.hold | bit : this.hold & ~bit;
  }

  pauseReceive(isPaused: boolean): void {
    this.setHold(HELD_BY_USER, isPaused);
    if (isPaused) return;
    this.#mustSettle = true;
    this.host.schedule(this);
  }

  /** Delivers what waited, as far as the listener lets it. */
  protected settle(): void {
    const waiting = this.#waiting;
    if (waiting !== null) {
      let at = 0;
      while (at < waiting.length && this.hold === 0 && this.state === UdpState.Open)
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
    if (this.state > UdpState.Open) return this.cannotSend(operation);
    if (length === 0 || length > host.settings.maxDatagramSize) {
      const message = `a datagram of ${length} bytes is not possible, allowed are 1 to ${host.settings.maxDatagramSize} (maxDatagramSize)`;
      return host.owner.refuse(operation, SocketErrorCode.InvalidParam, Errno.EINVAL, message, this.id);
    }
    const status = host.transmit(this, bytes, length, false);
    if (status < 0) return this.#sendRefused(operation, -status);
    this.messagesOut++;
    host.messagesOut++;
    return true;
  }

  protected cannotSend(operation: string): false {
    const errno = this.isClient ? Errno.EPERM : Errno.EBADSLT;
    return this.host.owner.refuse(operation, SocketErrorCode.IllegalState, errno, 'it is closing', this.id);
  }

  #sendRefused(operation: string, errno: number): false {
    const message =
      errno === Errno.ENOBUFS
        ? 'the system takes no more for now and the datagram was dropped; send slower, or raise maxSendQueueBytes'
        : describeSystemError('the system refused the datagram', errno);
    return this.host.owner.refuse(operation, SocketErrorCode.DataSend, errno, message, this.id);
  }

  /** The system refused a datagram for a reason that will stay. */
  sendFailed(errno: number): void {
    if (errno === Errno.EMSGSIZE) return;
    this.systemFailed(errno, SocketOperation.Send, undefined);
  }

  /** An error of the system. On a connected socket, ICMP's answer that nobody listens (CLS-021). */
  systemFailed(errno: number, operation: SocketOperation, cause: Error | undefined): void {
    const error = datagramError(this, operation, errno, cause);
    this.close(errno === Errno.ECONNREFUSED ? SocketOperation.Close : operation, errno, error, false);
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
      if (this.state >= UdpState.Closing) return;
      try {
        const result = listener.onSend?.(owner, this.id, data);
        if (isThenable(result)) {
          result.then(undefined, (thrown: unknown) => this.hookFailed('onSend', thrown, SocketOperation.Send));
        }
      } catch (thrown) {
        this.hookFailed('onSend', thrown, SocketOperation.Send);
      }
    }
  }

  /** End of a turn in which something was left to do. */
  turnEnded(_now: number): void {
    this.#reportSends();
    if (this.#mustSettle) {
      this.#mustSettle = false;
      this.settle();
    }
    if (this.#disconnects) this.close(SocketOperation.Close, 0, undefined, true);
    if (this.state === UdpState.Closing) this.release();
  }

  // ---- closing ---------------------------------------------------------------------------------------------------

  /** Closes the connection at the end of this turn, with a close notify. */
  disconnect(): void {
    this.#disconnects = true;
    this.host.schedule(this);
  }

  /** Plain UDP has nothing to wait for: what was sent is with the system. */
  drain(_timeoutMs: number): void {
    this.disconnect();
  }

  protected hookFailed(hook: string, thrown: unknown, operation: SocketOperation): void {
    const isTold = this.state < UdpState.Closing && this.wasLetIn;
    const error = hookError(this.id, hook, 'failed', thrown);
    this.close(operation, SocketErrorCode.DataProc, error, true);
    this.host.owner.reportHookError(this.host.listener, hook, thrown, this.id, isTold);
  }

  /** Ends the connection; the first reason given is the one that `onClose` tells, at the end of this turn. */
  close(operation: SocketOperation, errorCode: number, error: SocketError | undefined, isPeerTold: boolean): void {
    if (this.state >= UdpState.Closing) return;
    this.move(UdpState.Closing);
    this.closeOperation = operation;
    this.closeErrorCode = errorCode;
    this.closeError = error;
    if (this.#heartbeat !== null) this.host.wheel.cancel(this.#heartbeat);
    this.#waiting = null;
    this.#reports = null;
    this.closed();
    if (isPeerTold) {
      this.host.closeNotifiesOut++;
      this.host.control(CLOSE_NOTIFY, this.remotePort, this.sendAddress);
    }
    this.host.schedule(this);
  }

  /** The connection is closing, before the peer is told. */
  protected closed(): void {}

  /** Gives up waiting for a hook that never answers: used by `stop`. */
  abandonHooks(): void {
    this.#isHookPending = false;
  }

  /** Calls `onClose` if it is owed, and frees ID and address. */
  release(): void {
    // While an async onAccept or onConnect is still thinking, nobody knows whether onClose is owed.
    if (this.state !== UdpState.Closing || this.#isHookPending) return;
    this.move(UdpState.Closed);
    const { host } = this;
    if (this.#hasOpened) host.closed++;
    else host.refused++;
    host.owner.closing(this);
    if (this.wasLetIn) this.#callOnClose();
    const { onReleased } = this;
    this.onReleased = null;
    host.owner.released(this);
    onReleased?.();
  }

  #callOnClose(): void {
    const { listener, owner } = this.host;
    const report = (thrown: unknown): void => owner.reportHookError(listener, 'onClose', thrown, this.id, false);
    try {
      const result = listener.onClose?.(owner, this.id, this.closeOperation, this.closeErrorCode, this.closeError);
      if (isThenable(result)) result.then(undefined, report);
    } catch (thrown) {
      report(thrown);
    }
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
