import type { Socket } from 'node:net';
import type { ConnectionOptions } from 'node:tls';
import type { ConnectionHost } from '../connection/host.ts';
import type { SecurityMaker, StreamSecurity } from '../connection/security.ts';
import { ConnectionState } from '../connection/state.ts';
import type { StreamConnection } from '../connection/stream-connection.ts';
import type { Component } from '../core/component.ts';
import { describe } from '../core/describe.ts';
import { SocketErrorCode, type SSLSessionInfo } from '../core/enums.ts';
import { Errno } from '../core/errno.ts';
import { SocketError } from '../core/errors.ts';
import { $failed, $refuse, $settings, $wheel } from '../core/internals.ts';
import { isIP } from '../core/ip.ts';
import { useTlsProof } from '../transport/fast-path.ts';
import type { AcceptedSocket } from '../transport/tcp-listener.ts';
import { contextError } from '../transport/tls-material.ts';
import { tlsProof } from '../transport/tls-proof.ts';
import { type TlsServerOptions, tlsSocketOfHandle } from '../transport/tls-socket.ts';
import { checkContextOptions, contextsOfOption } from './context-options.ts';
import { boundName, ContextStore, verifyOptions } from './contexts.ts';
import { HandshakeGate } from './handshake-gate.ts';
import { infoOf, inspectSession } from './info.ts';
import type { AnyContextOptions, SSLInfo } from './options.ts';
import { withoutRootDot } from './server-name.ts';
import { contextChosen, type SessionOwner, TlsSession } from './session.ts';
import { SessionCache } from './session-cache.ts';
import { serverNameCallback } from './sni.ts';

/** Servers whose sessions an agent or client keeps for resumption. */
const MAX_SESSIONS = 256;

/** TLS of one component: its contexts, and what its connections share. */
export class TlsSecurity implements StreamSecurity, SessionOwner {
  readonly isServer: boolean;
  readonly contexts: ContextStore;
  readonly sessions = new SessionCache(MAX_SESSIONS);
  /** Made by each start. */
  gate!: HandshakeGate;
  #component: Component;
  #serverOptions: TlsServerOptions | null = null;
  /** Version of the contexts that they were made of. */
  #madeOf = -1;
  #plainHttpAnswer: (() => Buffer | null) | null;

  constructor(component: Component, isServer: boolean, plainHttpAnswer: (() => Buffer | null) | null) {
    useTlsProof(tlsProof);
    this.#component = component;
    this.isServer = isServer;
    this.#plainHttpAnswer = plainHttpAnswer;
    this.contexts = new ContextStore(isServer);
  }

  get #settings(): {
    sslAutoHandShake: boolean;
    closeNotify: boolean;
    sslCipherList: string;
    maxHandshakes?: number;
    maxHandshakesPerAddress?: number;
  } {
    return this.#component[$settings] as never;
  }

  get sendsCloseNotify(): boolean {
    return this.#settings.closeNotify;
  }

  #isStopped(): boolean {
    return !this.#component.hasStarted;
  }

  // ---- contexts --------------------------------------------------------------------------------------------------

  /** Sets up what the constructor's option `ssl` says. */
  configure(ssl: unknown): void {
    const [first, ...others] = contextsOfOption(ssl, this.isServer);
    try {
      this.setup('ssl', first!.options);
      for (const { options } of others) this.add('ssl', options);
      for (const [index, { names }] of [first!, ...others].entries())
        for (const name of names) this.contexts.bind(name, index);
    } catch (thrown) {
      this.contexts.clear(); // nothing watches files any more
      throw thrown;
    }
  }

  setup(operation: string, given: AnyContextOptions): boolean {
    const options = checkContextOptions(operation, given, this.isServer ? 'server' : 'client');
    if (!this.#isStopped()) throw this.#failed(operation, Errno.EPERM, 'the component runs; stop it first');
    if (this.contexts.count > 0) {
      throw this.#failed(
        operation,
        Errno.EPERM,
        'there is a context already; call cleanupSSLContext, or updateSSLContext',
      );
    }
    this.#change(() => this.contexts.add(operation, options, this.#settings.sslCipherList));
    return true;
  }

  add(operation: string, given: AnyContextOptions): number {
    const options = checkContextOptions(operation, given, 'name');
    if (this.contexts.count === 0) throw this.#failed(operation, Errno.EPERM, 'call setupSSLContext first');
    return this.#change(() => this.contexts.add(operation, options, this.#settings.sslCipherList));
  }

  update(which: number | string, given?: AnyContextOptions): boolean {
    if (typeof which !== 'number' && typeof which !== 'string')
      throw new TypeError(`a context is given by its index or a server name, not by ${describe(which)}`);
    const index = typeof which === 'number' ? which : this.contexts.boundIndex(which);
    if (index === undefined || this.contexts.get(index) === undefined) {
      throw this.#failed('updateSSLContext', Errno.ENOANO, `there is no context ${describe(which)}`);
    }
    const first = this.isServer ? 'server' : 'client';
    const options =
      given === undefined ? given : checkContextOptions('updateSSLContext', given, index === 0 ? first : 'name');
    this.#change(() => this.contexts.update(index, options, this.#settings.sslCipherList));
    return true;
  }

  rotateTicketKeys(keys?: Buffer): boolean {
    this.#change(() => this.contexts.rotateTicketKeys(keys));
    return true;
  }

  /** Runs a change of the contexts, and notes its failure as the component's last one. */
  #change<T>(change: () => T): T {
    try {
      return change();
    } catch (thrown) {
      throw thrown instanceof SocketError ? this.#component[$failed](thrown) : thrown;
    }
  }

  bind(serverName: string, index: number): boolean {
    if (typeof serverName !== 'string') throw new TypeError(`serverName must be a string, not ${describe(serverName)}`);
    if (typeof index !== 'number') throw new TypeError(`contextIndex must be a number, not ${describe(index)}`);
    if (!Number.isInteger(index) || index < 0)
      throw new RangeError(`contextIndex must be a whole number, 0 or more, not ${index}`);
    boundName(serverName);
    if (index >= this.contexts.count) {
      const message = `there is no context ${index}`;
      return this.#component[$refuse]('bindSSLServerName', SocketErrorCode.InvalidParam, Errno.ENOANO, message);
    }
    this.contexts.bind(serverName, index);
    return true;
  }

  cleanup(): boolean {
    if (!this.#isStopped()) {
      return this.#component[$refuse](
        'cleanupSSLContext',
        SocketErrorCode.IllegalState,
        Errno.EPERM,
        'the component runs; stop it first',
      );
    }
    this.contexts.clear();
    this.sessions.clear();
    return true;
  }

  #failed(operation: string, errno: number, message: string): SocketError {
    return this.#component[$failed](contextError(operation, errno, message));
  }

  checkReady(): SocketError | null {
    if (this.contexts.count > 0) return null;
    return new SocketError({
      socketError: SocketErrorCode.SslEnvNotReady,
      errno: Errno.EPERM,
      operation: 'start',
      message:
        'start needs a TLS context: give the constructor the option ssl (on clients, {} trusts the authorities that Node knows), or call setupSSLContext before',
    });
  }

  // ---- connections -------------------------------------------------------------------------------------------------

  begin(host: () => ConnectionHost): void {
    this.#serverOptions = null; // properties may have changed
    const { maxHandshakes = 0, maxHandshakesPerAddress = 0 } = this.#settings;
    const struck = (): void => void host().limits.handshakesQueued++;
    this.gate = new HandshakeGate(
      maxHandshakes || Number.POSITIVE_INFINITY,
      maxHandshakesPerAddress || Number.POSITIVE_INFINITY,
      this.#component[$wheel],
      struck,
    );
  }

  acceptSocket(accepted: AcceptedSocket, connection: StreamConnection): Socket {
    if (!this.#settings.sslAutoHandShake) {
      connection.canSendWhileOpening = true;
      return accepted.makeSocket(connection);
    }
    // Preambles come before TLS, so it cannot begin on the handle.
    if (connection.state === ConnectionState.Connecting) return accepted.makeSocket(connection);
    const handle = accepted.takeHandle();
    const socket = handle === null ? null : tlsSocketOfHandle(handle, this.serverOptions());
    return socket ?? accepted.makeRawSocket();
  }

  preparing(connection: StreamConnection): void {
    connection.canSendWhileOpening = !this.#settings.sslAutoHandShake;
  }

  letIn(connection: StreamConnection, done: (error?: SocketError) => void): void {
    if (connection.secure !== null) return (connection.secure as TlsSession).begin(done); // started by the first hook
    if (this.#settings.sslAutoHandShake) {
      const session = new TlsSession(this, connection);
      connection.secure = session;
      // As TLS that begins in the middle of clear text: not within a read, and behind what the preambles sent.
      if (connection.hadPreambles) connection.closeClearText();
      session.begin(done);
    } else {
      connection.openInClearText();
      done();
    }
  }

  startHandShake(connection: StreamConnection, surplus: Uint8Array | undefined): boolean {
    const refuse = (errno: number, message: string): boolean =>
      this.#component[$refuse]('startSSLHandShake', SocketErrorCode.IllegalState, errno, message, connection.id);
    if (this.#settings.sslAutoHandShake)
      return refuse(Errno.EPERM, 'the handshake is automatic; set sslAutoHandShake to false');
    if (connection.secure !== null) return refuse(Errno.EALREADY, 'its handshake was started already');
    const { state } = connection;
    if (state !== ConnectionState.Opening && state !== ConnectionState.Open)
      return refuse(Errno.EPERM, 'it is not connected');
    const session = new TlsSession(this, connection, surplus);
    connection.secure = session;
    connection.closeClearText();
    if (state === ConnectionState.Open) session.begin(() => {});
    return true;
  }

  /** What all handshakes of a server have in common. */
  serverOptions(): TlsServerOptions {
    const { version } = this.contexts;
    if (this.#serverOptions === null || this.#madeOf !== version) {
      this.#serverOptions = this.#makeServerOptions();
      this.#madeOf = version;
    }
    return this.#serverOptions;
  }

  #makeServerOptions(): TlsServerOptions {
    const { secureContext, alpn, options } = this.contexts.get(0)!;
    const { sniCallback } = options;
    const plainHttpAnswer = this.#plainHttpAnswer?.() ?? null;
    return {
      secureContext,
      ...verifyOptions(this.contexts.verifyModeOf(0)),
      ...(sniCallback !== undefined || this.contexts.hasNames
        ? { SNICallback: serverNameCallback(this.contexts, sniCallback, contextChosen) }
        : {}),
      ...(alpn === undefined ? {} : { ALPNProtocols: alpn }),
      ...(plainHttpAnswer === null ? {} : { plainHttpAnswer }),
    };
  }

  /** How a connection of an agent or client shakes hands, resuming `session` if there is one. */
  clientOptions(connection: StreamConnection, session: Buffer | undefined): ConnectionOptions {
    const { secureContext, alpn } = this.contexts.get(0)!;
    const name = this.nameOfServer(connection);
    return {
      secureContext,
      host: name,
      rejectUnauthorized: verifyOptions(this.contexts.verifyModeOf(0)).requestCert,
      ...(isIP(name) === 0 ? { servername: name } : {}),
      ...(alpn === undefined ? {} : { ALPNProtocols: alpn }),
      ...(session === undefined ? {} : { session }),
    };
  }

  /** Name that a server is asked for, and that its certificate must have. */
  nameOfServer(connection: StreamConnection): string {
    const { serverName, remoteHost, remotePort } = connection;
    // Only a Unix domain socket has no port, and its path is no name.
    const host = remotePort === 0 ? '' : remoteHost;
    return withoutRootDot(serverName || this.contexts.get(0)?.options.serverName || host || 'localhost');
  }

  sessionKey(connection: StreamConnection): string {
    return `${this.nameOfServer(connection)} ${connection.remoteAddress} ${connection.remotePort}`;
  }

  // ---- looking at them ---------------------------------------------------------------------------------------------

  inspect(connection: StreamConnection, kind: SSLSessionInfo): unknown {
    const session = this.#sessionOf('getSSLSessionInfo', connection);
    if (session === null) return null;
    const value = inspectSession(session, this.contexts.get(session.contextIndex), this.#settings.sslCipherList, kind);
    if (value === undefined) {
      this.#component[$refuse](
        'getSSLSessionInfo',
        SocketErrorCode.InvalidParam,
        Errno.EINVAL,
        `there is no kind ${describe(kind)}`,
        connection.id,
      );
    }
    return value ?? null;
  }

  info(connection: StreamConnection): SSLInfo | null {
    const session = this.#sessionOf('getSSLInfo', connection);
    return session === null ? null : infoOf(session);
  }

  #sessionOf(operation: string, connection: StreamConnection): TlsSession | null {
    if (connection.secure !== null) return connection.secure as TlsSession;
    this.#component[$refuse](operation, SocketErrorCode.IllegalState, Errno.EPERM, 'it has no TLS yet', connection.id);
    return null;
  }
}

/** TLS of servers. */
export const serverTls: SecurityMaker = (component, options) => makeTls(component, options, true);

/**
 * TLS of servers that speak HTTP.
 * @param answer What clients get in clear text that speak HTTP instead of TLS; asked by each run, null for nothing.
 */
export function httpServerTls(answer: (component: Component) => Buffer | null): SecurityMaker {
  return (component, options) => makeTls(component, options, true, () => answer(component));
}

/** TLS of agents and clients. */
export const clientTls: SecurityMaker = (component, options) => makeTls(component, options, false);

function makeTls(
  component: Component,
  options: object | undefined,
  isServer: boolean,
  plainHttpAnswer: (() => Buffer | null) | null = null,
): TlsSecurity {
  const security = new TlsSecurity(component, isServer, plainHttpAnswer);
  const { ssl } = (options ?? {}) as { ssl?: unknown };
  if (ssl !== undefined) security.configure(ssl);
  return security;
}
