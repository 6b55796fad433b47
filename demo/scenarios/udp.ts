import { createHash } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { SocketError, UdpArqClient, UdpArqServer, UdpCast, UdpClient, UdpNode, UdpServer } from 'hp-socket';
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

/** A group on loopback, and two nodes that talk to each other without connections. */
const groups: Scenario = {
  title: 'UdpCast and UdpNode: a multicast group, and datagrams from node to node',
  async run() {
    const heard: string[] = [];
    const port = await freePort();
    const casts = ['a', 'b'].map(
      (name) =>
        new UdpCast(
          { onReceive: (_cast, _connId, data) => void heard.push(`${name}: ${data}`) },
          { multiCastLoop: true },
        ),
    );
    let castRow = { component: 'UdpCast', did: 'two members heard each other', messages: 4, bytes: 12 };
    try {
      for (const cast of casts) await cast.start('239.255.77.7', port, { localAddress: host });
      for (const [i, cast] of casts.entries()) expect(cast.send(`m ${i}`), `send failed: ${cast.lastFailure?.message}`);
      await until(
        () => heard.length >= 4,
        () => `heard ${heard.join(', ')}`,
        10,
      );
      expect(new Set(heard).size === 4, `heard ${heard.join(', ')}`);
    } catch (error) {
      if (!(error instanceof SocketError)) throw error;
      castRow = { component: 'UdpCast', did: `skipped, no multicast here: ${error.errnoName}`, messages: 0, bytes: 0 };
    }
    await Promise.all(casts.map((cast) => (cast.hasStarted ? cast.stop() : undefined)));

    let pings = 0;
    await using ping = new UdpNode({
      onReceive(node, address, port) {
        if (++pings < 1000) node.send(address, port, 'ping');
      },
    });
    await using pong = new UdpNode({ onReceive: (node, address, port) => void node.send(address, port, 'pong') });
    await ping.start(host, 0);
    await pong.start(host, 0);
    ping.send(host, pong.getLocalAddress()?.port ?? 0, 'ping');
    await until(
      () => pings === 1000,
      () => `${pings} of 1000 answers`,
    );
    return [castRow, { component: 'UdpNode', did: 'ping and pong, 1,000 times', messages: 2000, bytes: 8000 }];
  },
};

/** A UDP port that was free a moment ago. */
async function freePort(): Promise<number> {
  const socket = createSocket('udp4').bind(0);
  await once(socket, 'listening');
  const { port } = socket.address();
  socket.close();
  return port;
}

function numbered(i: number): Buffer {
  const data = Buffer.alloc(64 + ((i * 31) % 900), i);
  data.writeUInt32LE(i, 0);
  return data;
}

/** A client that changes its address in the middle of a conversation, as a phone does; the server is told, nothing is lost. */
const roaming: Scenario = {
  title: 'UdpArqServer and UdpArqClient: a client that changes its address, again and again',
  async run() {
    const count = 500;
    const addresses = new Set<number>();
    const options = { preset: 'interactive', migration: true } as const;
    await using server = new UdpArqServer(
      {
        onReceive: (server, connId, message) => server.send(connId, message),
        onAddressChange: (_server, _connId, address) => void addresses.add(address.port),
      },
      options,
    );
    const { port } = await server.start(host, 0);
    let next = 0;
    let wrong = 0;
    await using client = new UdpArqClient(
      { onReceive: (_client, _connId, message) => void (message.readUInt32LE(0) === next++ || wrong++) },
      options,
    );
    await client.start(host, port);
    await until(
      () => client.canMigrate,
      () => 'the two ends did not agree on a key',
    );
    for (let i = 0; i < count; i++) {
      const message = Buffer.alloc(1000);
      message.writeUInt32LE(i, 0);
      expect(client.send(message), `send failed: ${client.lastFailure?.message}`);
      if (i % 100 === 50) await client.rebind();
    }
    await until(
      () => next === count,
      () => `${next} of ${count} came back`,
    );
    expect(wrong === 0, `${wrong} messages came out of order`);
    expect(addresses.size === 5 && server.connectionCount === 1, `${addresses.size} addresses were seen`);
    return [
      {
        component: 'UdpArqClient',
        did: 'changed its address 5 times in one connection',
        messages: count,
        bytes: count * 1000,
      },
    ];
  },
};

export const udpScenarios: Scenario[] = [datagrams, reliable, groups, roaming];
