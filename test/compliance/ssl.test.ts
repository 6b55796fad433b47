import { expect, test } from 'vitest';
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
import { chaosSuite } from './chaos-suite.ts';
import { clientSuite } from './client-suite.ts';
import { endingSuite } from './ending-suite.ts';
import { type Family, until } from './family.ts';
import { handlerSuite } from './handler-suite.ts';
import { hookMatrix } from './hook-matrix.ts';
import { receiveSuite } from './receive-suite.ts';
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
  receiveSuite(family);
  hookMatrix(family);
  chaosSuite(family);
  endingSuite(family);
  handlerSuite(family);
}

test('PK-013: over TLS a package is laid out as on TCP, inside the encrypted stream', async () => {
  let got = Buffer.alloc(0);
  await using server = serving(
    new SslServer({
      onReceive(_server, _connId, data) {
        got = Buffer.concat([got, data]);
      },
    }),
  );
  const { port } = await server.start('127.0.0.1', 0);
  await using client = trusting(new SslPackClient({}, { packHeaderFlag: 0x169 }));
  await client.start('127.0.0.1', port);
  await until(() => client.send('abcde'));
  await until(() => got.length >= 9);
  expect(got.toString('hex')).toBe('0500405a6162636465');
});
