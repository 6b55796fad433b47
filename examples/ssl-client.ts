// A TLS client that starts in clear text and turns to TLS on command (STARTTLS).
// Run it: npx tsx examples/ssl-client.ts
import { SslClient, SslServer } from 'hp-socket';
// Certificates of an authority made for this run; yours come from files: setupSSLContext({ certFile, keyFile }).
import { commonCertificates } from '../test/tools/certificates.ts';

const { authority, server: identity } = await commonCertificates();

const server = new SslServer(
  {
    onReceive(server, connId, data) {
      if (data.toString() !== 'STARTTLS\n') return void server.send(connId, `you said: ${data}`);
      server.send(connId, 'go ahead\n'); // still in clear text
      server.startSSLHandShake(connId);
    },
  },
  { sslAutoHandShake: false },
);
server.setupSSLContextByMemory(identity);
const { port } = await server.start('127.0.0.1', 0);

let answer = '';
const client = new SslClient(
  {
    onConnect: (client) => void client.send('STARTTLS\n'),
    onReceive(client, _connId, data) {
      if (data.toString() === 'go ahead\n') client.startSSLHandShake();
      else {
        answer = data.toString();
        client.stop();
      }
    },
    onHandShake(client) {
      console.log(`now with ${client.getSSLInfo()?.protocol}`);
      client.send('a secret');
    },
  },
  { sslAutoHandShake: false },
);
client.setupSSLContextByMemory({ ca: authority.ca });
await client.start('127.0.0.1', port);
await client.wait();
console.log(answer);
await server.stop();
if (answer !== 'you said: a secret') process.exit(1);
