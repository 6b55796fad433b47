import * as crypto from 'node:crypto';
import { describe } from '../core/describe.ts';
import type { Compression } from './compression.ts';
import type { DeflateParameters, DeflateWish } from './deflate-negotiation.ts';
import { deflateOffer, readDeflateAnswer } from './deflate-negotiation.ts';

/** Appended to a key before it is hashed (RFC 6455, 1.3). */
const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
/** The one version of the protocol. */
const VERSION = '13';
/** Base64 of 16 bytes: 21 free characters, one that holds the last two bits, and two of padding. */
const KEY = /^[+/0-9A-Za-z]{21}[AQgw]==$/;
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

/** Header fields of a message: the value for a lower-case name, several fields joined with `, `. */
export type HeaderLookup = (name: string) => string | undefined;

/** Header fields to send, in order. */
export type HeaderList = [name: string, value: string][];

/** The head of a request that asks for an upgrade. */
export interface UpgradeRequest {
  readonly method: string;
  readonly majorVersion: number;
  readonly minorVersion: number;
  readonly header: HeaderLookup;
}

/** A request that is refused: what to answer. The connection closes behind it. */
export interface UpgradeRefusal {
  readonly status: number;
  /** Why, in a sentence that may be shown to the peer: it holds none of its bytes. */
  readonly message: string;
  readonly headers: HeaderList;
}

/** A request that may be upgraded: what a hook decides on. */
export interface UpgradeOffer {
  /** `Sec-WebSocket-Accept` of the answer. */
  readonly accept: string;
  /** Sub-protocols that the client offers, the one that it likes best first. */
  readonly protocols: readonly string[];
  /** The `Origin` header, which browsers send; undefined without one. */
  readonly origin: string | undefined;
}

/** What was agreed on in a handshake. */
export interface Agreement {
  /** The sub-protocol, '' for none. */
  readonly protocol: string;
  /** Compression, null for none. */
  readonly deflate: DeflateParameters | null;
}

/** Value of `Sec-WebSocket-Accept` for a key (RFC 6455, 4.2.2). */
export function acceptOf(key: string): string {
  // In one call (Node 20.12, Bun 1.2) it takes half the time.
  if (typeof crypto.hash === 'function') return crypto.hash('sha1', key + GUID, 'base64');
  return crypto
    .createHash('sha1')
    .update(key + GUID)
    .digest('base64');
}

function refusal(status: number, message: string, headers: HeaderList = []): UpgradeRefusal {
  return { status, message, headers };
}

/** Whether a comma-separated header holds `token`, in any case. */
export function hasToken(header: string | undefined, token: string): boolean {
  if (header?.length === token.length) return header.toLowerCase() === token;
  return header !== undefined && header.split(',').some((item) => item.trim().toLowerCase() === token);
}

/**
 * Server: checks a request (RFC 6455, 4.2.1).
 * @param allowedOrigins Pages of which origins may connect; null for all. A request without `Origin` comes from no browser, and
 *   is let through: no page of another site can send one.
 */
export function checkUpgradeRequest(
  { method, majorVersion, minorVersion, header }: UpgradeRequest,
  allowedOrigins: readonly string[] | null,
): UpgradeOffer | UpgradeRefusal {
  // "An HTTP/1.1 or higher GET request".
  if (method !== 'GET') return refusal(405, 'a WebSocket is opened by GET', [['Allow', 'GET']]);
  if (majorVersion !== 1 || minorVersion < 1) return refusal(400, 'a WebSocket is opened by HTTP/1.1');
  const host = header('host');
  if (host === undefined || host === '' || host.includes(',')) return refusal(400, 'the request needs one Host header');
  if (!hasToken(header('upgrade'), 'websocket') || !hasToken(header('connection'), 'upgrade')) {
    return refusal(426, 'this resource is a WebSocket', [
      ['Upgrade', 'websocket'],
      ['Connection', 'Upgrade'],
    ]);
  }
  const version = header('sec-websocket-version');
  if (version !== VERSION) {
    return refusal(426, 'only version 13 of the WebSocket protocol is spoken here', [
      ['Sec-WebSocket-Version', VERSION],
      ['Upgrade', 'websocket'],
      ['Connection', 'Upgrade'],
    ]);
  }
  const key = header('sec-websocket-key');
  if (key === undefined || !KEY.test(key)) return refusal(400, 'Sec-WebSocket-Key has to be 16 bytes in base64');
  const protocols = parseProtocols(header('sec-websocket-protocol'));
  if (protocols === null) return refusal(400, 'Sec-WebSocket-Protocol has to be a list of different tokens');
  const origin = header('origin');
  if (allowedOrigins !== null && origin !== undefined && !allowedOrigins.includes(origin)) {
    return refusal(403, 'pages of this origin may not connect here');
  }
  return { accept: acceptOf(key), protocols, origin };
}

export function isRefusal(result: UpgradeOffer | UpgradeRefusal): result is UpgradeRefusal {
  return 'status' in result;
}

/** The sub-protocols of a header; null if they are no tokens, or one comes twice (RFC 6455, 4.1). */
export function parseProtocols(header: string | undefined): string[] | null {
  if (header === undefined) return [];
  const protocols = header.split(',').map((item) => item.trim());
  if (protocols.length > 100 || new Set(protocols).size !== protocols.length) return null;
  return protocols.every((protocol) => TOKEN.test(protocol)) ? protocols : null;
}

/** The first of `spoken` that is offered, '' if there is none. */
export function chooseProtocol(offered: readonly string[], spoken: readonly string[]): string {
  return spoken.find((protocol) => offered.includes(protocol)) ?? '';
}

/**
 * Server: the fields that every answer 101 has (RFC 6455, 4.2.2), without `Content-Length`, which HP-Socket adds (UPG-008).
 * @param accept `Sec-WebSocket-Accept`.
 */
export function fieldsOf(accept: string): HeaderList {
  return [
    ['Upgrade', 'websocket'],
    ['Connection', 'Upgrade'],
    ['Sec-WebSocket-Accept', accept],
  ];
}

/** Server: the fields of the answer 101, and what was agreed on. */
export function answerUpgrade(
  offer: UpgradeOffer,
  protocol: string,
  extensions: string | undefined,
  compression: Compression | null,
): { headers: HeaderList; agreement: Agreement } {
  if (protocol !== '' && !offer.protocols.includes(protocol)) {
    throw new TypeError('the sub-protocol that was chosen is not one that the client offered');
  }
  const headers = fieldsOf(offer.accept);
  if (protocol !== '') headers.push(['Sec-WebSocket-Protocol', protocol]);
  const deflate = compression !== null && extensions !== undefined ? compression.answer(extensions) : null;
  if (deflate !== null) headers.push(['Sec-WebSocket-Extensions', deflate.header]);
  return { headers, agreement: { protocol, deflate: deflate?.parameters ?? null } };
}

/** Client: a fresh key (RFC 6455, 4.1). */
export function createKey(): string {
  return crypto.randomBytes(16).toString('base64');
}

/** @throws TypeError for what cannot be sub-protocols that a client offers (RFC 6455, 4.1). */
export function checkSubProtocols(protocols: unknown): void {
  if (!Array.isArray(protocols)) throw new TypeError(`sub-protocols have to be a list, not ${describe(protocols)}`);
  const areTokens = protocols.every((protocol) => typeof protocol === 'string' && TOKEN.test(protocol));
  if (!areTokens || new Set(protocols).size !== protocols.length) {
    throw new TypeError('sub-protocols have to be different tokens: letters, digits and a few signs, no blanks');
  }
}

/** Client: the fields of a request for an upgrade, besides `Host` (RFC 6455, 4.1). */
export function upgradeHeaders(key: string, protocols: readonly string[], wish: DeflateWish | null): HeaderList {
  const headers: HeaderList = [
    ['Upgrade', 'websocket'],
    ['Connection', 'Upgrade'],
    ['Sec-WebSocket-Version', VERSION],
    ['Sec-WebSocket-Key', key],
  ];
  if (protocols.length > 0) headers.push(['Sec-WebSocket-Protocol', protocols.join(', ')]);
  if (wish !== null) headers.push(['Sec-WebSocket-Extensions', deflateOffer(wish)]);
  return headers;
}

/**
 * Client: checks the answer to its request (RFC 6455, 4.1, "Once the client's opening handshake has been sent").
 * @returns What was agreed on, or a sentence that says what is wrong.
 */
export function checkUpgradeResponse(
  status: number,
  header: HeaderLookup,
  key: string,
  protocols: readonly string[],
  wish: DeflateWish | null,
): Agreement | string {
  if (status !== 101) return `the server answered ${status} and opened no WebSocket`;
  if (header('upgrade')?.toLowerCase() !== 'websocket') return 'the server did not upgrade to websocket';
  if (!hasToken(header('connection'), 'upgrade')) return 'the answer of the server has no Connection: Upgrade';
  if (!isSame(header('sec-websocket-accept') ?? '', acceptOf(key))) {
    return 'the Sec-WebSocket-Accept of the server does not fit the key of the request';
  }
  const protocol = header('sec-websocket-protocol') ?? '';
  if (protocol !== '' && !protocols.includes(protocol)) return 'the server chose a sub-protocol that was not offered';
  // A client that offers sub-protocols cannot go on without one; browsers fail here as well.
  if (protocol === '' && protocols.length > 0) return 'the server chose none of the sub-protocols';
  const deflate = readDeflateAnswer(header('sec-websocket-extensions') ?? '', wish);
  return typeof deflate === 'string' ? deflate : { protocol, deflate };
}

function isSame(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)];
  return left.length === right.length && crypto.timingSafeEqual(left, right);
}
