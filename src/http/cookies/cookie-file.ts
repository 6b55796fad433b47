import { type Cookie, CookieSameSite } from './cookie.ts';

/** Longest line (CK-023). */
const MAX_LINE = 8191;
/** How a file says that a cookie is for the hosts below its domain as well; HP-Socket drops dots in front of domains (CK-015). */
const BELOW = '.';

/**
 * HP-Socket's file of cookies (CK-023): a line `domain path` for each group, then one with a tab in front for each cookie of it.
 *
 * ```
 *   .example.com /
 *   <tab>name;value;expires;httpOnly;secure;sameSite
 * ```
 *
 * Cookies that end with the process, that have expired, or whose value has `;` or a tab (CK-024) are left out.
 */
export function cookieFile(cookies: Iterable<Cookie>, now: number): string {
  const groups = new Map<string, string[]>();
  for (const cookie of cookies) {
    const { name, value, expires, isHttpOnly, isSecure, sameSite, domain, path, isHostOnly } = cookie;
    if (expires < 0 || expires <= now || /[;\t\r\n]/.test(name + value) || /\s/.test(path)) continue;
    const line = `\t${name};${value === '' ? ' ' : value};${expires};${Number(isHttpOnly)};${Number(isSecure)};${sameSite}`;
    const group = `${isHostOnly ? '' : BELOW}${domain} ${path}`;
    if (line.length > MAX_LINE || group.length > MAX_LINE) continue;
    const lines = groups.get(group);
    if (lines === undefined) groups.set(group, [line]);
    else lines.push(line);
  }
  let text = '';
  for (const [group, lines] of groups) text += `${group}\n${lines.join('\n')}\n`;
  return text;
}

/**
 * Calls `take` with each cookie of a file.
 * @returns Number of the first line that is none of this format; 0 if all are.
 */
export function readCookieFile(text: string, take: (cookie: Cookie) => void): number {
  let group: Pick<Cookie, 'domain' | 'path' | 'isHostOnly'> | null = null;
  let number = 0;
  for (const raw of text.split('\n')) {
    number++;
    const line = raw.endsWith('\r') ? raw.slice(0, -1) : raw;
    if (line.trim() === '') continue;
    if (line.length > MAX_LINE) return number;
    if (!line.startsWith('\t')) {
      group = groupOf(line);
      if (group === null) return number;
      continue;
    }
    const cookie = group === null ? null : cookieOf(line, group);
    if (cookie === null) return number;
    take(cookie);
  }
  return 0;
}

function groupOf(line: string): Pick<Cookie, 'domain' | 'path' | 'isHostOnly'> | null {
  const match = /^(\.*)([^\s.][^\s]*) (\/\S*)\s*$/.exec(line);
  if (match === null) return null;
  return { domain: match[2]!.toLowerCase(), path: match[3]!, isHostOnly: match[1] === '' };
}

function cookieOf(line: string, group: Pick<Cookie, 'domain' | 'path' | 'isHostOnly'>): Cookie | null {
  const fields = line.slice(1).split(';');
  if (fields.length !== 6) return null;
  const [name, value, expires, httpOnly, secure, sameSite] = fields.map((field) => field.trim());
  if (name === '' || !/^-?\d{1,15}$/.test(expires!) || !/^[01]$/.test(httpOnly!) || !/^[01]$/.test(secure!))
    return null;
  const site = Object.values(CookieSameSite).find((one) => String(one) === sameSite);
  if (site === undefined) return null;
  return {
    ...group,
    name: name!,
    value: value!,
    expires: Number(expires),
    isHttpOnly: httpOnly === '1',
    isSecure: secure === '1',
    sameSite: site,
  };
}
