import { StreamClient } from '../client/stream-client.ts';
import type { TcpClientOptions } from '../client/tcp-client.ts';
import type { StreamConnection } from '../connection/stream-connection.ts';
import { addMethods } from '../core/add-methods.ts';
import { $context, $cookieFor, $cookies, $frameHooks, $link, $listener, $shownHead } from '../core/internals.ts';
import type { ClientHooks } from '../core/listener.ts';
import { defineProperties, type OptionsOf } from '../core/properties.ts';
import type { FrameHooks } from '../websocket/frame-protocol.ts';
import { requestOn } from './client-request.ts';
import type { HttpResponse, HttpStreamResponse } from './client-response.ts';
import type { HttpContext } from './context.ts';
import type { CookieManager, CookieQuery } from './cookies/cookie-manager.ts';
import { cookieProperties, type HttpCookieProperties } from './cookies/cookie-properties.ts';
import { type HttpProperties, httpProperties } from './http-properties.ts';
import type { HttpHooks, WSFrameHooks } from './listener.ts';
import type { MessageHead } from './message-head.ts';
import { checkRequest, type HttpRequestInit, type Streamed } from './request-options.ts';
import { hostOf } from './requester.ts';
import { cookieOn, requesterModel } from './requester-model.ts';
import { type HttpCounters, httpCounters } from './settings.ts';
import { SingleHttpMethods, singleProtocolOf } from './single-http.ts';

/** Options of every HTTP client: any of its properties. */
export type HttpClientOptions = TcpClientOptions & OptionsOf<HttpProperties & HttpCookieProperties>;

/** Hooks of an HTTP client: those of a TCP client, those about messages, and those about WebSocket frames. */
export interface HttpClientHooks<S> extends ClientHooks<S, Buffer>, HttpHooks<S>, WSFrameHooks<S> {}

const model = requesterModel();

/**
 * An HTTP client (HP-Socket's `HttpClient`): one connection, by HP-Socket's hooks, by whole messages (`request`), or both.
 *
 * ```ts
 * const client = new HttpClient({});
 * await client.start('127.0.0.1', 8080);
 * const response = await client.request({ path: '/hello' });
 * console.log(response.status, response.text());
 * await client.stop();
 * ```
 */
export class HttpClient<Extra = unknown> extends StreamClient<Extra> {
  /** What the connections of this run share. @internal */
  [$context]: HttpContext | null = null;
  /** @internal */
  [$cookies]: CookieManager | null = null;

  constructor(listener: HttpClientHooks<HttpClient<Extra>>, options?: HttpClientOptions) {
    super(listener, options, model);
  }

  /**
   * Sends a request when those before it are answered, and collects its answer, up to `maxBodyBytes`, or streams it
   * (`responseBody: 'stream'`). The hooks about the answer fire as well.
   * @returns The first answer that is not interim, whatever its status.
   * @throws SocketError: IllegalState (EPERM, not connected), DataSend with ECONNABORTED (the connection closed before the answer
   *   was complete), EBADMSG (it was not understood), EMSGSIZE (longer than `maxBodyBytes`), ETIMEDOUT, ECANCELED (`signal`).
   *   TypeError, RangeError for what cannot be sent.
   */
  request(init: HttpRequestInit & Streamed): Promise<HttpStreamResponse>;
  request(init?: HttpRequestInit): Promise<HttpResponse>;
  async request(init: HttpRequestInit = {}): Promise<HttpResponse | HttpStreamResponse> {
    checkRequest('request', init);
    const connection = this[$link] ?? undefined;
    const host = connection === undefined ? '' : hostOf(connection, this.isSecure);
    const cookie = connection === undefined ? '' : this[$cookieFor](connection, init.path ?? '/', init);
    return requestOn(this, connection, init, host, cookie);
  }

  /** What HTTP did in this run, and how often its limits struck. */
  httpStats(): HttpCounters {
    return { ...(this[$context]?.counters ?? httpCounters()) };
  }

  /** @internal */
  get [$shownHead](): MessageHead | null {
    return singleProtocolOf(this)?.head ?? null;
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

export interface HttpClient<Extra = unknown> extends SingleHttpMethods, HttpProperties, HttpCookieProperties {}
defineProperties(HttpClient.prototype, { ...httpProperties, ...cookieProperties });
addMethods([HttpClient], SingleHttpMethods);
