// A reverse proxy: bodies are streamed both ways, no faster than the slower side takes them. Run it: npx tsx examples/http-reverse-proxy.ts

import { SocketError } from 'hp-socket';
import { HttpAgent, type HttpFields, HttpServer } from 'hp-socket/http';

/** Fields about one connection, which a proxy does not hand on (RFC 9110 7.6.1), and those that this one makes itself. */
const notForwarded = new Set(
  'connection keep-alive proxy-connection proxy-authenticate proxy-authorization te trailer transfer-encoding upgrade'.split(
    ' ',
  ),
);

function forwarded(fields: HttpFields, also: readonly string[] = []): [string, string][] {
  const named = fields.getAll('connection').flatMap((value) => value.toLowerCase().split(','));
  const dropped = new Set([...notForwarded, ...also, ...named.map((name) => name.trim())]);
  return [...fields].filter(([name]) => !dropped.has(name.toLowerCase()));
}

function makeProxy(upstream: string, agent: HttpAgent): HttpServer {
  return new HttpServer(
    {
      async onRequest(proxy, connId, request) {
        // Only path and query: a client must not choose the host.
        const path = request.url.startsWith('/') ? request.url : '/';
        const client = proxy.getRemoteAddress(connId)?.address ?? 'unknown';
        try {
          const response = await agent.request(upstream + path, {
            method: request.method,
            headers: [...forwarded(request.headers, ['host', 'expect']), ['X-Forwarded-For', client]],
            body: request.hasBody ? request : null,
            responseBody: 'stream',
            signal: request.signal, // aborted when the client is gone
          });
          await request.respond({
            status: response.status,
            headers: [...forwarded(response.headers), ['Via', '1.1 example']],
            body: response.body,
          });
        } catch (error) {
          if (!request.isAnswerable) return; // the client is gone
          const isLate = error instanceof SocketError && error.code === 'ETIMEDOUT';
          request.respond({ status: isLate ? 504 : 502, body: isLate ? 'Gateway Timeout' : 'Bad Gateway' });
        }
      },
    },
    { requestBody: 'stream' },
  );
}

// What stands behind it.
const origin = new HttpServer(
  {
    async onRequest(_server, _connId, request) {
      if (request.path === '/late') return; // never answers
      let length = 0;
      for await (const piece of request) length += piece.length;
      const seen = ['x-forwarded-for', 'x-secret', 'te'].map((name) => request.header(name) ?? '-').join();
      request.respond({
        headers: { Connection: 'keep-alive, X-Hop', 'X-Hop': '1', 'X-Seen': seen },
        body: `${length} bytes`,
      });
    },
  },
  { requestBody: 'stream' },
);
const { port: originPort } = await origin.start('127.0.0.1', 0);

const agent = new HttpAgent({}, { responseTimeoutMs: 200, syncConnectTimeout: 1000 });
await agent.start();
const proxy = makeProxy(`http://127.0.0.1:${originPort}`, agent);
const { port } = await proxy.start('127.0.0.1', 0);
const url = `http://127.0.0.1:${port}`;

const results: string[] = [];
const answer = await fetch(`${url}/upload?a=b`, {
  method: 'PUT',
  headers: { TE: 'trailers', 'X-Secret': 'yes' },
  body: 'x'.repeat(2_000_000),
});
results.push(`${answer.status} ${await answer.text()} ${answer.headers.get('x-seen')} ${answer.headers.has('x-hop')}`);
results.push(`${(await fetch(`${url}/late`)).status}`);
await origin.stop();
results.push(`${(await fetch(`${url}/gone`)).status}`);

await proxy.stop({ drainTimeoutMs: 1000 });
await agent.stop();
console.log(results.join('\n'));
if (results.join() !== '200 2000000 bytes 127.0.0.1,yes,- false,504,502') process.exit(1);
