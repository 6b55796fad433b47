// A TLS agent with a certificate of its own, against a server that demands one.
// Run it: npx tsx examples/ssl-agent.ts
import { SslAgent, SslServer } from 'hp-socket';
// Certificates of an authority made for this run; yours come from files: setupSSLContext({ certFile, keyFile }).
import { commonCertificates } from '../test/tools/certificates.ts';

const { authority, server: identity, client: ownIdentity } = await commonCertificates();

await using server = new SslServer({
  onHandShake(server, connId) {
    server.send(connId, `welcome, ${server.getSSLInfo(connId)?.peerCertificate?.subject.CN}`);
  },
  onClose(_server, _connId, _operation, _errorCode, { error }) {
    if (error !== null) console.log(`the server says: ${error.message}`);
  },
});
server.setupSSLContextByMemory({ ...identity, ca: authority.ca, requireClientCertificate: true });
const { port } = await server.start('127.0.0.1', 0);

const answers: string[] = [];
const listener = {
  onReceive(_agent: SslAgent, connId: number, data: Buffer) {
    console.log(`connection ${connId}: ${data}`);
    answers.push(data.toString());
  },
};
const known = new SslAgent(listener);
known.setupSSLContextByMemory({ ca: authority.ca, ...ownIdentity });
await known.start();
await Promise.all([known.connect('127.0.0.1', port), known.connect('127.0.0.1', port)]);

const nobody = new SslAgent(listener);
nobody.setupSSLContextByMemory({ ca: authority.ca });
await nobody.start();
await nobody.connect('127.0.0.1', port).catch(() => {}); // TLS 1.3: the refusal may come a moment later
while (answers.length < 2 || nobody.connectionCount > 0) await new Promise((resolve) => setTimeout(resolve, 5));
await Promise.all([known.stop(), nobody.stop()]);
if (answers.join() !== 'welcome, a client,welcome, a client') process.exit(1);
