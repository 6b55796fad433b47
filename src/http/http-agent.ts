import { StreamAgent } from '../agent/stream-agent.ts';
import type { TcpAgentOptions } from '../agent/tcp-agent.ts';
import type { StreamConnection } from '../connection/stream-connection.ts';
import { $connectionOf, $context, $cookieFor } from '../core/internals.ts';
import type { AgentHooks, ConnId } from '../core/listener.ts';
import { defineProperties, type OptionsOf } from '../core/properties.ts';
import { addMethods } from './add-methods.ts';
import { checkRequest, type HttpRequestInit, requestOn } from './client-request.ts';
import type { HttpResponse } from './client-response.ts';
import { ComplexHttpMethods } from './complex-http.ts';
import type { HttpContext } from './context.ts';
import { requesterModel } from './http-client.ts';
import { type HttpProperties, httpProperties } from './http-properties.ts';
import type { HttpHooks } from './listener.ts';
import { ComplexRequesterMethods, hostOf } from './requester.ts';
import { type HttpCounters, httpCounters } from './settings.ts';

/** Options of every HTTP agent: any of its properties. */
export type HttpAgentOptions = TcpAgentOptions & OptionsOf<HttpProperties>;

/** Hooks of an HTTP agent: those of a TCP agent, and those about messages. */
export interface HttpAgentHooks<S> extends AgentHooks<S, Buffer>, HttpHooks<S> {}

const model = requesterModel();

/**
 * An HTTP agent (HP-Socket's `HttpAgent`): many connections to any servers, by HP-Socket's hooks or by whole messages.
 *
 * ```ts
 * const agent = new HttpAgent({});
 * await agent.start();
 * const connId = await agent.connect('127.0.0.1', 8080);
 * const response = await agent.request(connId, { path: '/hello' });
 * ```
 */
export class HttpAgent<Extra = unknown> extends StreamAgent<Extra> {
  /** What the connections of this run share. @internal */
  [$context]: HttpContext | null = null;

  constructor(listener: HttpAgentHooks<HttpAgent<Extra>>, options?: HttpAgentOptions) {
    super(listener, options, model);
  }

  /**
   * Sends a request on one connection when those before it are answered, and collects its answer, up to `maxBodyBytes`. The hooks
   * about the answer fire as well.
   * @returns The first answer that is not interim, whatever its status.
   * @throws SocketError: IllegalState (EPERM, no such connection), DataSend with ECONNABORTED (the connection closed before the
   *   answer was complete), EBADMSG (it was not understood), EMSGSIZE (longer than `maxBodyBytes`), ETIMEDOUT, ECANCELED
   *   (`signal`). TypeError, RangeError for what cannot be sent.
   */
  async request(connId: ConnId, init: HttpRequestInit = {}): Promise<HttpResponse> {
    checkRequest('request', init);
    const connection = this[$connectionOf](connId);
    const host = connection === undefined ? '' : hostOf(connection, this.isSecure);
    const cookie = connection === undefined ? '' : this[$cookieFor](connection, init.path ?? '/');
    return requestOn(this, connection, init, host, cookie);
  }

  /** What HTTP did in this run, and how often its limits struck. */
  httpStats(): HttpCounters {
    return { ...(this[$context]?.counters ?? httpCounters()) };
  }

  /** @internal */
  [$cookieFor](_connection: StreamConnection, _path: string): string {
    return '';
  }
}

export interface HttpAgent<Extra = unknown>
  extends ComplexRequesterMethods,
    Omit<ComplexHttpMethods, keyof ComplexRequesterMethods>,
    HttpProperties {}
defineProperties(HttpAgent.prototype, httpProperties);
addMethods([HttpAgent], ComplexRequesterMethods);
addMethods([HttpAgent], ComplexHttpMethods);
