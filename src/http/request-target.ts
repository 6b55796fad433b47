import type { Component } from '../core/component.ts';
import { SocketErrorCode } from '../core/enums.ts';
import { Errno } from '../core/errno.ts';
import type { SocketError } from '../core/errors.ts';
import { $failed } from '../core/internals.ts';

/** Where the URL of a request leads. */
export interface RequestTarget {
  readonly url: URL;
  /** `url` as text. */
  readonly href: string;
  /** Host to connect to: an IPv6 address without brackets. */
  readonly host: string;
  readonly port: number;
  /** Value of `Host`. */
  readonly authority: string;
  /** Path and query. */
  readonly path: string;
}

/**
 * Splits the URL of a request (SYN-011, SYN-012).
 * @throws SocketError: ConnectServer with EADDRNOTAVAIL for what is no `http:` or `https:` URL, or names a user; EPROTO if the
 *   scheme is not the component's.
 */
export function targetOf(component: Component, isSecure: boolean, text: string, operation: string): RequestTarget {
  const authority = /^https?:\/\/([A-Za-z0-9[][^/?#\\]*)/i.exec(text)?.[1];
  if (authority === undefined || authority.includes('@') || authority.endsWith(':')) throw noUrl(component, operation);
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    throw noUrl(component, operation);
  }
  const needed = isSecure ? 'https:' : 'http:';
  if (url.protocol !== needed) {
    throw component[$failed]({
      socketError: SocketErrorCode.ConnectServer,
      errno: Errno.EPROTO,
      operation,
      message: `no answer: this component opens ${needed} URLs only`,
    });
  }
  const { hostname, port } = url;
  return {
    url,
    href: url.href,
    host: hostname.startsWith('[') ? hostname.slice(1, -1) : hostname,
    port: port === '' ? (isSecure ? 443 : 80) : Number(port),
    authority: url.host,
    path: url.pathname + url.search,
  };
}

/** The error of a text that is no URL of HTTP. */
function noUrl(component: Component, operation: string): SocketError {
  return component[$failed]({
    socketError: SocketErrorCode.ConnectServer,
    errno: Errno.EADDRNOTAVAIL,
    operation,
    message: 'no answer: the URL must be http://host or https://host, without user name',
  });
}
