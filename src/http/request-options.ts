import { describe } from '../core/describe.ts';
import { checkOptions, type OptionRule, type OptionRules } from '../core/option-names.ts';
import { integer, oneOf } from '../core/properties.ts';
import { cookieTarget } from './cookies/cookie.ts';
import type { HttpHeaders } from './header-list.ts';
import type { BodyBytes } from './message-writer.ts';

/**
 * Body of a request: at hand, or made piece by piece and sent in chunks (or with your `Content-Length`, which it has to fill). A Node
 * stream, a web stream and the body of a streamed answer are async iterables, too. Pieces belong to the library until they are sent.
 */
export type RequestBody = BodyBytes | AsyncIterable<string | Uint8Array> | Iterable<string | Uint8Array>;

/** How a request is made, beside where it goes. */
export interface HttpRequestOptions {
  /** Default `GET`. */
  method?: string | undefined;
  /** Fields; `Host`, `Content-Length` and `Transfer-Encoding` are added as needed. */
  headers?: HttpHeaders | null | undefined;
  /** Bytes or text of known length, or a source of unknown length that is sent in chunks. */
  body?: RequestBody | undefined;
  /** Aborting rejects with ECANCELED, and closes the connection if the request was sent. */
  signal?: AbortSignal | undefined;
  /** Milliseconds for all of it, waiting for its turn included; 0, the default, for no limit. Then ETIMEDOUT. */
  timeoutMs?: number | undefined;
  /** Called for each interim answer (1xx). */
  onInterim?: ((statusCode: number, headers: [string, string][]) => void) | undefined;
  /**
   * Whether the body waits for the server's `100 Continue` (RFC 9110 10.1.1): true for up to a second, or so many milliseconds; then
   * it is sent anyway. An answer that comes instead is taken, and the connection closes. Default false.
   */
  expectContinue?: boolean | number | undefined;
  /**
   * `'collect'`, the default: the answer is whole, its body up to `maxBodyBytes`. `'stream'`: it is there with its head, and the
   * body is read as it arrives.
   */
  responseBody?: 'collect' | 'stream' | undefined;
  /** URL of the page that makes the request, for cookies with `SameSite`. Left out: nobody's, so that all cookies go along. */
  initiator?: string | URL | undefined;
}

/** A whole request. */
export interface HttpRequestInit extends HttpRequestOptions {
  /** Path and query, encoded. Default `/`. */
  path?: string | undefined;
}

/** The part of an options object that says that the answer is streamed. */
export interface Streamed {
  responseBody: 'stream';
}

/** Milliseconds that a body waits for `100 Continue`, unless told otherwise. */
export const DEFAULT_CONTINUE_MS = 1000;
const continueRule = integer(0, 1, 0x7fffffff);

export const requestRules = {
  method: {
    check(name, value) {
      if (typeof value !== 'string') throw new TypeError(`${name} must be a string, not ${describe(value)}`);
    },
  },
  headers: true,
  body: true,
  signal: true,
  timeoutMs: integer(0, 0, 0x7fffffff),
  onInterim: {
    check(name, value) {
      if (typeof value !== 'function') throw new TypeError(`${name} must be a function, not ${describe(value)}`);
    },
  },
  expectContinue: {
    check(name, value) {
      if (typeof value !== 'boolean') continueRule.check(name, value);
    },
  },
  responseBody: oneOf('collect', ['collect', 'stream']),
  initiator: {
    check(_name, value) {
      cookieTarget(value as string | URL);
    },
  },
} satisfies Record<keyof HttpRequestOptions, OptionRule>;

const initRules = { ...requestRules, path: true } satisfies Record<keyof HttpRequestInit, OptionRule>;

/** Checks what `request` was given. @throws TypeError, RangeError. */
export function checkRequest(what: string, init: object, rules: OptionRules = initRules): void {
  checkOptions(what, init, rules);
}

/** Whether a body is there as a whole. */
export function isAtHand(body: RequestBody): body is BodyBytes {
  return body === null || body === undefined || typeof body === 'string' || body instanceof Uint8Array;
}
