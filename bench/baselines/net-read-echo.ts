/** Records of 64 bytes, read one by one from a paused `node:net` socket and sent back one by one, as its documentation shows. */
import { type AddressInfo, createServer } from 'node:net';
import type { StartContender } from '../harness/contract.ts';

const recordSize = 64;

export const start: StartContender = async () => {
  const server = createServer({ noDelay: true }, (socket) => {
    socket.on('readable', () => {
      let record = socket.read(recordSize) as Buffer | null;
      while (record !== null) {
        socket.write(record);
        record = socket.read(recordSize) as Buffer | null;
      }
    });
    socket.on('error', () => socket.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { port: (server.address() as AddressInfo).port };
};
