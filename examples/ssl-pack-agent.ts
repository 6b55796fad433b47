// A TLS agent that speaks packages with several servers. Run it: npx tsx examples/ssl-pack-agent.ts
import { SslPackAgent, SslPackServer } from 'hp-socket';
// Certificates of an authority made for this run; yours come from files: setupSSLContext({ certFile, keyFile }).
import { commonCertificates } from '../test/tools/certificates.ts';

const { authority, server: identity } = await commonCertificates();

const servers = ['a', 'b', 'c'].map((name) => {
  const server = new SslPackServer({
    onReceive(server, connId, packet) {
      server.send(connId, `${name}: ${packet}`);
    },
  });
  server.setupSSLContextByMemory(identity);
  return server;
});
const ports = await Promise.all(servers.map(async (server) => (await server.start('127.0.0.1', 0)).port));

const answers: string[] = [];
const agent = new SslPackAgent({
  onReceive(_agent, _connId, packet) {
    answers.push(packet.toString());
  },
});
agent.setupSSLContextByMemory({ ca: authority.ca });
await agent.start();
for (const port of ports) agent.send(await agent.connect('127.0.0.1', port), 'hello');
while (answers.length < 3) await new Promise((resolve) => setTimeout(resolve, 5));
await agent.stop({ drainTimeoutMs: 1000 });
await Promise.all(servers.map((server) => server.stop()));
console.log(answers.sort());
if (answers.join() !== 'a: hello,b: hello,c: hello') process.exit(1);
