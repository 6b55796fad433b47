/** WebSockets of Hono apps that `serve` of `hp-socket/http` runs: `hp-socket/hono`. Needs `hono`, version 4. */
import type { Context } from 'hono';
import { createWSMessageEvent, defineWebSocketHelper, WSContext, type WSEvents, type WSReadyState } from 'hono/ws';
import { notifyHook } from './core/hooks.ts';
import type { ConnId } from './core/listener.ts';
import type { FetchInfo, FetchUpgradeOptions } from './http/fetch/fetch-handler.ts';
import type { HttpServer } from './http/http-server.ts';
import { WebSocketCloseEvent } from './websocket/web-socket.ts';
import type { WebSocketHooksOf } from './websocket/websocket-listener.ts';

/** What `ws.raw` of an event is: the server that the WebSocket belongs to, and its ID there. */
export interface HonoWebSocket {
  /** The server that it belongs to. */
  readonly server: HttpServer;
  /** ID of its connection. */
  readonly connId: ConnId;
}

/** Options of `upgradeWebSocket`: with what the request is answered. */
export type HonoUpgradeOptions = Pick<FetchUpgradeOptions, 'subProtocol' | 'headers' | 'extra'>;

/**
 * Hono's `upgradeWebSocket`, for apps that `serve` runs with the option `websocket`.
 *
 * ```ts
 * const app = new Hono();
 * app.get('/ws', upgradeWebSocket(() => ({ onMessage: (event, ws) => ws.send(`you said ${event.data}`) })));
 * await serve(app, { port: 8080, websocket: true });
 * ```
 *
 * What an event handler throws goes to `onError`, or, without that, closes the WebSocket as what a hook throws does. A request that
 * asks for no WebSocket goes on to the next handler. Text arrives as a string, bytes as an `ArrayBuffer`.
 * @throws TypeError if the app is not run by `serve` with the option `websocket`.
 */
export const upgradeWebSocket = defineWebSocketHelper<HonoWebSocket, HonoUpgradeOptions>((c, events, options) => {
  if (c.req.header('upgrade')?.toLowerCase() !== 'websocket') return undefined;
  const info = c.env as FetchInfo | undefined;
  if (typeof info?.upgradeWebSocket !== 'function') {
    throw new TypeError("upgradeWebSocket needs an app that serve of 'hp-socket/http' runs, with the option websocket");
  }
  return info.upgradeWebSocket({ ...options, hooks: hooksOf(c, events) });
});

const READY = { connecting: 0, open: 1, closing: 2, closed: 3 } as const satisfies Record<string, WSReadyState>;

/** The hooks of one WebSocket that call Hono's events. */
function hooksOf(c: Context, events: WSEvents<HonoWebSocket>): WebSocketHooksOf<HttpServer> {
  const { url } = c.req;
  let socket: WSContext<HonoWebSocket> | null = null;
  const socketOf = (server: HttpServer, connId: ConnId): WSContext<HonoWebSocket> => {
    socket ??= new WSContext<HonoWebSocket>({
      raw: { server, connId },
      url,
      protocol: server.getSubProtocol(connId) || null,
      get readyState() {
        if (server.isOpen(connId)) return READY.open;
        return server.isConnected(connId) ? READY.closing : READY.closed;
      },
      send(data) {
        const bytes = typeof data === 'string' || data instanceof Uint8Array ? data : new Uint8Array(data);
        // As a browser's WebSocket: what is sent when it is closing goes nowhere.
        if (!server.send(connId, bytes) && server.isOpen(connId)) throw server.lastFailure!;
      },
      close: (code, reason) => void server.close(connId, code, reason),
    });
    return socket;
  };
  /** Calls an event handler; what it throws is handed to `onError`. */
  const call = (server: HttpServer, connId: ConnId, handler: () => unknown): unknown => {
    const { onError } = events;
    if (onError === undefined) return handler();
    const failed = (thrown: unknown): void => {
      onError(Object.assign(new Event('error'), { error: thrown }), socketOf(server, connId));
    };
    notifyHook(handler, failed);
    return undefined;
  };
  return {
    onOpen(server, connId) {
      const ws = socketOf(server, connId);
      return call(server, connId, () => events.onOpen?.(new Event('open'), ws));
    },
    onMessage(server, connId, data, isBinary) {
      if (events.onMessage === undefined) return undefined;
      const ws = socketOf(server, connId);
      const message = isBinary ? new Uint8Array(data as Buffer).buffer : data.toString();
      return call(server, connId, () => events.onMessage!(createWSMessageEvent(message), ws));
    },
    onWSClose(server, connId, code, reason, wasClean) {
      const ws = socketOf(server, connId);
      return call(server, connId, () => events.onClose?.(new WebSocketCloseEvent(code, reason, wasClean) as never, ws));
    },
  };
}
