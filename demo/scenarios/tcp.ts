import { createHash, randomBytes } from 'node:crypto';
import {
  conversation,
  PortForwarder,
  TcpAgent,
  TcpClient,
  TcpPackAgent,
  TcpPackClient,
  TcpPackServer,
  TcpPullAgent,
  TcpPullClient,
  TcpPullServer,
  TcpServer,
} from 'hp-socket';
import { expect, type Scenario, until } from '../scenario.ts';
import { encodeRecord, RecordCounter } from './records.ts';

const host = '127.0.0.1';

/** 64 MiB from a client to a server and back, compared by checksum. */
const transfer: Scenario = {
  title: 'TcpServer and TcpClient: 64 MiB there and back, with checksum',
  async run(progress) {
    const total = 64 * 1024 * 1024;
    await using server = new TcpServer({
      onReceive(server, connId, data) {
        server.send(connId, data);
      },
    });
    const { port } = await server.start(host, 0);
    const sent = createHash('sha256');
    const received = createHash('sha256');
    let length = 0;
    let wake: (() => void) | null = null;
    await using client = new TcpClient({
      onReceive(_client, _connId, data) {
        received.update(data);
        length += data.length;
        progress(`${(length / 1024 / 1024).toFixed(0)} of 64 MiB came back`);
      },
      onSendDrained: () => wake?.(),
    });
    await client.start(host, port);
    for (let at = 0; at < total; at += 65_536) {
      const chunk = randomBytes(65_536);
      sent.update(chunk);
      expect(client.send(chunk), `send failed: ${client.lastFailure?.message}`);
      if (client.pendingDataLength > client.highWaterMarkBytes) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    }
    await until(
      () => length >= total,
      () => `${length} of ${total} bytes came back`,
    );
    expect(sent.digest('hex') === received.digest('hex'), 'the checksums differ');
    const stats = server.stats();
    return [
      {
        component: 'TcpServer',
        did: 'echoed 64 MiB, checksum right',
        messages: stats.messagesIn,
        bytes: stats.bytesIn,
      },
      { component: 'TcpClient', did: 'sent 64 MiB within its high-water mark', messages: 1024, bytes: length },
    ];
  },
};

/** Packages of all sizes in both directions. */
const inPackages: Scenario = {
  title: 'TcpPackServer, TcpPackClient and TcpPackAgent: a conversation in packages',
  async run(progress) {
    const count = 10_000;
    const options = { packHeaderFlag: 0x169, maxPackSize: 100_000 };
    await using server = new TcpPackServer(
      {
        onReceive(server, connId, packet) {
          server.sendPackets(connId, ['re: ', packet]);
        },
      },
      options,
    );
    const { port } = await server.start(host, 0);
    const body = (i: number): Buffer => Buffer.alloc(1 + ((i * 7919) % 3000), `package ${i} `);
    let answers = 0;
    let bytes = 0;
    let wrong = 0;
    await using client = new TcpPackClient(
      {
        onReceive(_client, _connId, packet) {
          if (!packet.subarray(4).equals(body(answers))) wrong++;
          answers++;
          bytes += packet.length;
          progress(`${answers} of ${count} answers`);
        },
      },
      options,
    );
    await client.start(host, port);
    for (let i = 0; i < count; i++) {
      expect(client.send(body(i)), `send failed: ${client.lastFailure?.message}`);
      if (i % 500 === 499) await new Promise((resolve) => setImmediate(resolve));
    }
    await until(
      () => answers === count,
      () => `${answers} of ${count} answers`,
    );
    expect(wrong === 0, `${wrong} answers were wrong`);

    const perConnection = new Map<number, number>();
    await using agent = new TcpPackAgent(
      {
        onReceive(_agent, connId) {
          perConnection.set(connId, (perConnection.get(connId) ?? 0) + 1);
        },
      },
      options,
    );
    await agent.start();
    const connIds = await Promise.all(Array.from({ length: 50 }, () => agent.connect(host, port)));
    for (let i = 0; i < 20; i++) for (const connId of connIds) agent.send(connId, body(i));
    await until(
      () => connIds.every((connId) => perConnection.get(connId) === 20),
      () => `answers per connection: ${[...perConnection.values()].join()}`,
    );
    const stats = server.stats();
    const agentStats = agent.stats();
    return [
      { component: 'TcpPackServer', did: 'answered every package', messages: stats.messagesIn, bytes: stats.bytesIn },
      { component: 'TcpPackClient', did: 'compared every answer, in order', messages: answers, bytes },
      {
        component: 'TcpPackAgent',
        did: '50 connections, 20 packages each',
        messages: agentStats.messagesIn,
        bytes: agentStats.bytesIn,
      },
    ];
  },
};

/** A parser for a small binary protocol, fed in pieces that do not respect it. */
const parser: Scenario = {
  title: 'TcpPullServer, TcpPullClient and TcpPullAgent: records of a binary protocol, pulled out of the stream',
  async run() {
    const count = 5000;
    const counters = new Map<number, RecordCounter>();
    await using server = new TcpPullServer({
      onAccept: (_server, connId) => void counters.set(connId, new RecordCounter()),
      onReceive(server, connId) {
        const counter = counters.get(connId)!;
        counter.pull({
          peek: (length) => server.peek(connId, length),
          fetch: (length) => server.fetch(connId, length),
        });
        if (counter.records === count) server.send(connId, encodeRecord(2, Buffer.from(counter.checksum())));
      },
    });
    const { port } = await server.start(host, 0);
    const expected = new RecordCounter();
    const stream = Buffer.concat(
      Array.from({ length: count }, (_, i) => {
        const payload = randomBytes(i % 700);
        expected.add(1, payload);
        return encodeRecord(1, payload);
      }),
    );
    const pieces = Array.from({ length: Math.ceil(stream.length / 997) }, (_, i) =>
      stream.subarray(i * 997, i * 997 + 997),
    );

    const answered = new RecordCounter();
    await using client = new TcpPullClient({
      onReceive: (client) => answered.pull({ peek: (n) => client.peek(n), fetch: (n) => client.fetch(n) }),
    });
    await client.start(host, port);
    for (const piece of pieces) client.send(piece);

    const agentAnswers = new Map<number, RecordCounter>();
    await using agent = new TcpPullAgent({
      onConnect: (_agent, connId) => void agentAnswers.set(connId, new RecordCounter()),
      onReceive: (agent, connId) =>
        agentAnswers.get(connId)!.pull({ peek: (n) => agent.peek(connId, n), fetch: (n) => agent.fetch(connId, n) }),
    });
    await agent.start();
    const connIds = await Promise.all([1, 2, 3].map(() => agent.connect(host, port)));
    for (const connId of connIds) agent.sendPackets(connId, pieces);

    const all = [answered, ...connIds.map((connId) => agentAnswers.get(connId)!)];
    await until(
      () => all.every((counter) => counter.records === 1),
      () => `${all.filter((counter) => counter.records === 1).length} of ${all.length} answers`,
    );
    for (const counter of all)
      expect(counter.lastPayload.toString() === expected.checksum(), 'a record was parsed wrongly');
    const stats = server.stats();
    const records = [...counters.values()].reduce((sum, counter) => sum + counter.records, 0);
    return [
      { component: 'TcpPullServer', did: 'parsed records cut at 997 bytes', messages: records, bytes: stats.bytesIn },
      { component: 'TcpPullClient', did: 'sent records, pulled the answer', messages: count, bytes: stream.length },
      {
        component: 'TcpPullAgent',
        did: '3 connections at once',
        messages: count * connIds.length,
        bytes: stream.length * connIds.length,
      },
    ];
  },
};

/** An agent with many connections at once. */
const thousand: Scenario = {
  title: 'TcpAgent: 1,000 connections in one object',
  async run(progress) {
    await using server = new TcpServer({
      onReceive(server, connId, data) {
        server.send(connId, data);
      },
    });
    const { port } = await server.start(host, 0);
    const received = new Map<number, string>();
    await using agent = new TcpAgent<{ index: number }>({
      onReceive(_agent, connId, data) {
        received.set(connId, (received.get(connId) ?? '') + data.toString());
      },
    });
    await agent.start();
    const connIds: number[] = [];
    for (let i = 0; i < 1000; i += 100) {
      const batch = Array.from({ length: 100 }, (_, j) => agent.connect(host, port, { extra: { index: i + j } }));
      connIds.push(...(await Promise.all(batch)));
      progress(`${connIds.length} connections`);
    }
    const text = (connId: number): string => `hello from ${agent.getConnectionExtra(connId)?.index}`;
    for (const connId of connIds) agent.send(connId, text(connId));
    await until(
      () => connIds.every((connId) => received.get(connId) === text(connId)),
      () => `${received.size} of 1000 answers`,
    );
    const stats = agent.stats();
    const report = await agent.stop({ drainTimeoutMs: 5000 });
    expect(report.drained === 1000, `only ${report.drained} of 1000 connections ended in peace`);
    return [
      {
        component: 'TcpAgent',
        did: '1,000 connections, each answered, all drained',
        messages: stats.messagesIn,
        bytes: stats.bytesIn,
      },
    ];
  },
};

/** Clients behind a balancer are told apart by what it says of them, in front of a login of our own. */
const behindBalancer: Scenario = {
  title: 'TcpPackServer behind a balancer: PROXY headers, then a login, then packages',
  async run() {
    const clients = 20;
    const known = new Set<string>();
    await using server = new TcpPackServer<{ name: string }>(
      {
        onReceive(server, connId, packet) {
          const { remoteAddress } = server.connection(connId)!;
          known.add(`${server.getConnectionExtra(connId)?.name} ${remoteAddress?.address}`);
          server.send(connId, packet);
        },
      },
      {
        proxyProtocol: { trustedProxies: [host] },
        maxConnectionsPerAddress: 1,
        preamble: conversation(async (peer) => {
          peer.extra = { name: (await peer.readLine()).replace('LOGIN ', '') };
          peer.send('OK\n');
        }),
      },
    );
    const { port } = await server.start(host, 0);
    let answers = 0;
    await using agent = new TcpPackAgent(
      { onReceive: () => void answers++ },
      {
        preamble: conversation(async (peer) => {
          peer.send(`LOGIN client-${peer.localPort}\n`);
          expect((await peer.readLine()) === 'OK', 'the login was refused');
        }),
      },
    );
    await agent.start();
    for (let i = 1; i <= clients; i++) {
      const source = { address: `192.0.2.${i}`, port: 40_000 + i };
      const connId = await agent.connect({ host, port, proxyHeader: { version: i % 2 === 0 ? 1 : 2, source } });
      agent.send(connId, 'package');
    }
    await until(
      () => answers === clients,
      () => `${answers} of ${clients} answers`,
    );
    expect(known.size === clients, `${known.size} clients were told apart`);
    return [
      {
        component: 'TcpPackServer',
        did: `told ${clients} clients of one balancer apart by PROXY headers`,
        messages: answers,
        bytes: answers * 'package'.length,
      },
    ];
  },
};

/** A peer that does not read is kept in bounds. */
const slowReader: Scenario = {
  title: 'TcpServer with a slow reader: what is pending stays in bounds',
  async run() {
    const limit = 4 * 1024 * 1024;
    const chunk = Buffer.alloc(64 * 1024, 'x');
    let blocked = 0;
    let drained = 0;
    let most = 0;
    let accepted = 0;
    await using server = new TcpServer(
      {
        onHandShake(server, connId) {
          while (server.send(connId, chunk)) accepted++;
          most = Math.max(most, server.getPendingDataLength(connId) ?? 0);
        },
        onSendBlocked: () => void blocked++,
        onSendDrained: () => void drained++,
      },
      { maxPendingBytes: limit, highWaterMarkBytes: 1024 * 1024, lowWaterMarkBytes: 64 * 1024 },
    );
    const { port } = await server.start(host, 0);
    let length = 0;
    await using client = new TcpClient({ onReceive: (_client, _connId, data) => void (length += data.length) });
    await client.start(host, port);
    client.pauseReceive();
    await until(
      () => blocked === 1,
      () => 'the high-water mark was not told',
    );
    client.pauseReceive(false);
    await until(
      () => drained === 1 && length === accepted * chunk.length,
      () => `${length} of ${accepted * chunk.length} bytes, ${drained} times drained`,
    );
    expect(most <= limit, `${most} bytes were pending, allowed were ${limit}`);
    expect(server.stats().limits.pendingBytes === 1, 'the limit did not strike');
    return [
      {
        component: 'TcpServer',
        did: `slow reader: at most ${(most / 1024 / 1024).toFixed(1)} MiB pending, blocked and drained once`,
        messages: accepted,
        bytes: length,
      },
    ];
  },
};

/** 100 clients through a forwarder, each of which sends, ends, and gets its answer; one of its targets is dead. */
const forwarding: Scenario = {
  title: 'PortForwarder: 100 clients through it, with a fallback, half-closes and a draining stop',
  async run() {
    const count = 100;
    const length = 256 * 1024;
    await using server = new TcpServer({ onReceive: (server, connId, data) => server.send(connId, data) });
    const { port } = await server.start(host, 0);
    await using dead = new TcpServer({});
    const deadPort = (await dead.start(host, 0)).port;
    await dead.stop();
    await using forwarder = new PortForwarder(
      {},
      {
        target: [
          { host, port: deadPort },
          { host, port },
        ],
      },
    );
    const listening = await forwarder.start(host, 0);
    const answers = await Promise.all(
      Array.from({ length: count }, async (_, index) => {
        const client = new TcpClient({});
        await client.start(host, listening.port);
        const stream = client.createStream({ allowHalfOpen: true });
        const sent = randomBytes(length);
        stream.end(sent);
        const received: Buffer[] = [];
        for await (const chunk of stream) received.push(chunk as Buffer);
        await client.wait();
        return { index, isRight: Buffer.concat(received).equals(sent) };
      }),
    );
    const stopped = await forwarder.stop({ drainTimeoutMs: 5000 });
    const wrong = answers.filter(({ isRight }) => !isRight).length;
    expect(wrong === 0, `${wrong} of ${count} answers are wrong`);
    const { connected, connectFailures, broken } = forwarder.stats();
    expect(connected === count && connectFailures === count, `${connected} connected, ${connectFailures} failures`);
    expect(broken === 0 && stopped.forced === 0, `${broken} were broken off, ${stopped.forced} by stop`);
    return [
      {
        component: 'PortForwarder',
        did: `${count} clients with 256 KiB each, there and back, first target dead`,
        messages: count,
        bytes: 2 * count * length,
      },
    ];
  },
};

export const tcpScenarios: Scenario[] = [
  transfer,
  inPackages,
  parser,
  thousand,
  behindBalancer,
  slowReader,
  forwarding,
];
