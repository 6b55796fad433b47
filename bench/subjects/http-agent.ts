import { HttpAgent } from 'hp-socket/http';
import type { StartContender } from '../harness/contract.ts';

/** An agent that asks one URL over and over, so many requests at once. */
export const start: StartContender = async ({ port = 0, connectionCount = 1, messageSize = 0 }) => {
  const agent = new HttpAgent({}, { maxConnectionsPerOrigin: connectionCount });
  await agent.start();
  const url = `http://127.0.0.1:${port}/`;
  const askForEver = async (): Promise<void> => {
    for (;;) {
      const { status, body } = await agent.request(url);
      if (status !== 200 || body.length !== messageSize) throw new Error('a wrong answer');
    }
  };
  return {
    port: 0,
    kickOff: () => {
      for (let i = 0; i < connectionCount; i++) void askForEver();
    },
  };
};
