import { Socket, type SocketConstructorOpts } from 'node:net';
import tls, { type ConnectionOptions, type SecureContext, TLSSocket, type TLSSocketOptions } from 'node:tls';
import { ClearAnswer } from './clear-answer.ts';
import {
  canWriteDirectly,
  cutOff,
  DirectWriter,
  isCutOff,
  isWrittenAsDocumented,
  type StreamHandle,
  writeAsDocumented,
} from './fast-io.ts';
import { readThroughData, type SocketOwner, sharedOnread } from './socket-owner.ts';

/** How a server shakes hands. */
export interface TlsServerOptions {
  secureContext: SecureContext;
  requestCert: boolean;
  rejectUnauthorized: boolean;
  SNICallback?: (
    this: TLSSocket,
    serverName: string,
    done: (error: Error | null, context?: SecureContext) => void,
  ) => void;
  ALPNProtocols?: Uint8Array | undefined;
  /** Sent in clear text to clients that speak HTTP instead of TLS. */
  plainHttpAnswer?: Buffer;
}

/** The parts of Node's TLS sockets that are not documented. */
interface TlsInternals {
  _handle?: TlsHandle | null;
  _tlsOptions: { handle: StreamHandle };
  _releaseControl(): void;
  _wrapHandle(wrap: null, handle: StreamHandle, hasWrites: boolean): unknown;
  connecting: boolean;
}

interface TlsHandle {
  reading?: boolean;
  _parent?: StreamHandle & { bytesRead?: number; readStart?(): number; readStop?(): number };
  verifyError?(): (Error & { code?: string }) | null;
  /** Node calls this when OpenSSL has parsed a ClientHello that resumes no session, and goes on when `certCbDone` is called. */
  oncertcb?: (this: TlsHandle, info: unknown) => void;
  enableCertCb?(): void;
  setVerifyMode?(requestCert: boolean, rejectUnauthorized: boolean): void;
}

const internals = (socket: TLSSocket): TlsInternals => socket as unknown as TlsInternals;

/** Whether the end of a socket's stream came out of the bytes of the peer, as its close_notify, and not as a bare FIN. */
const cleanEnds = new WeakSet<TLSSocket>();

/** Whether the peer ended with a close_notify. Without one, its stream may have been cut short by a third party. */
export function endedCleanly(socket: TLSSocket): boolean {
  return cleanEnds.has(socket);
}

/**
 * To be called at the moment when a TLS socket learns of its end. Node reports a close_notify and a bare FIN alike, but in
 * the one case it is still reading from the TCP socket, which then says that it has been started already, and in the other
 * it has stopped. Where that cannot be asked, ends count as clean.
 */
function noteEnd(socket: TLSSocket): void {
  const handle = internals(socket)._handle;
  const parent = handle?._parent;
  if (handle?.reading !== true || typeof parent?.readStart !== 'function' || parent.readStart() !== 0) {
    cleanEnds.add(socket);
  } else {
    parent.readStop?.();
  }
}

/** The fatal alert unrecognized_name in a record (RFC 6066, 3). */
const unrecognizedName = Buffer.from([21, 3, 3, 0, 2, 2, 112]);

/**
 * Tells a client that the name that it asked for is not served; Node would just cut it off. To be called while the server
 * looks for a context: it has sent no ServerHello, so an alert is still sent in clear text, and can be sent by TCP.
 */
export function alertUnrecognizedName(socket: TLSSocket): void {
  const parent = internals(socket)._handle?._parent;
  if (typeof parent?.writeBuffer === 'function' && canWriteDirectly('tcp')) {
    DirectWriter.create().write(parent, [unrecognizedName], { writeCompleted: () => {} });
    return;
  }
  // Documented I/O: the socket below the TLS socket still writes to the same handle.
  const below = (socket as unknown as { _parent?: Socket | null })._parent;
  if (below?.writable === true) below.write(unrecognizedName);
}

/**
 * Fast path: TLS straight on the handle of an accepted connection, with no `net.Socket` in between, reading through
 * `onread`. Holds still until `release`, so that `onAccept` may take its time. (64 B echo: see bench.)
 */
class HandleTlsSocket extends TLSSocket {
  #isHeld = true;
  #clearAnswer: ClearAnswer | null;

  constructor(handle: StreamHandle, options: TlsServerOptions) {
    super(
      undefined as unknown as Socket,
      { ...options, isServer: true, allowHalfOpen: true, onread: sharedOnread, handle } as TLSSocketOptions &
        SocketConstructorOpts,
    );
    const { plainHttpAnswer } = options;
    this.#clearAnswer = plainHttpAnswer === undefined ? null : new ClearAnswer(plainHttpAnswer, null);
    internals(this).connecting = false;
    internals(this)._releaseControl();
  }

  /** Node calls this to make the TLS handle, and would put a new TCP handle below it. */
  _wrapHandle(): unknown {
    const { _wrapHandle } = TLSSocket.prototype as unknown as TlsInternals;
    return _wrapHandle.call(this as never, null, internals(this)._tlsOptions.handle, false);
  }

  /** Node reads from a new TLS socket a tick later; with that, its handshake would begin. */
  override read(size?: number): unknown {
    return this.#isHeld ? null : super.read(size);
  }

  override push(chunk: unknown, encoding?: BufferEncoding): boolean {
    if (chunk === null) {
      if (this.#clearAnswer?.ended()) return false;
      noteEnd(this);
    }
    return super.push(chunk, encoding);
  }

  override destroy(error?: Error): this {
    if (this.#clearAnswer?.takes(this, error, () => super.destroy(error))) return this;
    return super.destroy(error);
  }

  /** The handshake is done: errors are not answered in clear text any more. */
  forgetClearAnswer(): void {
    this.#clearAnswer = null;
  }

  release(): void {
    this.#isHeld = false;
    if (!this.destroyed) super.read(0);
  }
}

let isProven = false;

/** Says whether sockets made of handles have been proven to work here. */
export function setHandleTlsProven(areProven: boolean): void {
  isProven = areProven;
}

/** A TLS socket of a server on `handle`, held until `releaseHandshake`; null if that is not known to work here. */
export function tlsSocketOfHandle(handle: StreamHandle, options: TlsServerOptions): TLSSocket | null {
  return isProven ? makeHandleTlsSocket(handle, options) : null;
}

/** The same for the proof. */
export function makeHandleTlsSocket(handle: StreamHandle, options: TlsServerOptions): TLSSocket {
  return new HandleTlsSocket(handle, options);
}

/** Whether `socket` waits for `releaseHandshake`. */
export function isHeldTlsSocket(socket: Socket): boolean {
  return socket instanceof HandleTlsSocket;
}

/** Lets a held socket read, so that its handshake begins. */
export function releaseHandshake(socket: Socket): void {
  (socket as HandleTlsSocket).release();
}

/** The handshake of a server's `socket` is done. */
export function handshakeDone(socket: Socket): void {
  if (socket instanceof HandleTlsSocket) socket.forgetClearAnswer();
}

/** Documented path: TLS of a server over a socket that has been accepted. `surplus` was read from it already. */
export function wrapForServer(
  raw: Socket,
  options: TlsServerOptions,
  owner: SocketOwner,
  surplus: Buffer | null,
): TLSSocket {
  if (surplus !== null) raw.unshift(surplus);
  const { SNICallback } = options;
  const tlsOptions = { ...options, isServer: true } as TLSSocketOptions;
  // Deno calls it on nothing.
  if (SNICallback !== undefined) tlsOptions.SNICallback = (name, done) => SNICallback.call(socket, name, done);
  const socket: TLSSocket = new TLSSocket(raw, tlsOptions);
  // Node's own tls.Server does this too: errors after the handshake become 'error' events.
  internals(socket)._releaseControl?.();
  const { plainHttpAnswer } = options;
  return readThrough(socket, owner, raw, plainHttpAnswer === undefined ? null : new ClearAnswer(plainHttpAnswer, raw));
}

/** TLS of a client over a socket that is connected. */
export function wrapForClient(
  raw: Socket,
  options: ConnectionOptions,
  owner: SocketOwner,
  surplus: Buffer | null,
): TLSSocket {
  if (surplus !== null) raw.unshift(surplus);
  return readThrough(tls.connect({ ...options, socket: raw }), owner, raw);
}

/** TLS sockets with proxies: the connection's own TLS, if it has any, is inside. */
const tunnels = new WeakSet<Socket>();

/** Whether `socket` is TLS with a proxy, and not with the peer of the connection. */
export function isTunnel(socket: Socket): boolean {
  return tunnels.has(socket);
}

/** TLS with a proxy, as `wrapForClient`. It is written as documented, since the fast path knows one TLS on a connection. */
export function wrapForTunnel(
  raw: Socket,
  options: ConnectionOptions,
  owner: SocketOwner,
  surplus: Buffer | null,
): TLSSocket {
  const socket = wrapForClient(raw, options, owner, surplus);
  tunnels.add(socket);
  writeAsDocumented(socket);
  return socket;
}

/** From now on `socket`, when it is closed, ends with a close_notify, unless its stream is to look cut off: that resets `raw`. */
export function closeWithNotify(socket: TLSSocket, raw: Socket): void {
  socket.destroy = (error?: Error): TLSSocket => {
    const isCut = (socket as { [isCutOff]?: boolean })[isCutOff] === true;
    const isOpen = !socket.destroyed && !socket.writableEnded;
    if (isOpen && isCut) cutOff(raw);
    // It is written at once if no write is under way.
    else if (isOpen && error === undefined) socket.end();
    return TLSSocket.prototype.destroy.call(socket, error);
  };
}

function readThrough(
  socket: TLSSocket,
  owner: SocketOwner,
  raw: Socket,
  clearAnswer: ClearAnswer | null = null,
): TLSSocket {
  if (isWrittenAsDocumented(raw)) writeAsDocumented(socket);
  socket.push = (chunk: unknown, encoding?: BufferEncoding): boolean => {
    if (chunk === null) {
      if (clearAnswer?.ended()) return false;
      noteEnd(socket);
    }
    return TLSSocket.prototype.push.call(socket, chunk, encoding);
  };
  if (clearAnswer !== null) {
    socket.destroy = (error?: Error): TLSSocket => {
      if (clearAnswer.takes(socket, error, () => TLSSocket.prototype.destroy.call(socket, error))) return socket;
      return TLSSocket.prototype.destroy.call(socket, error);
    };
  }
  return readThroughData(socket, owner) as TLSSocket;
}

/**
 * Calls `arrived` when a ClientHello has come in and this server is about to answer it: that costs a signature. The handshake
 * stands still until `goOn` is called. Not called for a client that resumes a session, which costs little. Returns false if
 * this runtime does not tell.
 */
export function holdAtClientHello(socket: TLSSocket, arrived: (goOn: () => void) => void): boolean {
  const handle = internals(socket)._handle;
  const answer = handle?.oncertcb;
  if (typeof answer !== 'function' || typeof handle!.enableCertCb !== 'function') return false;
  handle!.oncertcb = function (info) {
    this.oncertcb = answer; // it comes once, and an idle connection is to be small
    arrived(() => answer.call(this, info));
  };
  handle!.enableCertCb();
  return true;
}

/**
 * Sets whether a client is asked for a certificate, and must have one, to be called while the server looks for a context: the
 * question has not been sent then. False if this runtime cannot.
 */
export function setVerifyMode(
  socket: TLSSocket,
  { requestCert, rejectUnauthorized }: Pick<TlsServerOptions, 'requestCert' | 'rejectUnauthorized'>,
): boolean {
  const handle = internals(socket)._handle;
  if (typeof handle?.setVerifyMode !== 'function') return false;
  handle.setVerifyMode(requestCert, rejectUnauthorized);
  return true;
}

let canVerify: boolean | undefined;

/** Whether this runtime has what `setVerifyMode` needs. */
export function canVerifyByName(): boolean {
  if (canVerify === undefined) {
    const socket = new TLSSocket(new Socket(), { isServer: true, secureContext: tls.createSecureContext() });
    canVerify = typeof internals(socket)._handle?.setVerifyMode === 'function';
    socket.destroy();
  }
  return canVerify;
}

/** Bytes that came from the peer, encrypted; 0 if this runtime does not tell. */
export function encryptedBytesRead(socket: Socket): number {
  return internals(socket as TLSSocket)._handle?._parent?.bytesRead ?? 0;
}

/** What OpenSSL found wrong with the peer's certificate, null if nothing. */
export function verifyErrorOf(socket: TLSSocket): Error | null {
  const handle = internals(socket)._handle;
  if (typeof handle?.verifyError !== 'function') {
    return new Error('this version of Node does not tell whether the certificate verified');
  }
  const error = handle.verifyError() ?? null;
  if (error === null || error instanceof Error) return error;
  // Deno: no error, but something like one.
  return Object.assign(new Error(String((error as Partial<Error>).message ?? JSON.stringify(error))), error);
}
