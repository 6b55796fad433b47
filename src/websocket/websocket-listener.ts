import type { AgentHooks, ClientHooks, ConnId, HookResult, ServerHooks } from '../core/listener.ts';
import type { HttpHeaders } from '../http/header-list.ts';
import type { HttpRequest } from '../http/server-request.ts';
import type { HeaderList } from './handshake.ts';
import type { WebSocketMessageStream } from './message-stream.ts';

/** What a peer that asks for a WebSocket sent with its request. */
export interface WebSocketRequest {
  /** Path of the target, without the query: `/chat`. */
  readonly path: string;
  /** What follows the `?`, '' without. */
  readonly query: string;
  /** Sub-protocols that the client offers, the one that it likes best first. */
  readonly subProtocols: readonly string[];
  /** The `Origin` header; undefined without one: the peer is no page of a browser. */
  readonly origin: string | undefined;
  /** First value of a header, whatever the case; undefined without one. */
  header(name: string): string | undefined;
  /** All headers in order of arrival. */
  headers(): [name: string, value: string][];
}

/** Takes a WebSocket, with what the answer is to say. */
export interface UpgradeAcceptance {
  /** One of those that the client offers, or '' for none; left out, the first of `subProtocols` that it offers. */
  subProtocol?: string | undefined;
  /** Headers for the answer 101, `Set-Cookie` for example. */
  headers?: HttpHeaders | undefined;
}

/** Refuses a WebSocket with an HTTP answer. */
export interface UpgradeDenial {
  /** 300 to 599. */
  status: number;
  /** Header fields of the answer. */
  headers?: HttpHeaders | undefined;
  /** Body of the answer. */
  body?: string | undefined;
}

/** What `onUpgradeRequest` may return; nothing and true accept, false refuses with 403. */
export type UpgradeDecision = UpgradeAcceptance | UpgradeDenial | boolean | undefined | void;

/** Hooks about messages, of every WebSocket component. */
export interface WebSocketHooksOf<S> {
  /** The WebSocket is open: its handshake is done (WSS-006, WSA-004). Error closes the connection. */
  onOpen?(sender: S, connId: ConnId): HookResult;
  /**
   * A whole message. Text is a `Buffer` of valid UTF-8, or a string with `textAsString`; bytes are the listener's own for ever. While
   * a promise is pending, nothing more is read from the connection. Error ends it.
   */
  onMessage?(sender: S, connId: ConnId, data: Buffer | string, isBinary: boolean): HookResult;
  /**
   * A message of more than `streamMessageBytes`, as it arrives, instead of `onMessage`: `for await (const piece of stream)`, read no faster
   * than you take it. The next message waits until a promise that this returns is settled; what it has not taken by then is
   * dropped. A compressed message is inflated as it arrives, no faster than you take it. Error ends the connection.
   */
  onMessageStream?(sender: S, connId: ConnId, stream: WebSocketMessageStream, isBinary: boolean): HookResult;
  /** A ping, which is answered (WSS-005, WSS-011). */
  onPing?(sender: S, connId: ConnId, data: Buffer): HookResult;
  /** A pong arrived, with what the ping carried. */
  onPong?(sender: S, connId: ConnId, data: Buffer): HookResult;
  /**
   * A WebSocket that was open is over, just before `onClose`: the close code of the peer, 1005 if it sent none, 1006 if the
   * connection was lost; or the code with which this end failed it. `wasClean`: close frames went both ways.
   */
  onWSClose?(sender: S, connId: ConnId, code: number, reason: string, wasClean: boolean): HookResult;
}

/** Hooks of a WebSocket server. */
export interface WebSocketServerHooks<S> extends Omit<ServerHooks<S, Buffer>, 'onReceive'>, WebSocketHooksOf<S> {
  /**
   * A client asks for a WebSocket, and its request is as it should be: takes it or refuses it, at once or by a promise. Without this
   * hook each is taken. A hook that throws, or answers Error, refuses with 500.
   */
  onUpgradeRequest?(
    sender: S,
    connId: ConnId,
    request: WebSocketRequest,
  ): UpgradeDecision | PromiseLike<UpgradeDecision>;
  /** A request that asks for no WebSocket, as of `HttpServer`: one port serves both. Without this hook it is answered with 426. */
  onRequest?(sender: S, connId: ConnId, request: HttpRequest): HookResult;
}

/** Names of the hooks of a hub. */
export const HUB_HOOKS: readonly string[] = [
  'onOpen',
  'onMessage',
  'onMessageStream',
  'onPing',
  'onPong',
  'onWSClose',
  'onUpgradeRequest',
];

/** Hooks of the WebSockets of one path. */
export interface WebSocketHubHooks<S> extends WebSocketHooksOf<S> {
  /** A client asks for a WebSocket at this path. Without this hook that of the server is asked. */
  onUpgradeRequest?(
    sender: S,
    connId: ConnId,
    request: WebSocketRequest,
  ): UpgradeDecision | PromiseLike<UpgradeDecision>;
}

/** Hooks of a WebSocket agent. */
export interface WebSocketAgentHooks<S> extends Omit<AgentHooks<S, Buffer>, 'onReceive'>, WebSocketHooksOf<S> {}

/** Hooks of a WebSocket client. */
export interface WebSocketClientHooks<S> extends Omit<ClientHooks<S, Buffer>, 'onReceive'>, WebSocketHooksOf<S> {
  /**
   * The client is about to connect again (`reconnect`), for the `attempt`-th time since it was open: may change where to, and with
   * what. Error gives up; one that throws fails the attempt, and `onHookError` is called.
   */
  onReconnect?(sender: S, attempt: number, target: { url: string; headers: HeaderList }): HookResult;
}

/** The hooks as the components call them. */
export interface AnyWebSocketHooks extends WebSocketHooksOf<unknown> {
  onUpgradeRequest?(sender: unknown, connId: ConnId, request: WebSocketRequest): unknown;
  onRequest?(sender: unknown, connId: ConnId, request: HttpRequest): unknown;
}
