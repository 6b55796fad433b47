import { normalizeAddress, type SocketAddress } from '../../core/address.ts';
import { isIPv4, isIPv6 } from '../../core/ip.ts';
import { crc32c } from './crc32c.ts';
import { ProxyHeader, ProxyTlvType, readTlvs } from './proxy-header.ts';

/*
 * Reads PROXY headers, as their specification says (haproxy, doc/proxy-protocol.txt).
 *
 *   version 1   PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\n      at most 107 bytes
 *
 *   version 2   0              12    13    14      16
 *               +--------------+-----+-----+-------+-----------+------+
 *               | signature 12 | v c | f t | length| addresses | TLVs |
 *               +--------------+-----+-----+-------+-----------+------+
 *               v = 2, c: 0 LOCAL, 1 PROXY; f: 0 UNSPEC, 1 IPv4, 2 IPv6, 3 Unix; t: 0 UNSPEC, 1 STREAM, 2 DGRAM
 */

/** First bytes of version 2. */
export const V2_SIGNATURE = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');
const V1_SIGNATURE = Buffer.from('PROXY ', 'latin1');
/** Longest header of version 1, CR and LF included. */
export const MAX_V1_BYTES = 107;
/** Bytes of version 2 in front of the addresses. */
export const V2_PREFIX_BYTES = 16;
const CR = 13;
const LF = 10;
const NO_TLVS: readonly never[] = [];

/** What the beginning of a stream is. */
export const ProxyStart = Object.freeze({
  /** A header, and all of it is there: `header` and `length`. */
  Whole: 0,
  /** The beginning of one. */
  Part: 1,
  /** Bytes that no header begins with. */
  None: 2,
  /** A header, but a broken one: `problem`. */
  Broken: 3,
} as const);
export type ProxyStart = (typeof ProxyStart)[keyof typeof ProxyStart];

/** Reads one header after another; what it found last stands in its fields. */
export class ProxyReader {
  header: ProxyHeader | null = null;
  /** Bytes of the header. */
  length = 0;
  problem = '';
  /** Longest header that is taken, all in all. */
  readonly maxBytes: number;

  constructor(maxBytes: number) {
    this.maxBytes = maxBytes;
  }

  /** Looks at the first bytes of a connection, or a datagram. What is read of them is copied. */
  read(bytes: Buffer): ProxyStart {
    this.header = null;
    this.length = 0;
    this.problem = '';
    if (bytes.length === 0) return ProxyStart.Part;
    if (bytes[0] === CR) return this.#readV2(bytes);
    return bytes[0] === V1_SIGNATURE[0] ? this.#readV1(bytes) : ProxyStart.None;
  }

  #broken(problem: string): ProxyStart {
    this.problem = problem;
    return ProxyStart.Broken;
  }

  #whole(header: ProxyHeader, length: number): ProxyStart {
    this.header = header;
    this.length = length;
    return ProxyStart.Whole;
  }

  #readV1(bytes: Buffer): ProxyStart {
    if (!beginsWith(bytes, V1_SIGNATURE)) return ProxyStart.None;
    const limit = Math.min(bytes.length, MAX_V1_BYTES);
    const end = bytes.indexOf(LF);
    if (end < 0 || end >= limit) {
      if (bytes.length < MAX_V1_BYTES) return ProxyStart.Part;
      return this.#broken(`version 1 has no line end within ${MAX_V1_BYTES} bytes`);
    }
    if (bytes[end - 1] !== CR) return this.#broken('version 1 does not end with CR LF');
    if (end + 1 > this.maxBytes) return this.#tooLong(end + 1);
    const fields = bytes.toString('latin1', V1_SIGNATURE.length, end - 1).split(' ');
    const [family] = fields;
    if (family === 'UNKNOWN') {
      return this.#whole(new ProxyHeader(1, 'proxy', 'unspec', 'unspec', null, null, NO_TLVS), end + 1);
    }
    const isSix = family === 'TCP6';
    if ((!isSix && family !== 'TCP4') || fields.length !== 5) {
      return this.#broken('version 1 is not "PROXY TCP4|TCP6 source destination port port" or "PROXY UNKNOWN"');
    }
    const source = v1Address(fields[1]!, fields[3]!, isSix);
    const destination = v1Address(fields[2]!, fields[4]!, isSix);
    if (source === null || destination === null) return this.#broken('version 1 has an address or a port that is none');
    const header = new ProxyHeader(1, 'proxy', isSix ? 'ipv6' : 'ipv4', 'stream', source, destination, NO_TLVS);
    return this.#whole(header, end + 1);
  }

  #tooLong(length: number): ProxyStart {
    return this.#broken(`it has ${length} bytes, allowed are ${this.maxBytes} (maxHeaderBytes)`);
  }

  #readV2(bytes: Buffer): ProxyStart {
    if (!beginsWith(bytes, V2_SIGNATURE)) return ProxyStart.None;
    // What can be told from few bytes is, so that nothing more is waited for.
    if (bytes.length > 12) {
      const versionAndCommand = bytes[12]!;
      if (versionAndCommand >> 4 !== 2) return this.#broken(`its version is ${versionAndCommand >> 4}, and not 2`);
      if ((versionAndCommand & 15) > 1) return this.#broken(`command ${versionAndCommand & 15} does not exist`);
    }
    if (bytes.length < V2_PREFIX_BYTES) return ProxyStart.Part;
    const isLocal = (bytes[12]! & 15) === 0;
    const length = V2_PREFIX_BYTES + bytes.readUInt16BE(14);
    if (length > this.maxBytes) return this.#tooLong(length);
    const family = bytes[13]! >> 4;
    const transport = bytes[13]! & 15;
    const addressBytes = ADDRESS_BYTES[family];
    if (!isLocal && (addressBytes === undefined || transport > 2)) {
      return this.#broken(`address family ${family} with transport ${transport} does not exist`);
    }
    if (bytes.length < length) return ProxyStart.Part;
    // The block is discarded then, whatever it says.
    if (isLocal) {
      return this.#whole(new ProxyHeader(2, 'local', 'unspec', 'unspec', null, null, NO_TLVS), length);
    }
    const tlvsAt = V2_PREFIX_BYTES + addressBytes!;
    if (tlvsAt > length) return this.#broken(`${length - V2_PREFIX_BYTES} bytes are too few for its addresses`);
    // TLVs are kept for as long as the connection lives, and these bytes are not.
    const own = tlvsAt === length ? bytes : Buffer.from(bytes.subarray(0, length));
    const tlvs = tlvsAt === length ? NO_TLVS : readTlvs(own, tlvsAt, length);
    if (tlvs === null) return this.#broken('a TLV is cut short');
    for (const { type, value } of tlvs) {
      if (type !== ProxyTlvType.Crc32c) continue;
      if (value.length !== 4) return this.#broken('its CRC-32C has not 4 bytes');
      if (value.readUInt32BE(0) !== crc32c(own, value.byteOffset - own.byteOffset))
        return this.#broken('its CRC-32C is wrong');
    }
    const source = readAddress(bytes, family, true);
    const destination = readAddress(bytes, family, false);
    const name = transport === 0 ? 'unspec' : FAMILIES[family]!;
    return this.#whole(
      new ProxyHeader(
        2,
        'proxy',
        name,
        TRANSPORTS[transport]!,
        name === 'unspec' ? null : source,
        name === 'unspec' ? null : destination,
        tlvs,
      ),
      length,
    );
  }
}

const ADDRESS_BYTES: readonly number[] = [0, 12, 36, 216];
const FAMILIES = ['unspec', 'ipv4', 'ipv6', 'unix'] as const;
const TRANSPORTS = ['unspec', 'stream', 'datagram'] as const;
const PATH_BYTES = 108;

/** Whether `bytes`, as far as they go, are the beginning of what begins with `signature`. */
function beginsWith(bytes: Buffer, signature: Buffer): boolean {
  const length = Math.min(bytes.length, signature.length);
  for (let i = 0; i < length; i++) if (bytes[i] !== signature[i]) return false;
  return true;
}

function v1Address(address: string, port: string, isSix: boolean): SocketAddress | null {
  const isAddress = isSix ? isIPv6(address) && !address.includes('%') : isIPv4(address);
  // Leading zeros are not allowed, since some read them as octal.
  if (!isAddress || !/^(?:0|[1-9]\d{0,4})$/.test(port) || Number(port) > 65_535) return null;
  return { address: normalizeAddress(address.toLowerCase()), port: Number(port) };
}

function readAddress(bytes: Buffer, family: number, isSource: boolean): SocketAddress | null {
  const base = V2_PREFIX_BYTES;
  switch (family) {
    case 1: {
      const at = isSource ? base : base + 4;
      const address = ipv4Text(bytes, at);
      return { address, port: bytes.readUInt16BE(isSource ? base + 8 : base + 10) };
    }
    case 2: {
      const address = ipv6Text(bytes, isSource ? base : base + 16);
      return { address, port: bytes.readUInt16BE(isSource ? base + 32 : base + 34) };
    }
    case 3: {
      const at = isSource ? base : base + PATH_BYTES;
      const path = bytes.subarray(at, at + PATH_BYTES);
      // A name in Linux's abstract space begins with a zero.
      const end = path.indexOf(0, path[0] === 0 ? 1 : 0);
      return { address: path.toString('utf8', 0, end < 0 ? PATH_BYTES : end), port: 0 };
    }
    default:
      return null;
  }
}

const OCTETS: readonly string[] = Array.from({ length: 256 }, (_, octet) => String(octet));
const OCTETS_AND_DOT: readonly string[] = OCTETS.map((octet) => `${octet}.`);

/** The 4 bytes at `at`. (By a template, which makes twice as many strings, it takes twice as long.) */
function ipv4Text(bytes: Uint8Array, at: number): string {
  const [first, second, third] = [bytes[at]!, bytes[at + 1]!, bytes[at + 2]!];
  return OCTETS_AND_DOT[first]! + OCTETS_AND_DOT[second]! + OCTETS_AND_DOT[third]! + OCTETS[bytes[at + 3]!]!;
}

/** The 16 bytes at `at` as RFC 5952 writes them; mapped ones as IPv4. */
export function ipv6Text(bytes: Uint8Array, at: number): string {
  let zerosAt = -1;
  let zeros = 1;
  let run = 0;
  // The longest run of zeros, two or more, the first of equals.
  for (let i = 0; i < 8; i++) {
    run = groupAt(bytes, at, i) === 0 ? run + 1 : 0;
    if (run > zeros) {
      zeros = run;
      zerosAt = i - run + 1;
    }
  }
  if (zerosAt === 0 && zeros === 5 && groupAt(bytes, at, 5) === 0xffff) {
    return ipv4Text(bytes, at + 12);
  }
  let text = '';
  for (let i = 0; i < 8; i++) {
    if (i === zerosAt) {
      text += '::';
      i += zeros - 1;
    } else {
      const group = groupAt(bytes, at, i).toString(16);
      text += text === '' || text.endsWith(':') ? group : `:${group}`;
    }
  }
  return text;
}

function groupAt(bytes: Uint8Array, at: number, index: number): number {
  return (bytes[at + 2 * index]! << 8) | bytes[at + 2 * index + 1]!;
}
