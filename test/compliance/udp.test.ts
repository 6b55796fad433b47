import { UdpArqClient, UdpArqServer, UdpClient, UdpServer } from '../../src/index.ts';
import { datagramChaosSuite } from './datagram-chaos-suite.ts';
import { datagramClientSuite } from './datagram-client-suite.ts';
import { datagramEndingSuite } from './datagram-ending-suite.ts';
import type { DatagramFamily } from './datagram-family.ts';
import { datagramHandlerSuite } from './datagram-handler-suite.ts';
import { castHookMatrix, datagramHookMatrix, nodeHookMatrix } from './datagram-hook-matrix.ts';
import { datagramServerSuite } from './datagram-server-suite.ts';

const families: DatagramFamily[] = [
  {
    name: 'Udp',
    isReliable: false,
    server: (hooks, options) => new UdpServer(hooks as never, options),
    client: (hooks, options) => new UdpClient(hooks as never, options),
  },
  {
    name: 'UdpArq',
    isReliable: true,
    server: (hooks, options) => new UdpArqServer(hooks as never, options),
    client: (hooks, options) => new UdpArqClient(hooks as never, options),
  },
];

for (const family of families) {
  datagramServerSuite(family);
  datagramClientSuite(family);
  datagramEndingSuite(family);
  datagramHookMatrix(family);
  datagramChaosSuite(family);
  datagramHandlerSuite(family);
}
castHookMatrix();
nodeHookMatrix();
