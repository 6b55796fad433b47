import { securityMaker } from '../connection/security.ts';
import type { StreamConnection } from '../connection/stream-connection.ts';
import type { ComplexSocketProperties } from '../core/complex-socket.ts';
import { $connectionOf, $makeFace, $reportHookError, $wheel } from '../core/internals.ts';
import type { ConnId } from '../core/listener.ts';
import { HttpContext } from '../http/context.ts';
import { HttpUpgradeType, HttpVersion } from '../http/enums.ts';
import { withHooks } from '../http/http-model.ts';
import { llhttp } from '../http/llhttp/llhttp.ts';
import { httpRules } from '../http/policy.ts';
import { HttpServerProtocol } from '../http/server-protocol.ts';
import { HttpRequest, type RequestSettings } from '../http/server-request.ts';
import { defaultLimits, httpCounters } from '../http/settings.ts';
import { sharedMemory } from '../memory/read-memory.ts';
import type { Port } from '../protocol/protocol.ts';
import { StreamServer, type StreamServerProperties } from '../server/stream-server.ts';
import { type SslServerProperties, sslServerProperties } from '../ssl/properties.ts';
import { addMembers, SecureServerMethods } from '../ssl/secure-methods.ts';
import { serverTls } from '../ssl/security.ts';
import type { StreamProperties } from '../stream/stream-properties.ts';
import { ServerUpgrade } from './server-upgrade.ts';
import { WebSocketConnection } from './websocket-connection.ts';
import type { AnyWebSocketHooks, WebSocketRequest, WebSocketServerHooks } from './websocket-listener.ts';
import { addWebSocketMembers, WebSocketMethods } from './websocket-methods.ts';
import {
  type TopicProperties,
  topicProperties,
  type WebSocketProperties,
  type WebSocketServerProperties,
  webSocketProperties,
  webSocketServerProperties,
} from './websocket-properties.ts';
import { WebSocketProtocol } from './websocket-protocol.ts';
import { beginRun, runOf, type WebSocketComponent, WebSocketRun } from './websocket-run.ts';

/** Options of a WebSocket server: any of its properties. */
export type WebSocketServerOptions = Partial<
  ComplexSocketProperties &
    StreamProperties &
    StreamServerProperties &
    WebSocketProperties &
    WebSocketServerProperties &
    TopicProperties
>;

/** HTTP of a connection that is to become a WebSocket. */
class UpgradingProtocol extends HttpServerProtocol {
  #upgrade: ServerUpgrade;

  constructor(context: HttpContext, port: Port, upgrade: ServerUpgrade) {
    super(context, port);
    this.#upgrade = upgrade;
  }

  override closed(): void {
    super.closed();
    this.#upgrade.forgetVerdict(this.port.id);
  }
}

const serverModel = withHooks(
  ({ settings, component: owner, listener: user }) => {
    const listener = user as AnyWebSocketHooks;
    llhttp(); // is compiled here, and not when the first request comes
    const component = owner as WebSocketComponent;
    const { subProtocols, allowedOrigins, handshakeTimeoutMs } = settings as unknown as WebSocketServerProperties &
      WebSocketProperties;
    const run = new WebSocketRun(component, listener, true, true);
    const { onUpgradeRequest } = listener;
    const reportHookError = (hook: string, error: unknown, connId: ConnId): void =>
      component[$reportHookError](listener, hook, error, connId, false);
    const upgrade = new ServerUpgrade({
      subProtocols,
      allowedOrigins,
      compression: run.compression,
      decide:
        onUpgradeRequest === undefined
          ? null
          : (connId, request) => onUpgradeRequest.call(listener, component, connId, request),
      hasPath: null,
      reportHookError,
    });
    run.upgrade = upgrade;
    const { onRequest } = listener;
    const requests: RequestSettings | null =
      onRequest === undefined
        ? null
        : {
            handle: (request) => onRequest.call(listener, component, request.connId, request),
            streamsBody: false,
            hook: 'onRequest',
          };
    beginRun(component, run);
    const find = (connId: ConnId): HttpServerProtocol =>
      component[$connectionOf](connId)!.protocol as HttpServerProtocol;
    const context = new HttpContext({
      owner: component,
      listener: {
        onHeadersComplete: (_sender, connId) => {
          const protocol = find(connId);
          // What asks for no WebSocket is answered by onRequest, or, without that, told what this server is for.
          if (requests !== null && protocol.head?.isUpgrade !== true) return undefined;
          return upgrade.headComplete(protocol, connId);
        },
        onMessageComplete: (_sender, connId) => void upgrade.messageComplete(find(connId), connId),
      },
      clock: component[$wheel].clock,
      pool: sharedMemory().slabs,
      limits: { ...defaultLimits, headTimeoutMs: handshakeTimeoutMs, keepAliveTimeoutMs: handshakeTimeoutMs },
      rules: httpRules('strict'),
      counters: httpCounters(),
      autoStart: true,
      localVersion: HttpVersion.V1_1,
      consume:
        requests === null
          ? null
          : (http, head) =>
              upgrade.hasVerdict(http.port.id) ? null : HttpRequest.take(http as HttpServerProtocol, head, requests),
      upgradeTo: (http, type) => {
        if (type !== HttpUpgradeType.WebSocket) return null;
        const { port } = http;
        const agreement = upgrade.upgrade(http as HttpServerProtocol, port.id);
        if (agreement === null) return null;
        const deflate = agreement.deflate === null ? null : run.compression!.open(agreement.deflate, true);
        return new WebSocketProtocol(run.context, port, agreement.protocol, deflate);
      },
      reportHookError,
    });
    return (port) => new UpgradingProtocol(context, port, upgrade);
  },
  ['onOpen', 'onMessage', 'onPing', 'onPong', 'onWSClose', 'onUpgradeRequest', 'onRequest'],
);

/**
 * A server of WebSockets with whole messages (HPSocket.Net's `WebSocketServer`, on HP-Socket's `HttpServer`).
 *
 * ```ts
 * const chat = new WebSocketServer({
 *   onOpen(server, connId) { server.subscribe(connId, 'chat'); },
 *   onMessage(server, connId, data, isBinary) { server.publish('chat', data.toString(), { except: connId }); },
 * });
 * const { port } = await chat.start('0.0.0.0', 8080);
 * ```
 */
export class WebSocketServer<Extra = unknown> extends StreamServer<Extra> {
  constructor(listener: WebSocketServerHooks<WebSocketServer<Extra>>, options?: WebSocketServerOptions) {
    super(listener, options, serverModel);
  }

  /** One WebSocket, with all that can be done with it; null for an unknown ID. */
  override connection(connId: ConnId): WebSocketConnection<Extra> | null {
    return super.connection(connId) as WebSocketConnection<Extra> | null;
  }

  /** @internal */
  override [$makeFace](connection: StreamConnection): WebSocketConnection<Extra> {
    return new WebSocketConnection(this, connection);
  }

  /** The request that opened a WebSocket: path, query, headers (WSS-015); null for an unknown ID. Also inside `onWSClose`. */
  getRequest(connId: ConnId): WebSocketRequest | null {
    return runOf(this)?.upgrade?.requestOf(connId) ?? null;
  }
}

export interface WebSocketServer<Extra = unknown>
  extends WebSocketMethods,
    WebSocketProperties,
    WebSocketServerProperties,
    TopicProperties {}

addWebSocketMembers([WebSocketServer], WebSocketMethods, {
  ...webSocketProperties,
  ...webSocketServerProperties,
  ...topicProperties,
});

/** Options of a WebSocket server over TLS: any of its properties. */
export type SslWebSocketServerOptions = WebSocketServerOptions & Partial<SslServerProperties>;

/** A server of WebSockets over TLS (`wss:`): everything of `WebSocketServer`, over TLS. */
export class SslWebSocketServer<Extra = unknown> extends WebSocketServer<Extra> {
  /** @internal */
  static override readonly [securityMaker] = serverTls;

  constructor(listener: WebSocketServerHooks<SslWebSocketServer<Extra>>, options?: SslWebSocketServerOptions) {
    super(listener as WebSocketServerHooks<WebSocketServer<Extra>>, options);
  }
}

export interface SslWebSocketServer<Extra = unknown> extends SecureServerMethods, SslServerProperties {}
addMembers([SslWebSocketServer], SecureServerMethods, sslServerProperties);
