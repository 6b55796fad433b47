// A pull client: reads fixed-size samples out of a stream. Run it: npx tsx examples/tcp-pull-client.ts
import { TcpPullClient, TcpServer } from 'hp-socket';

await using server = new TcpServer({
  onHandShake(server, connId) {
    const samples = Buffer.alloc(8 * 1000);
    for (let i = 0; i < 1000; i++) samples.writeDoubleLE(Math.sin(i), 8 * i);
    server.send(connId, samples);
    server.disconnect(connId, { drain: true });
  },
});
const { port } = await server.start('127.0.0.1', 0);

let count = 0;
let sum = 0;
const client = new TcpPullClient({
  onReceive(client) {
    for (;;) {
      const sample = client.fetch(8);
      if (sample === null) return;
      sum += sample.readDoubleLE();
      count++;
    }
  },
});
await client.start('127.0.0.1', port);
await client.wait();
console.log(`${count} samples, mean ${(sum / count).toFixed(4)}`);
if (count !== 1000) process.exit(1);
