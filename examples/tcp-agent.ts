// An agent: many outgoing connections in one object, here 100 that all say hello. Run it: npx tsx examples/tcp-agent.ts
import { TcpAgent, TcpServer } from 'hp-socket';

await using server = new TcpServer({
  onReceive(server, connId, data) {
    server.send(connId, `hello, ${data}`);
  },
});
const { port } = await server.start('127.0.0.1', 0);

const answers = new Set<string>();
let allAnswered: () => void;
const done = new Promise<void>((resolve) => {
  allAnswered = resolve;
});

// The type parameter is the type of the data that connections carry.
const agent = new TcpAgent<{ name: string }>({
  onReceive(agent, connId, data) {
    console.log(`${agent.getConnectionExtra(connId)?.name} got: ${data}`);
    answers.add(data.toString());
    if (answers.size === 100) allAnswered();
  },
});
await agent.start();
for (let i = 0; i < 100; i++) {
  const connId = await agent.connect('127.0.0.1', port, { extra: { name: `visitor ${i}` } });
  agent.send(connId, `visitor ${i}`);
}
await done;
console.log(await agent.stop({ drainTimeoutMs: 1000 }));
