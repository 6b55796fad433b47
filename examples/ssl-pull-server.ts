// A TLS pull server: lines, fetched when they are whole. Run it: npx tsx examples/ssl-pull-server.ts
import { SslClient, SslPullServer } from 'hp-socket';
// Certificates of an authority made for this run; yours come from files: setupSSLContext({ certFile, keyFile }).
import { commonCertificates } from '../test/tools/certificates.ts';

const { authority, server: identity } = await commonCertificates();

const lines: string[] = [];
await using server = new SslPullServer({
  onReceive(server, connId, totalLength) {
    for (let left = totalLength; left > 0; ) {
      const held = server.peek(connId, left);
      const end = held !== null ? held.indexOf('\n') + 1 : 0;
      if (end === 0) return; // not whole yet
      const line = server.fetch(connId, end);
      if (line === null) return;
      lines.push(line.toString().trimEnd());
      left -= end;
    }
  },
});
server.setupSSLContextByMemory(identity);
const { port } = await server.start('127.0.0.1', 0);

await using client = new SslClient({});
client.setupSSLContextByMemory({ ca: authority.ca });
await client.start('127.0.0.1', port);
for (const piece of ['one\ntw', 'o\nth', 'ree\n']) {
  client.send(piece);
  await new Promise((resolve) => setImmediate(resolve));
}
while (lines.length < 3) await new Promise((resolve) => setTimeout(resolve, 5));
console.log(lines);
if (lines.join() !== 'one,two,three') process.exit(1);
