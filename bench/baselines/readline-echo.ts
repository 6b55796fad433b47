/** Lines by `node:readline` on a socket, one `write` per line. */
import { type AddressInfo, createServer } from 'node:net';
import { createInterface } from 'node:readline';
import type { StartContender } from '../harness/contract.ts';

export const start: StartContender = async () => {
  const server = createServer({ noDelay: true }, (socket) => {
    const lines = createInterface({ input: socket, crlfDelay: Number.POSITIVE_INFINITY });
    lines.on('line', (line) => socket.write(`${line}\n`));
    socket.on('error', () => socket.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { port: (server.address() as AddressInfo).port };
};
