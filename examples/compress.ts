// Packages that are compressed on the wire, with a limit against bombs. Run it: npx tsx examples/compress.ts
import { TcpPackClient, TcpPackServer } from 'hp-socket';
import { brotliCompress, brotliUncompress, codecResultOf } from 'hp-socket/helpers';

const server = new TcpPackServer({
  // The promise holds this connection back until it is done; others are served meanwhile.
  async onReceive(server, connId, packet) {
    try {
      const text = await brotliUncompress(packet, { maxOutputBytes: 100_000 });
      server.send(connId, `${text.length} characters`);
    } catch (error) {
      server.send(connId, `refused, ${codecResultOf(error)}`);
    }
  },
});
const { port } = await server.start('127.0.0.1', 0);

const answers: string[] = [];
await new Promise<void>((resolve) => {
  const client = new TcpPackClient({
    onReceive(_client, _connId, packet) {
      console.log(`the server says "${packet}"`);
      answers.push(packet.toString());
      if (answers.length === 3) resolve();
    },
  });
  client.start('127.0.0.1', port).then(async () => {
    client.send(await brotliCompress(Buffer.alloc(50_000, 'text '), { quality: 5 }));
    client.send(await brotliCompress(Buffer.alloc(50_000_000), { quality: 5 })); // a bomb
    client.send('this is not brotli');
  });
});
await server.stop();
if (answers.join() !== '50000 characters,refused, -5,refused, -3') process.exit(1);
