/** An echo server of `ws`. */
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { WebSocketServer } from 'ws';
import type { StartContender } from '../harness/contract.ts';

export const start: StartContender = async ({ options }) => {
  const perMessageDeflate = options?.compression === true ? { threshold: 0 } : false;
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate });
  server.on('connection', (socket) => {
    socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));
  });
  await once(server, 'listening');
  return { port: (server.address() as AddressInfo).port };
};
