import { networkInterfaces } from 'node:os';
import { expect, test } from 'vitest';
import { CastMode, HandleResult, ReuseAddressPolicy, SocketErrorCode, UdpCast, UdpNode } from '../../src/index.ts';
import { CLOSE_NOTIFY, eventually, RawPeer, Recorder, turns } from './tools.ts';

const GROUP = '239.255.77.1';
/** Ports for groups cannot be left to the system, as both ends need the same: one that is free right now. */
async function freePort(): Promise<number> {
  const peer = await RawPeer.open(0);
  const { port } = peer;
  await peer.close();
  return port;
}
/** Addresses of an interface that is not loopback, which ignores TTL and loop. */
const outside = Object.values(networkInterfaces())
  .flatMap((addresses) => addresses ?? [])
  .filter(({ internal }) => !internal);
const outsideIPv4 = outside.find(({ family }) => family === 'IPv4')?.address;
const outsideIPv6 = outside.find(({ family, scopeid }) => family === 'IPv6' && scopeid === 0)?.address;
const hex = (text: string): string => Buffer.from(text).toString('hex');

// ---- UdpCast -------------------------------------------------------------------------------------------------------

test('ORD-032 CA-001 CA-002 CA-005 CA-008 CAST-009 CAST-007 CAST-008: two casts in a group hear each other, with loop themselves too', async () => {
  const port = await freePort();
  const a = new Recorder();
  const b = new Recorder();
  const first = new UdpCast(a.hooks as never, { multiCastLoop: true });
  const second = new UdpCast(b.hooks as never, { multiCastLoop: true });
  await first.start(GROUP, port, { localAddress: '127.0.0.1' });
  await second.start({ host: GROUP, port, localAddress: '127.0.0.1' });
  expect(a.names()).toEqual(['onPrepareConnect', 'onConnect', 'onHandShake']);
  expect(first.send('hello')).toBe(true);
  await a.until('onReceive');
  expect((await b.until('onReceive'))[2]).toBe(hex('hello'));
  expect(second.getRemoteAddress()).toEqual({ address: '127.0.0.1', port });
  expect(first.getRemoteHost()).toEqual({ host: GROUP, port });
  await first.stop();
  await second.stop();
  expect(a.names().at(-1)).toBe('onClose');
  expect(b.of('onReceive').length).toBe(1); // no close notify went out
});

test.skipIf(outsideIPv4 === undefined)(
  'CA-005 CAST-005 CAST-006: without loop, own casts do not come back',
  async () => {
    const port = await freePort();
    const recorder = new Recorder();
    const cast = new UdpCast(recorder.hooks as never, { multiCastTtl: 0 });
    expect(cast.multiCastLoop).toBe(false);
    expect(cast.multiCastTtl).toBe(0);
    await cast.start(GROUP, port, { localAddress: outsideIPv4! });
    cast.send('unheard');
    const peer = await RawPeer.open(port);
    await peer.send('01'); // unicast to that port is received too (CA-001)
    expect((await recorder.until('onReceive'))[2]).toBe('01');
    expect(recorder.of('onReceive').length).toBe(1);
    await cast.stop();
    await peer.close();
  },
);

test('CA-006 EV-C-04: empty datagrams are sent and delivered, close notifies are data', async () => {
  const port = await freePort();
  const recorder = new Recorder();
  const cast = new UdpCast(recorder.hooks as never, { multiCastLoop: true });
  await cast.start(GROUP, port, { localAddress: '127.0.0.1' });
  expect(cast.send('')).toBe(true);
  expect((await recorder.until('onReceive'))[2]).toBe('');
  expect(cast.send(CLOSE_NOTIFY)).toBe(true);
  expect((await recorder.until('onReceive', 2))[2]).toBe(CLOSE_NOTIFY.toString('hex'));
  expect([cast.send(Buffer.alloc(1433)), cast.lastSystemError]).toEqual([false, 22]);
  await cast.stop();
});

test('CA-007 CAST-001 CAST-002: an oversize datagram stops the cast with EMSGSIZE', async () => {
  const port = await freePort();
  const recorder = new Recorder();
  const cast = new UdpCast(recorder.hooks as never, { maxDatagramSize: 10 });
  await cast.start(GROUP, port, { localAddress: '127.0.0.1' });
  const peer = await RawPeer.open(port);
  await peer.send(Buffer.alloc(11));
  expect((await recorder.until('onClose')).slice(2, 4)).toEqual([4, 90]);
  expect(await cast.wait()).toBe(true);
  await turns();
  expect(peer.received).toEqual([]);
  await peer.close();
});

test('CA-003 CA-004 CAST-003 CAST-004: addresses that cannot work say why', async () => {
  const cast = new UdpCast({});
  await expect(cast.start('10.1.2.3', await freePort())).rejects.toMatchObject({
    socketError: SocketErrorCode.ConnectServer,
    errno: 22,
    message: expect.stringContaining('no multicast address'),
  });
  await expect(cast.start(null, 5000)).rejects.toMatchObject({ socketError: SocketErrorCode.SocketCreate, errno: 113 });
  await expect(cast.start(GROUP, 0)).rejects.toMatchObject({ socketError: SocketErrorCode.InvalidParam });
  cast.castMode = CastMode.Broadcast;
  await expect(cast.start('ff02::1', 5000)).rejects.toMatchObject({ errno: 96 });
  expect(() => {
    cast.castMode = CastMode.Unicast as never;
  }).toThrow(RangeError);
});

test('CA-004: broadcast, by default to 255.255.255.255; to the loopback net here', async () => {
  const port = await freePort();
  const recorder = new Recorder();
  const cast = new UdpCast(recorder.hooks as never, { castMode: CastMode.Broadcast });
  await cast.start(null, port);
  expect(cast.getRemoteHost()?.host).toBe('255.255.255.255');
  await cast.stop();
  await cast.start('127.255.255.255', port);
  cast.send('to all');
  expect((await recorder.until('onReceive'))[2]).toBe(hex('to all'));
  await cast.stop();
});

test('joinOn and sources: all interfaces that match, and source-specific', async () => {
  const port = await freePort();
  const recorder = new Recorder();
  const cast = new UdpCast(recorder.hooks as never, { multiCastLoop: true });
  await cast.start({ host: '232.1.2.3', port, localAddress: '127.0.0.1', joinOn: 'all', sources: ['127.0.0.1'] });
  cast.send('one source');
  expect((await recorder.until('onReceive'))[2]).toBe(hex('one source'));
  await cast.stop();
  await cast.start({ host: '232.1.2.3', port, localAddress: '127.0.0.1', sources: ['127.0.0.2'] });
  cast.send('not this one');
  const peer = await RawPeer.open(port);
  await peer.send('01');
  expect((await recorder.until('onReceive', 2))[2]).toBe('01');
  await cast.stop();
  await peer.close();
});

test.skipIf(outsideIPv6 === undefined)('CA-002: IPv6 groups', async () => {
  const port = await freePort();
  const recorder = new Recorder();
  const cast = new UdpCast(recorder.hooks as never, { multiCastLoop: true });
  await cast.start('ff02::1234', port, { localAddress: outsideIPv6! });
  cast.send('six');
  expect((await recorder.until('onReceive'))[2]).toBe(hex('six'));
  await cast.stop();
});

test('joinOn and sources that make no sense are InvalidParam, not a join that fails or hears nobody', async () => {
  for (const wrong of [
    { joinOn: 'eth0' },
    { joinOn: [] },
    { joinOn: ['eth0'] },
    { joinOn: 5 },
    { sources: [] },
    { sources: '192.0.2.1' },
  ]) {
    const cast = new UdpCast({});
    const node = new UdpNode({});
    const options = wrong as object;
    const error = { socketError: SocketErrorCode.InvalidParam, message: expect.stringMatching(/joinOn|sources/) };
    await expect(cast.start({ host: '239.1.2.3', port: 5555, ...options })).rejects.toMatchObject(error);
    await expect(
      node.start({ castMode: CastMode.Multicast, castAddress: '239.1.2.3', port: 5555, ...options }),
    ).rejects.toMatchObject(error);
    expect([cast.hasStarted, node.hasStarted]).toEqual([false, false]);
  }
});

test('NOC-003: onPrepareConnect that answers Error, before the group is joined', async () => {
  const recorder = new Recorder({ onPrepareConnect: () => HandleResult.Error });
  const cast = new UdpCast(recorder.hooks as never);
  await expect(cast.start(GROUP, await freePort())).rejects.toMatchObject({
    socketError: SocketErrorCode.SocketPrepare,
  });
  expect(recorder.names()).toEqual(['onPrepareConnect']);
});

// ---- UdpNode -------------------------------------------------------------------------------------------------------

test('ORD-035 EV-N-01 EV-N-02 EV-N-03 EV-N-05 NODE-001 NODE-002 NODE-003 NODE-014 NOC-008 CA-012 CID-006: a node to a node', async () => {
  const a = new Recorder();
  const b = new Recorder();
  const first = new UdpNode<string>(a.hooks as never);
  const second = new UdpNode(b.hooks as never);
  const here = await first.start('127.0.0.1', 0);
  const there = await second.start({ host: '127.0.0.1' });
  expect(first.getLocalAddress()).toEqual(here);
  for (const data of ['hello', '', CLOSE_NOTIFY]) expect(first.send('127.0.0.1', there.port, data)).toBe(true);
  await b.until('onReceive', 3);
  expect(b.of('onReceive')).toEqual([
    ['onReceive', '127.0.0.1', here.port, hex('hello')],
    ['onReceive', '127.0.0.1', here.port, ''],
    ['onReceive', '127.0.0.1', here.port, CLOSE_NOTIFY.toString('hex')],
  ]);
  expect((await a.until('onSend', 3)).slice(0, 3)).toEqual(['onSend', '127.0.0.1', there.port]);
  expect(first.send('127.0.0.1', there.port, 'xABCx', 1, 3)).toBe(true);
  expect((await b.until('onReceive', 4))[3]).toBe(hex('ABC'));
  await first.stop();
  await second.stop();
  expect(a.names().at(0)).toBe('onPrepareListen');
  expect(a.names().at(-1)).toBe('onShutdown');
  expect([first.send('127.0.0.1', 9, 'x'), first.lastSystemError]).toEqual([false, 1]);
  await expect(first.stop()).rejects.toMatchObject({ socketError: SocketErrorCode.IllegalState });
});

test('NODE-003 NODE-004 CA-014: sizes, ports, families, host names', async () => {
  const recorder = new Recorder();
  const node = new UdpNode(recorder.hooks as never, { maxDatagramSize: 10 });
  const { port } = await node.start('127.0.0.1', 0);
  expect([node.send('127.0.0.1', port, Buffer.alloc(11)), node.lastSystemError]).toEqual([false, 22]);
  expect([node.send('127.0.0.1', 0, 'x'), node.lastSystemError]).toEqual([false, 22]);
  expect([node.send('::1', port, 'x'), node.lastSystemError]).toEqual([false, 97]);
  expect([node.sendPackets('127.0.0.1', port, ['12345', '678901']), node.lastSystemError]).toEqual([false, 90]);
  expect([node.sendPackets('127.0.0.1', port, ['', '']), node.lastSystemError]).toEqual([false, 90]);
  expect([node.sendPackets('127.0.0.1', port, []), node.lastSystemError]).toEqual([false, 22]);
  expect(() => node.send('127.0.0.1', port, 5 as never)).toThrow(TypeError);
  expect(node.sendPackets('localhost', port, ['ab', 'cd'])).toBe(true);
  expect((await recorder.until('onReceive'))[3]).toBe(hex('abcd'));
  expect(node.send('no.such.host.invalid', port, 'x')).toBe(true);
  expect((await recorder.until('onError')).slice(1, 4)).toEqual([3, 113, 'no.such.host.invalid']);
  await node.stop();
});

test('EV-N-04 CA-013 NODE-018 NODE-019: an oversize datagram gives onError with its first bytes; a failing send too; the node goes on', async () => {
  const recorder = new Recorder();
  const node = new UdpNode(recorder.hooks as never, { maxDatagramSize: 4 });
  const { port } = await node.start('127.0.0.1', 0);
  const peer = await RawPeer.open(port);
  await peer.send('0102030405');
  expect(await recorder.until('onError')).toEqual(['onError', 4, 90, '127.0.0.1', peer.port, '01020304']);
  node.send('255.255.255.255', 9, 'ab'); // broadcast was not asked for
  expect((await recorder.until('onError', 2)).slice(0, 4)).toEqual(['onError', 3, 13, '255.255.255.255']);
  await peer.send('01');
  await recorder.until('onReceive');
  expect(node.stats()).toMatchObject({ datagramsIn: 2, drops: { oversize: 1 } });
  await node.stop();
  await peer.close();
});

test('CA-009 CA-010 CA-011 NODE-005 NODE-006 NODE-015 NODE-016 NODE-022 NODE-023: a multicast node bound to an address still receives the group', async () => {
  const port = await freePort();
  const recorder = new Recorder();
  const node = new UdpNode(recorder.hooks as never, { multiCastLoop: true });
  expect(node.castMode).toBe(CastMode.Unicast);
  await node.start('127.0.0.1', port, CastMode.Multicast, GROUP);
  expect(node.castMode).toBe(CastMode.Multicast);
  expect(node.getCastAddress()).toEqual({ address: GROUP, port });
  expect(node.sendCast('one')).toBe(true);
  expect((await recorder.until('onReceive'))[3]).toBe(hex('one'));
  expect(node.sendCastPackets(['t', 'wo'])).toBe(true);
  expect((await recorder.until('onReceive', 2))[3]).toBe(hex('two'));
  await node.stop();
  await node.start('127.0.0.1', 0);
  expect([node.sendCast('x'), node.lastSystemError]).toEqual([false, 1]);
  expect([node.sendCastPackets(['x']), node.lastSystemError]).toEqual([false, 1]);
  expect(node.getCastAddress()).toBe(null);
  await node.stop();
});

test('CA-009 NODE-001: a broadcast node', async () => {
  const recorder = new Recorder();
  const node = new UdpNode(recorder.hooks as never);
  await node.start('', await freePort(), CastMode.Broadcast, '127.255.255.255');
  node.sendCast('all');
  expect((await recorder.until('onReceive'))[3]).toBe(hex('all'));
  await node.stop();
});

test('NODE-001 EV-N-01: failing starts, each with onShutdown once the start had begun', async () => {
  const recorder = new Recorder();
  const node = new UdpNode(recorder.hooks as never);
  await expect(node.start('127.0.0.1', -1)).rejects.toMatchObject({ socketError: SocketErrorCode.InvalidParam });
  expect(recorder.names()).toEqual([]);
  const fail = async (promise: Promise<unknown>, code: number, errno: number): Promise<void> => {
    await expect(promise).rejects.toMatchObject({ socketError: code, errno });
  };
  await fail(node.start('localhost', 0), SocketErrorCode.SocketCreate, 99);
  await fail(node.start('', 5000, CastMode.Multicast), SocketErrorCode.SocketCreate, 99);
  await fail(node.start('::', 5000, CastMode.Broadcast), SocketErrorCode.SocketCreate, 96);
  await fail(node.start('127.0.0.1', 5000, CastMode.Multicast, 'ff02::1'), SocketErrorCode.SocketCreate, 97);
  await fail(node.start('', await freePort(), CastMode.Multicast, '10.0.0.1'), SocketErrorCode.ConnectServer, 22);
  expect(recorder.names('onPrepareListen').every((name) => name === 'onShutdown')).toBe(true);
  expect(recorder.of('onShutdown').length).toBe(5);
  const refusing = new UdpNode({ onPrepareListen: () => HandleResult.Error });
  await fail(refusing.start('127.0.0.1', 0), SocketErrorCode.SocketPrepare, 125);
});

test('NODE-007 NODE-008 NODE-009 NODE-010 NODE-011 NODE-012 NODE-013 NODE-017: the rest of the interface', async () => {
  const node = new UdpNode<{ a: number }>({});
  expect(await node.wait()).toBe(true);
  node.extra = { a: 1 };
  await node.start({ host: '::', port: 0 });
  expect(node.hasStarted).toBe(true);
  expect(node.state).toBe(1);
  expect(await node.wait(1)).toBe(false);
  expect(node.pendingDataLength).toBe(0);
  await expect(node.start()).rejects.toMatchObject({ socketError: SocketErrorCode.IllegalState });
  expect(node.lastError).toBe(SocketErrorCode.IllegalState);
  expect(node.lastErrorDesc).toBe('Illegal State');
  await node.stop();
  expect(node.extra.a).toBe(1);
});

test('a dual-stack node reaches IPv4', async () => {
  const recorder = new Recorder();
  const node = new UdpNode(recorder.hooks as never);
  const { port } = await node.start('::', 0);
  const four = await RawPeer.open(port);
  await four.send('04');
  expect((await recorder.until('onReceive')).slice(1)).toEqual(['127.0.0.1', four.port, '04']);
  node.send('127.0.0.1', four.port, 'back');
  expect((await four.until(1)).toString()).toBe('back');
  await node.stop();
  await four.close();
});

test('a hook that fails is reported, and the node goes on', async () => {
  const recorder = new Recorder({
    onReceive: () => {
      throw new Error('boom');
    },
  });
  const node = new UdpNode(recorder.hooks as never);
  const { port } = await node.start('127.0.0.1', 0);
  node.send('127.0.0.1', port, 'x');
  expect((await recorder.until('onHookError')).slice(1, 3)).toEqual(['onReceive', 'boom']);
  await eventually(() => node.stats().datagramsOut === 1);
  await node.stop();
});

test('NODE-024 NODE-025 CS-025: two nodes share a port only if asked to', async () => {
  const first = new UdpNode({}, { reuseAddressPolicy: ReuseAddressPolicy.AddrAndPort });
  const { port } = await first.start('127.0.0.1', 0);
  const second = new UdpNode({});
  await expect(second.start('127.0.0.1', port)).rejects.toMatchObject({ errno: 98 });
  second.reuseAddressPolicy = ReuseAddressPolicy.AddrAndPort;
  await second.start('127.0.0.1', port);
  await first.stop();
  await second.stop();
});
