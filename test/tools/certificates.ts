import 'reflect-metadata';
import { createPrivateKey, webcrypto } from 'node:crypto';
import * as x509 from '@peculiar/x509';

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const dayMs = 86_400_000;

/** A certificate and its key, as PEM texts. */
export interface Identity {
  cert: string;
  key: string;
}

/** What is unusual about a certificate. */
export interface CertificateOptions {
  /** Names and addresses; `localhost` and `127.0.0.1` if left out. */
  names?: readonly string[];
  /** Valid from, in days from now; default -1. */
  fromDays?: number;
  /** Valid until, in days from now; default +1. */
  toDays?: number;
  commonName?: string;
}

let serial = 1;

/** An authority that signs certificates, made when the tests run: nothing to commit, nothing to expire. */
export class Authority {
  readonly ca: string;
  #keys: webcrypto.CryptoKeyPair;
  #certificate: x509.X509Certificate;

  private constructor(keys: webcrypto.CryptoKeyPair, certificate: x509.X509Certificate) {
    this.#keys = keys;
    this.#certificate = certificate;
    this.ca = certificate.toString('pem');
  }

  static async make(name: string): Promise<Authority> {
    const keys = await generateKeys();
    const certificate = await x509.X509CertificateGenerator.createSelfSigned({
      serialNumber: nextSerial(),
      name: `CN=${name}`,
      notBefore: new Date(Date.now() - 2 * dayMs),
      notAfter: new Date(Date.now() + 2 * dayMs),
      signingAlgorithm: algorithm,
      keys,
      extensions: [
        new x509.BasicConstraintsExtension(true, undefined, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      ],
    });
    return new Authority(keys, certificate);
  }

  async sign(options: CertificateOptions = {}): Promise<Identity> {
    const {
      names = ['localhost', '127.0.0.1'],
      fromDays = -1,
      toDays = 1,
      commonName = names[0] ?? 'nobody',
    } = options;
    const keys = await generateKeys();
    const certificate = await x509.X509CertificateGenerator.create({
      serialNumber: nextSerial(),
      subject: `CN=${commonName}`,
      issuer: this.#certificate.subject,
      notBefore: new Date(Date.now() + fromDays * dayMs),
      notAfter: new Date(Date.now() + toDays * dayMs),
      signingKey: this.#keys.privateKey,
      publicKey: keys.publicKey,
      signingAlgorithm: algorithm,
      extensions:
        names.length === 0
          ? []
          : [
              new x509.SubjectAlternativeNameExtension(
                names.map((value) => ({ type: /^[\d.]+$/.test(value) ? ('ip' as const) : ('dns' as const), value })),
              ),
            ],
    });
    const pkcs8 = await webcrypto.subtle.exportKey('pkcs8', keys.privateKey);
    return { cert: certificate.toString('pem'), key: x509.PemConverter.encode(pkcs8, 'PRIVATE KEY') };
  }

  /** A list of revoked certificates, empty. */
  async revocations(): Promise<string> {
    const list = await x509.X509CrlGenerator.create({
      issuer: this.#certificate.subject,
      thisUpdate: new Date(Date.now() - dayMs),
      nextUpdate: new Date(Date.now() + dayMs),
      signingAlgorithm: algorithm,
      signingKey: this.#keys.privateKey,
    });
    return list.toString('pem');
  }
}

/** The same key, behind a password. */
export function encryptKey(key: string, password: string): string {
  return createPrivateKey(key).export({
    type: 'pkcs8',
    format: 'pem',
    cipher: 'aes-256-cbc',
    passphrase: password,
  }) as string;
}

function generateKeys(): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']) as Promise<webcrypto.CryptoKeyPair>;
}

function nextSerial(): string {
  return (serial++).toString(16).padStart(4, '0');
}

let shared: Promise<{ authority: Authority; server: Identity; client: Identity }> | undefined;

/** One authority with a certificate for loopback and one for a client, for tests that need nothing special. */
export function commonCertificates(): Promise<{ authority: Authority; server: Identity; client: Identity }> {
  shared ??= (async () => {
    const authority = await Authority.make('Test Authority');
    const [server, client] = await Promise.all([
      authority.sign(),
      authority.sign({ names: [], commonName: 'a client' }),
    ]);
    return { authority, server, client };
  })();
  return shared;
}
