// UDP and ARQ.
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { bytesOf, check, holds, same, until } from './harness.mjs';

const host = '127.0.0.1';

export function checkUdp({
  UdpServer,
  UdpClient,
  UdpCast,
  UdpNode,
  UdpArqServer,
  UdpArqClient,
  CastMode,
  ServiceState,
}) {
  const echo = { onReceive: (server, connId, data) => void server.send(connId, data) };

  check('UdpServer, UdpClient: datagrams there and back, in order', async () => {
    const closes = [];
    const server = new UdpServer({ ...echo, onClose: (_server, connId) => void closes.push(connId) });
    const { port } = await server.start(host, 0);
    const got = [];
    const client = new UdpClient({
      onReceive(_client, _connId, data) {
        got.push(data.readUInt16BE(0));
        if (got.length < 500) send(got.length);
      },
    });
    const send = (number) => {
      const datagram = bytesOf(1000, number + 1);
      datagram.writeUInt16BE(number, 0);
      client.send(datagram);
    };
    await client.start(host, port);
    send(0);
    await until(
      () => got.length === 500,
      () => `${got.length} came back`,
    );
    same(
      got,
      Array.from({ length: 500 }, (_, number) => number),
    );
    await client.stop();
    await server.stop();
    same(closes, [1]);
    same(server.state, ServiceState.Stopped);
  });

  check('UdpServer: a peer that falls silent is let go', async () => {
    const closes = [];
    const server = new UdpServer(
      { onClose: (_server, connId, operation, errorCode) => void closes.push([connId, operation, errorCode]) },
      { detectAttempts: 2, detectInterval: 1000 },
    );
    const { port } = await server.start(host, 0);
    const peer = createSocket('udp4');
    peer.send('hello', port, host);
    await until(
      () => closes.length === 1,
      () => 'onClose',
    );
    peer.close();
    await server.stop();
  });

  check('UdpClient: a port where nobody listens is told', async () => {
    const probe = createSocket('udp4');
    probe.bind(0, host);
    await once(probe, 'listening');
    const { port } = probe.address();
    await new Promise((resolve) => probe.close(resolve));
    let errorCode;
    const client = new UdpClient({
      onClose: (_client, _connId, _operation, code) => void (errorCode = code),
    });
    await client.start(host, port);
    client.send('anybody?');
    await until(
      () => errorCode !== undefined,
      () => 'onClose',
    );
    same(errorCode, 111);
  });

  check('UdpNode: datagrams between nodes', async () => {
    const got = [];
    const first = new UdpNode({ onReceive: (node, address, port, data) => void node.send(address, port, data) });
    const second = new UdpNode({ onReceive: (_node, _address, _port, data) => void got.push(String(data)) });
    const { port } = await first.start(host, 0);
    await second.start(host, 0);
    second.send(host, port, 'from node to node');
    await until(
      () => got.length === 1,
      () => 'the answer',
    );
    same(got, ['from node to node']);
    await first.stop();
    await second.stop();
  });

  check('UdpCast: a member of a group hears another', async () => {
    const probe = createSocket('udp4');
    probe.bind(0, host);
    await once(probe, 'listening');
    const { port } = probe.address();
    await new Promise((resolve) => probe.close(resolve));
    const got = [];
    const options = { castMode: CastMode.Multicast, multiCastLoop: true };
    const sender = new UdpCast({}, options);
    const member = new UdpCast({ onReceive: (_cast, _connId, data) => void got.push(String(data)) }, options);
    await member.start('239.255.0.1', port, { localAddress: host });
    await sender.start('239.255.0.1', port, { localAddress: host });
    sender.send('hello, group');
    await until(
      () => got.length > 0,
      () => 'the message',
    );
    same(got[0], 'hello, group');
    await member.stop();
    await sender.stop();
  });

  check('UdpArqServer, UdpArqClient: messages whole, once, and in order', async () => {
    const server = new UdpArqServer(echo);
    const { port } = await server.start(host, 0);
    let next = 0;
    let wrong = 0;
    const client = new UdpArqClient({
      onReceive(_client, _connId, data) {
        if (!data.equals(bytesOf(1 + next * 13, next + 1))) wrong++;
        next++;
      },
    });
    await client.start(host, port);
    for (let number = 0; number < 300; number++) client.send(bytesOf(1 + number * 13, number + 1));
    await until(
      () => next === 300,
      () => `${next} came back`,
    );
    same(wrong, 0, 'wrong messages');
    await client.stop();
    await server.stop();
  });

  check('UdpArqServer: back-pressure and a graceful stop', async () => {
    const server = new UdpArqServer({});
    const { port } = await server.start(host, 0);
    let refused = 0;
    const client = new UdpArqClient({}, { maxWaitingSendCount: 500 });
    await client.start(host, port);
    for (let count = 0; count < 2000; count++) if (!client.send(Buffer.alloc(1000))) refused++;
    holds(refused > 0, 'everything was taken at once');
    await client.stop();
    await server.stop();
    same(server.state, ServiceState.Stopped);
  });
}
