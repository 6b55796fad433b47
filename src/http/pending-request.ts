import { type AbortWatch, watchAbort } from '../core/abort-watch.ts';
import { type Component, isSignalAborted } from '../core/component.ts';
import { describe } from '../core/describe.ts';
import { SocketErrorCode } from '../core/enums.ts';
import { Errno } from '../core/errno.ts';
import type { SocketErrorName } from '../core/error-names.ts';
import type { SocketError } from '../core/errors.ts';
import { $failed, $wheel } from '../core/internals.ts';
import { WheelTimer } from '../core/timer-wheel.ts';
import { type BodyPieces, bodyPieces } from './body-pieces.ts';
import type { HttpClientProtocol, SentRequest } from './client-protocol.ts';
import { HttpResponse, HttpStreamResponse } from './client-response.ts';
import type { HttpContext, MessageConsumer } from './context.ts';
import { HttpParseErrorCode } from './enums.ts';
import { hasHeader, pairsOf } from './header-list.ts';
import type { FieldBlock, MessageHead } from './message-head.ts';
import { type BodyBytes, bodyLength } from './message-writer.ts';
import { isIdempotent, markUntouched } from './repeating.ts';
import { promisedBytes, requestHead, requestPath } from './request-head.ts';
import { DEFAULT_CONTINUE_MS, type HttpRequestOptions, isAtHand } from './request-options.ts';
import { type BodySource, HttpResponseBody } from './response-body.ts';

const emptyBody = Buffer.alloc(0);

/** What is called when a request is over, or may be sent again. */
export interface RequestOwner {
  /**
   * Nothing more comes of it.
   * @param head Head of its answer, null if there was none.
   * @param hasUpgraded Whether its connection speaks another protocol from now on.
   */
  requestOver(request: PendingRequest, head: MessageHead | null, hasUpgraded: boolean): void;
  /** Its connection went away untouched. @returns Whether the request is sent on another one. */
  mayRetry(request: PendingRequest): boolean;
}

/**
 * A request whose answer is collected, or handed on as it arrives.
 *
 * | from     | on                                        | to       |
 * |----------|-------------------------------------------|----------|
 * | waiting  | `sendTo`                                  | sent     |
 * | sent     | a head that is not interim                | answered |
 * | sent     | the connection goes, and it may be retried| waiting  |
 * | answered | the body is complete                      | over     |
 * | any      | `fail`, `cancel`                          | over     |
 */
export class PendingRequest implements SentRequest, MessageConsumer, BodySource {
  readonly method: string;
  readonly path: string;
  /** Resolves to the answer: whole, or, if it is streamed, when its head is there. */
  readonly done: Promise<HttpResponse | HttpStreamResponse>;
  /** Nothing more comes of it. */
  isOver = false;
  /** How many times it was sent. */
  attempts = 0;
  /** URL that is asked; '' for a request by its path. */
  url = '';
  owner: RequestOwner | null = null;
  /** When it began to wait for a connection. */
  queuedAt = 0;
  /** Whether all of it was handed to the connection, as far as it was begun. */
  #isSent = true;
  #component: Component;
  #context: HttpContext;
  #init: HttpRequestOptions;
  #headText: string;
  #body: BodyBytes;
  #length = 0;
  /** A body that is made piece by piece. */
  #pieces: BodyPieces | null = null;
  #isChunked = false;
  /** What the caller's `Content-Length` promises of such a body. */
  #promisedBytes = 0;
  /** Milliseconds to wait for `100 Continue`. */
  #continueMs = 0;
  #goOn: (() => void) | null = null;
  #protocol: HttpClientProtocol | null = null;
  #head: MessageHead | null = null;
  /** Of a collected answer. */
  #received: Buffer[] | null = null;
  #receivedBytes = 0;
  #stream: HttpStreamResponse | null = null;
  #timer: WheelTimer | null = null;
  #watch: AbortWatch | null = null;
  #resolve!: (response: HttpResponse | HttpStreamResponse) => void;
  #reject!: (error: SocketError) => void;

  /**
   * @param host Value of `Host`.
   * @param cookie Value of `Cookie`, '' for none.
   * @throws TypeError for what cannot be sent.
   */
  constructor(
    component: Component,
    context: HttpContext,
    init: HttpRequestOptions,
    path: string | undefined,
    host: string,
    cookie: string,
  ) {
    this.#component = component;
    this.#context = context;
    this.#init = init;
    const { method } = init;
    this.method = method === undefined ? 'GET' : method.toUpperCase();
    this.path = requestPath(this.method, path);
    this.#headText = this.#makeHead(init, host, cookie);
    this.done = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  /** Finds out how the body is sent, and makes the head. */
  #makeHead(init: HttpRequestOptions, host: string, cookie: string): string {
    const { body } = init;
    let { headers } = init;
    headers ??= null;
    if (isAtHand(body)) {
      this.#body = body;
      this.#length = bodyLength(body);
      // A method that has a body says how long that is, also if it is empty (RFC 9110 8.6; HP-Socket's POST does not, REQ-007).
      if (this.#length === 0 && (this.method === 'POST' || this.method === 'PUT' || this.method === 'PATCH')) {
        const isFramed = hasHeader(headers, 'content-length') || hasHeader(headers, 'transfer-encoding');
        if (!isFramed) headers = [...pairsOf(headers), ['Content-Length', '0']];
      }
    } else {
      this.#pieces = bodyPieces(body);
      this.#isChunked = !hasHeader(headers, 'content-length');
      if (this.#isChunked && !hasHeader(headers, 'transfer-encoding')) {
        headers = [...pairsOf(headers), ['Transfer-Encoding', 'chunked']];
      }
      if (!this.#isChunked) this.#promisedBytes = promisedBytes(headers);
      else if (this.#context.localVersion !== 0x0101)
        throw new TypeError('HTTP/1.0 has no chunks: give Content-Length');
    }
    const { expectContinue = false } = init;
    const hasBody = this.#length > 0 || this.#pieces !== null;
    if (expectContinue !== false && hasBody && this.#context.localVersion === 0x0101) {
      this.#continueMs = expectContinue === true ? DEFAULT_CONTINUE_MS : expectContinue;
      if (!hasHeader(headers, 'expect')) headers = [...pairsOf(headers), ['Expect', '100-continue']];
    }
    return requestHead(this.method, this.path, { headers, host, cookie }, this.#length, this.#context.localVersion);
  }

  /** Whether it can be sent again without asking anybody: an idempotent method, and a body that is still there. */
  get isRepeatable(): boolean {
    return this.#pieces === null && isIdempotent(this.method);
  }

  /** Whether its answer was begun. */
  get isAnswered(): boolean {
    return this.#head !== null;
  }

  /** `signal` and `timeoutMs` count from now on. @throws TypeError if it is no signal. */
  watch(): void {
    const { signal, timeoutMs = 0 } = this.#init;
    if (signal !== undefined) {
      if (isSignalAborted(signal)) return this.cancel(Errno.ECANCELED, 'its signal was aborted', signal.reason);
      const abort = (): void => this.cancel(Errno.ECANCELED, 'the request was aborted by its signal', signal.reason);
      this.#watch = watchAbort(signal, abort);
    }
    if (timeoutMs > 0) {
      const late = (): void => this.cancel(Errno.ETIMEDOUT, 'the time for the request is over (timeoutMs)');
      this.#timer = new WheelTimer(late, true);
      this.#component[$wheel].arm(this.#timer, timeoutMs);
    }
  }

  // ---- sending ---------------------------------------------------------------------------------------------------

  /** Sends it. @returns false if the connection did not take it: nothing of it was sent. */
  sendTo(protocol: HttpClientProtocol): boolean {
    if (!protocol.port.isOpen) return false;
    const fits = protocol.room.fits(this.#headText.length + this.#length);
    const isWhole = this.#pieces === null && this.#continueMs === 0 && fits;
    this.#protocol = protocol;
    this.#isSent = isWhole;
    const body = isWhole ? this.#body : null;
    if (!protocol.sendWithHead(this, this.#headText, body, isWhole ? this.#length : 0)) return false;
    this.attempts++;
    if (!isWhole) {
      this.#upload(protocol).catch((thrown: unknown) => {
        if (this.#protocol === protocol) {
          this.cancel(Errno.ECANCELED, 'its body could not be made or sent', thrown);
        }
      });
    }
    return true;
  }

  /** Sends the body, behind `100 Continue` if that is waited for. */
  async #upload(protocol: HttpClientProtocol): Promise<void> {
    if (this.#continueMs > 0) await this.#mayContinue();
    // Answered before the body was asked for: it is not wanted (RFC 9110 10.1.1).
    const isUnwanted = (): boolean => this.isOver || this.#protocol !== protocol;
    if (isUnwanted() || (this.#continueMs > 0 && this.isAnswered)) return;
    if (this.#pieces === null) {
      const bytes = typeof this.#body === 'string' ? Buffer.from(this.#body) : this.#body!;
      this.#isSent = await this.#sendBody(protocol, bytes);
      return;
    }
    let length = 0;
    for await (const piece of this.#pieces.source) {
      if (typeof piece !== 'string' && !(piece instanceof Uint8Array)) {
        throw new TypeError(`pieces of a body must be texts or bytes, not ${describe(piece)}`);
      }
      if (isUnwanted()) return;
      if (piece.length === 0) continue;
      const bytes = typeof piece === 'string' ? Buffer.from(piece) : piece;
      length += bytes.length;
      // More would be taken for another request, less leaves the server waiting for it.
      if (!this.#isChunked && length > this.#promisedBytes)
        throw new Error('the body is longer than its Content-Length');
      if (!(await this.#sendBody(protocol, bytes))) return;
      if (protocol.isFull) await protocol.whenRoom();
    }
    if (isUnwanted()) return;
    if (!this.#isChunked && length < this.#promisedBytes)
      throw new Error('the body is shorter than its Content-Length');
    this.#isSent = true;
    if (this.#isChunked) protocol.sendChunkData(null);
  }

  /** Sends bytes of the body as there is room. @returns false if they are not wanted any more. */
  async #sendBody(protocol: HttpClientProtocol, bytes: Uint8Array): Promise<boolean> {
    const { windowBytes } = protocol.room;
    for (let at = 0; at < bytes.length; at += windowBytes) {
      if (protocol.isFull) await protocol.whenRoom();
      if (this.isOver || this.#protocol !== protocol) return false;
      const part = bytes.subarray(at, at + windowBytes);
      const isTaken = this.#isChunked ? protocol.writeChunk(part) : protocol.write(part);
      if (!isTaken) throw new Error('the connection took no more bytes');
    }
    return true;
  }

  /** Resolves when the server says so, answers, or does neither in time. */
  #mayContinue(): Promise<void> {
    return new Promise((resolve) => {
      const timer = new WheelTimer(() => this.#goOn?.());
      this.#goOn = () => {
        this.#goOn = null;
        this.#component[$wheel].cancel(timer);
        resolve();
      };
      this.#component[$wheel].arm(timer, this.#continueMs);
    });
  }

  // ---- SentRequest -----------------------------------------------------------------------------------------------

  interim(head: MessageHead): void {
    if (head.statusCode === 100) this.#goOn?.();
    const { onInterim } = this.#init;
    if (onInterim === undefined) return;
    try {
      onInterim(head.statusCode, head.entries());
    } catch (thrown) {
      this.cancel(Errno.ECANCELED, 'onInterim threw', thrown, 'HP_HOOK_FAILED');
    }
  }

  answered(head: MessageHead): MessageConsumer {
    this.#head = head;
    this.#goOn?.();
    if (this.#init.responseBody === 'stream') this.#streamTo(head);
    else this.#checkLength(head.contentLength);
    return this;
  }

  #streamTo(head: MessageHead): void {
    const body = new HttpResponseBody(this);
    this.#stream = new HttpStreamResponse(this.#protocol!.port.id, head, body, undefined, this.url);
    this.#resolve(this.#stream);
  }

  upgraded(head: MessageHead): void {
    this.#goOn?.();
    if (this.#init.responseBody === 'stream') this.#streamTo(head);
    this.#finish(head, null, true);
  }

  abandoned(reason: string, errno: number, isUntouched: boolean): void {
    if (this.isOver) return;
    if (isUntouched && this.#head === null && this.owner?.mayRetry(this) === true) {
      this.#protocol = null;
      this.#goOn?.();
      return;
    }
    this.fail(errno, reason, undefined, isUntouched);
  }

  // ---- MessageConsumer -------------------------------------------------------------------------------------------

  data(data: Buffer): Promise<void> | undefined {
    if (this.#stream !== null) return this.#stream.body.push(data);
    this.#receivedBytes += data.length;
    if (this.#checkLength(this.#receivedBytes)) {
      if (this.#received === null) this.#received = [data];
      else this.#received.push(data);
    }
    return undefined;
  }

  #checkLength(length: number): boolean {
    const { limits, counters } = this.#context;
    // The length in an answer to HEAD is that of what is not sent.
    if (limits.maxBodyBytes === 0 || length <= limits.maxBodyBytes || this.method === 'HEAD') return true;
    const message = `the body of the answer is longer than maxBodyBytes (${limits.maxBodyBytes})`;
    counters.bodyTooLarge++;
    const protocol = this.#protocol!;
    this.fail(Errno.EMSGSIZE, message);
    protocol.refuse({ status: 502, code: HttpParseErrorCode.User, message, error: 'HP_MESSAGE_TOO_LARGE' });
    return false;
  }

  complete(trailers: FieldBlock | null): void {
    if (!this.isOver) this.#finish(this.#head!, trailers);
  }

  failed(): void {
    // `abandoned` follows, and knows why.
  }

  #finish(head: MessageHead, trailers: FieldBlock | null, hasUpgraded = false): void {
    this.#end();
    const protocol = this.#protocol!;
    const { port } = protocol;
    // What is missing of the request would be taken for the next one.
    if (!this.#isSent && port.isOpen) {
      port.violate(Errno.ECANCELED, 'HTTP: answered before the request was sent', 'HP_ABORTED');
    }
    this.owner?.requestOver(this, head, hasUpgraded);
    if (this.#stream !== null) return this.#stream.ended(trailers);
    const received = this.#received;
    if (received === null) this.#resolve(new HttpResponse(port.id, head, emptyBody, trailers, this.url));
    else {
      const body = received.length === 1 ? received[0]! : Buffer.concat(received);
      this.#resolve(new HttpResponse(port.id, head, body, trailers, this.url));
    }
  }

  // ---- BodySource ------------------------------------------------------------------------------------------------

  get maxBodyBytes(): number {
    return this.#context.limits.maxBodyBytes;
  }

  get contentType(): string | undefined {
    return this.#head?.get('content-type');
  }

  cancelled(): void {
    this.cancel(Errno.ECANCELED, 'the rest of the answer was not wanted');
  }

  tooLong(): Error {
    this.#context.counters.bodyTooLarge++;
    return this.#error(Errno.EMSGSIZE, `the body of the answer is longer than maxBodyBytes (${this.maxBodyBytes})`);
  }

  // ---- ending ----------------------------------------------------------------------------------------------------

  #end(): void {
    this.isOver = true;
    if (this.#timer !== null) this.#component[$wheel].cancel(this.#timer);
    this.#watch?.end();
    if (this.attempts === 0 || !this.#isSent) this.#pieces?.drop();
  }

  #error(errno: number, message: string, cause?: unknown): SocketError {
    return this.#component[$failed]({
      socketError: SocketErrorCode.DataSend,
      errno,
      operation: 'request',
      connId: this.#protocol?.port.id,
      message: `${this.#head === null ? 'no answer' : 'the answer is not complete'}: ${message}`,
      cause,
    });
  }

  /** There is no answer, or no whole one. */
  fail(errno: number, message: string, cause?: unknown, isUntouched = false): void {
    if (this.isOver) return;
    const error = this.#error(errno, message, cause);
    if (isUntouched) markUntouched(error);
    this.failWith(error);
  }

  /** As `fail`, for a reason that is an error already. */
  failWith(error: SocketError): void {
    if (this.isOver) return;
    this.#end();
    this.#goOn?.();
    this.owner?.requestOver(this, null, false);
    if (this.#stream !== null) this.#stream.body.fail(error);
    else this.#reject(error);
  }

  /** Gives up: a connection that it was sent on closes, because nothing else ends an answer that is on its way. */
  cancel(errno: number, message: string, cause?: unknown, code?: SocketErrorName): void {
    if (this.isOver) return;
    const protocol = this.#protocol;
    this.fail(errno, message, cause);
    const name = code ?? (errno === Errno.ECANCELED ? 'HP_ABORTED' : undefined);
    if (protocol?.port.isOpen) protocol.port.violate(errno, `HTTP: ${message}`, name, cause);
  }
}
