import { WebSocketServer } from 'hp-socket/websocket';
import type { StartContender } from '../harness/contract.ts';

export const start: StartContender = async ({ options }) => {
  const server = new WebSocketServer(
    {
      onMessage(sender, connId, data, isBinary) {
        if (isBinary) sender.send(connId, data);
        else sender.sendText(connId, data);
      },
    },
    { compressionThresholdBytes: 0, ...options },
  );
  const { port } = await server.start('127.0.0.1', 0);
  return { port };
};
