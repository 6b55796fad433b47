// A TLS client whose second visit resumes the session of the first: no certificates, one round trip less.
// Run it: npx tsx examples/ssl-pack-client.ts
import { SslPackClient, SslPackServer } from 'hp-socket';
// Certificates of an authority made for this run; yours come from files: setupSSLContext({ certFile, keyFile }).
import { commonCertificates } from '../test/tools/certificates.ts';

const { authority, server: identity } = await commonCertificates();

await using server = new SslPackServer({
  onReceive(server, connId, packet) {
    server.send(connId, packet);
  },
});
server.setupSSLContextByMemory(identity);
const { port } = await server.start('127.0.0.1', 0);

const client = new SslPackClient({});
client.setupSSLContextByMemory({ ca: authority.ca });
const resumed: (boolean | undefined)[] = [];
for (let visit = 1; visit <= 2; visit++) {
  await client.start('127.0.0.1', port);
  resumed.push(client.getSSLInfo()?.isResumed);
  client.send(`visit ${visit}`);
  for await (const packet of client.messages()) {
    console.log(`${packet}: ${resumed.at(-1) ? 'resumed' : 'full handshake'}`);
    break;
  }
  await client.stop();
}
if (resumed.join() !== 'false,true') process.exit(1);
