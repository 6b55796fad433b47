/**
 * Length-prefixed packages as they are written by hand: collect with `Buffer.concat`, cut off what is complete, answer
 * with one `write` per package. The header is HP-Socket's: one little-endian word, flag in the upper 10 bits, length below.
 */
import type { Duplex } from 'node:stream';

export const headerSize = 4;
export const packFlag = 0x169;
export const maxPackSize = 0x3fffff;

export function echoPackages(socket: Duplex): void {
  let pending: Buffer = Buffer.alloc(0);
  socket.on('data', (data: Buffer) => {
    pending = Buffer.concat([pending, data]);
    while (pending.length >= headerSize) {
      const word = pending.readUInt32LE(0);
      if (word >>> 22 !== packFlag) {
        socket.destroy(new Error('wrong flag'));
        return;
      }
      const end = headerSize + (word & maxPackSize);
      if (pending.length < end) break;
      sendPackage(socket, pending.subarray(headerSize, end));
      pending = pending.subarray(end);
    }
  });
  socket.on('error', () => socket.destroy());
}

function sendPackage(socket: Duplex, body: Buffer): void {
  const header = Buffer.alloc(headerSize);
  header.writeUInt32LE(((packFlag << 22) | body.length) >>> 0, 0);
  socket.write(Buffer.concat([header, body]));
}
