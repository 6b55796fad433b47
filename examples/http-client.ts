// Clients of every kind: whole messages, HP-Socket's hooks, URLs. Run it: npx tsx examples/http-client.ts

import { HttpAgent, HttpClient, HttpServer, HttpSyncClient } from 'hp-socket/http';

const server = new HttpServer({
  onRequest(_server, _connId, request) {
    if (request.path === '/old') return void request.respond({ status: 302, headers: { Location: '/new' } });
    void request.respond(`${request.method} ${request.path} ${request.body}`);
  },
});
const { port } = await server.start('127.0.0.1', 0);
const results: string[] = [];

// One connection, whole messages. A body may also be made piece by piece.
const client = new HttpClient({});
await client.start('127.0.0.1', port);
async function* pieces() {
  yield 'Hello, ';
  yield 'world';
}
results.push((await client.request({ method: 'POST', path: '/stream', body: pieces() })).text());
await client.stop();

// Many connections, HP-Socket's hooks.
const agent = new HttpAgent({
  onBody: (_agent, _connId, data) => void results.push(data.toString()),
  onMessageComplete: (agent, connId) => void agent.disconnect(connId),
});
await agent.start();
const connId = await agent.connect('127.0.0.1', port);
agent.sendPut(connId, '/hooks', { 'Content-Type': 'text/plain' }, 'body');
while (agent.connectionCount > 0) await new Promise(setImmediate);
await agent.stop();

// URLs, one after the other.
const browser = new HttpSyncClient();
const response = await browser.openUrl('GET', `http://127.0.0.1:${port}/old`, { maxRedirects: 5 });
results.push(response.text());
await browser.stop();
await server.stop();

console.log(results.join('\n'));
if (results.join() !== 'POST /stream Hello, world,PUT /hooks body,GET /new ') process.exit(1);
