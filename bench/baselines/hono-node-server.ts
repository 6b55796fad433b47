/** A fetch handler, or a Hono app, on `@hono/node-server`. */
import { serve } from '@hono/node-server';
import { Hono } from 'hono';
import type { StartContender } from '../harness/contract.ts';

export const start: StartContender = ({ options }) => {
  const app = new Hono();
  app.get('/', (c) => c.text('Hello, World!'));
  const fetch = options?.app === 'hono' ? app.fetch : () => new Response('Hello, World!');
  const overrideGlobalObjects = options?.override !== false;
  return new Promise((resolve) => {
    const server = serve({ fetch, port: 0, hostname: '127.0.0.1', overrideGlobalObjects }, ({ port }) =>
      resolve({ port }),
    );
    (server as import('node:http').Server).keepAliveTimeout = 60_000;
  });
};
