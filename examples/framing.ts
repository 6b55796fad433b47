// Messages with an end: a framing of your own, whose messages are objects.
// Run it: npx tsx examples/framing.ts

import { framing, TcpClient, TcpServer } from 'hp-socket';

interface Sum {
  readonly numbers: readonly number[];
  readonly sum?: number;
}

/** One JSON value a line. */
const json = framing<Sum, Sum>({
  decode(input) {
    const end = input.bytes.indexOf(10, input.at + input.scanned);
    if (end < 0) {
      input.scanned = input.available;
      return undefined;
    }
    const message = JSON.parse(input.bytes.toString('utf8', input.at, end)) as Sum;
    input.at = end + 1;
    return message;
  },
  encode: (message) => `${JSON.stringify(message)}\n`,
  maxMessageBytes: 4096,
});

const server = new TcpServer(
  {
    onReceive(sender, connId, { numbers }) {
      sender.send(connId, { numbers, sum: numbers.reduce((sum, each) => sum + each, 0) });
    },
  },
  { framing: json },
);
const { port } = await server.start('127.0.0.1', 0);

const client = new TcpClient(
  {
    onReceive(sender, _connId, { numbers, sum }) {
      console.log(`${numbers.join(' + ')} = ${sum}`);
      void sender.stop().then(() => server.stop());
    },
  },
  { framing: json },
);
await client.start('127.0.0.1', port);
client.send({ numbers: [1, 2, 3] });
