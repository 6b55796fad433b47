// A pack agent that spreads jobs over several servers. Run it: npx tsx examples/tcp-pack-agent.ts
import { TcpPackAgent, TcpPackServer } from 'hp-socket';

const workers = [1, 2, 3].map(
  () =>
    new TcpPackServer({
      async onReceive(server, connId, packet) {
        // An async hook: the connection is not read further until it is done, so answers stay in order.
        await new Promise((resolve) => setImmediate(resolve));
        server.send(connId, String(Number(packet) ** 2));
      },
    }),
);
const ports = await Promise.all(workers.map(async (worker) => (await worker.start('127.0.0.1', 0)).port));

let sum = 0;
let answers = 0;
await new Promise<void>((resolve, reject) => {
  const agent = new TcpPackAgent({
    onReceive(_agent, _connId, packet) {
      sum += Number(packet);
      if (++answers === 30) agent.stop().then(() => resolve());
    },
  });
  agent
    .start()
    .then(() => Promise.all(ports.map((port) => agent.connect('127.0.0.1', port))))
    .then((connIds) => {
      for (let job = 1; job <= 30; job++) agent.send(connIds[job % connIds.length]!, String(job));
    })
    .catch(reject);
});
await Promise.all(workers.map((worker) => worker.stop()));
console.log(`the sum of the squares of 1 to 30 is ${sum}`);
if (sum !== 9455) process.exit(1);
