import { HandleResult } from '../core/enums.ts';

/** Version of a message (`EnHttpVersion`, HT-002): low byte major, high byte minor. */
export const HttpVersion = Object.freeze({
  /** HTTP/1.0 */
  V1_0: 0x0001,
  /** HTTP/1.1 */
  V1_1: 0x0101,
} as const);
export type HttpVersion = (typeof HttpVersion)[keyof typeof HttpVersion];

/** Parts of a request target (`EnHttpUrlField`, HT-010). In a set of fields, field `f` is the bit `1 << f`. */
export const HttpUrlField = Object.freeze({
  /** `http` or `https`. */
  Schema: 0,
  /** Name or address. */
  Host: 1,
  /** Port, in digits. */
  Port: 2,
  /** From the first slash up to the query. */
  Path: 3,
  /** Behind the question mark. */
  QueryString: 4,
  /** Behind `#`. */
  Fragment: 5,
  /** In front of `@`. */
  UserInfo: 6,
} as const);
export type HttpUrlField = (typeof HttpUrlField)[keyof typeof HttpUrlField];

/** What a connection is to become (`EnHttpUpgradeType`, UPG-003). */
export const HttpUpgradeType = Object.freeze({
  /** Something that `Upgrade` names and that is not known here. */
  Unknown: -1,
  /** Nothing was asked for: a hook answered `HttpParseResult.Upgrade` (UPG-005). */
  None: 0,
  /** To WebSocket (RFC 6455). */
  WebSocket: 1,
  /** The method was CONNECT. */
  HttpTunnel: 2,
} as const);
export type HttpUpgradeType = (typeof HttpUpgradeType)[keyof typeof HttpUpgradeType];

/**
 * What an HTTP hook answers (`EnHttpParseResult`). Returning nothing means `Ok`. They are symbols, so that no expression that
 * a hook happens to return is taken for one; `httpParseResultNumber` tells HP-Socket's number.
 */
export const HttpParseResult = Object.freeze({
  /** Go on. */
  Ok: Symbol.for('hp-socket.HttpParseResult.Ok'),
  /** `onHeadersComplete`: the message has no body; the bytes behind its head are the next message. */
  SkipBody: Symbol.for('hp-socket.HttpParseResult.SkipBody'),
  /** `onHeadersComplete`: what follows the head is another protocol. */
  Upgrade: Symbol.for('hp-socket.HttpParseResult.Upgrade'),
  /** Refuse the message: `onParseError`, then the connection closes. */
  Error: Symbol.for('hp-socket.HttpParseResult.Error'),
});
export type HttpParseResult = (typeof HttpParseResult)[keyof typeof HttpParseResult];

const parseResultNumbers: ReadonlyMap<unknown, number> = new Map([
  [HttpParseResult.Ok, 0],
  [HttpParseResult.SkipBody, 1],
  [HttpParseResult.Upgrade, 2],
  [HttpParseResult.Error, -1],
]);

/** HP-Socket's number: `HPR_OK` 0, `HPR_SKIP_BODY` 1, `HPR_UPGRADE` 2, `HPR_ERROR` -1. */
export function httpParseResultNumber(result: HttpParseResult): number {
  return parseResultNumbers.get(result) ?? 0;
}

/** Whether a hook refuses: `HandleResult.Error` means the same as `HttpParseResult.Error`. */
export function isRefusal(result: unknown): boolean {
  return result === HttpParseResult.Error || result === HandleResult.Error;
}

/** Why a message was not understood (`EnHttpParseErrorCode`): llhttp's numbers, those above 24 newer than HP-Socket's. */
export const HttpParseErrorCode = Object.freeze({
  /** No error. */
  Ok: 0,
  /** An error of the parser itself. */
  Internal: 1,
  /** A rule of strict parsing. */
  Strict: 2,
  /** A line feed was expected. */
  LfExpected: 3,
  /** Content-Length beside Transfer-Encoding. */
  UnexpectedContentLength: 4,
  /** Bytes behind the last message of a connection. */
  ClosedConnection: 5,
  /** No known method. */
  InvalidMethod: 6,
  /** The request target makes no sense. */
  InvalidUrl: 7,
  /** Not the text that the protocol demands. */
  InvalidConstant: 8,
  /** Not HTTP/1.0 or 1.1. */
  InvalidVersion: 9,
  /** A byte that is not allowed in a header field. */
  InvalidHeaderToken: 10,
  /** Content-Length makes no sense. */
  InvalidContentLength: 11,
  /** The size of a chunk makes no sense. */
  InvalidChunkSize: 12,
  /** The status code makes no sense. */
  InvalidStatus: 13,
  /** The connection ended in the middle of a message. */
  InvalidEofState: 14,
  /** Transfer-Encoding makes no sense. */
  InvalidTransferEncoding: 15,
  /** `onMessageBegin` answered Error. */
  CbMessageBegin: 16,
  /** `onHeadersComplete` answered Error. */
  CbHeadersComplete: 17,
  /** `onMessageComplete` answered Error. */
  CbMessageComplete: 18,
  /** `onChunkHeader` answered Error. */
  CbChunkHeader: 19,
  /** `onChunkComplete` answered Error. */
  CbChunkComplete: 20,
  /** Parsing is paused; no error. */
  Paused: 21,
  /** Another protocol takes over; no error. */
  PausedUpgrade: 22,
  /** The peer speaks HTTP/2. */
  PausedH2Upgrade: 23,
  /** A policy, a limit or a hook of this library refused it. */
  User: 24,
  /** A carriage return was expected. */
  CrExpected: 25,
  /** A blank where none may be. */
  UnexpectedSpace: 30,
} as const);
export type HttpParseErrorCode = (typeof HttpParseErrorCode)[keyof typeof HttpParseErrorCode];
