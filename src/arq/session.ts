import { Errno } from '../core/errno.ts';
import { KCP_HEADER_BYTES, KcpError } from './constants.ts';
import { ArqDatagram, classifyDatagram, hasFecHeader } from './datagram.ts';
import { ArqHandshake, HANDSHAKE_BYTES } from './handshake.ts';
import { Kcp, type KcpStats } from './kcp.ts';
import { KEY_BYTES, KEY_LIMIT, MARK_KEY, type MigrationKey, type MigrationKeys, newTicket } from './migration.ts';
import { readInt32 } from './segment.ts';
import { integerOption, type KcpOptions, KcpSettings } from './settings.ts';
import { HELLO_LIMIT, MARK_CAPABLE, MARK_DATA, MARK_HELLO } from './unreliable.ts';

/** Options of an ARQ session: KCP's, and those of the layer above it. */
export interface ArqOptions extends Omit<KcpOptions, 'isGathered'> {
  /** Milliseconds for the ARQ handshake, > 2 * minRto, default 5000 (AQ-035). */
  handshakeTimeoutMs?: number | undefined;
  /**
   * `true` offers the peer `sendUnreliable`; works if the peer offers it too. Default `false`: not a bit on the wire
   * differs from HP-Socket's.
   */
  unreliable?: boolean | undefined;
  /** `true` lets the session go on under another address of its client, if the peer has it on too: migration.ts. Default `false`. */
  migration?: boolean | undefined;
  /**
   * `true` (default): `send` and `input` flush before they return, as HP-Socket does (AQ-037, AQ-038). `false`: they leave
   * it to a call of `flush` at the end of the tick, so that messages and acknowledgements share datagrams; `nextDueMs` is
   * the present as long as such a call is due. How much shares a datagram then depends on what the line loses.
   */
  immediateFlush?: boolean | undefined;
}

/** Checked {@link ArqOptions}, built once per component. @throws RangeError that names the option that is out of range. */
export class ArqSettings extends KcpSettings {
  readonly handshakeTimeoutMs: number;
  readonly unreliable: boolean;
  readonly migration: boolean;
  readonly immediateFlush: boolean;

  constructor(options: ArqOptions = {}) {
    super({ ...options, isGathered: options.immediateFlush === false });
    const shortest = 2 * this.minRto + 1;
    this.handshakeTimeoutMs = integerOption(
      'handshakeTimeoutMs',
      options.handshakeTimeoutMs,
      5_000,
      shortest,
      0x7fffffff,
    );
    this.unreliable = options.unreliable ?? false;
    this.migration = (options.migration ?? false) && !this.checkConv;
    this.immediateFlush = options.immediateFlush ?? true;
  }
}

/** What a session calls; let the connection object implement it, then a session costs no closures. */
export interface ArqSessionHost {
  /**
   * Send `bytes[0..length-1]` to the peer as one datagram. The bytes are only valid during the call, unless it returns
   * `true`: then they are the host's for good.
   */
  output(bytes: Buffer, length: number): boolean | void;
  /** The handshake is done (OnHandShake): `send` works from here on. May call any method, also `close`. */
  onReady(): void;
  /** One reliable message. The bytes are the host's; they may be a view of the datagram. May call any method. */
  onMessage(message: Buffer): void;
  /** One unreliable message, a view of the datagram: may be lost, repeated, reordered. */
  onUnreliable?(message: Buffer): void;
  /** The session may change its address from now on, see migration.ts. */
  onMovable?(key: MigrationKey): void;
}

export interface ArqSessionInit {
  /** Own conversation ID: `nextConversationId()`, or what `ArqCookies` says. */
  selfId: number;
  /** The present, ms; the same steady clock is used for all calls. */
  now: number;
  settings: ArqSettings;
  host: ArqSessionHost;
  /** For a server whose peer has echoed its cookie: the session is ready at once, after `start`. */
  proved?: { peerId: number; isPeerComplete: boolean };
  /** With `migration`: keys of the component, and whether this side is the client, which moves. */
  migration?: { readonly keys: MigrationKeys; readonly isClient: boolean };
}

// Handshake packets are rare, so one buffer serves all sessions.
let scratch = Buffer.alloc(HANDSHAKE_BYTES);
const NOTHING = new Uint8Array(0);
/** A time that does not come, as a session keeps it: Infinity would take 16 bytes. */
const NEVER = -1;

function dueMs(kept: number): number {
  return kept === NEVER ? Infinity : kept;
}

/**
 * One ARQ connection (AQ-003..005, AQ-013..044): handshake, then KCP. Pure: datagrams and the time go in, datagrams and
 * messages come out. Heartbeats and the close notify belong to the UDP layer, which handles them before `input`.
 *
 * Methods that can end the connection return an errno, 0 = none. After another number the session is closed: it does
 * nothing any more, and the UDP layer closes the connection with that code and sends the close notify.
 *
 *   EBADMSG 74     not an ARQ datagram, bad handshake packet, bad segment (AQ-005, AQ-021, AQ-039)
 *   EMSGSIZE 90    a message larger than maxMessageSize (AQ-039)
 *   ECONNRESET 104 the peer is another one than before (AQ-016, AQ-018)
 *   ETIMEDOUT 110  the handshake took too long (AQ-019)
 *   EPROTO 71      stock KCP: forward error correction, see `hasFecHeader`
 *
 * With `checkConv`, it is a session of stock KCP: there is no handshake, `selfId` is the conversation ID of both sides, and what
 * is no KCP of that conversation is dropped, as its peers do.
 */
export class ArqSession {
  readonly settings: ArqSettings;
  /** KCP datagrams that came before the handshake was done, and were dropped (AQ-020). */
  earlyDatagrams = 0;
  /** Stock KCP: datagrams of another conversation, or of none, that were dropped. */
  foreignDatagrams = 0;
  unreliableIn = 0;
  unreliableOut = 0;
  /** Unreliable messages that came while paused, and were dropped. */
  unreliableDropped = 0;

  private readonly host: ArqSessionHost;
  private readonly handshake: ArqHandshake;
  private readonly kcp: Kcp;
  private isClosed = false;
  private isFlushDue = false;
  private isPaused = false;
  private isDelivering = false;
  // The peer has said hello and waits for our mark.
  private isAnswerDue = false;
  private isPeerUnreliable = false;
  private helloCount = 0;
  private nextHelloMs = NEVER;
  private readonly migration: ArqSessionInit['migration'];
  private keyCount = 0;
  private nextKeyMs = NEVER;
  /** A server's KEY, to be sent in answer to the client's. */
  private keyAnswer: Buffer | null = null;
  private isKeyDue = false;
  /** What proves the session at another address; null as long as the peer is not known to take that. */
  migrationKey: MigrationKey | null = null;

  constructor(init: ArqSessionInit) {
    this.settings = init.settings;
    this.host = init.host;
    this.handshake = new ArqHandshake(init.selfId, init.now, this.settings.interval, this.settings.handshakeTimeoutMs);
    this.kcp = new Kcp(init.selfId, this, this.settings);
    this.migration = this.settings.migration ? init.migration : undefined;
    if (this.settings.unreliable) this.kcp.mark = MARK_CAPABLE;
    if (this.settings.checkConv) this.handshake.skip();
    if (init.proved !== undefined) this.handshake.prove(init.proved.peerId, init.proved.isPeerComplete);
  }

  /** Own conversation ID. */
  get selfId(): number {
    return this.handshake.selfId;
  }

  /** The peer's conversation ID, 0 while unknown. */
  get peerId(): number {
    return this.handshake.peerId;
  }

  get isReady(): boolean {
    return this.handshake.isReady && !this.isClosed;
  }

  /** True once the peer is known to take unreliable messages. */
  get canSendUnreliable(): boolean {
    return this.isPeerUnreliable && this.isReady;
  }

  /** Segments queued or unacknowledged (AQ-043). */
  get waitingSendCount(): number {
    return this.kcp.waitingSendCount;
  }

  /**
   * Call once, as soon as the host can take output: sends the first packet (AQ-013), and for a proved session calls
   * `onReady`.
   */
  start(now: number): void {
    if (!this.settings.checkConv) this.sendHandshake(now);
    if (this.handshake.isReady) this.becomeReady(now);
  }

  /**
   * A datagram of the peer.
   *
   * @param datagram Belongs to the session from here on (messages are views of it).
   * @returns 0, or the errno that ended the session.
   */
  input(datagram: Buffer, now: number): number {
    if (this.isClosed) return 0;
    if (this.settings.checkConv) return this.inputStock(datagram, now);
    switch (classifyDatagram(datagram)) {
      case ArqDatagram.Segments:
        return this.inputSegments(datagram, now);
      case ArqDatagram.Handshake:
        return this.inputHandshake(datagram, now);
      case ArqDatagram.Invalid:
        return this.fail(Errno.EBADMSG);
      default:
        return 0;
    }
  }

  /**
   * Tells the time: resends what is due. Call it when {@link nextDueMs} says so; calling it more often does no harm.
   *
   * @returns 0, or ETIMEDOUT.
   */
  update(now: number): number {
    if (this.isClosed) return 0;
    if (this.handshake.isSending) {
      if (this.handshake.isTimedOut(now)) return this.fail(Errno.ETIMEDOUT);
      this.sendHandshake(now);
    }
    if (this.handshake.isReady) {
      if (now >= dueMs(this.nextHelloMs)) this.sendHello(now);
      if (now >= dueMs(this.nextKeyMs)) this.sendKey(now);
      // A KCP update restarts the interval even if there is nothing to send, and so would put off what becomes due meanwhile.
      if (this.kcp.check(now) <= now) this.kcp.update(now);
      if (this.isFlushDue) this.flush(now);
    }
    return 0;
  }

  /** When {@link update} (or {@link flush}) is due: `Infinity` for an idle session, which needs no timer. */
  nextDueMs(now: number): number {
    if (this.isClosed) return Infinity;
    if (this.isFlushDue) return now;
    const handshake = this.handshake.nextDueMs;
    if (!this.handshake.isReady) return handshake;
    return Math.min(handshake, dueMs(this.nextHelloMs), dueMs(this.nextKeyMs), this.kcp.check(now));
  }

  /**
   * Queues one message; its bytes are copied.
   *
   * @param deadlineMs Drop the message if it has not begun to leave so many ms from now.
   * @returns 0; EPERM before the handshake is done; EINVAL if it is empty or larger than maxMessageSize; EMSGSIZE if KCP
   *   refuses its size; ENOBUFS if too many segments wait. None of them ends the session.
   */
  send(data: Uint8Array, now: number, deadlineMs?: number): number {
    if (!this.isReady) return Errno.EPERM;
    if (data.length === 0 || data.length > this.settings.maxMessageSize) return Errno.EINVAL;
    const error = this.kcp.send(data, deadlineMs, now);
    if (error !== 0) return error === KcpError.QueueFull ? Errno.ENOBUFS : Errno.EMSGSIZE;
    this.flushSoon(now);
    return 0;
  }

  /**
   * Sends one unreliable message at once, in a datagram of its own.
   *
   * @returns 0; EPERM before the handshake is done; EINVAL if empty; EMSGSIZE if it does not fit a datagram (MTU - 24);
   *   EOPNOTSUPP if the peer is not known to take such messages (yet).
   */
  sendUnreliable(data: Uint8Array, now: number): number {
    if (!this.isReady) return Errno.EPERM;
    if (data.length === 0) return Errno.EINVAL;
    if (data.length > this.settings.maxSegmentBytes) return Errno.EMSGSIZE;
    if (!this.isPeerUnreliable) return Errno.EOPNOTSUPP;
    this.kcp.tell(MARK_DATA, this.unreliableOut++ | 0, data, now);
    return 0;
  }

  /** Sends what can be sent now, acknowledgements first. With `immediateFlush: false`, call it at the end of the tick. */
  flush(now: number): void {
    this.isFlushDue = false;
    if (this.isReady) this.kcp.flush(now);
  }

  /** Stops `onMessage`: messages stay in the receive window, which closes, and the peer stops sending. */
  pause(): void {
    this.isPaused = true;
  }

  /** Delivers what waited, tells the peer that there is room again. Returns 0 or the errno that ended the session. */
  resume(now: number): number {
    this.isPaused = false;
    return this.isReady ? this.deliver(now) : 0;
  }

  /** Ends it without a word: nothing is sent or delivered any more, what is unacknowledged is dropped (AQ-044). */
  close(): void {
    this.isClosed = true;
  }

  stats(): KcpStats {
    return this.kcp.stats();
  }

  /** @internal For {@link Kcp}, whose host the session is. */
  output(bytes: Buffer, length: number): boolean | void {
    if (!this.isClosed) return this.host.output(bytes, length);
  }

  /** @internal For {@link Kcp}. */
  onMark(frg: number, datagram: Buffer, offset: number, length: number): void {
    if (this.isClosed) return;
    if (frg === MARK_KEY) return this.keyCame(datagram.subarray(offset, offset + length));
    if (!this.settings.unreliable) return;
    if (frg < MARK_CAPABLE || frg > MARK_DATA) return;
    this.isPeerUnreliable = true;
    this.nextHelloMs = NEVER;
    if (frg === MARK_HELLO) this.isAnswerDue = true;
    if (frg === MARK_DATA && length > 0) {
      if (this.isPaused) {
        this.unreliableDropped++;
        return;
      }
      this.unreliableIn++;
      this.host.onUnreliable?.(datagram.subarray(offset, offset + length));
    }
  }

  /** The peer has `migration` on, too. Only clients begin, so that no C++ client ever gets one. */
  private keyCame(hello: Buffer): void {
    const { migration } = this;
    if (migration === undefined || hello.length !== KEY_BYTES) return;
    if (this.migrationKey === null) this.agree(migration, hello);
    this.isKeyDue = this.keyAnswer !== null;
  }

  private agree(migration: NonNullable<ArqSessionInit['migration']>, hello: Buffer): void {
    const { selfId } = this;
    const ticket = migration.isClient ? undefined : newTicket();
    const [client, server] = migration.isClient ? [selfId, this.peerId] : [this.peerId, selfId];
    const key = migration.keys.agree(hello, client, server, ticket);
    if (key === null) return;
    this.nextKeyMs = NEVER;
    this.migrationKey = key;
    if (ticket !== undefined) this.keyAnswer = migration.keys.hello(ticket);
    this.host.onMovable?.(key);
  }

  /** The way to the peer is another one: what is in flight is sent again, and time-outs begin anew. */
  pathChanged(now: number): void {
    if (!this.isReady) return;
    this.kcp.hurry(now);
    if (this.settings.immediateFlush) this.kcp.flush(now);
    else this.isFlushDue = true;
  }

  private sendKey(now: number): void {
    if (this.migration === undefined || this.migrationKey !== null || this.keyCount >= KEY_LIMIT) {
      this.nextKeyMs = NEVER;
      return;
    }
    this.kcp.tell(MARK_KEY, 0, this.migration.keys.hello(), now);
    this.nextKeyMs = now + Math.min(this.settings.interval * ++this.keyCount * 4, 2_000);
  }

  private inputStock(datagram: Buffer, now: number): number {
    if (datagram.length >= KCP_HEADER_BYTES && readInt32(datagram, 0) >>> 0 === this.selfId) {
      return this.inputSegments(datagram, now);
    }
    if (hasFecHeader(datagram)) return this.fail(Errno.EPROTO);
    this.foreignDatagrams++;
    return 0;
  }

  private inputHandshake(datagram: Buffer, now: number): number {
    const wasReady = this.handshake.isReady;
    const error = this.handshake.input(datagram, now);
    if (error !== 0) return this.fail(error);
    // Before onReady, so that the peer is ready for what the host sends then.
    this.sendHandshake(now);
    if (!wasReady && this.handshake.isReady) this.becomeReady(now);
    return 0;
  }

  private inputSegments(datagram: Buffer, now: number): number {
    if (!this.handshake.isReady) {
      this.earlyDatagrams++;
      return 0;
    }
    // An unreliable message is delivered from inside `kcp.input`; what the host sends then must wait until that is done.
    this.isDelivering = true;
    let error: number;
    try {
      error = this.kcp.input(datagram, now);
    } finally {
      this.isDelivering = false;
    }
    if (this.isClosed) return 0;
    if (error !== 0) return this.fail(Errno.EBADMSG);
    if (this.isAnswerDue) {
      this.isAnswerDue = false;
      this.kcp.tell(MARK_CAPABLE, 0, NOTHING, now);
    }
    if (this.isKeyDue && this.keyAnswer !== null) {
      this.isKeyDue = false;
      this.kcp.tell(MARK_KEY, 0, this.keyAnswer, now);
    }
    return this.deliver(now);
  }

  private deliver(now: number): number {
    // A host that calls resume() from onMessage comes here again: the outer loop goes on for it.
    if (this.isDelivering) return 0;
    this.isDelivering = true;
    try {
      while (!this.isPaused && !this.isClosed) {
        const message = this.kcp.recv();
        if (message === null) break;
        this.host.onMessage(message);
      }
    } finally {
      this.isDelivering = false;
    }
    if (this.isClosed) return 0;
    if (this.kcp.fault !== 0 && !this.isPaused) {
      return this.fail(this.kcp.fault === KcpError.MessageTooLarge ? Errno.EMSGSIZE : Errno.EBADMSG);
    }
    this.flushSoon(now);
    return 0;
  }

  private flushSoon(now: number): void {
    // While messages are delivered, answers are gathered until the last one; they leave with the acknowledgements.
    if (this.isDelivering) return;
    if (this.settings.immediateFlush) this.kcp.flush(now);
    else this.isFlushDue = true;
  }

  private becomeReady(now: number): void {
    // KCP does not flush before its first update; HP-Socket waits a tick for that.
    this.kcp.update(now);
    if (this.settings.unreliable) this.sendHello(now);
    if (this.migration?.isClient === true) this.sendKey(now);
    this.host.onReady();
  }

  private sendHandshake(now: number): void {
    if (this.isClosed || !this.handshake.poll(now, scratch)) return;
    if (this.host.output(scratch, HANDSHAKE_BYTES) === true) scratch = Buffer.alloc(HANDSHAKE_BYTES);
  }

  private sendHello(now: number): void {
    if (this.isPeerUnreliable || this.helloCount >= HELLO_LIMIT) {
      this.nextHelloMs = NEVER;
      return;
    }
    this.kcp.tell(MARK_HELLO, 0, NOTHING, now);
    this.nextHelloMs = now + Math.min(this.settings.interval * ++this.helloCount * 4, 2_000);
  }

  private fail(errno: number): number {
    this.isClosed = true;
    return errno;
  }
}
