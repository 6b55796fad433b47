import { WebSocketServer } from 'hp-socket/websocket';
import type { StartContender } from '../harness/contract.ts';

export const start: StartContender = async () => {
  const server = new WebSocketServer({
    onOpen: (sender, connId) => sender.subscribe(connId, 'all'),
    onMessage: (sender, _connId, data) => sender.publish('all', data),
  });
  const { port } = await server.start('127.0.0.1', 0);
  return { port };
};
