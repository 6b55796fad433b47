/** Records of 64 bytes, fetched one by one and sent back one by one. */
import { TcpPullServer } from 'hp-socket';
import type { StartContender } from '../harness/contract.ts';

const recordSize = 64;

export const start: StartContender = async () => {
  const server = new TcpPullServer({
    onReceive(sender, connId) {
      let record = sender.fetch(connId, recordSize);
      while (record !== null) {
        sender.send(connId, record);
        record = sender.fetch(connId, recordSize);
      }
    },
  });
  const { port } = await server.start('127.0.0.1', 0);
  return { port };
};
