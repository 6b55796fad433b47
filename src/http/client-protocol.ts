import { Errno } from '../core/errno.ts';
import { AtEnd, type Port } from '../protocol/protocol.ts';
import type { HttpContext, MessageConsumer } from './context.ts';
import { HttpProtocol } from './http-protocol.ts';
import { Flag } from './llhttp/layout.ts';
import { RESPONSE } from './llhttp/parser.ts';
import { Framing, type MessageHead } from './message-head.ts';
import { type BodyBytes, bodyLength, sendChunk, sendMessage } from './message-writer.ts';
import { Phase } from './phase.ts';
import { checkResponse, isKeptAlive, lengthTooLarge, type Refusal } from './policy.ts';
import { type RequestParts, requestHead, requestPath } from './request-head.ts';
import { Stage } from './stage-deadlines.ts';

/** A request that was sent and whose answer is awaited, oldest first. */
export interface SentRequest {
  readonly method: string;
  /** Path with the query, as it was sent. */
  readonly path: string;
  /** Takes an interim answer (1xx, but 101). */
  interim?(head: MessageHead): void;
  /** Takes the answer as a whole. @returns Null if only the hooks do. */
  answered?(head: MessageHead): MessageConsumer | null;
  /** The connection becomes another protocol behind this answer. */
  upgraded?(head: MessageHead): void;
  /**
   * There will be no answer, or no more of it.
   * @param errno ECONNABORTED (the connection is gone), EBADMSG (it spoke no HTTP), ETIMEDOUT.
   * @param isUntouched Whether not one byte of an answer arrived.
   */
  abandoned?(reason: string, errno: number, isUntouched: boolean): void;
}

/** Told of a connection as it becomes free, and when it is gone. */
export interface ConnectionWatcher {
  /** A read is dealt with. */
  settled(): void;
  gone(): void;
}

/** HTTP on a connection that sends requests and gets responses: agents and clients. */
export class HttpClientProtocol extends HttpProtocol {
  readonly requests: SentRequest[] = [];
  #isDraining = false;
  #isFinalHead = false;
  /** Whether an answer came that was not asked for. */
  #hadUnasked = false;
  /** Why the connection fails, 0 if that is not known. */
  #errno = 0;
  #isTaken = false;
  #awaitingTurn: (() => void)[] | null = null;

  constructor(context: HttpContext, port: Port) {
    super(context, port, RESPONSE);
  }

  /** Answers that were complete. */
  answerCount = 0;
  #idleLimitMs = 0;
  /** Told how the connection is doing: a pool. */
  watcher: ConnectionWatcher | null = null;

  /** Method and path of the last request that was sent (REQ-008). */
  lastMethod = '';
  lastPath = '';

  protected override started(): void {
    // Nothing is awaited before a request was sent.
  }

  protected override get idleMs(): number {
    return this.#idleLimitMs;
  }

  // ---- sending ---------------------------------------------------------------------------------------------------

  /**
   * Sends a request, and remembers it for its answer (`SendRequest`). The method is sent in upper case, the path as
   * `requestPath` makes it.
   * @returns false if the bytes could not be queued.
   */
  sendRequest(
    method: string,
    path: string | null | undefined,
    parts: RequestParts,
    taker: Partial<SentRequest> = {},
  ): boolean {
    const upper = method.toUpperCase();
    return this.send({ ...taker, method: upper, path: requestPath(upper, path) }, parts);
  }

  /** Sends a request whose method and path are as they are sent. @returns false if the bytes could not be queued. */
  send(request: SentRequest, parts: RequestParts): boolean {
    const length = bodyLength(parts.body);
    const head = requestHead(request.method, request.path, parts, length, this.context.localVersion);
    return this.sendWithHead(request, head, parts.body, length);
  }

  /**
   * Sends a request whose head was made before.
   * @param length Length of `body` in bytes.
   * @returns false if the bytes could not be queued.
   */
  sendWithHead(request: SentRequest, head: string, body: BodyBytes, length: number): boolean {
    if (!sendMessage(this.port, head, body, length)) return false;
    this.requestSent(request);
    return true;
  }

  /** A request was sent by other means: its answer is awaited. */
  requestSent(request: SentRequest): void {
    this.requests.push(request);
    this.lastMethod = request.method;
    this.lastPath = request.path;
    this.deadlines.clear(Stage.Idle);
    if (this.requests.length === 1) this.deadlines.set(Stage.Answer, this.context.limits.responseTimeoutMs);
  }

  /** Sends one chunk of a request, the last one if there are no bytes (`SendChunkData`, CHK-001). */
  override sendChunkData(data: BodyBytes, extensions?: string | null, trailers?: string): boolean {
    return sendChunk(this.port, data, extensions, trailers);
  }

  /** Sends bytes of a body. @returns false if they could not be queued. */
  write(bytes: Uint8Array): boolean {
    this.#goesOnSending();
    this.room.sent(bytes.length);
    return this.port.send(bytes);
  }

  /** Sends bytes of a body as a chunk. @returns false if they could not be queued. */
  writeChunk(bytes: Uint8Array): boolean {
    this.#goesOnSending();
    this.room.sent(bytes.length);
    return sendChunk(this.port, bytes, null);
  }

  /** An answer need not come before the request is sent: its time begins anew with each piece that the peer had room for. */
  #goesOnSending(): void {
    if (this.deadlines.isSet(Stage.Answer)) this.deadlines.set(Stage.Answer, this.context.limits.responseTimeoutMs);
  }

  /** Whether a whole request holds the connection: the next waits for its answer (no pipelining). */
  get isTaken(): boolean {
    return this.#isTaken;
  }

  /** Takes the connection for one whole request. @returns Undefined if it is free, else when it is this one's turn. */
  take(): Promise<void> | undefined {
    if (!this.#isTaken) {
      this.#isTaken = true;
      return undefined;
    }
    return new Promise((resolve) => {
      this.#awaitingTurn ??= [];
      this.#awaitingTurn.push(resolve);
    });
  }

  /** The whole request is over: the next may take the connection. */
  release(): void {
    const next = this.#awaitingTurn?.shift();
    if (next === undefined) this.#isTaken = false;
    else next();
  }

  /** Whether nothing came, or is arriving, that was not asked for: it would be taken for the answer to what is sent next. */
  get isSilent(): boolean {
    return !this.#hadUnasked && (this.requests.length > 0 || this.phase === Phase.Idle);
  }

  /** Whether another request may be sent, and its answer will be taken for its own. */
  get isReusable(): boolean {
    if (this.phase !== Phase.Idle || this.requests.length > 0 || this.#hadUnasked) return false;
    return !this.#isDraining && !this.isOver && this.port.isOpen;
  }

  /** From now on the connection may be idle for `ms` milliseconds, 0 for ever. */
  idleLimit(ms: number): void {
    this.#idleLimitMs = ms;
    if (!this.isParsing && this.isReusable) this.deadlines.set(Stage.Idle, ms);
  }

  /** Nothing more is asked: what was queued is sent, then the connection ends. */
  finish(): void {
    if (!this.isOver) this.end();
  }

  // ---- receiving -------------------------------------------------------------------------------------------------

  protected override mayBegin(): boolean {
    return true;
  }

  protected override settled(): void {
    super.settled();
    this.watcher?.settled();
  }

  protected override checkHead(head: MessageHead): Refusal | null {
    const { statusCode: status } = head;
    const method = this.requests[0]?.method;
    const isTunnel = method === 'CONNECT' && status >= 200 && status < 300 && this.context.rules.tunnel;
    head.isTunnel = isTunnel;
    if (isTunnel) head.isUpgrade = true;
    head.framing = this.#framingOf(head, method, isTunnel);
    head.isKeepAlive = head.framing !== Framing.UntilClose && isKeptAlive(head.version, head.flags);
    if (head.framing === Framing.Length && !Number.isSafeInteger(head.contentLength)) {
      return lengthTooLarge;
    }
    return checkResponse(head, this.context.rules);
  }

  /** How long the body of a response is (RFC 9112 6.3, HP-040). */
  #framingOf(head: MessageHead, method: string | undefined, isTunnel: boolean): Framing {
    const { statusCode: status } = head;
    if (status < 200 || status === 204 || status === 304 || method === 'HEAD' || isTunnel) return Framing.None;
    if (head.isChunked) return Framing.Chunked;
    if ((head.flags & Flag.TransferEncoding) !== 0 || !head.hasContentLength) return Framing.UntilClose;
    return head.contentLength === 0 ? Framing.None : Framing.Length;
  }

  protected override fireStartLine(head: MessageHead): boolean {
    const { listener, owner } = this.context;
    if (listener.onStatusLine === undefined) return true;
    return this.startLineAnswered('onStatusLine', () =>
      listener.onStatusLine!(owner, this.port.id, head.statusCode, head.start),
    );
  }

  protected override headPassed(head: MessageHead, isUpgrading: boolean): void {
    this.#isFinalHead = head.statusCode >= 200 || head.statusCode === 101;
    if (!this.#isFinalHead) return;
    this.deadlines.clear(Stage.Answer);
    this.context.receiveCookies?.(this.port.id, this.requests[0]?.path ?? '/', head);
    if (this.requests.length === 0) this.#hadUnasked = true;
    else if (isUpgrading) this.requests.shift()!.upgraded?.(head);
  }

  protected override consumerOf(head: MessageHead): MessageConsumer | null {
    const request = this.requests[0];
    if (!this.#isFinalHead) {
      request?.interim?.(head);
      return null;
    }
    return request?.answered?.(head) ?? super.consumerOf(head);
  }

  protected override messageDone(head: MessageHead): boolean {
    if (!this.#isFinalHead) return true;
    this.answerCount++;
    this.requests.shift();
    if (!head.isKeepAlive) {
      this.#abandon('the connection is not kept alive behind the answer before', Errno.ECONNABORTED, true);
      if (this.#isDraining) this.end();
      return false;
    }
    if (this.requests.length > 0) this.deadlines.set(Stage.Answer, this.context.limits.responseTimeoutMs);
    else if (this.#isDraining) this.end();
    return true;
  }

  protected override statusOf(): number {
    return 502;
  }

  protected override answerRefusal(refusal: Refusal): boolean {
    this.#abandon(refusal.message, Errno.EBADMSG, false);
    return false;
  }

  protected override endedIdle(): AtEnd {
    // No answer will come, so that a drain must not wait for one.
    this.phase = Phase.Over;
    this.#abandon('the peer ended the connection before the answer began', Errno.ECONNABORTED, true);
    return AtEnd.Drain;
  }

  protected override get hasMoreToSay(): boolean {
    return false;
  }

  override drain(): boolean {
    if (this.isOver) return true;
    this.#isDraining = true;
    return this.requests.length === 0;
  }

  override closed(): void {
    const isUntouched = this.phase === Phase.Idle;
    super.closed();
    const isLate = this.#errno === Errno.ETIMEDOUT;
    this.#abandon(
      isLate ? 'the answer did not come in time' : 'the connection was closed before the answer was complete',
      this.#errno || Errno.ECONNABORTED,
      isUntouched && !isLate,
    );
    this.watcher?.gone();
  }

  /** The requests that are left get no answer. Of those behind the first, nothing can have arrived. */
  #abandon(reason: string, errno: number, isUntouched: boolean): void {
    let isFirst = true;
    for (const request of this.requests.splice(0)) {
      request.abandoned?.(reason, errno, isUntouched || !isFirst);
      isFirst = false;
    }
  }

  protected override roleExpired(stage: Stage): void {
    const { counters } = this.context;
    if (stage === Stage.Idle) {
      if (this.requests.length > 0 || this.phase !== Phase.Idle) return;
      counters.keepAliveTimeouts++;
      this.phase = Phase.Over;
      this.end();
      this.watcher?.settled();
      return;
    }
    if (stage === Stage.Head) counters.headTimeouts++;
    else if (stage === Stage.Body) counters.bodyRateTimeouts++;
    else if (stage === Stage.Answer) counters.responseTimeouts++;
    this.#errno = Errno.ETIMEDOUT;
    const what = stage === Stage.Answer ? 'no answer came in time' : 'the answer arrived too slowly';
    this.port.violate(Errno.ETIMEDOUT, `HTTP: ${what} (responseTimeoutMs, headTimeoutMs, minBodyBytesPerSecond)`);
  }
}
