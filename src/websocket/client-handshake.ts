import { Errno } from '../core/errno.ts';
import { HttpClientProtocol } from '../http/client-protocol.ts';
import type { HttpContext } from '../http/context.ts';
import { type HeaderText, type HttpHeaders, headerText, pairsOf } from '../http/header-list.ts';
import type { Port } from '../protocol/protocol.ts';
import type { DeflateWish } from './deflate-negotiation.ts';
import {
  type Agreement,
  checkSubProtocols,
  checkUpgradeResponse,
  createKey,
  type HeaderList,
  upgradeHeaders,
} from './handshake.ts';

/** Where a WebSocket is to be opened, and with what. */
export interface ClientTarget {
  readonly host: string;
  readonly port: number;
  readonly isSecure: boolean;
  /** Path with the query. */
  readonly path: string;
  readonly protocols: readonly string[];
  /** Headers for the request, besides those of the handshake. */
  readonly headers: HeaderList;
}

/** Headers that are of the handshake, and not to be given by the caller. */
const ownHeaders: ReadonlySet<string> = new Set([
  'connection',
  'upgrade',
  'sec-websocket-key',
  'sec-websocket-version',
  'sec-websocket-extensions',
  'sec-websocket-protocol',
  'content-length',
  'transfer-encoding',
]);

/** Takes headers that are just checked. */
const checked: HeaderText = { text: '', has: 0, connection: '' };

/**
 * What a URL and options name. @throws TypeError for what is no ws: or wss: URL, has a fragment or a user, for sub-protocols and
 * headers that cannot be sent, and for headers that belong to the handshake (WSS-001, WSA-001; RFC 6455, 3).
 */
export function targetOf(url: string | URL, protocols: readonly string[], given: HttpHeaders): ClientTarget {
  let parsed: URL;
  try {
    parsed = new URL(url);
  } catch {
    throw new TypeError('the URL of a WebSocket has to be like ws://host:port/path or wss://host/path');
  }
  const scheme = parsed.protocol === 'http:' ? 'ws:' : parsed.protocol === 'https:' ? 'wss:' : parsed.protocol;
  if (scheme !== 'ws:' && scheme !== 'wss:') throw new TypeError('the URL of a WebSocket begins with ws:// or wss://');
  if (parsed.hash !== '') throw new TypeError('the URL of a WebSocket has no fragment (#)');
  if (parsed.username !== '' || parsed.password !== '') {
    throw new TypeError('the URL of a WebSocket has no user; give an Authorization header instead');
  }
  checkSubProtocols(protocols);
  // Here, and not when the connection is there and nothing would catch it.
  headerText(given, checked);
  const headers = pairsOf(given) as HeaderList;
  for (const [name] of headers) {
    if (ownHeaders.has(name.toLowerCase())) throw new TypeError('headers of the handshake cannot be given');
  }
  const isSecure = scheme === 'wss:';
  const host = parsed.hostname.startsWith('[') ? parsed.hostname.slice(1, -1) : parsed.hostname;
  return {
    host,
    port: parsed.port === '' ? (isSecure ? 443 : 80) : Number(parsed.port),
    isSecure,
    path: parsed.pathname + parsed.search,
    protocols,
    headers,
  };
}

/** Value of the `Host` header (RFC 9112, 3.2): IPv6 in brackets, no port if it is the scheme's. */
function hostHeader({ host, port, isSecure }: ClientTarget): string {
  const name = host.includes(':') ? `[${host}]` : host;
  return port === (isSecure ? 443 : 80) ? name : `${name}:${port}`;
}

/** Sends the request for a WebSocket as soon as its connection is open, and checks the answer. */
export class ClientHandshake extends HttpClientProtocol {
  readonly target: ClientTarget;
  readonly #key = createKey();
  readonly #wish: DeflateWish | null;
  #isAnswered = false;

  constructor(context: HttpContext, port: Port, target: ClientTarget, wish: DeflateWish | null) {
    super(context, port);
    this.target = target;
    this.#wish = wish;
  }

  override opened(): void {
    super.opened();
    const { path, protocols, headers } = this.target;
    const all = [...upgradeHeaders(this.#key, protocols, this.#wish), ...headers];
    this.sendRequest('GET', path, { headers: all as HttpHeaders, host: hostHeader(this.target) });
  }

  /** The head of an answer is complete: any but a right 101 ends the connection. */
  headComplete(): void {
    const head = this.head!;
    const { statusCode } = head;
    if (statusCode >= 100 && statusCode < 200 && statusCode !== 101) return;
    this.#isAnswered = true;
    if (statusCode !== 101 || !head.isUpgrade) {
      this.port.violate(Errno.EPROTO, `the server answered ${statusCode} and opened no WebSocket`);
    }
  }

  /** What was agreed on; null after the connection was failed. */
  agree(): Agreement | null {
    const head = this.head!;
    const lookup = (name: string): string | undefined => {
      const values = head.getAll(name);
      return values.length === 0 ? undefined : values.join(', ');
    };
    const agreement = checkUpgradeResponse(head.statusCode, lookup, this.#key, this.target.protocols, this.#wish);
    if (typeof agreement !== 'string') return agreement;
    this.port.violate(Errno.EPROTO, agreement);
    return null;
  }

  /** Whether a final answer came. */
  get isAnswered(): boolean {
    return this.#isAnswered;
  }
}
