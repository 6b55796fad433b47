import { describe } from '../../core/describe.ts';
import { SECONDS_NEVER } from './cookie.ts';

const MONTHS = 'jan feb mar apr may jun jul aug sep oct nov dec'.split(' ');
const MAX_LENGTH = 64;

/** Characters between the parts of a date (RFC 6265 5.1.1). */
const delimiters = /[\t\x20-\x2f\x3b-\x40\x5b-\x60\x7b-\x7e]+/;

/**
 * The date of `Expires` (HP-Socket's `HLP_ParseExpires`, CK-008, CK-025; RFC 6265 5.1.1): the parts may be in any order, as in
 * RFC 1123, RFC 850 and asctime. A zone such as `+0100` behind the time counts; anything else there means UTC.
 * @returns Seconds since 1970; null for what is no date.
 */
export function parseExpires(text: string): number | null {
  if (typeof text !== 'string' || text.length === 0 || text.length > MAX_LENGTH) return null;
  const zone = /:\d{2}\s+(?:GMT|UTC)?([+-])(\d{2}):?(\d{2})\b/i.exec(text);
  const rest = zone === null ? text : text.slice(0, zone.index + 3) + text.slice(zone.index + zone[0].length);
  let time: RegExpExecArray | null = null;
  let day: number | undefined;
  let month: number | undefined;
  let year: number | undefined;
  for (const token of rest.split(delimiters)) {
    if (token === '') continue;
    const clock: RegExpExecArray | null = time === null ? /^(\d{1,2}):(\d{1,2}):(\d{1,2})(?!\d)/.exec(token) : null;
    const number = /^(\d{1,4})(?!\d)/.exec(token)?.[1];
    if (clock !== null) time = clock;
    else if (day === undefined && number !== undefined && number.length <= 2) day = Number(number);
    else if (month === undefined && MONTHS.includes(token.slice(0, 3).toLowerCase()))
      month = MONTHS.indexOf(token.slice(0, 3).toLowerCase());
    else if (year === undefined && number !== undefined && number.length >= 2) year = Number(number);
  }
  if (time === null || day === undefined || month === undefined || year === undefined) return null;
  if (year >= 70 && year <= 99) year += 1900;
  else if (year <= 69) year += 2000;
  const [hour, minute, second] = [Number(time[1]), Number(time[2]), Number(time[3])];
  if (day < 1 || day > 31 || year < 1601 || hour > 23 || minute > 59 || second > 59) return null;
  const ms = Date.UTC(year, month, day, hour, minute, second);
  if (new Date(ms).getUTCDate() !== day) return null; // 31 February
  const offset = zone === null ? 0 : (Number(zone[2]) * 60 + Number(zone[3])) * 60 * (zone[1] === '+' ? 1 : -1);
  return Math.floor(ms / 1000) - offset;
}

/**
 * A date for `Expires`: `Wed, 25-Nov-2026 12:00:00 GMT` (HP-Socket's `HLP_MakeExpiresStr`, CK-009).
 * @param seconds Since 1970.
 * @throws RangeError for what is no date.
 */
export function makeExpiresStr(seconds: number): string {
  const text = typeof seconds === 'number' ? new Date(seconds * 1000).toUTCString() : '';
  if (Number.isNaN(Date.parse(text))) throw new RangeError(`seconds must be a time, not ${describe(seconds)}`);
  return text.replace(/ (\d\d) (\w{3}) (\d{4}) /, ' $1-$2-$3 ');
}

/** Seconds since 1970 (HP-Socket's `HLP_CurrentUTCTime`, CK-011). */
export function currentUtcTime(): number {
  return Math.floor(Date.now() / 1000);
}

/** When a cookie of that `Max-Age` expires (`HLP_MaxAgeToExpires`, CK-012): 0 for at once, -1 for never. */
export function maxAgeToExpires(maxAge: number): number {
  if (maxAge > 0) return currentUtcTime() + maxAge;
  return maxAge === 0 ? 0 : SECONDS_NEVER;
}

/** The `Max-Age` of a cookie that expires then (`HLP_ExpiresToMaxAge`, CK-013): 0 if that is over, -1 for never. */
export function expiresToMaxAge(expires: number): number {
  return expires < 0 ? -1 : Math.max(0, expires - currentUtcTime());
}
