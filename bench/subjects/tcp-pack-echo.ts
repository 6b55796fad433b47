import { TcpPackServer } from 'hp-socket';
import { maxPackSize, packFlag } from '../baselines/framing-by-hand.ts';
import type { StartContender } from '../harness/contract.ts';

export const start: StartContender = async ({ options }) => {
  const server = new TcpPackServer(
    {
      onReceive(sender, connId, body) {
        sender.send(connId, body);
      },
    },
    { maxPackSize, packHeaderFlag: packFlag, ...options },
  );
  const { port } = await server.start('127.0.0.1', 0);
  return { port };
};
