import type { Socket } from 'node:net';
import { isIPv4 } from './ip.ts';

/** An address of a socket. For Unix domain sockets `address` is the path and `port` 0. */
export interface SocketAddress {
  /** Numeric, as `127.0.0.1` or `::1`. */
  address: string;
  /** 1 to 65535. */
  port: number;
}

/** `::ffff:1.2.3.4` is an IPv4 peer on a dual-stack socket: `1.2.3.4`. */
export function normalizeAddress(address: string): string {
  return address.startsWith('::ffff:') && isIPv4(address.slice(7)) ? address.slice(7) : address;
}

/** What counts as one peer for limits: an IPv4 address, or the /64 network of an IPv6 address. */
export function limitKey(address: string): string {
  if (!address.includes(':')) return address;
  const [head = '', tail] = address.split('%')[0]!.split('::');
  const left = head === '' ? [] : head.split(':');
  const right = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = tail === undefined ? 0 : 8 - left.length - right.length;
  const groups = [...left, ...new Array<string>(Math.max(zeros, 0)).fill('0'), ...right];
  return `${groups
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(':')}::/64`;
}

/** Local address of a socket, null once it is closed. */
export function localAddressOfSocket(socket: Socket): SocketAddress | null {
  const { localAddress, localPort } = socket;
  return localAddress === undefined || socket.destroyed
    ? null
    : { address: normalizeAddress(localAddress), port: localPort ?? 0 };
}

/** HP-Socket's `addr^name`: dial `addr`, but use `name` as the host (5.8.8+). */
export function splitHost(host: string): { dial: string; name: string } {
  const at = host.indexOf('^');
  return at < 0 ? { dial: host, name: host } : { dial: host.slice(0, at), name: host.slice(at + 1) };
}
