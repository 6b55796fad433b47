/** A server of `ws` that hands each message on to all. */
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { WebSocketServer } from 'ws';
import type { StartContender } from '../harness/contract.ts';

export const start: StartContender = async () => {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate: false });
  server.on('connection', (socket) => {
    socket.on('error', () => {});
    socket.on('message', (data, binary) => {
      for (const client of server.clients) client.send(data, { binary });
    });
  });
  await once(server, 'listening');
  return { port: (server.address() as AddressInfo).port };
};
