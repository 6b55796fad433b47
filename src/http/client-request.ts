import type { StreamConnection } from '../connection/stream-connection.ts';
import { type Component, isSignalAborted } from '../core/component.ts';
import { timeoutAfter } from '../core/delay.ts';
import { describe } from '../core/describe.ts';
import { SocketErrorCode } from '../core/enums.ts';
import { Errno } from '../core/errno.ts';
import type { SocketError } from '../core/errors.ts';
import { $aborted, $failed } from '../core/internals.ts';
import { checkOptions, type OptionRule } from '../core/option-names.ts';
import { integer } from '../core/properties.ts';
import { HttpClientProtocol, requestPath, type SentRequest } from './client-protocol.ts';
import { HttpResponse } from './client-response.ts';
import type { MessageConsumer } from './context.ts';
import { HttpParseErrorCode } from './enums.ts';
import { type HttpHeaders, hasHeader } from './header-list.ts';
import type { FieldBlock, MessageHead } from './message-head.ts';
import type { BodyBytes } from './message-writer.ts';

/** Body of a request: at hand, or made piece by piece and sent in chunks (or with your `Content-Length`). */
export type RequestBody = BodyBytes | AsyncIterable<string | Uint8Array> | Iterable<string | Uint8Array>;

/** A whole request. */
export interface HttpRequestInit {
  /** Default `GET`. */
  method?: string | undefined;
  /** Path and query, encoded. Default `/`. */
  path?: string | undefined;
  /** Fields; `Host`, `Content-Length` and `Transfer-Encoding` are added as needed. */
  headers?: HttpHeaders | null | undefined;
  body?: RequestBody | undefined;
  /** Aborting rejects with ECANCELED, and closes the connection if the request was sent. */
  signal?: AbortSignal | undefined;
  /** Milliseconds for all of it, waiting for its turn included; 0, the default, for no limit. Then ETIMEDOUT. */
  timeoutMs?: number | undefined;
  /** Told of each interim answer (1xx). */
  onInterim?: ((statusCode: number, headers: [string, string][]) => void) | undefined;
}

export const requestRules = {
  method: true,
  path: true,
  headers: true,
  body: true,
  signal: true,
  timeoutMs: integer(0, 0, 0x7fffffff),
  onInterim: true,
} satisfies Record<keyof HttpRequestInit, OptionRule>;

/** The request failed before one byte of an answer came: it may be tried again if its method allows. */
const untouched = new WeakSet<Error>();

/** Whether a request failed although it may be that the server never saw it. */
export function isUntouched(error: unknown): boolean {
  return error instanceof Error && untouched.has(error);
}

/** A request whose answer is collected. */
class PendingRequest implements SentRequest, MessageConsumer {
  readonly method: string;
  readonly path: string;
  readonly done: Promise<HttpResponse>;
  isOver = false;
  /** Whether all of the request was handed to the connection. */
  isSent = true;
  #component: Component;
  #protocol: HttpClientProtocol;
  #init: HttpRequestInit;
  #head: MessageHead | null = null;
  #pieces: Buffer[] = [];
  #length = 0;
  #resolve!: (response: HttpResponse) => void;
  #reject!: (error: SocketError) => void;

  constructor(component: Component, protocol: HttpClientProtocol, init: HttpRequestInit) {
    this.#component = component;
    this.#protocol = protocol;
    this.#init = init;
    this.method = (init.method ?? 'GET').toUpperCase();
    this.path = requestPath(this.method, init.path);
    this.done = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.done.catch(() => {}); // whoever awaits it hears of it; it may fail before anybody does
  }

  interim(head: MessageHead): void {
    this.#init.onInterim?.(head.statusCode, head.entries());
  }

  answered(head: MessageHead): MessageConsumer {
    this.#head = head;
    this.#checkLength(head.contentLength);
    return this;
  }

  upgraded(head: MessageHead): void {
    this.#finish(head, null);
  }

  data(data: Buffer): undefined {
    this.#length += data.length;
    if (this.#checkLength(this.#length)) this.#pieces.push(data);
  }

  #checkLength(length: number): boolean {
    const { limits, counters } = this.#protocol.context;
    // The length in an answer to HEAD is that of what is not sent.
    if (limits.maxBodyBytes === 0 || length <= limits.maxBodyBytes || this.method === 'HEAD') return true;
    const message = `the body of the answer is longer than maxBodyBytes (${limits.maxBodyBytes})`;
    counters.bodyTooLarge++;
    this.fail(Errno.EMSGSIZE, message);
    this.#protocol.refuse({ status: 502, code: HttpParseErrorCode.User, message });
    return false;
  }

  complete(trailers: FieldBlock | null): void {
    this.#finish(this.#head!, trailers);
  }

  #finish(head: MessageHead, trailers: FieldBlock | null): void {
    this.isOver = true;
    const [first] = this.#pieces;
    const body = this.#pieces.length === 1 ? first! : Buffer.concat(this.#pieces);
    const { port } = this.#protocol;
    this.#resolve(new HttpResponse(port.id, head, body, trailers));
    // What is missing of the request would be taken for the next one.
    if (!this.isSent && port.isOpen) port.violate(Errno.ECANCELED, 'HTTP: answered before the request was sent');
  }

  failed(): void {
    // `abandoned` follows, and knows why.
  }

  abandoned(reason: string, errno: number, isUntouched: boolean): void {
    this.fail(errno, reason, isUntouched);
  }

  fail(errno: number, message: string, isUntouched = false, cause?: unknown): void {
    if (this.isOver) return;
    this.isOver = true;
    const error = this.#component[$failed]({
      socketError: SocketErrorCode.DataSend,
      errno,
      operation: 'request',
      connId: this.#protocol.port.id,
      message: `no answer: ${message}`,
      cause,
    });
    if (isUntouched) untouched.add(error);
    this.#reject(error);
  }

  /** Gives up: the connection closes, because nothing else ends an answer that is on its way. */
  cancel(errno: number, message: string, cause?: unknown): void {
    if (this.isOver) return;
    this.fail(errno, message, false, cause);
    if (this.#protocol.port.isOpen) this.#protocol.port.violate(errno, `HTTP: ${message}`);
  }
}

/** Checks what `request` was given. @throws TypeError, RangeError. */
export function checkRequest(what: string, init: object, more: Readonly<Record<string, OptionRule>> = {}): void {
  checkOptions(what, init, { ...requestRules, ...more });
  const { onInterim, method } = init as HttpRequestInit;
  if (onInterim !== undefined && typeof onInterim !== 'function') {
    throw new TypeError(`onInterim must be a function, not ${describe(onInterim)}`);
  }
  if (method !== undefined && typeof method !== 'string') {
    throw new TypeError(`method must be a string, not ${describe(method)}`);
  }
}

/**
 * Sends a request on a connection when those before it are answered, and collects its answer.
 * @param host Value of `Host`.
 */
export async function requestOn(
  component: Component,
  connection: StreamConnection | undefined,
  init: HttpRequestInit,
  host: string,
  cookie = '',
): Promise<HttpResponse> {
  const protocol = connection?.protocol;
  if (!(protocol instanceof HttpClientProtocol) || !protocol.isHttpStarted) {
    throw component[$failed]({
      socketError: SocketErrorCode.IllegalState,
      errno: Errno.EPERM,
      operation: 'request',
      message: 'no answer: there is no connection that speaks HTTP; connect first',
    });
  }
  const { signal, timeoutMs = 0 } = init;
  if (isSignalAborted(signal)) throw component[$aborted]('request', signal);
  const pending = new PendingRequest(component, protocol, init);
  const abort = (): void => pending.cancel(Errno.ECANCELED, 'the request was aborted by its signal', signal?.reason);
  signal?.addEventListener('abort', abort, { once: true });
  const timer =
    timeoutMs === 0
      ? undefined
      : timeoutAfter(timeoutMs, () => pending.cancel(Errno.ETIMEDOUT, 'the time for the request is over (timeoutMs)'));
  const turn = protocol.take();
  try {
    if (turn !== undefined) await turn;
    if (!pending.isOver) {
      const failed = sendOn(protocol, pending, init, host, cookie);
      if (failed !== undefined) await Promise.race([failed, pending.done]);
    }
    return await pending.done;
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', abort);
    protocol.release();
  }
}

/** Sends a request. @returns For a body that is made piece by piece, when that is sent. */
function sendOn(
  protocol: HttpClientProtocol,
  pending: PendingRequest,
  init: HttpRequestInit,
  host: string,
  cookie: string,
): Promise<void> | undefined {
  const { body } = init;
  const headers = init.headers ?? null;
  const isAtHand = body === null || body === undefined || typeof body === 'string' || body instanceof Uint8Array;
  const closing = (): void =>
    pending.fail(Errno.ECONNABORTED, 'the connection is closing, or took no more bytes', true);
  if (isAtHand) {
    // A method that has a body says how long that is, also if it is empty (RFC 9110 8.6; HP-Socket's POST does not, REQ-007).
    const isEmpty = body === null || body === undefined || body.length === 0;
    const needsLength = isEmpty && /^(?:POST|PUT|PATCH)$/.test(pending.method);
    const isFramed = hasHeader(headers, 'content-length') || hasHeader(headers, 'transfer-encoding');
    const own = needsLength && !isFramed ? [...pairsOf(headers), ['Content-Length', '0'] as const] : headers;
    if (!protocol.port.isOpen || !protocol.send(pending, { headers: own, body, host, cookie })) closing();
    return undefined;
  }
  if (typeof (body as Iterable<unknown>)[Symbol.iterator] !== 'function') {
    if (typeof (body as AsyncIterable<unknown>)[Symbol.asyncIterator] !== 'function') {
      const what = `body must be a text, bytes, or something to iterate over, not ${describe(body)}`;
      throw new TypeError(what);
    }
  }
  const isChunked = !hasHeader(headers, 'content-length');
  const own =
    isChunked && !hasHeader(headers, 'transfer-encoding')
      ? [...pairsOf(headers), ['Transfer-Encoding', 'chunked'] as const]
      : headers;
  if (!protocol.port.isOpen || !protocol.send(pending, { headers: own, host, cookie })) {
    closing();
    return undefined;
  }
  pending.isSent = false;
  return sendPieces(protocol, pending, body, isChunked).then(undefined, (thrown: unknown) =>
    pending.cancel(Errno.ECANCELED, 'its body could not be made or sent', thrown),
  );
}

async function sendPieces(
  protocol: HttpClientProtocol,
  pending: PendingRequest,
  body: AsyncIterable<string | Uint8Array> | Iterable<string | Uint8Array>,
  isChunked: boolean,
): Promise<void> {
  for await (const piece of body) {
    if (typeof piece !== 'string' && !(piece instanceof Uint8Array)) {
      throw new TypeError(`pieces of a body must be texts or bytes, not ${describe(piece)}`);
    }
    if (pending.isOver) return;
    if (piece.length === 0) continue;
    const bytes = typeof piece === 'string' ? Buffer.from(piece) : piece;
    const isSent = isChunked ? protocol.writeChunk(bytes) : protocol.write(bytes);
    if (!isSent) throw new Error('the connection took no more bytes');
    if (protocol.isFull) await protocol.whenRoom();
  }
  pending.isSent = true;
  if (isChunked && !pending.isOver) protocol.sendChunkData(null);
}

/** Fields as a list of pairs. */
export function pairsOf(headers: HttpHeaders | null): (readonly [string, string])[] {
  if (headers === null) return [];
  if (Array.isArray(headers)) return [...(headers as readonly (readonly [string, string])[])];
  return Object.entries(headers as Record<string, string | readonly string[]>).flatMap(([name, value]) =>
    typeof value === 'object' ? value.map((one) => [name, one] as const) : [[name, value] as const],
  );
}
