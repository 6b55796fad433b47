import { TcpServer } from 'hp-socket';
import type { StartContender } from '../harness/contract.ts';

export const start: StartContender = async ({ options }) => {
  // Room for the 10,000 connections of the memory measurement, wherever the default limit stands.
  const server = new TcpServer(
    {
      onReceive(sender, connId, data) {
        sender.send(connId, data);
      },
    },
    { maxConnectionCount: 20_000, ...options },
  );
  const { port } = await server.start('127.0.0.1', 0);
  return { port };
};
