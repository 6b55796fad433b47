import type { Socket } from 'node:net';
import { localAddressOfSocket, type SocketAddress } from '../core/address.ts';
import { cutShortError, proxyError, socketError } from '../core/connection-errors.ts';
import { SocketOperation } from '../core/enums.ts';
import { errnoOf } from '../core/errno.ts';
import type { SocketError } from '../core/errors.ts';
import type { OpeningDone } from '../core/hooks.ts';
import type { ConnectionStats } from '../core/stats.ts';
import type { Protocol } from '../protocol/protocol.ts';
import { resetSocket } from '../transport/fast-io.ts';
import type { Consumer } from './consumer.ts';
import { ConnectionDeadlines } from './deadlines.ts';
import { armDraining, askEnd } from './ending.ts';
import type { ConnectionHost } from './host.ts';
import type { Link } from './link.ts';
import { ConnectionReceiver, PAUSED_BY_DRAIN, PAUSED_BY_SECURITY } from './receiver.ts';
import type { SecureSession } from './security.ts';
import { ConnectionSender } from './sender.ts';
import { forgetSocket, listenToSocket } from './socket.ts';
import { ConnectionState } from './state.ts';
import {
  AWAITS_SENT,
  DISCONNECTS,
  HAS_LAST_MOMENT,
  HAS_SAID_GOODBYE,
  IS_ENDING,
  IS_SHUT_DOWN,
  IS_TUNNELLED,
  MUST_RESUME,
  OUTLIVES_SOCKET,
  RESETS,
  StreamFacts,
} from './stream-facts.ts';

/** Milliseconds that a connection which closes may take to get its last bytes and its close_notify to the system. */
export const GOODBYE_MS = 100;

/**
 * One TCP or TLS connection of any component: its state, how it closes, and the parts that it is made of. What an idle
 * connection does not need (a send queue, deadlines) is made when it is needed.
 */
export class StreamConnection extends StreamFacts implements Link {
  remoteAddress = '';
  remotePort = 0;
  readonly receiver: ConnectionReceiver;
  sender: ConnectionSender | null = null;
  socket: Socket;
  /** TLS of this connection; null on plain ones, and while it is in clear text. */
  secure: SecureSession | null = null;
  consumer: Consumer | null = null;
  /** What senders that it had before the present one did. */
  #bytesOutBefore = 0;
  #messagesOutBefore = 0;
  #deadlines: ConnectionDeadlines | null = null;

  /** @param makeSocket Makes the socket; reads of it are to go to the connection that it is given. */
  constructor(host: ConnectionHost, state: ConnectionState, makeSocket: (connection: StreamConnection) => Socket) {
    super(host, state, host.wheel.now());
    this.receiver = new ConnectionReceiver(this);
    this.socket = makeSocket(this);
    listenToSocket(this.socket, this);
  }

  /** Stops listening to the socket, so that another one can wrap it. */
  abandonSocket(): Socket {
    forgetSocket(this.socket);
    return this.socket;
  }

  /** Goes on with `socket`, which wraps the one before. */
  replaceSocket(socket: Socket): void {
    this.socket = socket;
    listenToSocket(socket, this);
    this.sender?.useSocket();
  }

  get protocol(): Protocol {
    return this.receiver.protocol;
  }

  get lastReceiveAt(): number {
    return this.receiver.lastReceiveAt;
  }

  /** Whether bytes can be queued: also while opening hooks run, but not while TLS shakes hands. */
  get canSend(): boolean {
    if (this.isEnding || this.state > ConnectionState.Open) return false;
    if (this.state === ConnectionState.Open) return true;
    return this.state === ConnectionState.Opening && (this.host.security === null || this.canSendWhileOpening);
  }

  /** Whether nothing can be sent yet, because TLS shakes hands or is about to. */
  get isShakingHands(): boolean {
    return this.state === ConnectionState.Opening && !this.isEnding && !this.canSend;
  }

  get isPaused(): boolean {
    return this.receiver.isPausedByUser;
  }

  get pendingBytes(): number {
    return (this.sender?.pendingBytes ?? 0) + (this.seldom?.lostBytes ?? 0);
  }

  protected override get unsentBytes(): number {
    return (this.sender?.unsentBytes ?? 0) + (this.seldom?.lostBytes ?? 0);
  }

  /** Local address, null once the socket is closed. */
  get localAddress(): SocketAddress | null {
    return localAddressOfSocket(this.socket);
  }

  get deadlines(): ConnectionDeadlines {
    this.#deadlines ??= new ConnectionDeadlines(this);
    return this.#deadlines;
  }

  /** The sending side, made when it is needed. */
  useSender(): ConnectionSender {
    this.sender ??= ConnectionSender.of(this);
    return this.sender;
  }

  /** Its sender, which has nothing to do, goes to other connections. */
  giveUpSender(): void {
    this.#bytesOutBefore = this.bytesOut;
    this.#messagesOutBefore = this.messagesOut;
    this.sender = null;
  }

  get bytesOut(): number {
    return this.#bytesOutBefore + (this.sender?.queue.writtenBytes ?? 0);
  }

  private get messagesOut(): number {
    return this.#messagesOutBefore + (this.sender?.messagesOut ?? 0);
  }

  // ---- opening ---------------------------------------------------------------------------------------------------

  /** The socket connected. */
  connected(): void {
    this.move(ConnectionState.Opening);
  }

  /** Its hooks let it in: data flows. */
  begin(): void {
    this.move(ConnectionState.Open);
    if (this.isEnding) this.sayGoodbye();
    this.consumer?.opened();
    this.receiver.start();
  }

  /** Deadlines of an open connection take the place of those of opening. */
  armDeadlines(): void {
    if (this.isEnding) return; // its own deadline runs
    if (this.host.hasDeadlines) this.deadlines.armOpen();
    else this.#deadlines?.disarmStage();
  }

  /** Clear text is over: nothing more is delivered or taken until the TLS handshake is done. */
  closeClearText(): void {
    this.canSendWhileOpening = false;
    if (this.state === ConnectionState.Open) this.move(ConnectionState.Opening);
    this.receiver.stopFor(PAUSED_BY_SECURITY);
  }

  get awaitsHook(): boolean {
    return this.receiver.awaitsHook;
  }

  protected override get countsWhenLetIn(): boolean {
    return this.host.security === null;
  }

  protected override get tellsRefusal(): boolean {
    return this.secure !== null;
  }

  protected letIn(done: OpeningDone): void {
    this.armDeadlines();
    if (this.host.security === null) this.shakeHands(done);
    else this.host.security.letIn(this, done);
  }

  /** TLS that is started by hand: data flows in clear text, without `onHandShake`, until `closeClearText`. */
  openInClearText(): void {
    this.canSendWhileOpening = false;
    this.countOpened();
    this.begin();
  }

  /** The TLS handshake is done: `onHandShake`, then data. */
  openSecured(done: OpeningDone): void {
    this.armDeadlines();
    this.countOpened();
    this.canSendWhileOpening = true;
    this.shakeHands(done);
  }

  awaitHook(goOn: (() => void) | null): void {
    if (goOn !== null || this.seldom !== null) this.useSeldom().goOn = goOn;
    this.receiver.markHook(goOn !== null);
    if (goOn !== null && this.consumer !== null) queueMicrotask(goOn);
  }

  /**
   * What arrives goes to `consumer` from now on. A hook that took the connection as a stream or an iterator may be using it until
   * it ends, and would wait for ever if nothing were delivered while its promise is pending: it has let the connection in.
   */
  attachConsumer(consumer: Consumer): void {
    this.consumer = consumer;
    const goOn = this.seldom?.goOn ?? null;
    if (goOn !== null) queueMicrotask(goOn);
    else if (this.receiver.awaitsHook) {
      this.receiver.markHook(false); // of onReceive
      this.resumeAtTurnEnd();
    }
  }

  endedBy(hook: string, hasThrown: boolean, thrown: unknown): void {
    if (!hasThrown) this.receiver.refusedBy(hook);
    else if (!this.hasToldOf(thrown)) this.hookFailed(hook, thrown, SocketOperation.Receive);
  }

  /** Whether what a hook threw is how streams tell that this connection ended. */
  private hasToldOf(thrown: unknown): boolean {
    if (this.state < ConnectionState.Closing) return false;
    const { error } = this.closeReason;
    return (
      (error !== undefined && (thrown === error || thrown === error.cause)) ||
      (thrown as NodeJS.ErrnoException | null)?.code === 'ERR_STREAM_PREMATURE_CLOSE'
    );
  }

  // ---- what is left to do at the end of a turn of the event loop ---------------------------------------------------

  /** Delivers what a resumed receiver kept, at the end of this turn. */
  resumeAtTurnEnd(): void {
    this.facts |= MUST_RESUME;
    this.host.schedule(this);
  }

  turnEnded(): void {
    this.sender?.turnEnded();
    if ((this.facts & MUST_RESUME) !== 0) {
      this.facts &= ~MUST_RESUME;
      this.receiver.resume();
    }
    if (this.awaitsSent && this.pendingBytes === 0) this.allSent();
    if (this.disconnects) this.closeWhenSent();
  }

  /**
   * What is queued has been offered to the system. TLS always takes it a turn later, so there is a moment to wait for that;
   * a peer that does not read gets no longer one.
   */
  private closeWhenSent(): void {
    const isPlain = this.secure === null && (this.facts & IS_TUNNELLED) === 0;
    if (isPlain || this.pendingBytes === 0) return this.close(SocketOperation.Close, 0);
    // A drain, or a preamble, may await the same already, for longer.
    if ((this.facts & HAS_LAST_MOMENT) !== 0 || this.state >= ConnectionState.Closing) return;
    this.facts |= HAS_LAST_MOMENT | AWAITS_SENT;
    this.sender?.watchWrite();
    this.deadlines.armStage(GOODBYE_MS, () => this.close(SocketOperation.Close, 0));
  }

  /** Everything that was queued is written, and something waits for that. */
  allSent(): void {
    if (this.state === ConnectionState.Draining && !this.disconnects) return this.shutDown();
    this.awaitsSent = false;
    if (this.preambles !== null && !this.disconnects) return this.preambles.allSent();
    if (this.disconnects && this.state < ConnectionState.Closing) this.close(SocketOperation.Close, 0);
    else this.secure?.allSent();
  }

  pauseReceive(isPaused: boolean): void {
    this.receiver.pause(isPaused);
  }

  /** Queues bytes of the protocol itself, as they are. False if `maxPendingBytes` refuses them, or the connection closes. */
  sendRaw(bytes: Uint8Array): boolean {
    const sender = this.senderFor(bytes.length);
    if (sender === null) return false;
    sender.queue.append(bytes, 0, bytes.length);
    sender.appended();
    return true;
  }

  /** As `sendRaw`, for parts of `length` bytes together: all of them, or none. */
  sendAllRaw(parts: readonly Uint8Array[], length: number): boolean {
    const sender = this.senderFor(length);
    if (sender === null) return false;
    for (const part of parts) sender.queue.append(part, 0, part.length);
    sender.appended();
    return true;
  }

  /** The sending side, if it may take so many bytes of the protocol. */
  private senderFor(length: number): ConnectionSender | null {
    const isEarly = this.state < ConnectionState.Opening && this.preambles === null;
    if (isEarly || this.state >= ConnectionState.Closing || this.isShutDown) return null;
    const sender = this.useSender();
    return sender.hasRoomFor(length) ? sender : null;
  }

  /** Queues bytes that the protocol held back. */
  sendReserved(bytes: Uint8Array, reserved: number): boolean {
    // One that holds nothing back may have lost its sender, and when it is closed it must not get another one.
    if (this.sender !== null) this.sender.heldBytes -= reserved;
    if (this.state >= ConnectionState.Closing || this.isShutDown) return false;
    const sender = this.useSender();
    sender.queue.append(bytes, 0, bytes.length);
    sender.appended(0);
    return true;
  }

  // ---- closing ---------------------------------------------------------------------------------------------------

  /** The peer's FIN, and everything before it was delivered: what is queued is sent, then the connection closes (CLS-001). */
  peerEnded(): void {
    if (this.failure !== null) return this.closeForFailure();
    if (!this.isEnding && !this.disconnects) this.endedByPeer();
    // A stream or an iterator may still hold what the answer depends on, so it says itself when it is done.
    if (this.consumer !== null) this.consumer.ended();
    else if (!this.mayAskEnd() || !askEnd(this)) this.drainPatiently();
    if (this.outlivesSocket) this.close(SocketOperation.Close, 0);
  }

  /** The peer's FIN came in the middle of a message, of which `bytes` are here: the listener is told so by `onClose`. */
  peerEndedEarly(bytes: number): void {
    if (this.failure !== null) return this.closeForFailure();
    this.endNote ??= cutShortError(this.id, bytes);
    this.drainPatiently();
    if (this.outlivesSocket) this.close(SocketOperation.Close, 0);
  }

  private mayAskEnd(): boolean {
    return this.state === ConnectionState.Open && !this.disconnects && this.endNote === undefined;
  }

  /** As `drain`, for as long as bytes move, with pauses of up to `closeTimeoutMs`. */
  drainPatiently(): void {
    this.drainWithin(this.host.settings.closeTimeoutMs, true);
  }

  /** `Disconnect`: at the end of this turn, what is queued is offered to the system once more, then the connection closes. */
  disconnect(): void {
    this.facts |= DISCONNECTS;
    this.host.schedule(this);
  }

  /** Closes at once by a reset: its peer must not take what it got for all. */
  reset(): void {
    this.mark(RESETS, true);
    this.close(SocketOperation.Close, 0);
  }

  /**
   * Takes no more sends, writes what is queued, sends a FIN, waits for the peer's, and closes; at the latest in `timeoutMs`,
   * whatever longer time it was given before.
   * @param ignoresHook Whether a pending hook is not waited for, because it waits itself for this drain.
   */
  drain(timeoutMs: number, ignoresHook = false): void {
    this.drainWithin(timeoutMs, false, ignoresHook);
  }

  private drainWithin(timeoutMs: number, isPatient: boolean, ignoresHook = false): void {
    if (this.state < ConnectionState.Open && !this.canSend && !this.isEnding) return this.disconnect();
    if (this.state > ConnectionState.Draining) return;
    armDraining(this, timeoutMs, isPatient);
    this.facts |= IS_ENDING;
    if (ignoresHook) this.receiver.endDuringHook();
    if (this.state === ConnectionState.Open && !ignoresHook && this.isHeld) this.awaitAnswers();
    else if (this.state >= ConnectionState.Open) this.sayGoodbye();
  }

  /** Whether an answer is still to come: a hook's promise is pending, a stream or an iterator is not done, or `hold` was called. */
  get isHeld(): boolean {
    return (
      (this.seldom !== null && this.seldom.holds > 0) || this.receiver.awaitsHook || this.consumer?.isDone === false
    );
  }

  /** Keeps the connection from draining until the release that is returned is called. */
  hold(): () => void {
    const seldom = this.useSeldom();
    seldom.holds++;
    let isReleased = false;
    return () => {
      if (isReleased) return;
      isReleased = true;
      seldom.holds--;
      this.answerMade();
    };
  }

  /** It drains when everything that was begun is answered; nothing new is begun. */
  private awaitAnswers(): void {
    this.receiver.stopFor(PAUSED_BY_DRAIN);
    if (this.consumer !== null && !this.receiver.hasToldEnd) this.consumer.ended();
  }

  /** One of the things that held the connection is over. */
  answerMade(): void {
    if (!this.isEnding || this.state !== ConnectionState.Open || this.isHeld) return;
    this.receiver.deliverKept();
    if (this.isHeld || this.state !== ConnectionState.Open) return;
    this.sayGoodbye();
  }

  /** A protocol with a goodbye of its own says it, and ends the connection when it has been answered. */
  private sayGoodbye(): void {
    if (this.state === ConnectionState.Draining) return this.beginDraining();
    // Asked again when the peer has ended: it waits for no answer then.
    if ((this.facts & HAS_SAID_GOODBYE) !== 0 && !this.receiver.hasToldEnd) return;
    this.facts |= HAS_SAID_GOODBYE;
    if (this.protocol.drain()) this.beginDraining();
    else this.receiver.awaitGoodbye();
  }

  /** The protocol has nothing more to say. */
  endByProtocol(): void {
    if (!this.isEnding) return this.drainPatiently();
    if (this.state === ConnectionState.Open) this.beginDraining();
  }

  private beginDraining(): void {
    if (this.state === ConnectionState.Open) {
      this.move(ConnectionState.Draining);
      this.awaitsSent = true;
    }
    if (this.pendingBytes === 0) this.shutDown();
    else this.host.schedule(this);
  }

  /** Sends a FIN: everything before it is with the system. */
  shutDown(): void {
    if (this.isShutDown) return;
    this.facts |= IS_SHUT_DOWN;
    if (this.secure === null) this.socket.end();
    else this.secure.end();
    if (this.receiver.pauses !== 0) this.resumeAtTurnEnd();
  }

  /**
   * Our write failed because the peer is gone; what it said before is still to be read (CLS-003). The connection closes with
   * the reason of the write when that is delivered. Node destroys a socket whose documented write failed, and then nothing
   * can be read any more.
   */
  private readsLastWords(cause: Error): boolean {
    const { receiver, socket } = this;
    if (this.failure !== null) return true;
    if (this.state < ConnectionState.Open || this.secure !== null || socket.destroyed || receiver.hasEnded)
      return false;
    const lostBytes = this.pendingBytes;
    Object.assign(this.useSeldom(), { failure: cause, lostBytes });
    this.sender?.queue.clear();
    this.awaitsSent = false;
    this.facts |= IS_ENDING | IS_SHUT_DOWN;
    if (this.state === ConnectionState.Open) this.move(ConnectionState.Draining);
    this.deadlines.armStage(GOODBYE_MS, () => this.closeForFailure());
    if (receiver.pauses === 0) socket.resume();
    return true;
  }

  private closeForFailure(): void {
    const cause = this.failure!;
    this.close(SocketOperation.Send, errnoOf(cause), socketError(this, SocketOperation.Send, cause));
  }

  /** An error of the system on this socket (CLS-002 to CLS-005, CLS-014, CLS-017). */
  socketFailed(cause: Error): void {
    if (this.state >= ConnectionState.Closing || this.secure?.failed(cause) === true) return;
    if (this.failure !== null) return this.closeForFailure();
    if (this.preambles?.hasStarted === true) return this.preambles.socketFailed(cause);
    const { syscall, code } = cause as NodeJS.ErrnoException;
    let operation: SocketOperation = SocketOperation.Receive;
    if (this.state === ConnectionState.Connecting) operation = SocketOperation.Connect;
    else if (syscall === 'write') {
      operation = SocketOperation.Send;
      if (this.readsLastWords(cause)) return;
    } else if (code === 'ECONNRESET' || code === 'ETIMEDOUT' || syscall === undefined)
      operation = SocketOperation.Close;
    const error =
      operation === SocketOperation.Connect && this.proxies.length > 0
        ? proxyError(this.id, this.proxies, cause)
        : socketError(this, operation, cause);
    this.close(operation, errnoOf(cause), error);
  }

  readAhead(): void {
    this.receiver.readAhead();
  }

  get hasDrained(): boolean {
    return this.isShutDown && this.closeReason.droppedBytes === 0 && this.closeReason.error === undefined;
  }

  protected override get noteOfEnd(): SocketError | undefined {
    return this.endNote;
  }

  protected closeTransport(): void {
    this.cancelDeadlines();
    const resets = (this.facts & RESETS) !== 0;
    const isCutOff = resets || (this.sender !== null && this.sender.queue.queuedBytes > 0);
    this.sender?.queue.clear();
    // Without its end a stream of TLS must not look complete, so there is no close_notify then.
    if (this.secure === null || !this.secure.sayGoodbye(isCutOff)) {
      // A stream that lacks bytes must not look whole to the peer.
      if (this.closeReason.droppedBytes > 0 || resets) resetSocket(this.socket);
      else this.socket.destroy();
    }
    if (this.outlivesSocket) setImmediate(() => this.socketClosed());
  }

  private cancelDeadlines(): void {
    this.#deadlines?.cancel();
    this.receiver.deadline(0);
  }

  /** The peer's FIN. TLS has a word of its own for the end. */
  socketEnded(): void {
    if (this.secure === null || !this.secure.peerEnded()) this.receiver.peerFinished();
  }

  /** The socket is closed. */
  socketClosed(): void {
    if (this.state === ConnectionState.Closed) return;
    // Node closes a socket when both ends have ended, also while what came before the peer's still waits to be delivered.
    if (this.state === ConnectionState.Draining && this.receiver.owesEnd) {
      this.facts |= OUTLIVES_SOCKET;
      return;
    }
    if (this.failure !== null && this.state < ConnectionState.Closing) this.closeForFailure();
    this.close(SocketOperation.Close, 0);
    this.cancelDeadlines();
    this.sender?.abandon();
    this.receiver.close();
    this.sender?.close();
    this.transportClosed();
  }

  protected override releasing(): void {
    this.consumer?.connectionClosed(this.closeReason.error);
    this.consumer = null;
  }

  stats(): ConnectionStats {
    return {
      bytesIn: this.receiver.bytesIn,
      bytesOut: this.bytesOut,
      messagesIn: this.receiver.messagesIn,
      messagesOut: this.messagesOut,
      pendingBytes: this.pendingBytes,
      bufferedBytes: this.protocol.bufferedBytes,
      ageMs: this.since(this.openedAt),
      silenceMs: this.since(this.receiver.lastReceiveAt),
    };
  }
}
