/** Ours behind and in front of reverse proxies that others have written. */
import http from 'node:http';
import { afterEach, describe, expect, it } from 'vitest';
import { HttpAgent, HttpServer } from '../../../src/http.ts';
import { Cleanups, hasHaproxy, hasNginx, host, startHaproxy, startNginx, titled } from './peers.ts';

const cleanups = new Cleanups();
afterEach(() => cleanups.run());

/** An origin: says what it got, or streams as much as it is asked for. */
async function startOrigin(): Promise<number> {
  const server = new HttpServer(
    {
      async onRequest(_server, _id, request) {
        let length = 0;
        for await (const piece of request) length += piece.length;
        const [, wanted] = /^\/stream\/(\d+)$/.exec(request.path) ?? [];
        if (wanted === undefined) return void request.respond(`${request.method} ${request.url} ${length}`);
        async function* pieces(): AsyncGenerator<Buffer> {
          for (let left = Number(wanted); left > 0; left -= 50_000) yield Buffer.alloc(Math.min(left, 50_000), 'x');
        }
        await request.respond({ body: pieces() });
      },
    },
    { requestBody: 'stream' },
  );
  cleanups.add(() => server.stop());
  return (await server.start(host, 0)).port!;
}

/** Ours as a reverse proxy in front of `port`; examples/http-reverse-proxy.ts has one with everything. */
async function startProxy(port: number): Promise<number> {
  const agent = new HttpAgent({});
  await agent.start();
  cleanups.add(() => agent.stop());
  const proxy = new HttpServer(
    {
      async onRequest(_proxy, _id, request) {
        const response = await agent.request(`http://${host}:${port}${request.url}`, {
          method: request.method,
          body: request.hasBody ? request : null,
          responseBody: 'stream',
        });
        await request.respond({ status: response.status, body: response.body });
      },
    },
    { requestBody: 'stream' },
  );
  cleanups.add(() => proxy.stop());
  return (await proxy.start(host, 0)).port!;
}

interface Answered {
  status: number;
  body: string;
}

/** Asks with Node's client, over connections that stay. */
function asker(port: number): (method: string, path: string, body?: string, isChunked?: boolean) => Promise<Answered> {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 2 });
  cleanups.add(() => agent.destroy());
  return (method, path, body = '', isChunked = false) =>
    new Promise((resolve, reject) => {
      const headers = isChunked || body === '' ? {} : { 'Content-Length': body.length };
      const request = http.request({ host, port, method, path, agent, headers }, async (response) => {
        let text = '';
        for await (const piece of response) text += piece;
        resolve({ status: response.statusCode!, body: text });
      });
      request.on('error', reject);
      if (isChunked) for (let i = 0; i < body.length; i += 1000) request.write(body.slice(i, i + 1000));
      request.end(isChunked ? undefined : body);
    });
}

async function check(port: number): Promise<void> {
  const ask = asker(port);
  const large = 'x'.repeat(300_000);
  for (let round = 0; round < 5; round++) {
    expect(await ask('GET', '/a?b=c')).toEqual({ status: 200, body: 'GET /a?b=c 0' });
    expect(await ask('POST', '/p', 'abc')).toEqual({ status: 200, body: 'POST /p 3' });
    expect(await ask('PUT', '/p', large)).toEqual({ status: 200, body: 'PUT /p 300000' });
    expect(await ask('POST', '/p', large, true)).toEqual({ status: 200, body: 'POST /p 300000' });
    expect((await ask('GET', '/stream/1000000')).body.length).toBe(1_000_000);
    expect(await ask('HEAD', '/a')).toEqual({ status: 200, body: '' });
  }
  const many = await Promise.all(Array.from({ length: 50 }, (_, i) => ask('POST', `/many/${i}`, 'x'.repeat(i))));
  expect(many.map(({ body }) => body)).toEqual(many.map((_, i) => `POST /many/${i} ${i}`));
}

const proxies = [
  ['nginx', hasNginx, startNginx],
  ['haproxy', hasHaproxy, startHaproxy],
] as const;

describe.each(proxies)('%s', (name, isThere, start) => {
  it.skipIf(!isThere)(titled('in front of ours', isThere, name), async () => {
    await check(await start(cleanups, await startOrigin()));
  });

  it.skipIf(!isThere)(titled('behind ours', isThere, name), async () => {
    await check(await startProxy(await start(cleanups, await startOrigin())));
  });
});
