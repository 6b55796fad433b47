import { CLOSE_NOTIFY } from '../arq/index.ts';
import type { SocketAddress } from '../core/address.ts';
import { closedBefore, datagramError, hookError, refusalError } from '../core/connection-errors.ts';
import { SocketErrorCode, SocketOperation } from '../core/enums.ts';
import { Errno, errnoName } from '../core/errno.ts';
import { internalError, SocketError } from '../core/errors.ts';
import { askHook, notifyHook, type OpeningConnection, type OpeningDone } from '../core/hooks.ts';
import type { TurnTask } from '../core/turn-end.ts';
import type { UdpHost } from './udp-host.ts';

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

/** Where a peer is: as the system writes it, and as users see it. */
export interface PeerAddress {
  /** Empty on a connected socket. */
  sendAddress: string;
  remoteAddress: string;
  remotePort: number;
}

/** The life of a UDP pseudo-connection: who its peer is, how it opens by hooks, and how it ends. What it carries comes on top. */
export abstract class UdpLifecycle implements OpeningConnection, TurnTask {
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
  closeOperation: SocketOperation = SocketOperation.Close;
  closeErrorCode = 0;
  closeError: SocketError | undefined = undefined;
  /** Called once when the connection is gone, whether it was let in or not. */
  onReleased: (() => void) | null = null;
  /** For `stop`: all that was queued is known to have arrived, or nothing was. */
  hasDrained = true;
  protected state: UdpState = UdpState.Opening;
  #disconnects = false;
  #isHookPending = false;
  #isAbandoned = false;
  #hasOpened = false;

  /** @param now The present, as the wheel's clock tells it. */
  constructor(host: UdpHost, peer: PeerAddress, isClient: boolean, now: number) {
    this.host = host;
    this.isClient = isClient;
    this.sendAddress = peer.sendAddress;
    this.remoteAddress = peer.remoteAddress;
    this.remotePort = peer.remotePort;
    this.openedAt = now;
  }

  get isConnected(): boolean {
    return this.state <= UdpState.Open;
  }

  get isValid(): boolean {
    return this.state <= UdpState.Open;
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
      // The hook had been given up, and so the connection counts as refused.
      if (this.state === UdpState.Closed) return done(this.closedBefore(firstHook));
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

  /** The first hook let the connection in. */
  protected abstract letIn(done: OpeningDone): void;

  awaitHook(goOn: (() => void) | null): void {
    this.#isHookPending = goOn !== null && !this.wasLetIn && !this.#isAbandoned;
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

  // ---- ending ----------------------------------------------------------------------------------------------------

  /** The peer broke a rule: the connection ends, and it is told (UD-013). */
  protected violated(errno: number, message: string): void {
    const error = new SocketError({
      socketError: SocketErrorCode.DataProc,
      errno,
      operation: 'receive',
      connId: this.id,
      message: `${message} (${errnoName(errno)})`,
    });
    this.close(SocketOperation.Receive, errno, error, true);
  }

  protected listenerRefused(hook: string): void {
    const error = hookError(this.id, hook, 'answered HandleResult.Error');
    this.close(SocketOperation.Receive, Errno.ECANCELED, error, true);
  }

  /** An error of the system. On a connected socket, ICMP's answer that nobody listens (CLS-021). */
  systemFailed(errno: number, operation: SocketOperation, cause: Error | undefined): void {
    const error = datagramError(this, operation, errno, cause);
    this.close(errno === Errno.ECONNREFUSED ? SocketOperation.Close : operation, errno, error, false);
  }

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
    this.closed();
    if (isPeerTold) {
      this.host.closeNotifiesOut++;
      this.host.control(CLOSE_NOTIFY, this.remotePort, this.sendAddress);
    }
    this.host.schedule(this);
  }

  /** The connection is closing, before the peer is told. */
  protected closed(): void {}

  /** End of a turn in which something was left to do. */
  turnEnded(_now: number): void {
    if (this.#disconnects) this.close(SocketOperation.Close, 0, undefined, true);
    if (this.state === UdpState.Closing) this.release();
  }

  /** Gives up waiting for a first hook that never answers: the connection, once closed, counts as not let in. */
  abandonHooks(): void {
    this.#isAbandoned = true;
    this.#isHookPending = false;
    this.host.schedule(this);
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
    if (this.wasLetIn) {
      const { listener, owner } = host;
      notifyHook(
        () => listener.onClose?.(owner, this.id, this.closeOperation, this.closeErrorCode, this.closeError),
        (thrown) => owner.reportHookError(listener, 'onClose', thrown, this.id, false),
      );
    }
    const { onReleased } = this;
    this.onReleased = null;
    host.owner.released(this);
    onReleased?.();
  }
}
