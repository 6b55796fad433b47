import { isFieldText } from '../header-list.ts';
import { CookieSameSite, SECONDS_NEVER } from './cookie.ts';
import { currentUtcTime, parseExpires } from './cookie-date.ts';

/** Longest name and value together, and longest value of an attribute (RFC 6265bis 5.6). */
const MAX_PAIR_LENGTH = 4096;
const MAX_ATTRIBUTE_LENGTH = 1024;
/** No cookie lives longer (RFC 6265bis 5.5). */
export const MAX_AGE_SECONDS = 400 * 86_400;

/** What a `Set-Cookie` says. */
export interface SetCookie {
  readonly name: string;
  readonly value: string;
  /** As it came, in lower case, without a leading dot; '' if it says nothing. */
  readonly domain: string;
  /** '' if it says nothing, or no path. */
  readonly path: string;
  /** Seconds since 1970; 0 or less for at once, -1 for never. */
  readonly expires: number;
  readonly isSecure: boolean;
  readonly isHttpOnly: boolean;
  readonly sameSite: CookieSameSite;
}

/** Reads a `Set-Cookie` (RFC 6265bis 5.6, CK-016). @returns Null for what is none: without a name, too long, with control characters. */
export function parseSetCookie(text: string): SetCookie | null {
  if (!isFieldText(text)) return null;
  const [pair = '', ...attributes] = text.split(';');
  const equals = pair.indexOf('=');
  const name = trim(pair.slice(0, Math.max(0, equals)));
  const value = trim(pair.slice(equals + 1));
  if (name === '' || name.length + value.length > MAX_PAIR_LENGTH) return null;
  let domain = '';
  let path = '';
  let isSecure = false;
  let isHttpOnly = false;
  let sameSite: CookieSameSite = CookieSameSite.None;
  let expires: number | null = null;
  let maxAge: number | null = null;
  for (const attribute of attributes) {
    const at = attribute.indexOf('=');
    const key = trim(at < 0 ? attribute : attribute.slice(0, at)).toLowerCase();
    const given = at < 0 ? '' : trim(attribute.slice(at + 1));
    if (given.length > MAX_ATTRIBUTE_LENGTH) continue;
    switch (key) {
      case 'expires':
        expires = parseExpires(given) ?? expires;
        break;
      case 'max-age':
        if (/^-?\d+$/.test(given)) maxAge = Number(given);
        break;
      case 'domain':
        domain = (given.startsWith('.') ? given.slice(1) : given).toLowerCase();
        break;
      case 'path':
        path = given.startsWith('/') ? given : '';
        break;
      case 'secure':
        isSecure = true;
        break;
      case 'httponly':
        isHttpOnly = true;
        break;
      case 'samesite':
        sameSite = sameSiteOf(given.toLowerCase());
        break;
    }
  }
  return { name, value, domain, path, expires: expiry(maxAge, expires), isSecure, isHttpOnly, sameSite };
}

function expiry(maxAge: number | null, expires: number | null): number {
  const now = currentUtcTime();
  if (maxAge !== null) return maxAge <= 0 ? 0 : now + Math.min(maxAge, MAX_AGE_SECONDS);
  if (expires !== null) return Math.max(0, Math.min(expires, now + MAX_AGE_SECONDS));
  return SECONDS_NEVER;
}

function sameSiteOf(text: string): CookieSameSite {
  if (text === 'strict') return CookieSameSite.Strict;
  return text === 'lax' ? CookieSameSite.Lax : CookieSameSite.None;
}

function trim(text: string): string {
  return text.replace(/^[ \t]+|[ \t]+$/g, '');
}
