import { HandleResult } from '../core/enums.ts';

/** Version of a message (`EnHttpVersion`, HT-002): low byte major, high byte minor. */
export const HttpVersion = Object.freeze({ V1_0: 0x0001, V1_1: 0x0101 } as const);
export type HttpVersion = (typeof HttpVersion)[keyof typeof HttpVersion];

/** Parts of a request target (`EnHttpUrlField`, HT-010). In a set of fields, field `f` is the bit `1 << f`. */
export const HttpUrlField = Object.freeze({
  Schema: 0,
  Host: 1,
  Port: 2,
  Path: 3,
  QueryString: 4,
  Fragment: 5,
  UserInfo: 6,
} as const);
export type HttpUrlField = (typeof HttpUrlField)[keyof typeof HttpUrlField];

/** What a connection is to become (`EnHttpUpgradeType`, UPG-003). */
export const HttpUpgradeType = Object.freeze({
  /** Something that `Upgrade` names and that is not known here. */
  Unknown: -1,
  /** Nothing was asked for: a hook answered `HttpParseResult.Upgrade` (UPG-005). */
  None: 0,
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
  Ok: 0,
  Internal: 1,
  Strict: 2,
  LfExpected: 3,
  UnexpectedContentLength: 4,
  ClosedConnection: 5,
  InvalidMethod: 6,
  InvalidUrl: 7,
  InvalidConstant: 8,
  InvalidVersion: 9,
  InvalidHeaderToken: 10,
  InvalidContentLength: 11,
  InvalidChunkSize: 12,
  InvalidStatus: 13,
  InvalidEofState: 14,
  InvalidTransferEncoding: 15,
  CbMessageBegin: 16,
  CbHeadersComplete: 17,
  CbMessageComplete: 18,
  CbChunkHeader: 19,
  CbChunkComplete: 20,
  Paused: 21,
  PausedUpgrade: 22,
  PausedH2Upgrade: 23,
  User: 24,
  CrExpected: 25,
  UnexpectedSpace: 30,
} as const);
export type HttpParseErrorCode = (typeof HttpParseErrorCode)[keyof typeof HttpParseErrorCode];
