// A chat server on packages: what one says, all others hear. Run it: npx tsx examples/tcp-pack-server.ts
import { TcpPackClient, TcpPackServer } from 'hp-socket';

const options = { packHeaderFlag: 0x169, maxPackSize: 65_536 }; // the same on both ends

const chat = new TcpPackServer<{ name: string }>(
  {
    onReceive(server, connId, packet) {
      const extra = server.getConnectionExtra(connId);
      if (extra === null) {
        server.setConnectionExtra(connId, { name: packet.toString() }); // the first package is the name
        return;
      }
      for (const other of server.getAllConnectionIDs()) {
        if (other !== connId) server.send(other, `${extra.name}: ${packet}`);
      }
    },
  },
  options,
);
const { port } = await chat.start('127.0.0.1', 0);

const heard: string[] = [];
const listen = (name: string, done: () => void): TcpPackClient =>
  new TcpPackClient(
    {
      onReceive(_client, _connId, packet) {
        console.log(`${name} hears "${packet}"`);
        heard.push(`${name} <- ${packet}`);
        if (heard.length === 2) done();
      },
    },
    options,
  );
await new Promise<void>((resolve) => {
  const people = ['ann', 'bob', 'eve'].map((name) => ({ name, client: listen(name, resolve) }));
  Promise.all(
    people.map(async ({ name, client }) => {
      await client.start('127.0.0.1', port);
      client.send(name);
    }),
  ).then(() => setTimeout(() => people[0]!.client.send('good morning'), 50));
});
await chat.stop();
if (heard.sort().join() !== 'bob <- ann: good morning,eve <- ann: good morning') process.exit(1);
