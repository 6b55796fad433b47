import type { StreamConnection } from '../connection/stream-connection.ts';
import { Component } from '../core/component.ts';
import { SocketErrorCode, type SSLSessionInfo } from '../core/enums.ts';
import { Errno } from '../core/errno.ts';
import { $connectionOf, $refuse, $security, $unknownId } from '../core/internals.ts';
import type { ConnId } from '../core/listener.ts';
import { defineProperties, type PropertyTable } from '../core/properties.ts';
import type { SSLContextOptions, SSLInfo, SSLMemoryContextOptions } from './options.ts';
import type { TlsSecurity } from './security.ts';

// What TLS components have and plain ones do not. The classes here are never made: `addMembers` puts their methods into TLS
// components, beside what these inherit from the TCP components.

/** What the methods ask of the component that they are called on. */
interface SecureComponent extends Component {
  readonly [$security]: TlsSecurity;
}

interface SecureComplex extends SecureComponent {
  [$connectionOf](connId: ConnId): StreamConnection | undefined;
  [$unknownId](operation: string, connId: ConnId): false;
}

interface SecureSingle extends SecureComponent {
  [$connectionOf](): StreamConnection | undefined;
}

const tlsOf = (component: object): TlsSecurity => (component as SecureComponent)[$security];

/** What all TLS components have (SSL-S, SSL-A, SSL-C). */
export abstract class SecureMethods {
  /**
   * Sets the first context up (`SetupSSLContext`, SSL-S-001, SSL-A-001, SSL-C-001), if the constructor's option `ssl` has not. It
   * survives stop and start.
   * @returns true.
   * @throws SocketError: IllegalState (EPERM) if there is one already or the component runs; else InvalidParam with the
   *   errno of what is wrong with the material: ENOENT, EINVAL (no key), EACCES (wrong password, key of another
   *   certificate), EBADMSG (no certificate), ENODATA (cipher list, CA without certificates), EBADF (CA path).
   */
  setupSSLContext(options: SSLContextOptions | SSLMemoryContextOptions = {}): boolean {
    return tlsOf(this).setup('setupSSLContext', options);
  }

  /** As `setupSSLContext`, by the name that HP-Socket has for PEM texts (`SetupSSLContextByMemory`, SSL-S-002). */
  setupSSLContextByMemory(options: SSLContextOptions | SSLMemoryContextOptions = {}): boolean {
    return tlsOf(this).setup('setupSSLContextByMemory', options);
  }

  /**
   * Removes all contexts and bound names (`CleanupSSLContext`, SSL-S-006, SSL-A-003, SSL-C-003).
   * @returns false with `lastError` IllegalState (EPERM) while the component runs.
   */
  cleanupSSLContext(): boolean {
    return tlsOf(this).cleanup();
  }

  /** Stops, and removes the contexts, as HP-Socket's destructors do (TL-005): nothing watches their files any more. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Component.prototype[Symbol.asyncDispose].call(this as unknown as Component);
    this.cleanupSSLContext();
  }
}

/** What TLS servers and agents have beside that. */
export abstract class SecureComplexMethods extends SecureMethods {
  /**
   * Replaces a context, also while the component runs: new handshakes use the new material, connections keep the old.
   * @param which Index of the context, or a name that was bound to it.
   * @param options New files or texts, which replace those given before; left out: the same files are read again.
   * @returns true.
   * @throws SocketError as `setupSSLContext`, ENOANO if there is no such context; the old one stays then.
   */
  updateSSLContext(which: number | string, options?: SSLContextOptions | SSLMemoryContextOptions): boolean {
    return tlsOf(this).update(which, options);
  }

  /**
   * Begins the TLS handshake of a connection that started in clear text, with `sslAutoHandShake` off (`StartSSLHandShake`,
   * SSL-S-007). What was sent before leaves in clear text first; bytes that were received and not yet handed to
   * `onReceive`, or not yet fetched, are the handshake's.
   * @param surplus Bytes that `onReceive` got beyond the last ones in clear text; they are the handshake's too.
   * @returns false with `lastError`: EPERM (automatic, not connected), EBADSLT, EALREADY.
   */
  startSSLHandShake(connId: ConnId, surplus?: Uint8Array): boolean {
    const self = this as unknown as SecureComplex;
    const connection = self[$connectionOf](connId);
    if (connection?.isValid !== true) return self[$unknownId]('startSSLHandShake', connId);
    return self[$security].startHandShake(connection, surplus);
  }

  /**
   * One fact about the TLS of a connection (`GetSSLSessionInfo`, SSL-S-012); what kind of value it is, `SSLSessionInfo` says.
   * @returns null where there is none, and with `lastError`: EBADSLT, EPERM (no TLS yet), EINVAL (unknown kind).
   */
  getSSLSessionInfo(connId: ConnId, kind: SSLSessionInfo): unknown {
    const self = this as unknown as SecureComplex;
    const connection = self[$connectionOf](connId);
    if (connection !== undefined) return self[$security].inspect(connection, kind);
    self[$unknownId]('getSSLSessionInfo', connId);
    return null;
  }

  /** Protocol, cipher, certificate and so on of a connection; null with `lastError` as `getSSLSessionInfo`. */
  getSSLInfo(connId: ConnId): SSLInfo | null {
    const self = this as unknown as SecureComplex;
    const connection = self[$connectionOf](connId);
    if (connection !== undefined) return self[$security].info(connection);
    self[$unknownId]('getSSLInfo', connId);
    return null;
  }
}

/** What TLS servers have beside that. */
export abstract class SecureServerMethods extends SecureComplexMethods {
  /**
   * Adds a context for other server names (`AddSSLContext`, SSL-S-003). Index 0 is that of `setupSSLContext`.
   * @returns Its index, 1 or more.
   * @throws SocketError as `setupSSLContext`; IllegalState (EPERM) before that.
   */
  addSSLContext(options: SSLContextOptions | SSLMemoryContextOptions): number {
    return tlsOf(this).add('addSSLContext', options);
  }

  /** As `addSSLContext`, by the name that HP-Socket has for PEM texts (`AddSSLContextByMemory`, SSL-S-004). */
  addSSLContextByMemory(options: SSLContextOptions | SSLMemoryContextOptions): number {
    return tlsOf(this).add('addSSLContextByMemory', options);
  }

  /**
   * Uses a context for clients that ask for a server name (`BindSSLServerName`, SSL-S-005). A name also serves the names
   * below it (`example.com` serves `a.b.example.com`); `*.example.com` serves those one level below. Exact names go first.
   * @returns false with `lastError`: ENOANO (no such context).
   * @throws TypeError, RangeError for what can be no name, or no index.
   */
  bindSSLServerName(serverName: string, contextIndex: number): boolean {
    return tlsOf(this).bind(serverName, contextIndex);
  }

  /**
   * Replaces the secret that session tickets of all contexts are sealed with; older tickets lead to full handshakes.
   * @param keys 48 secret bytes, the same for all processes of a service; random if left out.
   */
  rotateSSLTicketKeys(keys?: Buffer): boolean {
    return tlsOf(this).rotateTicketKeys(keys);
  }
}

/** What TLS clients have beside what all TLS components have. */
export abstract class SecureSingleMethods extends SecureMethods {
  /** Replaces the context, also while the client runs, as `SslServer.updateSSLContext`. */
  updateSSLContext(options?: SSLContextOptions | SSLMemoryContextOptions): boolean {
    return tlsOf(this).update(0, options);
  }

  /**
   * Begins the TLS handshake of a connection that started in clear text, with `sslAutoHandShake` off (`StartSSLHandShake`,
   * SSL-C-004).
   * @param surplus Bytes that `onReceive` got beyond the last ones in clear text; they are the handshake's.
   * @returns false with `lastError`: EPERM (automatic, not connected), EALREADY.
   */
  startSSLHandShake(surplus?: Uint8Array): boolean {
    const connection = connectionOf(this, 'startSSLHandShake');
    return connection !== null && tlsOf(this).startHandShake(connection, surplus);
  }

  /** One fact about the TLS of the connection (`GetSSLSessionInfo`, SSL-C-009), as `SslServer.getSSLSessionInfo`. */
  getSSLSessionInfo(kind: SSLSessionInfo): unknown {
    const connection = connectionOf(this, 'getSSLSessionInfo');
    return connection === null ? null : tlsOf(this).inspect(connection, kind);
  }

  /** Protocol, cipher, certificate and so on of the connection; null with `lastError` EPERM if there is no TLS. */
  getSSLInfo(): SSLInfo | null {
    const connection = connectionOf(this, 'getSSLInfo');
    return connection === null ? null : tlsOf(this).info(connection);
  }
}

function connectionOf(client: object, operation: string): StreamConnection | null {
  const self = client as SecureSingle;
  const connection = self[$connectionOf]();
  if (connection !== undefined) return connection;
  self[$refuse](operation, SocketErrorCode.IllegalState, Errno.EPERM, 'the client is not connected');
  return null;
}

/** Gives TLS components the methods of one of these classes, and properties. */
export function addMembers(
  components: readonly (abstract new (...args: never) => Component)[],
  methods: abstract new () => SecureMethods,
  properties: PropertyTable,
): void {
  for (const { prototype } of components) {
    for (let from = methods.prototype; from !== Object.prototype; from = Object.getPrototypeOf(from)) {
      for (const name of Reflect.ownKeys(from)) {
        // Those of the class that is nearer have been there first.
        if (Object.hasOwn(prototype, name)) continue;
        Object.defineProperty(prototype, name, Object.getOwnPropertyDescriptor(from, name)!);
      }
    }
    defineProperties(prototype, properties);
  }
}
