import { isThenable } from '../core/component.ts';
import { HandleResult } from '../core/enums.ts';
import { Errno } from '../core/errno.ts';
import { settleHook } from '../core/hooks.ts';
import { loan } from '../memory/loan.ts';
import type { SendQueue } from '../memory/send-queue.ts';
import { AtEnd, type Lifetime, type Port, type Protocol } from '../protocol/protocol.ts';
import type { DeflateContext } from './compression.ts';
import { headerBytes } from './frame-header.ts';
import { appendFrame, appendFrameParts, buildFrame, COMPRESSED, FINAL } from './frame-writer.ts';
import { MessageReader, type MessageRules, type MessageSink } from './message-reader.ts';
import { WebSocketMessageStream } from './message-stream.ts';
import { CloseCode, isWireCloseCode, MAX_CONTROL_BYTES, Opcode, type Violation, Violations } from './opcode.ts';
import { Outbox } from './outbox.ts';
import type { SharedMessage } from './shared-message.ts';
import { isWholeUtf8 } from './utf8.ts';

/** How a WebSocket ended, or is ending. */
export interface WebSocketEnd {
  /** The close code: the peer's if it sent one, 1005 if its frame held none, 1006 if there was no close frame. */
  readonly code: number;
  /** The peer's reason, or ours if we failed the connection. */
  readonly reason: string;
  /** Whether close frames went both ways. */
  readonly wasClean: boolean;
}

/** What a component does with what its WebSockets bring. What these return is settled as of any hook. */
export interface WebSocketHooks {
  /** The WebSocket is open. */
  open?(id: number): unknown;
  /** A whole message; undefined hands it to the port instead: `onReceive`, a stream, or an iterator. */
  message?(id: number, data: Buffer | string, isBinary: boolean): unknown;
  /** A message that is longer than `streamBytes`, as it arrives. */
  messageStream?(id: number, stream: WebSocketMessageStream, isBinary: boolean): unknown;
  ping?(id: number, data: Buffer): unknown;
  pong?(id: number, data: Buffer): unknown;
  /** The peer's close frame; it is answered. */
  closing?(id: number, code: number, reason: string): unknown;
  /** Something was written: so many bytes are pending now. */
  wrote?(id: number, pendingBytes: number): void;
  /** It is over: once for each that was open. */
  closed?(id: number, end: WebSocketEnd): void;
}

/** What the WebSockets of one component share. */
export interface WebSocketContext extends MessageRules {
  readonly isServer: boolean;
  readonly hooks: WebSocketHooks;
  /** Whether text is delivered as a string. */
  readonly textAsString: boolean;
  /** Silence after which a ping is sent, in milliseconds; 0 for never. */
  readonly pingIntervalMs: number;
  /** Time that a peer has for any sign of life after a ping. */
  readonly pongTimeoutMs: number;
  /** Time that the closing handshake may take. */
  readonly closeTimeoutMs: number;
  readonly counters: WebSocketCounters;
}

/** What happened in the WebSockets of one component. */
export interface WebSocketCounters {
  /** WebSockets failed because the peer broke the protocol or a limit. */
  violations: number;
  /** Those that gave no sign of life. */
  pongTimeouts: number;
  /** Those whose peer did not answer our close frame in time. */
  closeTimeouts: number;
  /** Pings that were answered by the pong to a later one. */
  pongsCoalesced: number;
}

export function newWebSocketCounters(): WebSocketCounters {
  return { violations: 0, pongTimeouts: 0, closeTimeouts: 0, pongsCoalesced: 0 };
}

/**
 * Where a WebSocket is in its life.
 *
 * | from        | on                                            | to          |
 * |-------------|-----------------------------------------------|-------------|
 * | Open        | `close`, `drain`: our close frame goes out    | ClosingHere |
 * | Open        | the peer's close frame, which is answered     | Closed      |
 * | ClosingHere | the peer's close frame                        | Closed      |
 * | Open, ClosingHere | a violation: a close frame says which   | Failed      |
 * | any         | the connection is gone                        | Gone        |
 */
const State = { Open: 0, ClosingHere: 1, Closed: 2, Failed: 3, Gone: 4 } as const;

/** Pongs that may wait to be written; beyond it only the last ping is answered (RFC 6455, 5.5.3). */
const MAX_UNWRITTEN_PONGS = 16;
/** Longest time that a peer that was failed has to take note of it. */
const MAX_LINGER_MS = 2000;
const EMPTY = Buffer.alloc(0);

/** Whole messages over one connection (RFC 6455, 5 to 7). Pure, as every protocol. */
export class WebSocketProtocol implements Protocol, MessageSink {
  readonly deliversBytes = true;
  readonly hasMessages = true;
  /** The sub-protocol that was agreed on, '' for none. */
  readonly subProtocol: string;
  /** What the next `frame` sends: text or binary. The component sets it around a send of text. */
  sendOpcode: number = Opcode.Binary;
  readonly #context: WebSocketContext;
  readonly #port: Port;
  readonly #reader: MessageReader;
  readonly #deflate: DeflateContext | null;
  #state: (typeof State)[keyof typeof State] = State.Open;
  #violation: Violation | null = null;
  /** What the peer's close frame said. */
  #endCode: number = CloseCode.Abnormal;
  #endReason = '';
  /** Whether something came since the timer looked last. */
  #hasReceived = false;
  #awaitsPong = false;
  #unwrittenPongs = 0;
  /** Payload of a ping that is answered when there is room. */
  #lastPing: Buffer | null = null;
  /** Whether a message is being sent in fragments. */
  #isStreaming = false;
  #fragmentOpcode: number = Opcode.Continuation;
  #hasPeerEnded = false;
  /** What waits behind a message that is being compressed on a thread. */
  #outbox: Outbox | null = null;
  /** Whether a message is being inflated on a thread. */
  #isInflating = false;
  /** The message that is handed on as it arrives, and the promise of the hook that got it. */
  #stream: WebSocketMessageStream | null = null;
  #streamHook: Promise<void> | null = null;
  /** Whether the stream can take no more. */
  #isStreamFull = false;
  /** Senders that wait until less is pending. */
  #roomWaiters: { readonly maxBytes: number; readonly go: (isOpen: boolean) => void }[] | null = null;
  readonly #liveness: () => void;

  /** Head of the request that opened it, '' on agents and clients. */
  readonly requestText: string;

  constructor(
    context: WebSocketContext,
    port: Port,
    subProtocol: string,
    deflate: DeflateContext | null,
    requestText = '',
  ) {
    this.requestText = requestText;
    this.#context = context;
    this.#port = port;
    this.subProtocol = subProtocol;
    this.#deflate = deflate;
    this.#reader = new MessageReader(deflate === null ? context : new DeflateRules(context), this);
    this.#liveness = () => this.#checkLiveness();
  }

  /** Whether messages can be sent: neither side has sent a close frame. */
  get isOpen(): boolean {
    return this.#state === State.Open;
  }

  /** Whether compression was agreed on. */
  get isCompressing(): boolean {
    return this.#deflate !== null;
  }

  /** How it ended, or would end if the connection broke now. */
  get end(): WebSocketEnd {
    const violation = this.#violation;
    if (violation !== null) return { code: violation.closeCode, reason: violation.message, wasClean: false };
    return { code: this.#endCode, reason: this.#endReason, wasClean: this.#endCode !== CloseCode.Abnormal };
  }

  // ---- Protocol --------------------------------------------------------------------------------------------------

  opened(): void {
    const { hooks, pingIntervalMs } = this.#context;
    if (pingIntervalMs > 0) this.#port.deadline(pingIntervalMs, this.#liveness);
    if (hooks.open !== undefined) this.#call('onOpen', hooks.open, undefined);
  }

  receive(bytes: Buffer, lifetime: Lifetime): void {
    this.#hasReceived = true;
    this.#reader.receive(bytes, lifetime);
  }

  resume(): void {
    if (!this.#isInflating && !this.#isStreamFull) this.#reader.resume();
  }

  ended(): AtEnd {
    this.#hasPeerEnded = true;
    switch (this.#state) {
      case State.Failed:
        this.#violateNow();
        return AtEnd.Stay;
      case State.Closed:
      case State.Gone:
        return AtEnd.Drain;
      default:
        // No close frame: the code is 1006, wherever the bytes end (RFC 6455, 7.1.5).
        return this.#reader.isBetweenMessages ? AtEnd.Drain : AtEnd.Truncated;
    }
  }

  drain(): boolean {
    if (this.#hasPeerEnded) return true; // who would not answer a goodbye
    if (this.#state === State.Open) this.close(CloseCode.GoingAway, '');
    return this.#state >= State.Closed;
  }

  wrote(pendingBytes: number): void {
    if (this.#roomWaiters !== null) this.#noteRoom(pendingBytes);
    this.#context.hooks.wrote?.(this.#port.id, pendingBytes);
    if (this.#unwrittenPongs === 0 || pendingBytes > 0) return;
    this.#unwrittenPongs = 0;
    const ping = this.#lastPing;
    if (ping === null) return;
    this.#lastPing = null;
    if (this.#state === State.Open) this.#control(Opcode.Pong, ping);
  }

  closed(): void {
    if (this.#state === State.Gone) return;
    const { end } = this;
    this.#state = State.Gone;
    this.#reader.stop();
    this.#failStream('the connection was closed before the end of the message');
    this.#outbox?.drop();
    this.#outbox = null;
    this.#deflate?.close();
    this.#lastPing = null;
    this.#noteRoom(0);
    this.#context.hooks.closed?.(this.#port.id, end);
  }

  sizeOf(length: number): number {
    if (this.#state !== State.Open) return -Errno.EPIPE;
    if (this.#isStreaming) return -Errno.EBUSY;
    return headerBytes(length, !this.#context.isServer) + length;
  }

  explain(_length: number): string {
    return this.#isStreaming
      ? 'a message is being sent in fragments; wait until that is done'
      : 'the WebSocket is closing: nothing can be sent after a close frame';
  }

  frame(queue: SendQueue, bytes: Uint8Array): void {
    const isMasked = !this.#context.isServer;
    const deflate = this.#deflate;
    if (deflate !== null && (this.#outbox !== null || deflate.isLate(bytes.length))) {
      this.#useOutbox(deflate).message(this.sendOpcode as Opcode, bytes);
      return;
    }
    const compressed = deflate === null ? null : deflate.deflate(bytes);
    if (compressed === null) appendFrame(queue, FINAL | this.sendOpcode, bytes, isMasked);
    else appendFrame(queue, FINAL | COMPRESSED | this.sendOpcode, compressed, isMasked);
  }

  frameParts(queue: SendQueue, parts: readonly Uint8Array[], length: number): void {
    if (this.#deflate !== null) this.frame(queue, Buffer.concat(parts, length));
    else appendFrameParts(queue, FINAL | this.sendOpcode, parts, length, !this.#context.isServer);
  }

  takeRest(): Buffer | null {
    return null; // no protocol follows a WebSocket
  }

  get hasBacklog(): boolean {
    return this.#isInflating || this.#isStreamFull || this.#reader.hasBacklog;
  }

  get bufferedBytes(): number {
    return this.#reader.bufferedBytes;
  }

  get isMidMessage(): boolean {
    return !this.#reader.isBetweenMessages;
  }

  // ---- what the component does with it -----------------------------------------------------------------------------

  /** Sends a message that is framed, and compressed, once for many connections. False if it cannot be sent. */
  sendShared(message: SharedMessage): boolean {
    if (this.#state !== State.Open || this.#isStreaming) return false;
    const isMasked = !this.#context.isServer;
    if (this.#deflate !== null) {
      if (this.#outbox !== null || message.isLate(this.#deflate)) {
        this.#useOutbox(this.#deflate).shared(message);
        return true;
      }
      const frame = message.compressedFrame(this.#deflate, isMasked) as Buffer | null;
      if (frame !== null) {
        if (!this.#port.send(frame)) return false;
        this.#deflate.sentElsewhere();
        return true;
      }
    }
    return this.#port.send(message.frame(isMasked));
  }

  /** Begins a message in fragments: until its last one is sent, no other message can be: `sizeOf` says EBUSY. */
  beginFragments(opcode: number): boolean {
    if (this.#state !== State.Open || this.#isStreaming) return false;
    this.#isStreaming = true;
    this.#fragmentOpcode = opcode;
    return true;
  }

  /** The next fragment of the message. @returns false if it cannot be queued. */
  sendFragment(data: Uint8Array, isLast: boolean): boolean {
    if (this.#state !== State.Open || !this.#isStreaming) return false;
    const first = (isLast ? FINAL : 0) | this.#fragmentOpcode;
    if (!this.#sendInOrder(buildFrame(first, data, !this.#context.isServer))) return false;
    this.#fragmentOpcode = Opcode.Continuation;
    this.#isStreaming = !isLast;
    return true;
  }

  /** The message will not be completed. Half a message cannot be taken back: only the end of the connection tells the peer. */
  abandonFragments(): void {
    if (!this.#isStreaming) return;
    this.#isStreaming = false;
    if (this.#fragmentOpcode === Opcode.Continuation && this.#state === State.Open) {
      this.close(CloseCode.InternalError, 'a message could not be completed');
    }
  }

  /** Whether a message is being sent in fragments. */
  get isStreaming(): boolean {
    return this.#isStreaming;
  }

  /** Resolves when at most `maxBytes` are pending, with true, or when the connection is gone, with false. */
  whenPending(maxBytes: number): Promise<boolean> {
    if (this.#state === State.Gone) return Promise.resolve(false);
    return new Promise((go) => {
      this.#roomWaiters ??= [];
      this.#roomWaiters.push({ maxBytes, go });
    });
  }

  #noteRoom(pendingBytes: number): void {
    const isOpen = this.#state !== State.Gone;
    const waiters = this.#roomWaiters ?? [];
    this.#roomWaiters = null;
    for (const waiter of waiters) {
      if (pendingBytes <= waiter.maxBytes) waiter.go(isOpen);
      else (this.#roomWaiters ??= []).push(waiter);
    }
  }

  /** A ping with up to 125 bytes. False if it cannot be queued. */
  ping(data: Uint8Array = EMPTY): boolean {
    return this.#state === State.Open && this.#control(Opcode.Ping, checkedControl(data));
  }

  /** A pong that nobody asked for: a sign of life (RFC 6455, 5.5.3). */
  pong(data: Uint8Array = EMPTY): boolean {
    return this.#state === State.Open && this.#control(Opcode.Pong, checkedControl(data));
  }

  /**
   * Begins the closing handshake: nothing is sent after it, the peer's answer ends the connection.
   * @param code A code that may be on the wire, or 1005 for a frame without one.
   * @returns false if a close frame was sent already.
   */
  close(code: number, reason: string): boolean {
    const body = closeBodyOf(code, reason);
    if (this.#state !== State.Open) return false;
    this.#state = State.ClosingHere;
    this.#awaitsPong = false;
    this.#sendInOrder(buildFrame(FINAL | Opcode.Close, body, !this.#context.isServer));
    this.#port.deadline(this.#context.closeTimeoutMs, () => {
      this.#context.counters.closeTimeouts++;
      this.#port.violate(Errno.ETIMEDOUT, 'the peer did not answer the close frame within closeTimeoutMs');
    });
    return true;
  }

  // ---- MessageSink -------------------------------------------------------------------------------------------------

  message(data: Buffer, isBinary: boolean, isCompressed: boolean): boolean {
    let bytes = data;
    if (isCompressed) {
      if (this.#deflate!.inflatesLate(data.length)) return this.#inflateLater(data, isBinary);
      const result = this.#deflate!.inflate(data, this.#context.maxMessageBytes);
      if (!Buffer.isBuffer(result)) return this.#fail(result);
      bytes = result;
      if (!isBinary && !isWholeUtf8(bytes, 0, bytes.length)) return this.#fail(Violations.text);
    }
    return this.#deliver(bytes, isBinary);
  }

  /** Inflates on a thread. Nothing behind the message is read meanwhile. */
  #inflateLater(data: Buffer, isBinary: boolean): false {
    if (loan.isOpen) loan.keep();
    this.#isInflating = true;
    const inflated = this.#deflate!.inflateLater(data, this.#context.maxMessageBytes);
    this.#port.settle('onMessage', inflated, (result) => {
      this.#isInflating = false;
      if (result === null || this.#state >= State.Closed) return;
      if (!Buffer.isBuffer(result)) this.#fail(result as Violation);
      else if (!isBinary && !isWholeUtf8(result, 0, result.length)) this.#fail(Violations.text);
      else this.#deliver(result, isBinary);
    });
    return false;
  }

  // ---- a message as it arrives ---------------------------------------------------------------------------------------

  streamBegins(isBinary: boolean): boolean {
    const port = this.#port;
    if (!port.count()) return false;
    const stream = new WebSocketMessageStream(port.id, isBinary);
    this.#stream = stream;
    let result: unknown;
    try {
      result = this.#context.hooks.messageStream!(port.id, stream, isBinary);
    } catch (thrown) {
      return port.threw('onMessageStream', thrown);
    }
    if (result === undefined || isPlainlyOk(result)) return port.mayDeliver;
    // Its promise may not be settled before the end of the message, so the connection is read on. What it leaves is dropped.
    this.#streamHook = new Promise((resolve) => {
      settleHook(result, {
        answered: () => {
          if (isThenable(result)) WebSocketMessageStream.cancel(stream);
          resolve();
        },
        refused: () => void port.settle('onMessageStream', HandleResult.Error),
        failed: (thrown) => {
          // Told by the end of the connection itself, if it is that.
          if (!WebSocketMessageStream.isErrorOf(stream, thrown)) port.threw('onMessageStream', thrown);
        },
      });
    });
    return port.mayDeliver;
  }

  streamPiece(data: Buffer): boolean {
    const room = WebSocketMessageStream.push(this.#stream!, data);
    if (room === undefined) return this.#port.mayDeliver;
    this.#isStreamFull = true;
    this.#port.settle('onMessageStream', room, () => {
      this.#isStreamFull = false;
    });
    return false;
  }

  streamEnds(): boolean {
    WebSocketMessageStream.complete(this.#stream!);
    const hook = this.#streamHook;
    this.#stream = null;
    this.#streamHook = null;
    // The next message waits until this one was dealt with.
    return hook === null ? this.#port.mayDeliver : this.#port.settle('onMessageStream', hook);
  }

  #deliver(bytes: Buffer, isBinary: boolean): boolean {
    if (bytes.length > this.#context.streamBytes) {
      // It was compressed, so it came as a whole.
      this.streamBegins(isBinary);
      if (this.#stream !== null) void WebSocketMessageStream.push(this.#stream, bytes);
      return this.#stream !== null && this.streamEnds();
    }
    const { hooks, textAsString } = this.#context;
    const message = isBinary || !textAsString ? bytes : bytes.toString();
    const port = this.#port;
    if (hooks.message === undefined || port.hasConsumer) return port.deliver(message);
    if (!port.count()) return false;
    let result: unknown;
    try {
      result = hooks.message(port.id, message, isBinary);
    } catch (thrown) {
      return port.threw('onMessage', thrown);
    }
    if (result === undefined || isPlainlyOk(result)) return port.mayDeliver;
    return port.settle('onMessage', result);
  }

  control(opcode: number, data: Buffer): boolean {
    const { hooks } = this.#context;
    if (opcode === Opcode.Pong) {
      this.#awaitsPong = false;
      return hooks.pong === undefined ? this.#port.mayDeliver : this.#call('onPong', hooks.pong, Buffer.from(data));
    }
    // Nothing may follow our close frame.
    if (this.#state === State.Open) this.#answerPing(data);
    return hooks.ping === undefined ? this.#port.mayDeliver : this.#call('onPing', hooks.ping, Buffer.from(data));
  }

  /** The peer's close frame. */
  closedByPeer(code: number, reason: Buffer): void {
    this.#endCode = code;
    this.#endReason = reason.toString();
    const wasOpen = this.#state === State.Open;
    this.#state = State.Closed;
    // RFC 6455, 5.5.1: it is answered, typically with its own code.
    const { isServer, hooks, closeTimeoutMs } = this.#context;
    const end = (): void => {
      if (isServer) {
        // RFC 6455, 7.1.1: the server closes the TCP connection first, so that TIME_WAIT is its own.
        this.#port.deadline(0, this.#liveness);
        this.#port.end();
      } else {
        this.#port.deadline(closeTimeoutMs, () => this.#port.end());
      }
    };
    const answer = wasOpen ? buildFrame(FINAL | Opcode.Close, closeBodyOf(code, ''), !isServer) : EMPTY;
    if (this.#outbox !== null) this.#outbox.raw(answer, end);
    else {
      if (wasOpen) this.#port.send(answer);
      end();
    }
    if (hooks.closing === undefined) return;
    try {
      const result = hooks.closing(this.#port.id, code, this.#endReason);
      if (result !== undefined && !isPlainlyOk(result)) this.#port.settle('onClosing', result);
    } catch (thrown) {
      this.#port.threw('onClosing', thrown);
    }
  }

  violate(violation: Violation): void {
    this.#fail(violation);
  }

  // ---- inside ------------------------------------------------------------------------------------------------------

  /** Calls a hook. False to stop for now. */
  #call(name: string, hook: (id: number, data: Buffer) => unknown, data: Buffer | undefined): boolean {
    let result: unknown;
    try {
      result = hook.call(this.#context.hooks, this.#port.id, data as Buffer);
    } catch (thrown) {
      return this.#port.threw(name, thrown);
    }
    if (result === undefined || isPlainlyOk(result)) return this.#port.mayDeliver;
    return this.#port.settle(name, result);
  }

  /**
   * Answers a ping. Of a peer that pings and does not read, at most `MAX_UNWRITTEN_PONGS` answers wait: beyond that, only its last
   * ping is answered, when there is room.
   */
  #answerPing(data: Buffer): void {
    if (this.#unwrittenPongs >= MAX_UNWRITTEN_PONGS) {
      this.#context.counters.pongsCoalesced++;
      this.#lastPing = Buffer.from(data);
      return;
    }
    this.#unwrittenPongs++;
    this.#control(Opcode.Pong, data);
  }

  #failStream(message: string): void {
    if (this.#stream !== null) WebSocketMessageStream.fail(this.#stream, message);
    this.#stream = null;
  }

  #useOutbox(deflate: DeflateContext): Outbox {
    this.#outbox ??= new Outbox(this.#port, deflate, !this.#context.isServer, () => {
      this.#outbox = null;
    });
    return this.#outbox;
  }

  /** Sends a frame behind what is being compressed. False if it cannot be queued. */
  #sendInOrder(frame: Buffer): boolean {
    if (this.#outbox === null) return this.#port.send(frame);
    this.#outbox.raw(frame);
    return true;
  }

  #control(opcode: number, data: Uint8Array): boolean {
    return this.#port.send(buildFrame(FINAL | opcode, data, !this.#context.isServer));
  }

  /** The time is over in which the peer should have been heard of. */
  #checkLiveness(): void {
    const { pingIntervalMs, pongTimeoutMs, counters } = this.#context;
    if (this.#state !== State.Open) return;
    // What is not read is no silence of the peer.
    if (this.#hasReceived || !this.#port.mayDeliver) {
      this.#hasReceived = false;
      this.#awaitsPong = false;
      this.#port.deadline(pingIntervalMs, this.#liveness);
    } else if (this.#awaitsPong) {
      counters.pongTimeouts++;
      this.#port.violate(Errno.ETIMEDOUT, `the peer gave no sign of life within ${pongTimeoutMs} ms (pongTimeoutMs)`);
    } else {
      this.#awaitsPong = true;
      this.#control(Opcode.Ping, EMPTY);
      this.#port.deadline(pongTimeoutMs, this.#liveness);
    }
  }

  /**
   * Fails the connection (RFC 6455, 7.1.7): a close frame says why, what still comes is dropped, and the connection closes with an
   * error when the peer has taken note, or does not in time. Always false.
   */
  #fail(violation: Violation): false {
    const { closeTimeoutMs, counters } = this.#context;
    const wasOpen = this.#state === State.Open;
    if (this.#state >= State.Closed) return false;
    counters.violations++;
    this.#violation = violation;
    this.#state = State.Failed;
    this.#failStream(violation.message);
    this.#outbox?.drop();
    this.#outbox = null;
    this.#reader.stop();
    if (wasOpen && !this.#control(Opcode.Close, closeBodyOf(violation.closeCode, ''))) this.#violateNow();
    else {
      this.#port.deadline(Math.min(closeTimeoutMs, MAX_LINGER_MS), () => this.#violateNow());
      this.#port.end();
    }
    return false;
  }

  #violateNow(): void {
    const { closeCode, message } = this.#violation!;
    const isTooLarge = closeCode === CloseCode.MessageTooBig || closeCode === CloseCode.PolicyViolation;
    this.#port.violate(isTooLarge ? Errno.EMSGSIZE : Errno.EBADMSG, message);
  }
}

/** The rules with the compression bit. */
class DeflateRules implements MessageRules {
  readonly allowedReserved = 4;
  readonly expectsMask: boolean;
  readonly maxMessageBytes: number;
  readonly maxFragments: number;
  readonly pool: MessageRules['pool'];

  readonly streamBytes: number;
  readonly maxStreamedBytes: number;

  constructor({ expectsMask, maxMessageBytes, maxFragments, pool, streamBytes, maxStreamedBytes }: MessageRules) {
    this.streamBytes = streamBytes;
    this.maxStreamedBytes = maxStreamedBytes;
    this.expectsMask = expectsMask;
    this.maxMessageBytes = maxMessageBytes;
    this.maxFragments = maxFragments;
    this.pool = pool;
  }
}

/** Whether a hook's answer needs no settling: it is neither Error nor an object that might be a promise. */
export function isPlainlyOk(result: unknown): boolean {
  return (
    result !== HandleResult.Error && (result === null || (typeof result !== 'object' && typeof result !== 'function'))
  );
}

/** Body of a close frame; empty for 1005. Throws for a code that may not be on the wire, and a reason that does not fit. */
export function closeBodyOf(code: number, reason: string): Buffer {
  if (code === CloseCode.NoStatus && reason === '') return EMPTY;
  if (!Number.isInteger(code) || !isWireCloseCode(code)) {
    throw new RangeError('a close code has to be 1000 to 1003, 1007 to 1014, or 3000 to 4999');
  }
  const text = Buffer.from(reason);
  if (text.length > MAX_CONTROL_BYTES - 2) {
    throw new RangeError(`a close reason has at most ${MAX_CONTROL_BYTES - 2} bytes, not ${text.length}`);
  }
  return Buffer.concat([Buffer.from([code >> 8, code & 255]), text]);
}

function checkedControl(data: Uint8Array): Uint8Array {
  if (data.length > MAX_CONTROL_BYTES) {
    throw new RangeError(`the payload of a ping or pong has at most ${MAX_CONTROL_BYTES} bytes, not ${data.length}`);
  }
  return data;
}
