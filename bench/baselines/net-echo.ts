/**
 * Echo on bare `node:net`, as anyone would write it.
 *
 * `noDelay` is on, though a server of Node's own leaves it off: our components turn it on by default, and the option
 * decides how small answers leave, so both sides must have it.
 */
import { type AddressInfo, createServer } from 'node:net';
import type { StartContender } from '../harness/contract.ts';

export const start: StartContender = async () => {
  const server = createServer({ noDelay: true }, (socket) => {
    socket.on('data', (data) => socket.write(data));
    socket.on('error', () => socket.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { port: (server.address() as AddressInfo).port };
};
