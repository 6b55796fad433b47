/** The same with `request` of undici. */
import { Agent, request } from 'undici';
import type { StartContender } from '../harness/contract.ts';

export const start: StartContender = async ({ port = 0, connectionCount = 1, messageSize = 0 }) => {
  const dispatcher = new Agent({ connections: connectionCount, pipelining: 1 });
  const url = `http://127.0.0.1:${port}/`;
  const askForEver = async (): Promise<void> => {
    for (;;) {
      const { statusCode, body } = await request(url, { dispatcher });
      const bytes = await body.bytes();
      if (statusCode !== 200 || bytes.length !== messageSize) throw new Error('a wrong answer');
    }
  };
  return {
    port: 0,
    kickOff: () => {
      for (let i = 0; i < connectionCount; i++) void askForEver();
    },
  };
};
