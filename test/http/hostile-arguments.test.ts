import { expect, test } from 'vitest';
import * as api from '../../src/http.ts';
import { type HostilePair, hostileSuite } from '../compliance/hostile-suite.ts';
import { Judge } from '../tools/hostile.ts';
import { publicMembers } from '../tools/public-members.ts';

/** A server whose handler has a request in its hands, and the client that waits for the answer. */
async function connected(): Promise<HostilePair> {
  let arrived: (request: object) => void = () => {};
  const request = new Promise<object>((resolve) => {
    arrived = resolve;
  });
  const server = new api.HttpServer({ onRequest: (_server, _id, one) => arrived(one) });
  const { port } = await server.start('127.0.0.1', 0);
  const client = new api.HttpClient({});
  await client.start('127.0.0.1', port);
  client.sendRequest('GET', '/');
  return { server, client, others: [await request] };
}

async function pooled(): Promise<HostilePair> {
  const server = new api.HttpServer({ onRequest: (_server, _id, request) => void request.respond('ok') });
  const { port } = await server.start('127.0.0.1', 0);
  const client = new api.HttpAgent({});
  await client.start();
  const response = await client.request(`http://127.0.0.1:${port}/`);
  return { server, client, others: [response] };
}

/** Methods with more in front of the argument that is attacked. */
const valid: Record<string, readonly unknown[]> = {
  sendRequest: [1, 'GET', '/'],
  openUrl: ['GET', 'http://127.0.0.1:1/'],
  request: ['http://127.0.0.1:1/'],
};

hostileSuite({
  api,
  entry: 'http.ts',
  components: /^Https?(Server|Agent|Client|SyncClient)$/,
  valid: (method) => valid[method],
  ending: /^(start|stop|wait|disconnect.*|createStream|messages)$/,
  isFresh: true,
  pairs: { 'HTTP, a server and its request': connected, 'HTTP, a pool and its answer': pooled },
});

test('functions of the module, and a cookie manager', async () => {
  const judge = new Judge();
  const functions = Object.entries(api as Record<string, unknown>).filter(
    ([name, value]) =>
      typeof value === 'function' && /^[a-z]/.test(name) && !/^(serve|overrideGlobalObjects)$/.test(name),
  );
  expect(functions.length).toBeGreaterThan(3);
  for (const [name] of functions) await judge.attack(api, 'http', name);
  const methods = publicMembers((name) => name === 'CookieManager', 'http.ts').filter(({ isMethod }) => isMethod);
  expect(methods.length).toBeGreaterThan(5);
  for (const { name } of methods) await judge.attack(new api.CookieManager(), 'CookieManager', name);
  expect(judge.faults).toEqual([]);
});
