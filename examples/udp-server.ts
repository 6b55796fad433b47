// A UDP echo server with pseudo-connections, and a client that talks to it.
import assert from 'node:assert/strict';
import { UdpClient, UdpServer } from 'hp-socket';

const server = new UdpServer({
  onAccept(_server, connId, peer) {
    console.log(`connection ${connId} from ${peer.address}:${peer.port}`);
  },
  onReceive(server, connId, data) {
    server.send(connId, data);
  },
  onClose(_server, connId) {
    console.log(`connection ${connId} said goodbye`);
  },
});
const { port } = await server.start('127.0.0.1', 0);

const answer = await new Promise<string>((resolve, reject) => {
  const client = new UdpClient({
    onReceive(client, _connId, data) {
      client.stop().then(() => resolve(data.toString()), reject);
    },
  });
  client.start('127.0.0.1', port).then(() => client.send('hello'), reject);
});
assert.equal(answer, 'hello');
await server.stop();
