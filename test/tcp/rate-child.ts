import { TcpClient } from '../../src/index.ts';

// A client that receives more than its rate allows, in a process that nothing else keeps alive. Prints how much it got.

let received = 0;
const client = new TcpClient(
  {
    onReceive(_client, _connId, data) {
      received += data.length;
    },
    onClose: () => console.log(`closed after ${received}`),
  },
  { maxReceiveBytesPerSecond: 1_000_000 },
);
await client.start('127.0.0.1', Number(process.argv[2]));
