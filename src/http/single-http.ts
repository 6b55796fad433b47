import { SocketErrorCode } from '../core/enums.ts';
import { Errno } from '../core/errno.ts';
import { $connectionOf, $refuse, $shownHead } from '../core/internals.ts';
import { type Sendable, toBytes } from '../memory/sendable.ts';
import type { WSMessageState } from '../websocket/frame-protocol.ts';
import { frameStateOf, sendFrameOn } from '../websocket/http-frames.ts';
import { receivedCookies } from './client-response.ts';
import { protocolOf } from './complex-http.ts';
import type { HttpUpgradeType } from './enums.ts';
import type { HttpHeaders } from './header-list.ts';
import type { HttpProtocol } from './http-protocol.ts';
import type { MessageHead } from './message-head.ts';
import type { BodyBytes } from './message-writer.ts';
import { type RequesterHost, sendFileOn, sendRequestOn } from './requester.ts';

interface SingleHttpHost extends RequesterHost {
  readonly connectionId: number;
  readonly httpAutoStart: boolean;
  /** Head that the accessors read. @internal */
  readonly [$shownHead]: MessageHead | null;
}

const hostOf = (client: object): SingleHttpHost => client as SingleHttpHost;

/** HTTP of the client's connection. */
export function singleProtocolOf(client: object): HttpProtocol | undefined {
  return protocolOf(client, hostOf(client).connectionId);
}

function refuse(client: object, operation: string): false {
  const host = hostOf(client);
  const isConnected = host[$connectionOf](0) !== undefined;
  const message = isConnected ? 'it does not speak HTTP, or it is closing' : 'the client is not connected';
  return host[$refuse](operation, SocketErrorCode.IllegalState, Errno.EPERM, message, host.connectionId);
}

/**
 * What HTTP clients have (`IHttp`, `IHttpRequester`). Everything about a message is that of the response whose hooks run, or of the
 * last one, until the next begins or an upgrade is done (HP-036, UPG-009).
 */
export abstract class SingleHttpMethods {
  /**
   * Begins to speak HTTP, if `httpAutoStart` is off (`StartHttp`, HTTP-1-002).
   * @returns false with `lastError`: EPERM (`httpAutoStart` is on, or not connected), EALREADY.
   */
  startHttp(): boolean {
    const host = hostOf(this);
    const protocol = singleProtocolOf(this);
    if (protocol === undefined) return refuse(this, 'startHttp');
    const { IllegalState } = SocketErrorCode;
    if (host.httpAutoStart) return host[$refuse]('startHttp', IllegalState, Errno.EPERM, 'httpAutoStart is on');
    if (protocol.startHttp()) return true;
    return host[$refuse]('startHttp', IllegalState, Errno.EALREADY, 'it speaks HTTP already');
  }

  /**
   * Sends a request (`SendRequest`, HTTP-1R-001, REQ-001 to REQ-008): the fields as given, then `Content-Length` if there is a body,
   * `Host` and `Cookie`. The answer comes to the hooks.
   * @returns false with `lastError` as `send`.
   * @throws TypeError for a method, path or field that cannot be sent: nothing is sent then.
   */
  sendRequest(method: string, path: string, headers: HttpHeaders | null = null, body: BodyBytes = null): boolean {
    const { connectionId } = hostOf(this);
    return sendRequestOn(this, connectionId, method, path, headers, body) || refuse(this, 'sendRequest');
  }

  /**
   * Sends a request whose body is a file, of any length, read as the peer takes it (`SendLocalFile`, HTTP-1R-002).
   * @returns false with `lastError`: ENOENT and the like, ENODATA (empty), EISDIR, ECONNABORTED.
   */
  async sendLocalFile(
    fileName: string | URL,
    method: string,
    path: string,
    headers: HttpHeaders | null = null,
  ): Promise<boolean> {
    const sent = sendFileOn(this, hostOf(this).connectionId, fileName, method, path, headers);
    return sent === undefined ? refuse(this, 'sendLocalFile') : sent;
  }

  /**
   * Sends one chunk, the last one if there are no bytes (`SendChunkData`, HTTP-1-003). `Transfer-Encoding: chunked` is the caller's
   * to send before.
   * @param extensions Chunk extensions, without or with the `;` in front.
   */
  sendChunkData(data: BodyBytes = null, extensions: string | null = null): boolean {
    const protocol = singleProtocolOf(this);
    return protocol?.sendChunkData(data, extensions) || refuse(this, 'sendChunkData');
  }

  /** `sendRequest` with POST (`SendPost`, HTTP-1R-003). */
  sendPost(path: string, headers: HttpHeaders | null = null, body: BodyBytes = null): boolean {
    return this.sendRequest('POST', path, headers, body);
  }

  /** `sendRequest` with PUT (`SendPut`, HTTP-1R-004). */
  sendPut(path: string, headers: HttpHeaders | null = null, body: BodyBytes = null): boolean {
    return this.sendRequest('PUT', path, headers, body);
  }

  /** `sendRequest` with PATCH (`SendPatch`, HTTP-1R-005). */
  sendPatch(path: string, headers: HttpHeaders | null = null, body: BodyBytes = null): boolean {
    return this.sendRequest('PATCH', path, headers, body);
  }

  /** `sendRequest` with GET (`SendGet`, HTTP-1R-006). */
  sendGet(path: string, headers: HttpHeaders | null = null): boolean {
    return this.sendRequest('GET', path, headers);
  }

  /** `sendRequest` with DELETE (`SendDelete`, HTTP-1R-007). */
  sendDelete(path: string, headers: HttpHeaders | null = null): boolean {
    return this.sendRequest('DELETE', path, headers);
  }

  /** `sendRequest` with HEAD (`SendHead`, HTTP-1R-008). */
  sendHead(path: string, headers: HttpHeaders | null = null): boolean {
    return this.sendRequest('HEAD', path, headers);
  }

  /** `sendRequest` with TRACE (`SendTrace`, HTTP-1R-009). */
  sendTrace(path: string, headers: HttpHeaders | null = null): boolean {
    return this.sendRequest('TRACE', path, headers);
  }

  /** `sendRequest` with OPTIONS (`SendOptions`, HTTP-1R-010). */
  sendOptions(path: string, headers: HttpHeaders | null = null): boolean {
    return this.sendRequest('OPTIONS', path, headers);
  }

  /** `sendRequest` with CONNECT to `host:port`: neither `Host` nor cookies (`SendConnect`, HTTP-1R-011). */
  sendConnect(host: string, headers: HttpHeaders | null = null): boolean {
    return this.sendRequest('CONNECT', host, headers);
  }

  /** Status code of the response, 0 before there is one (`GetStatusCode`, HTTP-1-024). */
  getStatusCode(): number {
    return hostOf(this)[$shownHead]?.statusCode ?? 0;
  }

  /** Whether the connection becomes another protocol (`IsUpgrade`, HTTP-1-006). */
  isUpgrade(): boolean {
    return hostOf(this)[$shownHead]?.isUpgrade ?? false;
  }

  /** Whether the connection may be used again behind the message (`IsKeepAlive`, HTTP-1-007). */
  isKeepAlive(): boolean {
    return hostOf(this)[$shownHead]?.isKeepAlive ?? false;
  }

  /** Version of the message, low byte major, high byte minor (`GetVersion`, HTTP-1-008); 0 without a message. */
  getVersion(): number {
    return hostOf(this)[$shownHead]?.version ?? 0;
  }

  /** Value of `Content-Length`, 0 without (`GetContentLength`, HTTP-1-009). */
  getContentLength(): number {
    return hostOf(this)[$shownHead]?.contentLength ?? 0;
  }

  /** Value of `Content-Type` (`GetContentType`, HTTP-1-010). */
  getContentType(): string | null {
    return this.getHeader('content-type');
  }

  /** Value of `Content-Encoding` (`GetContentEncoding`, HTTP-1-011). */
  getContentEncoding(): string | null {
    return this.getHeader('content-encoding');
  }

  /** Value of `Transfer-Encoding` (`GetTransferEncoding`, HTTP-1-012). */
  getTransferEncoding(): string | null {
    return this.getHeader('transfer-encoding');
  }

  /** What the connection has become (`GetUpgradeType`, HTTP-1-013). */
  getUpgradeType(): HttpUpgradeType {
    return singleProtocolOf(this)?.upgradeType ?? 0;
  }

  /** Why the message was refused (`GetParseErrorCode`, HTTP-1-014): `HttpParseErrorCode` and a sentence; 0 if it was not. */
  getParseErrorCode(): { code: number; description: string } {
    const protocol = singleProtocolOf(this);
    return { code: protocol?.parseErrorCode ?? 0, description: protocol?.parseErrorText ?? '' };
  }

  /**
   * Sends one WebSocket frame, as it is given (`SendWSMessage`, HTTP-1-001, WS-007 to WS-010).
   * @param reserved RSV1 to RSV3 as a number, RSV1 = 4.
   * @param mask Four bytes; null for a frame that is not masked, which servers refuse. What `send` sends behind it is not masked.
   * @param bodyLength Length to announce, if more than `data` follows by `send`.
   * @returns false with `lastError`: EPERM (no WebSocket with frame hooks), EINVAL (`bodyLength` less than the data), ENOBUFS.
   * @throws RangeError for a mask that has not four bytes.
   */
  sendWSMessage(
    isFinal: boolean,
    reserved: number,
    opcode: number,
    mask: Uint8Array | null,
    data: Sendable = '',
    bodyLength = 0,
  ): boolean {
    const host = hostOf(this);
    const frame = { isFinal, reserved, opcode, mask, data: toBytes(data, 0, undefined), bodyLength };
    return sendFrameOn(host, host[$connectionOf](0)?.protocol, host.connectionId, frame);
  }

  /** The current WebSocket frame, or the last one (`GetWSMessageState`, HTTP-1-021); null before the first. */
  getWSMessageState(): WSMessageState | null {
    return frameStateOf(hostOf(this)[$connectionOf](0)?.protocol);
  }

  /** First value of a field, whatever the case of its name; null if there is none (`GetHeader`, HTTP-1-015). */
  getHeader(name: string): string | null {
    return hostOf(this)[$shownHead]?.get(name) ?? null;
  }

  /** All values of a field in order of arrival, never split at commas (`GetHeaders`, HTTP-1-016). */
  getHeaders(name: string): string[] {
    return hostOf(this)[$shownHead]?.getAll(name) ?? [];
  }

  /** All fields in order of arrival, names as they came (`GetAllHeaders`, HTTP-1-017). */
  getAllHeaders(): [string, string][] {
    return hostOf(this)[$shownHead]?.entries() ?? [];
  }

  /** Names of all fields in order of arrival, duplicates included (`GetAllHeaderNames`, HTTP-1-018). */
  getAllHeaderNames(): string[] {
    return this.getAllHeaders().map(([name]) => name);
  }

  /** Value of a cookie that the response sets; null if there is none (`GetCookie`, HTTP-1-019). */
  getCookie(name: string): string | null {
    return this.getAllCookies().get(name) ?? null;
  }

  /** Cookies that the response sets (`GetAllCookies`, HTTP-1-020, HP-039). */
  getAllCookies(): Map<string, string> {
    const head = hostOf(this)[$shownHead];
    return head === null ? new Map() : receivedCookies(head);
  }
}
