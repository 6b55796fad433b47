import { timeoutAfter } from '../core/delay.ts';
import { SocketErrorCode } from '../core/enums.ts';
import { Errno } from '../core/errno.ts';
import { SocketError } from '../core/errors.ts';
import { $failed, $link, $shownHead, $wheel } from '../core/internals.ts';
import type { OptionRule } from '../core/option-names.ts';
import { defineProperties, flag, integer, type OptionsOf, type TableOf } from '../core/properties.ts';
import { HttpClientProtocol } from './client-protocol.ts';
import { checkRequest, type HttpRequestInit, isUntouched } from './client-request.ts';
import type { HttpResponse } from './client-response.ts';
import { ACCEPTED_CODINGS, decodeContent } from './content-decoding.ts';
import { HttpUpgradeType } from './enums.ts';
import { type HttpHeaders, hasHeader } from './header-list.ts';
import { HttpClient, type HttpClientHooks, type HttpClientOptions } from './http-client.ts';
import type { MessageHead } from './message-head.ts';
import { headersBehind, isRedirect, methodBehind } from './redirects.ts';
import { singleProtocolOf } from './single-http.ts';

/** Properties of HTTP sync clients. */
export interface HttpSyncProperties {
  /** Milliseconds to connect, TLS included; 0 for no limit (HTTP-SY-003). Default 5000. */
  connectTimeout: number;
  /** Milliseconds for a request and its answer; 0 for no limit (HTTP-SY-005). Default 10,000. */
  requestTimeout: number;
  /** Longest body after decoding, 1 or more. Default 16 MiB. */
  maxDecodedBytes: number;
}

/** Options of an HTTP sync client: any of its properties. */
export type HttpSyncClientOptions = HttpClientOptions & OptionsOf<HttpSyncProperties>;

/** How `openUrl` asks. */
export interface OpenUrlOptions extends Pick<HttpRequestInit, 'headers' | 'body' | 'signal' | 'onInterim'> {
  /** Most redirects that are followed. Default 0: they are answers like others (SYN-015). */
  maxRedirects?: number | undefined;
  /** Whether a new connection is made even if there is one to that host (SYN-013). Default false. */
  forceReconnect?: boolean | undefined;
  /** Whether gzip, deflate and br are asked for, and decoded. Default true. */
  decompress?: boolean | undefined;
}

const openRules = {
  maxRedirects: integer(0, 0, 100),
  forceReconnect: flag(false),
  decompress: flag(true),
} satisfies Partial<Record<keyof OpenUrlOptions, OptionRule>>;

/** A connection that the server will close soon is not used any more: how much sooner. */
const KEEP_ALIVE_MARGIN_MS = 1000;
const idempotent: ReadonlySet<string> = new Set(['GET', 'HEAD', 'PUT', 'DELETE', 'OPTIONS', 'TRACE']);

/**
 * HP-Socket's `HttpSyncClient`, whose blocking calls are promises here: opens URLs, one after the other, on a connection that is
 * used again where that is possible.
 *
 * ```ts
 * const client = new HttpSyncClient();
 * const response = await client.openUrl('GET', 'http://127.0.0.1:8080/hello');
 * console.log(response.status, response.text());
 * await client.stop();
 * ```
 */
export class HttpSyncClient<Extra = unknown> extends HttpClient<Extra> {
  #result: HttpResponse | null = null;
  /** The calls before, which the next waits for (SYN-009). */
  #turn: Promise<unknown> = Promise.resolve();
  /** When the connection is too old to be used again. */
  #usableUntil = Number.POSITIVE_INFINITY;

  constructor(listener: HttpClientHooks<HttpSyncClient<Extra>> = {}, options?: HttpSyncClientOptions) {
    super(listener as HttpClientHooks<HttpClient<Extra>>, options);
  }

  /**
   * Opens a URL (`OpenUrl`, HTTP-SY-001, SYN-011 to SYN-015): connects if need be, sends the request, and collects the answer. Calls
   * wait for each other. A connection that turns out to be closed before anything was answered is replaced once, for methods that
   * may be repeated.
   * @returns The answer, whatever its status; the accessors of the client show it until the next call.
   * @throws SocketError: ConnectServer with EADDRNOTAVAIL (no `http:` or `https:` URL), EPROTO (the scheme is not the component's),
   *   ETIMEDOUT, or the errno of connecting; InvalidParam EPERM (`httpAutoStart` is off); DataSend with ETIMEDOUT, ECONNABORTED,
   *   EBADMSG (not understood, or not decodable), EMSGSIZE (`maxBodyBytes`, `maxDecodedBytes`), ELOOP (`maxRedirects`), ECANCELED.
   */
  openUrl(method: string, url: string | URL, options: OpenUrlOptions = {}): Promise<HttpResponse> {
    checkRequest('openUrl', { method, ...options }, openRules);
    const opened = this.#turn.then(() => this.#open(method.toUpperCase(), String(url), options));
    this.#turn = opened.catch(() => {});
    return opened;
  }

  async #open(method: string, url: string, options: OpenUrlOptions): Promise<HttpResponse> {
    this.#result = null;
    const { maxRedirects = 0, decompress = true } = options;
    let { headers = null, body } = options;
    let isForced = options.forceReconnect ?? false;
    let target = this.#targetOf(url);
    for (let redirectCount = 0; ; redirectCount++) {
      const response = await this.#fetch(method, target, { ...options, headers, body }, isForced);
      isForced = false;
      const location = isRedirect(response.status) && maxRedirects > 0 ? response.header('location') : undefined;
      if (location === undefined) return this.#finish(response, target, redirectCount, decompress);
      if (redirectCount === maxRedirects) {
        throw this.#error(SocketErrorCode.DataSend, Errno.ELOOP, `more than ${maxRedirects} redirects (maxRedirects)`);
      }
      let next: URL;
      try {
        next = this.#targetOf(new URL(location, target).href);
      } catch (error) {
        throw error instanceof SocketError ? error : this.#noUrl();
      }
      const nextMethod = methodBehind(response.status, method);
      const losesBody = nextMethod !== method;
      if (losesBody) body = undefined;
      else if (!isReplayable(body)) {
        throw this.#error(SocketErrorCode.DataSend, Errno.EPROTO, 'a redirect asks for a body that was streamed');
      }
      headers = headersBehind(headers, next.origin === target.origin, losesBody);
      method = nextMethod;
      target = next;
    }
  }

  async #finish(response: HttpResponse, target: URL, redirectCount: number, decodes: boolean): Promise<HttpResponse> {
    let { body } = response;
    if (decodes) {
      try {
        body = await decodeContent(body, response.headers.getAll('content-encoding'), this.maxDecodedBytes);
      } catch (cause) {
        const isLong = (cause as { code?: string }).code === 'ERR_BUFFER_TOO_LARGE';
        const message = isLong
          ? `the decoded body is longer than maxDecodedBytes (${this.maxDecodedBytes})`
          : 'the body is not what its Content-Encoding says';
        throw this.#error(SocketErrorCode.DataSend, isLong ? Errno.EMSGSIZE : Errno.EBADMSG, message, cause);
      }
    }
    this.#result = response.with(body, target.href, redirectCount);
    return this.#result;
  }

  /** One request and its answer, over the connection that is there, or a new one. */
  async #fetch(method: string, target: URL, options: OpenUrlOptions, isForced: boolean): Promise<HttpResponse> {
    const { headers = null, body, signal, onInterim, decompress = true } = options;
    const init: HttpRequestInit = {
      method,
      path: target.pathname + target.search,
      headers: decompress ? accepting(headers) : headers,
      body,
      signal,
      onInterim,
      timeoutMs: this.requestTimeout,
    };
    const isReused = !isForced && this.#fits(target);
    if (!isReused) await this.#connect(target, signal);
    try {
      return await this.#ask(init);
    } catch (error) {
      if (!isReused || !isUntouched(error) || !idempotent.has(method) || !isReplayable(body)) throw error;
      await this.#connect(target, signal);
      return this.#ask(init);
    }
  }

  /**
   * As `HttpClient.request`, within `requestTimeout` unless `timeoutMs` says otherwise, and for the accessors (SYN-003, SYN-007).
   * @throws SocketError as `openUrl`; EPERM if it is not connected (SYN-005).
   */
  override async request(init: HttpRequestInit = {}): Promise<HttpResponse> {
    this.#result = null;
    this.#result = await this.#ask({ timeoutMs: this.requestTimeout, ...init });
    return this.#result;
  }

  async #ask(init: HttpRequestInit): Promise<HttpResponse> {
    const response = await super.request(init);
    if (response.isUpgrade && this.getUpgradeType() !== HttpUpgradeType.WebSocket) {
      await this.#close(); // UPG-011
      throw this.#error(SocketErrorCode.DataSend, Errno.EBADMSG, 'the connection became a protocol that is not known');
    }
    const hint = /(?:^|[,\s])timeout\s*=\s*(\d{1,9})/i.exec(response.header('keep-alive') ?? '')?.[1];
    this.#usableUntil =
      hint === undefined
        ? Number.POSITIVE_INFINITY
        : this[$wheel].clock.now() + Math.max(0, Number(hint) * 1000 - KEEP_ALIVE_MARGIN_MS);
    return response;
  }

  /** Whether the connection is one to that host, and can be used again (SYN-013). */
  #fits(target: URL): boolean {
    const { [$link]: link } = this;
    if (link === null || !link.isConnected || this[$wheel].clock.now() >= this.#usableUntil) return false;
    const { protocol } = link;
    const isSame = link.remoteHost.toLowerCase() === hostOf(target) && link.remotePort === portOf(target);
    return isSame && protocol instanceof HttpClientProtocol && protocol.isReusable;
  }

  async #close(): Promise<void> {
    if (this.hasStarted) await this.stop().catch(() => {}); // it may have ended by itself in between
    await this.wait();
  }

  async #connect(target: URL, signal: AbortSignal | undefined): Promise<void> {
    await this.#close();
    const { connectTimeout } = this;
    const late = new AbortController();
    const timer = connectTimeout === 0 ? undefined : timeoutAfter(connectTimeout, () => late.abort());
    try {
      const signals = signal === undefined ? late.signal : AbortSignal.any([signal, late.signal]);
      await this.start(hostOf(target), portOf(target), { signal: signals });
      this.#usableUntil = Number.POSITIVE_INFINITY;
    } catch (error) {
      if (!late.signal.aborted) throw error;
      throw this.#error(
        SocketErrorCode.ConnectServer,
        Errno.ETIMEDOUT,
        'no connection in time (connectTimeout)',
        error,
      );
    } finally {
      clearTimeout(timer);
    }
  }

  /** Checks a URL (SYN-002, SYN-011, SYN-012). */
  #targetOf(text: string): URL {
    if (!this.httpAutoStart) {
      throw this.#error(SocketErrorCode.InvalidParam, Errno.EPERM, 'httpAutoStart is off');
    }
    const authority = /^https?:\/\/([A-Za-z0-9[][^/?#\\]*)/i.exec(text)?.[1];
    if (authority === undefined || authority.includes('@') || authority.endsWith(':')) throw this.#noUrl();
    let target: URL;
    try {
      target = new URL(text);
    } catch {
      throw this.#noUrl();
    }
    if ((target.protocol === 'https:') !== this.isSecure) {
      const needed = this.isSecure ? 'https:' : 'http:';
      throw this.#error(SocketErrorCode.ConnectServer, Errno.EPROTO, `this component opens ${needed} URLs only`);
    }
    return target;
  }

  #noUrl(): SocketError {
    const message = 'the URL must be http://host or https://host, without user name';
    return this.#error(SocketErrorCode.ConnectServer, Errno.EADDRNOTAVAIL, message);
  }

  #error(socketError: SocketErrorCode, errno: number, message: string, cause?: unknown): SocketError {
    return this[$failed]({ socketError, errno, operation: 'openUrl', message: `no answer: ${message}`, cause });
  }

  /** Forgets the last answer (`CleanupRequestResult`, HTTP-SY-002). @returns true. */
  cleanupRequestResult(): boolean {
    this.#result = null;
    return true;
  }

  /** Body of the last answer, empty without one (`GetResponseBody`, HTTP-SY-007). */
  getResponseBody(): Buffer {
    return this.#result?.body ?? Buffer.alloc(0);
  }

  /** Status code of the last answer; behind `cleanupRequestResult` still what came last on the connection (SYN-007). */
  override getStatusCode(): number {
    return (this[$shownHead] ?? singleProtocolOf(this)?.head)?.statusCode ?? 0;
  }

  /** What the accessors show: the last answer (SYN-007). @internal */
  override get [$shownHead](): MessageHead | null {
    return this.#result?.head ?? null;
  }
}

export interface HttpSyncClient<Extra = unknown> extends HttpSyncProperties {}
defineProperties(HttpSyncClient.prototype, {
  connectTimeout: integer(5000, 0, 0x7fffffff),
  requestTimeout: integer(10_000, 0, 0x7fffffff),
  maxDecodedBytes: integer(16 * 1024 * 1024, 1, 0x7fffffff),
} satisfies TableOf<HttpSyncProperties>);

function accepting(headers: HttpHeaders | null): HttpHeaders | null {
  if (hasHeader(headers, 'accept-encoding')) return headers;
  return headersBehind(headers, true, false).concat([['Accept-Encoding', ACCEPTED_CODINGS]]);
}

function isReplayable(body: HttpRequestInit['body']): boolean {
  return body === undefined || body === null || typeof body === 'string' || body instanceof Uint8Array;
}

function hostOf(target: URL): string {
  const { hostname } = target;
  return hostname.startsWith('[') ? hostname.slice(1, -1) : hostname;
}

function portOf(target: URL): number {
  if (target.port !== '') return Number(target.port);
  return target.protocol === 'https:' ? 443 : 80;
}
