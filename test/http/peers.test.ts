import { execFile, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createGunzip, createGzip } from 'node:zlib';
import { Agent, request as undici } from 'undici';
import { afterAll, describe, expect, it } from 'vitest';
import { CookieManager, HttpAgent, HttpSyncClient } from '../../src/http.ts';
import { Random } from '../tools/random.ts';
import { seed } from '../tools/seed.ts';
import { afterTest, makeAgent, serve, until } from './client/support.ts';

/** A request, and what a server that echoes has to say about it. */
interface Case {
  method: string;
  path: string;
  headers: Record<string, string>;
  body: string | null;
  /** In how many pieces the body is sent; 0 for at once. */
  pieces: number;
}

const cases: Case[] = [];
const random = new Random(seed);
const pick = <T>(from: readonly T[]): T => from[random.int(0, from.length - 1)]!;
for (let i = 0; i < 60; i++) {
  const method = pick(['GET', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'HEAD']);
  const mayHaveBody = method === 'POST' || method === 'PUT' || method === 'PATCH';
  const length = mayHaveBody ? pick([0, 1, 100, 4096, 70_000, 300_000]) : 0;
  cases.push({
    method,
    path: pick(['/', '/a?b=c&d', '/%C3%A9/..%2f', '/x//y', `/${'long'.repeat(500)}`]),
    headers: { 'x-one': pick(['1', 'a b', '"x", y', '']), 'x-two': 'z'.repeat(random.int(0, 300)) },
    body: mayHaveBody ? 'q'.repeat(length) : null,
    pieces: mayHaveBody && length > 1 ? pick([0, 0, 3]) : 0,
  });
}

async function* piecesOf({ body, pieces }: Case): AsyncGenerator<string> {
  const size = Math.ceil(body!.length / pieces);
  for (let at = 0; at < body!.length; at += size) yield body!.slice(at, at + size);
}

const bodyOf = (one: Case): string | null | AsyncGenerator<string> => (one.pieces > 0 ? piecesOf(one) : one.body);

/** What both servers answer with: the request as they saw it. */
function echo(method: string, url: string, one: string | undefined, two: string | undefined, length: number): string {
  return JSON.stringify({ method, url, one, two, length });
}

async function nodeServer(): Promise<string> {
  const server = http.createServer((request, response) => {
    let length = 0;
    request.on('data', (piece: Buffer) => {
      length += piece.length;
    });
    request.on('end', () => {
      const { 'x-one': one, 'x-two': two } = request.headers as Record<string, string>;
      const text = echo(request.method!, request.url!, one, two, length);
      if (request.url!.includes('?')) response.setHeader('Content-Length', text.length);
      response.end(text);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  afterTest(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const ourServer = (): Promise<string> =>
  serve({
    onRequest: (_s, _id, request) => {
      const text = echo(
        request.method,
        request.url,
        request.header('x-one'),
        request.header('x-two'),
        request.body.length,
      );
      async function* inPieces() {
        yield text.slice(0, 10);
        yield text.slice(10);
      }
      void request.respond({ body: request.url.includes('?') ? text : inPieces() });
    },
  });

const expected = (one: Case): string => {
  const text = echo(one.method, one.path, one.headers['x-one'], one.headers['x-two'], one.body?.length ?? 0);
  return one.method === 'HEAD' ? '' : text;
};

describe('peers of other makes', () => {
  it('a node:http server answers an agent of ours as it answers undici', async () => {
    const url = await nodeServer();
    const agent = await makeAgent({ maxConnectionsPerOrigin: 4 });
    const dispatcher = new Agent({ connections: 4 });
    afterTest(() => dispatcher.close());
    const ours = cases.map(async (one) => {
      const { method, headers } = one;
      const answer = await agent.request(url + one.path, { method, headers, body: bodyOf(one) });
      return [answer.status, answer.text()];
    });
    const theirs = cases.map(async (one) => {
      const { method, headers } = one;
      const answer = await undici(url + one.path, {
        dispatcher,
        method: method as never,
        headers,
        body: bodyOf(one) as never,
      });
      return [answer.statusCode, await answer.body.text()];
    });
    const [a, b] = [await Promise.all(ours), await Promise.all(theirs)];
    expect(a).toEqual(b);
    expect(a).toEqual(cases.map((one) => [200, expected(one)]));
    expect(agent.poolStats().connected).toBeLessThanOrEqual(4 + agent.poolStats().retries);
  });

  it('a server of ours answers undici and node:http as it answers an agent of ours, pipelined too', async () => {
    const url = await ourServer();
    const agent = await makeAgent({ maxConnectionsPerOrigin: 1, pipelining: 8 });
    const dispatcher = new Agent({ connections: 2, pipelining: 4 });
    const nodeAgent = new http.Agent({ keepAlive: true, maxSockets: 3 });
    afterTest(() => dispatcher.close());
    afterTest(() => nodeAgent.destroy());
    const all = await Promise.all(
      cases.map(async (one) => {
        const { method, headers } = one;
        const ours = await agent.request(url + one.path, { method, headers, body: bodyOf(one) });
        const theirs = await undici(url + one.path, {
          dispatcher,
          method: method as never,
          headers,
          body: bodyOf(one) as never,
        });
        const node = await new Promise<string>((resolve, reject) => {
          const request = http.request(url + one.path, { method, headers, agent: nodeAgent }, (response) => {
            let text = '';
            response.setEncoding('utf8').on('data', (piece: string) => {
              text += piece;
            });
            response.on('end', () => resolve(text));
          });
          request.on('error', reject);
          request.end(one.body ?? undefined);
        });
        return [ours.text(), await theirs.body.text(), node];
      }),
    );
    expect(all).toEqual(cases.map((one) => [expected(one), expected(one), expected(one)]));
  });

  it('a node:http server streams to us and from us, with trailers, gzip and 100-continue', async () => {
    const server = http.createServer((request, response) => {
      response.writeHead(200, { 'Content-Encoding': 'gzip', Trailer: 'x-length' });
      let length = 0;
      request.on('data', (piece: Buffer) => {
        length += piece.length;
      });
      request.on('end', () => response.addTrailers({ 'X-Length': String(length) }));
      request.pipe(createGzip()).pipe(response);
    });
    let continued = 0;
    server.on('checkContinue', (request, response) => {
      continued++;
      response.writeContinue();
      server.emit('request', request, response);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    afterTest(() => {
      server.closeAllConnections();
      server.close();
    });
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    async function* pieces() {
      for (let i = 0; i < 50; i++) yield Buffer.alloc(20_000, i);
    }
    const whole = Buffer.concat(Array.from({ length: 50 }, (_, i) => Buffer.alloc(20_000, i)));
    const agent = await makeAgent();
    const answer = await agent.request(url, {
      method: 'POST',
      body: pieces(),
      responseBody: 'stream',
      expectContinue: 5000,
    });
    const decoder = createGunzip();
    const collected: Buffer[] = [];
    decoder.on('data', (piece: Buffer) => void collected.push(piece));
    for await (const piece of answer.body) decoder.write(piece);
    decoder.end();
    await once(decoder, 'end');
    expect(Buffer.concat(collected).equals(whole)).toBe(true);
    expect([answer.trailers.get('x-length'), continued]).toEqual(['1000000', 1]);
    const sync = new HttpSyncClient();
    afterTest(() => sync.stop());
    expect((await sync.openUrl('POST', url, { body: pieces() })).body.equals(whole)).toBe(true);
  });

  it('a node:http server that closes idle connections at once loses us no request', async () => {
    const server = http.createServer((_request, response) => response.end('ok'));
    server.keepAliveTimeout = 1;
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    afterTest(() => {
      server.closeAllConnections();
      server.close();
    });
    const agent = await makeAgent();
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    for (let i = 0; i < 30; i++) {
      expect((await agent.request(url)).text()).toBe('ok');
      await new Promise((resolve) => setTimeout(resolve, i % 4));
    }
  });

  it('a fetch handler behind undici stores and gets the cookies that we do', async () => {
    const server = http.createServer((request, response) => {
      response.setHeader('Set-Cookie', ['a=1; Path=/', 'b=2; HttpOnly', 'c=3; Max-Age=0']);
      response.end(request.headers.cookie ?? '-');
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    afterTest(() => {
      server.closeAllConnections();
      server.close();
    });
    const agent = new HttpAgent({}, { cookies: new CookieManager() });
    await agent.start();
    afterTest(() => agent.stop());
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/dir/page`;
    expect([(await agent.request(url)).text(), (await agent.request(url)).text()]).toEqual(['-', 'b=2; a=1']);
  });
});

const curlVersion = spawnSync('curl', ['--version'], { encoding: 'utf8' }).stdout ?? '';

describe.skipIf(curlVersion === '')('curl (skipped where it is not installed)', () => {
  /** What curl prints. */
  function curl(...args: string[]): Promise<string> {
    return new Promise((resolve, reject) => {
      execFile(
        'curl',
        ['-sS', '--max-time', '20', ...args],
        { maxBuffer: 64 * 1024 * 1024 },
        (error, stdout, stderr) => (error === null ? resolve(stdout) : reject(new Error(`${error.message} ${stderr}`))),
      );
    });
  }

  const folder = mkdtempSync(join(tmpdir(), 'hp-curl-'));
  const file = join(folder, 'file');
  writeFileSync(file, 'f'.repeat(2_000_000));
  afterAll(() => rmSync(folder, { recursive: true }));

  it('asks with HTTP/1.0 and 1.1, and gets what it asked for on connections that are kept or closed', async () => {
    const url = await ourServer();
    for (const [version, connection] of [
      ['--http1.0', 'close'],
      ['--http1.1', ''],
    ] as const) {
      const text = await curl(version, '-i', `${url}/a?b`);
      expect(text).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
      expect(/\r\nConnection: (.*)\r\n/.exec(text)?.[1] ?? '').toBe(connection);
      expect(text.endsWith(echo('GET', '/a?b', undefined, undefined, 0))).toBe(true);
    }
    const two = await curl('-w', '%{num_connects}', `${url}/1`, `${url}/2`);
    expect(two).toMatch(/"\/1".*}1{.*"\/2".*}0$/);
    expect(await curl('-I', `${url}/`)).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
  });

  it('sends paths as they are', async () => {
    const url = await ourServer();
    expect(await curl('--path-as-is', `${url}/../a/./b/%2e%2e/`)).toContain('"url":"/../a/./b/%2e%2e/"');
    expect(await curl('-X', 'OPTIONS', '--request-target', '*', url)).toContain('"url":"*"');
  });

  it('uploads with a length, in chunks, and behind 100-continue', async () => {
    const url = await serve(
      {
        onRequest: async (_s, _id, request) => {
          let length = 0;
          for await (const piece of request) length += piece.length;
          const fields = ['content-length', 'transfer-encoding', 'expect'].map((name) => request.header(name) ?? '-');
          void request.respond(`${length} ${fields.join()}`);
        },
      },
      { requestBody: 'stream' },
    );
    expect(await curl('-T', file, '-H', 'Expect:', url)).toBe('2000000 2000000,-,-');
    expect(await curl('-T', file, '-H', 'Expect:', '-H', 'Transfer-Encoding: chunked', url)).toBe(
      '2000000 -,chunked,-',
    );
    expect(await curl('-T', file, '-H', 'Expect: 100-continue', '--expect100-timeout', '15', url)).toBe(
      '2000000 2000000,-,100-continue',
    );
    expect(await curl('-F', `file=@${file}`, url)).toMatch(/^2000\d{3} /);
  });

  it('is refused before it sends its body, and gets the refusal', async () => {
    const url = await serve(
      { onRequest: (_s, _id, request) => void request.respond({ status: 403, body: 'no' }) },
      { requestBody: 'stream' },
    );
    const text = await curl(
      '-T',
      file,
      '-H',
      'Expect: 100-continue',
      '--expect100-timeout',
      '15',
      '-w',
      ' %{http_code} %{size_upload}',
      url,
    );
    expect(text).toBe('no 403 0');
  });

  it('gets ranges of files, and goes on with half a download', async () => {
    const url = await serve({ onMessageComplete: (server, connId) => server.sendLocalFile(connId, file) });
    expect(await curl('-r', '10-19', '-w', ' %{http_code}', url)).toBe(`${'f'.repeat(10)} 206`);
    const half = join(folder, 'half');
    writeFileSync(half, 'f'.repeat(1_000_000));
    await curl('-C', '-', '-o', half, url);
    expect(readFileSync(half, 'utf8') === 'f'.repeat(2_000_000)).toBe(true);
    expect(await curl('-r', '9999999-', '-o', '/dev/null', '-w', '%{http_code}', url)).toBe('416');
  });

  it('keeps cookies in a jar, and sends them again', async () => {
    const url = await serve({
      onRequest: (_s, _id, request) =>
        void request.respond({
          headers: { 'Set-Cookie': 'a=b; Path=/; Max-Age=1000' },
          body: request.header('cookie') ?? '-',
        }),
    });
    const jar = join(folder, 'jar');
    expect(await curl('-b', jar, '-c', jar, url)).toBe('-');
    expect(await curl('-b', jar, '-c', jar, url)).toBe('a=b');
  });

  it('goes through a proxy that is made of a server and an agent, both ways', async () => {
    const origin = await serve(
      {
        onRequest: async (_s, _id, request) => {
          const body = await request.bytes();
          void request.respond({ status: 201, body });
        },
      },
      { requestBody: 'stream', maxBodyBytes: 10_000_000 },
    );
    const agent = await makeAgent();
    const proxy = await serve(
      {
        onRequest: async (_s, _id, request) => {
          const answer = await agent.request(origin + request.path, {
            method: request.method,
            body: request.hasBody ? request : null,
            responseBody: 'stream',
            signal: request.signal,
          });
          await request.respond({ status: answer.status, body: answer.body });
        },
      },
      { requestBody: 'stream' },
    );
    const text = await curl('-T', file, '-w', ' %{http_code}', proxy);
    expect(text === `${'f'.repeat(2_000_000)} 201`).toBe(true);
    await until(() => agent.poolStats().inFlight === 0);
    expect(agent.poolStats()).toMatchObject({ connections: 1, idle: 1 });
  });
});
