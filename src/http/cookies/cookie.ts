/** When requests of other sites carry a cookie: HP-Socket's numbers. */
export const CookieSameSite = Object.freeze({
  /** Always; also for a cookie that says nothing about it. */
  None: 0,
  /** `SameSite=Strict`. */
  Strict: 1,
  /** `SameSite=Lax`. */
  Lax: 2,
} as const);
export type CookieSameSite = (typeof CookieSameSite)[keyof typeof CookieSameSite];

/** `expires` of a cookie that ends with the process. */
export const SECONDS_NEVER = -1;

/** A cookie of a `CookieManager`. */
export interface Cookie {
  /** Its name, as it was set. */
  readonly name: string;
  /** Its value, without quotes being taken off. */
  readonly value: string;
  /** The host that it belongs to, in lower case. */
  readonly domain: string;
  /** Whether only that host gets it, and none below it. */
  readonly isHostOnly: boolean;
  /** Path that it is sent to, and everything below. */
  readonly path: string;
  /** Seconds since 1970 until which it is valid; -1 if it ends with the process. */
  readonly expires: number;
  /** Whether it is for HTTPS only. */
  readonly isSecure: boolean;
  /** Whether scripts of a browser were not to see it; kept for the file. */
  readonly isHttpOnly: boolean;
  /** Its `SameSite` attribute. */
  readonly sameSite: CookieSameSite;
}

/** Where a request goes, as cookies see it. */
export interface CookieTarget {
  /** Host without port, in lower case; an IPv6 address without brackets. */
  readonly host: string;
  /** Path without query. */
  readonly path: string;
  readonly isSecure: boolean;
}

/** The target of a URL. @throws TypeError for what is no URL of HTTP. */
export function cookieTarget(url: string | URL): CookieTarget {
  const { protocol, hostname, pathname } = typeof url === 'string' ? new URL(url) : url;
  if (protocol !== 'http:' && protocol !== 'https:') throw new TypeError('cookies are for URLs of http: and https:');
  return { host: withoutBrackets(hostname), path: pathname, isSecure: protocol === 'https:' };
}

/** A host name as it is compared. */
export function withoutBrackets(host: string): string {
  const lower = host.toLowerCase();
  return lower.startsWith('[') && lower.endsWith(']') ? lower.slice(1, -1) : lower;
}

/** Whether a path of a request is below that of a cookie (RFC 6265 5.1.4). */
export function isPathBelow(path: string, cookiePath: string): boolean {
  if (!path.startsWith(cookiePath)) return false;
  return path.length === cookiePath.length || cookiePath.endsWith('/') || path[cookiePath.length] === '/';
}

/** Path of a cookie that names none (RFC 6265 5.1.4): the directory of the request's. */
export function defaultPath(path: string): string {
  const end = path.lastIndexOf('/');
  return path.startsWith('/') && end > 0 ? path.slice(0, end) : '/';
}
