import type { StreamConnection } from '../connection/stream-connection.ts';
import type { Component } from '../core/component.ts';
import { checkConnId } from '../core/connection-facts.ts';
import { SocketErrorCode } from '../core/enums.ts';
import { Errno } from '../core/errno.ts';
import { $connectionOf, $refuse, $unknownId } from '../core/internals.ts';
import type { ConnId } from '../core/listener.ts';
import type { WSMessageState } from '../websocket/frame-protocol.ts';
import { frameStateOf } from '../websocket/http-frames.ts';
import { parseCookieHeader } from './cookie-header.ts';
import type { HttpUpgradeType } from './enums.ts';
import { HttpProtocol } from './http-protocol.ts';
import type { MessageHead } from './message-head.ts';
import type { BodyBytes } from './message-writer.ts';

/** What the methods ask of the component that they are called on. */
export interface ComplexHttpHost extends Component {
  readonly httpAutoStart: boolean;
  [$connectionOf](connId: ConnId): StreamConnection | undefined;
  [$unknownId](operation: string, connId: ConnId): false;
}

const hostOf = (component: object): ComplexHttpHost => component as ComplexHttpHost;

/** HTTP of a connection; undefined for an unknown ID, or behind an upgrade to another protocol. Throws for an ID that is no number. */
export function protocolOf(component: object, connId: ConnId): HttpProtocol | undefined {
  const protocol = hostOf(component)[$connectionOf](connId)?.protocol;
  if (protocol === undefined) checkConnId(connId);
  return protocol instanceof HttpProtocol ? protocol : undefined;
}

function headOf(component: object, connId: ConnId): MessageHead | undefined {
  return protocolOf(component, connId)?.head ?? undefined;
}

/** A call on a connection that cannot be: notes why. @internal */
export function refuseHttp(component: object, operation: string, connId: ConnId): false {
  const host = hostOf(component);
  if (host[$connectionOf](connId) === undefined) return host[$unknownId](operation, connId);
  const message = 'it does not speak HTTP any more, or it is closing';
  return host[$refuse](operation, SocketErrorCode.IllegalState, Errno.EPERM, message, connId);
}

/**
 * What HTTP servers and agents have for each connection (`IComplexHttp`). Everything about a message is that of the message
 * whose hooks run, or of the last one, until the next begins or an upgrade is done (HP-036, UPG-009); where a server has `onRequest` or
 * `fetch` and no hook about messages, until the answer is complete.
 */
export abstract class ComplexHttpMethods {
  /**
   * Begins to speak HTTP on a connection, if `httpAutoStart` is off (`StartHttp`, HTTP-M-001).
   * @returns false with `lastError`: EPERM (`httpAutoStart` is on), EALREADY, EBADSLT (unknown ID).
   */
  startHttp(connId: ConnId): boolean {
    const host = hostOf(this);
    const protocol = protocolOf(this, connId);
    if (protocol === undefined) return refuseHttp(this, 'startHttp', connId);
    const { IllegalState } = SocketErrorCode;
    if (host.httpAutoStart) return host[$refuse]('startHttp', IllegalState, Errno.EPERM, 'httpAutoStart is on', connId);
    if (protocol.startHttp()) return true;
    return host[$refuse]('startHttp', IllegalState, Errno.EALREADY, 'it speaks HTTP already', connId);
  }

  /**
   * Sends one chunk, the last one if there are no bytes (`SendChunkData`, HTTP-M-002). `Transfer-Encoding: chunked` is the caller's
   * to send before.
   * @param extensions Chunk extensions, without or with the `;` in front.
   * @returns false with `lastError` as `send`.
   */
  sendChunkData(connId: ConnId, data: BodyBytes = null, extensions: string | null = null): boolean {
    const protocol = protocolOf(this, connId);
    if (protocol === undefined) return refuseHttp(this, 'sendChunkData', connId);
    return protocol.sendChunkData(data, extensions) || refuseHttp(this, 'sendChunkData', connId);
  }

  /** Whether the message asks for another protocol (`IsUpgrade`, HTTP-M-005). */
  isUpgrade(connId: ConnId): boolean {
    return headOf(this, connId)?.isUpgrade ?? false;
  }

  /** Whether the connection may be used again behind the message (`IsKeepAlive`, HTTP-M-006). */
  isKeepAlive(connId: ConnId): boolean {
    return headOf(this, connId)?.isKeepAlive ?? false;
  }

  /** Version of the message, low byte major, high byte minor (`GetVersion`, HTTP-M-007); 0 without a message. */
  getVersion(connId: ConnId): number {
    return headOf(this, connId)?.version ?? 0;
  }

  /** Value of `Content-Length`, 0 without (`GetContentLength`, HTTP-M-008). */
  getContentLength(connId: ConnId): number {
    return headOf(this, connId)?.contentLength ?? 0;
  }

  /** Value of `Content-Type` (`GetContentType`, HTTP-M-009). */
  getContentType(connId: ConnId): string | null {
    return this.getHeader(connId, 'content-type');
  }

  /** Value of `Content-Encoding` (`GetContentEncoding`, HTTP-M-010); bodies are never decoded. */
  getContentEncoding(connId: ConnId): string | null {
    return this.getHeader(connId, 'content-encoding');
  }

  /** Value of `Transfer-Encoding` (`GetTransferEncoding`, HTTP-M-011). */
  getTransferEncoding(connId: ConnId): string | null {
    return this.getHeader(connId, 'transfer-encoding');
  }

  /** What the connection is to become, or has become (`GetUpgradeType`, HTTP-M-012). */
  getUpgradeType(connId: ConnId): HttpUpgradeType {
    return protocolOf(this, connId)?.upgradeType ?? 0;
  }

  /** Why the message was refused (`GetParseErrorCode`, HTTP-M-013): `HttpParseErrorCode` and a sentence; 0 if it was not. */
  getParseErrorCode(connId: ConnId): { code: number; description: string } {
    const protocol = protocolOf(this, connId);
    return { code: protocol?.parseErrorCode ?? 0, description: protocol?.parseErrorText ?? '' };
  }

  /** The current WebSocket frame, or the last one (`GetWSMessageState`, HTTP-M-020); null before the first. */
  getWSMessageState(connId: ConnId): WSMessageState | null {
    const protocol = hostOf(this)[$connectionOf](connId)?.protocol;
    if (protocol === undefined) checkConnId(connId);
    return frameStateOf(protocol);
  }

  /** First value of a field, whatever the case of its name; null if there is none (`GetHeader`, HTTP-M-014). */
  getHeader(connId: ConnId, name: string): string | null {
    return headOf(this, connId)?.get(name) ?? null;
  }

  /** All values of a field in order of arrival, never split at commas (`GetHeaders`, HTTP-M-015). */
  getHeaders(connId: ConnId, name: string): string[] {
    return headOf(this, connId)?.getAll(name) ?? [];
  }

  /** All fields in order of arrival, names as they came (`GetAllHeaders`, HTTP-M-016). */
  getAllHeaders(connId: ConnId): [string, string][] {
    return headOf(this, connId)?.entries() ?? [];
  }

  /** Names of all fields in order of arrival, duplicates included (`GetAllHeaderNames`, HTTP-M-017). */
  getAllHeaderNames(connId: ConnId): string[] {
    return this.getAllHeaders(connId).map(([name]) => name);
  }

  /** Value of a cookie that came; null if there is none (`GetCookie`, HTTP-M-018). */
  getCookie(connId: ConnId, name: string): string | null {
    return this.getAllCookies(connId).get(name) ?? null;
  }

  /** Cookies that came (`GetAllCookies`, HTTP-M-019, HP-038). */
  getAllCookies(connId: ConnId): Map<string, string> {
    return parseCookieHeader(this.getHeaders(connId, 'cookie'));
  }
}
