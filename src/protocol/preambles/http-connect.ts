import { clip } from '../../core/describe.ts';
import { Errno } from '../../core/errno.ts';
import { isIP } from '../../core/ip.ts';
import type { Preamble, PreamblePort } from './preamble.ts';
import type { ProxyHop } from './proxy-url.ts';

/** Status line of an answer. */
const STATUS = /^HTTP\/1\.[01] ([1-9]\d\d)(?: ([^\r\n]*))?\r?\n/;
const START = 'HTTP/1.';

/** What is wrong by status code, where more can be said than the code: sentence and errno. */
function refusal(status: number): readonly [string, number] {
  switch (status) {
    case 407:
    case 401:
      return ['wants a login', Errno.EACCES];
    case 403:
    case 405:
    case 451:
      return ['its rules do not allow that', Errno.EACCES];
    case 408:
    case 504:
      return ['the host did not answer in time', Errno.ETIMEDOUT];
    case 404:
    case 502:
    case 503:
      return ['the host cannot be reached', Errno.EHOSTUNREACH];
    default:
      return ['', Errno.ECONNREFUSED];
  }
}

/**
 * Asks an HTTP proxy for a tunnel to a host, whose name the proxy resolves (CONNECT, RFC 9110, 9.3.6). What lies behind the head of a
 * 2xx answer is the tunnel's, whatever its fields say of a body.
 */
export class HttpConnectPreamble implements Preamble {
  /** Longest head of an answer. */
  readonly maxBytes = 16_384;
  readonly awaits: string;
  #port: PreamblePort;
  #hop: ProxyHop;
  #host: string;
  #targetPort: number;
  #where: string;

  constructor(port: PreamblePort, hop: ProxyHop, where: string, host: string, targetPort: number) {
    this.#port = port;
    this.#hop = hop;
    this.#where = where;
    this.#host = host;
    this.#targetPort = targetPort;
    this.awaits = `its answer to CONNECT, of ${where}`;
  }

  begin(): void {
    const authority = `${isIP(this.#host) === 6 ? `[${this.#host}]` : this.#host}:${this.#targetPort}`;
    const { hasLogin, user, password, headers } = this.#hop;
    let head = `CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\nProxy-Connection: Keep-Alive\r\n`;
    if (hasLogin) head += `Proxy-Authorization: Basic ${Buffer.from(`${user}:${password}`).toString('base64')}\r\n`;
    for (const [name, value] of headers) head += `${name}: ${value}\r\n`;
    this.#port.send(Buffer.from(`${head}\r\n`, 'latin1'));
  }

  receive(bytes: Buffer): number {
    // Told at once, and not when the head of what is none does not end.
    const first = bytes.toString('latin1', 0, Math.min(bytes.length, START.length));
    if (!START.startsWith(first)) return this.#fail('is no HTTP proxy', Errno.EPROTO);
    const length = headLength(bytes);
    if (length === 0) return 0;
    const found = STATUS.exec(bytes.toString('latin1', 0, length));
    if (found === null) return this.#fail('answered CONNECT with a broken status line', Errno.EPROTO);
    const status = Number(found[1]);
    if (status === 101) return this.#fail('answered CONNECT with 101, which nobody asked for', Errno.EPROTO);
    if (status < 200) return length; // an interim answer; another follows
    if (status > 299) {
      const [why, errno] = refusal(status);
      const line = clip(`${status} ${(found[2] ?? '').replace(/[^\x20-\x7e]/g, '?')}`.trim());
      const login = status === 407 && !this.#hop.hasLogin ? '; give user and password in its URL' : '';
      return this.#fail(
        `did not connect to ${clip(this.#host)}:${this.#targetPort}: ${line}${why && ` (${why}${login})`}`,
        errno,
      );
    }
    this.#port.done();
    return length;
  }

  #fail(what: string, errno: number): number {
    this.#port.fail(`${this.#where} ${what}`, errno);
    return 0;
  }
}

/** Bytes up to the empty line behind a head; 0 if that has not come. */
function headLength(bytes: Buffer): number {
  let at = bytes.indexOf(10);
  while (at >= 0 && at + 1 < bytes.length) {
    if (bytes[at + 1] === 10) return at + 2;
    if (bytes[at + 1] === 13 && bytes[at + 2] === 10) return at + 3;
    at = bytes.indexOf(10, at + 1);
  }
  return 0;
}
