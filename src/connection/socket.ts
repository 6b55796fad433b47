import type { Socket } from 'node:net';
import { setSocketOwner, socketOwner } from '../transport/socket-owner.ts';
import type { StreamSettings } from './host.ts';
import type { Link } from './link.ts';

/** The connection that a socket belongs to. */
export function connectionOfSocket(socket: Socket): Link {
  return socketOwner<Link>(socket);
}

/** Sends the events of a socket, but for its reads, to `connection`. */
export function listenToSocket(socket: Socket, connection: Link): void {
  setSocketOwner(socket, connection);
  socket.on('error', onError);
  socket.on('end', onEnd);
  socket.on('close', onClose);
}

/** Hears no more of a socket that another one is going to wrap. Its failures reach whoever wraps it. */
export function forgetSocket(socket: Socket): void {
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
  const connection = connectionOfSocket(this);
  if (connection.secure === null || !connection.secure.peerEnded()) connection.receiver.peerFinished();
}

function onClose(this: Socket): void {
  connectionOfSocket(this).socketClosed();
}
