// A UDP client whose heartbeats notice a server that is gone.
import assert from 'node:assert/strict';
import { UdpClient, UdpServer } from 'hp-socket';

const server = new UdpServer({
  onReceive(server, connId, data) {
    server.send(connId, `got ${data.length} bytes`);
  },
});
const { port } = await server.start('127.0.0.1', 0);

const answers: string[] = [];
let closed: (reason: string) => void;
const end = new Promise<string>((resolve) => {
  closed = resolve;
});
const client = new UdpClient(
  {
    onReceive(_client, _connId, data) {
      answers.push(data.toString());
      server.stop(); // tells its peers
    },
    onClose(_client, _connId, operation, errorCode) {
      closed(`operation ${operation}, error ${errorCode}`);
    },
  },
  { detectAttempts: 2, detectInterval: 1000 },
);
await client.start('127.0.0.1', port);
client.send('12345');
assert.equal(await end, 'operation 5, error 0');
assert.deepEqual(answers, ['got 5 bytes']);
await client.wait();
