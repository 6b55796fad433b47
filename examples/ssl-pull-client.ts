// A TLS pull client that reads fixed-size records. Run it: npx tsx examples/ssl-pull-client.ts
import { SslPullClient, SslServer } from 'hp-socket';
// Certificates of an authority made for this run; yours come from files: setupSSLContext({ certFile, keyFile }).
import { commonCertificates } from '../test/tools/certificates.ts';

const { authority, server: identity } = await commonCertificates();

await using server = new SslServer({
  onHandShake(server, connId) {
    const records = Buffer.alloc(4 * 10_000);
    for (let i = 0; i < 10_000; i++) records.writeUInt32LE(i, 4 * i);
    server.send(connId, records);
    server.disconnect(connId, { drain: true }); // everything, then a close_notify
  },
});
server.setupSSLContextByMemory(identity);
const { port } = await server.start('127.0.0.1', 0);

let sum = 0;
const client = new SslPullClient({
  onReceive(client) {
    for (;;) {
      const record = client.fetch(4);
      if (record === null) return;
      sum += record.readUInt32LE();
    }
  },
  onClose(_client, _connId, _operation, _errorCode, { error }) {
    // Over TLS an end that was cut short is told apart from one that the server meant.
    console.log(error === null ? 'complete' : error.message);
  },
});
client.setupSSLContextByMemory({ ca: authority.ca });
await client.start('127.0.0.1', port);
await client.wait();
console.log(`the sum is ${sum}`);
if (sum !== 49_995_000) process.exit(1);
