import { BlockList } from 'node:net';
import { describe } from '../core/describe.ts';
import { isIP } from '../core/ip.ts';

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
