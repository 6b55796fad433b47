import type { StreamConnection } from '../connection/stream-connection.ts';
import type { Component } from '../core/component.ts';
import { $connectionOf, $cookieFor } from '../core/internals.ts';
import type { ConnId } from '../core/listener.ts';
import { type Sendable, toBytes } from '../memory/sendable.ts';
import { sendFrameOn } from '../websocket/http-frames.ts';
import { HttpClientProtocol } from './client-protocol.ts';
import { receivedCookies } from './client-response.ts';
import { protocolOf, refuseHttp } from './complex-http.ts';
import type { CookieQuery } from './cookies/cookie-manager.ts';
import type { HttpHeaders } from './header-list.ts';
import type { BodyBytes } from './message-writer.ts';
import { sendRequestFile } from './send-request-file.ts';

/** What the methods of agents and clients ask of the component that they are called on. */
export interface RequesterHost extends Component {
  readonly isSecure: boolean;
  [$connectionOf](connId: ConnId): StreamConnection | undefined;
  /** Value of `Cookie` for a request, '' for none. @internal */
  [$cookieFor](connection: StreamConnection, path: string, query?: CookieQuery): string;
}

/** HTTP of a connection that sends requests; undefined if it speaks none (yet, or any more). */
export function clientProtocolOf(component: object, connId: ConnId): HttpClientProtocol | undefined {
  const protocol = protocolOf(component, connId);
  return protocol instanceof HttpClientProtocol && protocol.isHttpStarted ? protocol : undefined;
}

/**
 * Value of `Host` for a connection (REQ-004): what was given to `connect` or `start`, and the port unless it is the default. An
 * IPv6 address gets brackets, which HP-Socket forgets.
 */
export function hostOf(connection: StreamConnection, isSecure: boolean): string {
  const { remoteHost, remotePort } = connection;
  if (remotePort === 0) return 'localhost'; // a path in the file system
  const host = remoteHost.includes(':') && !remoteHost.startsWith('[') ? `[${remoteHost}]` : remoteHost;
  return remotePort === (isSecure ? 443 : 80) ? host : `${host}:${remotePort}`;
}

/** Sends a request on a connection. @internal */
export function sendRequestOn(
  component: object,
  connId: ConnId,
  method: string,
  path: string,
  headers: HttpHeaders | null,
  body: BodyBytes,
): boolean | undefined {
  const host = component as RequesterHost;
  const protocol = clientProtocolOf(component, connId);
  if (protocol === undefined) return undefined;
  const connection = host[$connectionOf](connId)!;
  const cookie = host[$cookieFor](connection, path, { method });
  return protocol.sendRequest(method, path, { headers, body, host: hostOf(connection, host.isSecure), cookie });
}

/** Sends a file on a connection. @internal */
export function sendFileOn(
  component: object,
  connId: ConnId,
  fileName: string | URL,
  method: string,
  path: string,
  headers: HttpHeaders | null,
): Promise<boolean> | undefined {
  const host = component as RequesterHost;
  const protocol = clientProtocolOf(component, connId);
  if (protocol === undefined) return undefined;
  const connection = host[$connectionOf](connId)!;
  const cookie = host[$cookieFor](connection, path, { method });
  return sendRequestFile(host, protocol, fileName, method, path, headers, hostOf(connection, host.isSecure), cookie);
}

/** What HTTP agents have for each connection (`IComplexHttpRequester`). */
export abstract class ComplexRequesterMethods {
  /**
   * Sends a request (`SendRequest`, HTTP-RQ-002, REQ-001 to REQ-008): the fields as given, then `Content-Length` if there is a body,
   * `Host` and `Cookie`. The answer comes to the hooks.
   * @returns false with `lastError` as `send`, or EPERM on a connection that does not speak HTTP.
   * @throws TypeError for a method, path or field that cannot be sent: nothing is sent then.
   */
  sendRequest(
    connId: ConnId,
    method: string,
    path: string,
    headers: HttpHeaders | null = null,
    body: BodyBytes = null,
  ): boolean {
    return sendRequestOn(this, connId, method, path, headers, body) || refuseHttp(this, 'sendRequest', connId);
  }

  /**
   * Sends one WebSocket frame, as it is given (`SendWSMessage`, HTTP-RQ-001, WS-007 to WS-010).
   * @param reserved RSV1 to RSV3 as a number, RSV1 = 4.
   * @param mask Four bytes; null for a frame that is not masked, which servers refuse. What `send` sends behind it is not masked.
   * @param bodyLength Length to announce, if more than `data` follows by `send`.
   * @returns false with `lastError`: EPERM (no WebSocket with frame hooks), EINVAL (`bodyLength` less than the data), ENOBUFS.
   * @throws RangeError for a mask that has not four bytes.
   */
  sendWSMessage(
    connId: ConnId,
    isFinal: boolean,
    reserved: number,
    opcode: number,
    mask: Uint8Array | null,
    data: Sendable = '',
    bodyLength = 0,
  ): boolean {
    const host = this as unknown as RequesterHost;
    const frame = { isFinal, reserved, opcode, mask, data: toBytes(data, 0, undefined), bodyLength };
    return sendFrameOn(host, host[$connectionOf](connId)?.protocol, connId, frame);
  }

  /**
   * Sends a request whose body is a file, of any length, read as the peer takes it (`SendLocalFile`, HTTP-RQ-003).
   * @returns false with `lastError`: ENOENT and the like, ENODATA (empty), EISDIR, ECONNABORTED.
   */
  async sendLocalFile(
    connId: ConnId,
    fileName: string | URL,
    method: string,
    path: string,
    headers: HttpHeaders | null = null,
  ): Promise<boolean> {
    const sent = sendFileOn(this, connId, fileName, method, path, headers);
    return sent === undefined ? refuseHttp(this, 'sendLocalFile', connId) : sent;
  }

  /** `sendRequest` with POST (`SendPost`, HTTP-RQ-004). */
  sendPost(connId: ConnId, path: string, headers: HttpHeaders | null = null, body: BodyBytes = null): boolean {
    return this.sendRequest(connId, 'POST', path, headers, body);
  }

  /** `sendRequest` with PUT (`SendPut`, HTTP-RQ-005). */
  sendPut(connId: ConnId, path: string, headers: HttpHeaders | null = null, body: BodyBytes = null): boolean {
    return this.sendRequest(connId, 'PUT', path, headers, body);
  }

  /** `sendRequest` with PATCH (`SendPatch`, HTTP-RQ-006). */
  sendPatch(connId: ConnId, path: string, headers: HttpHeaders | null = null, body: BodyBytes = null): boolean {
    return this.sendRequest(connId, 'PATCH', path, headers, body);
  }

  /** `sendRequest` with GET (`SendGet`, HTTP-RQ-007). */
  sendGet(connId: ConnId, path: string, headers: HttpHeaders | null = null): boolean {
    return this.sendRequest(connId, 'GET', path, headers);
  }

  /** `sendRequest` with DELETE (`SendDelete`, HTTP-RQ-008). */
  sendDelete(connId: ConnId, path: string, headers: HttpHeaders | null = null): boolean {
    return this.sendRequest(connId, 'DELETE', path, headers);
  }

  /** `sendRequest` with HEAD (`SendHead`, HTTP-RQ-009). */
  sendHead(connId: ConnId, path: string, headers: HttpHeaders | null = null): boolean {
    return this.sendRequest(connId, 'HEAD', path, headers);
  }

  /** `sendRequest` with TRACE (`SendTrace`, HTTP-RQ-010). */
  sendTrace(connId: ConnId, path: string, headers: HttpHeaders | null = null): boolean {
    return this.sendRequest(connId, 'TRACE', path, headers);
  }

  /** `sendRequest` with OPTIONS (`SendOptions`, HTTP-RQ-011). */
  sendOptions(connId: ConnId, path: string, headers: HttpHeaders | null = null): boolean {
    return this.sendRequest(connId, 'OPTIONS', path, headers);
  }

  /** `sendRequest` with CONNECT to `host:port`: neither `Host` nor cookies (`SendConnect`, HTTP-RQ-012). */
  sendConnect(connId: ConnId, host: string, headers: HttpHeaders | null = null): boolean {
    return this.sendRequest(connId, 'CONNECT', host, headers);
  }

  /** Status code of the response, 0 before there is one (`GetStatusCode`, HTTP-RQ-013). */
  getStatusCode(connId: ConnId): number {
    return protocolOf(this, connId)?.head?.statusCode ?? 0;
  }

  /** Value of a cookie that the response sets; null if there is none (`GetCookie`, HTTP-M-018). */
  getCookie(connId: ConnId, name: string): string | null {
    return this.getAllCookies(connId).get(name) ?? null;
  }

  /** Cookies that the response sets (`GetAllCookies`, HTTP-M-019, HP-039). */
  getAllCookies(connId: ConnId): Map<string, string> {
    const head = protocolOf(this, connId)?.head;
    return head === null || head === undefined ? new Map() : receivedCookies(head);
  }
}
