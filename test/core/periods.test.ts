import type net from 'node:net';
import { describe, expect, test } from 'vitest';
import { TcpAgent, TcpServer, UdpArqServer, UdpServer } from '../../src/index.ts';
import { connectBare, listenBare } from '../tcp/support.ts';
import { eventually, handshake, ManualTime, push, RawPeer } from '../udp/tools.ts';

// Age and silence are told apart: one peer speaks, the other does not, and both are as old.

const host = '127.0.0.1';

/** A component with two connections, 1 and 2, in a time that passes when told. */
interface Pair {
  time: ManualTime;
  component: TcpServer | TcpAgent | UdpServer | UdpArqServer;
  /** Lets the peer of connection 1 say something, and waits until that has arrived. */
  speak(): Promise<void>;
  end(): Promise<void>;
}

/** Counts what a component received. */
function counting() {
  const counter = { received: 0 };
  return { counter, hooks: { onReceive: () => void counter.received++ } };
}

/** Waits until one more message arrived. */
async function arrival(counter: { received: number }, say: () => unknown): Promise<void> {
  const before = counter.received;
  await say();
  await eventually(() => counter.received > before);
}

async function tcpServer(): Promise<Pair> {
  const time = new ManualTime();
  const { counter, hooks } = counting();
  const component = time.drive(new TcpServer(hooks));
  const { port } = await component.start(host, 0);
  const peers: net.Socket[] = [];
  for (let i = 1; i <= 2; i++) {
    peers.push(await connectBare(port));
    await eventually(() => component.stats().opened === i);
  }
  const end = async (): Promise<void> => {
    for (const peer of peers) peer.destroy();
    await component.stop();
  };
  return { time, component, speak: () => arrival(counter, () => peers[0]!.write('x')), end };
}

async function tcpAgent(): Promise<Pair> {
  const time = new ManualTime();
  const { counter, hooks } = counting();
  const component = time.drive(new TcpAgent(hooks));
  const server = await listenBare();
  await component.start();
  for (let i = 0; i < 2; i++) await component.connect(host, server.port);
  const peer = await server.accepted(0);
  await server.accepted(1);
  const end = async (): Promise<void> => {
    await component.stop();
    await server[Symbol.asyncDispose]();
  };
  return { time, component, speak: () => arrival(counter, () => peer.write('x')), end };
}

async function udpServer(): Promise<Pair> {
  const time = new ManualTime();
  const { counter, hooks } = counting();
  const component = time.drive(new UdpServer(hooks));
  const { port } = await component.start(host, 0);
  const peers: RawPeer[] = [];
  for (let i = 1; i <= 2; i++) {
    const peer = await RawPeer.open(port);
    peers.push(peer);
    await arrival(counter, () => peer.send('00'));
  }
  const end = async (): Promise<void> => {
    await component.stop();
    await Promise.all(peers.map((peer) => peer.close()));
  };
  return { time, component, speak: () => arrival(counter, () => peers[0]!.send('01')), end };
}

async function arqServer(): Promise<Pair> {
  const time = new ManualTime();
  const { counter, hooks } = counting();
  const component = time.drive(new UdpArqServer(hooks));
  const { port } = await component.start(host, 0);
  const peers: RawPeer[] = [];
  for (let i = 1; i <= 2; i++) {
    const peer = await RawPeer.open(port);
    peers.push(peer);
    await peer.send(handshake(i, 0));
    const id = (await peer.until(1)).readUInt32LE(4);
    await peer.send(handshake(i, id, true));
    await eventually(() => component.stats().opened === i);
    await peer.until(2);
  }
  let sn = 0;
  const end = async (): Promise<void> => {
    await component.stop();
    await Promise.all(peers.map((peer) => peer.close()));
  };
  return { time, component, speak: () => arrival(counter, () => peers[0]!.send(push(1, sn++, Buffer.of(1)))), end };
}

describe.each([
  ['TcpServer', tcpServer],
  ['TcpAgent', tcpAgent],
  ['UdpServer', udpServer],
  ['UdpArqServer', arqServer],
] as const)('%s', (_name, make) => {
  test('CS-016 CS-017: a period of silence ends with each receive, the age goes on', async () => {
    const { time, component, speak, end } = await make();
    time.pass(1000);
    expect([1, 2].map((id) => component.getSilencePeriod(id))).toEqual([1000, 1000]);
    await speak();
    time.pass(300);
    expect([1, 2].map((id) => component.getSilencePeriod(id))).toEqual([300, 1300]);
    expect([1, 2].map((id) => component.getConnectPeriod(id))).toEqual([1300, 1300]);
    expect(component.getConnectionStats(1)).toMatchObject({ silenceMs: 300, ageMs: 1300 });
    await end();
  });

  test('CS-007: disconnectSilenceConnections takes connections that were silent so long, not old ones', async () => {
    const { time, component, speak, end } = await make();
    time.pass(1000);
    await speak();
    time.pass(300);
    expect(component.disconnectSilenceConnections(1301)).toBe(true);
    expect(component.disconnectSilenceConnections(301)).toBe(true);
    await eventually(() => component.connectionCount === 1);
    expect(component.getAllConnectionIDs()).toEqual([1]);
    expect(component.disconnectSilenceConnections(300)).toBe(true);
    await eventually(() => component.connectionCount === 0);
    await end();
  });

  test('CS-007: a period of exactly so long is long enough, one of a millisecond less is not', async () => {
    const { time, component, end } = await make();
    time.pass(1000);
    component.disconnectSilenceConnections(1001);
    await new Promise((resolve) => setImmediate(resolve));
    expect(component.connectionCount).toBe(2);
    component.disconnectSilenceConnections(1000);
    await eventually(() => component.connectionCount === 0);
    await end();
  });

  test('CS-006: disconnectLongConnections takes old connections, whether they spoke or not', async () => {
    const { time, component, speak, end } = await make();
    time.pass(1000);
    await speak();
    expect(component.disconnectLongConnections(1001)).toBe(true);
    await new Promise((resolve) => setImmediate(resolve));
    expect([1, 2].map((id) => component.isConnected(id))).toEqual([true, true]);
    expect(component.disconnectLongConnections(1000)).toBe(true);
    await eventually(() => component.connectionCount === 0);
    await end();
  });
});
