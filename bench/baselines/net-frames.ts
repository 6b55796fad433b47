/** Bare `node:net` that answers an upgrade, and then each read with one frame of 64 bytes that was built before: it parses nothing. */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import type { StartContender } from '../harness/contract.ts';

const guid = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
// FIN and binary, 64 bytes, not masked.
const frame = Buffer.concat([Buffer.from([0x82, 64]), Buffer.alloc(64, 0x5a)]);

export const start: StartContender = async () => {
  const server = createServer({ noDelay: true }, (socket) => {
    socket.on('error', () => {});
    socket.once('data', (head) => {
      const [, key] = /sec-websocket-key: *(\S+)/i.exec(head.toString('latin1'))!;
      const accept = createHash('sha1').update(`${key}${guid}`).digest('base64');
      const lines = ['HTTP/1.1 101 Switching Protocols', 'Upgrade: websocket', 'Connection: Upgrade'];
      socket.write(`${lines.join('\r\n')}\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`);
      socket.on('data', () => socket.write(frame));
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { port: (server.address() as AddressInfo).port };
};
