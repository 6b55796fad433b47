// A port forwarder: what connects here is connected with another port, over TLS or not. Run it: npx tsx examples/port-forwarder.ts
import { PortForwarder, TcpClient, TcpServer } from 'hp-socket';

// What is forwarded to: an echo.
await using echo = new TcpServer({ onReceive: (server, connId, data) => server.send(connId, data) });
const target = await echo.start('127.0.0.1', 0);

await using forwarder = new PortForwarder(
  {
    onAgentConnect: (_forwarder, pair) => console.log(`client ${pair.id} is connected with port ${pair.target?.port}`),
    onServerClose: (_forwarder, pair) => console.log(`client ${pair.id} is gone`),
  },
  { target: { host: target.address, port: target.port }, server: { maxConnectionsPerAddress: 10 } },
);
const { port } = await forwarder.start('127.0.0.1', 0);

const client = new TcpClient({});
await client.start('127.0.0.1', port);
client.send('through the forwarder');
for await (const data of client.messages()) {
  console.log(data.toString());
  break;
}
await client.stop();
console.log(await forwarder.stop({ drainTimeoutMs: 1000 }));
