import { constants } from 'node:crypto';
import tls, { type SecureContext } from 'node:tls';
import { describe } from '../core/describe.ts';
import { SSLVerifyMode } from '../core/enums.ts';
import { Errno } from '../core/errno.ts';
import type { SocketError } from '../core/errors.ts';
import { notifyHook } from '../core/hooks.ts';
import { isIP } from '../core/ip.ts';
import { contextError, loadMaterial, type Material } from '../transport/tls-material.ts';
import { canVerifyByName } from '../transport/tls-socket.ts';
import type { AnyContextOptions, SSLWatchOptions } from './options.ts';
import { mayGiveTickets, ownSealing, type Sealing, sessionIdContext, trustOf, withKeys } from './sealing.ts';
import { withoutRootDot } from './server-name.ts';
import { watchFiles } from './watch.ts';

/** Refuse to renegotiate: TLS 1.2 could else be made to shake hands again and again. Not in Node's list of constants. */
const SSL_OP_NO_RENEGOTIATION = 0x40000000;

/** One context: index 0 of every component, more of servers. */
export interface Context {
  readonly options: AnyContextOptions;
  readonly material: Material;
  readonly secureContext: SecureContext;
  /** How the peer's certificate is verified; undefined if nothing was said, then it is as in context 0. */
  readonly verifyMode: number | undefined;
  /** ALPN list as it goes over the wire. */
  readonly alpn: Uint8Array | undefined;
  readonly cipherList: string;
  /** What its sessions are sealed with; servers. */
  readonly sealing: Sealing;
  /** Tells apart what is trusted. */
  readonly trust: string;
}

/** Node's words for a verify mode of a server. */
export function verifyOptions(verifyMode: number): { requestCert: boolean; rejectUnauthorized: boolean } {
  const requestCert = (verifyMode & SSLVerifyMode.Peer) !== 0;
  return { requestCert, rejectUnauthorized: requestCert && (verifyMode & SSLVerifyMode.FailIfNoPeerCert) !== 0 };
}

/** The contexts of one component, and the server names that are bound to them (TL-001). */
export class ContextStore {
  readonly isServer: boolean;
  /** Counts the changes, for what is kept of a context elsewhere. */
  version = 0;
  #contexts: Context[] = [];
  #names = new Map<string, number>();
  #unwatch: (() => void)[] = [];
  #sealing = ownSealing();

  constructor(isServer: boolean) {
    this.isServer = isServer;
  }

  get count(): number {
    return this.#contexts.length;
  }

  get(index: number): Context | undefined {
    return this.#contexts[index];
  }

  /** How a context verifies peers (`SSLVerifyMode`). */
  verifyModeOf(index: number): number {
    return this.#contexts[index]?.verifyMode ?? this.#contexts[0]?.verifyMode ?? SSLVerifyMode.None;
  }

  /** Whether a server has to look at the name that a client asks for. */
  get hasNames(): boolean {
    return this.#contexts.length > 1;
  }

  /** Makes a context and puts it behind the others. Returns its index. */
  add(operation: string, options: AnyContextOptions, cipherList: string): number {
    const sealing = this.#sealingFor(options);
    const index = this.#contexts.length;
    if (index > 0 && this.#verifyMode(options) !== undefined && !canVerifyByName()) {
      throw contextError(
        operation,
        Errno.EOPNOTSUPP,
        'this runtime cannot ask for client certificates by server name; set it for all names, in the first context',
      );
    }
    this.#put(operation, [...this.#contexts, this.#make(operation, options, cipherList, sealing)], sealing);
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
    // Only keys that are new: those given before may have been rotated away.
    const sealing = this.#sealingFor(options);
    const fresh = this.#make('updateSSLContext', merged, cipherList, sealing);
    this.#put('updateSSLContext', this.#contexts.with(index, fresh), sealing);
    this.#watch(index, cipherList);
  }

  /** Seals tickets of all contexts with other keys. */
  rotateTicketKeys(keys: Buffer | undefined): void {
    this.#put('rotateSSLTicketKeys', this.#contexts, withKeys(this.#sealing, keys));
  }

  #sealingFor(options: AnyContextOptions | undefined): Sealing {
    return options?.ticketKeys === undefined ? this.#sealing : withKeys(this.#sealing, options.ticketKeys);
  }

  /** Puts contexts in the place of those before, once all of them are sealed alike. */
  #put(operation: string, contexts: readonly Context[], wanted: Sealing): void {
    const first = contexts[0]?.verifyMode ?? SSLVerifyMode.None;
    const hasTickets = mayGiveTickets(contexts.map(({ verifyMode = first, trust }) => ({ verifyMode, trust })));
    const sealing = wanted.hasTickets === hasTickets ? wanted : { ...wanted, hasTickets };
    this.#contexts = contexts.map((context) =>
      context.sealing === sealing
        ? context
        : this.#build(operation, context.options, context.material, context.cipherList, sealing),
    );
    this.#sealing = sealing;
    this.version++;
  }

  #make(operation: string, options: AnyContextOptions, cipherList: string, sealing: Sealing): Context {
    checkCiphers(operation, cipherList);
    return this.#build(operation, options, loadMaterial(operation, options), cipherList, sealing);
  }

  #build(
    operation: string,
    options: AnyContextOptions,
    material: Material,
    cipherList: string,
    sealing: Sealing,
  ): Context {
    const verifyMode = this.#verifyMode(options);
    const { cert, key, keyPassword, ca, crl } = material;
    if (this.isServer && ((verifyMode ?? 0) & SSLVerifyMode.Peer) !== 0 && ca !== null && ca.length === 0) {
      throw contextError(operation, Errno.ENODATA, 'the CA holds no certificate whose name could be sent to clients');
    }
    const { minVersion = 'TLSv1.2', maxVersion = 'TLSv1.3', sessionTimeout, alpnProtocols } = options;
    if (minVersion > maxVersion) {
      throw contextError(operation, Errno.EINVAL, `minVersion ${minVersion} is above maxVersion ${maxVersion}`);
    }
    const alpn = alpnList(alpnProtocols);
    const trust = trustOf(material);
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
              secureOptions: SSL_OP_NO_RENEGOTIATION | (sealing.hasTickets ? 0 : constants.SSL_OP_NO_TICKET),
              sessionIdContext: sessionIdContext(sealing, trust, verifyMode ?? SSLVerifyMode.None),
              ticketKeys: sealing.ticketKeys,
            }
          : {}),
        ...(sessionTimeout === undefined ? {} : { sessionTimeout }),
      });
      return { options, material, secureContext, verifyMode, alpn, cipherList, sealing, trust };
    } catch (cause) {
      throw contextError(operation, Errno.EBADMSG, `OpenSSL refused the material: ${(cause as Error).message}`, cause);
    }
  }

  #verifyMode(options: AnyContextOptions): number | undefined {
    const { verifyMode, requestClientCertificate, requireClientCertificate, verifyServer } = options;
    if (this.isServer) {
      if (requireClientCertificate === true) return SSLVerifyMode.Peer | SSLVerifyMode.FailIfNoPeerCert;
      if (requestClientCertificate !== undefined)
        return requestClientCertificate ? SSLVerifyMode.Peer : SSLVerifyMode.None;
      return requireClientCertificate === false ? (verifyMode ?? SSLVerifyMode.None) : verifyMode;
    }
    if (verifyServer !== undefined) return verifyServer ? SSLVerifyMode.Peer : SSLVerifyMode.None;
    return verifyMode ?? SSLVerifyMode.Peer;
  }

  /** Binds a server name to a context (SNI-005). @throws RangeError for what is no server name. */
  bind(serverName: string, index: number): void {
    this.#names.set(boundName(serverName), index);
  }

  /** Index of the context that a name was bound to, undefined if it was not. */
  boundIndex(serverName: string): number | undefined {
    return this.#names.get(nameKey(serverName));
  }

  /** Index of the context for a name: exact, then `*.` and its parent, then the parents (SNI-004); else 0. */
  select(serverName: string): number {
    const name = nameKey(serverName);
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
    this.#sealing = ownSealing();
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
      if (onReload !== undefined) {
        notifyHook(
          () => onReload(problem),
          (thrown) => warn(`onReload failed: ${thrown instanceof Error ? (thrown.stack ?? thrown.message) : thrown}`),
        );
      } else if (problem !== undefined) warn(problem.message);
    });
  }
}

/** A server name as it is bound. @throws RangeError */
export function boundName(serverName: string): string {
  const name = nameKey(serverName);
  const dot = name.indexOf('.');
  if (dot > 0 && dot < name.length - 1 && isIP(name) === 0) return name;
  throw new RangeError(
    `serverName must be a host name with a dot inside, and no IP address, not ${describe(serverName)}`,
  );
}

function nameKey(serverName: string): string {
  return withoutRootDot(serverName).toLowerCase();
}

function warn(message: string): void {
  process.emitWarning(message, { type: 'HpSocketWarning', code: 'HP_SOCKET_SSL' });
}

function checkCiphers(operation: string, cipherList: string): void {
  try {
    tls.createSecureContext({ ciphers: cipherList, ca: [] });
  } catch (cause) {
    throw contextError(
      operation,
      Errno.ENODATA,
      `OpenSSL knows no cipher of sslCipherList ${describe(cipherList)}`,
      cause,
    );
  }
}

/** The list as it goes over the wire: each name behind its length (RFC 7301, 3.1). */
function alpnList(protocols: readonly string[] | undefined): Uint8Array | undefined {
  if (protocols === undefined || protocols.length === 0) return undefined;
  return Buffer.concat(
    protocols.map((protocol: string) => {
      const name = Buffer.from(protocol, 'latin1');
      if (name.length === 0 || name.length > 255) throw new RangeError('an ALPN protocol has 1 to 255 bytes');
      return Buffer.concat([Buffer.from([name.length]), name]);
    }),
  );
}
