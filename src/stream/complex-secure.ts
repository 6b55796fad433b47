import type { SSLContextOptions, SSLInfo, SSLMemoryContextOptions, StreamSecurity } from '../connection/security.ts';
import type { StreamConnection } from '../connection/stream-connection.ts';
import { ComplexSocket } from '../core/complex-socket.ts';
import { SocketErrorCode, type SSLSessionInfo } from '../core/enums.ts';
import { Errno } from '../core/errno.ts';
import type { ConnId } from '../core/listener.ts';

/**
 * The SSL part of servers and agents (SSL-S, SSL-A). On plain components these methods do nothing and tell so: false, 0,
 * null (STB-001); so they cost nothing there, not even the loading of `node:tls`.
 */
export abstract class ComplexSecure<Extra = unknown> extends ComplexSocket<StreamConnection, Extra> {
  /** TLS, or null for plain components. @internal */
  readonly security: StreamSecurity | null;

  constructor(options: object | undefined) {
    super(options);
    this.security = this.makeSecurity();
  }

  /** Overridden by TLS components. @internal */
  protected makeSecurity(): StreamSecurity | null {
    return null;
  }

  override get isSecure(): boolean {
    return this.security !== null;
  }

  /**
   * Whether the TLS handshake follows `onAccept` or `onConnect` by itself (`SetSSLAutoHandShake`). Default true; also an
   * option of the constructor. Plain components: false, and setting it does nothing.
   */
  get sslAutoHandShake(): boolean {
    return false;
  }

  set sslAutoHandShake(_isAutomatic: boolean) {}

  /**
   * Ciphers of TLS 1.2 in OpenSSL's syntax (`SetSSLCipherList`, TL-007); set it before a context is set up. Also an option
   * of the constructor. Plain components: null, and setting it does nothing.
   */
  get sslCipherList(): string | null {
    return null;
  }

  set sslCipherList(_list: string) {}

  /**
   * Sets the first context up, from files (`SetupSSLContext`, SSL-S-001). It survives stop and start.
   * @returns true; false on plain components.
   * @throws SocketError: IllegalState (EPERM) if there is one already or the component runs; else InvalidParam with the
   *   errno of what is wrong with the material: ENOENT, EINVAL (no key), EACCES (wrong password, key of another
   *   certificate), EBADMSG (no certificate), ENODATA (cipher list, CA without certificates), EBADF (CA path).
   */
  setupSSLContext(options: SSLContextOptions = {}): boolean {
    return this.security?.setup('setupSSLContext', options) ?? false;
  }

  /** As `setupSSLContext`, from PEM texts (`SetupSSLContextByMemory`, SSL-S-002). */
  setupSSLContextByMemory(options: SSLMemoryContextOptions = {}): boolean {
    return this.security?.setup('setupSSLContextByMemory', options) ?? false;
  }

  /** Removes all contexts and bound names (`CleanupSSLContext`, SSL-S-006). False, EPERM, while the component runs. */
  cleanupSSLContext(): boolean {
    return this.security?.cleanup() ?? false;
  }

  /**
   * Replaces a context, also while the component runs: new handshakes use the new material, connections keep the old.
   * @param which Index of the context, or a name that was bound to it.
   * @param options New files or texts, which replace those given before; left out: the same files are read again.
   * @returns true; false on plain components.
   * @throws SocketError as `setupSSLContext`; the old context stays then.
   */
  updateSSLContext(which: number | string, options?: SSLContextOptions | SSLMemoryContextOptions): boolean {
    return this.security?.update(which, options) ?? false;
  }

  /**
   * Begins the TLS handshake of a connection that started in clear text, with `sslAutoHandShake` off (`StartSSLHandShake`,
   * SSL-S-007). What was sent before leaves in clear text first; bytes that were received and not yet handed to
   * `onReceive`, or not yet fetched, are the handshake's.
   * @param surplus Bytes that `onReceive` got beyond the last ones in clear text; they are the handshake's too.
   * @returns false with `lastError`: EPERM (automatic, not connected, plain component), EBADSLT, EALREADY.
   */
  startSSLHandShake(connId: ConnId, surplus?: Uint8Array): boolean {
    if (this.security === null) return this.#isPlain('startSSLHandShake');
    const connection = this.table.get(connId);
    if (connection?.isValid !== true) return this.unknownId('startSSLHandShake', connId);
    return this.security.startHandShake(connection, surplus);
  }

  /** Stops, and removes the contexts, as HP-Socket's destructors do (TL-005): nothing watches their files any more. */
  override async [Symbol.asyncDispose](): Promise<void> {
    await super[Symbol.asyncDispose]();
    this.cleanupSSLContext();
  }

  /**
   * One fact about the TLS of a connection (`GetSSLSessionInfo`, SSL-S-012); what kind of value it is, `SSLSessionInfo` says.
   * @returns null where there is none; undefined with `lastError`: EBADSLT, EPERM (no TLS yet), EINVAL (unknown kind).
   */
  getSSLSessionInfo(connId: ConnId, kind: SSLSessionInfo): unknown {
    const connection = this.#secured('getSSLSessionInfo', connId);
    return connection === undefined ? undefined : this.security!.inspect(connection, kind);
  }

  /** Protocol, cipher, certificate and so on of a connection; null with `lastError` as `getSSLSessionInfo`. */
  getSSLInfo(connId: ConnId): SSLInfo | null {
    const connection = this.#secured('getSSLInfo', connId);
    return connection === undefined ? null : this.security!.info(connection);
  }

  #secured(operation: string, connId: ConnId): StreamConnection | undefined {
    const connection = this.table.get(connId);
    if (this.security === null) this.#isPlain(operation);
    else if (connection === undefined) this.unknownId(operation, connId);
    else return connection;
    return undefined;
  }

  #isPlain(operation: string): false {
    return this.refuse(operation, SocketErrorCode.IllegalState, Errno.EPERM, 'this component has no TLS');
  }
}
