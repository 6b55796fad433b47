import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe } from '../core/describe.ts';
import { SocketErrorCode } from '../core/enums.ts';
import { Errno } from '../core/errno.ts';
import { SocketError } from '../core/errors.ts';
import { type SeenFile, seenFile } from './seen-file.ts';

/** Where certificate, key and authorities come from: PEM texts, or files of them. */
export interface MaterialOptions {
  readonly cert?: string | Buffer | undefined;
  readonly key?: string | Buffer | undefined;
  readonly keyPassword?: string | undefined;
  readonly ca?: string | Buffer | readonly (string | Buffer)[] | undefined;
  readonly certFile?: string | undefined;
  readonly keyFile?: string | undefined;
  readonly caFileOrPath?: string | undefined;
}

/** Certificate, key and authorities of a context, loaded and checked. */
export interface Material {
  cert: string | undefined;
  key: string | undefined;
  keyPassword: string | undefined;
  /** PEM certificates of authorities; null if none were given. */
  ca: string[] | null;
  crl: string[];
  /** Files, and the directory of authorities, that it was loaded from. */
  files: SeenFile[];
}

/** The error of an operation about contexts: the errno is what HP-Socket reports. */
export function contextError(operation: string, errno: number, message: string, cause?: unknown): SocketError {
  const socketError = errno === Errno.EPERM ? SocketErrorCode.IllegalState : SocketErrorCode.InvalidParam;
  return new SocketError({ socketError, errno, operation, message: `${operation}: ${message}`, cause });
}

const certificateBlock = /-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----[\s\S]+?-----END [^-]+-----/g;
const crlBlock = /-----BEGIN X509 CRL-----[\s\S]+?-----END X509 CRL-----/g;

/** Loads what `options` name, in HP-Socket's order: authorities, certificate, key (TLE-002 to TLE-013). */
export function loadMaterial(operation: string, options: MaterialOptions): Material {
  const fail = (errno: number, message: string, cause?: unknown): never => {
    throw contextError(operation, errno, message, cause);
  };
  const files: SeenFile[] = [];
  const read = (option: string, file: string): string => {
    files.push(seenFile(file));
    try {
      return readFileSync(file, 'utf8');
    } catch (cause) {
      return fail(Errno.ENOENT, `${option} ${describe(file)} cannot be read`, cause);
    }
  };

  let ca: string[] | null = null;
  let crl: string[] = [];
  const { caFileOrPath } = options;
  if (caFileOrPath !== undefined && caFileOrPath !== '') {
    const text = authorities(caFileOrPath, files, read, fail);
    ca = text.match(certificateBlock) ?? [];
    crl = text.match(crlBlock) ?? [];
    if (ca.length + crl.length === 0)
      fail(Errno.EBADMSG, `caFileOrPath ${describe(caFileOrPath)} holds no PEM certificate`);
  } else if (options.ca !== undefined) {
    const text = [options.ca].flat().map(toText).join('\n');
    ca = text.match(certificateBlock) ?? [];
    crl = text.match(crlBlock) ?? [];
    if (ca.length + crl.length === 0) fail(Errno.ENODATA, 'ca holds no PEM certificate');
  }
  for (const block of ca ?? [])
    parseCertificate(block, (cause) => fail(Errno.EBADMSG, 'a certificate of the CA cannot be read', cause));

  const isFile = options.certFile !== undefined && options.certFile !== '';
  const cert = isFile ? read('certFile', options.certFile!) : textOf(options.cert);
  // A key without a certificate is ignored (TL-015).
  if (cert === undefined) return { cert, key: undefined, keyPassword: undefined, ca, crl, files };
  const hasKeyFile = options.keyFile !== undefined && options.keyFile !== '';
  if (!hasKeyFile && textOf(options.key) === undefined) fail(Errno.EINVAL, 'a certificate needs its private key');
  const key = hasKeyFile ? read('keyFile', options.keyFile!) : textOf(options.key)!;
  const { keyPassword } = options;
  let privateKey: KeyObject;
  try {
    privateKey = createPrivateKey({ key, ...(keyPassword === undefined ? {} : { passphrase: keyPassword }) });
  } catch (cause) {
    return fail(Errno.EACCES, keyProblem(key, keyPassword), cause);
  }
  const leaf = cert.match(certificateBlock)?.[0];
  if (leaf === undefined) return fail(isFile ? Errno.EBADMSG : Errno.ENODATA, 'the certificate is no PEM certificate');
  const certificate = parseCertificate(leaf, (cause) => fail(Errno.EBADMSG, 'the certificate cannot be read', cause));
  if (!certificate.checkPrivateKey(privateKey)) fail(Errno.EACCES, 'the private key is not that of the certificate');
  return { cert, key, keyPassword, ca, crl, files };
}

/** Why a private key cannot be read. */
function keyProblem(key: string, keyPassword: string | undefined): string {
  if (!key.includes('ENCRYPTED')) return 'the private key cannot be read; check the file and keyPassword';
  return keyPassword === undefined
    ? 'the private key is encrypted; give its keyPassword'
    : 'the private key does not open with this keyPassword; check both';
}

/** Text of a CA file, or of all files of a directory. */
function authorities(
  path: string,
  files: SeenFile[],
  read: (option: string, file: string) => string,
  fail: (errno: number, message: string, cause?: unknown) => never,
): string {
  let isDirectory = false;
  try {
    const found = statSync(path);
    isDirectory = found.isDirectory();
    if (!isDirectory && !found.isFile())
      fail(Errno.EBADF, `caFileOrPath ${describe(path)} is neither file nor directory`);
  } catch (cause) {
    if (cause instanceof SocketError) throw cause;
    fail(Errno.ENOENT, `caFileOrPath ${describe(path)} does not exist`, cause);
  }
  if (!isDirectory) return read('caFileOrPath', path);
  // Watched as well: what comes and goes in it shows there.
  files.push(seenFile(path));
  const texts: string[] = [];
  for (const name of readdirSync(path)) {
    const entry = join(path, name);
    // Links to directories belong to how Kubernetes swaps files, and links to nothing to how OpenSSL's hashes go stale.
    if (statSync(entry, { throwIfNoEntry: false })?.isFile() === true) texts.push(read('caFileOrPath', entry));
  }
  return texts.join('\n');
}

function parseCertificate(pem: string, fail: (cause: unknown) => never): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch (cause) {
    return fail(cause);
  }
}

function textOf(value: string | Buffer | undefined): string | undefined {
  if (value === undefined) return undefined;
  const text = toText(value);
  return text === '' ? undefined : text;
}

function toText(value: string | Buffer): string {
  if (typeof value === 'string') return value;
  if (value instanceof Uint8Array) return Buffer.from(value.buffer, value.byteOffset, value.length).toString('utf8');
  throw new TypeError('cert, key and ca must be PEM texts: a string or a Buffer');
}
