import type { BlockList } from 'node:net';
import { describe } from '../core/describe.ts';
import { checkOptions, type OptionRule } from '../core/option-names.ts';
import { flag, integer, oneOf } from '../core/properties.ts';
import { MAX_V1_BYTES } from '../protocol/preambles/proxy-reader.ts';
import { type AddressList, isListed, toBlockList } from '../transport/address-list.ts';

/** How a server takes PROXY headers. */
export interface ProxyProtocolOptions {
  /**
   * The proxies whose headers are believed: addresses, networks such as `10.0.0.0/8`, or a `net.BlockList`; in an array also
   * `'unix'`, for all that connect by a Unix domain socket. A listed one can claim to be anybody.
   */
  trustedProxies: AddressList;
  /**
   * What connections from other addresses get. `'refuse'`, the default: they are closed at once. `'direct'`: they are clients
   * without a proxy in between, and what they send is the component's own protocol, a PROXY header too.
   */
  untrusted?: 'refuse' | 'direct' | undefined;
  /**
   * Whether connections of trusted proxies may come without a header; they are taken for the proxy's own. Default false. A client
   * that sends nothing is let in when `preambleTimeoutMs` is over.
   */
  optional?: boolean | undefined;
  /** Longest header in bytes, 107 to 65,551; version 2 with TLVs may be longer than the default of 4096. */
  maxHeaderBytes?: number | undefined;
}

const MAX_HEADER_BYTES = 65_551;
/** Addresses that are remembered. */
const MAX_KNOWN = 1024;

const rules = {
  trustedProxies: true,
  untrusted: oneOf('refuse', ['refuse', 'direct']),
  optional: flag(false),
  maxHeaderBytes: integer(4096, MAX_V1_BYTES, MAX_HEADER_BYTES),
} satisfies Record<keyof ProxyProtocolOptions, OptionRule>;

/** What other servers call them. */
const foreign = {
  trusted: 'trustedProxies',
  trustedAddresses: 'trustedProxies',
  allowed: 'trustedProxies',
  set_real_ip_from: 'trustedProxies',
  timeoutMs: 'the time for it is the property preambleTimeoutMs',
  policy: 'give untrusted and optional',
};

/** Checks the property `proxyProtocol`. */
export function checkProxyProtocol(name: string, value: unknown): void {
  if (value === null) return;
  checkOptions(name, value, rules, foreign);
  const { trustedProxies } = value as ProxyProtocolOptions;
  if (trustedProxies === undefined) {
    throw new TypeError(
      `${name} needs trustedProxies, the addresses of the proxies whose headers are believed: anybody else could claim to be anybody`,
    );
  }
  splitList(name, trustedProxies);
}

function splitList(name: string, list: AddressList): { addresses: BlockList; hasUnix: boolean } {
  const what = `trustedProxies of ${name}`;
  if (!Array.isArray(list)) return { addresses: toBlockList(what, list), hasUnix: false };
  if (list.length === 0) throw new TypeError(`${what} is empty, so that every connection would be refused`);
  const addresses = list.filter((entry) => entry !== 'unix');
  return { addresses: toBlockList(what, addresses), hasUnix: addresses.length < list.length };
}

/** The addresses that may send PROXY headers to a server, and what others get. Made by each start. */
export class TrustedProxies {
  readonly isOptional: boolean;
  readonly maxHeaderBytes: number;
  readonly letsOthersIn: boolean;
  #addresses: BlockList;
  #hasUnix: boolean;
  /** What was found of an address: a look into a `net.BlockList` costs ten times what the rest of a header does. */
  #known = new Map<string, boolean>();
  /** A list of the user's own may change while the server runs. */
  #mayRemember: boolean;

  constructor({ trustedProxies, untrusted, optional, maxHeaderBytes }: ProxyProtocolOptions) {
    const { addresses, hasUnix } = splitList('proxyProtocol', trustedProxies);
    this.#addresses = addresses;
    this.#hasUnix = hasUnix;
    this.#mayRemember = Array.isArray(trustedProxies);
    this.letsOthersIn = untrusted === 'direct';
    this.isOptional = optional ?? false;
    this.maxHeaderBytes = maxHeaderBytes ?? 4096;
  }

  /** @param address Numeric address; '' for a Unix domain socket. */
  includes(address: string): boolean {
    if (address === '') return this.#hasUnix;
    const known = this.#known.get(address);
    if (known !== undefined) return known;
    const isIncluded = isListed(this.#addresses, address);
    if (this.#mayRemember) {
      if (this.#known.size >= MAX_KNOWN) this.#known.clear();
      this.#known.set(address, isIncluded);
    }
    return isIncluded;
  }
}

/** Checks a property that is a function, or null. */
export function checkPreamble(name: string, value: unknown): void {
  if (value === null || typeof value === 'function') return;
  throw new TypeError(`${name} must be a function that makes a preamble, not ${describe(value)}`);
}
