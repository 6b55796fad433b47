// A fetch handler, as Hono, service workers and Bun have it. Run it: npx tsx examples/http-fetch.ts
import { serve } from 'hp-socket/http';

const server = await serve(
  async (request, { waitUntil: _waitUntil }) => {
    const url = new URL(request.url);
    if (request.method === 'POST') return Response.json({ length: (await request.text()).length });
    if (url.pathname === '/stream') return new Response(ReadableStream.from(words()));
    return new Response(`Hello from ${url.pathname}`);
  },
  { host: '127.0.0.1', port: 0 },
);

async function* words(): AsyncGenerator<Uint8Array> {
  for (const word of ['one ', 'two ', 'three']) yield new TextEncoder().encode(word);
}

const url = `http://127.0.0.1:${server.getListenAddress()?.port}`;
const hello = await (await fetch(`${url}/path`)).text();
const streamed = await (await fetch(`${url}/stream`)).text();
const posted = await (await fetch(url, { method: 'POST', body: 'four' })).text();
console.log(hello, '|', streamed, '|', posted);

await server.stop({ drainTimeoutMs: 1000 });
if (`${hello}${streamed}${posted}` !== 'Hello from /pathone two three{"length":4}') process.exit(1);
