import { StreamAgent } from '../agent/stream-agent.ts';
import type { TcpAgentOptions } from '../agent/tcp-agent.ts';
import { emptyReport } from '../connection/closing.ts';
import type { StreamConnection } from '../connection/stream-connection.ts';
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
  $wheel,
} from '../core/internals.ts';
import type { AgentHooks, ConnId } from '../core/listener.ts';
import type { OptionRule } from '../core/option-names.ts';
import { defineProperties, type OptionsOf } from '../core/properties.ts';
import type { StopReport } from '../core/stats.ts';
import { checkStopOptions, type StopOptions } from '../core/stop-options.ts';
import type { FrameHooks } from '../websocket/frame-protocol.ts';
import { addMethods } from './add-methods.ts';
import { requestOn } from './client-request.ts';
import type { HttpResponse, HttpStreamResponse } from './client-response.ts';
import { ComplexHttpMethods } from './complex-http.ts';
import type { HttpContext } from './context.ts';
import type { CookieManager, CookieQuery } from './cookies/cookie-manager.ts';
import { cookieProperties, type HttpCookieProperties } from './cookies/cookie-properties.ts';
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
import { ComplexRequesterMethods, hostOf } from './requester.ts';
import { cookieOn, requesterModel } from './requester-model.ts';
import { type HttpCounters, httpCounters } from './settings.ts';

/** Options of every HTTP agent: any of its properties. */
export type HttpAgentOptions = TcpAgentOptions & OptionsOf<HttpProperties & HttpCookieProperties & HttpPoolProperties>;

/** How an agent asks a URL. */
export interface HttpUrlOptions extends HttpRequestOptions {
  /** Over TLS: name for SNI and for the check of the certificate, instead of the URL's host. */
  serverName?: string | undefined;
}

const urlRules = {
  ...requestRules,
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
   * @returns The first answer that is not interim, whatever its status; redirects are not followed.
   * @throws SocketError: IllegalState (not started), ConnectServer with EADDRNOTAVAIL (no URL of HTTP), EPROTO (not the scheme of
   *   this agent), or the errno of connecting; DataSend with ENOBUFS (`maxQueuedRequests`, `maxPendingBytes`), ETIMEDOUT
   *   (`timeoutMs`, `queueTimeoutMs`, `responseTimeoutMs`, `headTimeoutMs`, `minBodyBytesPerSecond`), ECONNABORTED, EBADMSG,
   *   EMSGSIZE, ECANCELED (`signal`, `stop`). TypeError, RangeError for what cannot be sent.
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
    const { host, url: parts } = target;
    const { isSecure, [$cookies]: cookies } = this;
    const cookie = cookies === null ? '' : cookies.headerFor({ host, path: parts.pathname, isSecure }, options);
    const request = new PendingRequest(this, context, options, target.path, target.authority, cookie);
    request.watch();
    if (!request.isOver) pool.dispatch(request, target, options.serverName);
    return request.done;
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
