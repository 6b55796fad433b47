import { Errno } from '../core/errno.ts';
import type { SendQueue } from '../memory/send-queue.ts';
import type { Port } from '../protocol/protocol.ts';
import { checkedControl, closeBodyOf } from './control-payload.ts';
import type { DeflateContext } from './deflate-context.ts';
import { headerBytes } from './frame-header.ts';
import { appendFrame, appendFrameParts, buildFrame, COMPRESSED, FINAL } from './frame-writer.ts';
import { CloseCode, Opcode } from './opcode.ts';
import { Outbox } from './outbox.ts';
import { type FrameWay, OutgoingFragments } from './outgoing-fragments.ts';
import { type RequestText, wholeHead } from './request-text.ts';
import { RoomWaiters } from './room-waiters.ts';
import type { SharedMessage } from './shared-message.ts';
import type { WebSocketContext, WebSocketEnd } from './websocket-context.ts';
import { AWAITS_PONG, PONG, SENDS_TEXT, Seldom, STATE, State } from './websocket-state.ts';

/** Pongs that may wait to be written; beyond it only the last ping is answered (RFC 6455, 5.5.3). */
const MAX_UNWRITTEN_PONGS = 16;
const EMPTY = Buffer.alloc(0);

/** The half of a WebSocket that sends, and what both halves know of it. */
export abstract class WebSocketSender implements FrameWay {
  /** The sub-protocol that was agreed on, '' for none. */
  readonly subProtocol: string;
  /** What is kept of the request that opened it; '' on agents and clients. */
  readonly #head: string;
  readonly #key: string;
  protected readonly context: WebSocketContext;
  protected readonly port: Port;
  protected readonly deflate: DeflateContext | null;
  protected facts: number = State.Open;
  protected seldom: Seldom | null = null;

  constructor(
    context: WebSocketContext,
    port: Port,
    subProtocol: string,
    deflate: DeflateContext | null,
    request: RequestText | null = null,
  ) {
    this.#head = request?.shared ?? '';
    this.#key = request?.key ?? '';
    this.context = context;
    this.port = port;
    this.subProtocol = subProtocol;
    this.deflate = deflate;
  }

  /** Head of the request that opened it, as it came; null on agents and clients. */
  get requestHead(): string | null {
    return this.#head === '' ? null : wholeHead(this.#head, this.#key);
  }

  protected get state(): State {
    return (this.facts & STATE) as State;
  }

  protected set state(state: State) {
    this.facts = (this.facts & ~STATE) | state;
    if (state !== State.Open) this.seldom?.fragments?.onInterrupted?.();
  }

  protected is(fact: number): boolean {
    return (this.facts & fact) !== 0;
  }

  protected mark(facts: number, areSo: boolean): void {
    this.facts = areSo ? this.facts | facts : this.facts & ~facts;
  }

  protected get use(): Seldom {
    this.seldom ??= new Seldom();
    return this.seldom;
  }

  /** Whether messages can be sent: neither side has sent a close frame. */
  get isOpen(): boolean {
    return this.state === State.Open;
  }

  /** Whether compression was agreed on. */
  get isCompressing(): boolean {
    return this.deflate !== null;
  }

  /** What the next `frame` sends: text or binary. The component sets it around a send of text. */
  get sendOpcode(): number {
    return this.is(SENDS_TEXT) ? Opcode.Text : Opcode.Binary;
  }

  set sendOpcode(opcode: number) {
    this.mark(SENDS_TEXT, opcode === Opcode.Text);
  }

  /** How it ended, or would end if the connection broke now. */
  get end(): WebSocketEnd {
    const seldom = this.seldom;
    if (seldom === null) return { code: CloseCode.Abnormal, reason: '', wasClean: false };
    const { violation, endCode, endReason } = seldom;
    if (violation !== null) return { code: violation.closeCode, reason: violation.message, wasClean: false };
    return { code: endCode, reason: endReason, wasClean: endCode !== CloseCode.Abnormal };
  }

  /** Sends a message that is framed, and compressed, once for many connections. False if it cannot be sent. */
  sendShared(message: SharedMessage): boolean {
    if (this.state !== State.Open || this.isStreaming) return false;
    const isMasked = !this.context.isServer;
    if (this.deflate !== null) {
      if (this.outbox !== null || message.isLate(this.deflate)) {
        this.useOutbox(this.deflate).shared(message);
        return true;
      }
      const frame = message.compressedFrame(this.deflate, isMasked) as Buffer | null;
      if (frame !== null) {
        if (!this.port.send(frame)) return false;
        this.deflate.sentElsewhere();
        return true;
      }
    }
    return this.port.send(message.frame(isMasked));
  }

  /**
   * Begins a message in fragments: until its last one is sent, no other message can be: `sizeOf` says EBUSY.
   * @param isCompressed Left out, its first fragment decides.
   * @returns the message, by which it may be abandoned; null if it cannot begin.
   */
  beginFragments(opcode: Opcode, isCompressed?: boolean): OutgoingFragments | null {
    if (this.state !== State.Open || this.isStreaming) return null;
    const fragments = new OutgoingFragments(opcode, !this.context.isServer, this.deflate, isCompressed);
    this.use.fragments = fragments;
    return fragments;
  }

  /** The next fragment of the message. @returns false if it cannot be queued; a promise if that shows later: nothing may be sent before. */
  sendFragment(data: Uint8Array, isLast: boolean): boolean | Promise<boolean> {
    const fragments = this.seldom?.fragments ?? null;
    if (this.state !== State.Open || fragments === null) return false;
    const isSent = fragments.send(data, isLast, this);
    if (!isLast) return isSent;
    if (isSent === true) this.endFragments(fragments);
    return isSent instanceof Promise ? isSent.finally(() => this.endFragments(fragments)) : isSent;
  }

  /**
   * The message will not be completed, unless it has been: then the next one may have begun. Half a message cannot be taken back: only
   * the end of the connection tells the peer.
   */
  abandonFragments(fragments: OutgoingFragments): void {
    if (this.seldom?.fragments !== fragments) return;
    this.endFragments(fragments);
    if (fragments.hasBegun && this.state === State.Open) {
      this.close(CloseCode.InternalError, 'a message could not be completed');
    }
  }

  private endFragments(fragments: OutgoingFragments): void {
    fragments.close();
    this.seldom!.fragments = null;
  }

  /** Whether a message is being sent in fragments. */
  get isStreaming(): boolean {
    return this.seldom !== null && this.seldom.fragments !== null;
  }

  /** Resolves when at most `maxBytes` are pending, with true, or when the connection is gone, with false. */
  whenPending(maxBytes: number): Promise<boolean> {
    if (this.state === State.Gone) return Promise.resolve(false);
    this.use.waiters ??= new RoomWaiters();
    return this.use.waiters.wait(maxBytes);
  }

  protected noteRoom(seldom: Seldom, pendingBytes: number): void {
    if (seldom.waiters?.note(pendingBytes, this.state !== State.Gone) === false) seldom.waiters = null;
  }

  /** A ping with up to 125 bytes. False if it cannot be queued. */
  ping(data: Uint8Array = EMPTY): boolean {
    return this.state === State.Open && this.sendControl(Opcode.Ping, checkedControl(data));
  }

  /** A pong that was not asked for: a sign of life (RFC 6455, 5.5.3). */
  pong(data: Uint8Array = EMPTY): boolean {
    return this.state === State.Open && this.sendControl(Opcode.Pong, checkedControl(data));
  }

  /**
   * Begins the closing handshake: nothing is sent after it, the peer's answer ends the connection.
   * @param code A code that may be on the wire, or 1005 for a frame without one.
   * @returns false if a close frame was sent already.
   */
  close(code: number, reason: string): boolean {
    const body = closeBodyOf(code, reason);
    if (this.state !== State.Open) return false;
    this.state = State.ClosingHere;
    this.mark(AWAITS_PONG, false);
    this.sendClose(body);
    this.port.deadline(this.context.closeTimeoutMs);
    return true;
  }

  sizeOf(length: number): number {
    if (this.state !== State.Open) return -Errno.EPIPE;
    if (this.isStreaming) return -Errno.EBUSY;
    return headerBytes(length, !this.context.isServer) + length;
  }

  explain(_length: number): string {
    return this.isStreaming
      ? 'a message is being sent in fragments; wait until that is done'
      : 'the WebSocket is closing: nothing can be sent after a close frame';
  }

  frame(queue: SendQueue, bytes: Uint8Array): void {
    const isMasked = !this.context.isServer;
    const deflate = this.deflate;
    if (deflate !== null && (this.outbox !== null || deflate.isLate(bytes.length))) {
      this.useOutbox(deflate).message(this.sendOpcode as Opcode, bytes);
      return;
    }
    const compressed = deflate === null ? null : deflate.deflate(bytes);
    if (compressed === null) appendFrame(queue, FINAL | this.sendOpcode, bytes, isMasked);
    else appendFrame(queue, FINAL | COMPRESSED | this.sendOpcode, compressed, isMasked);
  }

  frameParts(queue: SendQueue, parts: readonly Uint8Array[], length: number): void {
    if (this.deflate !== null) this.frame(queue, Buffer.concat(parts, length));
    else appendFrameParts(queue, FINAL | this.sendOpcode, parts, length, !this.context.isServer);
  }

  /** Something was written: so many bytes are pending now. */
  wrote(pendingBytes: number): void {
    if (this.seldom !== null && this.seldom.waiters !== null) this.noteRoom(this.seldom, pendingBytes);
    this.context.hooks.wrote?.(this.port.id, pendingBytes);
    if (this.facts < PONG || pendingBytes > 0) return;
    this.facts &= PONG - 1;
    const ping = this.seldom?.lastPing ?? null;
    if (ping === null) return;
    this.seldom!.lastPing = null;
    if (this.state === State.Open) this.sendControl(Opcode.Pong, ping);
  }

  /**
   * Answers a ping. Of a peer that pings and does not read, at most `MAX_UNWRITTEN_PONGS` answers wait: beyond that, only its last
   * ping is answered, when there is room.
   */
  protected answerPing(data: Buffer): void {
    if (this.facts >= MAX_UNWRITTEN_PONGS * PONG) {
      this.context.counters.pongsCoalesced++;
      this.use.lastPing = Buffer.from(data);
      return;
    }
    this.facts += PONG;
    this.sendControl(Opcode.Pong, data);
  }

  // ---- FrameWay ----------------------------------------------------------------------------------------------------

  get outbox(): Outbox | null {
    return this.seldom === null ? null : this.seldom.outbox;
  }

  useOutbox(deflate: DeflateContext): Outbox {
    const seldom = this.use;
    seldom.outbox ??= new Outbox(this.port, deflate, !this.context.isServer, () => {
      seldom.outbox = null;
    });
    return seldom.outbox;
  }

  sendInOrder(frame: Buffer): boolean {
    if (this.outbox === null) return this.port.send(frame);
    this.outbox.raw(frame);
    return true;
  }

  /** The last frame of this side. It is sent whatever is pending: a peer that reads on learns why the connection ends. */
  protected sendClose(body: Uint8Array): void {
    const frame = buildFrame(FINAL | Opcode.Close, body, !this.context.isServer);
    if (this.outbox === null) this.port.sendReserved(frame, 0);
    else this.outbox.raw(frame);
  }

  protected sendControl(opcode: number, data: Uint8Array): boolean {
    return this.port.send(buildFrame(FINAL | opcode, data, !this.context.isServer));
  }
}
