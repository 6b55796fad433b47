import { Errno } from '../core/errno.ts';
import type { SocketErrorName } from '../core/error-names.ts';
import type { SendQueue } from '../memory/send-queue.ts';
import { AtEnd, type Port, type Protocol } from '../protocol/protocol.ts';
import { type Answer, type AnswerOutput, AnswerQueue } from './answer-queue.ts';
import type { HttpContext } from './context.ts';
import { HttpVersion } from './enums.ts';
import type { HttpHeaders } from './header-list.ts';
import { HttpProtocol } from './http-protocol.ts';
import { Flag } from './llhttp/layout.ts';
import { REQUEST } from './llhttp/parser.ts';
import { Framing, type MessageHead } from './message-head.ts';
import { type BodyBytes, bodyLength, sendChunk, sendMessage, sendText } from './message-writer.ts';
import { METHOD_CONNECT, METHOD_HEAD } from './methods.ts';
import { Phase } from './phase.ts';
import {
  bodyTooSlow,
  checkRequest,
  chunkedNotLast,
  headTooSlow,
  isKeptAlive,
  lengthTooLarge,
  noTunnel,
  type Refusal,
  statusOfError,
} from './policy.ts';
import { finalAnswer, responseHead, wasFramedByCaller } from './response-head.ts';
import { SendRoom } from './send-room.ts';
import { LINGER_MS } from './settings.ts';
import { Stage } from './stage-deadlines.ts';
import { statusText } from './status.ts';

/** Told when a connection is gone. */
export interface GoneWatcher {
  gone(): void;
}

/** HTTP on a connection that gets requests and sends responses. */
export class HttpServerProtocol extends HttpProtocol implements AnswerOutput {
  /** Answers to requests that are taken as a whole. */
  readonly answers = new AnswerQueue(this);
  /** Whether `Release` was called. */
  isReleased = false;
  /** Requests whose head was let in. */
  requestCount = 0;
  /** Requests that hooks are to answer. */
  #unanswered = 0;
  /** Whether the request that arrives is among the unanswered ones. */
  #isCounted = false;
  /** Answer to the request that arrives, if that is taken as a whole. */
  #current: Answer | null = null;
  /** Whether `sendResponse` sent only a head, whose body follows. */
  #isStreaming = false;
  /** Bytes that its body lacks. */
  #bodyOwed = 0;
  #isDraining = false;
  #hasPeerEnded = false;
  /** Answer to a request that was refused: the last thing that is sent. */
  #lastWords: string | null = null;
  /** Whether it waits in the send queue. */
  #hasUnwritten = false;
  readonly #room = new SendRoom();
  #watchers: Set<GoneWatcher> | null = null;
  /** Lets a connection go on that waits for room among the unanswered requests. */
  #makeRoom: (() => void) | null = null;
  #switched: Answer | null = null;
  /** Told when one request alone is unanswered. */
  #whenAnswered: (() => void) | null = null;
  /** Whether the youngest request may become a WebSocket. */
  #mayUpgrade = false;

  constructor(context: HttpContext, port: Port) {
    super(context, port, REQUEST);
  }

  // ---- receiving -------------------------------------------------------------------------------------------------

  protected override mayBegin(): boolean {
    if (this.isReleased) {
      this.phase = Phase.Gone;
      this.port.violate(Errno.ECANCELED, 'bytes arrived after release', 'HP_ABORTED');
      return false;
    }
    if (this.#owed < this.#maxOwed || this.#makeRoom !== null) return true;
    this.context.counters.pipelineFull++;
    const { promise, resolve } = withResolvers();
    this.#makeRoom = resolve;
    this.port.settle('onRequest', promise);
    return false;
  }

  /** Requests that may be unanswered while another begins. What comes behind one that may become a WebSocket may be its frames. */
  get #maxOwed(): number {
    return this.#mayUpgrade ? 1 : this.context.limits.maxPipelinedRequests;
  }

  /** Whether the request whose head was read asks for a WebSocket. */
  get isWebSocketRequest(): boolean {
    return this.head !== null && isForWebSocket(this.head);
  }

  /** The request whose head was read is answered by whom may make a WebSocket of it: nothing behind it is parsed until then. */
  awaitsUpgrade(): void {
    this.#mayUpgrade = true;
  }

  /** Resolves when everything before the request that arrives is answered, or the connection is gone; undefined if it is. */
  whenAnswered(): Promise<void> | undefined {
    if (this.#owed <= 1 || !this.port.isOpen) return undefined;
    return new Promise((resolve) => {
      this.#whenAnswered = resolve;
    });
  }

  /**
   * Answers a request that was taken as a whole with 101, and lets another protocol take the connection.
   * @returns false if it was answered already, or something before it was not, or the connection is closing.
   */
  switchTo(answer: Answer, headers: HttpHeaders, make: () => Protocol): boolean {
    const isReady = this.phase === Phase.Idle || this.phase === Phase.Over;
    if (!isReady || answer.hasBegun || !answer.isItsTurn || this.isReleased || this.isOver || !this.port.isOpen)
      return false;
    if (this.#isDraining || this.#hasPeerEnded) return false;
    const head = responseHead(101, null, headers, 0, this.context.localVersion, true);
    if (!answer.write(head)) return false;
    this.phase = Phase.Gone;
    this.#switched = answer;
    answer.complete();
    this.context.counters.upgrades++;
    this.deadlines.clearAll();
    this.port.become(make());
    return true;
  }

  /** Whether this was the answer with which another protocol took the connection. */
  isSwitchedBy(answer: Answer): boolean {
    return this.#switched === answer;
  }

  /** Requests that are not answered yet. */
  get #owed(): number {
    return this.#unanswered + this.answers.size;
  }

  protected override checkHead(head: MessageHead): Refusal | null {
    const { rules, limits, takesUpgrades, takesWebSockets, counters } = this.context;
    const refusal = checkRequest(head, rules);
    if (refusal !== null) return refusal;
    head.isTunnel = head.methodNumber === METHOD_CONNECT;
    if (head.isUpgrade && !takesUpgrades && !(takesWebSockets && isForWebSocket(head))) {
      if (head.isTunnel) return noTunnel;
      head.isUpgrade = false; // a server may ignore it (RFC 9110 7.8)
    }
    if (head.isChunked) head.framing = Framing.Chunked;
    else if ((head.flags & Flag.TransferEncoding) !== 0) {
      return chunkedNotLast;
    } else if (head.contentLength > 0 && !head.isTunnel) {
      if (!Number.isSafeInteger(head.contentLength)) {
        return lengthTooLarge;
      }
      head.framing = Framing.Length;
    }
    this.requestCount++;
    head.isKeepAlive = isKeptAlive(head.version, head.flags);
    if (limits.maxRequestsPerConnection > 0 && this.requestCount >= limits.maxRequestsPerConnection) {
      if (head.isKeepAlive) counters.requestsPerConnection++;
      head.isKeepAlive = false;
    }
    this.#unanswered++;
    this.#isCounted = true;
    return null;
  }

  protected override fireStartLine(head: MessageHead): boolean {
    const { listener, owner, rules } = this.context;
    if (listener.onRequestLine === undefined) return true;
    if (!rules.target && head.url === null) return true; // HP-012
    return this.startLineAnswered('onRequestLine', () =>
      listener.onRequestLine!(owner, this.port.id, head.method, head.start),
    );
  }

  protected override headPassed(_head: MessageHead): void {}

  protected override messageDone(head: MessageHead): boolean {
    this.#isCounted = false;
    this.#current = null;
    return head.isKeepAlive;
  }

  protected override settled(): void {
    super.settled();
    if (this.#owed > 0 && !this.#isCounted && !this.deadlines.isSet(Stage.Answer)) {
      this.deadlines.set(Stage.Answer, this.context.limits.responseTimeoutMs);
    }
    if (this.#isDraining || this.phase === Phase.Over) this.#endIfDone();
  }

  protected override statusOf(code: number, reason: string, start: string): number {
    return statusOfError(code, reason, start);
  }

  // ---- answering -------------------------------------------------------------------------------------------------

  /** Whether an answer that is made now may say that the connection stays (RES-004, HP-034). */
  keepsAlive(head: MessageHead | null): boolean {
    if (head === null || !head.isKeepAlive || this.isReleased) return false;
    return (!this.#isDraining && !this.#hasPeerEnded) || this.#owed > 1;
  }

  /**
   * Sends a response as HP-Socket does (`SendResponse`, RES-001 to RES-010). A `Content-Length` or `Transfer-Encoding` of the
   * caller and no body: the body follows by `send` or `sendChunkData`.
   * @returns false if the bytes could not be queued.
   */
  sendResponse(status: number, reason?: string | null, headers?: HttpHeaders | null, body?: BodyBytes): boolean {
    const length = bodyLength(body);
    const head = responseHead(status, reason, headers, length, this.context.localVersion, this.keepsAlive(this.head));
    if (!sendMessage(this.port, head, body, length)) return false;
    if (status < 200 && status !== 101) return true;
    if (this.#isStreaming) this.bodySent(); // whatever it lacked, this is the next answer
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
    if (this.#isStreaming) this.bodySent();
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
    else this.#isStreaming = true;
  }

  /** The body behind a head that `sendResponse` sent alone is complete. */
  bodySent(): void {
    if (!this.#isStreaming) return;
    this.#isStreaming = false;
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
    if (this.#isStreaming) {
      this.#bodyOwed -= length;
      if (this.#bodyOwed <= 0) this.bodySent();
    } else if (this.#unanswered > 0 && this.isHttpStarted) {
      this.#answerDone();
    }
  }

  /** An answer of a hook is complete. */
  #answerDone(): void {
    if (this.#unanswered > 0) this.#unanswered--;
    this.#answerLeft();
  }

  write(part: string | Uint8Array): boolean {
    this.#room.sent(part.length);
    return typeof part === 'string' ? sendText(this.port, part) : this.port.send(part);
  }

  /** Sends a whole answer whose turn has come. */
  writeAll(answer: Answer, bytes: Uint8Array): boolean {
    answer.hasBegun = true;
    this.#room.sent(bytes.length);
    return this.port.send(bytes);
  }

  /** Sends a whole answer in one piece, if its turn has come. */
  writeMessage(answer: Answer, head: string, body: BodyBytes, length: number): boolean {
    if (!answer.isItsTurn) {
      answer.write(head);
      return length === 0 || answer.write(typeof body === 'string' ? Buffer.from(body) : body!);
    }
    answer.hasBegun = true;
    this.#room.sent(head.length + length);
    return sendMessage(this.port, head, body, length);
  }

  /** Tells `watcher` when the connection is gone. */
  watchGone(watcher: GoneWatcher): void {
    this.#watchers ??= new Set();
    this.#watchers.add(watcher);
  }

  /** Cuts the connection: an answer that has begun cannot be completed. */
  abort(reason: string, code: SocketErrorName, cause?: unknown): void {
    if (this.port.isOpen) this.port.violate(Errno.ECANCELED, `HTTP: ${reason}`, code, cause);
  }

  /** Whether so much is on its way that whoever streams should wait for `whenRoom`. */
  get isFull(): boolean {
    return this.#room.isFull;
  }

  /** Resolves when there is room again, or the connection is gone. */
  whenRoom(): Promise<void> {
    if (!this.isFull || !this.port.isOpen) return Promise.resolve();
    return this.#room.wait();
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

  answered(answer: Answer): void {
    this.dropped(answer);
    if (this.answers.size === 0) this.#watchers?.clear();
    if (answer.closes) {
      this.phase = Phase.Over;
      this.answers.dropAll(); // nothing follows an answer that said so
    }
    this.#answerLeft();
  }

  /** The request that arrives is taken as a whole, and answered through what this returns. */
  takeRequest(): Answer {
    if (this.#unanswered > 0) this.#unanswered--;
    this.#current = this.answers.add();
    return this.#current;
  }

  #answerLeft(): void {
    if (this.#owed === 0) this.#mayUpgrade = false;
    if (this.#whenAnswered !== null && this.#owed <= 1) this.#tellAnswered();
    if (this.#owed === 0) {
      if (this.context.isConsumerAlone && this.phase === Phase.Idle) this.head = this.trailers = null;
      this.deadlines.clear(Stage.Answer);
      if (!this.isParsing && this.phase === Phase.Idle) this.deadlines.set(Stage.Idle, this.idleMs);
    } else if (!this.isParsing) {
      this.deadlines.set(Stage.Answer, this.context.limits.responseTimeoutMs);
    }
    this.#endIfDone();
    if (this.#makeRoom !== null && this.#owed < this.#maxOwed) {
      const go = this.#makeRoom;
      this.#makeRoom = null;
      go();
    }
  }

  /** Everything that is owed was sent: ends the connection if this was the last of it. */
  #endIfDone(): void {
    if (this.#owed > 0 || this.#isStreaming || this.isOver || !this.port.isOpen) return;
    if (this.#lastWords !== null) {
      if (this.#lastWords !== '') this.#hasUnwritten = sendText(this.port, this.#lastWords);
      this.#lastWords = null;
      this.#endRefused();
    } else if (this.#hasPeerEnded || (this.#isDraining && this.phase !== Phase.Refused && !this.#isBusy)) {
      this.end();
    } else if (this.phase === Phase.Over && this.context.rules.closing) {
      this.end();
    }
  }

  /** The peer gets a moment to read the answer, and is told by a FIN that nothing follows. */
  #endRefused(): void {
    this.deadlines.set(Stage.Linger, LINGER_MS);
    this.end();
  }

  protected override get hasMoreToSay(): boolean {
    return this.#lastWords !== null || this.#owed > 0 || this.#hasUnwritten;
  }

  override wrote(pendingBytes: number): void {
    if (pendingBytes === 0) this.#hasUnwritten = false;
    this.#room.wrote(pendingBytes);
    super.wrote(pendingBytes);
  }

  #tellAnswered(): void {
    const resolve = this.#whenAnswered;
    this.#whenAnswered = null;
    resolve?.();
  }

  /** Whether a message is on its way in. */
  get #isBusy(): boolean {
    return this.phase !== Phase.Idle && this.phase !== Phase.Over && this.phase !== Phase.Raw;
  }

  // ---- ending ----------------------------------------------------------------------------------------------------

  protected override answerRefusal(refusal: Refusal): boolean {
    if (!this.context.rules.answersErrors) return false;
    const current = this.#current;
    this.#current = null;
    // Its answer has begun: there cannot be another one.
    const isAnswered = current === null ? this.#isCounted && this.#unanswered === 0 : current.hasBegun;
    if (current === null && this.#isCounted && this.#unanswered > 0) this.#unanswered--;
    if (current !== null && !current.hasBegun) this.answers.dropLast(current);
    this.#isCounted = false;
    if (isAnswered && current !== null) current.closes = true;
    this.#lastWords = isAnswered || this.#isStreaming ? '' : finalAnswer(refusal.status);
    this.#isStreaming = false;
    this.#endIfDone();
    return true;
  }

  protected override endedIdle(): AtEnd {
    this.#hasPeerEnded = true;
    if (this.#owed > 0 || this.#isStreaming) return AtEnd.Stay;
    this.isOver = true;
    return AtEnd.Drain;
  }

  override drain(): boolean {
    if (this.isOver) return true;
    this.#isDraining = true;
    return this.#owed === 0 && !this.#isStreaming && !this.#isBusy;
  }

  override closed(): void {
    super.closed();
    this.answers.dropAll();
    this.#makeRoom = null;
    this.#tellAnswered();
    this.#room.tell();
    const watchers = this.#watchers;
    this.#watchers = null;
    if (watchers !== null) for (const watcher of watchers) watcher.gone();
  }

  /** No more requests: what arrives from now on closes the connection (`Release`, REL-001). @returns false the second time. */
  release(): boolean {
    if (this.isReleased || !this.isHttpStarted) return false;
    this.isReleased = true;
    return true;
  }

  protected override roleExpired(stage: Stage): void {
    const { counters } = this.context;
    switch (stage) {
      case Stage.Head:
        counters.headTimeouts++;
        // Nothing was asked, so there is nothing to answer.
        if (this.phase === Phase.Idle) return this.#endIdle();
        this.refuse(headTooSlow);
        return;
      case Stage.Body:
        counters.bodyRateTimeouts++;
        this.refuse(bodyTooSlow);
        return;
      case Stage.Idle:
        if (this.#owed > 0 || this.#isStreaming || this.phase !== Phase.Idle) return;
        counters.keepAliveTimeouts++;
        return this.#endIdle();
      case Stage.Answer:
        counters.responseTimeouts++;
        return this.#answerTimedOut();
    }
  }

  #endIdle(): void {
    this.phase = Phase.Over;
    this.end();
  }

  /** The application does not answer: 503, unless it has begun to. */
  #answerTimedOut(): void {
    const first = this.answers.first;
    const hasBegun = this.#isStreaming || first?.hasBegun === true;
    if (hasBegun) return; // it streams: the deadline is for the beginning
    this.phase = Phase.Over;
    this.answers.dropAll();
    this.#unanswered = 0;
    this.#isStreaming = false;
    this.#lastWords = finalAnswer(503);
    this.#endIfDone();
  }
}

/** Whether the first `Upgrade` field is for a WebSocket (UPG-003). */
function isForWebSocket(head: MessageHead): boolean {
  return head.methodNumber !== METHOD_CONNECT && head.get('upgrade')?.toLowerCase() === 'websocket';
}

function withResolvers(): { promise: Promise<void>; resolve: () => void } {
  let resolve: () => void = () => {};
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}
