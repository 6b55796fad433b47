/** An agent with many connections that answers each message with the same message; `kickOff` sends the first ones. */
import { type ConnId, TcpAgent } from 'hp-socket';
import type { StartContender } from '../harness/contract.ts';

const connectsAtOnce = 100;

export const start: StartContender = async ({ port = 0, connectionCount = 0, messageSize = 64 }) => {
  let receivedBytes = 0;
  let closed = 0;
  const agent = new TcpAgent(
    {
      onReceive(sender, connId, data) {
        receivedBytes += data.length;
        sender.send(connId, data);
      },
      onClose() {
        closed++;
      },
    },
    { maxConnectionCount: 20_000 },
  );
  await agent.start();
  const connIds: ConnId[] = [];
  while (connIds.length < connectionCount) {
    const batch = Math.min(connectsAtOnce, connectionCount - connIds.length);
    const connected = Array.from({ length: batch }, () => agent.connect('127.0.0.1', port));
    connIds.push(...(await Promise.all(connected)));
  }
  const message = Buffer.alloc(messageSize, 0x5a);
  return {
    port: 0,
    receivedBytes: () => {
      // A lost connection would silently turn the work into a smaller one.
      if (closed > 0) throw new Error(`${closed} of the agent's connections were closed`);
      return receivedBytes;
    },
    kickOff: () => {
      for (const connId of connIds) agent.send(connId, message);
    },
  };
};
