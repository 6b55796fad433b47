/** The push echo, counting what it receives: for the closed loop with an agent, where no driver counts. */
import { TcpServer } from 'hp-socket';
import type { StartContender } from '../harness/contract.ts';

export const start: StartContender = async () => {
  let receivedBytes = 0;
  const server = new TcpServer(
    {
      onReceive(sender, connId, data) {
        receivedBytes += data.length;
        sender.send(connId, data);
      },
    },
    { maxConnectionCount: 20_000 },
  );
  const { port } = await server.start('127.0.0.1', 0);
  return { port, receivedBytes: () => receivedBytes };
};
