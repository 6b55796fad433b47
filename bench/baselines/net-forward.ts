/** A port forwarder on bare `node:net`, as anyone would write it: two pipes. */
import { type AddressInfo, connect, createServer } from 'node:net';
import type { StartContender } from '../harness/contract.ts';

export const start: StartContender = async ({ port }) => {
  const server = createServer({ noDelay: true, allowHalfOpen: true }, (client) => {
    const far = connect({ host: '127.0.0.1', port: port!, noDelay: true, allowHalfOpen: true });
    client.pipe(far);
    far.pipe(client);
    client.on('error', () => far.destroy());
    far.on('error', () => client.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { port: (server.address() as AddressInfo).port };
};
