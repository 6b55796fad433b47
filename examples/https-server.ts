// HTTPS: the HTTP server over TLS. Run it: npx tsx examples/https-server.ts
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { get } from 'node:https';
import { HttpsServer } from 'hp-socket/http';
// A certificate made for this run; yours come from files: { ssl: { certFile, keyFile } }.
import { commonCertificates } from '../test/tools/certificates.ts';

const { authority, server: identity } = await commonCertificates();

const server = new HttpsServer(
  {
    onRequest(server, connId, request) {
      const protocol = server.getSSLInfo(connId)?.protocol;
      request.respond({ headers: { 'Content-Type': 'text/plain' }, body: `${protocol} ${request.path}` });
    },
  },
  { ssl: identity },
);
const { port } = await server.start('127.0.0.1', 0);

const request = get({ host: '127.0.0.1', port, path: '/secret', ca: authority.ca });
const [response] = (await once(request, 'response')) as [IncomingMessage];
let text = '';
for await (const piece of response) text += piece;
console.log(response.statusCode, text);

await server.stop({ drainTimeoutMs: 1000 });
if (text !== 'TLSv1.3 /secret') process.exit(1);
