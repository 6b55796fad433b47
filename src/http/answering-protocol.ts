import { Errno } from '../core/errno.ts';
import type { SocketErrorName } from '../core/error-names.ts';
import type { SendQueue } from '../memory/send-queue.ts';
import { type Answer, type AnswerOutput, AnswerQueue } from './answer-queue.ts';
import { HttpVersion } from './enums.ts';
import type { HttpHeaders } from './header-list.ts';
import { HttpProtocol } from './http-protocol.ts';
import type { MessageHead } from './message-head.ts';
import { type BodyBytes, bodyLength, sendChunk, sendMessage, sendText } from './message-writer.ts';
import { METHOD_HEAD } from './methods.ts';
import { Phase } from './phase.ts';
import { repeatedResponse, responseHead, wasFramedByCaller } from './response-head.ts';
import { LINGER_MS } from './settings.ts';
import { Stage } from './stage-deadlines.ts';
import { statusText } from './status.ts';

/** Told when a connection is gone. */
export interface GoneWatcher {
  gone(): void;
}

/**
 * What a server sends: answers by hooks, and answers to requests that are taken as a whole, in the order of the requests; and when the
 * connection ends behind them.
 */
export abstract class AnsweringProtocol extends HttpProtocol implements AnswerOutput {
  /** Answers to requests that are taken as a whole. */
  readonly answers = new AnswerQueue(this);
  /** Whether `Release` was called. */
  isReleased = false;
  /** Requests that hooks are to answer. */
  protected unanswered = 0;
  /** Whether `sendResponse` sent only a head, whose body follows. */
  protected isStreaming = false;
  /** Bytes that its body lacks. */
  #bodyOwed = 0;
  protected isDraining = false;
  protected hasPeerEnded = false;
  /** Answer to a request that was refused: the last thing that is sent. */
  protected lastWords: string | null = null;
  /** Whether it waits in the send queue. */
  #hasUnwritten = false;
  protected watchers: Set<GoneWatcher> | null = null;
  /** Lets a connection go on that waits for room among the unanswered requests. */
  protected makeRoom: (() => void) | null = null;
  /** Told when one request alone is unanswered. */
  protected answeredWaiter: (() => void) | null = null;
  /** Whether the youngest request may become a WebSocket. */
  protected mayUpgrade = false;

  // ---- what is owed --------------------------------------------------------------------------------------------

  /** Requests that are not answered yet. */
  protected get owed(): number {
    return this.unanswered + this.answers.size;
  }

  /** Requests that may be unanswered while another begins. What comes behind one that may become a WebSocket may be its frames. */
  protected get maxOwed(): number {
    return this.mayUpgrade ? 1 : this.context.limits.maxPipelinedRequests;
  }

  /** Whether an answer that is made now may say that the connection stays (RES-004, HP-034). */
  keepsAlive(head: MessageHead | null): boolean {
    if (head === null || !head.isKeepAlive || this.isReleased) return false;
    return (!this.isDraining && !this.hasPeerEnded) || this.owed > 1;
  }

  /** An answer of a hook is complete. */
  #answerDone(): void {
    if (this.unanswered > 0) this.unanswered--;
    this.#answerLeft();
  }

  #answerLeft(): void {
    if (this.owed === 0) this.mayUpgrade = false;
    if (this.answeredWaiter !== null && this.owed <= 1) this.tellAnswered();
    if (this.owed === 0) {
      if (this.context.isConsumerAlone && this.phase === Phase.Idle) this.head = this.trailers = null;
      this.deadlines.clear(Stage.Answer);
      if (!this.isParsing && this.phase === Phase.Idle) this.deadlines.set(Stage.Idle, this.idleMs);
    } else if (!this.isParsing) {
      this.deadlines.set(Stage.Answer, this.context.limits.responseTimeoutMs);
    }
    this.endIfDone();
    if (this.makeRoom !== null && this.owed < this.maxOwed) {
      const go = this.makeRoom;
      this.makeRoom = null;
      go();
    }
  }

  /** Everything that is owed was sent: ends the connection if this was the last of it. */
  protected endIfDone(): void {
    if (this.owed > 0 || this.isStreaming || this.isOver || !this.port.isOpen) return;
    if (this.lastWords !== null) {
      // Sent whatever is pending: a client that reads on learns why the connection ends.
      if (this.lastWords !== '') this.#hasUnwritten = this.port.sendReserved(Buffer.from(this.lastWords, 'latin1'), 0);
      this.lastWords = null;
      this.#endRefused();
    } else if (this.hasPeerEnded || (this.isDraining && this.phase !== Phase.Refused && !this.isBusy)) {
      this.end();
    } else if (this.phase === Phase.Over && this.context.rules.closing) {
      this.end();
    }
  }

  /** The peer gets a FIN, as nothing follows, and a moment to read the answer. */
  #endRefused(): void {
    this.deadlines.set(Stage.Linger, LINGER_MS);
    this.end();
  }

  protected override get hasMoreToSay(): boolean {
    return this.lastWords !== null || this.owed > 0 || this.#hasUnwritten;
  }

  /** Whether a message is on its way in. */
  protected get isBusy(): boolean {
    return this.phase !== Phase.Idle && this.phase !== Phase.Over && this.phase !== Phase.Raw;
  }

  protected tellAnswered(): void {
    const resolve = this.answeredWaiter;
    this.answeredWaiter = null;
    resolve?.();
  }

  // ---- answers of hooks ----------------------------------------------------------------------------------------

  /**
   * Sends a response as HP-Socket does (`SendResponse`, RES-001 to RES-010). A `Content-Length` or `Transfer-Encoding` of the
   * caller and no body: the body follows by `send` or `sendChunkData`.
   * @returns false if the bytes could not be queued.
   */
  sendResponse(status: number, reason?: string | null, headers?: HttpHeaders | null, body?: BodyBytes): boolean {
    const { localVersion } = this.context;
    const isKeepAlive = this.keepsAlive(this.head);
    if (reason === null || reason === undefined) {
      const bytes = repeatedResponse(status, headers, body, localVersion, isKeepAlive);
      if (bytes !== null) return this.port.send(bytes) && this.#responseSent();
    }
    const length = bodyLength(body);
    const head = responseHead(status, reason, headers, length, localVersion, isKeepAlive);
    if (!sendMessage(this.port, head, body, length)) return false;
    if (status < 200 && status !== 101) return true;
    if (this.isStreaming) this.bodySent(); // whatever it lacked, this is the next answer
    if (wasFramedByCaller() && length === 0) this.#bodyFollows(head, status);
    else this.#answerDone();
    return true;
  }

  /**
   * Answers with 101 as `sendResponse` does, with fields that need no check.
   * @param fields Their lines, without CRLF behind the last one.
   */
  sendSwitch(fields: string): boolean {
    const version = this.context.localVersion === HttpVersion.V1_0 ? '1.0' : '1.1';
    if (!sendText(this.port, `HTTP/${version} 101 ${statusText(101)}\r\n${fields}\r\n\r\n`)) return false;
    return this.#responseSent();
  }

  /** A whole response was sent. */
  #responseSent(): true {
    if (this.isStreaming) this.bodySent(); // whatever it lacked, this is the next answer
    this.#answerDone();
    return true;
  }

  /** Sends one chunk of a response, the last one if there are no bytes (`SendChunkData`, CHK-001). */
  override sendChunkData(data: BodyBytes, extensions?: string | null, trailers?: string): boolean {
    if (!sendChunk(this.port, data, extensions, trailers)) return false;
    if (bodyLength(data) === 0) this.bodySent();
    return true;
  }

  /** `sendResponse` sent only a head: its body comes by `send` or `sendChunkData`, unless there is none. */
  #bodyFollows(head: string, status: number): void {
    const given = /\r\ncontent-length: *([0-9]+)\r/i.exec(head)?.[1];
    const isBodiless = this.head?.methodNumber === METHOD_HEAD || status === 204 || status === 304;
    this.#bodyOwed = given === undefined ? Number.POSITIVE_INFINITY : Number(given);
    if (isBodiless || this.#bodyOwed === 0) this.#answerDone();
    else this.isStreaming = true;
  }

  /** The body behind a head that `sendResponse` sent alone is complete. */
  bodySent(): void {
    if (!this.isStreaming) return;
    this.isStreaming = false;
    this.#answerDone();
  }

  override frame(queue: SendQueue, bytes: Uint8Array): void {
    super.frame(queue, bytes);
    this.#sentRaw(bytes.length);
  }

  override frameParts(queue: SendQueue, parts: readonly Uint8Array[], length: number): void {
    super.frameParts(queue, parts, length);
    this.#sentRaw(length);
  }

  /** Bytes of the application's own: what of them is an answer only it knows, so nothing is owed for it. */
  #sentRaw(length: number): void {
    if (this.isStreaming) {
      this.#bodyOwed -= length;
      if (this.#bodyOwed <= 0) this.bodySent();
    } else if (this.unanswered > 0 && this.isHttpStarted) {
      this.#answerDone();
    }
  }

  // ---- answers to requests that are taken as a whole -----------------------------------------------------------

  write(part: string | Uint8Array): boolean {
    this.room.sent(part.length);
    return typeof part === 'string' ? sendText(this.port, part) : this.port.send(part);
  }

  get isOpen(): boolean {
    return this.port.isOpen;
  }

  /** Sends a whole answer whose turn has come. @param bytes They are only valid until this returns. */
  writeAll(answer: Answer, bytes: Uint8Array): boolean {
    if (this.room.fits(bytes.length)) {
      answer.hasBegun = true;
      this.room.sent(bytes.length);
      if (this.port.send(bytes)) return true;
    }
    return answer.write(Uint8Array.from(bytes));
  }

  /** Sends a whole answer, in one piece if its turn has come and there is room. */
  writeMessage(answer: Answer, head: string, body: BodyBytes, length: number): boolean {
    const total = head.length + length;
    if (answer.isItsTurn && !answer.isHolding && this.room.fits(total)) {
      answer.hasBegun = true;
      this.room.sent(total);
      if (sendMessage(this.port, head, body, length)) return true;
    }
    return answer.write(head) && (length === 0 || answer.write(typeof body === 'string' ? Buffer.from(body) : body!));
  }

  answered(answer: Answer): void {
    this.dropped(answer);
    if (this.answers.size === 0) this.watchers?.clear();
    if (answer.closes) {
      this.phase = Phase.Over;
      this.answers.dropAll(); // nothing follows an answer that said so
    }
    this.#answerLeft();
  }

  /**
   * Bytes of a body are to be held for `answer`.
   * @returns false if the component holds too many (`maxCollectedBytes`): the request is to be refused.
   */
  collects(answer: Answer, bytes: number): boolean {
    if (answer.isComplete || answer.isDropped) return true;
    const { counters, limits } = this.context;
    const { maxCollectedBytes } = limits;
    const others = counters.collectedBytes - answer.bodyBytes;
    if (maxCollectedBytes > 0 && others > 0 && counters.collectedBytes + bytes > maxCollectedBytes) {
      counters.collectedBytesFull++;
      return false;
    }
    answer.bodyBytes += bytes;
    counters.collectedBytes += bytes;
    return true;
  }

  dropped(answer: Answer): void {
    if (answer.bodyBytes === 0) return;
    this.context.counters.collectedBytes -= answer.bodyBytes;
    answer.bodyBytes = 0;
  }

  /** Cuts the connection: an answer that has begun cannot be completed. */
  abort(reason: string, code: SocketErrorName, cause?: unknown): void {
    if (this.port.isOpen) this.port.violate(Errno.ECANCELED, `HTTP: ${reason}`, code, cause);
  }

  // ---- the end --------------------------------------------------------------------------------------------------

  override wrote(pendingBytes: number): void {
    if (pendingBytes === 0) this.#hasUnwritten = false;
    super.wrote(pendingBytes);
  }

  /** Tells `watcher` when the connection is gone. */
  watchGone(watcher: GoneWatcher): void {
    this.watchers ??= new Set();
    this.watchers.add(watcher);
  }
}
