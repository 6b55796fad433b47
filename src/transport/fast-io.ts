import type { Socket } from 'node:net';
import { getSystemErrorMap } from 'node:util';

/**
 * The fast path for stream sockets.
 *
 * Node's own stream classes cost about as much per message as the system calls. Two parts of them can be left out:
 *
 * - reads: `net.Socket` reads into a buffer of ours (`onread`). Documented for sockets that connect, but not for accepted
 *   ones; those are made from the accepted handle. (64 B echo: 10.3 -> 8.5 us of CPU per message, Node 20.)
 * - writes: the handle is asked to write directly, which usually completes at once and then needs no callback
 *   (8.5 -> 8.0 us). The constructor of the request object it wants is taken from a write of Node's own; since Node 26 the
 *   handle makes the request itself, and returns it, but only when the write did not complete at once.
 *
 * Neither is documented, and other runtimes have some of the same names with other meanings. So nothing here is used before
 * an exchange over real sockets has shown that it works (stream-proof.ts, tls-proof.ts). It can be switched off (option
 * `fastPath: false`, or environment HP_SOCKET_FAST_PATH=off), and has the documented path behind it.
 */

/** A request of the handle to write; an object that only Node's internals know more of. */
export interface WriteRequest {
  handle: unknown;
  oncomplete: ((this: WriteRequest, status: number) => void) | null;
  async: boolean;
  buffer: unknown;
  sender: unknown;
}

/** The part of a stream handle that the fast path uses. */
export interface StreamHandle {
  writeBuffer(request: WriteRequest | null, bytes: Uint8Array): number | WriteRequest;
  writev(request: WriteRequest | null, chunks: Uint8Array[], areAllBuffers: boolean): number | WriteRequest;
  getpeername?(out: { address?: string; port?: number; family?: string }): number;
  close(callback?: () => void): void;
}

/** What is called when a direct write that was under way is done. */
export interface DirectWriteOwner {
  /** @param status 0, or libuv's negative error number. */
  writeCompleted(status: number): void;
}

type RequestConstructor = new () => WriteRequest;

/** How this Node takes direct writes: with a request made by this constructor, with none ('returned'), or not at all. */
export type WriteStyle = RequestConstructor | 'returned' | null;

let writeStyle: WriteStyle = null;

/** What has been proven to work here, and has not failed since: direct writes to TCP and to TLS handles. */
const isProven = { tcp: false, tls: false };

/** Says how this Node takes direct writes. Only the proofs make any, until `setDirectWritesProven`. */
export function setWriteStyle(style: WriteStyle): void {
  writeStyle = style;
}

/** Says that the proof of direct writes to such handles is over, and how it ended. */
export function setDirectWritesProven(kind: 'tcp' | 'tls', areProven: boolean): void {
  isProven[kind] = areProven;
}

/** How `request`, the first argument that Node's own stream gave to its handle for a write, shows that writes are made. */
export function writeStyleOf(request: unknown): WriteStyle {
  if (request === null) return 'returned';
  const { constructor: Request, getAsyncId } = request as { constructor?: unknown; getAsyncId?: unknown };
  return typeof Request === 'function' && typeof getAsyncId === 'function' ? (Request as RequestConstructor) : null;
}

/** Whether the environment switches every fast path off. */
export function isFastPathAllowed(): boolean {
  return process.env.HP_SOCKET_FAST_PATH !== 'off';
}

/** Constructor of write requests; null if this Node makes them itself, or none is known to work. */
export function requestConstructor(): RequestConstructor | null {
  return writeStyle === 'returned' ? null : writeStyle;
}

/** Writes to handles, without a stream in between. One per component. */
export class DirectWriter {
  #spare: WriteRequest | null = null;

  /** A writer; only for handles of `directHandle`. */
  static create(): DirectWriter {
    return new DirectWriter();
  }

  /**
   * Lets `handle` write `chunks`.
   * @returns 0: all is with the system; 1: under way, `owner.writeCompleted` will be called; negative: libuv's error.
   */
  write(handle: StreamHandle, chunks: Uint8Array[], owner: DirectWriteOwner): number {
    try {
      const Request = requestConstructor();
      return Request === null
        ? writeForResult(handle, chunks, owner)
        : this.writeWithRequest(Request, handle, chunks, owner);
    } catch {
      return writeThrew();
    }
  }

  private writeWithRequest(
    Request: RequestConstructor,
    handle: StreamHandle,
    chunks: Uint8Array[],
    owner: DirectWriteOwner,
  ): number {
    let request = this.#spare;
    this.#spare = null;
    if (request === null) {
      request = new Request();
      request.async = false;
    }
    request.handle = handle;
    const status = startWrite(handle, request, chunks) as number;
    // A request that completed at once was never attached to anything (its async ID is still -1) and can serve again.
    if (status !== 0 || asyncIdOf(request) === -1) {
      request.handle = null;
      this.#spare = request;
      return status;
    }
    keep(request, chunks, owner);
    return 1;
  }
}

/** Node 26 and later: the answer is a number, or the request of a write that goes on. */
function writeForResult(handle: StreamHandle, chunks: Uint8Array[], owner: DirectWriteOwner): number {
  const result = startWrite(handle, null, chunks);
  if (typeof result === 'number') return result;
  // TLS calls back from inside when the system refuses a write, so the request is through before anybody could listen.
  if (asyncIdOf(result) === -1) return brokenPipe();
  result.handle = handle;
  keep(result, chunks, owner);
  return 1;
}

/**
 * A direct write threw, in spite of the proof. It is not known how much of it was sent, so its connection is broken; those to
 * come write as documented.
 * @returns The error of that write.
 */
export function writeThrew(): number {
  isProven.tcp = false;
  return brokenPipe();
}

/** -1 when nothing is under way with `request`. */
export function asyncIdOf(request: WriteRequest): number {
  return (request as unknown as { getAsyncId(): number }).getAsyncId();
}

/** libuv's number of EPIPE on this platform: the error of a refused write over TLS, whose own number is lost. */
export function brokenPipe(): number {
  for (const [errno, [name]] of getSystemErrorMap()) if (name === 'EPIPE') return errno;
  return -32;
}

function startWrite(handle: StreamHandle, request: WriteRequest | null, chunks: Uint8Array[]): number | WriteRequest {
  return chunks.length === 1 ? handle.writeBuffer(request, chunks[0]!) : handle.writev(request, chunks, true);
}

/** Keeps what a write under way needs: its bytes, from which the system still reads, and what to call. */
function keep(request: WriteRequest, chunks: Uint8Array[], owner: DirectWriteOwner): void {
  request.oncomplete = onRequestComplete;
  request.buffer = chunks;
  request.sender = owner;
}

function onRequestComplete(this: WriteRequest, status: number): void {
  const owner = this.sender as DirectWriteOwner;
  this.sender = null;
  this.buffer = null;
  this.handle = null;
  owner.writeCompleted(status);
}

/** Whether such handles can be written to directly. */
export function canWriteDirectly(kind: 'tcp' | 'tls'): boolean {
  return isProven.tcp && (kind === 'tcp' || isProven.tls);
}

/** Sockets that are written to through their stream only. */
const documentedOnly = new WeakSet<Socket>();

/** From now on `socket` is not written past its stream: other code may have written to that. */
export function writeAsDocumented(socket: Socket): void {
  documentedOnly.add(socket);
}

/** Whether that was said. */
export function isWrittenAsDocumented(socket: Socket): boolean {
  return documentedOnly.has(socket);
}

/** Handle of a socket if it can take direct writes, else null: always null before the proof. */
export function directHandle(socket: Socket): StreamHandle | null {
  if (documentedOnly.has(socket)) return null;
  const isTls = (socket as { encrypted?: boolean }).encrypted === true;
  return canWriteDirectly(isTls ? 'tls' : 'tcp') ? writableHandle(socket) : null;
}

/** Handle of a socket if it looks as if it took direct writes, else null. */
export function writableHandle(socket: Socket): StreamHandle | null {
  const handle = (socket as unknown as { _handle?: StreamHandle | null })._handle;
  if (handle === null || handle === undefined) return null;
  return typeof handle.writeBuffer === 'function' && typeof handle.writev === 'function' ? handle : null;
}

/** Bytes that a socket's handle holds because the system has not taken them yet; 0 if this Node does not tell. */
export function unsentBytes(socket: Socket): number {
  const handle = (socket as unknown as { _handle?: { writeQueueSize?: unknown } | null })._handle;
  const size = handle?.writeQueueSize;
  return typeof size === 'number' ? size : 0;
}

/** Set on a socket that is closed so that its peer does not take what it got for all. */
export const isCutOff: unique symbol = Symbol('hp-socket.isCutOff');

/**
 * Closes a socket with a reset, so that its peer does not take what it got for all; where that is not possible (pipes, TLS),
 * without one. `resetAndDestroy` would first end the stream, which waits for the very bytes that are not taken. libuv resets no
 * socket whose FIN is just being sent, and Node never closes one that it could not reset: so that is waited for.
 */
export function resetSocket(socket: Socket): void {
  if (canReset(socket) && socket.writableEnded && !socket.writableFinished && !socket.destroyed) {
    socket.once('finish', () => resetSocket(socket));
    return;
  }
  cutOff(socket);
  socket.destroy();
}

/** Lets a socket, when it is closed, look cut off: with a reset where that is possible. It must not be sending its FIN. */
export function cutOff(socket: Socket): void {
  if (canReset(socket)) (socket as { resetAndClosing?: boolean }).resetAndClosing = true;
  (socket as { [isCutOff]?: boolean })[isCutOff] = true;
}

function canReset(socket: Socket): boolean {
  return typeof (socket as { _handle?: { reset?: unknown } | null })._handle?.reset === 'function';
}
