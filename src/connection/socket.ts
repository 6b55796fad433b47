import type { Socket } from 'node:net';
import { OwnedSocket } from '../transport/handle-socket.ts';
import { type SocketOwner, setSocketOwner, socketOwner } from '../transport/socket-owner.ts';
import type { StreamSettings } from './host.ts';
import type { Link } from './link.ts';

/** The connection that a socket belongs to. */
export function connectionOfSocket(socket: Socket): Link {
  return socketOwner<Link>(socket);
}

/** Sends the events of a socket, but for its reads, to `connection`. */
export function listenToSocket(socket: Socket, connection: Link): void {
  setSocketOwner(socket, connection);
  if (socket instanceof OwnedSocket) return;
  socket.on('error', onError);
  socket.on('end', onEnd);
  socket.on('close', onClose);
}

/** The owner of a socket that another one wraps: its failures reach the connection by way of that one. */
const nobody: SocketOwner = {
  receiver: { readInto: () => true, nextReadBuffer: () => undefined, readOwn() {} },
  socketFailed() {},
  socketEnded() {},
  socketClosed() {},
};

/** Hears no more of a socket that another one is going to wrap. */
export function forgetSocket(socket: Socket): void {
  if (socket instanceof OwnedSocket) return setSocketOwner(socket, nobody);
  socket.off('error', onError);
  socket.off('end', onEnd);
  socket.off('close', onClose);
  socket.removeAllListeners('data');
  socket.on('error', () => {});
}

/** Probes without an answer after which the system gives the peer up: HP-Socket's number. */
const KEEP_ALIVE_PROBES = 5;

/** Sets what the properties ask for. Node before 24.21 and 26.10 takes no interval and no count: a probe each second, 10 in all. */
export function tuneSocket(socket: Socket, { noDelay, keepAliveTime, keepAliveInterval }: StreamSettings): void {
  // A stream that was adopted need not be a socket of the system.
  if (typeof socket.setNoDelay !== 'function' || typeof socket.setKeepAlive !== 'function') return;
  if (noDelay) socket.setNoDelay(true);
  if (keepAliveTime > 0 && keepAliveInterval > 0) {
    const setKeepAlive = socket.setKeepAlive as (...settings: unknown[]) => Socket;
    setKeepAlive.call(socket, true, keepAliveTime, keepAliveInterval, KEEP_ALIVE_PROBES);
  }
}

function onError(this: Socket, error: Error): void {
  connectionOfSocket(this).socketFailed(error);
}

function onEnd(this: Socket): void {
  connectionOfSocket(this).socketEnded();
}

function onClose(this: Socket): void {
  connectionOfSocket(this).socketClosed();
}
