import { $acceptWebSocket } from '../../core/internals.ts';
import type { ConnId } from '../../core/listener.ts';
import type { Refusal } from '../../websocket/upgrade-verdict.ts';
import type { UpgradeAcceptance, WebSocketHooksOf } from '../../websocket/websocket-listener.ts';
import type { WebSocketMethods } from '../../websocket/websocket-methods.ts';
import type { HttpHeaders } from '../header-list.ts';
import type { HttpRequest } from '../server-request.ts';
import { isHostOfUrl, LightRequest } from './light-request.ts';
import { GlobalResponse, LightResponse } from './light-response.ts';

/** What a fetch handler gets beside the request. */
export interface FetchInfo {
  /** ID of the connection. */
  readonly connId: ConnId;
  /** The request as HP-Socket's names have it. */
  readonly request: HttpRequest;
  /** Work that goes on behind the answer: a draining stop waits for it. */
  waitUntil(work: PromiseLike<unknown>): void;
  /**
   * Makes a WebSocket of the connection: the answer 101 leaves at once, and `onOpen` is called. Needs the option `websocket` of
   * `serve`, or `ws` of the server.
   * @returns What the handler is to return: if the request does not ask for a WebSocket as it should, its refusal (426, 400).
   * @throws TypeError without that option, for a sub-protocol that was not offered, and headers that cannot be sent; Error if the
   *   request was answered already.
   */
  upgradeWebSocket(options?: FetchUpgradeOptions): Response;
}

/** How `upgradeWebSocket` answers. */
export interface FetchUpgradeOptions extends UpgradeAcceptance {
  /** Hooks of this WebSocket alone, instead of those of the server. */
  hooks?: WebSocketHooksOf<WebSocketMethods> | undefined;
  /** Data attached to the connection: `getConnectionExtra`. */
  extra?: unknown | undefined;
}

/** A handler as service workers, Bun and Hono have it. */
export type FetchHandler = (request: Request, info: FetchInfo) => Response | Promise<Response>;

/** What the handlers of one server share. */
export interface FetchHost {
  readonly isSecure: boolean;
  waitUntil(work: PromiseLike<unknown>): void;
  /** Makes a WebSocket of a connection. @returns Null, or with what the request has to be refused. */
  [$acceptWebSocket](request: HttpRequest, options: FetchUpgradeOptions): Refusal | null;
}

class Info implements FetchInfo {
  readonly request: HttpRequest;
  #host: FetchHost;

  constructor(host: FetchHost, request: HttpRequest) {
    this.#host = host;
    this.request = request;
  }

  get connId(): ConnId {
    return this.request.connId;
  }

  waitUntil(work: PromiseLike<unknown>): void {
    this.#host.waitUntil(work);
  }

  upgradeWebSocket(options: FetchUpgradeOptions = {}): Response {
    const refusal = this.#host[$acceptWebSocket](this.request, options);
    // Of an upgrade that is done nothing is sent any more; it may pass through middleware that makes a new response of it.
    if (refusal === null) return new GlobalResponse(null);
    const { status, headers, body } = refusal;
    return new GlobalResponse(body, { status, headers });
  }
}

/** Answers a request by a fetch handler. What it returns is a promise only if the handler did. */
export function answerByFetch(host: FetchHost, handler: FetchHandler, request: HttpRequest): unknown {
  const light = new LightRequest(request, host.isSecure) as unknown as Request;
  const named = request.header('host');
  if (named === undefined || !isHostOfUrl(named) || !request.url.startsWith('/')) {
    // A client that asks for no URL gets 400: it is no failure of the handler.
    try {
      void light.url;
    } catch {
      return void request.respond({ status: 400 });
    }
  }
  const result = handler(light, new Info(host, request));
  return result instanceof GlobalResponse ? sendResponse(request, result) : awaitResponse(request, result);
}

async function awaitResponse(request: HttpRequest, result: unknown): Promise<unknown> {
  const response = await result;
  if (!(response instanceof GlobalResponse)) throw new TypeError('the fetch handler did not return a Response');
  return sendResponse(request, response);
}

/** Sends a `Response`: a light one as it is, the body of a real one as it is made. */
function sendResponse(request: HttpRequest, response: Response): unknown {
  if (request.isUpgraded) return undefined;
  const parts = partsOf(response);
  if (parts !== null) {
    const { status, body, headers } = parts;
    return void request.respond({ status, headers: fieldsOf(headers, typeof body === 'string'), body });
  }
  const { status } = response;
  if (status < 200) throw new TypeError('the fetch handler returned Response.error()');
  if (response.body === null) {
    return void request.respond({
      status,
      ...reasonOf(response),
      headers: sendable([...response.headers]),
    });
  }
  return sendStream(request, response, response.body);
}

function partsOf(response: Response): LightResponse['parts'] {
  return Object.getPrototypeOf(response) === LightResponse.prototype
    ? (response as unknown as LightResponse).parts
    : null;
}

function reasonOf({ statusText }: Response): { reason?: string } {
  return statusText === '' ? {} : { reason: statusText };
}

/** Fields without those that say how this hop frames the message: handlers set them out of habit, and the library knows better. */
function sendable(pairs: [string, string][]): [string, string][] {
  return pairs.some(isOfHop) ? pairs.filter((pair) => !isOfHop(pair)) : pairs;
}

function isOfHop([name]: readonly [string, string]): boolean {
  if (name.length === 17) return name.toLowerCase() === 'transfer-encoding';
  return name.length === 10 && name.toLowerCase() === 'keep-alive';
}

const textFields: readonly (readonly [string, string])[] = [['content-type', 'text/plain;charset=UTF-8']];

/** Fields of a light response: with a text, `content-type` unless it is there. */
function fieldsOf(headers: unknown, isText: boolean): HttpHeaders | null {
  if (headers === null) return isText ? textFields : null;
  if (headers instanceof Headers) {
    const pairs = sendable([...headers]);
    if (isText && !headers.has('content-type')) pairs.push(['content-type', 'text/plain;charset=UTF-8']);
    return pairs;
  }
  const pairs = sendable((Array.isArray(headers) ? headers : Object.entries(headers as object)) as [string, string][]);
  if (isText && !pairs.some(([name]) => name.length === 12 && name.toLowerCase() === 'content-type')) {
    return [...pairs, ['content-type', 'text/plain;charset=UTF-8']];
  }
  return pairs;
}

/** A body that is all there is sent with its length; else in chunks, each as soon as it is made. */
async function sendStream(
  request: HttpRequest,
  response: Response,
  body: ReadableStream<Uint8Array>,
): Promise<unknown> {
  const { status } = response;
  const init = { status, ...reasonOf(response), headers: sendable([...response.headers]) };
  const reader = body.getReader();
  const isBodiless = request.method === 'HEAD' || status === 204 || status === 304;
  if (isBodiless) {
    request.respond(init);
    return reader.cancel();
  }
  // Also before the first piece, for which a source may wait for long.
  const { signal } = request;
  const cancel = (): void => void reader.cancel(signal.reason).catch(() => {});
  signal.addEventListener('abort', cancel, { once: true });
  try {
    return await sendRead(request, init, reader);
  } finally {
    signal.removeEventListener('abort', cancel);
  }
}

async function sendRead(
  request: HttpRequest,
  init: { status: number; reason?: string; headers: [string, string][] },
  reader: ReadableStreamDefaultReader<Uint8Array>,
): Promise<unknown> {
  const first = await reader.read();
  if (first.done === true) return request.respond(init);
  const next = reader.read();
  next.catch(() => {}); // is met again below
  const second = await Promise.race([next, afterMicrotasks()]);
  if (second?.done === true) {
    return request.respond({
      ...init,
      headers: init.headers.filter(([name]) => name !== 'content-length'),
      body: first.value,
    });
  }
  async function* pieces(): AsyncGenerator<Uint8Array> {
    try {
      yield first.value as Uint8Array;
      for (let read = await next; read.done !== true; read = await reader.read()) yield read.value;
    } finally {
      await reader.cancel().catch(() => {});
    }
  }
  return request.respond({ ...init, body: pieces() });
}

/** Undefined, when what is settled already has had its turn. */
async function afterMicrotasks(): Promise<undefined> {
  for (let i = 0; i < 4; i++) await undefined;
  return undefined;
}
