import { describe } from '../core/describe.ts';
import { dateLine } from './date-line.ts';
import { EncodedAnswer } from './encoded-answer.ts';
import { HttpVersion } from './enums.ts';
import { Has, type HttpHeaders, isFieldText } from './header-list.ts';
import { type BodyBytes, bodyLength } from './message-writer.ts';
import { recentFields } from './recent-fields.ts';
import { statusText } from './status.ts';

const KEEPS = 'Connection: keep-alive\r\n';
const CLOSES = 'Connection: close\r\n';

let ownsFraming = false;

/** Whether the fields of the last head that was made say how long its body is. */
export function wasFramedByCaller(): boolean {
  return ownsFraming;
}

/**
 * Head of a response, byte for byte HP-Socket's (RES-001 to RES-005, HTW-002), but without `Content-Length` where RFC 9110
 * forbids it (1xx, 204).
 * @throws TypeError for fields or a reason that cannot be sent, RangeError for a status code outside 100 to 999.
 */
export function responseHead(
  status: number,
  reason: string | null | undefined,
  headers: HttpHeaders | null | undefined,
  length: number,
  version: number,
  isKeepAlive: boolean,
): string {
  if (!Number.isInteger(status) || status < 100 || status > 999) {
    throw new RangeError(`the status code must be a whole number, 100 to 999, not ${describe(status)}`);
  }
  const phrase = reason === null || reason === undefined ? statusText(status) : reason;
  if (!isFieldText(phrase)) throw new TypeError('the reason phrase has a line break or another control character');
  const { text: given, has } = recentFields(headers);
  let text = given;
  ownsFraming = (has & (Has.ContentLength | Has.TransferEncoding)) !== 0;
  if (!ownsFraming && status >= 200 && status !== 204 && (status !== 304 || length > 0))
    text += `Content-Length: ${length}\r\n`;
  if ((has & Has.Connection) === 0 && status !== 101) text += isKeepAlive ? KEEPS : CLOSES;
  return `HTTP/${version === 0x0001 ? '1.0' : '1.1'} ${status} ${phrase}\r\n${text}\r\n`;
}

/**
 * A whole response with `responseHead`, if one with the same fields was made before; null if it has to be made anew.
 * @returns Its bytes, until the next call.
 */
export function repeatedResponse(
  status: number,
  headers: HttpHeaders | null | undefined,
  body: BodyBytes,
  version: number,
  isKeepAlive: boolean,
): Buffer | null {
  if (!Number.isInteger(status) || status < 200 || status > 999 || status === 204 || status === 304) return null;
  if (version !== HttpVersion.V1_1) return null;
  const fields = recentFields(headers);
  const isPlain = (fields.has & (Has.ContentLength | Has.TransferEncoding | Has.Connection)) === 0;
  if (!fields.isRepeated || !isPlain) return null;
  const ending = isKeepAlive ? KEEPS : CLOSES;
  const known = fields.answer === null ? -1 : fields.answer.lengthOf(body);
  const length = known < 0 ? bodyLength(body) : known;
  if (fields.answer?.hasHead(status, '', length, ending) === true) return fields.answer.bytesWith(body);
  const head = responseHead(status, null, headers, length, version, isKeepAlive);
  fields.answer ??= new EncodedAnswer();
  return fields.answer.setHead(head, status, '', length, ending) ? fields.answer.bytesWith(body) : null;
}

/** An answer without body, behind which the connection closes. */
export function finalAnswer(status: number): string {
  return `HTTP/1.1 ${status} ${statusText(status)}\r\n${dateLine()}Content-Length: 0\r\nConnection: close\r\n\r\n`;
}
