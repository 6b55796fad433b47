// Packages over TLS, and a certificate that is replaced while the server runs.
// Run it: npx tsx examples/ssl-pack-server.ts
import { SslPackClient, SslPackServer } from 'hp-socket';
// Certificates of an authority made for this run; yours come from files: setupSSLContext({ certFile, keyFile }).
import { commonCertificates } from '../test/tools/certificates.ts';

const { authority, server: identity } = await commonCertificates();

const server = new SslPackServer({
  onReceive(server, connId, packet) {
    server.send(connId, packet);
  },
});
server.setupSSLContextByMemory(identity);
const { port } = await server.start('127.0.0.1', 0);

const serials = new Set<string>();
for (let visit = 0; visit < 2; visit++) {
  const client = new SslPackClient({});
  client.setupSSLContextByMemory({ ca: authority.ca });
  await client.start('127.0.0.1', port);
  client.send('ping');
  for await (const packet of client.messages()) {
    console.log(packet.toString());
    break;
  }
  serials.add(client.getSSLInfo()!.peerCertificate!.serialNumber);
  await client.stop();
  // With files, updateSSLContext(0) alone reads them again, and `watch: true` does so by itself.
  server.updateSSLContext(0, await authority.sign());
}
await server.stop();
console.log(`two visits, ${serials.size} certificates`);
if (serials.size !== 2) process.exit(1);
