// A reliable UDP server: messages arrive whole, once, and in order.
import assert from 'node:assert/strict';
import { UdpArqClient, UdpArqServer } from 'hp-socket';

const received: number[] = [];
const server = new UdpArqServer(
  {
    onReceive(server, connId, message) {
      received.push(message.readUInt32LE(0));
      if (received.length === 1000) server.send(connId, 'that was all');
    },
  },
  { preset: 'bulk' },
);
const { port } = await server.start('127.0.0.1', 0);

await new Promise<void>((resolve, reject) => {
  const client = new UdpArqClient(
    {
      onReceive(client) {
        client.stop().then(resolve, reject);
      },
    },
    { preset: 'bulk' },
  );
  client.start('127.0.0.1', port).then(() => {
    for (let i = 0; i < 1000; i++) {
      const message = Buffer.alloc(1024);
      message.writeUInt32LE(i, 0);
      client.send(message);
    }
  }, reject);
});
assert.deepEqual(
  received,
  Array.from({ length: 1000 }, (_, i) => i),
);
await server.stop();
