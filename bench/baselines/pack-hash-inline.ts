/** A TcpPackServer that hashes large packages where it receives them, and echoes small ones. */
import { TcpPackServer } from 'hp-socket';
import type { StartContender } from '../harness/contract.ts';
import { maxPackSize } from './framing-by-hand.ts';
import { hashForLong } from './tasks.ts';

export const start: StartContender = async () => {
  const server = new TcpPackServer(
    {
      onReceive(sender, connId, packet) {
        sender.send(connId, packet.length < 1000 ? packet : hashForLong(packet));
      },
    },
    { maxPackSize },
  );
  const { port } = await server.start('127.0.0.1', 0);
  return { port };
};
