// A login line in front of packages: a preamble of your own, on both sides.
// Run it: npx tsx examples/preamble.ts

import { conversation, SocketError, TcpPackClient, TcpPackServer } from 'hp-socket';

const server = new TcpPackServer<{ name: string }>(
  {
    onReceive(sender, connId, packet) {
      sender.send(connId, `${sender.getConnectionExtra(connId)?.name} said ${packet}`);
    },
  },
  {
    preamble: conversation(async (peer) => {
      const [word, name, password] = (await peer.readLine()).split(' ');
      if (word !== 'LOGIN' || password !== 'secret') {
        peer.send('NO\n');
        peer.fail('wrong login');
      }
      peer.extra = { name };
      peer.send('OK\n');
    }),
  },
);
const { port } = await server.start('127.0.0.1', 0);

function clientOf(name: string, password: string): TcpPackClient {
  return new TcpPackClient(
    {},
    {
      preamble: conversation(async (peer) => {
        peer.send(`LOGIN ${name} ${password}\n`);
        if ((await peer.readLine()) !== 'OK') peer.fail('the server did not let us in');
      }),
    },
  );
}

const client = clientOf('ann', 'secret');
await client.start('127.0.0.1', port);
client.send('hello');
for await (const packet of client.messages()) {
  console.log(packet.toString()); // ann said hello
  break;
}
await client.stop();

try {
  await clientOf('eve', 'guess').start('127.0.0.1', port);
} catch (error) {
  if (error instanceof SocketError) console.log(error.message); // ... the server did not let us in
}
await server.stop();
