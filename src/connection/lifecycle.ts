import { type CloseInfo, endedBy } from '../core/close-info.ts';
import type { Component } from '../core/component.ts';
import { closedBefore, hookError, lateHookError, refusalError } from '../core/connection-errors.ts';
import { SocketErrorCode, SocketOperation } from '../core/enums.ts';
import { Errno } from '../core/errno.ts';
import { internalError, type SocketError } from '../core/errors.ts';
import { askHook, notifyHook, type OpeningConnection, type OpeningDone } from '../core/hooks.ts';
import { $closing, $released, $reportHookError } from '../core/internals.ts';
import type { AnyHooks } from '../core/listener.ts';
import { type TimerWheel, WheelTimer } from '../core/timer-wheel.ts';
import type { TurnTask } from '../core/turn-end.ts';
import { ConnectionState, isLegalTransition } from './state.ts';

/** Why a connection closed, and what of it is known then. */
export interface CloseReason {
  readonly operation: SocketOperation;
  readonly errorCode: number;
  readonly error: SocketError | undefined;
  /** Bytes that were queued and not sent. */
  readonly droppedBytes: number;
  /** When it began to close. */
  readonly closedAt: number;
}

/** The component that connections belong to, as their lives see it. */
export interface LifecycleOwner extends Component {
  /** The connection is gone, `onClose` comes next if it is owed. @internal */
  [$closing](connection: unknown): void;
  /** The connection is gone, `onClose` was called: take it out of the tables. @internal */
  [$released](connection: unknown): void;
}

/** What the lives of all connections of one run of a component share. */
export interface LifecycleHost {
  readonly owner: LifecycleOwner;
  readonly listener: AnyHooks;
  readonly wheel: TimerWheel;
  readonly settings: { readonly openingTimeoutMs: number };
  readonly limits: { opening: number };
  opened: number;
  closed: number;
  refused: number;
}

/** The reason of a connection that does not close. */
const none: CloseReason = {
  operation: SocketOperation.Close,
  errorCode: 0,
  error: undefined,
  droppedBytes: 0,
  closedAt: 0,
};

/**
 * What is true of a connection's life; bits of one number, since there may be a million connections and a field takes 8
 * bytes of each. Subclasses have bits of their own, from `FIRST_FACT_OF_SUBCLASS` on.
 */
const LET_IN = 1;
const COUNTED = 2;
const ABANDONED = 4;
const RELEASED = 8;
const ENDED_BY_PEER = 16;
const SCHEDULED = 32;
export const FIRST_FACT_OF_SUBCLASS = 64;

/**
 * The life of one connection, stream or datagram: it opens by hooks that may refuse it, is let in, closes, and is released
 * with exactly one `onClose` if it was let in. What it carries, and how the transport is closed, is the subclass's.
 */
export abstract class Lifecycle<Host extends LifecycleHost> implements OpeningConnection, TurnTask {
  id = 0;
  extra: unknown = null;
  /** The host given to `connect` or `start`, agents and clients. */
  remoteHost = '';
  readonly host: Host;
  readonly openedAt: number;
  closeReason: CloseReason = none;
  /** Called once when the connection is gone, whether it had been let in or not. */
  onReleased: (() => void) | null = null;
  /** Called once when the connection begins to close. */
  onClosing: (() => void) | null = null;
  #state: ConnectionState;
  /** Bits of what is true of it. */
  protected facts = 0;

  /** @param now The present, as the wheel's clock tells it. */
  constructor(host: Host, state: ConnectionState, now: number) {
    this.host = host;
    this.#state = state;
    this.openedAt = now;
  }

  // ---- what a subclass is ----------------------------------------------------------------------------------------

  abstract readonly remoteAddress: string;
  abstract readonly remotePort: number;
  /** Bytes that the system has not taken yet. */
  abstract readonly pendingBytes: number;
  /** Whether the promise of a hook is pending. */
  abstract readonly awaitsHook: boolean;
  /** The answer of an opening hook is awaited, or, with null, has come. */
  abstract awaitHook(goOn: (() => void) | null): void;
  abstract turnEnded(now: number): void;
  /** The first hook let the connection in: what comes next. `done` is told how it went. */
  protected abstract letIn(done: OpeningDone): void;
  /** Data may flow: the state is to be Open. */
  protected abstract begin(): void;
  /** The connection is closing: closes the transport, which calls `transportClosed` in a later turn. */
  protected abstract closeTransport(isPeerTold: boolean): void;
  /** `onClose` was called: the last users of the connection are told. */
  protected releasing(): void {}
  /** Whether it counts as opened as soon as it is let in; over TLS it does when the handshake is done. */
  protected get countsWhenLetIn(): boolean {
    return true;
  }
  /** Whether a refusal is told by `onClose`: only over TLS, where `onHandShake` comes later (EV-S-03, HSK-008). */
  protected get tellsRefusal(): boolean {
    return false;
  }
  /** What `onClose` tells about an end that is graceful as far as the system knows. */
  protected get noteOfEnd(): SocketError | undefined {
    return undefined;
  }

  // ---- state -----------------------------------------------------------------------------------------------------

  /** Sets or clears bits of `facts`. */
  protected mark(bits: number, isSo: boolean): void {
    this.facts = isSo ? this.facts | bits : this.facts & ~bits;
  }

  /** Whether the end of the turn is going to call `turnEnded`. */
  get isScheduled(): boolean {
    return (this.facts & SCHEDULED) !== 0;
  }

  set isScheduled(isSo: boolean) {
    this.mark(SCHEDULED, isSo);
  }

  get state(): ConnectionState {
    return this.#state;
  }

  /** True from `onAccept` / `onConnect` until the connection closes. */
  get isConnected(): boolean {
    return this.#state >= ConnectionState.Opening && this.#state <= ConnectionState.Draining;
  }

  /** Whether the connection exists for calls with its ID: it is not closing. */
  get isValid(): boolean {
    return this.#state < ConnectionState.Closing;
  }

  /** Whether `onClose` is owed: set once the first hooks have let the connection in. */
  get wasLetIn(): boolean {
    return (this.facts & LET_IN) !== 0;
  }

  set wasLetIn(isSo: boolean) {
    this.mark(LET_IN, isSo);
  }

  /** Whether it was counted as opened. */
  get hasOpened(): boolean {
    return (this.facts & COUNTED) !== 0;
  }

  /** Whether the connection is gone: its hooks are over, its ID is free. */
  get isReleased(): boolean {
    return (this.facts & RELEASED) !== 0;
  }

  /** Whether opening hooks that have not answered are no longer waited for. */
  protected get isAbandoned(): boolean {
    return (this.facts & ABANDONED) !== 0;
  }

  move(to: ConnectionState): void {
    if (!isLegalTransition(this.#state, to)) {
      throw internalError(`connection ${this.id} cannot go from state ${this.#state} to ${to}`);
    }
    this.#state = to;
  }

  /** Whole milliseconds since `time`; those of a connection that closes do not go on. */
  protected since(time: number): number {
    const now = this.isValid ? this.host.wheel.clock.now() : this.closeReason.closedAt;
    return Math.floor(Math.max(now - time, 0));
  }

  // ---- opening ---------------------------------------------------------------------------------------------------

  /** Runs the hook that lets the connection in, then what comes next. `done` is told how it went: undefined if open, else why not. */
  open(firstHook: 'onAccept' | 'onConnect', argument: unknown, done: OpeningDone): void {
    const { listener, owner } = this.host;
    if (listener[firstHook] === undefined) return this.firstHookPassed(firstHook, done);
    const call = (): unknown =>
      firstHook === 'onAccept' ? listener.onAccept?.(owner, this.id, argument) : listener.onConnect?.(owner, this.id);
    askHook(this, firstHook, call, done, () => this.firstHookPassed(firstHook, done));
  }

  private firstHookPassed(hook: string, done: OpeningDone): void {
    // A stop that did not wait for the answer has counted the connection as refused.
    if (this.isReleased) return done(this.closedBefore(hook));
    this.wasLetIn = true;
    if (this.countsWhenLetIn) this.countOpened();
    if (this.#state === ConnectionState.Opening) return this.letIn(done);
    done(this.closedBefore(hook));
    // An async hook may have outlived the connection: it let it in, so it is owed the end as well.
    if (this.#state === ConnectionState.Closed) this.release();
  }

  limitHook(hook: string): (() => void) | null {
    const { wheel, settings, limits } = this.host;
    const { openingTimeoutMs } = settings;
    if (openingTimeoutMs === 0) return null;
    const timer = new WheelTimer(() => {
      if (this.#state >= ConnectionState.Closed) return;
      limits.opening++;
      this.close(SocketOperation.Close, Errno.ETIMEDOUT, lateHookError(this.id, hook, openingTimeoutMs));
      this.abandonHooks();
    });
    wheel.arm(timer, openingTimeoutMs);
    return () => wheel.cancel(timer);
  }

  /** `onHandShake`, then data (NODEEV-001). */
  shakeHands(done: OpeningDone): void {
    const { listener, owner } = this.host;
    if (listener.onHandShake === undefined) return this.handShakePassed(done);
    const call = (): unknown => listener.onHandShake?.(owner, this.id);
    askHook(this, 'onHandShake', call, done, () => this.handShakePassed(done));
  }

  private handShakePassed(done: OpeningDone): void {
    if (this.#state !== ConnectionState.Opening) return done(this.closedBefore('onHandShake'));
    this.begin();
    done();
  }

  /** It is let in, over TLS also its handshake is done. */
  countOpened(): void {
    if (this.hasOpened) return;
    this.facts |= COUNTED;
    this.host.opened++;
  }

  /** A hook that may refuse the connection did. It ends without `onClose`, unless its refusal is told. */
  refusedBy(hook: string, hasThrown: boolean, thrown: unknown, done: OpeningDone): void {
    const error = refusalError(this.id, hook, hasThrown, thrown);
    const isTold = this.tellsRefusal && this.wasLetIn;
    if (hasThrown) this.host.owner[$reportHookError](this.host.listener, hook, thrown, this.id, isTold);
    this.wasLetIn = isTold;
    const errorCode = isTold && hasThrown ? SocketErrorCode.DataProc : Errno.ECANCELED;
    this.close(isTold ? SocketOperation.Receive : SocketOperation.Close, errorCode, error);
    if (this.#state === ConnectionState.Closed) this.release();
    done(error);
  }

  /** Why the connection is not open, though no hook refused it. */
  closedBefore(hook: string): SocketError {
    return closedBefore(this.id, hook, this.closeReason.error, this.closeReason.errorCode);
  }

  // ---- closing ---------------------------------------------------------------------------------------------------

  /** Bytes that a close now would drop. */
  protected get unsentBytes(): number {
    return this.pendingBytes;
  }

  /** A hook threw or rejected: the connection is closed, the error is handed on. */
  hookFailed(hook: string, thrown: unknown, operation: SocketOperation): void {
    const isTold = this.#state < ConnectionState.Closing && this.wasLetIn;
    this.close(operation, SocketErrorCode.DataProc, hookError(this.id, hook, 'failed', thrown));
    this.host.owner[$reportHookError](this.host.listener, hook, thrown, this.id, isTold);
  }

  /**
   * Closes the connection; the first reason given is the one that `onClose` tells, when the transport is closed.
   * @param isPeerTold Whether a datagram peer is told of it; streams end as their transport does.
   */
  close(operation: SocketOperation, errorCode: number, error?: SocketError, isPeerTold = true): void {
    if (this.#state >= ConnectionState.Closing) return;
    this.move(ConnectionState.Closing);
    const droppedBytes = this.unsentBytes;
    const closedAt = this.host.wheel.clock.now();
    const isGraceful = operation === SocketOperation.Close && errorCode === 0 && error === undefined;
    const told = isGraceful ? this.noteOfEnd : error;
    // A message that was cut short has a number of its own; an end of TLS without close_notify has HP-Socket's, 0.
    const isCutShort = isGraceful && told?.code === 'HP_MESSAGE_TRUNCATED';
    this.closeReason = {
      operation: isCutShort ? SocketOperation.Receive : operation,
      errorCode: isCutShort ? told.errno : errorCode,
      error: told,
      droppedBytes,
      closedAt,
    };
    this.closeTransport(isPeerTold);
    const { onClosing } = this;
    this.onClosing = null;
    onClosing?.();
  }

  /** The peer has ended the connection, and this side had not. */
  protected endedByPeer(): void {
    this.facts |= ENDED_BY_PEER;
  }

  private closeInfo(): CloseInfo {
    const { operation, errorCode, error, droppedBytes } = this.closeReason;
    const by = endedBy(error, (this.facts & ENDED_BY_PEER) !== 0);
    return { operation, errorCode, code: error?.code ?? null, error: error ?? null, droppedBytes, endedBy: by };
  }

  /** The transport is closed. While an async onAccept or onConnect is pending, it is not known whether onClose is owed. */
  protected transportClosed(): void {
    this.move(ConnectionState.Closed);
    if (this.isAbandoned || this.wasLetIn || !this.awaitsHook) this.release();
  }

  /** Gives up waiting for a hook that does not answer: the connection, once closed, counts as not let in. */
  abandonHooks(): void {
    this.facts |= ABANDONED;
    if (this.#state === ConnectionState.Closed) this.release();
  }

  /** `onClose` if it is owed, then the ID is free. */
  release(): void {
    if (this.isReleased) return;
    this.facts |= RELEASED;
    const { host } = this;
    const { listener, owner } = host;
    if (this.hasOpened) host.closed++;
    else host.refused++;
    owner[$closing](this);
    if (this.wasLetIn && listener.onClose !== undefined) {
      const { operation, errorCode } = this.closeReason;
      const info = this.closeInfo();
      notifyHook(
        () => listener.onClose?.(owner, this.id, operation, errorCode, info),
        (thrown) => owner[$reportHookError](listener, 'onClose', thrown, this.id, false),
      );
    }
    this.releasing();
    owner[$released](this);
    const { onReleased } = this;
    this.onReleased = null;
    onReleased?.();
  }
}
