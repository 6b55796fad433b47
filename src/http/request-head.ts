import { Has, type HttpHeaders, isToken, pairsOf } from './header-list.ts';
import type { BodyBytes } from './message-writer.ts';
import { recentFields } from './recent-fields.ts';

/** What a request is made of, beside method and path. */
export interface RequestParts {
  readonly headers?: HttpHeaders | null;
  readonly body?: BodyBytes;
  /** Value of `Host` unless `headers` has one; '' for none (REQ-004). */
  readonly host: string;
  /** Value of `Cookie` unless `headers` has one; '' for none (REQ-006). */
  readonly cookie?: string;
}

/**
 * Head of a request, byte for byte HP-Socket's (REQ-001 to REQ-007, HTW-003).
 * @param length Length of the body in bytes.
 * @throws TypeError for a method that is no token, or a path with blanks or line breaks.
 */
export function requestHead(
  method: string,
  path: string,
  parts: RequestParts,
  length: number,
  version: number,
): string {
  if (!isToken(method)) throw new TypeError('the method must be a token, such as GET');
  const { text: given, has } = recentFields(parts.headers);
  let text = given;
  if (length > 0 && (has & (Has.ContentLength | Has.TransferEncoding)) === 0) text += `Content-Length: ${length}\r\n`;
  if (parts.host !== '' && (has & Has.Host) === 0 && method !== 'CONNECT') text += `Host: ${parts.host}\r\n`;
  if (parts.cookie && (has & Has.Cookie) === 0 && method !== 'CONNECT') text += `Cookie: ${parts.cookie}\r\n`;
  return `${method} ${path} HTTP/${version === 0x0001 ? '1.0' : '1.1'}\r\n${text}\r\n`;
}

/**
 * The path as it is sent: `/` if it is empty, `/` in front if it does not begin with one; that of CONNECT stays (REQ-002).
 * @throws TypeError if it has blanks, line breaks or bytes that are not ASCII: encode them.
 */
export function requestPath(method: string, path: string | null | undefined): string {
  const target = path === null || path === undefined || path === '' ? '/' : path;
  if (!/^[\x21-\x7e]+$/.test(target)) {
    throw new TypeError('the path of a request must be printable ASCII without blanks; use encodeURI');
  }
  return method === 'CONNECT' || target.startsWith('/') ? target : `/${target}`;
}

/** What the `Content-Length` of a caller promises. @throws TypeError for what is no length. */
export function promisedBytes(headers: HttpHeaders | null): number {
  const [, value] = pairsOf(headers).find(([name]) => name.toLowerCase() === 'content-length')!;
  const length = /^\d+$/.test(String(value)) ? Number(value) : Number.NaN;
  if (!Number.isSafeInteger(length)) throw new TypeError('Content-Length must be a number of bytes');
  return length;
}
