// Server-sent events: an answer without end, which ends when the client goes. Run it: npx tsx examples/http-sse.ts
import { EventEmitter, on } from 'node:events';
import { HttpServer } from 'hp-socket/http';

const news = new EventEmitter();

const server = new HttpServer({
  async onRequest(_server, connId, request) {
    const { signal } = request;
    async function* events(): AsyncGenerator<string> {
      yield ': connected\n\n';
      try {
        for await (const [text] of on(news, 'item', { signal })) yield `data: ${text}\n\n`;
      } catch {
        console.log(`connection ${connId} is gone`);
      }
    }
    await request.respond({
      headers: { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' },
      body: events(),
    });
  },
});
const { port } = await server.start('127.0.0.1', 0);

const response = await fetch(`http://127.0.0.1:${port}/`);
const reader = (response.body as ReadableStream<Uint8Array>).getReader();
let text = '';
while (!text.includes('second')) {
  const { value } = await reader.read();
  text += Buffer.from(value ?? []).toString();
  if (text.includes('connected') && !text.includes('first')) news.emit('item', 'first');
  else news.emit('item', 'second');
}
console.log(text.trim());
await reader.cancel();
await server.stop();
if (!/data: first[\s\S]*data: second/.test(text)) process.exit(1);
