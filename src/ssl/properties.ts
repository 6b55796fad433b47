import { custom, flag, integer, type TableOf } from '../core/properties.ts';

/** Properties of every SSL component. Each is also an option of the constructor. */
export interface SslProperties {
  /** Whether the TLS handshake begins by itself (SSL-S-008). False: by `startSSLHandShake`, after clear text. Default true. */
  sslAutoHandShake: boolean;
  /**
   * Ciphers of TLS 1.2 in OpenSSL's syntax, used by contexts that are set up later (SSL-S-010). Default: the six of
   * `ECDHE+AESGCM:ECDHE+CHACHA20` by their names; HP-Socket's is `DEFAULT:!aNULL:!eNULL:!SSLv2:!SSLv3`.
   */
  sslCipherList: string;
  /**
   * Whether a close sends a close_notify, as the RFCs demand (RFC 8446, 6.1). HP-Socket never does, and takes one for an error:
   * a C++ peer reports `OnClose(SO_RECEIVE, 74)` instead of `(SO_CLOSE, 0)`, though it gets every byte. Set it to false to close
   * as HP-Socket does, with a FIN alone; other peers may then take the end for a truncation. Default true.
   */
  closeNotify: boolean;
}

/** Properties of SSL servers and agents beside those. */
export interface SslComplexProperties extends SslProperties {
  /**
   * Most TLS handshakes at once; more wait in a row. 0 for no limit. Default 2,000. A client counts when its ClientHello has
   * come, so silent ones keep no other out; a peer that falls silent loses its place while others wait. Servers count no
   * handshakes that resume a session: these cost little.
   */
  maxHandshakes: number;
}

/** Properties of SSL servers beside those. */
export interface SslServerProperties extends SslComplexProperties {
  /** Most of these with one peer: an IPv4 address or an IPv6 /64 network; more wait. 0 for no limit. Default 500. */
  maxHandshakesPerAddress: number;
}

/**
 * Suites with forward secrecy and authenticated encryption only. HP-Socket's default (TL-007) is
 * `DEFAULT:!aNULL:!eNULL:!SSLv2:!SSLv3`, which has suites with CBC (LUCKY13) and with RSA key exchange as well.
 */
export const DEFAULT_CIPHER_LIST = [
  // ECDHE+AESGCM:ECDHE+CHACHA20, by their names, since Deno knows no groups
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
].join(':');

export const sslProperties = {
  sslAutoHandShake: flag(true),
  sslCipherList: custom(DEFAULT_CIPHER_LIST, (name, value) => {
    if (typeof value !== 'string') throw new TypeError(`${name} must be a string in OpenSSL's cipher list syntax`);
  }),
  closeNotify: flag(true),
  // Checked where the contexts are made of it.
  ssl: { default: undefined, check: () => {}, isOptionOnly: true },
} satisfies TableOf<SslProperties & { ssl: unknown }>;

export const sslComplexProperties = { ...sslProperties, maxHandshakes: integer(2000, 0) } satisfies TableOf<
  SslComplexProperties & { ssl: unknown }
>;

export const sslServerProperties = {
  ...sslComplexProperties,
  maxHandshakesPerAddress: integer(500, 0),
} satisfies TableOf<SslServerProperties & { ssl: unknown }>;
