import { connect, type Socket } from 'node:net';
import { type TLSSocket, connect as tlsConnect } from 'node:tls';

/** Opens one connection to the local server under test; `onBytes` gets a view that the next read overwrites. */
export type Connector = (port: number, onBytes: (bytes: Buffer) => void) => Promise<Socket>;

// All connections of the driver read into this one buffer: no allocation per read, and large reads.
const readBuffer = Buffer.allocUnsafeSlow(256 * 1024);

function readInto(onBytes: (bytes: Buffer) => void): { buffer: Buffer; callback: (bytes: number) => boolean } {
  return {
    buffer: readBuffer,
    callback(bytes) {
      onBytes(readBuffer.subarray(0, bytes));
      return true;
    },
  };
}

export const connectPlain: Connector = (port, onBytes) =>
  new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port, noDelay: true, onread: readInto(onBytes) }, () => {
      socket.off('error', reject);
      resolve(socket);
    });
    socket.once('error', reject);
  });

/** A full handshake each time: no session is offered. The certificate is made for this run, so it is not checked. */
export const connectTls: Connector = (port, onBytes) =>
  new Promise((resolve, reject) => {
    const options = {
      host: '127.0.0.1',
      port,
      rejectUnauthorized: false,
      // Documented for net.connect, and handed on by tls.connect; the types leave it out.
      onread: readInto(onBytes),
    };
    const socket: TLSSocket = tlsConnect(options, () => {
      socket.off('error', reject);
      socket.setNoDelay(true);
      resolve(socket);
    });
    socket.once('error', reject);
  });

/** Opens many connections, a hundred at a time so that no listen queue runs over. */
export async function openAll<T>(count: number, open: (index: number) => Promise<T>): Promise<T[]> {
  const opened: T[] = [];
  while (opened.length < count) {
    const from = opened.length;
    const batch = Array.from({ length: Math.min(100, count - from) }, (_, index) => open(from + index));
    opened.push(...(await Promise.all(batch)));
  }
  return opened;
}

/** Ends the driver's sockets by reset, so that thousands of them leave nothing in TIME_WAIT for the next pair. */
export async function closeAll(sockets: readonly Socket[]): Promise<void> {
  await Promise.all(
    sockets.map(
      (socket) =>
        new Promise<void>((resolve) => {
          if (socket.closed) {
            resolve();
            return;
          }
          socket.on('error', () => {});
          socket.once('close', () => resolve());
          // A TLS socket has no reset of its own in Node 20.
          if ('encrypted' in socket) socket.destroy();
          else socket.resetAndDestroy();
        }),
    ),
  );
}
