import { createSocket, Socket } from 'node:dgram';
import { once } from 'node:events';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { CastMode, ReuseAddressPolicy, UdpArqServer, UdpCast, UdpClient, UdpNode, UdpServer } from '../../src/index.ts';
import { freeUdpPort } from '../compliance/ports.ts';
import { RawPeer, Recorder } from './tools.ts';

// What the properties ask of the system, as the system tells it, or as Node was asked for it.

const host = '127.0.0.1';
const group = '239.255.77.3';

afterEach(() => {
  vi.restoreAllMocks();
});

/** Sizes of the buffers that the system gives for `receive` and `send` bytes; undefined: its default. */
async function givenFor(receive: number | undefined, send: number | undefined): Promise<[number, number]> {
  const socket = createSocket('udp4').bind(0, host);
  await once(socket, 'listening');
  if (receive !== undefined) socket.setRecvBufferSize(receive);
  if (send !== undefined) socket.setSendBufferSize(send);
  const sizes: [number, number] = [socket.getRecvBufferSize(), socket.getSendBufferSize()];
  socket.close();
  return sizes;
}

describe('buffers of the system: recvBufferBytes, sendBufferBytes', () => {
  const cases: [string, object, number | undefined, number | undefined][] = [
    ['of the given sizes', { recvBufferBytes: 70_000, sendBufferBytes: 80_000 }, 70_000, 80_000],
    ["of the system's default with 0", { recvBufferBytes: 0, sendBufferBytes: 0 }, undefined, undefined],
    ['each by itself', { recvBufferBytes: 90_000, sendBufferBytes: 0 }, 90_000, undefined],
  ];

  test.each(cases)('%s: UdpServer', async (_what, options, receive, send) => {
    await using server = new UdpServer({}, options);
    await server.start(host, 0);
    const { socketBuffers } = server.stats();
    expect([socketBuffers.receive, socketBuffers.send]).toEqual(await givenFor(receive, send));
  });

  test.each(cases)('%s: UdpClient', async (_what, options, receive, send) => {
    const peer = await RawPeer.open(0);
    await using client = new UdpClient({}, options);
    await client.start(host, peer.port);
    const { socketBuffers } = client.stats();
    expect([socketBuffers.receive, socketBuffers.send]).toEqual(await givenFor(receive, send));
    await peer.close();
  });

  test.each(cases)('%s: UdpNode', async (_what, options, receive, send) => {
    await using node = new UdpNode({}, options);
    await node.start(host, 0);
    const { socketBuffers } = node.stats();
    expect([socketBuffers.receive, socketBuffers.send]).toEqual(await givenFor(receive, send));
  });
});

test.each([
  ['UdpServer', () => new UdpServer({})],
  ['UdpArqServer', () => new UdpArqServer({})],
])('%s keeps its port to this process unless exclusive is false', async (_name, make) => {
  const bind = vi.spyOn(Socket.prototype, 'bind');
  const seen: unknown[] = [];
  for (const options of [{}, { exclusive: true }, { exclusive: false }]) {
    await using server = make();
    bind.mockClear();
    const { port } = await server.start({ host, port: 0, ...options });
    const calls = bind.mock.calls as unknown as [{ address: string; exclusive: boolean }][];
    seen.push(...calls.map(([asked]) => asked.exclusive));
    expect(port).toBeGreaterThan(0);
  }
  expect(seen).toEqual([true, true, false]);
});

describe('a port that is used already', () => {
  const { None, AddrOnly, AddrAndPort } = ReuseAddressPolicy;
  type Starts = (policy: ReuseAddressPolicy, port: number) => [UdpServer | UdpNode | UdpCast, () => Promise<unknown>];
  const server: Starts = (reuseAddressPolicy, port) => {
    const component = new UdpServer({}, { reuseAddressPolicy });
    return [component, () => component.start(host, port)];
  };
  const unicast: Starts = (reuseAddressPolicy, port) => {
    const component = new UdpNode({}, { reuseAddressPolicy });
    return [component, () => component.start(host, port)];
  };
  const casting: Starts = (reuseAddressPolicy, port) => {
    const component = new UdpNode({}, { reuseAddressPolicy });
    const target = { host, port, castMode: CastMode.Multicast, castAddress: group };
    return [component, () => component.start(target)];
  };
  const cast: Starts = (reuseAddressPolicy, port) => {
    const component = new UdpCast({}, { reuseAddressPolicy });
    return [component, () => component.start(group, port, { localAddress: host })];
  };

  test.each([
    ['a UdpServer, which may not share it', server, None, false],
    ['a UdpServer, which shares addresses only', server, AddrOnly, false],
    ['a UdpServer, which shares ports', server, AddrAndPort, true],
    ['a UdpNode without casts', unicast, AddrOnly, false],
    ['a UdpNode without casts, which shares ports', unicast, AddrAndPort, true],
    ['a UdpNode with casts, which may not share it', casting, None, false],
    ['a UdpNode with casts', casting, AddrOnly, true],
    ['a UdpCast, which may not share it', cast, None, false],
    ['a UdpCast', cast, AddrOnly, true],
    ['a UdpCast, which shares ports', cast, AddrAndPort, true],
  ] as const)('%s: CS-025 CLI-020 NODE-024', async (_what, make, policy, isShared) => {
    const port = await freeUdpPort();
    const [first, startFirst] = make(policy, port);
    const [second, startSecond] = make(policy, port);
    await startFirst();
    const started = startSecond().then(
      () => true,
      (error: { errnoName: string }) => error.errnoName,
    );
    expect(await started).toBe(isShared ? true : 'EADDRINUSE');
    for (const each of [first, second]) {
      if (each.hasStarted) await each.stop();
      await each.wait();
    }
  });
});

test.each([
  ['UdpCast', 1, {}],
  ['UdpCast', 7, { multiCastTtl: 7 }],
  ['UdpNode', 1, {}],
  ['UdpNode', 9, { multiCastTtl: 9 }],
] as const)('CAST-005 CAST-006 NODE-020 NODE-021: a %s sets %i as the TTL of its casts', async (name, ttl, options) => {
  const setMulticastTTL = vi.spyOn(Socket.prototype, 'setMulticastTTL');
  const setMulticastLoopback = vi.spyOn(Socket.prototype, 'setMulticastLoopback');
  const port = await freeUdpPort();
  const recorder = new Recorder();
  if (name === 'UdpCast') {
    await using cast = new UdpCast(recorder.hooks as never, options);
    await cast.start(group, port, { localAddress: host });
  } else {
    await using node = new UdpNode(recorder.hooks as never, options);
    await node.start({ host, port, castMode: CastMode.Multicast, castAddress: group });
  }
  expect(setMulticastTTL.mock.calls).toEqual([[ttl]]);
  expect(setMulticastLoopback.mock.calls).toEqual([[false]]);
});
