import type { SocketAddress } from '../../core/address.ts';

/** Types of the TLVs of a PROXY v2 header that its specification names. */
export const ProxyTlvType = Object.freeze({
  /** Protocol above TCP, as in ALPN. */
  Alpn: 0x01,
  /** Host name that the client asked for (SNI). */
  Authority: 0x02,
  /** CRC-32C of the header; it is checked when the header arrives. */
  Crc32c: 0x03,
  /** Padding. */
  Noop: 0x04,
  /** Up to 128 bytes that name the connection. */
  UniqueId: 0x05,
  /** TLS of the client, with TLVs of its own: see `ProxyHeader.ssl`. */
  Ssl: 0x20,
  /** Name of a network namespace. */
  NetNs: 0x30,
} as const);
export type ProxyTlvType = (typeof ProxyTlvType)[keyof typeof ProxyTlvType];

/** Types of the TLVs inside `ProxyTlvType.Ssl`. */
const SSL_VERSION = 0x21;
const SSL_CN = 0x22;
const SSL_CIPHER = 0x23;
const SSL_SIG_ALG = 0x24;
const SSL_KEY_ALG = 0x25;

/** One TLV of a PROXY v2 header. */
export interface ProxyTlv {
  /** 0 to 255: see `ProxyTlvType`; 0xE0 to 0xEF are for private use, 0xEA is AWS's, 0xEE Azure's. */
  readonly type: number;
  /** Its bytes, a copy. */
  readonly value: Buffer;
}

/** What a PROXY v2 header tells about the TLS of the client. */
export interface ProxySsl {
  /** Whether the client connected over TLS. */
  readonly isTls: boolean;
  /** Whether it showed a certificate on this connection. */
  readonly hasCertificate: boolean;
  /** Whether it showed one in the session that this connection belongs to. */
  readonly hasSessionCertificate: boolean;
  /** Whether it showed a certificate that was verified. */
  readonly isVerified: boolean;
  /** Version, as `TLSv1.3`; null if not told, as the others. */
  readonly version: string | null;
  /** Common name of the client's certificate. */
  readonly commonName: string | null;
  /** Cipher suite in OpenSSL's words. */
  readonly cipher: string | null;
  /** Algorithm that signed the client's certificate. */
  readonly signatureAlgorithm: string | null;
  /** Algorithm of the key in that certificate. */
  readonly keyAlgorithm: string | null;
}

/** Of which family the addresses of a PROXY header are; `'unspec'` if it tells none. */
export type ProxyFamily = 'ipv4' | 'ipv6' | 'unix' | 'unspec';

/** A PROXY header as it arrived: what the proxy in front says of its client. */
export class ProxyHeader {
  /** 1 for the line of text, 2 for the binary header. */
  readonly version: 1 | 2;
  /** `'local'`: the proxy itself made the connection, for example to see whether this server lives. */
  readonly command: 'proxy' | 'local';
  /** What kind of addresses it has. */
  readonly family: ProxyFamily;
  /** How the client is connected to the proxy. */
  readonly transport: 'stream' | 'datagram' | 'unspec';
  /** The client; null if the header tells none. For Unix domain sockets `address` is the path and `port` 0. */
  readonly source: SocketAddress | null;
  /** Where the client connected to. */
  readonly destination: SocketAddress | null;
  /** The TLVs in their order; v2 only. */
  readonly tlvs: readonly ProxyTlv[];

  /** @internal */
  constructor(
    version: 1 | 2,
    command: 'proxy' | 'local',
    family: ProxyFamily,
    transport: 'stream' | 'datagram' | 'unspec',
    source: SocketAddress | null,
    destination: SocketAddress | null,
    tlvs: readonly ProxyTlv[],
  ) {
    this.version = version;
    this.command = command;
    this.family = family;
    this.transport = transport;
    this.source = source;
    this.destination = destination;
    this.tlvs = tlvs;
  }

  /** Value of the first TLV of a type; null if there is none. */
  tlv(type: number): Buffer | null {
    return firstValue(this.tlvs, type);
  }

  /** Host name that the client asked for; null if not told. */
  get authority(): string | null {
    return this.tlv(ProxyTlvType.Authority)?.toString('utf8') ?? null;
  }

  /** Protocol that was agreed on by ALPN; null if not told. */
  get alpn(): string | null {
    return this.tlv(ProxyTlvType.Alpn)?.toString('latin1') ?? null;
  }

  /** TLS of the client; null if not told. */
  get ssl(): ProxySsl | null {
    const value = this.tlv(ProxyTlvType.Ssl);
    if (value === null || value.length < 5) return null;
    const client = value[0]!;
    const inner = readTlvs(value, 5, value.length) ?? [];
    const text = (type: number): string | null => firstValue(inner, type)?.toString('utf8') ?? null;
    const hasSessionCertificate = (client & 4) !== 0;
    return {
      isTls: (client & 1) !== 0,
      hasCertificate: (client & 2) !== 0,
      hasSessionCertificate,
      isVerified: value.readUInt32BE(1) === 0 && (hasSessionCertificate || (client & 2) !== 0),
      version: text(SSL_VERSION),
      commonName: text(SSL_CN),
      cipher: text(SSL_CIPHER),
      signatureAlgorithm: text(SSL_SIG_ALG),
      keyAlgorithm: text(SSL_KEY_ALG),
    };
  }
}

function firstValue(tlvs: readonly ProxyTlv[], type: number): Buffer | null {
  for (const tlv of tlvs) if (tlv.type === type) return tlv.value;
  return null;
}

/** The TLVs in `bytes[from, to)`; null if one is cut short. Their values are views. */
export function readTlvs(bytes: Buffer, from: number, to: number): ProxyTlv[] | null {
  const tlvs: ProxyTlv[] = [];
  let at = from;
  while (at < to) {
    if (at + 3 > to) return null;
    const end = at + 3 + bytes.readUInt16BE(at + 1);
    if (end > to) return null;
    tlvs.push({ type: bytes[at]!, value: bytes.subarray(at + 3, end) });
    at = end;
  }
  return tlvs;
}
