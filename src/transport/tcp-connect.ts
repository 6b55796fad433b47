import net from 'node:net';
import { makeReadingSocket } from './handle-socket.ts';
import { readThroughData, type SocketOwner } from './socket-owner.ts';
import { streamProof } from './stream-proof.ts';

/** Where and how to connect. */
export interface ConnectTarget {
  host?: string | undefined;
  port?: number | undefined;
  path?: string | undefined;
  localAddress?: string | undefined;
  localPort?: number | undefined;
}

/** A socket that does not connect yet, with its reads going to `owner`. Fast only if that has been proven. */
export function makeConnectingSocket(owner: SocketOwner, isFast: boolean): net.Socket {
  return isFast && streamProof.isProven
    ? makeReadingSocket()
    : readThroughData(new net.Socket({ allowHalfOpen: true }), owner);
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
  socket.once('connect', () => (isSelfConnected(socket) ? refuseSelf(socket) : connected()));
  socket.connect(options as unknown as net.NetConnectOpts);
}

/**
 * Whether a socket met itself: where nobody listens, two ends that connect to each other at the same time become one
 * connection (RFC 9293, 3.5), and an own port that is the target's, which the system may well choose, is both of these ends.
 */
function isSelfConnected({ localPort, remotePort, localAddress, remoteAddress }: net.Socket): boolean {
  return localPort !== undefined && localPort === remotePort && localAddress === remoteAddress;
}

/** The error says what is true: nobody listens there. The port is free at once for a server. */
function refuseSelf(socket: net.Socket): void {
  const { remoteAddress: address, remotePort: port } = socket;
  const message = `connect ECONNREFUSED ${address}:${port} (the socket had connected to itself)`;
  socket.resetAndDestroy();
  socket.emit('error', Object.assign(new Error(message), { code: 'ECONNREFUSED', syscall: 'connect', address, port }));
}
