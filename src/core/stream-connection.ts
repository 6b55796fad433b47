import type { Socket } from 'node:net';
import { getSystemErrorName } from 'node:util';
import type { ReceiveLayer, ReceiveSink } from '../receive/receive-layer.ts';
import { directHandle, type StreamHandle, type WriteRequest } from '../transport/fast-io.ts';
import { localAddressOf, type SocketAddress } from './address.ts';
import { isThenable } from './component.ts';
import type { ConnectionHost } from './connection-host.ts';
import { HandleResult, SendPolicy, SocketErrorCode, SocketOperation } from './enums.ts';
import { Errno, errnoOf } from './errno.ts';
import { describeSystemError, internalError, SocketError } from './errors.ts';
import { WINDOW_ENTER_BYTES, WINDOW_LEAVE_BYTES } from './read-memory.ts';
import { SendQueue, type StreamWriter } from './send-queue.ts';
import type { ConnectionStats } from './stats.ts';
import { WheelTimer } from './timer-wheel.ts';
import { TokenBucket } from './token-bucket.ts';

/**
 * State of a connection. Legal transitions, everything else is an internal error:
 *
 * ```
 *  Connecting --> Opening --> Open --> Draining --+
 *      |             |          |                 v
 *      +-------------+----------+------------> Closing --> Closed
 * ```
 *
 * - Connecting: the socket connects (agents and clients only).
 * - Opening:    connected or accepted; the first hooks run, or TLS shakes hands. Nothing is delivered yet.
 * - Open:       data flows.
 * - Draining:   no more sends are taken; what is queued is written, then a FIN, then the peer's FIN is awaited.
 * - Closing:    the socket is being closed. No hook runs until
 * - Closed:     `onClose` was called, if the connection had been let in, and the ID is free.
 */
export const ConnectionState = Object.freeze({
  Connecting: 0,
  Opening: 1,
  Open: 2,
  Draining: 3,
  Closing: 4,
  Closed: 5,
} as const);
export type ConnectionState = (typeof ConnectionState)[keyof typeof ConnectionState];

/** Takes the place of the listener for one connection: a stream adapter or an iterator. */
export interface ConnectionTap {
  /** @returns false to pause receiving until `resumeTap` is called. */
  data(data: Buffer | number): boolean;
  drained(): void;
  /** The peer will send nothing more; what was received has been delivered. */
  ended(): void;
  closed(error: SocketError | undefined): void;
}

/** Why receiving stands still; bits of `#pause`. */
const PAUSED_BY_USER = 1;
const PAUSED_BY_HOOK = 2;
const PAUSED_BY_RATE = 4;
const PAUSED_BY_TAP = 8;

/** Queued bytes of one turn beyond which they are handed over at once: what one read can bring. */
const GATHER_LIMIT_BYTES = 256 * 1024;

/** One TCP or TLS connection of any component: its states, its receive layer, its send queue, its deadlines. */
export class StreamConnection implements ReceiveSink, StreamWriter {
  id = 0;
  isScheduled = false;
  /** Whether `onClose` is owed: set once the first hooks have let the connection in. */
  wasLetIn = false;
  /** Whether it was counted as opened. */
  hasOpened = false;
  extra: unknown = undefined;
  remoteAddress = '';
  remotePort = 0;
  /** The host given to `connect`, agents and clients. */
  remoteHost = '';
  readonly host: ConnectionHost;
  readonly socket: Socket;
  readonly layer: ReceiveLayer;
  readonly openedAt: number;
  bytesIn = 0;
  messagesIn = 0;
  messagesOut = 0;
  /** Time of the last read, 0 before the first. */
  lastReceiveAt: number;
  tap: ConnectionTap | null = null;
  /** Over TLS: whether clear text may be sent before the handshake, because that is started by hand. */
  canSendWhileOpening = false;
  /** What `stop` is told: whether this connection ended by draining. */
  hasDrained = false;
  droppedBytes = 0;
  #state: ConnectionState;
  #queue: SendQueue | null = null;
  #handle: StreamHandle | null = null;
  #pause = 0;
  #isDelivering = false;
  #hasEnded = false;
  #isShutDown = false;
  #isBlocked = false;
  #mustResume = false;
  #disconnects = false;
  #window: Buffer | null = null;
  #nextWindow: Buffer | undefined = undefined;
  #view: Buffer | null = null;
  #operation: SocketOperation = SocketOperation.Close;
  #errorCode = 0;
  #error: SocketError | undefined = undefined;
  #idleTimer: WheelTimer | null = null;
  #deadline: WheelTimer | null = null;
  #rateTimer: WheelTimer | null = null;
  #byteRate: TokenBucket | null = null;
  #messageRate: TokenBucket | null = null;
  /** Called once when the connection is closed, whether it was let in or not. */
  onReleased: (() => void) | null = null;

  /** @param makeSocket Makes the socket; gets what its `onread` option wants, if reads go through that. */
  constructor(host: ConnectionHost, state: ConnectionState, makeSocket: (connection: StreamConnection) => Socket) {
    this.host = host;
    this.#state = state;
    this.openedAt = host.wheel.clock.now();
    this.lastReceiveAt = this.openedAt;
    this.layer = host.owner.createLayer(this);
    this.socket = makeSocket(this);
    taggedConnection.set(this.socket, this);
    this.socket.on('error', onSocketError);
    this.socket.on('end', onSocketEnd);
    this.socket.on('close', onSocketClose);
    const { settings } = host;
    if (settings.maxReceiveBytesPerSecond > 0) {
      this.#byteRate = new TokenBucket(settings.maxReceiveBytesPerSecond, this.openedAt);
    }
    if (settings.maxReceiveMessagesPerSecond > 0) {
      this.#messageRate = new TokenBucket(settings.maxReceiveMessagesPerSecond, this.openedAt);
    }
  }

  get state(): ConnectionState {
    return this.#state;
  }

  /** True from `onAccept` / `onConnect` until the connection closes. */
  get isConnected(): boolean {
    return (
      this.#state === ConnectionState.Opening ||
      this.#state === ConnectionState.Open ||
      this.#state === ConnectionState.Draining
    );
  }

  /** Whether the connection exists for calls with its ID: not closed, and not told to close. */
  get isValid(): boolean {
    return this.#state < ConnectionState.Closing;
  }

  get pendingBytes(): number {
    return this.#queue === null ? 0 : this.#queue.pendingBytes;
  }

  /** Local address, null once the socket is closed. */
  get localAddress(): SocketAddress | null {
    return localAddressOf(this.socket);
  }

  get isPaused(): boolean {
    return (this.#pause & PAUSED_BY_USER) !== 0;
  }

  #move(to: ConnectionState): void {
    if (to <= this.#state) throw internalError(`connection ${this.id} cannot go from state ${this.#state} to ${to}`);
    this.#state = to;
  }

  // ---- opening ---------------------------------------------------------------------------------------------------

  /** The socket connected. */
  connected(): void {
    this.#move(ConnectionState.Opening);
  }

  /**
   * Runs the hook that lets the connection in, then, unless the transport still has a handshake of its own to make,
   * `onHandShake`, then begins to read. `done` is told how it went: undefined if open, else why not.
   */
  open(firstHook: 'onAccept' | 'onConnect', argument: unknown, done: (error?: SocketError) => void): void {
    const { listener, owner } = this.host;
    this.#callOpening(
      firstHook,
      () =>
        firstHook === 'onAccept' ? listener.onAccept?.(owner, this.id, argument) : listener.onConnect?.(owner, this.id),
      done,
      () => {
        this.wasLetIn = true;
        this.hasOpened = true;
        this.host.opened++;
        if (this.#state !== ConnectionState.Opening) {
          done(this.#closedBefore(firstHook));
          // An async hook may have outlived the connection: it let it in, so it is owed the end as well.
          if (this.#state === ConnectionState.Closed) this.#release();
          return;
        }
        this.#armDeadlines();
        if (this.host.isSecure) done();
        else this.handShake(done);
      },
    );
  }

  /** Plain connections: `onHandShake`, then data (NODEEV-001). */
  handShake(done: (error?: SocketError) => void): void {
    const { listener, owner } = this.host;
    this.#callOpening(
      'onHandShake',
      () => listener.onHandShake?.(owner, this.id),
      done,
      () => {
        if (this.#state !== ConnectionState.Opening) return done(this.#closedBefore('onHandShake'));
        this.#move(ConnectionState.Open);
        this.startReading();
        done();
      },
    );
  }

  /** Calls a hook that may refuse the connection: Error, a throw or a rejection end it without `onClose`. */
  #callOpening(hook: string, call: () => unknown, done: (error?: SocketError) => void, next: () => void): void {
    const refuse = (thrown: unknown, hasThrown: boolean): void => {
      const { component, error } = this.#refusal(hook, thrown, hasThrown);
      if (hasThrown) component.reportHookError(this.host.listener, hook, thrown, this.id, false);
      this.wasLetIn = false;
      this.close(SocketOperation.Close, Errno.ECANCELED, error);
      if (this.#state === ConnectionState.Closed) this.#release();
      done(error);
    };
    let result: unknown;
    try {
      result = call();
    } catch (thrown) {
      return refuse(thrown, true);
    }
    if (isThenable(result)) {
      this.#pause |= PAUSED_BY_HOOK;
      result.then(
        (value) => {
          this.#pause &= ~PAUSED_BY_HOOK;
          if (value === HandleResult.Error) refuse(undefined, false);
          else next();
        },
        (thrown: unknown) => {
          this.#pause &= ~PAUSED_BY_HOOK;
          refuse(thrown, true);
        },
      );
    } else if (result === HandleResult.Error) refuse(undefined, false);
    else next();
  }

  #refusal(hook: string, thrown: unknown, hasThrown: boolean) {
    const component = this.host.owner;
    const error = new SocketError({
      code: hasThrown ? SocketErrorCode.DataProc : SocketErrorCode.ConnectServer,
      errno: Errno.ECANCELED,
      operation: hook,
      connId: this.id,
      message: hasThrown
        ? `the hook ${hook} failed, so connection ${this.id} was refused`
        : `the hook ${hook} refused connection ${this.id}`,
      ...(hasThrown ? { cause: thrown } : {}),
    });
    return { component, error };
  }

  #closedBefore(hook: string): SocketError {
    return (
      this.#error ??
      new SocketError({
        code: SocketErrorCode.ConnectServer,
        errno: this.#errorCode || Errno.ECONNABORTED,
        operation: hook,
        connId: this.id,
        message: `connection ${this.id} closed before it was ready`,
      })
    );
  }

  // ---- receiving -------------------------------------------------------------------------------------------------

  /** `onread` of the socket: where its next read lands; undefined to stay. Called before each read. */
  nextReadBuffer(): Buffer | undefined {
    if (this.#state < ConnectionState.Open) return this.host.read.shared;
    const next = this.#nextWindow;
    this.#nextWindow = undefined;
    return next;
  }

  /** `onread` of the socket: `length` bytes landed in `buffer`. Returns false to stop reading. */
  readInto(length: number, buffer: Buffer): boolean {
    const isShared = buffer === this.host.read.shared;
    if (isShared) {
      // Messages of one size come in rows, so the view of the last read usually fits this one.
      let view = this.#view;
      if (view === null || view.length !== length) {
        view = buffer.subarray(0, length);
        this.#view = view;
      }
      if (length >= WINDOW_ENTER_BYTES && this.#window === null && this.#state === ConnectionState.Open) {
        this.#window = this.host.read.open();
        if (this.#window !== null) this.#nextWindow = this.#window;
      }
      this.received(view, true);
    } else {
      if (length < WINDOW_LEAVE_BYTES) {
        this.#window = null;
        this.#nextWindow = this.host.read.shared;
        this.host.read.close();
      } else {
        this.#window = this.host.read.next(buffer, length);
        this.#nextWindow = this.#window;
      }
      this.received(length === buffer.length ? buffer : buffer.subarray(0, length), false);
    }
    return this.#pause === 0 && this.#state < ConnectionState.Closing;
  }

  /** Bytes arrived. Borrowed bytes are overwritten after the call. */
  received(bytes: Buffer, isBorrowed: boolean): void {
    const { host } = this;
    if (this.#state >= ConnectionState.Closing) return;
    host.bytesIn += bytes.length;
    this.bytesIn += bytes.length;
    if (host.settings.markSilence || this.#idleTimer !== null) this.lastReceiveAt = host.wheel.clock.now();
    if (this.#byteRate !== null) this.#limitRate(this.#byteRate, bytes.length);
    if (this.#state >= ConnectionState.Closing) return;
    const outer = host.active;
    host.active = this;
    this.#isDelivering = true;
    this.layer.receive(bytes, isBorrowed);
    this.#isDelivering = false;
    host.active = outer;
    this.#flushAndSettle();
    if (this.#pause !== 0 && this.#state < ConnectionState.Closing) this.socket.pause();
  }

  /** The receive layer has something for the listener. Returns false to stop for now. */
  deliver(data: Buffer | number): boolean {
    const { host } = this;
    this.messagesIn++;
    host.messagesIn++;
    if (this.#messageRate !== null) this.#limitRate(this.#messageRate, 1);
    if (this.tap !== null) {
      if (!this.tap.data(data)) this.#pause |= PAUSED_BY_TAP;
    } else {
      let result: unknown;
      try {
        result = host.listener.onReceive?.(host.owner, this.id, data);
      } catch (thrown) {
        this.#hookFailed('onReceive', thrown, SocketOperation.Receive);
        return false;
      }
      if (result !== undefined && result !== HandleResult.Ok) this.#handleResult(result);
    }
    return this.#pause === 0 && (this.#state === ConnectionState.Open || this.#state === ConnectionState.Draining);
  }

  #handleResult(result: unknown): void {
    if (result === HandleResult.Error) {
      this.#listenerRefused();
    } else if (isThenable(result)) {
      this.#pause |= PAUSED_BY_HOOK;
      result.then(
        (value) => {
          this.#pause &= ~PAUSED_BY_HOOK;
          if (value === HandleResult.Error) this.#listenerRefused();
          else this.#resume();
        },
        (thrown: unknown) => {
          this.#pause &= ~PAUSED_BY_HOOK;
          this.#hookFailed('onReceive', thrown, SocketOperation.Receive);
        },
      );
    }
  }

  #listenerRefused(): void {
    this.close(
      SocketOperation.Receive,
      Errno.ECANCELED,
      new SocketError({
        code: SocketErrorCode.DataProc,
        errno: Errno.ECANCELED,
        operation: 'onReceive',
        connId: this.id,
        message: `the hook onReceive answered HandleResult.Error, so connection ${this.id} was closed`,
      }),
    );
  }

  /** A receive layer found bytes that violate its protocol (CLS-007, CLS-008). */
  violate(errno: number, message: string): void {
    this.close(
      SocketOperation.Receive,
      errno,
      new SocketError({ code: SocketErrorCode.DataProc, errno, operation: 'receive', connId: this.id, message }),
    );
  }

  startReading(): void {
    if (this.#pause === 0) this.socket.resume();
  }

  /** Pauses or resumes receiving on behalf of the user (`PauseReceive`). Takes effect at once, delivers nothing itself. */
  pauseReceive(isPaused: boolean): void {
    if (isPaused) {
      this.#pause |= PAUSED_BY_USER;
      if (!this.#isDelivering && this.#state >= ConnectionState.Open) this.socket.pause();
    } else if ((this.#pause & PAUSED_BY_USER) !== 0) {
      this.#pause &= ~PAUSED_BY_USER;
      this.#resumeSoon();
    }
  }

  /** The tap can take more. */
  resumeTap(): void {
    if ((this.#pause & PAUSED_BY_TAP) === 0) return;
    this.#pause &= ~PAUSED_BY_TAP;
    this.#resumeSoon();
  }

  /** Resumes at the end of this turn: what is kept is delivered by hooks, and no call fires a hook from inside itself. */
  #resumeSoon(): void {
    if (this.#isDelivering) return;
    this.#mustResume = true;
    this.host.schedule(this);
  }

  #resume(): void {
    if (this.#pause !== 0 || this.#isDelivering) return;
    if (this.#state !== ConnectionState.Open && this.#state !== ConnectionState.Draining) return;
    if (this.layer.hasBacklog) {
      const outer = this.host.active;
      this.host.active = this;
      this.#isDelivering = true;
      this.layer.resume();
      this.#isDelivering = false;
      this.host.active = outer;
    }
    this.#flushAndSettle();
    if (this.#pause !== 0 || this.layer.hasBacklog || this.#state >= ConnectionState.Closing) return;
    if (this.#hasEnded) this.#peerEnded();
    else this.socket.resume();
  }

  /** The peer sent a FIN. What was received is delivered first, then what is queued is sent, then the connection closes. */
  end(): void {
    this.#hasEnded = true;
    if (this.#pause === 0 && !this.layer.hasBacklog && !this.#isDelivering) this.#peerEnded();
  }

  #peerEnded(): void {
    if (this.tap !== null) this.tap.ended();
    this.drain(this.host.settings.closeTimeoutMs);
  }

  #limitRate(bucket: TokenBucket, count: number): void {
    const waitMs = bucket.take(count, this.host.wheel.clock.now());
    if (waitMs <= 0) return;
    const { settings, limits } = this.host;
    if (settings.receiveRatePolicy === 'close') {
      limits.receiveRate++;
      this.violate(
        Errno.ENOBUFS,
        `connection ${this.id} received more than its rate allows (maxReceiveBytesPerSecond, maxReceiveMessagesPerSecond)`,
      );
      return;
    }
    if ((this.#pause & PAUSED_BY_RATE) === 0) limits.receiveRate++;
    this.#pause |= PAUSED_BY_RATE;
    this.#rateTimer ??= new WheelTimer(() => {
      this.#pause &= ~PAUSED_BY_RATE;
      this.#resume();
    });
    this.host.wheel.arm(this.#rateTimer, waitMs);
  }

  // ---- sending ---------------------------------------------------------------------------------------------------

  /** The send queue, if `length` more bytes may be queued; else null, and `refusal` says why. */
  queueFor(length: number): SendQueue | null {
    const { settings, limits } = this.host;
    const queue = this.#queue ?? this.#makeQueue();
    if (settings.maxPendingBytes > 0 && queue.pendingBytes + length > settings.maxPendingBytes) {
      limits.pendingBytes++;
      if (settings.pendingPolicy === 'close') {
        const message = `connection ${this.id} had more than maxPendingBytes (${settings.maxPendingBytes}) to send; its peer reads too slowly`;
        this.close(
          SocketOperation.Send,
          Errno.ENOBUFS,
          new SocketError({
            code: SocketErrorCode.DataSend,
            errno: Errno.ENOBUFS,
            operation: 'send',
            connId: this.id,
            message,
          }),
        );
      }
      return null;
    }
    return queue;
  }

  #makeQueue(): SendQueue {
    const queue = new SendQueue(this.host.sendSlabs, this);
    if (this.host.reportsSends) queue.reports = [];
    if (this.host.settings.sendPolicy === SendPolicy.Safe) queue.maxWriteBytes = this.host.settings.highWaterMarkBytes;
    if (this.host.canWriteDirectly) this.#handle = directHandle(this.socket);
    this.#queue = queue;
    return queue;
  }

  /** Something was appended to the queue: it leaves now, at the end of the read being delivered, or of this turn. */
  appended(): void {
    const { host } = this;
    const queue = this.#queue!;
    this.messagesOut++;
    host.messagesOut++;
    if (host.settings.sendPolicy === SendPolicy.Direct || queue.queuedBytes >= GATHER_LIMIT_BYTES) {
      this.#flush();
      // Hooks about it wait until the caller's turn is over.
      if (host.active !== this) host.schedule(this);
    } else if (host.active !== this) {
      host.schedule(this);
    }
  }

  /** End of a turn in which something was left to do. */
  turnEnded(): void {
    this.#flushAndSettle();
    if (this.#mustResume) {
      this.#mustResume = false;
      this.#resume();
    }
    if (this.#disconnects && this.#state < ConnectionState.Closing) this.close(SocketOperation.Close, 0);
  }

  #flush(): void {
    const queue = this.#queue;
    if (queue === null || queue.queuedBytes === 0 || queue.isWriting || this.#state >= ConnectionState.Closing) return;
    const before = queue.writtenBytes;
    queue.flush();
    this.host.bytesOut += queue.writtenBytes - before;
  }

  #flushAndSettle(): void {
    const queue = this.#queue;
    if (queue === null || this.#state >= ConnectionState.Closing) return;
    if (queue.queuedBytes > 0) this.#flush();
    if (queue.reports !== null && queue.reports.length > 0) this.#reportSends(queue);
    this.#settleMarks(queue);
    if (this.#state === ConnectionState.Draining && queue.pendingBytes === 0) this.#shutDown();
  }

  #reportSends(queue: SendQueue): void {
    const reports = queue.reports!;
    queue.reports = [];
    for (const data of reports) {
      if (this.#state >= ConnectionState.Closing) return;
      this.#call('onSend', SocketOperation.Send, () => this.host.listener.onSend?.(this.host.owner, this.id, data));
    }
  }

  #settleMarks(queue: SendQueue): void {
    const { listener, settings, owner } = this.host;
    const pending = queue.pendingBytes;
    if (!this.#isBlocked && pending > settings.highWaterMarkBytes) {
      this.#isBlocked = true;
      if (listener.onSendBlocked !== undefined) {
        this.#call('onSendBlocked', SocketOperation.Send, () => listener.onSendBlocked!(owner, this.id, pending));
      }
    } else if (this.#isBlocked && pending <= settings.lowWaterMarkBytes) {
      this.#isBlocked = false;
      if (listener.onSendDrained !== undefined) {
        this.#call('onSendDrained', SocketOperation.Send, () => listener.onSendDrained!(owner, this.id, pending));
      }
      this.tap?.drained();
    }
  }

  /** Whether more than the high-water mark is pending. */
  get isBlocked(): boolean {
    return this.#isBlocked || this.pendingBytes > this.host.settings.highWaterMarkBytes;
  }

  /** A hook whose result does not matter, only that it did not fail. */
  #call(hook: string, operation: SocketOperation, call: () => unknown): void {
    try {
      const result = call();
      if (isThenable(result)) result.then(undefined, (thrown: unknown) => this.#hookFailed(hook, thrown, operation));
    } catch (thrown) {
      this.#hookFailed(hook, thrown, operation);
    }
  }

  /** Writes to the socket: directly if this Node allows it, else as documented. */
  write(chunks: Uint8Array[]): number {
    const handle = this.#handle;
    if (handle === null) {
      this.#writeToStream(chunks);
      return 1;
    }
    const result: WriteRequest | number = this.host.writeDirectly(handle, chunks, this);
    if (typeof result !== 'number') return 1;
    if (result !== 0)
      this.#systemFailed(
        SocketOperation.Send,
        Object.assign(new Error(`write ${nameOf(result)}`), { code: nameOf(result), syscall: 'write' }),
      );
    return result;
  }

  #writeToStream(chunks: Uint8Array[]): void {
    const { socket } = this;
    const last = chunks.length - 1;
    if (last > 0) socket.cork();
    for (let i = 0; i < last; i++) socket.write(chunks[i]!);
    socket.write(chunks[last]!, (error) => {
      if (error === null || error === undefined) this.writeCompleted(0);
      // Otherwise the socket's 'error' event tells.
    });
    if (last > 0) socket.uncork();
  }

  /** The write that was under way is done, or failed with libuv's number. */
  writeCompleted(status: number): void {
    const queue = this.#queue;
    if (queue === null || !queue.isWriting || this.#state >= ConnectionState.Closing) return;
    if (status !== 0) {
      this.#systemFailed(
        SocketOperation.Send,
        Object.assign(new Error(`write ${nameOf(status)}`), { code: nameOf(status), syscall: 'write' }),
      );
      return;
    }
    const before = queue.writtenBytes;
    queue.written();
    this.host.bytesOut += queue.writtenBytes - before;
    this.#flushAndSettle();
  }

  // ---- deadlines -------------------------------------------------------------------------------------------------

  /** Closes the connection with ETIMEDOUT unless it is open in `delayMs`. */
  armHandshakeDeadline(delayMs: number, what: string, option: string): void {
    if (delayMs <= 0) return;
    this.#deadline = new WheelTimer(() => {
      this.host.limits.handshake++;
      this.#timedOut(SocketOperation.Connect, `${what} did not end within ${delayMs} ms (${option})`);
    });
    this.host.wheel.arm(this.#deadline, delayMs);
  }

  disarmDeadline(): void {
    if (this.#deadline !== null) this.host.wheel.cancel(this.#deadline);
    this.#deadline = null;
  }

  #armDeadlines(): void {
    const { settings, wheel, limits } = this.host;
    this.disarmDeadline();
    if (settings.connectionTimeoutMs > 0) {
      this.#deadline = new WheelTimer(() => {
        limits.lifetime++;
        this.#timedOut(
          SocketOperation.Close,
          `connection ${this.id} was open for ${settings.connectionTimeoutMs} ms (connectionTimeoutMs)`,
        );
      });
      wheel.arm(this.#deadline, settings.connectionTimeoutMs);
    }
    if (settings.idleTimeoutMs > 0) {
      this.lastReceiveAt = wheel.clock.now();
      const timer = new WheelTimer(() => {
        const left = this.lastReceiveAt + settings.idleTimeoutMs - wheel.clock.now();
        if (left > 0) return wheel.arm(timer, left);
        limits.idle++;
        this.#timedOut(
          SocketOperation.Close,
          `connection ${this.id} received nothing for ${settings.idleTimeoutMs} ms (idleTimeoutMs)`,
        );
      });
      this.#idleTimer = timer;
      wheel.arm(timer, settings.idleTimeoutMs);
    }
  }

  #timedOut(operation: SocketOperation, message: string): void {
    this.close(
      operation,
      Errno.ETIMEDOUT,
      new SocketError({
        code: SocketErrorCode.Network,
        errno: Errno.ETIMEDOUT,
        operation: 'deadline',
        connId: this.id,
        message,
      }),
    );
  }

  // ---- closing ---------------------------------------------------------------------------------------------------

  /** `Disconnect`: at the end of this turn, what is queued is offered to the system once more, then the connection closes. */
  disconnect(): void {
    this.#disconnects = true;
    this.host.schedule(this);
  }

  /** Takes no more sends, writes what is queued, sends a FIN, waits for the peer's, and closes; at the latest in `timeoutMs`. */
  drain(timeoutMs: number): void {
    if (this.#state < ConnectionState.Open) return this.disconnect();
    if (this.#state === ConnectionState.Open) {
      this.#move(ConnectionState.Draining);
      this.disarmDeadline();
      if (timeoutMs > 0) {
        this.#deadline = new WheelTimer(() => {
          this.host.limits.closing++;
          this.close(
            SocketOperation.Close,
            this.#hasEnded || this.#isShutDown ? 0 : Errno.ETIMEDOUT,
            new SocketError({
              code: SocketErrorCode.Network,
              errno: Errno.ETIMEDOUT,
              operation: 'drain',
              connId: this.id,
              message: `the peer of connection ${this.id} did not take the last ${this.pendingBytes} bytes and close within ${timeoutMs} ms`,
            }),
          );
        });
        this.host.wheel.arm(this.#deadline, timeoutMs);
      }
    }
    if (this.pendingBytes === 0) this.#shutDown();
    else this.host.schedule(this);
  }

  #shutDown(): void {
    if (this.#isShutDown) return;
    this.#isShutDown = true;
    this.hasDrained = true;
    this.socket.end();
  }

  /** An error of the system on this socket (CLS-002 to CLS-005, CLS-017). */
  socketFailed(error: Error): void {
    if (this.#state >= ConnectionState.Closing) return;
    const { syscall, code } = error as NodeJS.ErrnoException;
    if (this.#state === ConnectionState.Connecting) return this.#systemFailed(SocketOperation.Connect, error);
    if (syscall === 'write') return this.#systemFailed(SocketOperation.Send, error);
    if (code === 'ECONNRESET' || code === 'ETIMEDOUT' || syscall === undefined)
      return this.#systemFailed(SocketOperation.Close, error);
    this.#systemFailed(SocketOperation.Receive, error);
  }

  #systemFailed(operation: SocketOperation, cause: Error): void {
    const errno = errnoOf(cause);
    const peer = this.remoteAddress === '' ? this.remoteHost : `${this.remoteAddress}:${this.remotePort}`;
    const what =
      operation === SocketOperation.Connect ? `connect to ${peer}` : `connection ${this.id} with ${peer} failed`;
    this.close(
      operation,
      errno,
      new SocketError({
        code: operation === SocketOperation.Connect ? SocketErrorCode.ConnectServer : SocketErrorCode.Network,
        errno,
        operation:
          operation === SocketOperation.Connect ? 'connect' : ((cause as NodeJS.ErrnoException).syscall ?? 'socket'),
        connId: this.id,
        message: describeSystemError(what, errno, cause),
        cause,
      }),
    );
  }

  #hookFailed(hook: string, thrown: unknown, operation: SocketOperation): void {
    const isTold = this.#state < ConnectionState.Closing && this.wasLetIn;
    this.close(
      operation,
      SocketErrorCode.DataProc,
      new SocketError({
        code: SocketErrorCode.DataProc,
        operation: hook,
        connId: this.id,
        message: `the hook ${hook} failed, so connection ${this.id} was closed`,
        errno: Errno.ECANCELED,
        cause: thrown,
      }),
    );
    this.host.owner.reportHookError(this.host.listener, hook, thrown, this.id, isTold);
  }

  /** Closes the socket; the first reason given is the one that `onClose` tells, when the socket is closed. */
  close(operation: SocketOperation, errorCode: number, error?: SocketError): void {
    if (this.#state >= ConnectionState.Closing) return;
    this.#operation = operation;
    this.#errorCode = errorCode;
    this.#error = error;
    this.#beginClosing();
  }

  #beginClosing(): void {
    this.#move(ConnectionState.Closing);
    this.disarmDeadline();
    if (this.#idleTimer !== null) this.host.wheel.cancel(this.#idleTimer);
    if (this.#rateTimer !== null) this.host.wheel.cancel(this.#rateTimer);
    this.droppedBytes = this.pendingBytes;
    this.#queue?.clear();
    this.socket.destroy();
  }

  get closeOperation(): SocketOperation {
    return this.#operation;
  }

  get closeErrorCode(): number {
    return this.#errorCode;
  }

  get closeError(): SocketError | undefined {
    return this.#error;
  }

  /** The socket is closed. */
  socketClosed(): void {
    if (this.#state < ConnectionState.Closing) this.#beginClosing();
    if (this.#state === ConnectionState.Closed) return;
    this.#queue?.abandon();
    if (this.#window !== null) {
      this.#window = null;
      this.host.read.close();
    }
    const isHookPending = (this.#pause & PAUSED_BY_HOOK) !== 0 && !this.wasLetIn;
    this.#move(ConnectionState.Closed);
    // While an async onAccept or onConnect is still thinking, nobody knows whether onClose is owed.
    if (!isHookPending) this.#release();
  }

  /** Gives up waiting for a hook that never answers: used by `stop`. */
  abandonHooks(): void {
    if (this.#state === ConnectionState.Closed) this.#release();
  }

  #isReleased = false;

  #release(): void {
    if (this.#isReleased) return;
    this.#isReleased = true;
    const { host } = this;
    if (this.hasOpened) host.closed++;
    else host.refused++;
    host.owner.closing(this);
    if (this.wasLetIn) {
      const { listener, owner } = host;
      if (listener.onClose !== undefined) {
        try {
          const result = listener.onClose(owner, this.id, this.#operation, this.#errorCode, this.#error);
          if (isThenable(result)) result.then(undefined, (thrown) => this.#reportCloseError(thrown));
        } catch (thrown) {
          this.#reportCloseError(thrown);
        }
      }
    }
    this.tap?.closed(this.#error);
    this.tap = null;
    const { onReleased } = this;
    this.onReleased = null;
    host.owner.released(this);
    onReleased?.();
  }

  #reportCloseError(thrown: unknown): void {
    this.host.owner.reportHookError(this.host.listener, 'onClose', thrown, this.id, false);
  }

  stats(): ConnectionStats {
    const now = this.host.wheel.clock.now();
    return {
      bytesIn: this.bytesIn,
      bytesOut: this.#queue?.writtenBytes ?? 0,
      messagesIn: this.messagesIn,
      messagesOut: this.messagesOut,
      pendingBytes: this.pendingBytes,
      bufferedBytes: this.layer.bufferedBytes,
      ageMs: now - this.openedAt,
      silenceMs: now - this.lastReceiveAt,
    };
  }
}

/** Connection of a socket, for the shared event handlers below. */
const taggedConnection = {
  set(socket: Socket, connection: StreamConnection): void {
    (socket as unknown as Record<symbol, unknown>)[tag] = connection;
  },
  get(socket: Socket): StreamConnection {
    return (socket as unknown as Record<symbol, unknown>)[tag] as StreamConnection;
  },
};
const tag = Symbol('hp-socket.connection');

function onSocketError(this: Socket, error: Error): void {
  taggedConnection.get(this).socketFailed(error);
}

function onSocketEnd(this: Socket): void {
  taggedConnection.get(this).end();
}

function onSocketClose(this: Socket): void {
  taggedConnection.get(this).socketClosed();
}

function nameOf(status: number): string {
  try {
    return getSystemErrorName(status);
  } catch {
    return 'EIO';
  }
}
