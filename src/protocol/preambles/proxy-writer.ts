import type { SocketAddress } from '../../core/address.ts';
import { describe } from '../../core/describe.ts';
import { isIP, isIPv4 } from '../../core/ip.ts';
import { checkOptions, type OptionRule } from '../../core/option-names.ts';
import { toBytes } from '../../memory/sendable.ts';
import { crc32c } from './crc32c.ts';
import { type ProxyTlv, ProxyTlvType } from './proxy-header.ts';
import { V2_SIGNATURE } from './proxy-reader.ts';

/** What a PROXY header is to say. */
export interface ProxyHeaderOptions {
  /** 1, one line of text, or 2, which has TLVs. Default 2. */
  version?: 1 | 2 | undefined;
  /** `'local'`: no client is behind this connection (v2; in v1 it is UNKNOWN). Default `'proxy'`. */
  command?: 'proxy' | 'local' | undefined;
  /**
   * The client; with the address '', it has none. Left out: the own end of the connection that the header is sent on. A path and an
   * address of that connection make no pair: the header says then that both are unknown.
   */
  source?: SocketAddress | undefined;
  /** Where the client connected to; with the address '', that is not known. Left out: the other end of that connection. */
  destination?: SocketAddress | undefined;
  /** Whether the client is connected by a stream or sent a datagram (v2). Default `'stream'`. */
  transport?: 'stream' | 'datagram' | undefined;
  /** TLVs in their order (v2); text as UTF-8. */
  tlvs?: readonly (ProxyTlv | { readonly type: number; readonly value: string | Uint8Array })[] | undefined;
  /** Whether a CRC-32C is appended (v2). Default false. */
  crc32c?: boolean | undefined;
}

const rules = {
  version: true,
  command: true,
  source: true,
  destination: true,
  transport: true,
  tlvs: true,
  crc32c: true,
} satisfies Record<keyof ProxyHeaderOptions, OptionRule>;

/**
 * The bytes of a PROXY header, for a program that forwards connections: to be sent before anything else, TLS included.
 *
 * ```ts
 * agent.connect({ host: 'backend', port: 5555, proxyHeader: { source: server.connection(connId)!.remoteAddress! } });
 * socket.write(writeProxyHeader({ source: { address: '192.0.2.1', port: 56324 }, destination: { address: '198.51.100.7', port: 443 } }));
 * ```
 *
 * Addresses of two families are written as IPv6, the IPv4 one mapped. Without both addresses the header says that they are unknown.
 * @throws TypeError, RangeError for what no header can say: no IP address and no path, both together, version 1 with TLVs or Unix
 *   paths.
 */
export function writeProxyHeader(options: ProxyHeaderOptions): Buffer {
  checkProxyHeader('writeProxyHeader', options);
  return writeChecked(options);
}

/** The same for options that were checked before an address of the connection joined them: a path and an IP address are unknown then. */
export function writeChecked(options: ProxyHeaderOptions): Buffer {
  const { version = 2, command = 'proxy' } = options;
  if (version === 1) return Buffer.from(writeV1(command === 'local' ? {} : options), 'latin1');
  return writeV2(options, command === 'local');
}

/** Checks options of a header. @throws TypeError, RangeError that name what is wrong. */
export function checkProxyHeader(what: string, options: unknown): void {
  checkOptions(what, options, rules);
  const { version = 2, command, transport, source, destination, tlvs, crc32c: hasCrc } = options as ProxyHeaderOptions;
  if (version !== 1 && version !== 2)
    throw new RangeError(`version of ${what} must be 1 or 2, not ${describe(version)}`);
  if (command !== undefined && command !== 'proxy' && command !== 'local')
    throw new RangeError(`command of ${what} must be proxy or local, not ${describe(command)}`);
  if (transport !== undefined && transport !== 'stream' && transport !== 'datagram')
    throw new RangeError(`transport of ${what} must be stream or datagram, not ${describe(transport)}`);
  if (hasCrc !== undefined && typeof hasCrc !== 'boolean')
    throw new TypeError(`crc32c of ${what} must be true or false, not ${describe(hasCrc)}`);
  for (const [name, address] of Object.entries({ source, destination })) checkAddress(what, name, address, version);
  if (isKnown(source) && isKnown(destination) && isPath(source) !== isPath(destination))
    throw new TypeError(`source and destination of ${what} must both be IP addresses, or both be paths`);
  if (tlvs === undefined) return;
  if (!Array.isArray(tlvs)) throw new TypeError(`tlvs of ${what} must be an array, not ${describe(tlvs)}`);
  if (version === 1 && tlvs.length > 0) throw new RangeError(`${what} of version 1 has no tlvs; use version 2`);
  for (const tlv of tlvs) {
    const { type, value } = (tlv ?? {}) as ProxyTlv;
    if (!Number.isInteger(type) || type < 0 || type > 255)
      throw new RangeError(`type of a TLV must be a whole number, 0 to 255, not ${describe(type)}`);
    if (typeof value !== 'string' && !(value instanceof Uint8Array))
      throw new TypeError(`value of TLV ${type} must be a string or bytes, not ${describe(value)}`);
  }
}

/** Whether there is an address: a client of a Unix domain socket without a path has none. */
function isKnown(address: SocketAddress | undefined): address is SocketAddress {
  return address !== undefined && address.address !== '';
}

function isPath({ address }: SocketAddress): boolean {
  return address.startsWith('/') || address.startsWith('\0');
}

function checkAddress(what: string, name: string, address: SocketAddress | undefined, version: number): void {
  if (address === undefined) return;
  if (typeof address !== 'object' || address === null || typeof address.address !== 'string')
    throw new TypeError(`${name} of ${what} must be an address and a port, not ${describe(address)}`);
  if (address.address === '') return;
  if (isPath(address)) {
    if (version === 1) throw new RangeError(`${what} of version 1 has no paths; use version 2`);
    if (Buffer.byteLength(address.address) > 108)
      throw new RangeError(`${name} of ${what} is a path of over 108 bytes`);
    return;
  }
  if (isIP(address.address) === 0)
    throw new TypeError(`${name} of ${what} must be an IP address or a path, not ${describe(address.address)}`);
  const { port } = address;
  if (!Number.isInteger(port) || port < 0 || port > 65_535)
    throw new RangeError(`the port of ${name} must be a whole number, 0 to 65535, not ${describe(port)}`);
}

function writeV1({ source, destination }: ProxyHeaderOptions): string {
  if (!isKnown(source) || !isKnown(destination)) return 'PROXY UNKNOWN\r\n';
  const isFour = isIPv4(source.address) && isIPv4(destination.address);
  const text = ({ address }: SocketAddress): string => {
    if (isFour) return address;
    return isIPv4(address) ? `::ffff:${address}` : withoutZone(address);
  };
  const family = isFour ? 'TCP4' : 'TCP6';
  return `PROXY ${family} ${text(source)} ${text(destination)} ${source.port} ${destination.port}\r\n`;
}

function withoutZone(address: string): string {
  const at = address.indexOf('%');
  return at < 0 ? address : address.slice(0, at);
}

function writeV2(options: ProxyHeaderOptions, isLocal: boolean): Buffer {
  const { source, destination, transport = 'stream', tlvs = [], crc32c: hasCrc = false } = options;
  const hasAddresses = !isLocal && isKnown(source) && isKnown(destination) && isPath(source) === isPath(destination);
  const addresses = hasAddresses ? writeAddresses(source, destination) : { family: 0, bytes: Buffer.alloc(0) };
  const parts = [addresses.bytes];
  const append = (type: number, value: Uint8Array): void => {
    if (value.length > 65_535)
      throw new RangeError(`TLV ${type} has ${value.length} bytes, at most 65535 are possible`);
    parts.push(Buffer.from([type, value.length >> 8, value.length & 255]), Buffer.from(value));
  };
  for (const { type, value } of tlvs) append(type, toBytes(value, 0, undefined));
  if (hasCrc) append(ProxyTlvType.Crc32c, Buffer.alloc(4));
  const block = Buffer.concat(parts);
  if (block.length > 65_535)
    throw new RangeError(`the PROXY header has ${block.length} bytes behind its 16, at most 65535 are possible`);
  const header = Buffer.concat([V2_SIGNATURE, Buffer.alloc(4), block]);
  header[12] = isLocal ? 0x20 : 0x21;
  header[13] = hasAddresses ? (addresses.family << 4) | (transport === 'datagram' ? 2 : 1) : 0;
  header.writeUInt16BE(block.length, 14);
  if (hasCrc) header.writeUInt32BE(crc32c(header), header.length - 4);
  return header;
}

function writeAddresses(source: SocketAddress, destination: SocketAddress): { family: number; bytes: Buffer } {
  if (isPath(source)) {
    const bytes = Buffer.alloc(216);
    bytes.write(source.address, 0, 108, 'utf8');
    bytes.write(destination.address, 108, 108, 'utf8');
    return { family: 3, bytes };
  }
  const isFour = isIPv4(source.address) && isIPv4(destination.address);
  const size = isFour ? 4 : 16;
  const bytes = Buffer.alloc(2 * size + 4);
  writeIp(bytes, 0, source.address, isFour);
  writeIp(bytes, size, destination.address, isFour);
  bytes.writeUInt16BE(source.port, 2 * size);
  bytes.writeUInt16BE(destination.port, 2 * size + 2);
  return { family: isFour ? 1 : 2, bytes };
}

/** Writes an IP address as 4 or 16 bytes, an IPv4 one among the latter as a mapped one. */
export function writeIp(bytes: Buffer, at: number, address: string, isFour: boolean): void {
  if (isIPv4(address)) {
    const octets = address.split('.').map(Number);
    if (!isFour) bytes.fill(0xff, at + 10, at + 12);
    bytes.set(octets, isFour ? at : at + 12);
    return;
  }
  const [head = '', tail] = withoutZone(address).split('::');
  const left = groupsOf(head);
  const right = tail === undefined ? [] : groupsOf(tail);
  const groups = [...left, ...new Array<number>(8 - left.length - right.length).fill(0), ...right];
  for (const [i, group] of groups.entries()) bytes.writeUInt16BE(group, at + 2 * i);
}

/** The groups of a part of an IPv6 address, whose last may be an IPv4 address. */
function groupsOf(text: string): number[] {
  if (text === '') return [];
  return text.split(':').flatMap((group) => {
    if (!group.includes('.')) return [Number.parseInt(group, 16)];
    const [a = 0, b = 0, c = 0, d = 0] = group.split('.').map(Number);
    return [(a << 8) | b, (c << 8) | d];
  });
}
