import net from 'node:net';
import type { StreamHandle } from './fast-io.ts';
import { type SocketOwner, sharedOnread, socketOwner } from './socket-owner.ts';

/** A listening handle, which only Node's internals know more of. */
interface ListenHandle {
  onconnection?: (status: number, handle: StreamHandle | undefined) => void;
}

/**
 * Gets the handles that a listening server accepts before Node makes sockets of them, so that a connection that a limit
 * refuses costs no socket, and one that is let in costs one, not two.
 * @returns false if this server has no handle that can be asked, as in cluster workers that get their sockets sent.
 */
export function takeAccepted(
  server: net.Server,
  accepted: (status: number, handle: StreamHandle | undefined) => void,
): boolean {
  const handle = (server as unknown as { _handle?: ListenHandle | null })._handle;
  if (typeof handle?.onconnection !== 'function') return false;
  handle.onconnection = accepted;
  return true;
}

/**
 * A socket that reads through `onread`, and tells its owner of its end without a listener for it: Node has one of its own
 * for 'end', and a list of two takes 64 bytes of each connection.
 */
export class OwnedSocket extends net.Socket {
  override emit(event: string | symbol, ...values: unknown[]): boolean {
    const owner = socketOwner<SocketOwner | undefined>(this);
    if (owner === undefined) return super.emit(event, ...values);
    if (event === 'error') {
      owner.socketFailed(values[0] as Error);
      return this.listenerCount('error') === 0 || super.emit(event, ...values);
    }
    const isHeard = super.emit(event, ...values);
    if (event === 'end') owner.socketEnded();
    else if (event === 'close') owner.socketClosed();
    return isHeard;
  }
}

/** A paused socket that reads through `onread`, of an accepted handle. */
export function socketOfHandle(handle: StreamHandle): net.Socket {
  return new OwnedSocket({
    handle,
    allowHalfOpen: true,
    manualStart: true,
    onread: sharedOnread,
  } as net.SocketConstructorOpts);
}

/** A paused socket that reads through `onread`, and does not connect yet. */
export function makeReadingSocket(): net.Socket {
  const socket = new OwnedSocket({ allowHalfOpen: true, onread: sharedOnread } as net.SocketConstructorOpts);
  socket.pause(); // nothing is read before the first hooks have run
  return socket;
}
