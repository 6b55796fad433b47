import { isThenable } from '../core/component.ts';
import { HandleResult, SocketErrorCode, SocketOperation } from '../core/enums.ts';
import { Errno } from '../core/errno.ts';
import { SocketError } from '../core/errors.ts';
import { WheelTimer } from '../core/timer-wheel.ts';
import { TokenBucket } from '../core/token-bucket.ts';
import { loan } from '../memory/loan.ts';
import { type ReadWindow, WINDOW_ENTER_BYTES, WINDOW_LEAVE_BYTES } from '../memory/read-memory.ts';
import { Lifetime, type ReceiveLayer, type ReceiveSink } from '../protocol/protocol.ts';
import type { SocketReader } from '../transport/socket-owner.ts';
import { ConnectionState } from './state.ts';
import type { StreamConnection } from './stream-connection.ts';

/** Why receiving stands still; bits of `pauses`. */
const PAUSED_BY_USER = 1;
export const PAUSED_BY_HOOK = 2;
const PAUSED_BY_RATE = 4;
const PAUSED_BY_TAP = 8;
/** Clear text is over: what comes next belongs to the TLS handshake. */
export const PAUSED_BY_SECURITY = 16;

/** Receive rates of one connection; only there if the component limits them. */
interface ReceiveRates {
  bytes: TokenBucket | null;
  messages: TokenBucket | null;
  timer: WheelTimer | null;
  /** When both allow reading again. */
  resumesAt: number;
}

/** The receiving side of a stream connection: where reads land, how they reach the listener, and what pauses them. */
export class ConnectionReceiver implements ReceiveSink, SocketReader {
  readonly layer: ReceiveLayer;
  bytesIn = 0;
  messagesIn = 0;
  /** Time of the last read; of the opening before the first. */
  lastReceiveAt: number;
  /** Whether the peer sent its FIN. */
  hasEnded = false;
  /** Why receiving stands still. */
  pauses = 0;
  /** Whether the connection knows of the FIN: everything before it has been delivered. */
  hasToldEnd = false;
  #connection: StreamConnection;
  #isDelivering = false;
  #window: ReadWindow | null = null;
  #nextBuffer: Buffer | undefined = undefined;
  /** Whether large reads land in the same memory over and over. */
  #lends: boolean;
  #rates: ReceiveRates | null = null;
  /** Bytes that came although receiving stands still: TLS hands on all that it has decrypted. */
  #held: Buffer[] | null = null;

  constructor(connection: StreamConnection) {
    this.#connection = connection;
    const { host, openedAt } = connection;
    this.layer = host.owner.createLayer(this);
    this.#lends = host.settings.reuseReceiveMemory && this.layer.deliversBytes;
    this.lastReceiveAt = openedAt;
    const { maxReceiveBytesPerSecond: bytes, maxReceiveMessagesPerSecond: messages } = host.settings;
    if (bytes > 0 || messages > 0) {
      this.#rates = {
        bytes: bytes > 0 ? new TokenBucket(bytes, openedAt) : null,
        messages: messages > 0 ? new TokenBucket(messages, openedAt) : null,
        timer: null,
        resumesAt: 0,
      };
    }
  }

  get isPausedByUser(): boolean {
    return (this.pauses & PAUSED_BY_USER) !== 0;
  }

  /** Whether the peer's FIN came, and something before it is still to be delivered. */
  get owesEnd(): boolean {
    return this.hasEnded && !this.hasToldEnd;
  }

  nextReadBuffer(): Buffer | undefined {
    const next = this.#nextBuffer;
    this.#nextBuffer = undefined;
    return next;
  }

  readInto(length: number, buffer: Buffer): boolean {
    const { host } = this.#connection;
    if (buffer === host.read.shared) {
      if (length >= WINDOW_ENTER_BYTES && this.#window === null) {
        this.#window = host.read.open(length);
        this.#nextBuffer = this.#window?.rest;
      }
      this.received(host.read.view(length), Lifetime.Call);
    } else if (this.#window === null) {
      this.received(buffer.subarray(0, length), Lifetime.Forever);
    } else if (length < WINDOW_LEAVE_BYTES) {
      this.#window = null;
      this.#nextBuffer = host.read.shared;
      host.read.close();
      this.received(buffer.subarray(0, length), Lifetime.Forever);
    } else if (this.#lends && !loan.isOpen) {
      this.#lend(this.#window, length);
    } else {
      const bytes = this.#window.take(length);
      this.#nextBuffer = this.#window.rest;
      this.received(bytes, Lifetime.Forever);
    }
    return this.pauses === 0 && this.#connection.state < ConnectionState.Closing;
  }

  readOwn(bytes: Buffer): void {
    this.received(bytes, Lifetime.Forever);
  }

  /** The next read lands where this one did, unless somebody keeps what it brought. */
  #lend(window: ReadWindow, length: number): void {
    loan.begin(window.memory, this.#connection.sender?.queue ?? null);
    this.received(window.lend(length), Lifetime.Loan);
    if (loan.end() || this.#window === null) return;
    window.take(length);
    this.#nextBuffer = window.rest;
  }

  /** Bytes arrived. */
  received(bytes: Buffer, lifetime: Lifetime): void {
    const connection = this.#connection;
    const { host } = connection;
    if (connection.state >= ConnectionState.Closing) return;
    if (this.pauses !== 0 || connection.state < ConnectionState.Open) return this.#hold(bytes, lifetime);
    host.bytesIn += bytes.length;
    this.bytesIn += bytes.length;
    if (host.marksReceives) this.lastReceiveAt = host.wheel.clock.now();
    if (this.#rates !== null) {
      this.#limitRate(this.#rates.bytes, bytes.length);
      if (connection.state >= ConnectionState.Closing) return;
    }
    const outer = host.active;
    host.active = connection;
    this.#isDelivering = true;
    this.layer.receive(bytes, lifetime);
    this.#isDelivering = false;
    host.active = outer;
    connection.sender?.readDelivered();
    if (this.pauses !== 0 && connection.state < ConnectionState.Closing) connection.socket.pause();
  }

  #hold(bytes: Buffer, lifetime: Lifetime): void {
    this.#held ??= [];
    this.#held.push(lifetime === Lifetime.Forever ? bytes : Buffer.from(bytes));
    this.#connection.socket.pause();
  }

  /** Delivers held bytes until there are none or receiving stands still again. */
  #deliverHeld(): void {
    while (this.#held !== null && this.#mayDeliver() && !this.layer.hasBacklog) {
      const bytes = this.#held.shift()!;
      if (this.#held.length === 0) this.#held = null;
      this.received(bytes, Lifetime.Forever);
    }
  }

  /** Gives up everything that was received and not handed on, in order. */
  takeRest(): Buffer | null {
    const rest = this.layer.takeRest();
    const held = this.#held;
    this.#held = null;
    if (held === null) return rest;
    return Buffer.concat(rest === null ? held : [rest, ...held]);
  }

  /** The receive layer has something for the listener. Returns false to stop for now. */
  deliver(data: Buffer | number): boolean {
    const connection = this.#connection;
    const { host } = connection;
    if (this.#rates !== null) {
      this.#limitRate(this.#rates.messages, 1);
      if (connection.state >= ConnectionState.Closing) return false;
    }
    this.messagesIn++;
    host.messagesIn++;
    if (connection.tap !== null) {
      loan.keep(); // a stream or an iterator hands it on later
      if (!connection.tap.data(data)) this.pauses |= PAUSED_BY_TAP;
    } else {
      let result: unknown;
      try {
        result = host.listener.onReceive?.(host.owner, connection.id, data);
      } catch (thrown) {
        connection.hookFailed('onReceive', thrown, SocketOperation.Receive);
        return false;
      }
      if (result !== undefined && result !== HandleResult.Ok) this.#handleResult(result);
    }
    const { state } = connection;
    return this.pauses === 0 && (state === ConnectionState.Open || state === ConnectionState.Draining);
  }

  #handleResult(result: unknown): void {
    if (result === HandleResult.Error) {
      this.refusedBy('onReceive');
    } else if (isThenable(result)) {
      loan.keep();
      // Whoever took the connection as a stream reads on, though the hook may not answer before its end.
      if (this.#connection.tap === null) this.pauses |= PAUSED_BY_HOOK;
      result.then(
        (value) => {
          this.pauses &= ~PAUSED_BY_HOOK;
          if (value === HandleResult.Error) this.refusedBy('onReceive');
          else this.resume();
        },
        (thrown: unknown) => {
          this.pauses &= ~PAUSED_BY_HOOK;
          this.#connection.endedBy('onReceive', true, thrown);
        },
      );
    }
  }

  /** A hook answered Error. */
  refusedBy(hook: string): void {
    const { id } = this.#connection;
    this.violate(Errno.ECANCELED, `the hook ${hook} answered HandleResult.Error, so connection ${id} was closed`);
  }

  /** Received bytes, or the listener, demand the end of the connection (CLS-006 to CLS-008). */
  violate(errno: number, message: string): void {
    const connection = this.#connection;
    connection.close(
      SocketOperation.Receive,
      errno,
      new SocketError({
        socketError: SocketErrorCode.DataProc,
        errno,
        operation: 'receive',
        connId: connection.id,
        message,
      }),
    );
  }

  /** Begins to read, unless something already asked for a pause. */
  start(): void {
    this.#noteReading();
    if (this.pauses !== 0) this.#connection.socket.pause();
    else if (this.#held !== null || this.hasEnded) this.#resumeSoon();
    else this.#connection.socket.resume();
  }

  /** Pauses or resumes on behalf of the user (`PauseReceive`). Takes effect at once, delivers nothing itself. */
  pause(isPaused: boolean): void {
    if (isPaused) {
      this.pauses |= PAUSED_BY_USER;
      if (!this.#isDelivering && this.#connection.state >= ConnectionState.Open) this.#connection.socket.pause();
      if (this.#connection.isShutDown) this.#connection.resumeAtTurnEnd();
    } else if ((this.pauses & PAUSED_BY_USER) !== 0) {
      this.pauses &= ~PAUSED_BY_USER;
      this.#resumeSoon();
    }
  }

  /** Stops at once, for a reason of the transport. */
  stopFor(reason: number): void {
    this.pauses |= reason;
    if (!this.#isDelivering) this.#connection.socket.pause();
  }

  /** The tap can take more. */
  resumeTap(): void {
    if ((this.pauses & PAUSED_BY_TAP) === 0) return;
    this.pauses &= ~PAUSED_BY_TAP;
    this.#resumeSoon();
  }

  /** Resumes at the end of this turn: what is kept is delivered by hooks, and no call fires a hook from inside itself. */
  #resumeSoon(): void {
    if (this.#isDelivering) return;
    this.#connection.resumeAtTurnEnd();
  }

  /** Delivers what was kept, and reads on, unless something still asks for a pause. */
  resume(): void {
    const connection = this.#connection;
    if (!this.#mayDeliver()) return this.#awaitEnd();
    this.#noteReading();
    if (this.layer.hasBacklog) {
      const { host } = connection;
      const outer = host.active;
      host.active = connection;
      this.#isDelivering = true;
      this.layer.resume();
      this.#isDelivering = false;
      host.active = outer;
    }
    connection.sender?.flushAndSettle();
    this.#deliverHeld();
    if (!this.#mayDeliver() || this.layer.hasBacklog) return;
    if (this.hasEnded) this.#tellEnd();
    else connection.socket.resume();
  }

  /**
   * When we have sent everything and a FIN, only the peer's is missing, and only reading shows it. So a connection that its
   * user paused is read once more: what that brings is held for him, and nothing is read beyond it.
   */
  #awaitEnd(): void {
    if (!this.#awaitsOnlyEnd) return;
    if (this.hasEnded) this.#tellEnd();
    else this.#connection.socket.resume();
  }

  get #awaitsOnlyEnd(): boolean {
    const { state, isShutDown } = this.#connection;
    const mayLook = isShutDown && state === ConnectionState.Draining && this.pauses === PAUSED_BY_USER;
    return mayLook && !this.#isDelivering && this.#held === null && !this.layer.hasBacklog;
  }

  /** Time in which nothing was read does not count against the peer. */
  #noteReading(): void {
    const connection = this.#connection;
    if (connection.host.settings.idleTimeoutMs > 0) connection.deadlines.readsAgain();
  }

  #mayDeliver(): boolean {
    const { state } = this.#connection;
    return (
      this.pauses === 0 && !this.#isDelivering && (state === ConnectionState.Open || state === ConnectionState.Draining)
    );
  }

  /** The peer sent a FIN; it counts when everything before it has been delivered. */
  end(): void {
    this.hasEnded = true;
    if (this.#mayDeliver() && !this.layer.hasBacklog && this.#held === null) this.#tellEnd();
    else this.#awaitEnd();
  }

  #tellEnd(): void {
    if (this.hasToldEnd) return;
    this.hasToldEnd = true;
    this.#connection.peerEnded();
  }

  /** The connection is closed. */
  close(): void {
    if (this.#rates?.timer) this.#connection.host.wheel.cancel(this.#rates.timer);
    if (this.#window === null) return;
    this.#connection.host.read.close();
    this.#window = null;
  }

  #limitRate(bucket: TokenBucket | null, count: number): void {
    if (bucket === null) return;
    const connection = this.#connection;
    const { settings, limits, wheel } = connection.host;
    const now = wheel.clock.now();
    const waitMs = bucket.take(count, now);
    if (waitMs <= 0) return;
    if (settings.receiveRatePolicy === 'close') {
      limits.receiveRate++;
      this.violate(
        Errno.ENOBUFS,
        `connection ${connection.id} received more than its rate allows (maxReceiveBytesPerSecond, maxReceiveMessagesPerSecond)`,
      );
      return;
    }
    if ((this.pauses & PAUSED_BY_RATE) === 0) limits.receiveRate++;
    this.pauses |= PAUSED_BY_RATE;
    const rates = this.#rates!;
    // The other rate may demand more.
    if (rates.timer?.isArmed === true && rates.resumesAt >= now + waitMs) return;
    // A socket that is not read does not keep the process alive, though its peer may have sent more.
    rates.timer ??= new WheelTimer(() => {
      this.pauses &= ~PAUSED_BY_RATE;
      this.resume();
    }, true);
    rates.resumesAt = now + waitMs;
    wheel.arm(rates.timer, waitMs);
  }
}
