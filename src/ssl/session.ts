import { X509Certificate } from 'node:crypto';
import type { Socket } from 'node:net';
import tls, { type ConnectionOptions, type TLSSocket } from 'node:tls';
import { PAUSED_BY_SECURITY } from '../connection/receiver.ts';
import type { SecureSession } from '../connection/security.ts';
import { connectionOfSocket } from '../connection/socket.ts';
import { ConnectionState } from '../connection/state.ts';
import { GOODBYE_MS, type StreamConnection } from '../connection/stream-connection.ts';
import { limitKey } from '../core/address.ts';
import { SocketOperation, SSLVerifyMode } from '../core/enums.ts';
import type { SocketError } from '../core/errors.ts';
import { endWithoutNotify } from '../transport/tls-fin.ts';
import type { TlsFailure } from '../transport/tls-reasons.ts';
import {
  encryptedBytesRead,
  endedCleanly,
  handshakeDone,
  holdAtClientHello,
  isHeldTlsSocket,
  isTunnel,
  releaseHandshake,
  type TlsServerOptions,
  verifyErrorOf,
  wrapForClient,
  wrapForServer,
} from '../transport/tls-socket.ts';
import type { ContextStore } from './contexts.ts';
import type { GateEntry, HandshakeGate, Slot } from './handshake-gate.ts';
import { brokenOffError, tlsError, truncatedError } from './reasons.ts';
import type { KeptSession, SessionCache } from './session-cache.ts';
import { chainOf, type SettledFacts, settledFacts } from './settled.ts';

/** What the sessions of a component have in common. */
export interface SessionOwner {
  readonly isServer: boolean;
  readonly contexts: ContextStore;
  /** Sessions to be resumed. */
  readonly sessions: SessionCache;
  readonly gate: HandshakeGate;
  /** Whether a close sends a close_notify. */
  readonly sendsCloseNotify: boolean;
  /** How a server shakes hands. */
  serverOptions(): TlsServerOptions;
  /** How a connection of an agent or client shakes hands, resuming `session` if there is one. */
  clientOptions(connection: StreamConnection, session: Buffer | undefined): ConnectionOptions;
  /** Name that a server is asked for, and that its certificate must have. */
  nameOfServer(connection: StreamConnection): string;
  /** Key of a server in `sessions`. */
  sessionKey(connection: StreamConnection): string;
}

type Done = (error?: SocketError) => void;

/**
 * TLS of one connection, from the start of its handshake on.
 *
 * ```
 *   server   begin --> ClientHello came --> [gate] --+
 *                                                    +--> shaking hands --> established
 *   client   begin -----------------------> [gate] --+         |
 *                                                              +--> refused, with the reason in words
 * ```
 *
 * A server gives no slot of the gate to a peer that has said nothing yet. An agent has to speak first, so there a server that
 * does not answer has one, but loses it to the next in the row.
 */
export class TlsSession implements SecureSession, GateEntry {
  isEstablished = false;
  /** Index of the context that its server name led to; servers. */
  contextIndex = 0;
  readonly connection: StreamConnection;
  #security: SessionOwner;
  #done: Done | null = null;
  #surplus: Uint8Array | undefined;
  /** Goes on with a handshake that stands still before the client is answered. */
  #answerClient: (() => void) | null = null;
  /** Whether TLS begins when the clear text before it has been sent. */
  #awaitsSent = false;
  #isBroken = false;
  /** What the handshake settled; kept, because the socket forgets it before `onClose`. */
  settled: SettledFacts | null = null;
  /** Certificates of the peer, leaf first, as DER; null until they are asked for. */
  #peerChain: readonly Buffer[] | null = null;
  /** The session that this side asks the server to resume, while it shakes hands. */
  #offered: KeptSession | undefined;
  /** The TCP socket below, if it may be needed for a FIN. */
  #raw: Socket | null = null;
  #hasSentFin = false;
  /** Version of the contexts that it shakes hands with. */
  #version = 0;

  constructor(security: SessionOwner, connection: StreamConnection, surplus?: Uint8Array) {
    this.connection = connection;
    this.#security = security;
    this.#surplus = surplus;
  }

  /** The TLS socket; null while the connection still has the one below. */
  get socket(): TLSSocket | null {
    const { socket } = this.connection;
    return (socket as Partial<TLSSocket>).encrypted === true && !isTunnel(socket) ? (socket as TLSSocket) : null;
  }

  /** Begins the handshake, or waits for a turn. */
  begin(done: Done): void {
    const { connection } = this;
    this.#done = done;
    const { handshakeTimeoutMs } = connection.host.settings;
    // It has a deadline of its own; those of an open connection begin when it is done.
    connection.deadlines.cancel();
    connection.receiver.deadline(0);
    connection.deadlines.armStage(handshakeTimeoutMs, () => {
      connection.host.limits.handshakeTimeouts++;
      const message = `the TLS handshake of connection ${connection.id} did not end within ${handshakeTimeoutMs} ms (handshakeTimeoutMs)`;
      connection.deadlines.timedOut(SocketOperation.Receive, message);
    });
    if (!this.#security.isServer) this.#security.gate.enter(this);
    else if (isHeldTlsSocket(connection.socket)) this.#awaitClientHello(() => releaseHandshake(connection.socket));
    else this.#wrapSoon();
  }

  /** Kept by the gate. */
  slot: Slot | null = null;

  get gateAddress(): string {
    return limitKey(this.connection.remoteAddress);
  }

  get bytesRead(): number {
    return encryptedBytesRead(this.connection.socket);
  }

  go(): void {
    const answer = this.#answerClient;
    this.#answerClient = null;
    if (answer !== null) answer();
    else if (!this.#security.isServer) this.#wrapSoon();
  }

  /** Reads from a client, but answers it only when the gate lets it in. */
  #awaitClientHello(read: () => void): void {
    const socket = this.socket!;
    socket.on('secure', onSecure);
    const isTold = holdAtClientHello(socket, (answer) => {
      this.#answerClient = answer;
      this.#security.gate.enter(this);
    });
    if (!isTold) this.#security.gate.enter(this);
    read();
  }

  #wrapSoon(): void {
    const { connection } = this;
    if ((connection.receiver.pauses & PAUSED_BY_SECURITY) === 0) return this.#wrap();
    // It comes from clear text: what is queued leaves first, and no read may be in its middle.
    this.#awaitsSent = true;
    connection.awaitsSent = true;
    connection.host.schedule(connection);
  }

  allSent(): void {
    const { connection } = this;
    if (connection.state >= ConnectionState.Closing) {
      connection.closeReason = { ...connection.closeReason, droppedBytes: 0 };
      this.#endSocket();
    } else if (this.#awaitsSent) {
      this.#awaitsSent = false;
      this.#wrap();
    }
  }

  #wrap(): void {
    const { connection } = this;
    const security = this.#security;
    const { receiver } = connection;
    const rest = receiver.takeRest();
    const surplus = this.#surplus;
    this.#surplus = undefined;
    receiver.pauses &= ~PAUSED_BY_SECURITY;
    const before = surplus === undefined || surplus.length === 0 ? null : Buffer.from(surplus);
    const bytes = before === null ? rest : rest === null ? before : Buffer.concat([before, rest]);
    const raw = connection.abandonSocket();
    if (!security.sendsCloseNotify) this.#raw = raw;
    try {
      if (security.isServer) {
        connection.replaceSocket(wrapForServer(raw, security.serverOptions(), connection, bytes));
        this.#awaitClientHello(() => {});
      } else {
        connection.replaceSocket(wrapForClient(raw, this.#clientOptions(), connection, bytes));
        connection.socket.on('secureConnect', onSecure);
        connection.socket.on('session', onSession);
      }
    } catch (thrown) {
      raw.destroy();
      this.#refuse(thrown as TlsFailure);
      connection.socketClosed();
    }
  }

  #clientOptions(): ConnectionOptions {
    const security = this.#security;
    const { connection } = this;
    this.#version = security.contexts.version;
    this.#offered = security.sessions.get(security.sessionKey(connection), this.#version);
    return {
      ...security.clientOptions(connection, this.#offered?.session),
      // What there is to check is checked later; but this is the only sure moment to get the certificates.
      checkServerIdentity: (_name, certificate) => {
        this.#peerChain = chainOf(certificate);
        return undefined;
      },
    };
  }

  /** Certificates of the peer, leaf first, as DER; of a server whose session was resumed, those that it sent at first. */
  peerChain(): readonly Buffer[] {
    // Node takes certificates out of the chain of a client when it is asked for them, so that it can be asked only once.
    if (this.#peerChain === null) this.#peerChain = chainOf(this.socket?.getPeerCertificate(true));
    return this.#peerChain;
  }

  /** The TLS state machine is through; what it let pass is looked at before anybody hears of it. */
  handshaken(): void {
    const { connection } = this;
    if (this.isEstablished) return this.#renegotiated();
    if (connection.state !== ConnectionState.Opening) return;
    const socket = this.socket!;
    if (this.#offered !== undefined && socket.isSessionReused()) this.#peerChain = this.#offered.chain;
    const { isServer } = this.#security;
    const problem = isServer ? this.#checkClient(socket) : this.#checkServer(socket);
    if (problem !== null) return this.#refuse(problem);
    this.isEstablished = true;
    handshakeDone(socket);
    this.#offered = undefined;
    // A server that asked for no certificate has none to ask for; all others keep it for `onClose`.
    const hasPeer = (!isServer || this.#peerChain !== null) && this.peerChain().length > 0;
    this.settled = settledFacts(socket, hasPeer);
    this.#security.gate.leave(this);
    const done = this.#done!;
    this.#done = null;
    connection.openSecured(done);
  }

  /** A server of TLS 1.2 may show another certificate then. Node has looked at its chain. */
  #renegotiated(): void {
    const socket = this.socket!;
    if (this.#security.isServer || socket.isSessionReused()) return;
    // Node told the new session before there was a way to ask for its certificates.
    this.#forgetSession();
    this.#peerChain = chainOf(socket.getPeerCertificate(true));
    const problem = this.#checkServer(socket);
    if (problem !== null) return this.#refuse(problem);
    this.settled = settledFacts(socket, this.#peerChain.length > 0);
  }

  #checkClient(socket: TLSSocket): TlsFailure | null {
    const verifyMode = this.#security.contexts.verifyModeOf(this.contextIndex);
    if ((verifyMode & SSLVerifyMode.Peer) === 0) return null;
    if (this.peerChain().length > 0 || socket.getPeerX509Certificate() !== undefined) return verifyErrorOf(socket);
    if ((verifyMode & SSLVerifyMode.FailIfNoPeerCert) === 0) return null;
    return Object.assign(new Error('peer did not return a certificate'), { code: 'NO_CLIENT_CERTIFICATE' });
  }

  #checkServer(socket: TLSSocket): TlsFailure | null {
    const { contexts } = this.#security;
    const isHostChecked = contexts.get(0)!.options.verifyHost ?? (contexts.verifyModeOf(0) & SSLVerifyMode.Peer) !== 0;
    if (!isHostChecked) return null;
    const name = this.#security.nameOfServer(this.connection);
    const [leaf] = this.peerChain();
    // It was asked for the first time that this component met the server by this name.
    if (leaf === undefined && socket.isSessionReused()) return null;
    if (leaf === undefined) return new Error('the server sent no certificate');
    return tls.checkServerIdentity(name, new X509Certificate(leaf).toLegacyObject()) ?? null;
  }

  /** Keeps a session for the next connection to the same server. */
  keepSession(session: Buffer): void {
    if (!this.isEstablished) return;
    const { sessions, contexts } = this.#security;
    const version = this.#version;
    // A ticket may come late, and tickets of one handshake are equally good.
    if (version !== contexts.version) return;
    sessions.set(this.#security.sessionKey(this.connection), { session, chain: this.peerChain(), version });
  }

  #forgetSession(): void {
    this.#security.sessions.delete(this.#security.sessionKey(this.connection));
  }

  #refuse(cause: TlsFailure): void {
    this.#isBroken = true;
    this.#forgetSession();
    const { connection } = this;
    const error = tlsError(connection.id, this.#peer, this.isEstablished, cause);
    connection.close(SocketOperation.Receive, error.errno, error);
  }

  get #peer(): string {
    const { remoteHost, remoteAddress, remotePort } = this.connection;
    const host = remoteHost || remoteAddress;
    return host === '' ? 'the peer' : `${host}:${remotePort}`;
  }

  failed(cause: TlsFailure): boolean {
    const { connection } = this;
    this.#isBroken = true;
    const { syscall, code } = cause;
    if (syscall !== undefined && code !== 'EPROTO') return false;
    // Node's word for a FIN in mid-handshake.
    if (code === 'ECONNRESET') this.#brokenOff(cause);
    else this.#refuse(cause);
    return connection.state >= ConnectionState.Closing;
  }

  #brokenOff(cause?: Error): void {
    this.connection.close(SocketOperation.Close, 0, brokenOffError(this.connection.id, this.#peer, cause));
  }

  end(): void {
    const { socket } = this.connection;
    if (!this.isEstablished || this.#security.sendsCloseNotify) socket.end();
    // Where both ends have ended, or that cannot be done, the system sends the FIN of a socket that is closed.
    else if (socket.readableEnded || !endWithoutNotify(socket, this.#raw)) socket.destroy();
    else this.#hasSentFin = true;
  }

  peerEnded(): boolean {
    if (!this.isEstablished) {
      this.#brokenOff();
      return true;
    }
    const { connection, socket } = this;
    // Node does it for sockets whose both ends it has seen.
    if (this.#hasSentFin) setImmediate(() => connection.socket.destroy());
    if (socket !== null && !endedCleanly(socket))
      connection.endNote = truncatedError(connection.id, this.#peer, connection.receiver.bytesIn > 0);
    return false;
  }

  sayGoodbye(isCutOff: boolean): boolean {
    const { connection } = this;
    this.#answerClient = null;
    this.#security.gate.leave(this);
    // The server may not like to be offered that one: the next handshake is a full one.
    if (this.#offered !== undefined) this.#forgetSession();
    const { socket } = connection;
    if (!this.isEstablished || isCutOff || this.#isBroken || connection.isShutDown || socket.destroyed) return false;
    if (connection.sender?.isWriting === true) {
      connection.awaitsSent = true;
      connection.sender.watchWrite();
      connection.deadlines.armStage(GOODBYE_MS, () => socket.destroy());
    } else {
      this.#endSocket();
    }
    return true;
  }

  #endSocket(): void {
    const { socket } = this.connection;
    if (this.#security.sendsCloseNotify) socket.end(); // writes it at once
    socket.destroy();
  }
}

/** A server found the context for the name that the client of `socket` asked for. */
export function contextChosen(socket: TLSSocket, index: number): void {
  (connectionOfSocket(socket).secure as TlsSession).contextIndex = index;
}

function onSecure(this: Socket): void {
  (connectionOfSocket(this).secure as TlsSession).handshaken();
}

function onSession(this: Socket, session: Buffer): void {
  (connectionOfSocket(this).secure as TlsSession).keepSession(session);
}
