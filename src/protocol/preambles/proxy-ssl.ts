import { checkOptions, type ForeignNames, type OptionRule } from '../../core/option-names.ts';
import { flag } from '../../core/properties.ts';
import { materialRules, text, tlsVersion } from '../../core/tls-rules.ts';

/** How TLS is spoken with a proxy; names and defaults as those of a client's context (option `ssl` of `SslClient`). */
export interface ProxySslOptions {
  /** PEM text with certificates of authorities, and their CRLs; or several such texts. Default: the authorities that Node knows. */
  ca?: string | Buffer | readonly (string | Buffer)[] | undefined;
  /** PEM file with certificates of authorities (and their CRLs), or a directory of such files. */
  caFileOrPath?: string | undefined;
  /** Name for SNI and for the check of the certificate, instead of the host in the URL. */
  serverName?: string | undefined;
  /** Whether the proxy's certificate chain must verify. Default true. */
  verifyServer?: boolean | undefined;
  /** Whether the proxy's certificate must name its host. Default: as `verifyServer`. */
  verifyHost?: boolean | undefined;
  /** PEM text of a certificate that is shown to the proxy, its chain behind it. */
  cert?: string | Buffer | undefined;
  /** PEM text of its private key. */
  key?: string | Buffer | undefined;
  /** PEM file of the certificate. */
  certFile?: string | undefined;
  /** PEM file of the private key. */
  keyFile?: string | undefined;
  /** Password of the key. */
  keyPassword?: string | undefined;
  /** Lowest protocol version. Default `TLSv1.2`. */
  minVersion?: 'TLSv1' | 'TLSv1.1' | 'TLSv1.2' | 'TLSv1.3' | undefined;
  /** Highest protocol version. Default `TLSv1.3`. */
  maxVersion?: 'TLSv1' | 'TLSv1.1' | 'TLSv1.2' | 'TLSv1.3' | undefined;
}

const rules = {
  ...materialRules,
  serverName: text,
  verifyServer: flag(true),
  verifyHost: flag(true),
  minVersion: tlsVersion,
  maxVersion: tlsVersion,
} satisfies Record<keyof ProxySslOptions, OptionRule>;

const foreign: ForeignNames = {
  passphrase: 'keyPassword',
  pfx: 'give cert and key as PEM texts, which openssl pkcs12 -in file.pfx -nodes writes',
  crl: 'revocation lists are PEM texts behind the certificates in ca, or in the file of caFileOrPath',
  servername: 'serverName',
  host: 'serverName',
  rejectUnauthorized: 'verifyServer',
  checkServerIdentity: 'verifyHost says whether the certificate must name the host',
  verifyMode: 'verifyServer and verifyHost say what is checked of a proxy',
  watch: 'files are read again when another object is given',
  alpnProtocols: 'a proxy is asked for HTTP/1.1, or SOCKS5, without ALPN',
  ALPNProtocols: 'a proxy is asked for HTTP/1.1, or SOCKS5, without ALPN',
  handshakeTimeoutMs: 'the time for it is part of syncConnectTimeout',
};

const EITHER_OR = [
  ['ca', 'caFileOrPath'],
  ['cert', 'certFile'],
  ['key', 'keyFile'],
] as const;

/** TLS with a proxy of which nothing was said. */
export const DEFAULT_PROXY_SSL: ProxySslOptions = Object.freeze({});

/** @throws TypeError, RangeError for names and values that make no sense. */
export function checkProxySsl(what: string, options: ProxySslOptions): void {
  checkOptions(what, options, rules, foreign);
  for (const [text, file] of EITHER_OR)
    if ((options[text] ?? '') !== '' && (options[file] ?? '') !== '')
      throw new TypeError(`${what}: ${text} and ${file} say the same; give one of them`);
  const { minVersion = 'TLSv1.2', maxVersion = 'TLSv1.3' } = options;
  if (minVersion > maxVersion)
    throw new RangeError(`${what}: minVersion ${minVersion} is above maxVersion ${maxVersion}`);
}
