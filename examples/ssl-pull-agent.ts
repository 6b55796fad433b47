// A TLS pull agent that asks two servers for a number of four bytes. Run it: npx tsx examples/ssl-pull-agent.ts
import { SslPullAgent, SslServer } from 'hp-socket';
// Certificates of an authority made for this run; yours come from files: setupSSLContext({ certFile, keyFile }).
import { commonCertificates } from '../test/tools/certificates.ts';

const { authority, server: identity } = await commonCertificates();

const servers = [1, 2].map((number) => {
  const server = new SslServer({
    onHandShake(server, connId) {
      const answer = Buffer.alloc(4);
      answer.writeUInt32BE(number * 1000);
      server.send(connId, answer);
    },
  });
  server.setupSSLContextByMemory(identity);
  return server;
});
const ports = await Promise.all(servers.map(async (server) => (await server.start('127.0.0.1', 0)).port));

const numbers: number[] = [];
const agent = new SslPullAgent({
  onReceive(agent, connId, totalLength) {
    if (totalLength < 4) return;
    const answer = agent.fetch(connId, 4);
    if (answer !== null) numbers.push(answer.readUInt32BE());
    agent.disconnect(connId);
  },
});
agent.setupSSLContextByMemory({ ca: authority.ca });
await agent.start();
await Promise.all(ports.map((port) => agent.connect('127.0.0.1', port)));
while (numbers.length < 2) await new Promise((resolve) => setTimeout(resolve, 5));
await agent.stop();
await Promise.all(servers.map((server) => server.stop()));
console.log(numbers.sort());
if (numbers.join() !== '1000,2000') process.exit(1);
