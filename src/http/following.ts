import { SocketErrorCode } from '../core/enums.ts';
import { Errno } from '../core/errno.ts';
import type { SocketError } from '../core/errors.ts';
import type { OptionRule } from '../core/option-names.ts';
import { flag, integer } from '../core/properties.ts';
import { type HttpResponse, HttpStreamResponse } from './client-response.ts';
import { ACCEPTED_CODINGS, decodeContent, decodeStream } from './content-decoding.ts';
import { type HttpHeaders, hasHeader, pairsOf } from './header-list.ts';
import { headersBehind, isRedirect, methodBehind } from './redirects.ts';
import { isAtHand, type RequestBody } from './request-options.ts';
import type { RequestTarget } from './request-target.ts';

/** Bytes of the body of a redirect that are read, so that the connection can be used again. */
const DISCARD_BYTES = 64 * 1024;

/** How the answer to a URL is looked for, and what is made of it. */
export interface FollowOptions {
  /** Most redirects that are followed, 0 to 100. Default 0: they are answers like others (SYN-015). */
  maxRedirects?: number | undefined;
  /** Whether gzip, deflate and br are asked for, and decoded. Default true for `openUrl`, false for the `request` of agents. */
  decompress?: boolean | undefined;
}

export const followRules = {
  maxRedirects: integer(0, 0, 100),
  decompress: flag(true),
} satisfies Record<keyof FollowOptions, OptionRule>;

/** What is sent, as far as a redirect may change it. */
export interface FollowedRequest {
  readonly method: string;
  readonly target: RequestTarget;
  readonly headers: HttpHeaders | null;
  readonly body: RequestBody;
  /** Whether there was no redirect to another origin. */
  readonly isFirstOrigin: boolean;
}

/** Sends what is followed. */
export interface Follower {
  readonly maxRedirects: number;
  readonly decompress: boolean;
  /** Longest body after decoding. */
  readonly maxDecodedBytes: number;
  /** The parts of a URL. @throws SocketError if it is none that can be asked. */
  targetOf(url: string): RequestTarget;
  ask(request: FollowedRequest): Promise<HttpResponse | HttpStreamResponse>;
  /** The request loses its body behind a redirect. */
  bodyLost?(): void;
  error(socketError: SocketErrorCode, errno: number, message: string, cause?: unknown): SocketError;
}

/** Asks a URL, follows where it leads, and decodes the answer. Credentials are for the first origin only. */
export async function follow(
  follower: Follower,
  first: Omit<FollowedRequest, 'isFirstOrigin'>,
): Promise<HttpResponse | HttpStreamResponse> {
  const { maxRedirects, decompress } = follower;
  let { method, target, body } = first;
  // They may be asked for several times.
  let headers: HttpHeaders | null = first.headers === null ? null : pairsOf(first.headers);
  let isFirstOrigin = true;
  for (let redirectCount = 0; ; redirectCount++) {
    const fields = decompress ? accepting(headers) : headers;
    const response = await follower.ask({ method, target, headers: fields, body, isFirstOrigin });
    const location = isRedirect(response.status) && maxRedirects > 0 ? response.header('location') : undefined;
    if (location === undefined) return decode(follower, response, target.href, redirectCount);
    if (response instanceof HttpStreamResponse) await response.body.discard(DISCARD_BYTES);
    if (redirectCount === maxRedirects) {
      const message = `more than ${maxRedirects} redirects (maxRedirects)`;
      throw follower.error(SocketErrorCode.DataSend, Errno.ELOOP, message);
    }
    const next = targetBehind(follower, location, target);
    const nextMethod = methodBehind(response.status, method);
    const losesBody = nextMethod !== method;
    if (losesBody) {
      body = undefined;
      follower.bodyLost?.();
    } else if (!isAtHand(body)) {
      const message = 'a redirect asks for a body that was streamed';
      throw follower.error(SocketErrorCode.DataSend, Errno.EPROTO, message);
    }
    const isSameOrigin = next.url.origin === target.url.origin;
    headers = headersBehind(headers, isSameOrigin, losesBody);
    isFirstOrigin &&= isSameOrigin;
    method = nextMethod;
    target = next;
  }
}

function targetBehind(follower: Follower, location: string, from: RequestTarget): RequestTarget {
  let href: string;
  try {
    href = new URL(location, from.url).href;
  } catch {
    href = ''; // is no URL either
  }
  return follower.targetOf(href);
}

async function decode(
  follower: Follower,
  response: HttpResponse | HttpStreamResponse,
  url: string,
  redirectCount: number,
): Promise<HttpResponse | HttpStreamResponse> {
  const { maxDecodedBytes } = follower;
  const codings = follower.decompress ? response.headers.getAll('content-encoding') : [];
  const undecodable = (isLong: boolean, cause?: unknown): SocketError => {
    const message = isLong
      ? `the decoded body is longer than maxDecodedBytes (${maxDecodedBytes})`
      : 'the body is not what its Content-Encoding says';
    return follower.error(SocketErrorCode.DataSend, isLong ? Errno.EMSGSIZE : Errno.EBADMSG, message, cause);
  };
  if (response instanceof HttpStreamResponse) {
    return decodeStream(response, codings, maxDecodedBytes, url, redirectCount, undecodable);
  }
  let { body } = response;
  if (codings.length > 0) {
    try {
      body = await decodeContent(body, codings, maxDecodedBytes);
    } catch (cause) {
      throw undecodable((cause as { code?: string }).code === 'ERR_BUFFER_TOO_LARGE', cause);
    }
  }
  return response.with(body, url, redirectCount);
}

function accepting(headers: HttpHeaders | null): HttpHeaders | null {
  if (hasHeader(headers, 'accept-encoding')) return headers;
  return pairsOf(headers).concat([['Accept-Encoding', ACCEPTED_CODINGS]]);
}
