/** Echo on bare `node:dgram`. */
import { createSocket } from 'node:dgram';
import type { StartContender } from '../harness/contract.ts';

export const start: StartContender = async () => {
  const socket = createSocket('udp4');
  socket.on('message', (message, { port, address }) => socket.send(message, port, address));
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
  return { port: socket.address().port };
};
