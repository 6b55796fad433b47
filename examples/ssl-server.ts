// A TLS server with two certificates, chosen by the name that the client asks for.
// Run it: npx tsx examples/ssl-server.ts
import { SslClient, SslServer } from 'hp-socket';
// Certificates of an authority made for this run; yours come from files: { ssl: { certFile, keyFile } }.
import { commonCertificates } from '../test/tools/certificates.ts';

const { authority, server: identity } = await commonCertificates();
const shop = await authority.sign({ names: ['shop.example'] });

const server = new SslServer(
  {
    onHandShake(server, connId) {
      const { protocol, cipher, serverName } = server.getSSLInfo(connId)!;
      console.log(`connection ${connId}: ${protocol}, ${cipher}, for ${serverName ?? 'no name'}`);
    },
    onReceive(server, connId, data) {
      server.send(connId, data);
    },
    onClose(_server, connId, _operation, _errorCode, { error }) {
      console.log(`connection ${connId} closed: ${error?.message ?? 'in peace'}`);
    },
  },
  { ssl: [identity, { names: ['shop.example'], ...shop }] },
);
const { port } = await server.start('127.0.0.1', 0);

const client = new SslClient({}, { ssl: { ca: authority.ca } });
const names: unknown[] = [];
// `address^name` dials the address and asks for the name, which must stand in the certificate.
for (const host of ['127.0.0.1', '127.0.0.1^shop.example', '127.0.0.1^elsewhere.example']) {
  try {
    await client.start(host, port);
    names.push(client.getSSLInfo()?.peerCertificate?.subject.CN);
    await client.stop();
  } catch (error) {
    console.log((error as Error).message);
    names.push('refused');
  }
}
await server.stop({ drainTimeoutMs: 1000 });
if (names.join() !== 'localhost,shop.example,refused') process.exit(1);
