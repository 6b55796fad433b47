// A pack client whose messages come through `for await`. Run it: npx tsx examples/tcp-pack-client.ts
import { TcpPackClient, TcpPackServer } from 'hp-socket';

await using server = new TcpPackServer({
  onReceive(server, connId, packet) {
    for (let i = 1; i <= Number(packet); i++) server.send(connId, `${i} of ${packet}`);
    server.disconnect(connId, { drain: true }); // send everything, then close
  },
});
const { port } = await server.start('127.0.0.1', 0);

const client = new TcpPackClient({});
await client.start('127.0.0.1', port);
client.send('5');
let count = 0;
for await (const packet of client.messages({ maxQueued: 16 })) {
  console.log(packet.toString());
  count++;
}
if (count !== 5) process.exit(1);
