import { Socket, type SocketConstructorOpts } from 'node:net';

/** A request of a handle to send a FIN; an object that only Node's internals know more of. */
interface ShutdownRequest {
  handle: unknown;
  oncomplete: (status: number) => void;
}

interface TcpHandle {
  shutdown?(request: ShutdownRequest): number;
}

let requestConstructor: (new () => ShutdownRequest) | null | undefined;

/** Takes the constructor of shutdown requests from a socket on a handle of our own making; null if this Node shows none. */
function probeRequest(): (new () => ShutdownRequest) | null {
  let found: (new () => ShutdownRequest) | null = null;
  const fake = {
    reading: false,
    getAsyncId: () => 1,
    readStart: () => 0,
    readStop: () => 0,
    ref: () => {},
    unref: () => {},
    close: (callback?: () => void) => void (callback === undefined || setImmediate(callback)),
    shutdown: (request: { constructor?: unknown } | undefined) => {
      if (typeof request?.constructor === 'function') found = request.constructor as new () => ShutdownRequest;
      return 0;
    },
  };
  try {
    const socket = new Socket({ handle: fake, allowHalfOpen: true } as unknown as SocketConstructorOpts);
    socket.on('error', () => {});
    socket.end();
    socket.destroy();
  } catch {
    return null;
  }
  return found;
}

/**
 * Sends the FIN of a TLS socket without a close_notify before it, as HP-Socket closes; reading goes on. To be called when all
 * that was written is with the system.
 * @param raw The TCP socket below; null on the fast path, where there is only its handle.
 * @returns false if this runtime cannot do that.
 */
export function endWithoutNotify(socket: Socket, raw: Socket | null): boolean {
  if (raw !== null) {
    raw.end();
    return true;
  }
  const handle = (socket as unknown as { _handle?: { _parent?: TcpHandle } | null })._handle?._parent;
  if (requestConstructor === undefined) requestConstructor = probeRequest();
  if (typeof handle?.shutdown !== 'function' || requestConstructor === null) return false;
  const request = new requestConstructor();
  request.handle = handle;
  request.oncomplete = () => {};
  return handle.shutdown(request) === 0;
}
