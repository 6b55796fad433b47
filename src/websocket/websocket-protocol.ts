import { Errno } from '../core/errno.ts';
import { loan } from '../memory/loan.ts';
import { AtEnd, type Lifetime, type Protocol } from '../protocol/protocol.ts';
import { closeBodyOf } from './control-payload.ts';
import type { DeflateContext } from './deflate-context.ts';
import { GONE, Inflation, type InflationTarget, type PartResult } from './inflation.ts';
import { MessageReader } from './message-reader.ts';
import type { MessageSink } from './message-sink.ts';
import { CloseCode, Opcode, type Violation, Violations } from './opcode.ts';
import { isPlainlyOk } from './plainly-ok.ts';
import { StreamedMessage } from './streamed-message.ts';
import { isWholeUtf8 } from './utf8.ts';
import { type WebSocketContext, withCompression } from './websocket-context.ts';
import { WebSocketSender } from './websocket-sender.ts';
import {
  AWAITS_PONG,
  HAS_LARGE,
  HAS_PEER_ENDED,
  HAS_RECEIVED,
  IS_INFLATING,
  IS_STREAM_FULL,
  type Seldom,
  State,
} from './websocket-state.ts';
import { InflateError } from './zlib-engine.ts';

/** From this length on a message is large. */
const LARGE_BYTES = 16 * 1024;
/** Longest time that a peer that was failed has to take note of it. */
const MAX_LINGER_MS = 2000;
const EMPTY = Buffer.alloc(0);

/** Whole messages over one connection (RFC 6455, 5 to 7). Pure, as every protocol. */
export class WebSocketProtocol extends WebSocketSender implements Protocol, MessageSink, InflationTarget {
  /** Reads frames: only there while a read is dealt with, or a frame or message is not complete. */
  #reader: MessageReader | null = null;

  get deliversBytes(): boolean {
    return true;
  }

  get hasMessages(): boolean {
    return true;
  }

  /** Large messages are copied anyway, since few of them lie whole in one read: then rather from memory that is in the cache. */
  get handsOnReads(): boolean {
    return (this.facts & HAS_LARGE) === 0;
  }

  // ---- Protocol --------------------------------------------------------------------------------------------------

  opened(): void {
    const { hooks, pingIntervalMs } = this.context;
    if (pingIntervalMs > 0) this.port.deadline(pingIntervalMs);
    if (hooks.open !== undefined) this.call('onOpen', hooks.open, undefined);
  }

  receive(bytes: Buffer, lifetime: Lifetime): void {
    this.facts |= HAS_RECEIVED;
    if (this.state >= State.Closed) return;
    const reader = (this.#reader ??= MessageReader.take(this.rules, this));
    reader.receive(bytes, lifetime);
    if (reader.isIdle) this.giveReader(reader);
  }

  resume(): void {
    const reader = this.#reader;
    if (reader === null || this.is(IS_INFLATING | IS_STREAM_FULL)) return;
    reader.resume();
    if (reader.isIdle) this.giveReader(reader);
  }

  private get rules(): WebSocketContext | ReturnType<typeof withCompression> {
    return this.deflate === null ? this.context : withCompression(this.context);
  }

  private giveReader(reader: MessageReader): void {
    this.#reader = null;
    MessageReader.give(reader);
  }

  private stopReading(): void {
    this.#reader?.stop();
    this.#reader = null;
  }

  ended(): AtEnd {
    this.facts |= HAS_PEER_ENDED;
    switch (this.state) {
      case State.Failed:
        this.violateNow();
        return AtEnd.Stay;
      case State.Closed:
      case State.Gone:
        return AtEnd.Drain;
      default:
        // No close frame: the code is 1006, wherever the bytes end (RFC 6455, 7.1.5).
        return this.isMidMessage ? AtEnd.Truncated : AtEnd.Drain;
    }
  }

  drain(): boolean {
    if (this.is(HAS_PEER_ENDED)) return true; // and will not answer a goodbye
    if (this.state === State.Open) this.close(CloseCode.GoingAway, '');
    return this.state >= State.Closed;
  }

  /** The deadline of this state. */
  expired(): void {
    const port = this.port;
    switch (this.state) {
      case State.Open:
        return this.checkLiveness();
      case State.ClosingHere:
        this.context.counters.closeTimeouts++;
        return port.violate(Errno.ETIMEDOUT, 'the peer did not answer the close frame within closeTimeoutMs');
      case State.Closed:
        return port.end();
      case State.Failed:
        return this.violateNow();
    }
  }

  closed(): void {
    if (this.state === State.Gone) return;
    const { end } = this;
    this.state = State.Gone;
    this.stopReading();
    this.deflate?.close();
    const seldom = this.seldom;
    if (seldom !== null) {
      this.drop(seldom, 'the connection was closed before the end of the message');
      seldom.lastPing = null;
      this.noteRoom(seldom, 0);
    }
    this.context.hooks.closed?.(this.port.id, end);
  }

  takeRest(): Buffer | null {
    return null; // no protocol follows a WebSocket
  }

  get hasBacklog(): boolean {
    return this.is(IS_INFLATING | IS_STREAM_FULL) || (this.#reader !== null && this.#reader.hasBacklog);
  }

  get bufferedBytes(): number {
    return this.#reader === null ? 0 : this.#reader.bufferedBytes;
  }

  get isMidMessage(): boolean {
    return this.#reader !== null && !this.#reader.isBetweenMessages;
  }

  // ---- MessageSink -------------------------------------------------------------------------------------------------

  message(data: Buffer, isBinary: boolean, isCompressed: boolean): boolean {
    if (data.length >= LARGE_BYTES) this.facts |= HAS_LARGE;
    return isCompressed ? this.inflate(this.deflate!, data, isBinary) : this.deliver(data, isBinary);
  }

  /** A whole compressed message: expanded at once, unless it is long, or turns out to be. */
  private inflate(deflate: DeflateContext, data: Buffer, isBinary: boolean): boolean {
    const { streamBytes, maxMessageBytes, maxStreamedBytes } = this.context;
    const isStreamed = streamBytes !== Number.POSITIVE_INFINITY;
    if (deflate.inflatesLate(data.length, isStreamed)) {
      const inflation = this.beginInflation(deflate, isBinary, isStreamed);
      return this.inflated(inflation, inflation.push(data, true), true);
    }
    const limit = isStreamed ? Math.max(maxMessageBytes, maxStreamedBytes) : maxMessageBytes;
    const most = Math.min(limit, deflate.mostAtOnce(isStreamed));
    const result = deflate.inflate(data, most);
    if (result === InflateError.Data) return this.fail(Violations.inflate);
    if (result === InflateError.TooLong) {
      if (most === limit) return this.fail(Violations.messageBytes);
      const inflation = this.beginInflation(deflate, isBinary, isStreamed);
      return this.inflated(inflation, inflation.goOn(data, true), true);
    }
    const { length } = result;
    if (length > (length > streamBytes ? maxStreamedBytes : maxMessageBytes)) return this.fail(Violations.messageBytes);
    if (!isBinary && !isWholeUtf8(result, 0, length)) return this.fail(Violations.text);
    return this.deliver(result, isBinary);
  }

  private beginInflation(deflate: DeflateContext, isBinary: boolean, isStreamed: boolean): Inflation {
    return new Inflation(this.context, deflate, this, isBinary, isStreamed && deflate.beginParts());
  }

  compressedBegins(isBinary: boolean): boolean {
    const deflate = this.deflate!;
    if (!deflate.beginParts()) return false;
    this.facts |= HAS_LARGE;
    this.use.inflation = new Inflation(this.context, deflate, this, isBinary, true);
    return true;
  }

  compressedPart(data: Buffer, isLast: boolean): boolean {
    const inflation = this.seldom?.inflation ?? null;
    if (inflation === null) return false; // the connection closes
    if (isLast) this.seldom!.inflation = null;
    return this.inflated(inflation, inflation.push(data, isLast), isLast);
  }

  /** A part was inflated, or is being: nothing behind it is read meanwhile. */
  private inflated(inflation: Inflation, result: PartResult | Promise<PartResult>, isLast: boolean): boolean {
    if (result instanceof Promise) {
      if (loan.isOpen) loan.keep();
      this.facts |= IS_INFLATING;
      this.port.settle('onMessage', result, (outcome) => {
        this.mark(IS_INFLATING, false);
        if (this.state < State.Closed) this.inflated(inflation, outcome as PartResult, isLast);
      });
      return false;
    }
    if (result === GONE) return false;
    if (result !== null) return this.fail(result);
    if (!isLast) return this.port.mayDeliver;
    this.deflate!.endParts();
    return inflation.isStreamed ? this.streamEnds() : this.deliver(inflation.whole(), inflation.isBinary);
  }

  beginStream(isBinary: boolean): StreamedMessage | null {
    this.streamBegins(isBinary);
    return this.port.isOpen ? (this.seldom?.streamed ?? null) : null;
  }

  private deliver(bytes: Buffer, isBinary: boolean): boolean {
    if (bytes.length > this.context.streamBytes) {
      // It was compressed, and is short enough to be expanded at once, or had to be put together first.
      this.streamBegins(isBinary);
      const streamed = this.seldom?.streamed ?? null;
      if (streamed === null) return false;
      void streamed.push(bytes);
      return this.streamEnds();
    }
    const { hooks, textAsString } = this.context;
    const message = isBinary || !textAsString ? bytes : bytes.toString();
    const port = this.port;
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

  streamBegins(isBinary: boolean): boolean {
    this.facts |= HAS_LARGE;
    if (!this.port.count()) return false;
    const streamed = new StreamedMessage(this.port, isBinary);
    this.use.streamed = streamed;
    return streamed.begin(this.context.hooks);
  }

  streamPiece(data: Buffer): boolean {
    const streamed = this.seldom?.streamed ?? null;
    if (streamed === null) return false; // the connection closes
    const room = streamed.push(data);
    if (room === undefined) return this.port.mayDeliver;
    this.facts |= IS_STREAM_FULL;
    this.port.settle('onMessageStream', room, () => {
      this.mark(IS_STREAM_FULL, false);
      if (streamed.isComplete) streamed.awaitHook();
    });
    return false;
  }

  streamEnds(): boolean {
    const streamed = this.seldom?.streamed ?? null;
    if (streamed === null) return false;
    this.seldom!.streamed = null;
    streamed.complete();
    // The port waits for one promise at a time: for room now, and then for the hook.
    return this.is(IS_STREAM_FULL) ? false : streamed.awaitHook();
  }

  control(opcode: number, data: Buffer): boolean {
    const { hooks } = this.context;
    if (opcode === Opcode.Pong) {
      this.mark(AWAITS_PONG, false);
      return hooks.pong === undefined ? this.port.mayDeliver : this.call('onPong', hooks.pong, Buffer.from(data));
    }
    // Nothing may follow our close frame.
    if (this.state === State.Open) this.answerPing(data);
    return hooks.ping === undefined ? this.port.mayDeliver : this.call('onPing', hooks.ping, Buffer.from(data));
  }

  /** The peer's close frame. */
  closedByPeer(code: number, reason: Buffer): void {
    const seldom = this.use;
    seldom.endCode = code;
    if (reason.length > 0) seldom.endReason = reason.toString();
    const wasOpen = this.state === State.Open;
    this.state = State.Closed;
    // RFC 6455, 5.5.1: it is answered, typically with its own code.
    const { hooks } = this.context;
    if (wasOpen) this.sendClose(closeBodyOf(code, ''));
    if (seldom.outbox !== null) seldom.outbox.raw(EMPTY, () => this.endClosed());
    else this.endClosed();
    if (hooks.closing === undefined) return;
    try {
      const result = hooks.closing(this.port.id, code, seldom.endReason);
      if (result !== undefined && !isPlainlyOk(result)) this.port.settle('onClosing', result);
    } catch (thrown) {
      this.port.threw('onClosing', thrown);
    }
  }

  /** Close frames went both ways. */
  private endClosed(): void {
    const { isServer, closeTimeoutMs } = this.context;
    this.port.deadline(isServer ? 0 : closeTimeoutMs);
    // RFC 6455, 7.1.1: the server closes the TCP connection first, so that TIME_WAIT is its own.
    if (isServer) this.port.end();
  }

  violate(violation: Violation): void {
    this.fail(violation);
  }

  // ---- inside ------------------------------------------------------------------------------------------------------

  /** Calls a hook. False to stop for now. */
  private call(name: string, hook: (id: number, data: Buffer) => unknown, data: Buffer | undefined): boolean {
    let result: unknown;
    try {
      result = hook.call(this.context.hooks, this.port.id, data as Buffer);
    } catch (thrown) {
      return this.port.threw(name, thrown);
    }
    if (result === undefined || isPlainlyOk(result)) return this.port.mayDeliver;
    return this.port.settle(name, result);
  }

  /** What is half received, or waits to be sent, is given up. */
  private drop(seldom: Seldom, message: string): void {
    seldom.streamed?.fail(message);
    seldom.streamed = null;
    seldom.inflation = null;
    const { outbox } = seldom;
    seldom.outbox = null;
    outbox?.drop();
  }

  /** The time is over in which the peer should have been heard of. */
  private checkLiveness(): void {
    const { pingIntervalMs, pongTimeoutMs, counters } = this.context;
    // What is not read is no silence of the peer.
    if (this.is(HAS_RECEIVED) || !this.port.mayDeliver) {
      this.mark(HAS_RECEIVED | AWAITS_PONG, false);
      this.port.deadline(pingIntervalMs);
    } else if (this.is(AWAITS_PONG)) {
      counters.pongTimeouts++;
      this.port.violate(Errno.ETIMEDOUT, `the peer gave no sign of life within ${pongTimeoutMs} ms (pongTimeoutMs)`);
    } else {
      this.facts |= AWAITS_PONG;
      this.sendControl(Opcode.Ping, EMPTY);
      this.port.deadline(pongTimeoutMs);
    }
  }

  /**
   * Fails the connection (RFC 6455, 7.1.7): a close frame says why, what still comes is dropped, and the connection closes with an
   * error when the peer has taken note, or does not in time. Always false.
   */
  private fail(violation: Violation): false {
    const { closeTimeoutMs, counters } = this.context;
    const wasOpen = this.state === State.Open;
    if (this.state >= State.Closed) return false;
    counters.violations++;
    const seldom = this.use;
    seldom.violation = violation;
    this.state = State.Failed;
    this.drop(seldom, violation.message);
    this.stopReading();
    if (wasOpen) this.sendClose(closeBodyOf(violation.closeCode, ''));
    this.port.deadline(Math.min(closeTimeoutMs, MAX_LINGER_MS));
    this.port.end();
    return false;
  }

  private violateNow(): void {
    const { closeCode, message } = this.seldom!.violation!;
    const isTooLarge = closeCode === CloseCode.MessageTooBig || closeCode === CloseCode.PolicyViolation;
    this.port.violate(isTooLarge ? Errno.EMSGSIZE : Errno.EBADMSG, message);
  }
}
