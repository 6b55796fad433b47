import { lookup } from 'node:dns/promises';
import type { Socket } from 'node:net';
import { localAddressOfSocket, normalizeAddress, type SocketAddress } from '../../core/address.ts';
import { describe } from '../../core/describe.ts';
import { IPAddrType, SocketErrorCode } from '../../core/enums.ts';
import { Errno } from '../../core/errno.ts';
import { SocketError } from '../../core/errors.ts';
import { isIPv4, isIPv6 } from '../../core/ip.ts';
import { oneOf } from '../../core/properties.ts';

/** An address and its family (`TIPAddr`). */
export interface IPAddr {
  /** Family. */
  readonly type: IPAddrType;
  /** Numeric address. */
  readonly address: string;
}

/**
 * The family of an IP address (`SYS_IsIPAddress`, SYS-018): `IPAddrType.IPv4` or `IPv6`; false for anything else, such as host
 * names, addresses in brackets or with a zone, and with blanks.
 */
export function isIPAddress(text: string): typeof IPAddrType.IPv4 | typeof IPAddrType.IPv6 | false {
  if (typeof text !== 'string') return false;
  if (isIPv4(text)) return IPAddrType.IPv4;
  return isIPv6(text) && !text.includes('%') ? IPAddrType.IPv6 : false;
}

/**
 * All addresses of a host (`SYS_EnumHostIPAddresses`, SYS-016). An address is its own only one. The array needs no freeing
 * (SYS-017).
 * @param type Only addresses of this family; default all.
 * @throws (rejects) SocketError EHOSTUNREACH if there is none.
 */
export async function enumHostIPAddresses(host: string, type: IPAddrType = IPAddrType.All): Promise<IPAddr[]> {
  if (typeof host !== 'string') throw new TypeError(`host must be a string, not ${describe(host)}`);
  oneOf<IPAddrType>(IPAddrType.All, Object.values(IPAddrType)).check('type', type);
  const found = await addressesOf(host);
  const wanted = found.filter((entry) => type === IPAddrType.All || entry.type === type);
  if (wanted.length === 0) throw unresolved('enumHostIPAddresses', host);
  return wanted;
}

/** The first address of a host (`SYS_GetIPAddress`, SYS-019). @throws (rejects) SocketError EHOSTUNREACH if there is none. */
export async function getIPAddress(host: string): Promise<IPAddr> {
  const [first] = await enumHostIPAddresses(host);
  return first!;
}

/**
 * Where a socket of Node is bound (`SYS_GetSocketLocalAddress`, SYS-015); null if it is closed. Components have
 * `getLocalAddress(connId)`.
 */
export function getSocketLocalAddress(socket: Socket): SocketAddress | null {
  return localAddressOfSocket(socket);
}

/** The address that a socket of Node is connected to (`SYS_GetSocketRemoteAddress`, SYS-015); null if it is closed. */
export function getSocketRemoteAddress(socket: Socket): SocketAddress | null {
  const { remoteAddress, remotePort } = socket;
  if (remoteAddress === undefined || socket.destroyed) return null;
  return { address: normalizeAddress(remoteAddress), port: remotePort ?? 0 };
}

async function addressesOf(host: string): Promise<IPAddr[]> {
  const literal = isIPAddress(host);
  if (literal !== false) return [{ type: literal, address: host }];
  if (host === '') throw unresolved('enumHostIPAddresses', host);
  try {
    const found = await lookup(host, { all: true });
    return found.map(({ address, family }) => ({
      type: family === 6 ? IPAddrType.IPv6 : IPAddrType.IPv4,
      address,
    }));
  } catch (error) {
    throw unresolved('enumHostIPAddresses', host, error);
  }
}

function unresolved(operation: string, host: string, cause?: unknown): SocketError {
  return new SocketError({
    socketError: SocketErrorCode.Network,
    errno: Errno.EHOSTUNREACH,
    operation,
    message: `${operation} found no such address of ${describe(host)}; check the name and the network`,
    ...(cause !== undefined && { cause }),
  });
}
