import { describe, expect, test } from 'vitest';
import { HttpAgent } from '../../src/http.ts';
import {
  PortForwarder,
  TcpAgent,
  TcpClient,
  TcpServer,
  UdpArqClient,
  UdpArqServer,
  UdpClient,
  UdpServer,
} from '../../src/index.ts';
import { connectBare, deferred, listenBare, readBytes } from '../tcp/support.ts';
import { eventually, handshake, RawPeer } from '../udp/tools.ts';
import { beBusyFor, host, turns } from './support.ts';

// Issue: a process that was stopped, or busy in one long callback, closes peers that spoke all the time as silent, because
// the deadline strikes before the bytes are read that wait in the system.

/** Hooks that note what they are told. */
function noting() {
  const events: string[] = [];
  const opened = deferred();
  return {
    events,
    opened: opened.promise,
    hooks: {
      onHandShake: () => opened.resolve(),
      onReceive: (_sender: unknown, _connId: number, data: Buffer) => void events.push(`got ${data}`),
      onClose: (_sender: unknown, _connId: number, _operation: number, code: number) =>
        void events.push(`closed ${code}`),
    },
  };
}

describe('a peer that spoke while this process was busy is not silent', () => {
  test('TcpServer, idleTimeoutMs', async () => {
    const { events, hooks, opened } = noting();
    const server = new TcpServer(hooks, { idleTimeoutMs: 200 });
    const { port } = await server.start(host, 0);
    const peer = await connectBare(port);
    await opened;
    await beBusyFor(500, () => peer.write('word'));
    await turns(20);
    const seen = [...events];
    peer.destroy();
    await server.stop();
    expect(seen).toEqual(['got word']);
  });

  test.each(['TcpClient', 'TcpAgent'])('%s, idleTimeoutMs', async (name) => {
    await using server = await listenBare();
    const { events, hooks, opened } = noting();
    const client = new TcpClient(hooks, { idleTimeoutMs: 200 });
    const agent = new TcpAgent(hooks, { idleTimeoutMs: 200 });
    if (name === 'TcpClient') await client.start(host, server.port);
    else {
      await agent.start();
      await agent.connect(host, server.port);
    }
    await opened;
    const peer = await server.accepted();
    await beBusyFor(500, () => peer.write('word'));
    await turns(20);
    const seen = [...events];
    for (const each of [client, agent]) {
      if (each.hasStarted) await each.stop();
      await each.wait();
    }
    expect(seen).toEqual(['got word']);
  });

  test('UdpServer, heartbeats', async () => {
    const { events, hooks, opened } = noting();
    const server = new UdpServer(hooks, { detectAttempts: 1, detectInterval: 1000 });
    const { port } = await server.start(host, 0);
    const peer = await RawPeer.open(port);
    await peer.send('');
    await opened;
    await beBusyFor(2300, () => void peer.send(Buffer.from('word')));
    await turns(20);
    const seen = [...events];
    await server.stop();
    await peer.close();
    expect(seen).toEqual(['got word']);
  });

  test('UdpClient, heartbeats', async () => {
    const peer = await RawPeer.open(0);
    const { events, hooks } = noting();
    const client = new UdpClient(hooks, { detectAttempts: 1, detectInterval: 1000 });
    await client.start(host, peer.port);
    await peer.until(2); // the heartbeat that is not answered yet
    await beBusyFor(1300, () => void peer.send(Buffer.from('word')));
    await turns(20);
    const seen = [...events];
    if (client.hasStarted) await client.stop();
    await client.wait();
    await peer.close();
    expect(seen).toEqual(['got word']);
  });

  test('UdpArqServer, heartbeats', async () => {
    const { events, hooks, opened } = noting();
    const server = new UdpArqServer(hooks, { detectAttempts: 1, detectInterval: 1000 });
    const { port } = await server.start(host, 0);
    const peer = await RawPeer.open(port);
    await peer.send(handshake(5, 0));
    const id = (await peer.until(1)).readUInt32LE(4);
    await peer.send(handshake(5, id, true));
    await opened;
    await beBusyFor(2300, () => void peer.send(''));
    await turns(20);
    const isConnected = server.isConnected(1);
    await server.stop();
    await peer.close();
    expect([isConnected, events]).toEqual([true, ['closed 0']]);
  });

  test('UdpArqClient, its handshake', async () => {
    const peer = await RawPeer.open(0);
    const client = new UdpArqClient({}, { handshakeTimeoutMs: 500 });
    const starting = client.start(host, peer.port).then(
      () => 'started',
      (error: Error) => error.message,
    );
    await eventually(() => peer.received.some(({ length }) => length === 12));
    const own = peer.received.find(({ length }) => length === 12)!.readUInt32LE(4);
    await beBusyFor(800, () => void peer.send(handshake(77, own, true)));
    const outcome = await starting;
    if (client.hasStarted) await client.stop();
    await client.wait();
    await peer.close();
    expect(outcome).toBe('started');
  });
});

test('a peer that is silent is closed, also when that is found late', async () => {
  const { events, hooks, opened } = noting();
  const server = new TcpServer(hooks, { idleTimeoutMs: 100 });
  const { port } = await server.start(host, 0);
  const peer = await connectBare(port);
  await opened;
  await beBusyFor(300);
  await eventually(() => events.length > 0);
  expect(events).toEqual(['closed 110']);
  peer.destroy();
  await server.stop();
});

describe('a draining stop whose time runs out while this process is busy', () => {
  test('reads the end of a peer that had said it, and cuts off one that had not, by its deadline', async () => {
    const closes: unknown[] = [];
    const server = new TcpServer({ onClose: (_server, _connId, _operation, code) => void closes.push(code) });
    const { port } = await server.start(host, 0);
    const polite = await connectBare(port, { allowHalfOpen: true });
    const stubborn = await connectBare(port, { allowHalfOpen: true });
    while (server.connectionCount < 2) await turns(1);
    const stopped = server.stop({ drainTimeoutMs: 50 });
    await turns(5);
    await beBusyFor(400, () => polite.end());
    const report = await stopped;
    expect(report).toMatchObject({ connections: 2, drained: 1, forced: 1, failed: 0, droppedBytes: 0 });
    expect(closes).toHaveLength(2);
    expect(server.stats().limits.closing).toBe(1);
    polite.destroy();
    stubborn.destroy();
  });

  test('PortForwarder: a pair whose ends had both come to their end is not cut off', async () => {
    await using target = await listenBare();
    const forwarder = new PortForwarder({}, { target: { host, port: target.port } });
    const { port } = await forwarder.start(host, 0);
    const peer = await connectBare(port);
    const far = await target.accepted();
    const stopped = forwarder.stop({ drainTimeoutMs: 50 });
    await turns(5);
    peer.end();
    await turns(20);
    await beBusyFor(400, () => far.end());
    expect(await stopped).toMatchObject({ connections: 1, drained: 1, forced: 0 });
    peer.destroy();
  });

  test('HttpAgent: an answer that had come is the answer of its request', async () => {
    await using target = await listenBare();
    const agent = new HttpAgent({});
    await agent.start();
    const answer = agent.request(`http://${host}:${target.port}/`);
    const far = await target.accepted();
    await readBytes(far, 1);
    const stopped = agent.stop({ drainTimeoutMs: 50 });
    await beBusyFor(400, () => far.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok'));
    expect(String((await answer).body)).toBe('ok');
    await stopped;
  });
});
