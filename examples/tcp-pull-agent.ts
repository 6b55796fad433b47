// A pull agent: asks several time servers at once and takes the four bytes of each answer.
// Run it: npx tsx examples/tcp-pull-agent.ts
import { TcpPullAgent, TcpServer } from 'hp-socket';

const now = Math.floor(Date.now() / 1000);
const servers = [0, 1, 2].map(
  (late) =>
    new TcpServer({
      onHandShake(server, connId) {
        const answer = Buffer.alloc(4);
        answer.writeUInt32BE(now - late);
        server.send(connId, answer);
      },
    }),
);
const ports = await Promise.all(servers.map(async (server) => (await server.start('127.0.0.1', 0)).port));

const times: number[] = [];
const agent = new TcpPullAgent({
  onReceive(agent, connId, totalLength) {
    if (totalLength < 4) return;
    const answer = agent.fetch(connId, 4);
    if (answer !== null) times.push(answer.readUInt32BE());
    agent.disconnect(connId);
  },
});
await agent.start();
await Promise.all(ports.map((port) => agent.connect('127.0.0.1', port)));
while (times.length < 3) await new Promise((resolve) => setTimeout(resolve, 5));
await agent.stop();
await Promise.all(servers.map((server) => server.stop()));
console.log(`the clocks differ by ${Math.max(...times) - Math.min(...times)} seconds`);
if (Math.max(...times) - Math.min(...times) !== 2) process.exit(1);
