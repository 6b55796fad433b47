import type { Duplex } from 'node:stream';
import { StreamAgent, type StreamAgentProperties } from '../agent/stream-agent.ts';
import { securityMaker } from '../connection/security.ts';
import type { StreamConnection } from '../connection/stream-connection.ts';
import type { ComplexSocketProperties } from '../core/complex-socket.ts';
import type { Component } from '../core/component.ts';
import { $aborted, $makeFace, $takePending } from '../core/internals.ts';
import type { ConnId } from '../core/listener.ts';
import { checkOptions, type OptionRule } from '../core/option-names.ts';
import type { HttpHeaders } from '../http/header-list.ts';
import { withHooks } from '../http/http-model.ts';
import type { ProxyOption } from '../protocol/preambles/proxy-url.ts';
import type { SslClientContext } from '../ssl/options.ts';
import { type SslComplexProperties, sslComplexProperties } from '../ssl/properties.ts';
import { addMembers, SecureComplexMethods } from '../ssl/secure-methods.ts';
import { clientTls } from '../ssl/security.ts';
import type { ProxyHeaderOption } from '../stream/proxying.ts';
import type { StreamProperties } from '../stream/stream-properties.ts';
import { targetOf } from './client-handshake.ts';
import { ClientRun, PendingOpen } from './client-run.ts';
import { SecureWebSocketConnection } from './secure-websocket-connection.ts';
import { WebSocketConnection } from './websocket-connection.ts';
import type { AnyWebSocketHooks, WebSocketAgentHooks } from './websocket-listener.ts';
import { addWebSocketMembers, WebSocketMethods } from './websocket-methods.ts';
import {
  type TopicProperties,
  topicProperties,
  type WebSocketProperties,
  webSocketProperties,
} from './websocket-properties.ts';
import type { WebSocketComponent } from './websocket-run.ts';

/** How a WebSocket is opened. */
export interface WebSocketOpenOptions {
  /** Sub-protocols to offer, the one liked best first. If there are any, the server has to choose one. */
  subProtocols?: readonly string[] | undefined;
  /** Headers for the request: `Origin`, `Cookie`, `Authorization`, ... */
  headers?: HttpHeaders | undefined;
  /** A connection that is there already to speak over, a `net.Socket` or another `Duplex`, instead of making one. */
  socket?: Duplex | undefined;
  /** Own IP address to connect from. */
  localAddress?: string | undefined;
  /** Own port to connect from, 1 to 65535; 0, the default, lets the system choose. */
  localPort?: number | undefined;
  /** Over TLS: name for SNI and for the check of the certificate, instead of the URL's host. */
  serverName?: string | undefined;
  /** Aborting cancels opening, or closes the connection. */
  signal?: AbortSignal | undefined;
  /** Proxies of this connection; null for none. Default: the component's. */
  proxy?: ProxyOption | undefined;
  /** PROXY header of this connection; null for none. Default: the component's. */
  proxyHeader?: ProxyHeaderOption | undefined;
}

export const openRules = {
  subProtocols: true,
  headers: true,
  socket: true,
  localAddress: true,
  localPort: true,
  serverName: true,
  signal: true,
  proxy: true,
  proxyHeader: true,
} satisfies Record<keyof WebSocketOpenOptions, OptionRule>;

/** Checks what `open` was given. @throws TypeError for a URL of the wrong scheme, and as `targetOf`. */
export function pendingOpen(url: string | URL, options: WebSocketOpenOptions, isSecure: boolean): PendingOpen {
  const target = targetOf(url, options.subProtocols ?? [], options.headers ?? []);
  if (target.isSecure !== isSecure) {
    throw new TypeError(
      isSecure ? 'a TLS component opens wss: URLs' : 'a plain component opens ws: URLs; use the Ssl one',
    );
  }
  return new PendingOpen(target);
}

/** Waits for a WebSocket whose connection is there. @throws SocketError: ECANCELED if its signal was aborted, else why not. */
export async function openedOn(
  component: Component,
  pending: PendingOpen,
  signal: AbortSignal | undefined,
): Promise<void> {
  try {
    await pending.done;
  } catch (error) {
    throw signal?.aborted === true ? component[$aborted]('open', signal) : error;
  }
}

/** Options of a WebSocket agent: any of its properties. */
export type WebSocketAgentOptions = Partial<
  ComplexSocketProperties & StreamProperties & StreamAgentProperties & WebSocketProperties & TopicProperties
>;

const agentModel = withHooks(
  ({ component, listener }) => {
    const agent = component as WebSocketAgent;
    const run = new ClientRun(component as WebSocketComponent, listener as AnyWebSocketHooks, true);
    return (port) => run.open(port, agent[$takePending]());
  },
  ['onOpen', 'onMessage', 'onMessageStream', 'onPing', 'onPong', 'onWSClose'],
);

/**
 * Many WebSockets to any servers in one object (HPSocket.Net's `WebSocketAgent`, which knows one URL).
 *
 * ```ts
 * const agent = new WebSocketAgent({ onMessage(agent, connId, data) { console.log(connId, data.toString()); } });
 * await agent.start();
 * const connId = await agent.open('ws://127.0.0.1:8080/chat');
 * agent.send(connId, 'hello');
 * ```
 */
export class WebSocketAgent<Extra = unknown> extends StreamAgent<Extra> {
  #pending: PendingOpen | null = null;

  constructor(listener: WebSocketAgentHooks<WebSocketAgent<Extra>>, options?: WebSocketAgentOptions) {
    super(listener, options, agentModel);
  }

  /** One WebSocket, with all that can be done with it; null for an unknown ID. */
  override connection(connId: ConnId): WebSocketConnection<Extra> | null {
    return super.connection(connId) as WebSocketConnection<Extra> | null;
  }

  /** @internal */
  override [$makeFace](connection: StreamConnection): WebSocketConnection<Extra> {
    return new WebSocketConnection(this, connection);
  }

  /**
   * Opens a WebSocket (WSA-002): connects, and asks for it.
   * @param url `ws://host:port/path`, or `wss://...` for `SslWebSocketAgent`.
   * @returns The ID of the connection, when the WebSocket is open and `onOpen` was called.
   * @throws TypeError for URLs and options that make no sense; SocketError as `connect`, or EPROTO if the server refuses or
   *   answers wrongly, ETIMEDOUT after `handshakeTimeoutMs`.
   */
  async open(url: string | URL, options: WebSocketOpenOptions = {}): Promise<ConnId> {
    checkOptions('open', options, openRules);
    const pending = pendingOpen(url, options, this.isSecure);
    const { subProtocols: _s, headers: _h, ...rest } = options;
    this.#pending = pending;
    // The connection is made, and its protocol with it, before this call returns its promise.
    const connected = this.connect({ ...rest, host: pending.target.host, port: pending.target.port });
    this.#pending = null;
    const connId = await connected;
    await openedOn(this, pending, options.signal);
    return connId;
  }

  /** The handshake of the connection that is being made; `connect` without `open` asks for `/`. @internal */
  [$takePending](): PendingOpen {
    const pending = this.#pending ?? new PendingOpen(targetOf('ws://localhost/', [], []));
    this.#pending = null;
    return pending;
  }
}

export interface WebSocketAgent<Extra = unknown> extends WebSocketMethods, WebSocketProperties, TopicProperties {}
addWebSocketMembers([WebSocketAgent], [WebSocketMethods], { ...webSocketProperties, ...topicProperties });

/** Options of a WebSocket agent over TLS: any of its properties, and its TLS. */
export type SslWebSocketAgentOptions = WebSocketAgentOptions & Partial<SslComplexProperties> & SslClientContext;

/** `WebSocketAgent` over TLS: opens `wss:` URLs. */
export class SslWebSocketAgent<Extra = unknown> extends WebSocketAgent<Extra> {
  /** @internal */
  static override readonly [securityMaker] = clientTls;

  constructor(listener: WebSocketAgentHooks<SslWebSocketAgent<Extra>>, options?: SslWebSocketAgentOptions) {
    super(listener as WebSocketAgentHooks<WebSocketAgent<Extra>>, options);
  }

  /** @internal */
  override [$makeFace](connection: StreamConnection): SecureWebSocketConnection<Extra> {
    return new SecureWebSocketConnection(this, connection);
  }
}

export interface SslWebSocketAgent<Extra = unknown> extends SecureComplexMethods, SslComplexProperties {
  /** One connection, with its TLS; null for an unknown ID. Inside `onClose` it is still there. */
  connection(connId: ConnId): SecureWebSocketConnection<Extra> | null;
}
addMembers([SslWebSocketAgent], SecureComplexMethods, sslComplexProperties);
