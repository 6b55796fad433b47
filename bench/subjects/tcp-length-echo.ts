import { lengthField, TcpServer } from 'hp-socket';
import type { StartContender } from '../harness/contract.ts';

export const start: StartContender = async ({ options }) => {
  const server = new TcpServer(
    {
      onReceive(sender, connId, message) {
        sender.send(connId, message);
      },
    },
    { framing: lengthField(), ...options },
  );
  const { port } = await server.start('127.0.0.1', 0);
  return { port };
};
