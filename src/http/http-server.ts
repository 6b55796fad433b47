import type { StreamConnection } from '../connection/stream-connection.ts';
import { watchAbort } from '../core/abort-watch.ts';
import { addMethods } from '../core/add-methods.ts';
import { checkListener } from '../core/check-listener.ts';
import { deadlineAfter } from '../core/delay.ts';
import { describe } from '../core/describe.ts';
import { SocketErrorCode } from '../core/enums.ts';
import { Errno } from '../core/errno.ts';
import {
  $acceptWebSocket,
  $connectionOf,
  $context,
  $listener,
  $makeFace,
  $refuse,
  $refuseFile,
  $reportHookError,
  $requestSettings,
  $unknownId,
  $webSockets,
  $wheel,
} from '../core/internals.ts';
import type { ConnId, HookResult, ServerHooks } from '../core/listener.ts';
import { checkOptions, type OptionRule } from '../core/option-names.ts';
import type { StopReport } from '../core/stats.ts';
import type { StopOptions } from '../core/stop-options.ts';
import { WheelTimer } from '../core/timer-wheel.ts';
import { type Sendable, toBytes } from '../memory/sendable.ts';
import { StreamServer } from '../server/stream-server.ts';
import type { TcpServerOptions } from '../server/tcp-server.ts';
import type { ProtocolModelInit } from '../stream/protocol-models.ts';
import { type FrameHooks, WebSocketFrameProtocol } from '../websocket/frame-protocol.ts';
import { FRAME_HOOKS, frameProtocols, sendFrameOn } from '../websocket/http-frames.ts';
import { ServedWebSockets } from '../websocket/serving.ts';
import type { Refusal } from '../websocket/upgrade-verdict.ts';
import { WebSocketConnection } from '../websocket/websocket-connection.ts';
import { HubMethods, hubsOf } from '../websocket/websocket-hub.ts';
import { type AnyWebSocketHooks, HUB_HOOKS } from '../websocket/websocket-listener.ts';
import { addWebSocketMembers, WebSocketMethods } from '../websocket/websocket-methods.ts';
import { servingSettings } from '../websocket/websocket-properties.ts';
import { webSocketOf } from '../websocket/websocket-run.ts';
import { ComplexHttpMethods, protocolOf, refuseHttp } from './complex-http.ts';
import type { HttpContext, HttpContextInit, HttpSpeaker } from './context.ts';
import { HttpUpgradeType, type HttpUrlField } from './enums.ts';
import { answerByFetch, type FetchHandler, type FetchUpgradeOptions } from './fetch/fetch-handler.ts';
import type { HttpHeaders } from './header-list.ts';
import { HTTP_HOOKS, httpContext, withHooks } from './http-model.ts';
import { type HttpServerProperties, httpServerProperties } from './http-properties.ts';
import type { HttpHooks, WSFrameHooks } from './listener.ts';
import { type FileOptions, type FileReport, sendFileOn } from './local-file.ts';
import type { MessageHead } from './message-head.ts';
import type { BodyBytes } from './message-writer.ts';
import { HttpServerProtocol } from './server-protocol.ts';
import { HttpRequest, type RequestSettings } from './server-request.ts';
import { type HttpCounters, httpCounters } from './settings.ts';
import { UpgradingProtocol } from './upgrading-protocol.ts';

/** Options of every HTTP server: any of its properties. */
export type HttpServerOptions = TcpServerOptions & Partial<HttpServerProperties<HttpServer>>;

/** Hooks of an HTTP server: those of a TCP server, those about messages, those about WebSocket frames, and whole requests. */
export interface HttpServerHooks<S> extends ServerHooks<S, Buffer>, HttpHooks<S>, WSFrameHooks<S> {
  /**
   * A request with its body (see `requestBody`). Answer it with `request.respond`, now or later; answers leave in the order of
   * the requests. What it throws, or its promise is rejected with, becomes 500 and goes to `onHookError`.
   */
  onRequest?(sender: S, connId: ConnId, request: HttpRequest): HookResult;
  /** A fetch handler, instead of `onRequest`: gets a `Request`, returns a `Response`. */
  fetch?: FetchHandler;
}

/** The protocol of a connection, if it is HTTP; undefined if not. */
function serverProtocolOf(component: object, connId: ConnId): HttpServerProtocol | undefined {
  const protocol = protocolOf(component, connId);
  return protocol instanceof HttpServerProtocol ? protocol : undefined;
}

const upgradeRules = {
  subProtocol: true,
  headers: true,
  hooks: true,
  extra: true,
} satisfies Record<keyof FetchUpgradeOptions, OptionRule>;

const model = withHooks(
  (init: ProtocolModelInit) => {
    const server = init.component as HttpServer;
    const settings = server[$requestSettings]();
    const listener = init.listener as HttpServerHooks<unknown>;
    const frames =
      listener.onUpgrade === undefined ? null : frameProtocols(server, listener as FrameHooks, true, server.wsPolicy);
    const framesOf: HttpContextInit['upgradeTo'] =
      frames === null ? null : ({ port }, type) => (type === HttpUpgradeType.WebSocket ? frames(port) : null);
    const take = (protocol: HttpSpeaker, head: MessageHead) =>
      HttpRequest.take(protocol as HttpServerProtocol, head, settings!);
    const { ws } = server;
    if (ws === null) {
      server[$webSockets] = null;
      const context = httpContext(init, { consume: settings === null ? null : take, upgradeTo: framesOf });
      server[$context] = context;
      return (port) => new HttpServerProtocol(context, port);
    }
    const hooks = ws === true ? {} : ws;
    const webSockets = new ServedWebSockets({
      component: server,
      listener: init.listener,
      hooks: hooks as AnyWebSocketHooks,
      settings: servingSettings(hooks),
      hubs: hubsOf(server),
      asksFetch: listener.fetch !== undefined,
    });
    server[$webSockets] = webSockets;
    const find = (connId: ConnId) => server[$connectionOf](connId)!.protocol as UpgradingProtocol;
    const context = httpContext(
      init,
      {
        consume:
          settings === null
            ? null
            : (protocol, head) => ((protocol as UpgradingProtocol).verdict === null ? take(protocol, head) : null),
        upgradeTo: (protocol, type) =>
          webSockets.upgradeTo(protocol as UpgradingProtocol, type) ?? framesOf?.(protocol, type) ?? null,
        takesOnlyWebSockets: true,
      },
      webSockets.hooksOver(listener, find),
    );
    server[$context] = context;
    return (port) => new UpgradingProtocol(context, port);
  },
  [...HTTP_HOOKS, 'onRequest', ...FRAME_HOOKS],
);

/**
 * An HTTP server (HP-Socket's `HttpServer`): by HP-Socket's hooks, by whole requests (`onRequest`), or both.
 *
 * ```ts
 * const server = new HttpServer({
 *   onRequest(server, connId, request) {
 *     request.respond({ headers: { 'Content-Type': 'text/plain' }, body: `Hello, ${request.path}` });
 *   },
 * });
 * const { port } = await server.start('127.0.0.1', 0);
 * ```
 */
export class HttpServer<Extra = unknown> extends StreamServer<Extra> {
  /** What the connections of this run share. @internal */
  [$context]: HttpContext | null = null;
  /** Its WebSockets in this run; null without the option `ws`. @internal */
  [$webSockets]: ServedWebSockets | null = null;
  #work = new Set<Promise<void>>();
  #released = new Map<ConnId, WheelTimer>();

  constructor(listener: HttpServerHooks<HttpServer<Extra>>, options?: HttpServerOptions) {
    super(listener, options, model);
  }

  /** One connection, with all that can be done with it; null for an unknown ID. */
  override connection(connId: ConnId): WebSocketConnection<Extra> | null {
    return super.connection(connId) as WebSocketConnection<Extra> | null;
  }

  /** @internal */
  override [$makeFace](connection: StreamConnection): WebSocketConnection<Extra> {
    return new WebSocketConnection(this, connection, true);
  }

  /**
   * Queues bytes as they are (`Send`, CS-002); on a connection that `ws` made a WebSocket of, a message: text if it is a string.
   * As `TcpServer.send` and `WebSocketServer.send`.
   */
  override send(connId: ConnId, data: Sendable, offset = 0, length?: number): boolean {
    const isWebSocket = this[$webSockets] !== null && webSocketOf(this[$connectionOf](connId)) !== null;
    return isWebSocket
      ? WebSocketMethods.prototype.send.call(this, connId, data, offset, length)
      : super.send(connId, data, offset, length);
  }

  /** Queues several pieces in a row (`SendPackets`, CS-003); on a WebSocket, as one message: text if all of them are strings. */
  override sendPackets(connId: ConnId, packets: readonly Sendable[]): boolean {
    const isWebSocket = this[$webSockets] !== null && webSocketOf(this[$connectionOf](connId)) !== null;
    return isWebSocket
      ? WebSocketMethods.prototype.sendPackets.call(this, connId, packets)
      : super.sendPackets(connId, packets);
  }

  /** How requests are taken as a whole; null if only hooks get them. @internal */
  [$requestSettings](): RequestSettings | null {
    const listener = this[$listener] as HttpServerHooks<this>;
    const { fetch } = listener;
    if (fetch !== undefined) {
      if (typeof fetch !== 'function') throw new TypeError(`fetch must be a function, not ${describe(fetch)}`);
      return { handle: (request) => answerByFetch(this, fetch, request), streamsBody: true, hook: 'fetch' };
    }
    if (listener.onRequest === undefined) return null;
    return {
      handle: (request) => listener.onRequest!(this, request.connId, request),
      streamsBody: this.requestBody === 'stream',
      hook: 'onRequest',
    };
  }

  /**
   * Sends one WebSocket frame, as it is given and never masked (`SendWSMessage`, HTTP-RS-001, WS-007 to WS-010).
   * @param reserved RSV1 to RSV3 as a number, RSV1 = 4.
   * @param bodyLength Length to announce, if more than `data` follows by `send`.
   * @returns false with `lastError`: EPERM (no WebSocket with frame hooks), EINVAL (`bodyLength` less than the data), ENOBUFS.
   */
  sendWSMessage(
    connId: ConnId,
    isFinal: boolean,
    reserved: number,
    opcode: number,
    data: Sendable = '',
    bodyLength = 0,
  ): boolean {
    const bytes = toBytes(data, 0, undefined);
    const frame = { isFinal, reserved, opcode, mask: null, data: bytes, bodyLength };
    return sendFrameOn(this, this[$connectionOf](connId)?.protocol, connId, frame);
  }

  /** What HTTP did in this run, and how often its limits struck. */
  httpStats(): HttpCounters {
    return { ...(this[$context]?.counters ?? httpCounters()) };
  }

  /**
   * Sends a response (`SendResponse`, HTTP-RS-002): the fields as given, `Content-Length` and `Connection` unless they are among
   * them, and the body, as one unit. With a `Content-Length` or `Transfer-Encoding` of yours and no body, that follows by
   * `send` or `sendChunkData` (RES-009).
   * @param statusText Reason phrase; null for HP-Socket's default.
   * @returns false with `lastError` as `send`.
   * @throws TypeError, RangeError for what cannot be sent: nothing is sent then.
   */
  sendResponse(
    connId: ConnId,
    statusCode: number,
    statusText: string | null = null,
    headers: HttpHeaders | null = null,
    body: BodyBytes = null,
  ): boolean {
    const protocol = serverProtocolOf(this, connId);
    if (protocol === undefined) return refuseHttp(this, 'sendResponse', connId);
    return protocol.sendResponse(statusCode, statusText, headers, body) || refuseHttp(this, 'sendResponse', connId);
  }

  /**
   * Answers with a file (`SendLocalFile`, HTTP-RS-003), streamed as the peer takes it. `Range`, `If-Range`, `If-None-Match` and
   * `If-Modified-Since` of the request are honoured; HEAD gets the head only.
   * @returns What was sent, or false with `lastError`: ENOENT and the like, EISDIR, EBADSLT, ECONNABORTED.
   */
  sendLocalFile(connId: ConnId, fileName: string | URL, options: FileOptions = {}): Promise<FileReport | false> {
    const protocol = serverProtocolOf(this, connId);
    if (protocol === undefined) return Promise.resolve(refuseHttp(this, 'sendLocalFile', connId));
    return sendFileOn(this, protocol, fileName, options);
  }

  /**
   * Closes a connection `releaseDelay` later, when everything is sent; a byte that arrives before closes it at once
   * (`Release`, HTTP-RS-004, REL-001 to REL-006, WS-014).
   * @returns false with `lastError`: EBADSLT (unknown ID), EPERM (the second time, and before `startHttp`).
   */
  release(connId: ConnId): boolean {
    const protocol = this[$connectionOf](connId)?.protocol;
    const isReleasable = protocol instanceof HttpServerProtocol || protocol instanceof WebSocketFrameProtocol;
    if (!isReleasable || !protocol.release()) {
      if (protocol === undefined) return this[$unknownId]('release', connId);
      const message = 'it is released already, or does not speak HTTP';
      return this[$refuse]('release', SocketErrorCode.IllegalState, Errno.EPERM, message, connId);
    }
    const expire = (): void => {
      const connection = this[$connectionOf](connId);
      if (connection === undefined) return void this.#released.delete(connId);
      if (connection.pendingBytes > 0)
        this[$wheel].arm(timer, this.releaseDelay); // REL-002
      else {
        this.#released.delete(connId);
        connection.disconnect();
      }
    };
    const timer = new WheelTimer(expire);
    this.#released.set(connId, timer);
    this[$wheel].arm(timer, this.releaseDelay);
    return true;
  }

  /** Value of `Host` (`GetHost`, HTTP-RS-005). */
  getHost(connId: ConnId): string | null {
    return protocolOf(this, connId)?.head?.get('host') ?? null;
  }

  /** Which parts the target has: bits `1 << HttpUrlField` (`GetUrlFieldSet`, HTTP-RS-008). */
  getUrlFieldSet(connId: ConnId): number {
    return protocolOf(this, connId)?.head?.url?.set ?? 0;
  }

  /** A part of the target, '' if it has none, null for an unknown field (`GetUrlField`, HTTP-RS-009). */
  getUrlField(connId: ConnId, field: HttpUrlField): string | null {
    const head = protocolOf(this, connId)?.head;
    if (head === null || head === undefined || !(field >= 0 && field < 7)) return null;
    return head.url?.fields[field] ?? '';
  }

  /** Method of the request, '' before there is one (`GetMethod`, HTTP-RS-010). */
  getMethod(connId: ConnId): string {
    return protocolOf(this, connId)?.head?.method ?? '';
  }

  /** @internal */
  [$acceptWebSocket](request: HttpRequest, options: FetchUpgradeOptions): Refusal | null {
    checkOptions('upgradeWebSocket', options, upgradeRules);
    const { hooks, extra, ...acceptance } = options;
    if (hooks !== undefined) checkListener(hooks, HUB_HOOKS);
    if (this[$webSockets] === null) {
      throw new TypeError('the server has no WebSockets: give serve the option websocket, or the server the option ws');
    }
    if (extra !== undefined) this.setConnectionExtra(request.connId, extra as Extra);
    return this[$webSockets].accept(request, acceptance, (hooks as AnyWebSocketHooks | undefined) ?? null);
  }

  /** Work that goes on behind an answer: a draining stop waits for it, as long as it may. */
  waitUntil(work: PromiseLike<unknown>): void {
    const done = Promise.resolve(work).then(
      () => void this.#work.delete(done),
      (thrown: unknown) => {
        this.#work.delete(done);
        this[$reportHookError](this[$listener], 'waitUntil', thrown, 0, false);
      },
    );
    this.#work.add(done);
  }

  /**
   * As for every server. With `drainTimeoutMs`, requests that were begun are answered, with `Connection: close`; idle connections
   * end at once; work of `waitUntil` is waited for.
   */
  override async stop(options: StopOptions = {}): Promise<StopReport> {
    for (const timer of this.#released.values()) this[$wheel].cancel(timer); // REL-006
    this.#released.clear();
    const { drainTimeoutMs = 0, signal } = options;
    const stopped = super.stop(options);
    if (drainTimeoutMs <= 0) return stopped;
    const isOver = timeoutOf(drainTimeoutMs, signal);
    try {
      const report = await stopped;
      // The last answers may have left more of it.
      while (this.#work.size > 0 && !isOver.signal.aborted)
        await Promise.race([Promise.all(this.#work), isOver.promise]);
      return report;
    } finally {
      isOver.clear();
    }
  }

  /** @internal */
  [$refuseFile](errno: number, message: string, connId: ConnId): false {
    return this[$refuse]('sendLocalFile', SocketErrorCode.DataSend, errno || Errno.EPERM, message, connId);
  }
}

export interface HttpServer<Extra = unknown>
  extends ComplexHttpMethods,
    HttpServerProperties<HttpServer>,
    WebSocketMethods,
    HubMethods {}
addWebSocketMembers([HttpServer], [WebSocketMethods, HubMethods], httpServerProperties);
addMethods([HttpServer], ComplexHttpMethods);

/** Fulfilled and aborted after `ms` milliseconds, or when `signal` is aborted. */
function timeoutOf(
  ms: number,
  signal: AbortSignal | undefined,
): { promise: Promise<void>; signal: AbortSignal; clear(): void } {
  const controller = new AbortController();
  const abort = (): void => controller.abort();
  const cancel = deadlineAfter(ms, abort);
  const watch = watchAbort(signal, abort);
  const promise = new Promise<void>((resolve) => controller.signal.addEventListener('abort', () => resolve()));
  return {
    promise,
    signal: controller.signal,
    clear() {
      cancel();
      watch.end();
    },
  };
}
