import { randomUUID } from 'node:crypto';
import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { domainToASCII } from 'node:url';
import { describe } from '../../core/describe.ts';
import { SocketErrorCode } from '../../core/enums.ts';
import { Errno, errnoOf } from '../../core/errno.ts';
import { SocketError } from '../../core/errors.ts';
import { isIP } from '../../core/ip.ts';
import { checkOptions, type OptionRule } from '../../core/option-names.ts';
import { flag, integer, oneOf } from '../../core/properties.ts';
import { isFieldText } from '../header-list.ts';
import {
  type Cookie,
  CookieSameSite,
  type CookieTarget,
  cookieTarget,
  defaultPath,
  isPathBelow,
  SECONDS_NEVER,
  withoutBrackets,
} from './cookie.ts';
import { currentUtcTime, makeExpiresStr, maxAgeToExpires } from './cookie-date.ts';
import { cookieFile, readCookieFile } from './cookie-file.ts';
import { listedDomains, type RegistrableDomain } from './public-suffix.ts';
import { MAX_AGE_SECONDS, parseSetCookie } from './set-cookie.ts';

/** Options of a `CookieManager`. */
export interface CookieManagerOptions {
  /** Most cookies in all, 1 or more; the one that was used longest ago makes room. Default 3000. */
  maxCookies?: number | undefined;
  /** Most cookies of one domain, 1 or more. Default 180. */
  maxCookiesPerDomain?: number | undefined;
  /** Instead of the public suffix list in the package `tough-cookie`, which is needed without it. */
  registrableDomain?: RegistrableDomain | undefined;
}

const managerRules = {
  maxCookies: integer(3000, 1),
  maxCookiesPerDomain: integer(180, 1),
  registrableDomain: {
    check(name, value) {
      if (typeof value !== 'function') throw new TypeError(`${name} must be a function, not ${describe(value)}`);
    },
  },
} satisfies Record<keyof CookieManagerOptions, OptionRule>;

/** What `setCookie` may be told beside name, value, domain and path. */
export interface CookieAttributes {
  /** Seconds that it lives; 0 deletes it; below 0, the default, until the process ends. */
  maxAge?: number | undefined;
  /** Default false. */
  httpOnly?: boolean | undefined;
  /** Whether it is for HTTPS only. Default false. */
  secure?: boolean | undefined;
  /** Default `CookieSameSite.None`. */
  sameSite?: CookieSameSite | undefined;
  /** Whether a cookie without `maxAge` leaves everything but the value of one that is there as it is. Default true. */
  onlyUpdateValueIfExists?: boolean | undefined;
}

const attributeRules = {
  maxAge: integer(-1, Number.MIN_SAFE_INTEGER),
  httpOnly: flag(false),
  secure: flag(false),
  sameSite: oneOf<CookieSameSite>(CookieSameSite.None, Object.values(CookieSameSite)),
  onlyUpdateValueIfExists: flag(true),
} satisfies Record<keyof CookieAttributes, OptionRule>;

/** For which request cookies are asked. */
export interface CookieQuery {
  /** Method of the request, for `SameSite=Lax`. Default `GET`. */
  method?: string | undefined;
  /** URL of the page that makes the request, for `SameSite`. Left out: nobody's, so that all go along. */
  initiator?: string | URL | undefined;
}

/** How many cookies there are, and how often the rules and limits struck. */
export interface CookieStats {
  /** Cookies held now. */
  cookies: number;
  /** Of servers: not parsable, for another domain, or against a rule. */
  refused: number;
  /** Dropped for `maxCookies` or `maxCookiesPerDomain`. */
  evicted: number;
}

/** A cookie, and when it was made and used. */
interface Stored extends Cookie {
  value: string;
  readonly createdAt: number;
  usedAt: number;
}

const safeMethods: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'QUERY']);

/**
 * Cookies (HP-Socket's cookie manager, `MGR_...`): kept by the rules of RFC 6265bis, saved in HP-Socket's file format. Clients and
 * agents that have it as their option `cookies` send and store cookies; those with `useCookie` alone share `sharedCookies()`.
 *
 * ```ts
 * const cookies = new CookieManager();
 * await cookies.loadFromFile('cookies.txt').catch(() => {});
 * const client = new HttpSyncClient({}, { cookies });
 * await client.openUrl('GET', 'http://127.0.0.1:8080/login');
 * await cookies.saveToFile('cookies.txt');
 * ```
 *
 * It needs the package `tough-cookie`, for its list of public suffixes.
 */
export class CookieManager {
  #maxCookies: number;
  #maxPerDomain: number;
  #registrableDomain: RegistrableDomain;
  /** By domain, then by what makes a cookie the same one. */
  #domains = new Map<string, Map<string, Stored>>();
  #count = 0;
  #clock = 0;
  #refused = 0;
  #evicted = 0;

  /** @throws SocketError if `tough-cookie` is not installed and there is no `registrableDomain`. */
  constructor(options: CookieManagerOptions = {}) {
    checkOptions('CookieManager', options, managerRules);
    this.#maxCookies = options.maxCookies ?? 3000;
    this.#maxPerDomain = options.maxCookiesPerDomain ?? 180;
    this.#registrableDomain = options.registrableDomain ?? listedDomains();
  }

  // ---- what servers set, and get -----------------------------------------------------------------------------------

  /**
   * Takes the value of a `Set-Cookie` field (RFC 6265bis 5.7, CK-016 to CK-019).
   * @param url Of the request that it answers.
   * @returns Whether it was taken: not for another domain or a public suffix, from HTTP for `Secure`, nor against its prefix
   *   (`__Host-`, `__Secure-`).
   */
  receive(setCookie: string, url: string | URL): boolean {
    return this.receiveFrom(setCookie, cookieTarget(url));
  }

  /** @internal */
  receiveFrom(text: string, target: CookieTarget): boolean {
    const isTaken = this.#receive(text, target);
    if (!isTaken) this.#refused++;
    return isTaken;
  }

  #receive(text: string, { host, path, isSecure }: CookieTarget): boolean {
    const given = parseSetCookie(text);
    if (given === null) return false;
    let domain = host;
    let isHostOnly = true;
    if (given.domain !== '') {
      const named = isIP(given.domain) === 0 ? domainToASCII(given.domain) : given.domain;
      if (named === '') return false;
      if (named !== host || this.#registrableDomain(named) !== null) {
        if (!isHostBelow(host, named) || this.#registrableDomain(named) === null) return false;
        domain = named;
        isHostOnly = false;
      }
    }
    if (given.isSecure && !isSecure) return false;
    const cookie: Cookie = {
      name: given.name,
      value: given.value,
      domain,
      isHostOnly,
      path: given.path === '' ? defaultPath(path) : given.path,
      expires: given.expires,
      isSecure: given.isSecure,
      isHttpOnly: given.isHttpOnly,
      sameSite: given.sameSite,
    };
    if (!isPrefixKept(cookie) || (!cookie.isSecure && !isSecure && this.#shadowsSecure(cookie))) return false;
    this.#put(cookie);
    return true;
  }

  /** Whether a cookie that came in clear text would stand in front of one that is for HTTPS only (RFC 6265bis 5.7). */
  #shadowsSecure({ name, domain, path }: Cookie): boolean {
    for (const [other, cookies] of this.#domains) {
      if (!isHostBelow(other, domain) && !isHostBelow(domain, other)) continue;
      for (const cookie of cookies.values()) {
        if (cookie.isSecure && cookie.name === name && isPathBelow(path, cookie.path)) return true;
      }
    }
    return false;
  }

  /** The cookies that a request of that URL carries, longest paths first (RFC 6265bis 5.8.3, CK-020). */
  getCookies(url: string | URL, query: CookieQuery = {}): Cookie[] {
    return this.#for(cookieTarget(url), query).map(copyOf);
  }

  /** Value of the `Cookie` field for a request of that URL; '' without cookies. */
  getCookieHeader(url: string | URL, query: CookieQuery = {}): string {
    return this.headerFor(cookieTarget(url), query);
  }

  /** @internal */
  headerFor(target: CookieTarget, query: CookieQuery): string {
    return this.#for(target, query)
      .map(({ name, value }) => `${name}=${value}`)
      .join('; ');
  }

  #for(target: CookieTarget, { method = 'GET', initiator }: CookieQuery): Stored[] {
    const { host, path, isSecure } = target;
    const now = currentUtcTime();
    const isForeign = initiator !== undefined && !this.#isSameSite(cookieTarget(initiator), target);
    const found: Stored[] = [];
    for (let domain = host; domain !== ''; domain = isIP(host) === 0 ? parentOf(domain) : '') {
      for (const cookie of this.#domains.get(domain)?.values() ?? []) {
        if (cookie.isHostOnly && domain !== host) continue;
        if (isOver(cookie, now) || !isPathBelow(path, cookie.path) || (cookie.isSecure && !isSecure)) continue;
        if (isForeign && cookie.sameSite === CookieSameSite.Strict) continue;
        if (isForeign && cookie.sameSite === CookieSameSite.Lax && !safeMethods.has(method.toUpperCase())) continue;
        found.push(cookie);
      }
    }
    if (found.length > 0) {
      this.#clock++;
      for (const cookie of found) cookie.usedAt = this.#clock;
    }
    return found.sort((a, b) => b.path.length - a.path.length || a.createdAt - b.createdAt);
  }

  /** Whether two hosts are one site: the same scheme, and the same registrable domain. */
  #isSameSite(a: CookieTarget, b: CookieTarget): boolean {
    if (a.isSecure !== b.isSecure) return false;
    if (a.host === b.host) return true;
    const site = this.#registrableDomain(a.host);
    return site !== null && site === this.#registrableDomain(b.host);
  }

  // ---- what the application sets -----------------------------------------------------------------------------------

  /**
   * Sets a cookie (`MGR_SetCookie`, CK-005).
   * @param domain Host that gets it; with a dot in front, hosts below it as well.
   * @returns false if name, domain or path is empty, for a public suffix with a dot in front, or what cannot be sent; with
   *   `maxAge: 0`, whether something was deleted.
   */
  setCookie(name: string, value: string, domain: string, path: string, attributes: CookieAttributes = {}): boolean {
    checkOptions('setCookie', attributes, attributeRules);
    const { maxAge = -1, httpOnly = false, secure = false, sameSite = CookieSameSite.None } = attributes;
    const host = hostOf(domain);
    if (name === '' || host === '' || !path.startsWith('/')) return false;
    if (!isFieldText(name) || /[;=]/.test(name) || !isFieldText(value) || value.includes(';')) return false;
    const isHostOnly = !domain.startsWith('.');
    if (!isHostOnly && this.#registrableDomain(host) === null) return false;
    if (maxAge === 0) return this.deleteCookie(domain, path, name);
    const expires = maxAgeToExpires(Math.min(maxAge, MAX_AGE_SECONDS));
    const { onlyUpdateValueIfExists = true } = attributes;
    const there = this.#domains.get(host)?.get(keyOf({ name, path, isHostOnly }));
    if (there !== undefined && maxAge < 0 && onlyUpdateValueIfExists && !isOver(there, currentUtcTime())) {
      there.value = value;
      return true;
    }
    const cookie = {
      name,
      value,
      domain: host,
      isHostOnly,
      path,
      expires,
      isSecure: secure,
      isHttpOnly: httpOnly,
      sameSite,
    };
    if (!isPrefixKept(cookie)) return false;
    this.#put(cookie);
    return true;
  }

  /** Deletes a cookie, whether it is for that host alone or for those below it (`MGR_DeleteCookie`, CK-006). @returns Whether it was there. */
  deleteCookie(domain: string, path: string, name: string): boolean {
    const host = hostOf(domain);
    const one = this.#drop(host, keyOf({ name, path, isHostOnly: true }));
    const other = this.#drop(host, keyOf({ name, path, isHostOnly: false }));
    return one || other;
  }

  /** Forgets cookies: all, those of a domain, of a path, or of both (`MGR_ClearCookies`, CK-003). */
  clearCookies(domain: string | null = null, path: string | null = null): void {
    this.#dropAll(domain, path, () => true);
  }

  /** Forgets cookies that have expired, as `clearCookies` chooses them (`MGR_RemoveExpiredCookies`, CK-004). */
  removeExpiredCookies(domain: string | null = null, path: string | null = null): void {
    const now = currentUtcTime();
    this.#dropAll(domain, path, (cookie) => isOver(cookie, now));
  }

  /** All cookies, expired ones too. */
  get all(): Cookie[] {
    return [...this.#stored()].map(copyOf);
  }

  /** How many cookies there are, and how often the rules and limits struck. */
  stats(): CookieStats {
    return { cookies: this.#count, refused: this.#refused, evicted: this.#evicted };
  }

  // ---- files -----------------------------------------------------------------------------------------------------

  /**
   * Loads cookies from a file in HP-Socket's format (`MGR_LoadFromFile`, CK-001, CK-023). Those that have expired are skipped.
   * @param keepExists Whether cookies that are here already stay and win; else all are forgotten before. Default true.
   * @throws SocketError: the errno of reading, or EBADMSG for a line that is none of that format; the cookies in front of it stay.
   */
  async loadFromFile(file: string | URL, keepExists = true): Promise<void> {
    const text = await readFile(file, 'latin1').catch((cause: unknown) => {
      throw fileError('loadFromFile', errnoOf(cause), 'the file of cookies cannot be read', cause);
    });
    if (!keepExists) this.clearCookies();
    this.#merge(text);
  }

  #merge(text: string): void {
    const now = currentUtcTime();
    const line = readCookieFile(text, (cookie) => {
      if (isOver(cookie, now) || this.#domains.get(cookie.domain)?.has(keyOf(cookie)) === true) return;
      this.#put(cookie);
    });
    if (line === 0) return;
    throw fileError('loadFromFile', Errno.EBADMSG, `line ${line} of the file of cookies is none of its format`);
  }

  /**
   * Saves the cookies that do not end with the process (`MGR_SaveToFile`, CK-002, CK-023, CK-024). The file appears as a whole, and
   * only its owner may read it.
   * @param keepExists Whether cookies of a file that is there are loaded before, as `loadFromFile` does. Default true.
   * @throws SocketError: the errno of writing, EBADMSG as `loadFromFile`.
   */
  async saveToFile(file: string | URL, keepExists = true): Promise<void> {
    if (keepExists) {
      await this.loadFromFile(file).catch((error: unknown) => {
        if ((error as SocketError).errno !== Errno.ENOENT) throw error;
      });
    }
    const name = file instanceof URL ? file.href : file;
    const beside = `${name}.${randomUUID().slice(0, 8)}`;
    const temporary = file instanceof URL ? new URL(beside) : beside;
    try {
      await writeFile(temporary, cookieFile(this.#stored(), currentUtcTime()), { encoding: 'latin1', mode: 0o600 });
      await rename(temporary, file);
    } catch (cause) {
      await rm(temporary, { force: true });
      throw fileError('saveToFile', errnoOf(cause), 'the file of cookies cannot be written', cause);
    }
  }

  // ---- the store -------------------------------------------------------------------------------------------------

  *#stored(): Iterable<Stored> {
    for (const cookies of this.#domains.values()) yield* cookies.values();
  }

  #put(cookie: Cookie): void {
    const { domain } = cookie;
    const key = keyOf(cookie);
    if (isOver(cookie, currentUtcTime())) return void this.#drop(domain, key);
    let cookies = this.#domains.get(domain);
    const before = cookies?.get(key);
    if (before === undefined) {
      if (cookies !== undefined && cookies.size >= this.#maxPerDomain) this.#makeRoom([[domain, cookies]]);
      if (this.#count >= this.#maxCookies) this.#makeRoom(this.#domains);
      cookies = this.#domains.get(domain);
      if (cookies === undefined) {
        cookies = new Map();
        this.#domains.set(domain, cookies);
      }
      this.#count++;
    }
    this.#clock++;
    cookies!.set(key, { ...cookie, createdAt: before?.createdAt ?? this.#clock, usedAt: this.#clock });
  }

  /** Drops what has expired, or, if there is nothing, the cookie that was used longest ago. */
  #makeRoom(domains: Iterable<readonly [string, Map<string, Stored>]>): void {
    const now = currentUtcTime();
    const over: [string, string][] = [];
    let oldest: [string, string] | null = null;
    let usedAt = Number.POSITIVE_INFINITY;
    for (const [domain, cookies] of domains) {
      for (const [key, cookie] of cookies) {
        if (isOver(cookie, now)) over.push([domain, key]);
        else if (cookie.usedAt < usedAt) {
          usedAt = cookie.usedAt;
          oldest = [domain, key];
        }
      }
    }
    if (over.length === 0 && oldest !== null) {
      this.#evicted++;
      over.push(oldest);
    }
    for (const [domain, key] of over) this.#drop(domain, key);
  }

  #drop(domain: string, key: string): boolean {
    const cookies = this.#domains.get(domain);
    if (cookies === undefined || !cookies.delete(key)) return false;
    this.#count--;
    if (cookies.size === 0) this.#domains.delete(domain);
    return true;
  }

  #dropAll(domain: string | null, path: string | null, isMeant: (cookie: Cookie) => boolean): void {
    const host = domain === null ? null : hostOf(domain);
    for (const cookie of [...this.#stored()]) {
      if (host !== null && cookie.domain !== host) continue;
      if (path !== null && cookie.path !== path) continue;
      if (isMeant(cookie)) this.#drop(cookie.domain, keyOf(cookie));
    }
  }
}

let shared: CookieManager | null = null;

/** The cookies of all clients and agents that have `useCookie` and no `cookies` of their own. @throws SocketError as the constructor. */
export function sharedCookies(): CookieManager {
  shared ??= new CookieManager();
  return shared;
}

/**
 * A cookie as the value of a `Set-Cookie` field (HP-Socket's `HLP_ToString`, CK-010):
 * `n=v; domain=d; path=/; expires=...; HttpOnly; secure; SameSite=Strict`.
 */
export function cookieToString(cookie: Pick<Cookie, 'name' | 'value'> & Partial<Cookie>): string {
  const { name, value, domain = '', path = '', expires = SECONDS_NEVER, isHostOnly = false } = cookie;
  let text = `${name}=${value}`;
  if (domain !== '' && !isHostOnly) text += `; domain=${domain}`;
  if (path !== '') text += `; path=${path}`;
  if (expires >= 0) text += `; expires=${makeExpiresStr(expires)}`;
  if (cookie.isHttpOnly) text += '; HttpOnly';
  if (cookie.isSecure) text += '; secure';
  if (cookie.sameSite === CookieSameSite.Strict) text += '; SameSite=Strict';
  if (cookie.sameSite === CookieSameSite.Lax) text += '; SameSite=Lax';
  return text;
}

/** What makes a cookie of a domain the same one (RFC 6265bis 5.7, CK-014). */
function keyOf({ name, path, isHostOnly }: Pick<Cookie, 'name' | 'path' | 'isHostOnly'>): string {
  return `${isHostOnly ? '=' : '.'}${path}\n${name}`;
}

function copyOf({ name, value, domain, isHostOnly, path, expires, isSecure, isHttpOnly, sameSite }: Cookie): Cookie {
  return { name, value, domain, isHostOnly, path, expires, isSecure, isHttpOnly, sameSite };
}

function hostOf(domain: string): string {
  return withoutBrackets(domain.replace(/^\.+/, ''));
}

function isOver({ expires }: Cookie, now: number): boolean {
  return expires >= 0 && expires <= now;
}

/** Whether a host is a domain, or below it (RFC 6265 5.1.3). */
function isHostBelow(host: string, domain: string): boolean {
  return host === domain || (host.endsWith(`.${domain}`) && isIP(host) === 0);
}

function parentOf(domain: string): string {
  const dot = domain.indexOf('.');
  return dot < 0 ? '' : domain.slice(dot + 1);
}

/** Whether a cookie is what its prefix promises (RFC 6265bis 4.1.3). */
function isPrefixKept({ name, isSecure, isHostOnly, path }: Cookie): boolean {
  const lower = name.toLowerCase();
  if (lower.startsWith('__secure-')) return isSecure;
  return !lower.startsWith('__host-') || (isSecure && isHostOnly && path === '/');
}

function fileError(operation: string, errno: number, what: string, cause?: unknown): SocketError {
  return new SocketError({
    socketError: SocketErrorCode.DataProc,
    errno,
    operation,
    message: `${operation} failed: ${what}`,
    cause,
  });
}
