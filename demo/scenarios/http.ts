import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CookieManager, HttpAgent, type HttpRequest, HttpServer, HttpsServer, serve } from 'hp-socket/http';
import { Pool } from 'undici';
import { commonCertificates } from '../../test/tools/certificates.ts';
import { expect, type Scenario } from '../scenario.ts';

const host = '127.0.0.1';

/** Asks `count` times over a few connections; each answer must be what `wanted` says. */
async function ask(
  url: string,
  count: number,
  wanted: (i: number) => string,
  progress: (text: string) => void,
): Promise<number> {
  const pool = new Pool(url, { connections: 8, pipelining: 4, connect: { rejectUnauthorized: false } });
  let bytes = 0;
  let done = 0;
  await Promise.all(
    Array.from({ length: 32 }, async (_, lane) => {
      for (let i = lane; i < count; i += 32) {
        const { statusCode, body } = await pool.request({
          path: `/${i}`,
          method: 'POST',
          body: `body ${i}`,
          blocking: false,
          idempotent: true,
        });
        const text = await body.text();
        expect(
          statusCode === 200 && text === wanted(i),
          `request ${i} was answered ${statusCode} ${text.slice(0, 40)}`,
        );
        bytes += text.length;
        progress(`${++done} of ${count} requests are answered`);
      }
    }),
  );
  await pool.close();
  return bytes;
}

const requests: Scenario = {
  title: 'HttpServer and HttpsServer: requests by hooks, whole requests and a fetch handler',
  async run(progress) {
    const count = 5_000;
    const { server: identity } = await commonCertificates();
    const bodies = new Map<number, string>();
    await using hooks = new HttpServer({
      onMessageBegin: (_server, connId) => void bodies.set(connId, ''),
      onBody: (_server, connId, data) => void bodies.set(connId, bodies.get(connId)! + data),
      onMessageComplete(server, connId) {
        server.sendResponse(connId, 200, null, null, `hooks ${bodies.get(connId)}`);
      },
    });
    const answerWhole = {
      onRequest: async (_s: unknown, _id: number, request: HttpRequest) =>
        void request.respond(`whole ${await request.text()}`),
    };
    await using secure = new HttpsServer(answerWhole, { ssl: identity });
    await using fetching = await serve(async (request) => new Response(`fetch ${await request.text()}`), { host });
    const first = await hooks.start(host, 0);
    const second = await secure.start(host, 0);
    const third = fetching.getListenAddress()!;
    const byHooks = await ask(`http://${host}:${first.port}`, count, (i) => `hooks body ${i}`, progress);
    const byTls = await ask(`https://${host}:${second.port}`, count, (i) => `whole body ${i}`, progress);
    const byFetch = await ask(`http://${host}:${third.port}`, count, (i) => `fetch body ${i}`, progress);
    return [
      { component: 'HttpServer', did: 'answered by hooks', messages: hooks.httpStats().messages, bytes: byHooks },
      { component: 'HttpsServer', did: 'answered whole requests', messages: secure.httpStats().messages, bytes: byTls },
      {
        component: 'serve',
        did: 'answered by a fetch handler',
        messages: fetching.httpStats().messages,
        bytes: byFetch,
      },
    ];
  },
};

const files: Scenario = {
  title: 'HttpServer: a file in ranges, put together again',
  async run(progress) {
    const folder = await mkdtemp(join(tmpdir(), 'hp-socket-demo-'));
    const name = join(folder, 'file');
    const content = Buffer.from(Array.from({ length: 8_000_000 }, (_, i) => (i * 31) % 251));
    await writeFile(name, content);
    try {
      await using server = new HttpServer({
        async onMessageComplete(server, connId) {
          await server.sendLocalFile(connId, name);
        },
      });
      const { port } = await server.start(host, 0);
      const hash = createHash('sha256');
      const step = 500_000;
      for (let from = 0; from < content.length; from += step) {
        const response = await fetch(`http://${host}:${port}/`, {
          headers: { Range: `bytes=${from}-${from + step - 1}` },
        });
        expect(response.status === 206, `a range was answered ${response.status}`);
        hash.update(new Uint8Array(await response.arrayBuffer()));
        progress(`${from} of ${content.length} bytes are here`);
      }
      expect(
        hash.digest('hex') === createHash('sha256').update(content).digest('hex'),
        'the file is not what was sent',
      );
      return [
        {
          component: 'HttpServer',
          did: 'sent a file in ranges',
          messages: server.httpStats().messages,
          bytes: content.length,
        },
      ];
    } finally {
      await rm(folder, { recursive: true });
    }
  },
};

/** URLs that an agent asks through a proxy of our own: connections are used again, bodies streamed, cookies remembered. */
const pool: Scenario = {
  title: 'HttpAgent: URLs over a pool of connections, through a reverse proxy, with cookies',
  async run(progress) {
    const count = 4_000;
    await using origin = new HttpServer({
      onRequest: (_s, _id, request) =>
        void request.respond({
          headers: { 'Set-Cookie': `last=${request.path.slice(1)}; Path=/` },
          body: `${request.header('cookie') ?? 'no cookie'}: ${request.body}`,
        }),
    });
    const upstream = await origin.start(host, 0);
    await using inner = new HttpAgent({}, { maxConnectionsPerOrigin: 8 });
    await inner.start();
    await using proxy = new HttpServer(
      {
        async onRequest(_s, _id, request) {
          const answer = await inner.request(`http://${host}:${upstream.port}${request.url}`, {
            method: request.method,
            headers: [...request.headers].filter(([name]) => /^(cookie|content-length)$/i.test(name)),
            body: request.hasBody ? request : null,
            responseBody: 'stream',
          });
          const setCookie = answer.headers.getAll('set-cookie').map((value) => ['Set-Cookie', value] as const);
          await request.respond({ status: answer.status, headers: setCookie, body: answer.body });
        },
      },
      { requestBody: 'stream' },
    );
    const { port } = await proxy.start(host, 0);
    const cookies = new CookieManager();
    await using agent = new HttpAgent({}, { maxConnectionsPerOrigin: 16, cookies });
    await agent.start();
    let bytes = 0;
    let done = 0;
    const ask = async (i: number): Promise<void> => {
      const answer = await agent.request(`http://${host}:${port}/${i}`, { method: 'PUT', body: `body ${i}` });
      expect(answer.text().endsWith(`: body ${i}`), `request ${i} was answered ${answer.text().slice(0, 40)}`);
      bytes += answer.body.length;
      progress(`${++done} of ${count} requests are answered`);
    };
    await ask(0);
    expect(cookies.getCookieHeader(`http://${host}/`) === 'last=0', 'the cookie was not stored');
    await Promise.all(
      Array.from({ length: 50 }, async (_, lane) => {
        for (let i = lane + 1; i < count; i += 50) await ask(i);
      }),
    );
    const { connected, connections } = agent.poolStats();
    expect(connected <= 16 && connections === connected, `${connected} connections were made`);
    return [
      { component: 'HttpAgent', did: `asked URLs over ${connected} connections`, messages: done, bytes },
      { component: 'HttpServer', did: 'was a reverse proxy', messages: proxy.httpStats().messages, bytes },
    ];
  },
};

/** What is not HTTP, or not safe, is refused with the right status. */
const refusals: Scenario = {
  title: 'HttpServer: what smuggles requests is refused',
  async run() {
    await using server = new HttpServer({ onRequest: (_s, _id, request) => void request.respond('let in') });
    const { port } = await server.start(host, 0);
    const cases: [string, number][] = [
      ['POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n', 400],
      ['GET / HTTP/1.1\r\n\r\n', 400],
      ['GET / HTTP/2.0\r\nHost: h\r\n\r\n', 505],
      [`GET /${'x'.repeat(20_000)} HTTP/1.1\r\nHost: h\r\n\r\n`, 414],
      ['BREW / HTTP/1.1\r\nHost: h\r\n\r\n', 501],
    ];

    for (const [text, status] of cases) {
      const socket = connect(port, host);
      socket.end(text);
      let answer = '';
      for await (const piece of socket) answer += piece;
      expect(answer.startsWith(`HTTP/1.1 ${status} `), `${text.slice(0, 30)} was answered ${answer.slice(0, 20)}`);
    }
    return [
      { component: 'HttpServer', did: 'refused bad requests', messages: server.httpStats().parseErrors, bytes: 0 },
    ];
  },
};

export const httpScenarios: Scenario[] = [requests, files, pool, refusals];
