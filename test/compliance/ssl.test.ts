import {
  SslAgent,
  SslClient,
  SslPackAgent,
  SslPackClient,
  SslPackServer,
  SslPullAgent,
  SslPullClient,
  SslPullServer,
  SslServer,
} from '../../src/index.ts';
import { commonCertificates } from '../tools/certificates.ts';
import { agentSuite } from './agent-suite.ts';
import { clientSuite } from './client-suite.ts';
import type { Family } from './family.ts';
import { hookMatrix } from './hook-matrix.ts';
import { serverSuite } from './server-suite.ts';

// The suites of the TCP families, unchanged, over TLS.

const { authority, server } = await commonCertificates();

/** Sets a server's context up. */
function serving<T extends { setupSSLContextByMemory(options: object): boolean }>(component: T): T {
  component.setupSSLContextByMemory(server);
  return component;
}

/** Sets the context of an agent or client up. */
function trusting<T extends { setupSSLContextByMemory(options: object): boolean }>(component: T): T {
  component.setupSSLContextByMemory({ ca: authority.ca });
  return component;
}

const families: Family[] = [
  {
    name: 'Ssl',
    model: 'push',
    isSecure: true,
    server: (hooks, options) => serving(new SslServer(hooks, options)),
    agent: (hooks, options) => trusting(new SslAgent(hooks, options)),
    client: (hooks, options) => trusting(new SslClient(hooks, options)),
  },
  {
    name: 'SslPull',
    model: 'pull',
    isSecure: true,
    server: (hooks, options) => serving(new SslPullServer(hooks, options)),
    agent: (hooks, options) => trusting(new SslPullAgent(hooks, options)),
    client: (hooks, options) => trusting(new SslPullClient(hooks, options)),
  },
  {
    name: 'SslPack',
    model: 'pack',
    isSecure: true,
    server: (hooks, options) => serving(new SslPackServer(hooks, options)),
    agent: (hooks, options) => trusting(new SslPackAgent(hooks, options)),
    client: (hooks, options) => trusting(new SslPackClient(hooks, options)),
  },
];

for (const family of families) {
  serverSuite(family);
  agentSuite(family);
  clientSuite(family);
  hookMatrix(family);
}
