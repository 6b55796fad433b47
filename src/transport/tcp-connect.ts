import net from 'node:net';
import { readThroughData, type SocketOwner, sharedOnread } from './socket-owner.ts';

/** Where and how to connect. */
export interface ConnectTarget {
  host?: string | undefined;
  port?: number | undefined;
  path?: string | undefined;
  localAddress?: string | undefined;
  localPort?: number | undefined;
}

/** A socket that does not connect yet, with its reads going to `owner`. */
export function makeConnectingSocket(owner: SocketOwner, isFast: boolean): net.Socket {
  if (!isFast) return readThroughData(new net.Socket({ allowHalfOpen: true }), owner);
  const socket = new net.Socket({ allowHalfOpen: true, onread: sharedOnread } as net.SocketConstructorOpts);
  socket.pause(); // nothing is read before the first hooks have run
  return socket;
}

/** Rejects with the system's error if no socket can be bound to this numeric address. */
export function tryBind(address: string): Promise<void> {
  const server = net.createServer();
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host: address, port: 0, exclusive: true }, () => server.close(() => resolve()));
  });
}

/** Begins to connect; the socket tells by its events. Throws what Node throws for arguments it will not take. */
export function connectSocket(socket: net.Socket, target: ConnectTarget, connected: () => void): void {
  const { host, port, path, localAddress, localPort } = target;
  const options: Record<string, unknown> = path === undefined ? { host, port } : { path };
  if (localAddress !== undefined && localAddress !== '') {
    options.localAddress = localAddress;
    options.family = net.isIP(localAddress); // of the host's addresses, one that can be reached from there
  }
  if (localPort !== undefined && localPort !== 0) options.localPort = localPort;
  // An attempt of 250 ms, Node's default, gives up on hosts that are merely far away.
  if (path === undefined && localAddress === undefined) options.autoSelectFamilyAttemptTimeout = 1000;
  socket.once('connect', connected);
  socket.connect(options as unknown as net.NetConnectOpts);
}
