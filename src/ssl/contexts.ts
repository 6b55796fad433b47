import { randomBytes } from 'node:crypto';
import { isIP } from 'node:net';
import tls, { type SecureContext } from 'node:tls';
import { SSLVerifyMode } from '../core/enums.ts';
import { Errno } from '../core/errno.ts';
import type { SocketError } from '../core/errors.ts';
import type { SSLWatchOptions } from '../stream/security.ts';
import { type AnyContextOptions, contextError, loadMaterial, type Material } from './material.ts';
import { watchFiles } from './watch.ts';

/** Refuse to renegotiate: TLS 1.2 could else be made to shake hands again and again. Not in Node's list of constants. */
const SSL_OP_NO_RENEGOTIATION = 0x40000000;

/** One context: index 0 of every component, more of servers. */
export interface Context {
  readonly options: AnyContextOptions;
  readonly material: Material;
  readonly secureContext: SecureContext;
  readonly verifyMode: number;
  /** ALPN list as it goes over the wire. */
  readonly alpn: Uint8Array | undefined;
}

let componentCount = 0;

/** The contexts of one component, and the server names that are bound to them (TL-001). */
export class ContextStore {
  readonly isServer: boolean;
  /** Counts the changes, for those who keep what they made of a context. */
  version = 0;
  #contexts: Context[] = [];
  #names = new Map<string, number>();
  #unwatch: (() => void)[] = [];
  /** Cached sessions of one component instance are not valid for another (TL-009), unless they share ticket keys. */
  #sessionIdContext = `hp-socket-${process.pid}-${++componentCount}`;
  #ticketKeys: Buffer = randomBytes(48);

  constructor(isServer: boolean) {
    this.isServer = isServer;
  }

  get count(): number {
    return this.#contexts.length;
  }

  get(index: number): Context | undefined {
    return this.#contexts[index];
  }

  /** Whether a server has to look at the name that a client asks for. */
  get hasNames(): boolean {
    return this.#contexts.length > 1;
  }

  /** Makes a context and puts it behind the others. Returns its index. */
  add(operation: string, options: AnyContextOptions, cipherList: string): number {
    if (options.ticketKeys !== undefined) {
      this.#ticketKeys = checkTicketKeys(options.ticketKeys);
      // Processes that share keys must also agree on this.
      this.#sessionIdContext = 'hp-socket-shared';
    }
    const index = this.#contexts.push(this.#make(operation, options, cipherList)) - 1;
    this.version++;
    this.#watch(index, cipherList);
    return index;
  }

  /** Replaces a context; the old one stays if the new material is bad. */
  update(index: number, options: AnyContextOptions | undefined, cipherList: string): void {
    const old = this.#contexts[index]!;
    // New texts take the place of the old ones; what they do not say stays.
    const { certFile, keyFile, cert, key, keyPassword, ...rest } = old.options;
    const replaces = options?.cert !== undefined || options?.certFile !== undefined;
    const merged: AnyContextOptions = { ...(replaces ? rest : old.options), ...options };
    if (options?.ca !== undefined) delete merged.caFileOrPath;
    if (merged.ticketKeys !== undefined) this.#ticketKeys = checkTicketKeys(merged.ticketKeys);
    this.#contexts[index] = this.#make('updateSSLContext', merged, cipherList);
    this.version++;
    this.#watch(index, cipherList);
  }

  /** Seals tickets of all contexts with other keys. */
  rotateTicketKeys(keys: Buffer | undefined, cipherList: string): void {
    const before = this.#ticketKeys;
    this.version++;
    this.#ticketKeys = keys === undefined ? randomBytes(48) : checkTicketKeys(keys);
    try {
      this.#contexts = this.#contexts.map((context) =>
        this.#build('rotateSSLTicketKeys', context.options, context.material, cipherList),
      );
    } catch (error) {
      this.#ticketKeys = before;
      throw error;
    }
  }

  #make(operation: string, options: AnyContextOptions, cipherList: string): Context {
    checkCiphers(operation, cipherList);
    return this.#build(operation, options, loadMaterial(operation, options), cipherList);
  }

  #build(operation: string, options: AnyContextOptions, material: Material, cipherList: string): Context {
    const verifyMode = this.#verifyMode(options);
    const { cert, key, keyPassword, ca, crl } = material;
    if (this.isServer && (verifyMode & SSLVerifyMode.Peer) !== 0 && ca !== null && ca.length === 0) {
      throw contextError(operation, Errno.ENODATA, 'the CA holds no certificate whose name could be sent to clients');
    }
    const { minVersion = 'TLSv1.2', maxVersion = 'TLSv1.3', sessionTimeout, alpnProtocols } = options;
    const alpn = alpnList(alpnProtocols);
    try {
      const secureContext = tls.createSecureContext({
        ciphers: cipherList,
        minVersion,
        maxVersion,
        // A server that knows no authority trusts none; an agent or client without one trusts those that Node knows.
        ...(ca !== null ? { ca } : this.isServer ? { ca: [] } : {}),
        ...(crl.length > 0 ? { crl } : {}),
        ...(cert === undefined ? {} : { cert }),
        ...(key === undefined ? {} : { key }),
        ...(keyPassword === undefined ? {} : { passphrase: keyPassword }),
        ...(this.isServer
          ? {
              honorCipherOrder: true,
              secureOptions: SSL_OP_NO_RENEGOTIATION,
              sessionIdContext: this.#sessionIdContext,
              ticketKeys: this.#ticketKeys,
            }
          : {}),
        ...(sessionTimeout === undefined ? {} : { sessionTimeout }),
      });
      return { options, material, secureContext, verifyMode, alpn };
    } catch (cause) {
      throw contextError(operation, Errno.EBADMSG, `OpenSSL refused the material: ${(cause as Error).message}`, cause);
    }
  }

  #verifyMode(options: AnyContextOptions): number {
    const { verifyMode, requestClientCertificate, requireClientCertificate, verifyServer } = options;
    if (this.isServer) {
      if (requireClientCertificate === true) return SSLVerifyMode.Peer | SSLVerifyMode.FailIfNoPeerCert;
      if (requestClientCertificate !== undefined)
        return requestClientCertificate ? SSLVerifyMode.Peer : SSLVerifyMode.None;
      return verifyMode ?? SSLVerifyMode.None;
    }
    if (verifyServer !== undefined) return verifyServer ? SSLVerifyMode.Peer : SSLVerifyMode.None;
    return verifyMode ?? SSLVerifyMode.Peer;
  }

  /** Binds a server name to a context. Returns 0 or an errno (SNI-005). */
  bind(serverName: string, index: number): number {
    const name = serverName.toLowerCase();
    const dot = name.indexOf('.');
    if (dot <= 0 || dot === name.length - 1 || isIP(name) !== 0) return Errno.EINVAL;
    if (!Number.isInteger(index) || index < 0 || index >= this.#contexts.length) return Errno.ENOANO;
    this.#names.set(name, index);
    return 0;
  }

  /** Index of the context that a name was bound to, undefined if it was not. */
  boundIndex(serverName: string): number | undefined {
    return this.#names.get(serverName.toLowerCase());
  }

  /** Index of the context for a name: exact, then `*.` and its parent, then the parents (SNI-004); else 0. */
  select(serverName: string): number {
    const name = serverName.toLowerCase();
    let index = this.#names.get(name);
    if (index !== undefined) return index;
    let dot = name.indexOf('.');
    index = dot < 0 ? undefined : this.#names.get(`*${name.slice(dot)}`);
    if (index !== undefined) return index;
    for (let rest = name; dot >= 0; dot = rest.indexOf('.')) {
      rest = rest.slice(dot + 1);
      if (!rest.includes('.')) break;
      index = this.#names.get(rest);
      if (index !== undefined) return index;
    }
    return 0;
  }

  clear(): void {
    for (const unwatch of this.#unwatch) unwatch?.();
    this.#unwatch = [];
    this.#contexts = [];
    this.version++;
    this.#names.clear();
  }

  #watch(index: number, cipherList: string): void {
    this.#unwatch[index]?.();
    const { options, material } = this.#contexts[index]!;
    if (options.watch === undefined || options.watch === false || material.files.length === 0) return;
    const { intervalMs = 1000, onReload }: SSLWatchOptions = options.watch === true ? {} : options.watch;
    this.#unwatch[index] = watchFiles(material.files, intervalMs, () => {
      let problem: SocketError | undefined;
      try {
        this.update(index, undefined, cipherList);
      } catch (error) {
        problem = error as SocketError;
      }
      if (onReload !== undefined) onReload(problem);
      else if (problem !== undefined)
        process.emitWarning(problem.message, { type: 'HpSocketWarning', code: 'HP_SOCKET_SSL' });
    });
  }
}

function checkTicketKeys(keys: Buffer): Buffer {
  if (!(keys instanceof Uint8Array) || keys.length !== 48)
    throw new RangeError('ticketKeys must be a Buffer of 48 bytes');
  return keys;
}

function checkCiphers(operation: string, cipherList: string): void {
  try {
    tls.createSecureContext({ ciphers: cipherList, ca: [] });
  } catch (cause) {
    throw contextError(
      operation,
      Errno.ENODATA,
      `OpenSSL knows no cipher of sslCipherList ${JSON.stringify(cipherList)}`,
      cause,
    );
  }
}

/** The list as it goes over the wire: each name behind its length (RFC 7301, 3.1). */
function alpnList(protocols: readonly string[] | undefined): Uint8Array | undefined {
  if (protocols === undefined || protocols.length === 0) return undefined;
  return Buffer.concat(
    protocols.map((protocol) => {
      const name = Buffer.from(protocol, 'latin1');
      if (name.length === 0 || name.length > 255) throw new RangeError('an ALPN protocol has 1 to 255 bytes');
      return Buffer.concat([Buffer.from([name.length]), name]);
    }),
  );
}
