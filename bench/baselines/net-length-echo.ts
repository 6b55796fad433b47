/** A length field of 4 bytes, big-endian, by hand on `node:net`: collect, cut off what is complete, one `write` per message. */
import { type AddressInfo, createServer } from 'node:net';
import type { StartContender } from '../harness/contract.ts';

export const start: StartContender = async () => {
  const server = createServer({ noDelay: true }, (socket) => {
    let pending: Buffer = Buffer.alloc(0);
    socket.on('data', (data: Buffer) => {
      pending = Buffer.concat([pending, data]);
      while (pending.length >= 4) {
        const end = 4 + pending.readUInt32BE(0);
        if (pending.length < end) break;
        const header = Buffer.alloc(4);
        header.writeUInt32BE(end - 4, 0);
        socket.write(Buffer.concat([header, pending.subarray(4, end)]));
        pending = pending.subarray(end);
      }
    });
    socket.on('error', () => socket.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { port: (server.address() as AddressInfo).port };
};
