// HTTP by HP-Socket's hooks and by whole requests. Run it: npx tsx examples/http-server.ts
import { HttpServer, HttpUrlField } from 'hp-socket/http';

// HP-Socket's way: a hook for each part of a message.
const hooks = new HttpServer({
  onRequestLine(_server, connId, method, url) {
    console.log(`connection ${connId}: ${method} ${url}`);
  },
  onMessageComplete(server, connId) {
    const path = server.getUrlField(connId, HttpUrlField.Path);
    server.sendResponse(connId, 200, null, { 'Content-Type': 'text/plain' }, `you asked for ${path}`);
  },
});

// Whole requests: the body is collected, and the answer may come whenever it is ready.
const requests = new HttpServer({
  async onRequest(_server, _connId, request) {
    if (request.method !== 'POST') {
      request.respond({ status: 405, headers: { Allow: 'POST' } });
      return;
    }
    const { name } = (await request.json()) as { name: string };
    request.respond({ headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ hello: name }) });
  },
});

const first = await hooks.start('127.0.0.1', 0);
const second = await requests.start('127.0.0.1', 0);

const text = await (await fetch(`http://127.0.0.1:${first.port}/a/b?c=d`)).text();
console.log(text);
const answer = await fetch(`http://127.0.0.1:${second.port}/`, { method: 'POST', body: '{"name":"you"}' });
const json = await answer.text();
console.log(json);

// Requests that were begun are answered, idle connections end at once.
console.log(await hooks.stop({ drainTimeoutMs: 1000 }));
await requests.stop({ drainTimeoutMs: 1000 });
if (text !== 'you asked for /a/b' || json !== '{"hello":"you"}') process.exit(1);
