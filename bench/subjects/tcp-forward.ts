import { PortForwarder } from 'hp-socket';
import type { StartContender } from '../harness/contract.ts';

export const start: StartContender = async ({ port }) => {
  const forwarder = new PortForwarder({}, { target: { host: '127.0.0.1', port: port! } });
  return { port: (await forwarder.start('127.0.0.1', 0)).port };
};
