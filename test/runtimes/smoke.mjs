// Every component at work, without a test runner: `node|bun|deno run -A test/runtimes/smoke.mjs CERTIFICATES.json`, after
// `npm run build`. `npm run check:runtimes` makes the certificates, and runs it under several runtimes.
import { readFileSync } from 'node:fs';
import * as library from '../../dist/index.js';
import { runChecks } from './harness.mjs';
import { checkStreams, checkTcp } from './streams.mjs';
import { checkTls } from './tls.mjs';
import { checkUdp } from './udp.mjs';

/** What a runtime is known not to do; docs/runtimes.md says the same. */
const knownFailures = {
  bun: {
    'SslServer: clients need a certificate, and theirs is told': 'does not tell whether it verified, so it is refused',
    'SslClient: a stream that was cut without close_notify is told': 'tells no difference from a clean end',
  },
  deno: {
    'Ssl: a graceful stop delivers what is queued, and tells how it went': 'all is delivered, but told as cut off',
    'Ssl: a peer that sends no more still gets its answer': 'TLS has no half-open connections',
    'SslServer: clients need a certificate, and theirs is told': 'does not tell whether it verified, so it is refused',
    'SslServer, SslClient: a session is resumed, TLSv1.2': 'resumes none',
    'SslServer, SslClient: a session is resumed, TLSv1.3': 'resumes none',
    'UdpClient: a port where nobody listens is told': 'tells no errors of connected UDP sockets',
  },
};

const certificates = JSON.parse(readFileSync(process.argv[2], 'utf8'));

checkStreams('Tcp', library, (component) => component);
checkTcp(library);
checkStreams('Ssl', library, (component, isServer) => {
  component.setupSSLContextByMemory(isServer ? certificates.server : { ca: certificates.ca });
  return component;
});
checkTls(library, certificates);
checkUdp(library);
await runChecks(knownFailures);
