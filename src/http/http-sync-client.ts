import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import type { StreamConnection } from '../connection/stream-connection.ts';
import { timeoutAfter } from '../core/delay.ts';
import { describe, shown } from '../core/describe.ts';
import { SocketErrorCode, SocketOperation } from '../core/enums.ts';
import { Errno, errnoOf } from '../core/errno.ts';
import type { SocketError } from '../core/errors.ts';
import { $failed, $frameHooks, $link, $released, $shownHead, $wheel } from '../core/internals.ts';
import type { OptionRule } from '../core/option-names.ts';
import { defineProperties, flag, integer, type OptionsOf, type TableOf } from '../core/properties.ts';
import type { StopOptions } from '../core/stop-options.ts';
import type { Sendable } from '../memory/sendable.ts';
import type { FrameHooks } from '../websocket/frame-protocol.ts';
import { HttpClientProtocol } from './client-protocol.ts';
import { HttpResponse, HttpStreamResponse } from './client-response.ts';
import { type FollowedRequest, type FollowOptions, follow, followRules } from './following.ts';
import { FrameExchange, type WSMessage } from './frame-exchange.ts';
import { hasHeader, pairsOf } from './header-list.ts';
import { HttpClient, type HttpClientHooks, type HttpClientOptions } from './http-client.ts';
import { keepAliveMs } from './keep-alive.ts';
import type { MessageHead } from './message-head.ts';
import { isIdempotent, isUntouched } from './repeating.ts';
import {
  checkRequest,
  type HttpRequestInit,
  type HttpRequestOptions,
  isAtHand,
  requestRules,
  type Streamed,
} from './request-options.ts';
import { type RequestTarget, targetOf } from './request-target.ts';
import { singleProtocolOf } from './single-http.ts';

/** Properties of HTTP sync clients. */
export interface HttpSyncProperties {
  /** Milliseconds to connect, TLS included; 0 for no limit (HTTP-SY-003). Default 5000. */
  connectTimeout: number;
  /** Milliseconds for a request and its answer; 0 for no limit (HTTP-SY-005). Default 10,000. */
  requestTimeout: number;
  /** Bytes of the longest body after decoding, 1 or more. Default 16 MiB. */
  maxDecodedBytes: number;
}

/** Options of an HTTP sync client: any of its properties. */
export type HttpSyncClientOptions = HttpClientOptions & OptionsOf<HttpSyncProperties>;

/** How `openUrl` asks. */
export interface OpenUrlOptions
  extends FollowOptions,
    Pick<
      HttpRequestOptions,
      'headers' | 'body' | 'signal' | 'timeoutMs' | 'onInterim' | 'expectContinue' | 'responseBody' | 'initiator'
    > {
  /** Whether a new connection is made even if there is one to that host (SYN-013). Default false. */
  forceReconnect?: boolean | undefined;
  /** Whether gzip, deflate and br are asked for, and decoded. Default true. */
  decompress?: boolean | undefined;
  /** A file that is the body, instead of `body`: of any length, read as the server takes it (SYN-014). */
  bodyFile?: string | URL | undefined;
}

const openRules = {
  ...requestRules,
  ...followRules,
  forceReconnect: flag(false),
  bodyFile: {
    check(name, value) {
      if (typeof value === 'string' || value instanceof URL) return;
      throw new TypeError(`${name} must be a path or a URL, not ${describe(value)}`);
    },
  },
} satisfies Record<keyof OpenUrlOptions | keyof HttpRequestOptions, OptionRule>;

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
  #result: HttpResponse | HttpStreamResponse | null = null;
  /** The calls before, which the next waits for (SYN-009). */
  #turn: Promise<unknown> = Promise.resolve();
  /** How many times it was stopped: a call that was made before ends with that. */
  #stopCount = 0;
  /** When the connection is too old to be used again. */
  #usableUntil = Number.POSITIVE_INFINITY;
  #frames = new FrameExchange({
    state: () => this.getWSMessageState(),
    maxBodyBytes: () => this.maxBodyBytes,
    tooLong: () => this.#endFrames(Errno.EMSGSIZE, `a frame is longer than maxBodyBytes (${this.maxBodyBytes})`),
  });

  constructor(listener: HttpClientHooks<HttpSyncClient<Extra>> = {}, options?: HttpSyncClientOptions) {
    super(listener as HttpClientHooks<HttpClient<Extra>>, options);
  }

  /**
   * Opens a URL (`OpenUrl`, HTTP-SY-001, SYN-011 to SYN-015): connects if need be, sends the request, and collects the answer. Calls
   * wait for each other. A connection that turns out to be closed before anything was answered is replaced once, for methods that
   * may be repeated. `stop` ends this call, and those that wait.
   * @param options See `OpenUrlOptions`; `timeoutMs` takes the place of `requestTimeout`.
   * @returns The answer, whatever its status; the accessors of the client show it until the next call.
   * @throws SocketError: ConnectServer with EADDRNOTAVAIL (no `http:` or `https:` URL), EPROTO (the scheme is not the component's),
   *   ETIMEDOUT, or the errno of connecting; InvalidParam EPERM (`httpAutoStart` is off); DataSend with ETIMEDOUT, ECONNABORTED,
   *   EBADMSG (not understood, or not decodable), EMSGSIZE (`maxBodyBytes`, `maxDecodedBytes`), ELOOP (`maxRedirects`), ECANCELED.
   */
  openUrl(method: string, url: string | URL, options: OpenUrlOptions & Streamed): Promise<HttpStreamResponse>;
  openUrl(method: string, url: string | URL, options?: OpenUrlOptions): Promise<HttpResponse>;
  openUrl(method: string, url: string | URL, options: OpenUrlOptions = {}): Promise<HttpResponse | HttpStreamResponse> {
    checkRequest('openUrl', { method, ...options }, openRules);
    const run = this.#stopCount;
    const opened = this.#turn.then(() => this.#open(run, method.toUpperCase(), String(url), options));
    // A streamed answer holds the connection until it is read.
    this.#turn = opened
      .then((response) => (response instanceof HttpStreamResponse ? response.body.over : undefined))
      .catch(() => {});
    return opened;
  }

  async #open(
    run: number,
    method: string,
    text: string,
    options: OpenUrlOptions,
  ): Promise<HttpResponse | HttpStreamResponse> {
    this.cleanupRequestResult();
    const { maxRedirects = 0, decompress = true } = options;
    const { headers = null, body } = options;
    let { bodyFile } = options;
    if (bodyFile !== undefined && body !== undefined && body !== null) {
      throw new TypeError('give body or bodyFile, not both');
    }
    let isForced = options.forceReconnect ?? false;
    this.#result = await follow(
      {
        maxRedirects,
        decompress,
        maxDecodedBytes: this.maxDecodedBytes,
        targetOf: (url) => this.#targetOf(url),
        ask: (request) => {
          const asked = this.#fetch(run, request, { ...options, bodyFile }, isForced);
          isForced = false;
          return asked;
        },
        bodyLost: () => {
          bodyFile = undefined;
        },
        error: (socketError, errno, message, cause) => this.#error(socketError, errno, message, cause),
      },
      { method, target: this.#targetOf(text), headers, body },
    );
    return this.#result;
  }

  /** One request and its answer, over the connection that is there, or a new one. */
  async #fetch(
    run: number,
    { method, target, headers: fields, body: given }: FollowedRequest,
    options: OpenUrlOptions,
    isForced: boolean,
  ): Promise<HttpResponse | HttpStreamResponse> {
    const {
      bodyFile,
      signal,
      onInterim,
      expectContinue,
      responseBody,
      initiator,
      timeoutMs = this.requestTimeout,
    } = options;
    const checkRun = (): void => {
      if (run === this.#stopCount) return;
      throw this.#error(SocketErrorCode.DataSend, Errno.ECANCELED, 'the client was stopped');
    };
    const file = bodyFile === undefined ? null : await this.#fileOf(bodyFile);
    // A stream of the file is made for each attempt.
    const body = file === null ? given : { [Symbol.asyncIterator]: () => file.pieces() };
    const init: HttpRequestInit = {
      method,
      path: target.path,
      headers:
        file === null || hasHeader(fields, 'content-length')
          ? fields
          : [...pairsOf(fields), ['Content-Length', String(file.size)]],
      body,
      signal,
      onInterim,
      expectContinue,
      responseBody,
      initiator,
      timeoutMs,
    };
    checkRun();
    const isReused = !isForced && this.#fits(target);
    if (!isReused) await this.#connect(target, signal);
    try {
      return await this.#ask(init);
    } catch (error) {
      checkRun();
      const isRepeatable = isIdempotent(method) && (file !== null || isAtHand(body));
      if (!isReused || !isUntouched(error) || !isRepeatable) throw error;
      await this.#connect(target, signal);
      return this.#ask(init);
    }
  }

  async #fileOf(name: string | URL): Promise<{ size: number; pieces(): AsyncIterator<Buffer> }> {
    const refused = (errno: number, what: string, cause?: unknown): SocketError =>
      this.#error(SocketErrorCode.DataSend, errno, `the file ${shown(String(name))} ${what}`, cause);
    const stats = await stat(name).catch((cause: unknown) => {
      throw refused(errnoOf(cause), 'cannot be read', cause);
    });
    if (!stats.isFile()) throw refused(Errno.EISDIR, 'is no file');
    return { size: stats.size, pieces: () => createReadStream(name)[Symbol.asyncIterator]() as AsyncIterator<Buffer> };
  }

  // ---- WebSocket frames ------------------------------------------------------------------------------------------

  /**
   * Sends one WebSocket frame, and waits for the next whole one (`SendWSMessage` of HP-Socket's sync client, SYN-006), within
   * `requestTimeout`. `getResponseBody` and `getWSMessageState` show it too. The hooks about frames fire as well.
   * @param reserved RSV1 to RSV3 as a number, RSV1 = 4.
   * @param mask Masking key of four bytes, which RFC 6455 asks of clients; null for none.
   * @throws SocketError: IllegalState (EPERM, it was not upgraded to a WebSocket), DataSend with ETIMEDOUT (the client is stopped
   *   then), ECONNABORTED (the connection closed first), EMSGSIZE (a frame longer than `maxBodyBytes`), ENOBUFS; RangeError as
   *   `sendWSMessage`.
   */
  async requestWSMessage(
    isFinal: boolean,
    reserved: number,
    opcode: number,
    mask: Uint8Array | null,
    data: Sendable = '',
  ): Promise<WSMessage> {
    if (this.#frames.isAwaited) throw this.#error(SocketErrorCode.IllegalState, Errno.EBUSY, 'a frame is awaited');
    if (!this.sendWSMessage(isFinal, reserved, opcode, mask, data)) throw this.lastFailure!;
    const { requestTimeout } = this;
    const late = (): void => this.#endFrames(Errno.ETIMEDOUT, 'no frame came in time (requestTimeout)');
    const timer = requestTimeout === 0 ? undefined : timeoutAfter(requestTimeout, late);
    return this.#frames.next().finally(() => clearTimeout(timer));
  }

  #endFrames(errno: number, message: string): void {
    this.#frames.fail(() => this.#error(SocketErrorCode.DataSend, errno, message));
    this[$link]?.close(SocketOperation.Receive, errno);
  }

  /** @internal */
  override [$frameHooks](): FrameHooks {
    return this.#frames.hooksOver(super[$frameHooks]());
  }

  /** @internal */
  override [$released](connection: StreamConnection): void {
    super[$released](connection);
    const message = 'the connection was closed before a frame came';
    this.#frames.fail(() => this.#error(SocketErrorCode.DataSend, Errno.ECONNABORTED, message));
  }

  /**
   * As `HttpClient.request`, within `requestTimeout` unless `timeoutMs` says otherwise, and for the accessors (SYN-003, SYN-007).
   * @throws SocketError as `openUrl`; EPERM if it is not connected (SYN-005).
   */
  override request(init: HttpRequestInit & Streamed): Promise<HttpStreamResponse>;
  override request(init?: HttpRequestInit): Promise<HttpResponse>;
  override async request(init: HttpRequestInit = {}): Promise<HttpResponse | HttpStreamResponse> {
    this.cleanupRequestResult();
    this.#result = await this.#ask({ timeoutMs: this.requestTimeout, ...init });
    return this.#result;
  }

  async #ask(init: HttpRequestInit): Promise<HttpResponse | HttpStreamResponse> {
    const response: HttpResponse | HttpStreamResponse = await super.request(init);
    if (response.isUpgrade && response.header('upgrade')?.toLowerCase() !== 'websocket') {
      await this.#close(); // UPG-011
      throw this.#error(SocketErrorCode.DataSend, Errno.EBADMSG, 'the connection became a protocol that is not known');
    }
    const hint = keepAliveMs(response.head);
    this.#usableUntil = hint === undefined ? Number.POSITIVE_INFINITY : this[$wheel].clock.now() + hint;
    return response;
  }

  /** Whether the connection is one to that host, and can be used again (SYN-013). */
  #fits(target: RequestTarget): boolean {
    const { [$link]: link } = this;
    if (link === null || !link.isConnected || this[$wheel].clock.now() >= this.#usableUntil) return false;
    const { protocol } = link;
    const isSame = link.remoteHost.toLowerCase() === target.host && link.remotePort === target.port;
    return isSame && protocol instanceof HttpClientProtocol && protocol.isReusable;
  }

  /** Closes the connection (`Stop`, CLI-002). Calls of `openUrl` that were made before end with ECANCELED. */
  override async stop(options: StopOptions = {}): Promise<void> {
    this.#stopCount++;
    return super.stop(options);
  }

  async #close(): Promise<void> {
    if (this.hasStarted) await super.stop().catch(() => {}); // it may have ended by itself in between
    await this.wait();
  }

  async #connect(target: RequestTarget, signal: AbortSignal | undefined): Promise<void> {
    await this.#close();
    const { connectTimeout } = this;
    const late = new AbortController();
    const timer = connectTimeout === 0 ? undefined : timeoutAfter(connectTimeout, () => late.abort());
    try {
      const signals = signal === undefined ? late.signal : AbortSignal.any([signal, late.signal]);
      await this.start(target.host, target.port, { signal: signals });
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
  #targetOf(text: string): RequestTarget {
    if (!this.httpAutoStart) {
      throw this.#error(SocketErrorCode.InvalidParam, Errno.EPERM, 'httpAutoStart is off');
    }
    return targetOf(this, this.isSecure, text, 'openUrl');
  }

  #error(socketError: SocketErrorCode, errno: number, message: string, cause?: unknown): SocketError {
    return this[$failed]({ socketError, errno, operation: 'openUrl', message: `no answer: ${message}`, cause });
  }

  /** Forgets the last answer (`CleanupRequestResult`, HTTP-SY-002). @returns true. */
  cleanupRequestResult(): boolean {
    this.#result = null;
    this.#frames.last = null;
    return true;
  }

  /** Body of the last answer, or of the frame behind it; empty without one, or if it is streamed (`GetResponseBody`, HTTP-SY-007). */
  getResponseBody(): Buffer {
    if (this.#frames.last !== null) return this.#frames.last.body;
    return this.#result instanceof HttpResponse ? this.#result.body : Buffer.alloc(0);
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
