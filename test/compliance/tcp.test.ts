import {
  TcpAgent,
  TcpClient,
  TcpPackAgent,
  TcpPackClient,
  TcpPackServer,
  TcpPullAgent,
  TcpPullClient,
  TcpPullServer,
  TcpServer,
} from '../../src/index.ts';
import { agentSuite } from './agent-suite.ts';
import { chaosSuite } from './chaos-suite.ts';
import { clientSuite } from './client-suite.ts';
import { endingSuite } from './ending-suite.ts';
import type { Family } from './family.ts';
import { handlerSuite } from './handler-suite.ts';
import { hookMatrix } from './hook-matrix.ts';
import { receiveSuite } from './receive-suite.ts';
import { serverSuite } from './server-suite.ts';

const families: Family[] = [
  {
    name: 'Tcp',
    model: 'push',
    isSecure: false,
    server: (hooks, options) => new TcpServer(hooks, options),
    agent: (hooks, options) => new TcpAgent(hooks, options),
    client: (hooks, options) => new TcpClient(hooks, options),
  },
  {
    name: 'TcpPull',
    model: 'pull',
    isSecure: false,
    server: (hooks, options) => new TcpPullServer(hooks, options),
    agent: (hooks, options) => new TcpPullAgent(hooks, options),
    client: (hooks, options) => new TcpPullClient(hooks, options),
  },
  {
    name: 'TcpPack',
    model: 'pack',
    isSecure: false,
    server: (hooks, options) => new TcpPackServer(hooks, options),
    agent: (hooks, options) => new TcpPackAgent(hooks, options),
    client: (hooks, options) => new TcpPackClient(hooks, options),
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
