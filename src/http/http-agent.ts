import { StreamAgent } from '../agent/stream-agent.ts';
import type { TcpAgentOptions } from '../agent/tcp-agent.ts';
import { emptyReport } from '../connection/closing.ts';
import type { StreamConnection } from '../connection/stream-connection.ts';
import { addMethods } from '../core/add-methods.ts';
import { describe } from '../core/describe.ts';
import { ServiceState, SocketErrorCode } from '../core/enums.ts';
import { Errno } from '../core/errno.ts';
import {
  $checkStop,
  $connectionOf,
  $context,
  $cookieFor,
  $cookies,
  $dial,
  $failed,
  $frameHooks,
  $illegalState,
  $listener,
  $released,
  $table,
  $wheel,
} from '../core/internals.ts';
import type { AgentHooks, ConnId } from '../core/listener.ts';
import type { OptionRule } from '../core/option-names.ts';
import { defineProperties, type OptionsOf } from '../core/properties.ts';
import type { StopReport } from '../core/stats.ts';
import { checkStopOptions, type StopOptions } from '../core/stop-options.ts';
import type { FrameHooks } from '../websocket/frame-protocol.ts';
import { requestOn } from './client-request.ts';
import type { HttpResponse, HttpStreamResponse } from './client-response.ts';
import { ComplexHttpMethods } from './complex-http.ts';
import type { HttpContext } from './context.ts';
import type { CookieManager, CookieQuery } from './cookies/cookie-manager.ts';
import { cookieProperties, type HttpCookieProperties } from './cookies/cookie-properties.ts';
import { type Follower, type FollowOptions, follow, followRules } from './following.ts';
import { type HttpProperties, httpProperties } from './http-properties.ts';
import type { HttpHooks, WSFrameHooks } from './listener.ts';
import { PendingRequest } from './pending-request.ts';
import { HttpPool, noPoolStats } from './pool/pool.ts';
import { type HttpPoolProperties, type HttpPoolStats, poolProperties } from './pool/pool-settings.ts';
import {
  checkRequest,
  type HttpRequestInit,
  type HttpRequestOptions,
  requestRules,
  type Streamed,
} from './request-options.ts';
import type { RequestTarget } from './request-target.ts';
import { ComplexRequesterMethods, hostOf } from './requester.ts';
import { cookieOn, requesterModel } from './requester-model.ts';
import { type HttpCounters, httpCounters } from './settings.ts';

/** Options of every HTTP agent: any of its properties. */
export type HttpAgentOptions = TcpAgentOptions & OptionsOf<HttpProperties & HttpCookieProperties & HttpPoolProperties>;

/** How an agent asks a URL. */
export interface HttpUrlOptions extends HttpRequestOptions, FollowOptions {
  /** Over TLS: name for SNI and for the check of the certificate, instead of the URL's host. Not for other origins behind redirects. */
  serverName?: string | undefined;
}

const urlRules = {
  ...requestRules,
  ...followRules,
  serverName: {
    check(name, value) {
      if (typeof value !== 'string') throw new TypeError(`${name} must be a string, not ${describe(value)}`);
    },
  },
} satisfies Record<keyof HttpUrlOptions, OptionRule>;

/** Hooks of an HTTP agent: those of a TCP agent, those about messages, and those about WebSocket frames. */
export interface HttpAgentHooks<S> extends AgentHooks<S, Buffer>, HttpHooks<S>, WSFrameHooks<S> {}

const model = requesterModel();

/**
 * An HTTP agent (HP-Socket's `HttpAgent`): many connections to any servers, by HP-Socket's hooks, by whole messages, or by URLs.
 *
 * ```ts
 * const agent = new HttpAgent({});
 * await agent.start();
 * const response = await agent.request('http://127.0.0.1:8080/hello');
 * console.log(response.status, response.text());
 * ```
 */
export class HttpAgent<Extra = unknown> extends StreamAgent<Extra> {
  /** What the connections of this run share. @internal */
  [$context]: HttpContext | null = null;
  /** @internal */
  [$cookies]: CookieManager | null = null;
  #pool: HttpPool | null = null;
  /** Of the run that the pool belongs to. */
  #poolContext: HttpContext | null = null;

  constructor(listener: HttpAgentHooks<HttpAgent<Extra>>, options?: HttpAgentOptions) {
    super(listener, options, model);
  }

  /**
   * Asks a URL, on a connection of the agent's own: one that is there and free, or a new one, up to `maxConnectionsPerOrigin`;
   * else the request waits for its turn. If a connection that had served before goes before one byte of the answer came, a request
   * that may be repeated (GET, HEAD, PUT, DELETE, OPTIONS, TRACE, QUERY, without a streamed body) is sent once more. The hooks fire
   * for these connections as well.
   * @param options See `HttpUrlOptions`.
   * When the agent has `maxConnectionCount` connections, the one of another origin that has been idle longest is closed to make room;
   * while all of them are busy, the request waits.
   * @returns The first answer that is not interim, whatever its status; with `maxRedirects`, behind the redirects.
   * @throws SocketError: IllegalState (not started), ConnectServer with EADDRNOTAVAIL (no URL of HTTP), EPROTO (not the scheme of
   *   this agent), ENOSR (`maxConnectionCount` connections, all of them made by `connect`), or the errno of connecting; DataSend with
   *   ENOBUFS (`maxQueuedRequests`, `maxPendingBytes`), ETIMEDOUT (`timeoutMs`, `queueTimeoutMs`, `responseTimeoutMs`,
   *   `headTimeoutMs`, `minBodyBytesPerSecond`), ECONNABORTED, EBADMSG (not understood, or not decodable), EMSGSIZE (`maxBodyBytes`,
   *   `maxDecodedBytes`), ELOOP (`maxRedirects`), EPROTO (a redirect asks for a body that was streamed), ECANCELED (`signal`,
   *   `stop`). TypeError, RangeError for what cannot be sent.
   */
  request(url: string | URL, options: HttpUrlOptions & Streamed): Promise<HttpStreamResponse>;
  request(url: string | URL, options?: HttpUrlOptions): Promise<HttpResponse>;
  /**
   * Sends a request on one connection that `connect` made, when those before it are answered, and collects its answer, up to
   * `maxBodyBytes`, or streams it. The hooks about the answer fire as well.
   * @returns The first answer that is not interim, whatever its status.
   * @throws SocketError: IllegalState (EPERM, no such connection), DataSend with ECONNABORTED (the connection closed before the
   *   answer was complete), EBADMSG (it was not understood), EMSGSIZE (longer than `maxBodyBytes`), ETIMEDOUT, ECANCELED
   *   (`signal`). TypeError, RangeError for what cannot be sent.
   */
  request(connId: ConnId, init: HttpRequestInit & Streamed): Promise<HttpStreamResponse>;
  request(connId: ConnId, init?: HttpRequestInit): Promise<HttpResponse>;
  request(
    to: ConnId | string | URL,
    init: HttpRequestInit & HttpUrlOptions = {},
  ): Promise<HttpResponse | HttpStreamResponse> {
    try {
      return typeof to === 'number' ? this.#requestOn(to, init) : this.#requestUrl(to, init);
    } catch (thrown) {
      return Promise.reject(thrown);
    }
  }

  #requestOn(connId: ConnId, init: HttpRequestInit): Promise<HttpResponse | HttpStreamResponse> {
    checkRequest('request', init);
    const connection = this[$connectionOf](connId);
    const host = connection === undefined ? '' : hostOf(connection, this.isSecure);
    const cookie = connection === undefined ? '' : this[$cookieFor](connection, init.path ?? '/', init);
    return requestOn(this, connection, init, host, cookie);
  }

  #requestUrl(url: string | URL, options: HttpUrlOptions): Promise<HttpResponse | HttpStreamResponse> {
    checkRequest('request', options, urlRules);
    const { [$context]: context } = this;
    if (this.state !== ServiceState.Started || context === null) throw this[$illegalState]('request');
    if (!context.autoStart) {
      throw this[$failed]({
        socketError: SocketErrorCode.InvalidParam,
        errno: Errno.EPERM,
        operation: 'request',
        message: 'no answer: httpAutoStart is off',
      });
    }
    if (options.method?.toUpperCase() === 'CONNECT')
      throw new TypeError('CONNECT has no URL; use connect and sendConnect');
    const pool = this.#poolOf(context);
    const target = pool.targetOf(String(url));
    const { maxRedirects = 0, decompress = false } = options;
    if (maxRedirects === 0 && !decompress) return this.#ask(pool, context, target, options, options.serverName);
    return this.#follow(pool, context, target, options, maxRedirects, decompress);
  }

  /** One request and its answer. */
  #ask(
    pool: HttpPool,
    context: HttpContext,
    target: RequestTarget,
    options: HttpRequestOptions,
    serverName: string | undefined,
  ): Promise<HttpResponse | HttpStreamResponse> {
    const { host, url } = target;
    const { isSecure, [$cookies]: cookies } = this;
    const cookie = cookies === null ? '' : cookies.headerFor({ host, path: url.pathname, isSecure }, options);
    const request = new PendingRequest(this, context, options, target.path, target.authority, cookie);
    request.url = target.href;
    request.watch();
    if (!request.isOver) pool.dispatch(request, target, serverName);
    return request.done;
  }

  #follow(
    pool: HttpPool,
    context: HttpContext,
    target: RequestTarget,
    options: HttpUrlOptions,
    maxRedirects: number,
    decompress: boolean,
  ): Promise<HttpResponse | HttpStreamResponse> {
    const { method = 'GET', headers = null, body, timeoutMs = 0, serverName } = options;
    const { clock } = this[$wheel];
    const latestAt = clock.now() + timeoutMs;
    const error: Follower['error'] = (socketError, errno, message, cause) =>
      this[$failed]({ socketError, errno, operation: 'request', message: `no answer: ${message}`, cause });
    const ask: Follower['ask'] = ({ isFirstOrigin, target: present, ...changed }) => {
      // What is left of the time for all of it.
      const restMs = timeoutMs === 0 ? 0 : Math.max(1, Math.ceil(latestAt - clock.now()));
      const init = { ...options, ...changed, timeoutMs: restMs };
      return this.#ask(pool, context, present, init, isFirstOrigin ? serverName : undefined);
    };
    const follower = {
      maxRedirects,
      decompress,
      maxDecodedBytes: this.maxDecodedBytes,
      targetOf: (url: string) => pool.targetOf(url),
      ask,
      error,
    };
    return follow(follower, { method: method.toUpperCase(), target, headers, body });
  }

  /** The connections of this run. */
  #poolOf(context: HttpContext): HttpPool {
    if (this.#pool === null || this.#poolContext !== context) {
      this.#poolContext = context;
      this.#pool = new HttpPool({
        component: this,
        isSecure: this.isSecure,
        settings: {
          maxConnectionsPerOrigin: this.maxConnectionsPerOrigin,
          pipelining: this.pipelining,
          maxQueuedRequests: this.maxQueuedRequests,
          queueTimeoutMs: this.queueTimeoutMs,
          keepAliveTimeoutMs: this.keepAliveTimeoutMs,
        },
        hasRoom: () => this[$table].size < this.maxConnectionCount,
        connect: (host, port, serverName) => this[$dial]({ host, port, serverName }),
      });
    }
    return this.#pool;
  }

  /** How the connections of requests by URL are doing, and what was counted of them in this run. */
  poolStats(): HttpPoolStats {
    return this.#pool === null || this.#poolContext !== this[$context] ? noPoolStats() : this.#pool.stats();
  }

  /**
   * As for every agent. With `drainTimeoutMs`, requests that were made are answered first, those by URL that wait for a connection
   * too; new ones are refused.
   */
  override async stop(options: StopOptions = {}): Promise<StopReport> {
    checkStopOptions(options);
    this[$checkStop]();
    const { drainTimeoutMs = 0, signal } = options;
    const pool = this.#pool;
    if (pool === null || this.#poolContext !== this[$context] || !pool.isOpen) return super.stop(options);
    const startedAt = this[$wheel].clock.now();
    if (drainTimeoutMs > 0) await pool.drain(drainTimeoutMs, signal);
    const restMs = drainTimeoutMs - (this[$wheel].clock.now() - startedAt);
    if (!this.hasStarted) {
      await this.wait(); // another call has stopped it meanwhile
      return emptyReport();
    }
    pool.close();
    return super.stop({ ...options, drainTimeoutMs: Math.max(0, restMs) });
  }

  /** What HTTP did in this run, and how often its limits struck. */
  httpStats(): HttpCounters {
    return { ...(this[$context]?.counters ?? httpCounters()) };
  }

  /** @internal */
  override [$released](connection: StreamConnection): void {
    super[$released](connection);
    this.#pool?.released(connection);
  }

  /** @internal */
  [$cookieFor](connection: StreamConnection, path: string, query: CookieQuery = {}): string {
    return cookieOn(this, connection, path, query);
  }

  /** @internal */
  [$frameHooks](): FrameHooks {
    return this[$listener] as FrameHooks;
  }
}

export interface HttpAgent<Extra = unknown>
  extends ComplexRequesterMethods,
    Omit<ComplexHttpMethods, keyof ComplexRequesterMethods>,
    HttpProperties,
    HttpCookieProperties,
    HttpPoolProperties {}
defineProperties(HttpAgent.prototype, { ...httpProperties, ...cookieProperties, ...poolProperties });
addMethods([HttpAgent], ComplexRequesterMethods);
addMethods([HttpAgent], ComplexHttpMethods);
