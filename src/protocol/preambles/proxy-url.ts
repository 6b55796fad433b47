import { domainToASCII } from 'node:url';
import { describe } from '../../core/describe.ts';
import { isIP } from '../../core/ip.ts';
import { checkOptions, type OptionRule } from '../../core/option-names.ts';
import { custom, flag } from '../../core/properties.ts';
import { checkProxySsl, DEFAULT_PROXY_SSL, type ProxySslOptions } from './proxy-ssl.ts';

/** One proxy on the way. */
export interface ProxyOptions {
  /**
   * `socks5://user:password@host:port`, or for one that takes CONNECT `http://user:password@host:port`, or `https://` if TLS is spoken
   * with it.
   */
  url: string | URL;
  /** Further header fields of the CONNECT request. Not for SOCKS5. */
  headers?: Readonly<Record<string, string>> | undefined;
  /**
   * SOCKS5: whether greeting, user and password, and request are sent in one piece, which saves one or two round trips. Proxies that
   * read each of them by itself fail then (microsocks does). Default false.
   */
  pipeline?: boolean | undefined;
  /**
   * How TLS is spoken with the proxy: of `https://`, where `{}`, the default, checks the certificate by the authorities that Node knows. Of
   * `socks5://`, where it is clear text by default, it makes that SOCKS5 over TLS. Not for `http://`. Files are read by the first
   * connection, and again for another object.
   */
  ssl?: ProxySslOptions | undefined;
}

/** A proxy, or several in a row, nearest first; null for none. */
export type ProxyOption = string | URL | ProxyOptions | readonly (string | URL | ProxyOptions)[] | null;

/** A proxy, taken apart. */
export interface ProxyHop {
  readonly kind: 'socks5' | 'http';
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly hasLogin: boolean;
  readonly headers: readonly (readonly [string, string])[];
  readonly pipeline: boolean;
  /** How TLS is spoken with it; null for clear text. */
  readonly ssl: ProxySslOptions | null;
  /** Its URL without user and password, for messages and for the listener. */
  readonly name: string;
}

const rules = {
  url: true,
  headers: true,
  pipeline: flag(false),
  ssl: custom(undefined, (_name, value) => checkProxySsl('ssl of a proxy', value as ProxySslOptions)),
} satisfies Record<keyof ProxyOptions, OptionRule>;
const foreign = {
  proxy: 'url',
  host: 'give all of it in url',
  username: 'user and password stand in url',
  tls: 'ssl',
  ca: 'it belongs into ssl: { url, ssl: { ca } }',
  rejectUnauthorized: 'it is ssl: { verifyServer }',
  requestTls: 'TLS with the target is the option ssl of the component',
  proxyTls: 'ssl',
};

const DEFAULT_PORTS: ReadonlyMap<string, number> = new Map([
  ['socks5', 1080],
  ['http', 80],
  ['https', 443],
]);
const SOCKS_SCHEME = /^socks5h?:/i;
/** More in a row are a mistake. */
const MAX_HOPS = 16;
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
/** Fields that CONNECT has already, or must not have. */
const OWN_FIELD = /^(?:host|content-length|transfer-encoding)$/i;
const FIELD_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;

/** Takes the option apart. @throws TypeError, RangeError that name what is wrong, and no password. */
export function parseProxies(what: string, option: ProxyOption): readonly ProxyHop[] {
  if (option === null) return [];
  const list = Array.isArray(option) ? (option as readonly (string | URL | ProxyOptions)[]) : [option];
  if (list.length > MAX_HOPS)
    throw new RangeError(`${what} has ${list.length} proxies in a row, at most ${MAX_HOPS} are possible`);
  return list.map((one) => parseProxy(what, one as string | URL | ProxyOptions));
}

function parseProxy(what: string, one: string | URL | ProxyOptions): ProxyHop {
  if (typeof one === 'string' || one instanceof URL) return parseUrl(what, { url: one });
  if (typeof one !== 'object' || one === null)
    throw new TypeError(`${what} must be a URL such as socks5://user:password@host:port, not ${describe(one)}`);
  checkOptions(what, one, rules, foreign);
  if (typeof one.url !== 'string' && !(one.url instanceof URL))
    throw new TypeError(
      `url of ${what} must be a URL such as socks5://user:password@host:port, not ${describe(one.url)}`,
    );
  return parseUrl(what, one);
}

function parseUrl(what: string, { url: text, headers = {}, pipeline = false, ssl }: ProxyOptions): ProxyHop {
  let url: URL;
  try {
    // Of schemes that it does not know, URL checks the host less.
    url = new URL(String(text).replace(SOCKS_SCHEME, 'http:'));
  } catch {
    throw new TypeError(`${what} must be a URL such as socks5://user:password@host:port`);
  }
  const scheme = /^([a-z0-9+.-]+):/i.exec(String(text))?.[1]?.toLowerCase() ?? '';
  const shownScheme = scheme === 'socks5h' ? 'socks5' : scheme;
  const defaultPort = DEFAULT_PORTS.get(shownScheme);
  if (defaultPort === undefined)
    throw new TypeError(`${what} must begin with socks5://, http:// or https://, not with ${describe(`${scheme}:`)}`);
  const kind = shownScheme === 'socks5' ? 'socks5' : 'http';
  if (url.hostname === '' || (url.pathname !== '' && url.pathname !== '/') || url.search !== '' || url.hash !== '')
    throw new TypeError(`${what} must be a URL of host and port, without a path`);
  const host = url.hostname.startsWith('[') ? url.hostname.slice(1, -1) : url.hostname;
  // URL leaves out port 80 of http, which may have been given for a SOCKS proxy, and no port but 443 of https.
  const shownPort = url.port || new URL(String(text).replace(SOCKS_SCHEME, 'https:')).port;
  const port = shownPort === '' ? defaultPort : Number(shownPort);
  if (port === 0) throw new RangeError(`the port of ${what} must be 1 to 65535`);
  const user = decode(what, url.username);
  const password = decode(what, url.password);
  const hasLogin = user !== '' || password !== '';
  if (kind === 'socks5' && hasLogin) {
    for (const part of [user, password]) {
      const length = Buffer.byteLength(part);
      if (length < 1 || length > 255)
        throw new RangeError(`user and password of ${what} must have 1 to 255 bytes each`);
    }
  }
  if (kind === 'http' && user.includes(':')) throw new TypeError(`the user of ${what} must not contain a colon`);
  if (typeof headers !== 'object' || headers === null || Array.isArray(headers))
    throw new TypeError(`headers of ${what} must be an object of fields and their texts, not ${describe(headers)}`);
  const fields = Object.entries(headers);
  if (kind === 'socks5' && fields.length > 0)
    throw new TypeError(`headers of ${what} are for http:// and https:// only`);
  if (kind === 'http' && pipeline) throw new TypeError(`pipeline of ${what} is for socks5:// only`);
  if (scheme === 'http' && ssl !== undefined)
    throw new TypeError(`ssl of ${what} is for https:// and socks5:// only: with http://, clear text is spoken`);
  for (const [name, value] of fields) {
    if (!TOKEN.test(name) || typeof value !== 'string' || !FIELD_VALUE.test(value))
      throw new TypeError(`headers of ${what}: ${describe(name)} is no field with a text for its value`);
    if (OWN_FIELD.test(name)) throw new TypeError(`headers of ${what}: ${name} cannot be said of a CONNECT request`);
    if (hasLogin && name.toLowerCase() === 'proxy-authorization')
      throw new TypeError(`headers of ${what}: ${name} makes no sense with user and password in the URL`);
  }
  const shownHost = isIP(host) === 6 ? `[${host}]` : host;
  return {
    kind,
    host,
    port,
    user,
    password,
    hasLogin,
    headers: fields as [string, string][],
    pipeline,
    ssl: ssl ?? (scheme === 'https' ? DEFAULT_PROXY_SSL : null),
    name: `${shownScheme}://${shownHost}:${port}`,
  };
}

function decode(what: string, text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new TypeError(`user and password of ${what} must be percent-encoded`);
  }
}

/** What a target may be made of for a proxy: ASCII without blanks and control characters, so that no request is split. */
const TARGET = /^[\w.:%~!$&'()*+,;=[\]-]+$/;

/** A host as a proxy is asked for it: names with letters beyond ASCII in ASCII (`xn--...`), as the resolver is asked for them. */
export function proxyTargetName(host: string): string {
  for (let i = 0; i < host.length; i++) if (host.charCodeAt(i) > 127) return domainToASCII(host) || host;
  return host;
}

/** Why a proxy cannot be asked for this host; null if it can. */
export function proxyTargetProblem(target: string): string | null {
  const host = proxyTargetName(target);
  if (!TARGET.test(host)) return `host ${describe(target)} cannot be asked of a proxy: it is no name and no address`;
  return Buffer.byteLength(host) > 255 ? 'host has more than 255 bytes, which a proxy cannot be asked for' : null;
}
