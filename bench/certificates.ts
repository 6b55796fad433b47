import { webcrypto } from 'node:crypto';

const dayMs = 86_400_000;

let made: Promise<{ cert: string; key: string }> | undefined;

/**
 * A self-signed certificate for the loopback address, made once per run: nothing to commit, nothing to expire.
 *
 * ECDSA P-256, the key most servers have today, and cheap enough that a handshake is not all RSA.
 */
export function testCertificate(): Promise<{ cert: string; key: string }> {
  made ??= make();
  return made;
}

async function make(): Promise<{ cert: string; key: string }> {
  provideReflectMetadata();
  const x509 = await import('@peculiar/x509');
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name: 'CN=localhost',
    notBefore: new Date(Date.now() - dayMs),
    notAfter: new Date(Date.now() + dayMs),
    signingAlgorithm: algorithm,
    keys,
    extensions: [
      new x509.SubjectAlternativeNameExtension([
        { type: 'dns', value: 'localhost' },
        { type: 'ip', value: '127.0.0.1' },
      ]),
    ],
  });
  const pkcs8 = await webcrypto.subtle.exportKey('pkcs8', keys.privateKey);
  return { cert: certificate.toString('pem'), key: x509.PemConverter.encode(pkcs8, 'PRIVATE KEY') };
}

interface MetadataReflect {
  getMetadata?(key: unknown, target: object): unknown;
  getOwnMetadata?(key: unknown, target: object): unknown;
  defineMetadata?(key: unknown, value: unknown, target: object): void;
}

/**
 * `@peculiar/x509` registers its algorithms through a container that refuses to load without the `reflect-metadata`
 * polyfill, but asks it for nothing beyond what a class has been given itself. These three functions are enough for it.
 */
function provideReflectMetadata(): void {
  const reflect = Reflect as MetadataReflect;
  if (reflect.getMetadata) return;
  const known = new WeakMap<object, Map<unknown, unknown>>();
  const get = (key: unknown, target: object): unknown => known.get(target)?.get(key);
  reflect.getMetadata = get;
  reflect.getOwnMetadata = get;
  reflect.defineMetadata = (key, value, target) => {
    const values = known.get(target) ?? new Map<unknown, unknown>();
    known.set(target, values.set(key, value));
  };
}
