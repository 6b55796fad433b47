import { SocketErrorCode, SocketOperation } from '../core/enums.ts';
import { Errno } from '../core/errno.ts';
import type { SocketErrorName } from '../core/error-names.ts';
import { SocketError } from '../core/errors.ts';
import { type HookOutcome, mustSettle, settleHook } from '../core/hooks.ts';
import { $createProtocol } from '../core/internals.ts';
import { WheelNode } from '../core/timer-wheel.ts';
import { loan } from '../memory/loan.ts';
import { type ReadWindow, WINDOW_ENTER_BYTES, WINDOW_LEAVE_BYTES } from '../memory/read-memory.ts';
import { AtEnd, Lifetime, type Port, type Protocol } from '../protocol/protocol.ts';
import type { Consumer } from './consumer.ts';
import type { Link, ReceivingSide } from './link.ts';
import { ReceiveRates } from './receive-rates.ts';
import { ConnectionState } from './state.ts';

/** Why receiving stands still; bits of `pauses`. */
const PAUSED_BY_USER = 1;
const PAUSED_BY_HOOK = 2;
const PAUSED_BY_RATE = 4;
const PAUSED_BY_CONSUMER = 8;
/** Clear text is over: what comes next belongs to the TLS handshake. */
export const PAUSED_BY_SECURITY = 16;
/** The connection is to end as soon as what was begun has been answered. */
export const PAUSED_BY_DRAIN = 32;

/** Pauses during which the end of the peer may be looked for, when nothing else is missing. */
const MAY_LOOK = PAUSED_BY_USER | PAUSED_BY_DRAIN;
/** Bytes that are read ahead for the `signal` of a connection. */
const READ_AHEAD_BYTES = 64 * 1024;

/** Facts of a receiver; bits of one number, since there may be a million connections. */
/** The peer sent its FIN. */
const HAS_ENDED = 1;
/** The connection knows of it: everything before it has been delivered. */
const HAS_TOLD_END = 2;
/** A protocol is being given bytes, or what it kept. */
const IS_DELIVERING = 4;
/** Large reads land in the same memory over and over. */
const LENDS = 8;
/** Bytes may be held so that the end of the peer is noticed while receiving stands still. */
const READS_AHEAD = 16;
/** A pending hook does not keep the end of the peer from being looked for. */
const ENDS_DURING_HOOK = 32;

const NOTHING: readonly Buffer[] = [];

/**
 * The receiving side of a stream connection: where reads land, what pauses them, and the port that its protocol gets, by
 * which messages reach the listener. It is the timer of the protocol's deadline, too.
 */
export class ConnectionReceiver extends WheelNode implements Port, ReceivingSide {
  protocol: Protocol;
  bytesIn = 0;
  messagesIn = 0;
  /** Time of the last read; of the opening before the first. */
  lastReceiveAt: number;
  /** Why receiving stands still. */
  pauses = 0;
  #connection: Link;
  #facts = 0;
  #window: ReadWindow | null = null;
  #nextBuffer: Buffer | undefined = undefined;
  readonly #rates: ReceiveRates | null;
  #outcome: HookOutcome | null = null;
  /** Bytes that came although receiving stands still: TLS hands on all that it has decrypted. */
  #held: Buffer[] | null = null;

  constructor(connection: Link) {
    super();
    this.#connection = connection;
    const { host, openedAt } = connection;
    this.protocol = host.owner[$createProtocol](this);
    if (host.settings.reuseReceiveMemory && this.protocol.deliversBytes) this.#facts |= LENDS;
    this.lastReceiveAt = openedAt;
    this.#rates = ReceiveRates.of(host.settings, openedAt);
  }

  get id(): number {
    return this.#connection.id;
  }

  /** Whether the peer sent its FIN. */
  get hasEnded(): boolean {
    return (this.#facts & HAS_ENDED) !== 0;
  }

  /** Whether the connection knows of the FIN: everything before it has been delivered. */
  get hasToldEnd(): boolean {
    return (this.#facts & HAS_TOLD_END) !== 0;
  }

  get isOpen(): boolean {
    const { state } = this.#connection;
    return state === ConnectionState.Open || state === ConnectionState.Draining;
  }

  /** Whether the promise of a hook is pending. */
  get awaitsHook(): boolean {
    return (this.pauses & PAUSED_BY_HOOK) !== 0;
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
      if (length >= WINDOW_ENTER_BYTES && this.#window === null && this.protocol.handsOnReads !== false) {
        this.#window = host.read.open(length, (this.#facts & LENDS) !== 0);
        this.#nextBuffer = this.#window?.rest;
      }
      this.received(host.read.view(length), Lifetime.Call);
    } else if (this.#window === null) {
      this.received(buffer.subarray(0, length), Lifetime.Forever);
    } else if (length < WINDOW_LEAVE_BYTES || this.protocol.handsOnReads === false) {
      this.#window = null;
      this.#nextBuffer = host.read.shared;
      host.read.close();
      this.received(buffer.subarray(0, length), Lifetime.Forever);
    } else if ((this.#facts & LENDS) !== 0 && !loan.isOpen) {
      this.lend(this.#window, length);
    } else {
      const bytes = this.#window.take(length);
      this.#nextBuffer = this.#window.rest;
      this.received(bytes, Lifetime.Forever);
    }
    // A read that goes on though receiving stands still lands in `#held`.
    const readsOn = this.pauses === 0 || (this.#facts & READS_AHEAD) !== 0 || this.awaitsOnlyEnd;
    return readsOn && this.#connection.state < ConnectionState.Closing;
  }

  readOwn(bytes: Buffer): void {
    this.received(bytes, Lifetime.Forever);
  }

  /** The next read lands where this one did, unless what it brought is kept. */
  private lend(window: ReadWindow, length: number): void {
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
    if (this.pauses !== 0 || connection.state < ConnectionState.Open || this.protocol.hasBacklog) {
      return this.holdBytes(bytes, lifetime);
    }
    host.bytesIn += bytes.length;
    this.bytesIn += bytes.length;
    if (host.marksReceives) this.lastReceiveAt = host.wheel.now();
    if (this.#rates !== null && !this.charge(this.#rates, bytes.length)) return;
    const outer = host.active;
    host.active = connection;
    this.#facts |= IS_DELIVERING;
    this.protocol.receive(bytes, lifetime);
    this.#facts &= ~IS_DELIVERING;
    host.active = outer;
    connection.sender?.readDelivered();
    if (host.settings.messageTimeoutMs > 0) this.noteMessage();
    if (this.pauses !== 0) {
      if (connection.state < ConnectionState.Closing) this.standStill();
    } else if (this.#held !== null) {
      this.deliverHeld(); // bytes that another protocol left
    }
  }

  /** Whether a message is incomplete now. One that waits here, for a hook or a reader, may have come whole. */
  private noteMessage(): void {
    const connection = this.#connection;
    if (connection.state >= ConnectionState.Closing) return;
    const isPartial = this.protocol.isMidMessage === true && !this.protocol.hasBacklog;
    connection.deadlines.messageStands(isPartial, this.messagesIn);
  }

  private holdBytes(bytes: Buffer, lifetime: Lifetime): void {
    const { preambles } = this.#connection;
    if (preambles !== null) return preambles.received(bytes, lifetime);
    // What comes after this side has begun to drain, and said so by its FIN, is dropped.
    if ((this.pauses & PAUSED_BY_DRAIN) !== 0 && this.#connection.isShutDown) return;
    this.#held ??= [];
    this.#held.push(lifetime === Lifetime.Forever ? bytes : Buffer.from(bytes));
    this.standStill();
  }

  /** Stops reading, unless something wants to know when the peer is gone, and little is held so far. */
  private standStill(): void {
    if ((this.#facts & READS_AHEAD) === 0) {
      if (!this.awaitsOnlyEnd) this.#connection.socket.pause();
      return;
    }
    let heldBytes = 0;
    for (const { length } of this.#held ?? NOTHING) heldBytes += length;
    if (heldBytes >= READ_AHEAD_BYTES) this.#connection.socket.pause();
    else this.#connection.socket.resume();
  }

  /** From now on reads on, within bounds, while receiving stands still, so that a reset of the peer is noticed. */
  readAhead(): void {
    this.#facts |= READS_AHEAD;
    if (this.pauses !== 0 && (this.#facts & IS_DELIVERING) === 0 && this.isOpen) this.standStill();
  }

  /** Delivers held bytes until there are none or receiving stands still again. They were counted when they came. */
  private deliverHeld(): void {
    while (this.#held !== null && this.isReady() && !this.protocol.hasBacklog) {
      const bytes = this.#held.shift()!;
      if (this.#held.length === 0) this.#held = null;
      this.received(bytes, Lifetime.Forever);
    }
  }

  /** Gives up everything that was received and not handed on, in order. */
  takeRest(): Buffer | null {
    const rest = this.protocol.takeRest();
    if (rest !== null) this.uncount(rest.length);
    const held = this.#held;
    this.#held = null;
    if (held === null) return rest;
    return Buffer.concat(rest === null ? held : [rest, ...held]);
  }

  count(): boolean {
    if (this.#rates !== null && !this.charge(this.#rates, null)) return false;
    this.messagesIn++;
    this.#connection.host.messagesIn++;
    return true;
  }

  /** Charges bytes that came; with null, a message. Returns whether the connection goes on. */
  private charge(rates: ReceiveRates, bytes: number | null): boolean {
    const connection = this.#connection;
    const now = connection.host.wheel.clock.now();
    this.keepToRates(rates, bytes === null ? rates.messageCame(now) : rates.bytesCame(bytes, now), now);
    return connection.state < ConnectionState.Closing;
  }

  get hasConsumer(): boolean {
    return this.#connection.consumer !== null;
  }

  get mayDeliver(): boolean {
    return this.pauses === 0 && this.isOpen;
  }

  deliver(data: unknown): boolean {
    // What `count` does, written out: the call cost 10 ns of 255 (`npm run bench:micro -- --only stream-path`).
    if (this.#rates !== null && !this.charge(this.#rates, null)) return false;
    const connection = this.#connection;
    const { host } = connection;
    this.messagesIn++;
    host.messagesIn++;
    if (connection.consumer !== null) return this.deliverTo(connection.consumer, data);
    let result: unknown;
    try {
      result = host.listener.onReceive?.(host.owner, connection.id, data);
    } catch (thrown) {
      connection.hookFailed('onReceive', thrown, SocketOperation.Receive);
      return false;
    }
    if (result !== undefined && mustSettle(result)) settleHook(result, this.receiveOutcome());
    return this.mayDeliver;
  }

  private deliverTo(consumer: Consumer, data: unknown): boolean {
    loan.keep(); // a stream or an iterator hands it on later
    if (!consumer.deliver(data)) this.pauses |= PAUSED_BY_CONSUMER;
    return this.mayDeliver;
  }

  /** What follows from `onReceive`; the same for all its calls, and made when one of them asks for it. */
  private receiveOutcome(): HookOutcome {
    this.#outcome ??= this.outcomeOf('onReceive', undefined);
    return this.#outcome;
  }

  private outcomeOf(hook: string, then: ((value: unknown) => void) | undefined): HookOutcome {
    let isWaiting = false;
    return {
      waits: () => {
        loan.keep();
        isWaiting = true;
        // A hook that took the connection as a stream may not answer before its end, so the stream reads on.
        if (this.#connection.consumer === null) this.pauses |= PAUSED_BY_HOOK;
      },
      answered: (value) => {
        this.pauses &= ~PAUSED_BY_HOOK;
        then?.(value);
        if (!isWaiting) return;
        this.resume();
        this.#connection.answerMade();
      },
      refused: () => {
        this.pauses &= ~PAUSED_BY_HOOK;
        this.refusedBy(hook);
      },
      failed: (thrown) => {
        this.pauses &= ~PAUSED_BY_HOOK;
        this.#connection.endedBy(hook, true, thrown);
      },
    };
  }

  settle(hook: string, result: unknown, answered?: (value: unknown) => void): boolean {
    settleHook(result, this.outcomeOf(hook, answered));
    return this.pauses === 0 && this.isOpen;
  }

  threw(hook: string, thrown: unknown): boolean {
    this.#connection.hookFailed(hook, thrown, SocketOperation.Receive);
    return false;
  }

  send(bytes: Uint8Array): boolean {
    return this.#connection.sendRaw(bytes);
  }

  sendAll(parts: readonly Uint8Array[], length: number): boolean {
    return this.#connection.sendAllRaw(parts, length);
  }

  reserve(bytes: number): void {
    const connection = this.#connection;
    if (bytes > 0) connection.useSender().heldBytes += bytes;
    else if (connection.sender !== null) connection.sender.heldBytes += bytes;
  }

  sendReserved(bytes: Uint8Array, reserved: number): boolean {
    return this.#connection.sendReserved(bytes, reserved);
  }

  end(): void {
    this.#connection.endByProtocol();
  }

  deadline(ms: number): void {
    const { wheel } = this.#connection.host;
    if (ms > 0) wheel.arm(this, ms);
    else wheel.cancel(this);
  }

  /** The protocol's deadline has passed. */
  override onExpire(): void {
    this.protocol.expired?.();
  }

  hold(): () => void {
    return this.#connection.hold();
  }

  become(next: Protocol): void {
    const connection = this.#connection;
    const rest = this.protocol.takeRest();
    this.deadline(0);
    this.protocol.closed();
    this.protocol = next;
    const lends = connection.host.settings.reuseReceiveMemory && next.deliversBytes;
    this.#facts = lends ? this.#facts | LENDS : this.#facts & ~LENDS;
    if (rest !== null) {
      this.uncount(rest.length);
      this.#held = this.#held === null ? [rest] : [rest, ...this.#held];
      if ((this.#facts & IS_DELIVERING) === 0) this.resumeSoon();
    }
    if (this.isOpen) next.opened();
  }

  /** Bytes that the protocol gives up were counted and charged when they came. What gets them next counts them, and charges no more. */
  private uncount(bytes: number): void {
    this.bytesIn -= bytes;
    this.#connection.host.bytesIn -= bytes;
    this.#rates?.forgive(bytes);
  }

  /** A hook answered Error. */
  refusedBy(hook: string): void {
    const { id } = this.#connection;
    this.violate(Errno.ECANCELED, `the hook ${hook} answered HandleResult.Error, so connection ${id} was closed`);
  }

  /** Received bytes, or the listener, demand the end of the connection (CLS-006 to CLS-008). */
  violate(errno: number, message: string, code?: SocketErrorName, cause?: unknown): void {
    const connection = this.#connection;
    const error = new SocketError({
      // A deadline of a protocol is one like those of the connection.
      socketError: errno === Errno.ETIMEDOUT ? SocketErrorCode.Network : SocketErrorCode.DataProc,
      code,
      errno,
      operation: 'receive',
      connId: connection.id,
      message,
      cause,
    });
    connection.close(SocketOperation.Receive, errno, error);
  }

  /** Begins to read, unless something already asked for a pause. */
  start(): void {
    this.noteReading();
    this.protocol.opened();
    if (this.pauses !== 0) this.standStill();
    else if (this.#held !== null || this.hasEnded) this.resumeSoon();
    else this.#connection.socket.resume();
  }

  /** Pauses or resumes on behalf of the user (`PauseReceive`). Takes effect at once, delivers nothing itself. */
  pause(isPaused: boolean): void {
    if (isPaused) {
      this.pauses |= PAUSED_BY_USER;
      if ((this.#facts & IS_DELIVERING) === 0 && this.#connection.state >= ConnectionState.Open) this.standStill();
      if (this.#connection.isShutDown) this.#connection.resumeAtTurnEnd();
    } else if ((this.pauses & PAUSED_BY_USER) !== 0) {
      this.pauses &= ~PAUSED_BY_USER;
      this.resumeSoon();
    }
  }

  markHook(isPending: boolean): void {
    if (isPending) this.pauses |= PAUSED_BY_HOOK;
    else this.pauses &= ~PAUSED_BY_HOOK;
  }

  /** Stops at once, for a reason of the transport. */
  stopFor(reason: number): void {
    this.pauses |= reason;
    if ((this.#facts & IS_DELIVERING) === 0) this.#connection.socket.pause();
  }

  /** A pending hook is not waited for when the peer ends: it waits itself for the end of this connection. */
  endDuringHook(): void {
    this.#facts |= ENDS_DURING_HOOK;
  }

  /** Delivers what was received before the drain began; nothing new is read. */
  deliverKept(): void {
    this.pauses &= ~PAUSED_BY_DRAIN;
    if (this.isReady()) {
      this.deliverBacklog();
      this.deliverHeld();
    }
    this.pauses |= PAUSED_BY_DRAIN;
  }

  /** The protocol has said goodbye, and the peer's answer is to be read. */
  awaitGoodbye(): void {
    if ((this.pauses & PAUSED_BY_DRAIN) === 0) return;
    this.pauses &= ~PAUSED_BY_DRAIN;
    this.resumeSoon();
  }

  /** The stream or iterator can take no more for now. */
  pauseConsumer(): void {
    this.pauses |= PAUSED_BY_CONSUMER;
  }

  /** The stream or iterator can take more. */
  resumeConsumer(): void {
    if ((this.pauses & PAUSED_BY_CONSUMER) === 0) return;
    this.pauses &= ~PAUSED_BY_CONSUMER;
    this.resumeSoon();
  }

  /** Resumes at the end of this turn: what is kept is delivered by hooks, and no call fires a hook from inside itself. */
  private resumeSoon(): void {
    if ((this.#facts & IS_DELIVERING) !== 0) return;
    this.#connection.resumeAtTurnEnd();
  }

  /** Delivers what was kept, and reads on, unless something still asks for a pause. */
  resume(): void {
    const connection = this.#connection;
    if (!this.isReady()) return this.awaitEnd();
    this.noteReading();
    this.deliverBacklog();
    connection.sender?.flushAndSettle();
    this.deliverHeld();
    if (!this.isReady() || this.protocol.hasBacklog) return;
    if (this.hasEnded) this.tellEnd();
    else connection.socket.resume();
  }

  private deliverBacklog(): void {
    if (!this.protocol.hasBacklog) return;
    const { host } = this.#connection;
    const outer = host.active;
    host.active = this.#connection;
    this.#facts |= IS_DELIVERING;
    this.protocol.resume();
    this.#facts &= ~IS_DELIVERING;
    host.active = outer;
    if (host.settings.messageTimeoutMs > 0) this.noteMessage();
  }

  /**
   * When we have sent everything and a FIN, only the peer's is missing, and only reading shows it. So a connection that its
   * user paused is read once more: what that brings is held for him, and nothing is read beyond it.
   */
  private awaitEnd(): void {
    if (!this.awaitsOnlyEnd) return;
    if (this.hasEnded) this.tellEnd();
    else this.#connection.socket.resume();
  }

  private get awaitsOnlyEnd(): boolean {
    const { state, isShutDown } = this.#connection;
    const ignored = (this.#facts & ENDS_DURING_HOOK) === 0 ? MAY_LOOK : MAY_LOOK | PAUSED_BY_HOOK;
    const mayLook = isShutDown && state === ConnectionState.Draining && (this.pauses & ~ignored) === 0;
    return mayLook && (this.#facts & IS_DELIVERING) === 0 && this.#held === null && !this.protocol.hasBacklog;
  }

  /** Time in which nothing was read does not count against the peer. */
  private noteReading(): void {
    const connection = this.#connection;
    if (connection.host.settings.idleTimeoutMs > 0) connection.deadlines.readsAgain();
  }

  private isReady(): boolean {
    const { state } = this.#connection;
    return (
      this.pauses === 0 &&
      (this.#facts & IS_DELIVERING) === 0 &&
      (state === ConnectionState.Open || state === ConnectionState.Draining)
    );
  }

  /** The peer sent a FIN; it counts when everything before it has been delivered. */
  peerFinished(): void {
    this.#facts |= HAS_ENDED;
    const { preambles } = this.#connection;
    if (preambles !== null) preambles.ended();
    else if (this.isReady() && !this.protocol.hasBacklog && this.#held === null) this.tellEnd();
    else this.awaitEnd();
  }

  private tellEnd(): void {
    if (this.hasToldEnd) return;
    this.#facts |= HAS_TOLD_END;
    const verdict = this.protocol.ended();
    if (verdict === AtEnd.Drain) this.#connection.peerEnded();
    else if (verdict === AtEnd.Truncated) this.#connection.peerEndedEarly(this.protocol.bufferedBytes);
  }

  /** The connection is closed. */
  close(): void {
    this.#connection.preambles?.closed();
    this.protocol.closed();
    this.#rates?.cancel(this.#connection.host.wheel);
    if (this.#window === null) return;
    this.#connection.host.read.close();
    this.#window = null;
  }

  /** A rate says that nothing is to be read for so long. */
  private keepToRates(rates: ReceiveRates, waitMs: number, now: number): void {
    if (waitMs <= 0) return;
    const connection = this.#connection;
    const { settings, limits, wheel } = connection.host;
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
    rates.wait(wheel, waitMs, now, () => {
      this.pauses &= ~PAUSED_BY_RATE;
      this.resume();
    });
  }
}
