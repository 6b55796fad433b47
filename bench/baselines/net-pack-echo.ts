/** Framing by hand on `node:net`. */
import { type AddressInfo, createServer } from 'node:net';
import type { StartContender } from '../harness/contract.ts';
import { echoPackages } from './framing-by-hand.ts';

export const start: StartContender = async () => {
  const server = createServer({ noDelay: true }, echoPackages);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { port: (server.address() as AddressInfo).port };
};
