import { Hono } from 'hono';
import { type FetchHandler, serve } from 'hp-socket/http';
import type { StartContender } from '../harness/contract.ts';

export const start: StartContender = async ({ options }) => {
  const app = new Hono();
  app.get('/', (c) => c.text('Hello, World!'));
  const fetch = options?.app === 'hono' ? (app.fetch as FetchHandler) : () => new Response('Hello, World!');
  const overrideGlobalObjects = options?.override !== false;
  const server = await serve(fetch, { host: '127.0.0.1', overrideGlobalObjects });
  return { port: server.getListenAddress()!.port };
};
