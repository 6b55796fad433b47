import type { SSLContextOptions, SSLInfo, SSLMemoryContextOptions, StreamSecurity } from '../connection/security.ts';
import type { StreamConnection } from '../connection/stream-connection.ts';
import { SocketErrorCode, type SSLSessionInfo } from '../core/enums.ts';
import { Errno } from '../core/errno.ts';
import { SingleSocket } from '../core/single-socket.ts';

/** The SSL part of clients (SSL-C). On plain components these methods do nothing and tell so: false, null (STB-001). */
export abstract class SingleSecure<Extra = unknown> extends SingleSocket<Extra> {
  /** TLS, or null for plain components. @internal */
  readonly security: StreamSecurity | null;
  /** @internal */
  protected connection: StreamConnection | null = null;

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
   * Whether the TLS handshake follows `onConnect` by itself (`SetSSLAutoHandShake`). Default true; also an
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
   * Sets the context up, from files (`SetupSSLContext`, SSL-C-001). It survives stop and start.
   * @returns true; false on plain components.
   * @throws SocketError as `SslServer.setupSSLContext`.
   */
  setupSSLContext(options: SSLContextOptions = {}): boolean {
    return this.security?.setup('setupSSLContext', options) ?? false;
  }

  /** As `setupSSLContext`, from PEM texts (`SetupSSLContextByMemory`, SSL-C-002). */
  setupSSLContextByMemory(options: SSLMemoryContextOptions = {}): boolean {
    return this.security?.setup('setupSSLContextByMemory', options) ?? false;
  }

  /** Removes the context (`CleanupSSLContext`, SSL-C-003). False, EPERM, while the client runs. */
  cleanupSSLContext(): boolean {
    return this.security?.cleanup() ?? false;
  }

  /** Replaces the context, also while the client runs, as `SslServer.updateSSLContext`. */
  updateSSLContext(options?: SSLContextOptions | SSLMemoryContextOptions): boolean {
    return this.security?.update(0, options) ?? false;
  }

  /**
   * Begins the TLS handshake of a connection that started in clear text, with `sslAutoHandShake` off (`StartSSLHandShake`,
   * SSL-C-004).
   * @param surplus Bytes that `onReceive` got beyond the last ones in clear text; they are the handshake's.
   * @returns false with `lastError`: EPERM (automatic, not connected, plain component), EALREADY.
   */
  startSSLHandShake(surplus?: Uint8Array): boolean {
    const connection = this.#secured('startSSLHandShake');
    return connection !== null && this.security!.startHandShake(connection, surplus);
  }

  /** Stops, and removes the context, as HP-Socket's destructors do (TL-005): nothing watches its files any more. */
  override async [Symbol.asyncDispose](): Promise<void> {
    await super[Symbol.asyncDispose]();
    this.cleanupSSLContext();
  }

  /** One fact about the TLS of the connection (`GetSSLSessionInfo`, SSL-C-009), as `SslServer.getSSLSessionInfo`. */
  getSSLSessionInfo(kind: SSLSessionInfo): unknown {
    const connection = this.#secured('getSSLSessionInfo');
    return connection === null ? undefined : this.security!.inspect(connection, kind);
  }

  /** Protocol, cipher, certificate and so on of the connection; null with `lastError` EPERM if there is no TLS. */
  getSSLInfo(): SSLInfo | null {
    const connection = this.#secured('getSSLInfo');
    return connection === null ? null : this.security!.info(connection);
  }

  #secured(operation: string): StreamConnection | null {
    if (this.security !== null && this.connection !== null) return this.connection;
    const reason = this.security === null ? 'this component has no TLS' : 'the client is not connected';
    this.refuse(operation, SocketErrorCode.IllegalState, Errno.EPERM, reason);
    return null;
  }
}
