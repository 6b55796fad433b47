import { createHash } from 'node:crypto';
import { UdpArqClient, UdpArqServer, UdpClient, UdpServer } from 'hp-socket';
import { expect, type Scenario, until } from '../scenario.ts';

const host = '127.0.0.1';

/** Datagrams there and back; loopback loses none as long as they are few at a time. */
const datagrams: Scenario = {
  title: 'UdpServer and UdpClient: datagrams there and back',
  async run(progress) {
    const count = 20_000;
    await using server = new UdpServer({
      onReceive(server, connId, data) {
        server.send(connId, data);
      },
    });
    const { port } = await server.start(host, 0);
    let next = 0;
    let wrong = 0;
    let bytes = 0;
    await using client = new UdpClient({
      onReceive(client, _connId, data) {
        if (data.readUInt32LE(0) !== next) wrong++;
        next++;
        bytes += data.length;
        progress(`${next} of ${count} datagrams came back`);
        if (next < count) client.send(numbered(next));
      },
    });
    await client.start(host, port);
    client.send(numbered(0));
    await until(
      () => next === count,
      () => `${next} of ${count} datagrams came back`,
    );
    expect(wrong === 0, `${wrong} datagrams came out of order`);
    const stats = server.stats();
    return [
      { component: 'UdpServer', did: 'echoed each datagram', messages: stats.messagesIn, bytes: stats.bytesIn },
      { component: 'UdpClient', did: 'compared each answer, in order', messages: next, bytes },
    ];
  },
};

/** Reliable messages over UDP, in both directions. */
const reliable: Scenario = {
  title: 'UdpArqServer and UdpArqClient: reliable messages over UDP (KCP)',
  async run(progress) {
    const count = 20_000;
    const received = createHash('sha256');
    let messages = 0;
    let bytes = 0;
    await using server = new UdpArqServer(
      {
        onReceive(server, connId, data) {
          server.send(connId, data);
        },
      },
      { preset: 'bulk' },
    );
    const { port } = await server.start(host, 0);
    await using client = new UdpArqClient(
      {
        onReceive(_client, _connId, data) {
          received.update(data);
          messages++;
          bytes += data.length;
          progress(`${messages} of ${count} messages came back`);
        },
      },
      { preset: 'bulk' },
    );
    await client.start(host, port);
    await until(
      () => client.send(numbered(0)),
      () => 'no ARQ handshake',
    );
    const sent = createHash('sha256').update(numbered(0));
    for (let i = 1; i < count; i++) {
      const message = numbered(i);
      sent.update(message);
      while (!client.send(message) || i - messages > 1000) {
        if (i - messages > 1000) {
          await until(
            () => i - messages <= 500,
            () => `${messages} of ${i} messages came back`,
          );
          break;
        }
        await new Promise((resolve) => setImmediate(resolve));
      }
    }
    await until(
      () => messages === count,
      () => `${messages} of ${count} messages came back`,
    );
    expect(sent.digest('hex') === received.digest('hex'), 'the checksums differ');
    const stats = server.stats();
    return [
      {
        component: 'UdpArqServer',
        did: 'echoed each message, in order',
        messages: stats.messagesIn,
        bytes: stats.bytesIn,
      },
      { component: 'UdpArqClient', did: 'none lost, none out of order, checksum right', messages, bytes },
    ];
  },
};

function numbered(i: number): Buffer {
  const data = Buffer.alloc(64 + ((i * 31) % 900), i);
  data.writeUInt32LE(i, 0);
  return data;
}

export const udpScenarios: Scenario[] = [datagrams, reliable];
