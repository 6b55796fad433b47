/** Hello on fastify. */
import type { AddressInfo } from 'node:net';
import { fastify } from 'fastify';
import type { StartContender } from '../harness/contract.ts';

export const start: StartContender = async () => {
  const app = fastify();
  app.get('/', (_request, reply) => reply.type('text/plain').send('Hello, World!'));
  await app.listen({ host: '127.0.0.1', port: 0 });
  return { port: (app.server.address() as AddressInfo).port };
};
