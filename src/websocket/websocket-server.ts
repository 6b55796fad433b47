import { securityMaker } from '../connection/security.ts';
import type { StreamConnection } from '../connection/stream-connection.ts';
import type { ComplexSocketProperties } from '../core/complex-socket.ts';
import { $connectionOf, $makeFace, $reportHookError, $wheel } from '../core/internals.ts';
import type { ConnId } from '../core/listener.ts';
import { HttpContext } from '../http/context.ts';
import { HttpVersion } from '../http/enums.ts';
import { withHooks } from '../http/http-model.ts';
import { llhttp } from '../http/llhttp/llhttp.ts';
import { plainHttpAnswer } from '../http/plain-http.ts';
import { httpRules } from '../http/policy.ts';
import { sendBounds } from '../http/send-room.ts';
import { HttpRequest, type RequestSettings } from '../http/server-request.ts';
import { defaultLimits, httpCounters } from '../http/settings.ts';
import { UpgradingProtocol } from '../http/upgrading-protocol.ts';
import { sharedMemory } from '../memory/read-memory.ts';
import { StreamServer, type StreamServerProperties } from '../server/stream-server.ts';
import { type SslServerProperties, sslServerProperties } from '../ssl/properties.ts';
import { addMembers, SecureServerMethods } from '../ssl/secure-methods.ts';
import { httpServerTls } from '../ssl/security.ts';
import type { StreamProperties } from '../stream/stream-properties.ts';
import { SecureWebSocketConnection } from './secure-websocket-connection.ts';
import { ServedWebSockets, type ServingSettings } from './serving.ts';
import { WebSocketConnection } from './websocket-connection.ts';
import { HubMethods, hubsOf } from './websocket-hub.ts';
import type { AnyWebSocketHooks, WebSocketServerHooks } from './websocket-listener.ts';
import { addWebSocketMembers, WebSocketMethods } from './websocket-methods.ts';
import {
  type TopicProperties,
  topicProperties,
  type WebSocketProperties,
  type WebSocketServerProperties,
  webSocketProperties,
  webSocketServerProperties,
} from './websocket-properties.ts';
import type { WebSocketComponent } from './websocket-run.ts';

/** Options of a WebSocket server: any of its properties. */
export type WebSocketServerOptions = Partial<
  ComplexSocketProperties &
    StreamProperties &
    StreamServerProperties &
    WebSocketProperties &
    WebSocketServerProperties &
    TopicProperties
>;

const serverModel = withHooks(
  ({ settings, component: owner, listener: user }) => {
    const listener = user as AnyWebSocketHooks;
    llhttp(); // is compiled here, and not when the first request comes
    const component = owner as WebSocketComponent;
    const { handshakeTimeoutMs } = settings as unknown as ServingSettings;
    const webSockets = new ServedWebSockets({
      component,
      listener: user,
      hooks: listener,
      settings: settings as unknown as ServingSettings,
      hubs: hubsOf(owner),
      asksFetch: false,
    });
    const { upgrade } = webSockets;
    const { onRequest } = listener;
    const requests: RequestSettings | null =
      onRequest === undefined
        ? null
        : {
            handle: (request) => onRequest.call(listener, component, request.connId, request),
            streamsBody: false,
            hook: 'onRequest',
          };
    const find = (connId: ConnId): UpgradingProtocol => component[$connectionOf](connId)!.protocol as UpgradingProtocol;
    const context = new HttpContext({
      owner: component,
      listener: {
        onHeadersComplete: (_sender, connId) => {
          const protocol = find(connId);
          // What asks for no WebSocket is answered by onRequest, or, without that, told what this server is for.
          if (requests !== null && protocol.head?.isUpgrade !== true) return undefined;
          const wait = protocol.whenAnswered();
          if (wait === undefined) return upgrade.headComplete(protocol);
          return wait.then(() => upgrade.headComplete(protocol));
        },
        onMessageComplete: (_sender, connId) => void upgrade.messageComplete(find(connId)),
      },
      clock: component[$wheel].clock,
      pool: sharedMemory().slabs,
      limits: { ...defaultLimits, headTimeoutMs: handshakeTimeoutMs, keepAliveTimeoutMs: handshakeTimeoutMs },
      rules: httpRules('strict'),
      counters: httpCounters(),
      autoStart: true,
      localVersion: HttpVersion.V1_1,
      bounds: sendBounds((settings as unknown as { maxPendingBytes: number }).maxPendingBytes),
      consume:
        requests === null
          ? null
          : (http, head) =>
              (http as UpgradingProtocol).verdict === null
                ? HttpRequest.take(http as UpgradingProtocol, head, requests)
                : null,
      upgradeTo: (http, type) => webSockets.upgradeTo(http as UpgradingProtocol, type),
      reportHookError: (hook, error, connId) => component[$reportHookError](listener, hook, error, connId, false),
    });
    return (port) => new UpgradingProtocol(context, port);
  },
  ['onOpen', 'onMessage', 'onMessageStream', 'onPing', 'onPong', 'onWSClose', 'onUpgradeRequest', 'onRequest'],
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
}

export interface WebSocketServer<Extra = unknown>
  extends WebSocketMethods,
    HubMethods,
    WebSocketProperties,
    WebSocketServerProperties,
    TopicProperties {}

addWebSocketMembers([WebSocketServer], [WebSocketMethods, HubMethods], {
  ...webSocketProperties,
  ...webSocketServerProperties,
  ...topicProperties,
});

/** Options of a WebSocket server over TLS: any of its properties. */
export type SslWebSocketServerOptions = WebSocketServerOptions & Partial<SslServerProperties>;

/**
 * A server of WebSockets over TLS (`wss:`): everything of `WebSocketServer`, over TLS. A client that speaks HTTP in clear text is
 * told so, in clear text, with 400.
 */
export class SslWebSocketServer<Extra = unknown> extends WebSocketServer<Extra> {
  /** @internal */
  static override readonly [securityMaker] = httpServerTls(() => plainHttpAnswer);

  constructor(listener: WebSocketServerHooks<SslWebSocketServer<Extra>>, options?: SslWebSocketServerOptions) {
    super(listener as WebSocketServerHooks<WebSocketServer<Extra>>, options);
  }

  /** @internal */
  override [$makeFace](connection: StreamConnection): SecureWebSocketConnection<Extra> {
    return new SecureWebSocketConnection(this, connection);
  }
}

export interface SslWebSocketServer<Extra = unknown> extends SecureServerMethods, SslServerProperties {
  /** One connection, with its TLS; null for an unknown ID. Inside `onClose` it is still there. */
  connection(connId: ConnId): SecureWebSocketConnection<Extra> | null;
}
addMembers([SslWebSocketServer], SecureServerMethods, sslServerProperties);
