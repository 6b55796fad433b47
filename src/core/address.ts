import { BlockList, isIP, isIPv4, type Socket } from 'node:net';
import { describe } from './describe.ts';

/** An address of a socket. For Unix domain sockets `address` is the path and `port` 0. */
export interface SocketAddress {
  address: string;
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

/** Addresses as an option takes them: single ones, networks such as `10.0.0.0/8`, or a `net.BlockList`. */
export type AddressList = readonly string[] | BlockList;

/** Checks an option that is an address list. */
export function checkAddressList(name: string, value: unknown): void {
  if (value !== null) toBlockList(name, value as AddressList);
}

/** The list as a `net.BlockList`. Throws a TypeError that names the entry. */
export function toBlockList(name: string, list: AddressList): BlockList {
  if (list instanceof BlockList) return list;
  if (!Array.isArray(list))
    throw new TypeError(`${name} must be an array of addresses or a net.BlockList, not ${describe(list)}`);
  const result = new BlockList();
  for (const entry of list) {
    const [address = '', prefix, ...more] = typeof entry === 'string' ? entry.split('/') : [];
    const family = isIP(address) === 6 ? 'ipv6' : 'ipv4';
    try {
      if (isIP(address) === 0) throw new TypeError('not an IP address');
      // Number('') is 0: half an entry must not become the network of all addresses.
      if (more.length > 0 || (prefix !== undefined && !/^\d{1,3}$/.test(prefix))) throw new TypeError('not a prefix');
      if (prefix === undefined) result.addAddress(address, family);
      else result.addSubnet(address, Number(prefix), family);
    } catch {
      throw new TypeError(`${name}: ${describe(entry)} is no IP address or network such as 10.0.0.0/8`);
    }
  }
  return result;
}

export function isListed(list: BlockList, address: string): boolean {
  return list.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4');
}

/** Local address of a socket, null once it is closed. */
export function localAddressOf(socket: Socket): SocketAddress | null {
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
