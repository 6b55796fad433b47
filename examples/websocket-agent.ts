// One agent with WebSockets to two servers. Run it: npx tsx examples/websocket-agent.ts
import { WebSocketAgent, WebSocketServer } from 'hp-socket/websocket';

const makeServer = (name: string): WebSocketServer =>
  new WebSocketServer({
    onMessage: (sender, connId, data) => sender.send(connId, `${name} got ${data.toString()}`),
  });
const servers = [makeServer('one'), makeServer('two')];
const ports = await Promise.all(servers.map(async (server) => (await server.start('127.0.0.1', 0)).port));

const answers: string[] = [];
const agent = new WebSocketAgent(
  { onMessage: (_agent, _connId, data) => answers.push(data.toString()) },
  { textAsString: true },
);
await agent.start();
for (const port of ports) agent.subscribe(await agent.open(`ws://127.0.0.1:${port}/`), 'all');
console.log(`published to ${agent.publish('all', 'hello')}`);
while (answers.length < 2) await new Promise((resolve) => setTimeout(resolve, 5));
console.log(answers.sort().join(', '));

await agent.stop({ drainTimeoutMs: 1000 });
for (const server of servers) await server.stop();
if (answers.join() !== 'one got hello,two got hello') process.exit(1);
