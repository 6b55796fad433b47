import { expect, test } from 'vitest';
import {
  HandleResult,
  ServiceState,
  SocketError,
  SocketErrorCode,
  UdpServer,
  type UdpServerOptions,
} from '../../src/index.ts';
import { CLOSE_NOTIFY, eventually, RawPeer, Recorder, turns } from './tools.ts';

async function begin(recorder: Recorder, options: UdpServerOptions = {}) {
  const server = new UdpServer(recorder.hooks as never, options);
  const { port } = await server.start('127.0.0.1', 0);
  const peer = await RawPeer.open(port);
  const end = async (): Promise<void> => {
    if (server.hasStarted) await server.stop();
    await peer.close();
  };
  return { server, port, peer, end };
}

const echo = { onReceive: (server: UdpServer, id: number, data: Buffer) => void server.send(id, data) };

test('ORD-026 EV-S-01 EV-S-02 EV-S-03 EV-S-04 EV-S-06 EV-S-07 EV-S-08: a first datagram with data accepts, shakes hands and is delivered; UD-001 UD-003 UD-019', async () => {
  const recorder = new Recorder(echo);
  const { server, peer, end } = await begin(recorder);
  await peer.send(Buffer.from('one'));
  await peer.send(Buffer.from('two'));
  await peer.until(2);
  expect(peer.hex()).toEqual(['6f6e65', '74776f']);
  await recorder.until('onSend', 2);
  const peerPort = peer.port;
  expect(server.getRemoteAddress(1)).toEqual({ address: '127.0.0.1', port: peer.port });
  expect(server.getLocalAddress(1)).toEqual(server.getListenAddress());
  await end();
  expect(recorder.events).toEqual([
    ['onPrepareListen', '<socket>'],
    ['onAccept', 1, { address: '127.0.0.1', port: peerPort }],
    ['onHandShake', 1],
    ['onReceive', 1, '6f6e65'],
    ...(recorder.names()[4] === 'onSend'
      ? [
          ['onSend', 1, '6f6e65'],
          ['onReceive', 1, '74776f'],
        ]
      : [
          ['onReceive', 1, '74776f'],
          ['onSend', 1, '6f6e65'],
        ]),
    ['onSend', 1, '74776f'],
    ['onClose', 1, 5, 0, undefined],
    ['onShutdown'],
  ]);
});

test('ORD-027 UD-002 UD-005 UD-007: an empty first datagram makes a connection and is answered, never delivered', async () => {
  const recorder = new Recorder();
  // The answer does not depend on the server's own detection.
  const { server, peer, end } = await begin(recorder, { detectAttempts: 0 });
  await peer.send('');
  expect((await peer.until(1)).length).toBe(0);
  await peer.send('');
  expect((await peer.until(2)).length).toBe(0);
  expect(recorder.names()).toEqual(['onPrepareListen', 'onAccept', 'onHandShake']);
  expect(server.stats().heartbeatsIn).toBe(2);
  await end();
});

test('ORD-028 ACC-015: a stray close notify makes no connection', async () => {
  const recorder = new Recorder();
  const { server, peer, end } = await begin(recorder);
  await peer.send(CLOSE_NOTIFY);
  await eventually(() => server.stats().drops.unknownPeer === 1);
  expect(server.connectionCount).toBe(0);
  expect(recorder.names()).toEqual(['onPrepareListen']);
  await end();
});

test('ORD-029 NOC-007 UD-004 UD-017 UDP-S-001 UDP-S-002: oversize from a stranger is ignored', async () => {
  const recorder = new Recorder();
  const { server, peer, end } = await begin(recorder, { maxDatagramSize: 100 });
  await peer.send(Buffer.alloc(101));
  await eventually(() => server.stats().drops.oversize === 1);
  expect(recorder.names()).toEqual(['onPrepareListen']);
  expect(server.maxDatagramSize).toBe(100);
  await end();
});

test('CLS-020 UD-004 UD-013: oversize from a known peer closes with EMSGSIZE and a notify', async () => {
  const recorder = new Recorder();
  const { peer, end } = await begin(recorder, { maxDatagramSize: 100 });
  await peer.send(Buffer.alloc(100));
  await peer.send(Buffer.alloc(101));
  expect((await recorder.until('onClose')).slice(0, 4)).toEqual(['onClose', 1, 4, 90]);
  expect(await peer.until(1)).toEqual(CLOSE_NOTIFY);
  await end();
});

test('ORD-030 NOC-006 UD-013: a full server answers with the close notify and no event', async () => {
  const recorder = new Recorder();
  const { server, port, peer, end } = await begin(recorder, { maxConnectionCount: 1 });
  await peer.send('01');
  await recorder.until('onReceive');
  const second = await RawPeer.open(port);
  await second.send('02');
  expect(await second.until(1)).toEqual(CLOSE_NOTIFY);
  expect(recorder.of('onAccept').length).toBe(1);
  expect(server.stats()).toMatchObject({ refused: 1, limits: { connections: 1 } });
  await second.close();
  await end();
});

test('CLS-018 UD-011 UD-012 UD-015: the 16 bytes close the connection and are not answered; 15 or 17 are data', async () => {
  const recorder = new Recorder();
  const { server, peer, end } = await begin(recorder);
  await peer.send(CLOSE_NOTIFY.subarray(0, 15));
  await peer.send(Buffer.concat([CLOSE_NOTIFY, Buffer.of(0)]));
  await peer.send(CLOSE_NOTIFY);
  expect(await recorder.until('onClose')).toEqual(['onClose', 1, 5, 0, undefined]);
  expect(recorder.of('onReceive').length).toBe(2);
  expect(server.stats().closeNotifiesIn).toBe(1);
  await turns();
  expect(peer.received).toEqual([]);
  await end();
});

test('EXO-005 EXO-001: after onClose the same address is a new connection with a new ID', async () => {
  const recorder = new Recorder();
  const { server, peer, end } = await begin(recorder);
  await peer.send('01');
  await peer.send(CLOSE_NOTIFY);
  await peer.send('02');
  await recorder.until('onReceive', 2);
  expect(recorder.events.map(([hook, id]) => `${hook} ${id}`).slice(1)).toEqual([
    'onAccept 1',
    'onHandShake 1',
    'onReceive 1',
    'onClose 1',
    'onAccept 2',
    'onHandShake 2',
    'onReceive 2',
  ]);
  expect(server.connectionCount).toBe(1);
  await end();
  expect(recorder.of('onClose').length).toBe(2);
});

test('EXO-005: a peer that comes back after its goodbye is a new connection, though the old one still delivers what waited', async () => {
  const answers: Array<() => void> = [];
  const recorder = new Recorder({ onReceive: () => new Promise<void>((resolve) => answers.push(resolve)) }, [
    'onSend',
    'onHandShake',
  ]);
  const server = new UdpServer(recorder.hooks as never);
  const { port } = await server.start('127.0.0.1', 0);
  const peer = await RawPeer.open(port);
  for (const bytes of ['01', '02']) await peer.send(bytes);
  await peer.send(CLOSE_NOTIFY);
  await peer.send(CLOSE_NOTIFY); // a copy
  await peer.send('03');
  await recorder.until('onReceive', 2);
  expect(server.connectionCount).toBe(2);
  answers[0]!();
  await recorder.until('onReceive', 3);
  answers[2]!();
  await recorder.until('onClose');
  answers[1]!();
  await peer.send('04');
  await recorder.until('onReceive', 4);
  expect(recorder.events.slice(1).map(([hook, id, data]) => [hook, id, hook === 'onReceive' ? data : 0])).toEqual([
    ['onAccept', 1, 0],
    ['onReceive', 1, '01'],
    ['onAccept', 2, 0],
    ['onReceive', 2, '03'],
    ['onReceive', 1, '02'],
    ['onClose', 1, 0],
    ['onReceive', 2, '04'],
  ]);
  await server.stop();
  await peer.close();
});

test.each(['onAccept', 'onHandShake'])(
  'NOC-001 NOC-002 UD-013: %s that answers Error drops the peer with a notify, no onClose',
  async (hook) => {
    const recorder = new Recorder({ [hook]: () => HandleResult.Error });
    const { server, peer, end } = await begin(recorder);
    await peer.send('01');
    expect(await peer.until(1)).toEqual(CLOSE_NOTIFY);
    await eventually(() => server.connectionCount === 0);
    await end();
    expect(recorder.of('onClose')).toEqual([]);
    expect(recorder.of('onReceive')).toEqual([]);
  },
);

test('CLS-022 UD-013: onReceive that answers Error closes with ECANCELED and a notify', async () => {
  const recorder = new Recorder({ onReceive: () => HandleResult.Error });
  const { peer, end } = await begin(recorder);
  await peer.send('01');
  expect((await recorder.until('onClose')).slice(0, 4)).toEqual(['onClose', 1, 4, 125]);
  expect(await peer.until(1)).toEqual(CLOSE_NOTIFY);
  await end();
});

test('a hook that throws closes its connection with DataProc, and no other one notices', async () => {
  const recorder = new Recorder({
    onReceive: (_server: unknown, _id: number, data: Buffer) => {
      if (data[0] === 1) throw new Error('boom');
    },
  });
  const { server, port, peer, end } = await begin(recorder);
  const other = await RawPeer.open(port);
  await other.send('02');
  await peer.send('01');
  expect((await recorder.until('onClose'))[3]).toBe(SocketErrorCode.DataProc);
  expect(recorder.of('onHookError')[0]).toEqual(['onHookError', 'onReceive', 'boom', expect.any(Number)]);
  expect(server.connectionCount).toBe(1);
  await other.close();
  await end();
});

test('UD-013 CLS-013 CS-001: stop notifies every peer, closes each, then onShutdown', async () => {
  const recorder = new Recorder();
  const { server, port, peer } = await begin(recorder);
  const second = await RawPeer.open(port);
  await peer.send('01');
  await second.send('02');
  await recorder.until('onReceive', 2);
  const report = await server.stop();
  expect(report).toMatchObject({ connections: 2, drained: 2, failed: 0 });
  expect(await peer.until(1)).toEqual(CLOSE_NOTIFY);
  expect(await second.until(1)).toEqual(CLOSE_NOTIFY);
  expect(recorder.names().slice(-3)).toEqual(['onClose', 'onClose', 'onShutdown']);
  expect(server.state).toBe(ServiceState.Stopped);
  await expect(server.stop()).rejects.toBeInstanceOf(SocketError);
  await peer.close();
  await second.close();
});

test('UD-013 CS-005 SND-009: disconnect notifies at the end of the turn, once', async () => {
  const recorder = new Recorder();
  const { server, peer, end } = await begin(recorder);
  await peer.send('01');
  await recorder.until('onReceive');
  expect(server.disconnect(1)).toBe(true);
  expect(server.disconnect(1)).toBe(true);
  expect(server.send(1, 'last')).toBe(true);
  expect(recorder.of('onClose')).toEqual([]);
  await recorder.until('onClose');
  await peer.until(2);
  expect(peer.hex()).toEqual([Buffer.from('last').toString('hex'), CLOSE_NOTIFY.toString('hex')]);
  expect(server.disconnect(1)).toBe(false);
  expect(server.lastSystemError).toBe(57);
  await end();
});

test('SND-001 SND-002 SND-008 SND-011 SND-012: sends in each situation', async () => {
  const seen: unknown[] = [];
  const recorder = new Recorder({
    onAccept: (server: UdpServer, id: number) => void seen.push(server.send(id, 'in onAccept')),
    onClose: (server: UdpServer, id: number) =>
      void seen.push(server.send(id, 'x'), server.lastSystemError, server.isConnected(id), server.getLocalAddress(id)),
  });
  const { server, peer, end } = await begin(recorder, { maxDatagramSize: 20 });
  expect([server.send(1, 'x'), server.lastSystemError]).toEqual([false, 57]);
  await peer.send('01');
  expect((await peer.until(1)).toString()).toBe('in onAccept');
  expect([server.send(1, ''), server.lastSystemError]).toEqual([false, 22]);
  expect([server.send(1, Buffer.alloc(21)), server.lastSystemError]).toEqual([false, 22]);
  expect(() => server.send(1, null as never)).toThrow(TypeError);
  expect([server.sendPackets(1, []), server.lastSystemError]).toEqual([false, 22]);
  expect([server.sendPackets(1, ['0123456789', '0123456789x']), server.lastSystemError]).toEqual([false, 90]);
  expect(server.sendPackets(1, ['ab', '', 'cd'])).toBe(true);
  expect((await peer.until(2)).toString()).toBe('abcd');
  expect([server.pauseReceive(1), server.lastSystemError]).toEqual([false, 1]);
  expect([server.isPauseReceive(1), server.lastSystemError]).toEqual([null, 1]);
  server.disconnect(1);
  await recorder.until('onClose');
  expect(seen).toEqual([true, false, 57, false, null]);
  await end();
});

test('datagrams of one peer wait in order while a promise of onReceive is pending, up to a limit', async () => {
  let release = (): void => {};
  const order: string[] = [];
  const recorder = new Recorder({
    onReceive: async (_server: unknown, _id: number, data: Buffer) => {
      order.push(`begin ${data}`);
      if (order.length === 1) await new Promise<void>((resolve) => (release = resolve));
      order.push(`end ${data}`);
    },
  });
  const { server, port, peer, end } = await begin(recorder, { maxQueuedDatagrams: 2 });
  for (const text of ['a', 'b', 'c', 'd']) await peer.send(Buffer.from(text));
  await eventually(() => server.stats().drops.queueFull === 1);
  const other = await RawPeer.open(port);
  await other.send(Buffer.from('other'));
  await eventually(() => order.includes('end other'));
  await peer.send(CLOSE_NOTIFY);
  await eventually(() => server.stats().closeNotifiesIn === 1);
  expect(server.getConnectionStats(1)).toMatchObject({ droppedDatagrams: 1, bufferedBytes: 2 });
  release();
  await recorder.until('onClose');
  expect(order.filter((each) => !each.endsWith('other'))).toEqual([
    'begin a',
    'end a',
    'begin b',
    'end b',
    'begin c',
    'end c',
  ]);
  await other.close();
  await end();
});

test('datagrams wait for an async onAccept; a refusal drops them', async () => {
  const recorder = new Recorder({
    onAccept: async (_server: unknown, id: number) => {
      await turns();
      return id === 1 ? HandleResult.Ok : HandleResult.Error;
    },
  });
  const { port, peer, end } = await begin(recorder);
  await peer.send('01');
  await recorder.until('onReceive');
  expect(recorder.names().slice(1)).toEqual(['onAccept', 'onHandShake', 'onReceive']);
  const second = await RawPeer.open(port);
  await second.send('02');
  expect(await second.until(1)).toEqual(CLOSE_NOTIFY);
  await second.close();
  await end();
});

test('a peer that closes while an async onAccept thinks is let in and ended, each once', async () => {
  let answer = (): void => {};
  const recorder = new Recorder({ onAccept: () => new Promise<void>((resolve) => (answer = resolve)) });
  const { server, peer, end } = await begin(recorder);
  await peer.send('01');
  await recorder.until('onAccept');
  server.disconnect(1);
  await turns();
  expect(recorder.of('onClose')).toEqual([]);
  answer();
  await recorder.until('onClose');
  await end();
  expect(recorder.of('onClose').length).toBe(1);
});

test('limits per address, accept rate and lists', async () => {
  const counts = async (options: UdpServerOptions, peers: number): Promise<[number, number, number]> => {
    const recorder = new Recorder();
    const { server, port, peer, end } = await begin(recorder, options);
    const others = await Promise.all(Array.from({ length: peers - 1 }, () => RawPeer.open(port)));
    for (const each of [peer, ...others]) await each.send('01');
    await eventually(() => server.stats().refused + server.connectionCount === peers);
    const { limits } = server.stats();
    await Promise.all(others.map((each) => each.close()));
    await end();
    return [limits.perAddress, limits.acceptRate, limits.blockedAddresses];
  };
  expect(await counts({ maxConnectionsPerAddress: 2 }, 3)).toEqual([1, 0, 0]);
  expect(await counts({ acceptsPerSecond: 1 }, 3)).toEqual([0, 2, 0]);
  expect(await counts({ blockList: ['127.0.0.0/8'] }, 2)).toEqual([0, 0, 2]);
  expect(await counts({ allowList: ['10.0.0.0/8'] }, 1)).toEqual([0, 0, 1]);
});

test('a blocked peer hears nothing', async () => {
  const { server, peer, end } = await begin(new Recorder(), { blockList: ['127.0.0.1'] });
  await peer.send('01');
  await eventually(() => server.stats().limits.blockedAddresses === 1);
  await turns();
  expect(peer.received).toEqual([]);
  await end();
});

test('dual stack: :: serves IPv4 and IPv6 peers, and says IPv4 addresses as such', async () => {
  const recorder = new Recorder(echo);
  const server = new UdpServer(recorder.hooks as never);
  const { port } = await server.start('::', 0);
  const four = await RawPeer.open(port);
  const six = await RawPeer.open(port, { family: 6 });
  await four.send('04');
  await six.send('06');
  expect([(await four.until(1))[0], (await six.until(1))[0]]).toEqual([4, 6]);
  expect(
    recorder
      .of('onAccept')
      .map(([, , peer]) => (peer as { address: string }).address)
      .sort(),
  ).toEqual(['127.0.0.1', '::1']);
  await server.stop();
  await four.close();
  await six.close();
});

test('SRV-001 SRV-002 ORD-009 ACC-002: failing starts', async () => {
  const recorder = new Recorder();
  const first = new UdpServer({});
  const { port } = await first.start('127.0.0.1', 0);
  const server = new UdpServer(recorder.hooks as never);
  await expect(server.start('127.0.0.1', 70_000)).rejects.toMatchObject({ socketError: SocketErrorCode.InvalidParam });
  expect(recorder.names()).toEqual([]);
  await expect(server.start('localhost', 0)).rejects.toMatchObject({
    socketError: SocketErrorCode.SocketCreate,
    errno: 99,
  });
  await expect(server.start('127.0.0.1', port)).rejects.toMatchObject({
    socketError: SocketErrorCode.SocketBind,
    errno: 98,
  });
  await expect(server.start('192.0.2.77', 0)).rejects.toMatchObject({
    socketError: SocketErrorCode.SocketBind,
    errno: 99,
  });
  expect(recorder.names()).toEqual(['onShutdown', 'onShutdown', 'onShutdown']);
  expect(server.getListenAddress()).toBe(null);
  await expect(first.start('127.0.0.1', 0)).rejects.toMatchObject({
    socketError: SocketErrorCode.IllegalState,
    errno: 1,
  });
  await first.stop();
  const refusing = new Recorder({ onPrepareListen: () => HandleResult.Error });
  await expect(new UdpServer(refusing.hooks as never).start('127.0.0.1', 0)).rejects.toMatchObject({
    socketError: SocketErrorCode.SocketPrepare,
    errno: 125,
  });
  expect(refusing.names()).toEqual(['onPrepareListen', 'onShutdown']);
});

test('an AbortSignal cancels a start, and stops a started server; await using stops too', async () => {
  const aborted = AbortSignal.abort();
  await expect(new UdpServer({}).start({ host: '127.0.0.1', signal: aborted })).rejects.toMatchObject({ errno: 125 });
  const control = new AbortController();
  const server = new UdpServer({});
  await server.start({ host: '127.0.0.1', signal: control.signal });
  control.abort();
  expect(await server.wait()).toBe(true);
  const other = new UdpServer({});
  {
    await using scoped = other;
    await scoped.start('127.0.0.1');
  }
  expect(other.state).toBe(ServiceState.Stopped);
  await other.start('127.0.0.1'); // restarts
  await other.stop();
});

test('extras, IDs, periods, and CID-003: IDs restart with the server', async () => {
  const recorder = new Recorder();
  const server = new UdpServer<{ name: string }>(recorder.hooks as never);
  for (const round of [1, 2]) {
    const { port } = await server.start('127.0.0.1', 0);
    const peer = await RawPeer.open(port);
    await peer.send('01');
    await recorder.until('onReceive', round);
    expect(server.getAllConnectionIDs()).toEqual([1]);
    expect(server.getConnectionExtra(1)).toBe(null);
    server.setConnectionExtra(1, { name: 'a' });
    expect(server.getConnectionExtra(1)?.name).toBe('a');
    expect(server.getConnectPeriod(1)).toBeGreaterThanOrEqual(0);
    expect(server.getSilencePeriod(1)).toBeGreaterThanOrEqual(0);
    expect(server.getPendingDataLength(1)).toBe(0);
    await server.stop();
    await peer.close();
  }
});
