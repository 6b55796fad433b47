import type { SocketErrorName } from '../core/error-names.ts';
import { HttpParseErrorCode } from './enums.ts';
import { Flag, Lenient } from './llhttp/layout.ts';
import type { FieldBlock, MessageHead } from './message-head.ts';
import { isRtspMethod, METHOD_CONNECT, METHODS } from './methods.ts';
import { isPrintableAscii, splitTarget } from './url.ts';

/** Rules above the parser; true is strict. `httpPolicy` sets all of them, `httpRules` single ones. */
export interface HttpRules {
  /** Only HTTP/1.0 and HTTP/1.1: else 505 (RFC 9110 2.5). Off: any digits, and requests without a version (HP-006, HP-007). */
  readonly versions: boolean;
  /** No methods of RTSP and ICE: else 501 (RFC 9110 9.1). Off: HP-010. */
  readonly methods: boolean;
  /** Exactly one valid `Host` on HTTP/1.1, at most one before: else 400 (RFC 9112 3.2). Off: HP-015. */
  readonly host: boolean;
  /** The target is printable ASCII, of a form that fits the method, without fragment: else 400 (RFC 9112 3.2). */
  readonly target: boolean;
  /** No folded field lines: else 400 (RFC 9112 5.2). Off: joined with one blank (HP-020). */
  readonly folding: boolean;
  /** No LF without CR behind a field: else 400 (RFC 9112 2.2). Off: HP-002, as far as the parser goes along. */
  readonly bareLf: boolean;
  /** `Transfer-Encoding` is `chunked`, once, and not on HTTP/1.0: else 400 or 501 (RFC 9112 6.1). Off: HP-026. */
  readonly transferCoding: boolean;
  /** No blank behind the size of a chunk: else 400 (RFC 9112 7.1.1). Off: HP-Socket's `3e8 ;ext=1` is taken. */
  readonly chunkBlanks: boolean;
  /** No trailer that frames, routes or authenticates a message: else 400 (RFC 9110 6.5.1). */
  readonly trailerFields: boolean;
  /** `Expect` is `100-continue`: else 417 (RFC 9110 10.1.1). */
  readonly expectation: boolean;
  /** A 2xx answer to CONNECT opens the tunnel, whatever its fields say (RFC 9110 9.3.6). Off: UPG-004. */
  readonly tunnel: boolean;
  /** The server closes behind an answer to a request that is not to be kept alive. Off: HP-033. */
  readonly closing: boolean;
  /** A request that is refused gets an answer before the connection closes. Off: it closes at once (EV-H-11). */
  readonly answersErrors: boolean;
}

/** Sets of rules: strict, the default, or what HP-Socket accepts. */
export type HttpPolicy = 'strict' | 'hp';

const strictRules: HttpRules = {
  versions: true,
  methods: true,
  host: true,
  target: true,
  folding: true,
  bareLf: true,
  transferCoding: true,
  chunkBlanks: true,
  trailerFields: true,
  expectation: true,
  tunnel: true,
  closing: true,
  answersErrors: true,
};

/** Names of all rules. */
export const RULE_NAMES = Object.keys(strictRules) as (keyof HttpRules)[];

/** The rules of a policy, single ones replaced. */
export function httpRules(policy: HttpPolicy, changes: Partial<HttpRules> = {}): HttpRules {
  const rules = { ...strictRules };
  for (const name of RULE_NAMES) rules[name as 'host'] = changes[name] ?? policy === 'strict';
  return rules;
}

/** llhttp's `Lenient` flags for what rules let pass. */
export function lenientFlags(rules: HttpRules): number {
  return (
    (rules.folding ? 0 : Lenient.Headers) |
    (rules.versions ? 0 : Lenient.Version) |
    (rules.bareLf ? 0 : Lenient.OptionalCrBeforeLf) |
    (rules.chunkBlanks ? 0 : Lenient.SpacesAfterChunkSize)
  );
}

/** Why a message is refused. */
export interface Refusal {
  /** Status code of the answer that the sender of a request gets. */
  readonly status: number;
  /** `HttpParseErrorCode` of `onParseError`. */
  readonly code: number;
  /** A sentence without bytes of the message. */
  readonly message: string;
  /** `code` of the error that the connection ends with. */
  readonly error: SocketErrorName;
}

function refusal(status: number, code: number, message: string, error: SocketErrorName = 'HP_BAD_MESSAGE'): Refusal {
  return { status, code, message, error };
}

/** A refusal because something is longer than allowed. */
function tooLarge(status: number, message: string): Refusal {
  return refusal(status, Strict, message, 'HP_MESSAGE_TOO_LARGE');
}

const {
  InvalidContentLength,
  InvalidHeaderToken,
  InvalidMethod,
  InvalidUrl,
  InvalidVersion,
  InvalidTransferEncoding,
  Strict,
} = HttpParseErrorCode;
const badVersion = refusal(505, InvalidVersion, 'the version is neither HTTP/1.0 nor HTTP/1.1');
const rtspMethod = refusal(501, InvalidMethod, 'the method is none of HTTP');
const noHost = refusal(400, InvalidHeaderToken, 'an HTTP/1.1 request needs a Host');
const twoHosts = refusal(400, InvalidHeaderToken, 'there is more than one Host');
const badHost = refusal(400, InvalidHeaderToken, 'the value of Host is not valid');
const badTarget = refusal(400, InvalidUrl, 'the request target is not valid');
const badCoding = refusal(400, InvalidTransferEncoding, 'the value of Transfer-Encoding is not valid');
const unknownCoding = refusal(501, InvalidTransferEncoding, 'a transfer coding other than chunked is not supported');
const codingOnOldVersion = refusal(400, InvalidTransferEncoding, 'Transfer-Encoding is not possible before HTTP/1.1');
const badExpectation = refusal(417, InvalidHeaderToken, 'an expectation other than 100-continue cannot be met');
const controlCharacter = refusal(400, InvalidHeaderToken, 'a field value has a control character');
const badTrailer = refusal(400, InvalidHeaderToken, 'a trailer has a field that is not allowed there');
/** A request of a method that opens a tunnel, where none is taken. */
export const noTunnel = refusal(501, InvalidMethod, 'CONNECT is not supported here');
export const chunkedNotLast = refusal(400, InvalidTransferEncoding, 'chunked is not the last coding');
export const lengthTooLarge = refusal(413, InvalidContentLength, 'Content-Length is too large', 'HP_MESSAGE_TOO_LARGE');
export const headTooLarge = tooLarge(431, 'the head of the message is too large');
export const tooManyFields = tooLarge(431, 'the message has too many fields');
export const targetTooLong = tooLarge(414, 'the request target is too long');
export const extensionsTooLong = tooLarge(400, 'the chunk extensions are too long');
export const trailersTooLarge = tooLarge(431, 'the trailers are too large');
export const headTooSlow = refusal(408, Strict, 'the head of the request did not arrive in time', 'ETIMEDOUT');
export const bodyTooSlow = refusal(408, Strict, 'the body of the request arrived too slowly', 'ETIMEDOUT');
export const bodyTooLarge = tooLarge(413, 'the body of the request is too large');
export const tooMuchCollected = refusal(
  503,
  Strict,
  'the server holds too many bytes of bodies (maxCollectedBytes)',
  'HP_LIMIT_REACHED',
);

/** What the last head with a valid `Host` had there: most have the same. */
let lastHost = '';

/** Checks the head of a request. @returns Null if the rules let it pass; `expectsContinue` is set then. */
export function checkRequest(head: MessageHead, rules: HttpRules): Refusal | null {
  const { version, spans } = head;
  const isHttp11 = version === 0x0101;
  if (rules.versions && !isHttp11 && version !== 0x0001) return badVersion;
  if (rules.versions && !isHttpVersion(head)) return badVersion;
  if (rules.methods && (isRtspMethod(head.methodNumber) || METHODS[head.methodNumber] === 'SOURCE')) return rtspMethod;
  let hostAt = -1;
  let codingAt = -1;
  for (let i = 0, at = 0; at < spans.length; i++, at += 4) {
    switch (spans[at + 1]! - spans[at]!) {
      case 4:
        if (!head.isNamed(i, 'host')) break;
        if (hostAt >= 0 && rules.host) return twoHosts;
        hostAt = i;
        break;
      case 6:
        if (!head.isNamed(i, 'expect')) break;
        if (head.value(i).toLowerCase() === '100-continue') head.expectsContinue = isHttp11;
        else if (rules.expectation) return badExpectation;
        break;
      case 17:
        if (!head.isNamed(i, 'transfer-encoding')) break;
        if (codingAt >= 0 && rules.transferCoding) return badCoding;
        codingAt = i;
        break;
    }
  }
  if (rules.host) {
    if (hostAt < 0) {
      if (isHttp11) return noHost;
    } else {
      const from = spans[4 * hostAt + 2]!;
      const isLast = spans[4 * hostAt + 3]! - from === lastHost.length && head.text.startsWith(lastHost, from);
      if (!isLast) {
        const host = head.value(hostAt);
        if (!isHost(host)) return badHost;
        lastHost = host;
      }
    }
  }
  if (codingAt >= 0 && rules.transferCoding) {
    if (!isHttp11) return codingOnOldVersion;
    const problem = checkCoding(head.value(codingAt));
    if (problem !== null) return problem;
  }
  if (rules.target && !isTarget(head)) return badTarget;
  if (!rules.folding && hasControlCharacter(head)) return controlCharacter;
  return null;
}

/** Whether the version is one of HTTP: llhttp knows those of RTSP and ICE too. */
function isHttpVersion({ text, startTo }: MessageHead): boolean {
  let at = startTo;
  while (text.charCodeAt(at) === 0x20) at++;
  return text.charCodeAt(at) === 0x48;
}

/** Checks the head of a response. @returns Null if the rules let it pass. */
export function checkResponse(head: MessageHead, rules: HttpRules): Refusal | null {
  if (rules.versions && head.version !== 0x0101 && head.version !== 0x0001) return badVersion;
  if (rules.transferCoding) {
    const codings = head.getAll('transfer-encoding');
    if (codings.length > 1) return badCoding;
    if (codings.length === 1) {
      if (head.version !== 0x0101) return codingOnOldVersion;
      const problem = checkCoding(codings[0]!);
      if (problem !== null) return problem;
    }
  }
  if (!rules.folding && hasControlCharacter(head)) return controlCharacter;
  return null;
}

function checkCoding(value: string): Refusal | null {
  if (value === 'chunked' || value.toLowerCase() === 'chunked') return null;
  return /^[!#$%&'*+.^_`|~0-9A-Za-z-]+(?:[ \t]*,[ \t]*[!#$%&'*+.^_`|~0-9A-Za-z-]+)*$/.test(value)
    ? unknownCoding
    : badCoding;
}

/** Fields that would change what a message is, where it goes or who sent it, after that has been decided. */
const notInTrailers: ReadonlySet<string> = new Set(
  (
    'transfer-encoding content-length host content-encoding content-type content-range trailer connection keep-alive upgrade te ' +
    'proxy-connection expect max-forwards authorization proxy-authorization cookie set-cookie www-authenticate ' +
    'proxy-authenticate cache-control pragma range if-match if-none-match if-modified-since if-unmodified-since if-range age ' +
    'expires date location retry-after vary warning'
  ).split(' '),
);

/** Checks the trailers of a chunked message. @returns Null if the rules let them pass. */
export function checkTrailers(trailers: FieldBlock, rules: HttpRules): Refusal | null {
  if (rules.trailerFields) {
    for (let i = 0; i < trailers.completeCount; i++) {
      if (notInTrailers.has(trailers.name(i).toLowerCase())) return badTrailer;
    }
  }
  if (!rules.folding && hasControlCharacter(trailers)) return controlCharacter;
  return null;
}

/** uri-host [ ":" port ], and a host: RFC 9110 4.2.1 forbids an empty one. */
const hostPattern = /^(?:\[[0-9A-Fa-f:.]+\]|(?:[A-Za-z0-9\-._~!$&'()*+,;=]|%[0-9A-Fa-f]{2})+)(?::[0-9]{0,5})?$/;

/** Whether a value of `Host` is valid. */
export function isHost(value: string): boolean {
  if (!hostPattern.test(value)) return false;
  const colon = value.lastIndexOf(':');
  return colon < 0 || value.endsWith(']') || Number(value.slice(colon + 1)) <= 65_535;
}

/** Whether the target has a form that fits the method (RFC 9112 3.2.1 to 3.2.4). */
function isTarget(head: MessageHead): boolean {
  const { text, startFrom, startTo } = head;
  const first = startFrom < 0 ? 0 : text.charCodeAt(startFrom);
  if (head.methodNumber === METHOD_CONNECT) {
    const target = head.start;
    return splitTarget(target, true) !== null && isHost(target) && !target.includes('@');
  }
  if (first === 0x2f) {
    for (let i = startFrom; i < startTo; i++) {
      const code = text.charCodeAt(i);
      if (code < 0x21 || code > 0x7e || code === 0x23) return false;
    }
    return true;
  }
  const target = head.start;
  if (target === '*') return head.method === 'OPTIONS';
  if (!isPrintableAscii(target) || target.includes('#')) return false;
  const authority = /^[A-Za-z][A-Za-z0-9+.-]*:\/\/([^/?#]*)/.exec(target)?.[1];
  return authority !== undefined && isHost(authority);
}

/**
 * Whether a value has a control character, or a blank stands before a colon: the parser lets them pass where it lets folded
 * lines pass.
 */
function hasControlCharacter(fields: FieldBlock): boolean {
  for (let i = 0; i < fields.completeCount; i++) {
    const nameTo = fields.spans[4 * i + 1]!;
    if (fields.text[nameTo] !== ':' || fields.text[nameTo - 1] === ' ') return true;
    const value = fields.value(i);
    for (let k = 0; k < value.length; k++) {
      const code = value.charCodeAt(k);
      if ((code < 0x20 && code !== 9) || code === 0x7f) return true;
    }
  }
  return false;
}

/**
 * Status code of the answer to a request that llhttp refused.
 * @param start The head as far as it was understood, and the next byte.
 */
export function statusOfError(code: number, reason: string, start: string): number {
  if (code === HttpParseErrorCode.PausedH2Upgrade || reason === 'Invalid HTTP version') return 505;
  // How much of a word was read when it turned out to be no known method depends on how it arrived: its first byte decides.
  return code === InvalidMethod && /^[!#$%&'*+.^_`|~0-9A-Za-z-]/.test(start) ? 501 : 400;
}

/** Whether the flags say that the connection may be used again behind a message (HP-034). */
export function isKeptAlive(version: number, flags: number): boolean {
  if (version === 0x0001) return (flags & Flag.ConnectionKeepAlive) !== 0 && (flags & Flag.ConnectionClose) === 0;
  if (version === 0x0002 || version === 0x0900 || (version & 0xff) === 0) return false;
  return (flags & Flag.ConnectionClose) === 0;
}
