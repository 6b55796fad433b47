import { addMethods } from '../core/add-methods.ts';
import { SecureConnectionMethods } from '../ssl/secure-connection.ts';
import { WebSocketConnection } from './websocket-connection.ts';

/** One WebSocket over TLS, or a connection of an HTTPS server: what `WebSocketConnection` has, and its TLS. */
export class SecureWebSocketConnection<Extra = unknown> extends WebSocketConnection<Extra> {}

export interface SecureWebSocketConnection<Extra = unknown> extends SecureConnectionMethods {}
addMethods([SecureWebSocketConnection], SecureConnectionMethods);
