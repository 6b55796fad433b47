import net from 'node:net';

/**
 * The fast path for stream sockets, and the probe that decides whether this Node has it.
 *
 * Node's own stream classes cost about as much per message as the system calls. Two parts of them can be left out:
 *
 * - reads: `net.Socket` reads into a buffer of ours (`onread`). Documented for sockets that connect, but not for accepted
 *   ones; those are made from the accepted handle. (64 B echo: 10.3 -> 8.5 us of CPU per message, Node 20.)
 * - writes: the handle is asked to write directly, which usually completes at once and then needs no callback
 *   (8.5 -> 8.0 us). The request object it wants is taken from a write that goes to a handle of our own making.
 *
 * Neither is documented, so both are probed when first needed, can be switched off (option `fastPath: false`, or
 * environment HP_SOCKET_FAST_PATH=off), and have the documented path behind them. Node 26 hands no request object over
 * any more: there, writes go through `socket.write`.
 */

/** A request of the handle to write; an object that only Node's internals know more of. */
export interface WriteRequest {
  handle: unknown;
  oncomplete: (this: WriteRequest, status: number) => void;
  async: boolean;
  buffer: unknown;
  sender: unknown;
}

/** The part of a stream handle that the fast path uses. */
export interface StreamHandle {
  readonly writeQueueSize: number;
  writeBuffer(request: WriteRequest, bytes: Uint8Array): number;
  writev(request: WriteRequest, chunks: Uint8Array[], areAllBuffers: boolean): number;
  getpeername?(out: { address?: string; port?: number; family?: string }): number;
  close(callback?: () => void): void;
}

/** Constructor of write requests, or null where this Node does not show it. */
function probeWriteRequest(): (new () => WriteRequest) | null {
  let found: (new () => WriteRequest) | null = null;
  const fake = {
    reading: false,
    bytesRead: 0,
    bytesWritten: 0,
    getAsyncId: () => 1,
    readStart: () => 0,
    readStop: () => 0,
    shutdown: () => 0,
    ref: () => {},
    unref: () => {},
    close: (callback?: () => void) => void (callback === undefined || setImmediate(callback)),
    writeBuffer: (request: { constructor?: unknown } | null) => {
      if (typeof request?.constructor === 'function' && request.constructor !== Object) {
        found = request.constructor as new () => WriteRequest;
      }
      return 0;
    },
  };
  try {
    const socket = new net.Socket({ handle: fake } as unknown as net.SocketConstructorOpts);
    socket.on('error', () => {});
    socket.write(Buffer.from([0]));
    socket.destroy();
  } catch {
    return null;
  }
  return found;
}

let probed: (new () => WriteRequest) | null | undefined;

/** Whether the environment switches every fast path off. */
export function isFastPathAllowed(): boolean {
  return process.env.HP_SOCKET_FAST_PATH !== 'off';
}

/** Constructor of write requests for direct writes; null if this Node does not have them. Probed once. */
export function writeRequestConstructor(): (new () => WriteRequest) | null {
  if (probed === undefined) probed = probeWriteRequest();
  return probed;
}

/** Handle of a socket if it can take direct writes, else null. */
export function directHandle(socket: net.Socket): StreamHandle | null {
  const handle = (socket as unknown as { _handle?: StreamHandle | null })._handle;
  if (handle === null || handle === undefined) return null;
  const isUsable =
    typeof handle.writeBuffer === 'function' &&
    typeof handle.writev === 'function' &&
    typeof handle.writeQueueSize === 'number';
  return isUsable ? handle : null;
}
