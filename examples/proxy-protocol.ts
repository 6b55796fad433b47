// A server behind a load balancer: it knows its clients by the PROXY header that the balancer puts in front.
// Run it: npx tsx examples/proxy-protocol.ts

import { PortForwarder, TcpClient, TcpServer } from 'hp-socket';

const server = new TcpServer(
  {
    onReceive(sender, connId, data) {
      const { remoteAddress, proxyHeader } = sender.connection(connId)!;
      sender.send(connId, `${data} from ${remoteAddress?.address}, who asked for ${proxyHeader?.authority}`);
    },
  },
  { proxyProtocol: { trustedProxies: ['127.0.0.1'] } },
);
const { port } = await server.start('127.0.0.1', 0);

// In real life this is haproxy, nginx or a balancer of a cloud.
const balancer = new PortForwarder(
  {},
  {
    target: {
      host: '127.0.0.1',
      port,
      proxyHeader: { source: { address: '192.0.2.7', port: 4711 }, tlvs: [{ type: 0x02, value: 'shop.example' }] },
    },
  },
);
const front = await balancer.start('127.0.0.1', 0);

const client = new TcpClient({
  onReceive(sender, _connId, data) {
    console.log(data.toString()); // hello from 192.0.2.7, who asked for shop.example
    void sender.stop().then(async () => {
      await balancer.stop();
      await server.stop();
    });
  },
});
await client.start('127.0.0.1', front.port);
client.send('hello');
