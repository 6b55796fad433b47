import { afterEach, expect, test } from 'vitest';
import { $host } from '../../src/core/internals.ts';
import { HandleResult, ServiceState, SocketErrorCode, SocketOperation, UdpClient, UdpServer } from '../../src/index.ts';
import { CLOSE_NOTIFY, eventually, ManualTime, RawPeer, Recorder, turns } from './tools.ts';

const open: RawPeer[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((peer) => peer.close()));
});

async function rawServer(): Promise<RawPeer> {
  const peer = await RawPeer.open(0);
  open.push(peer);
  return peer;
}

test('ORD-031 EV-C-01 EV-C-02 EV-C-03 EV-C-04 EV-C-06 EV-C-07 UD-006: hooks of a client, and the first heartbeat', async () => {
  const server = await rawServer();
  const recorder = new Recorder();
  const client = new UdpClient<string>(recorder.hooks as never);
  client.extra = 'kept';
  const { port } = server;
  await client.start('127.0.0.1', port);
  expect(recorder.names()).toEqual(['onPrepareConnect', 'onConnect', 'onHandShake']);
  expect((await server.until(1)).length).toBe(0);
  expect(client.isConnected).toBe(true);
  expect(client.getRemoteHost()).toEqual({ host: '127.0.0.1', port });
  expect(client.getLocalAddress()?.port).toBe(server.remote.port);
  expect(client.send('hello')).toBe(true);
  expect((await server.until(2)).toString()).toBe('hello');
  await recorder.until('onSend');
  await server.send(Buffer.from('answer'));
  await recorder.until('onReceive');
  await client.stop();
  expect(await server.until(3)).toEqual(CLOSE_NOTIFY); // UD-014
  const id = client.connectionId;
  expect(recorder.events).toEqual([
    ['onPrepareConnect', id, '<socket>'],
    ['onConnect', id],
    ['onHandShake', id],
    ['onSend', id, Buffer.from('hello').toString('hex')],
    ['onReceive', id, Buffer.from('answer').toString('hex')],
    ['onClose', id, 5, 0, undefined],
  ]);
  expect(client.extra).toBe('kept');
  expect(client.getRemoteHost()).toBe(null);
  expect([client.send('x'), client.lastSystemError]).toEqual([false, 1]); // SND-001
  await expect(client.stop()).rejects.toMatchObject({ socketError: SocketErrorCode.IllegalState });
  await client.start('127.0.0.1', port);
  expect(client.connectionId).toBeGreaterThan(id); // CID-005
  await client.stop();
});

test('CLS-018 UD-012 UD-014: a received notify closes without an answer; the client can start again', async () => {
  const server = await rawServer();
  const recorder = new Recorder();
  const client = new UdpClient(recorder.hooks as never);
  await client.start('127.0.0.1', server.port);
  await server.until(1);
  await server.send(CLOSE_NOTIFY);
  expect((await recorder.until('onClose')).slice(2)).toEqual([5, 0, undefined]);
  await client.wait();
  await turns();
  expect(server.received.length).toBe(1);
});

test('UD-017 UD-004 CLS-020 UD-014 UDP-C-001 UDP-C-002: notify before size, then oversize with EMSGSIZE and a notify', async () => {
  const server = await rawServer();
  const recorder = new Recorder();
  const client = new UdpClient(recorder.hooks as never, { maxDatagramSize: 10 });
  await client.start('127.0.0.1', server.port);
  await server.until(1);
  await server.send(CLOSE_NOTIFY);
  expect((await recorder.until('onClose')).slice(2, 4)).toEqual([5, 0]);
  await client.wait();
  await client.start('127.0.0.1', server.port);
  server.remote.port = 0;
  await eventually(() => server.received.length === 2);
  await server.send(Buffer.alloc(11));
  expect((await recorder.until('onClose', 2)).slice(2, 4)).toEqual([4, 90]);
  expect(await server.until(3)).toEqual(CLOSE_NOTIFY);
  expect(client.lastSystemError).toBe(90);
});

test('CLS-022 UD-014: onReceive that answers Error closes with ECANCELED and a notify', async () => {
  const server = await rawServer();
  const recorder = new Recorder({ onReceive: () => HandleResult.Error });
  const client = new UdpClient(recorder.hooks as never);
  await client.start('127.0.0.1', server.port);
  await server.until(1);
  await server.send('01');
  expect((await recorder.until('onClose')).slice(2, 4)).toEqual([4, 125]);
  expect(await server.until(2)).toEqual(CLOSE_NOTIFY);
});

test.each(['onPrepareConnect', 'onConnect', 'onHandShake'])(
  'NOC-002 NOC-003 NOC-004 ACC-009 UD-014: %s that answers Error rejects start, with no onClose',
  async (hook) => {
    const server = await rawServer();
    const recorder = new Recorder({ [hook]: () => HandleResult.Error });
    const client = new UdpClient(recorder.hooks as never);
    const code = hook === 'onPrepareConnect' ? SocketErrorCode.SocketPrepare : SocketErrorCode.ConnectServer;
    await expect(client.start('127.0.0.1', server.port)).rejects.toMatchObject({ socketError: code, errno: 125 });
    expect(client.state).toBe(ServiceState.Stopped);
    expect(recorder.of('onClose')).toEqual([]);
    // The first heartbeat leaves between onConnect and onHandShake.
    const last = hook === 'onHandShake' ? 2 : 1;
    if (hook !== 'onPrepareConnect') expect(await server.until(last)).toEqual(CLOSE_NOTIFY);
  },
);

test('async mode: a refusing onConnect stops the client by itself, with a notify and no onClose', async () => {
  const server = await rawServer();
  const recorder = new Recorder({ onConnect: () => HandleResult.Error });
  const client = new UdpClient(recorder.hooks as never);
  await client.start('127.0.0.1', server.port, { asyncConnect: true });
  expect(await client.wait()).toBe(true);
  expect(await server.until(1)).toEqual(CLOSE_NOTIFY);
  expect(recorder.names()).toEqual(['onPrepareConnect', 'onConnect']);
});

test('CLS-021 CLS-023 UD-016: nobody listens: ICMP closes with ECONNREFUSED', async () => {
  const gone = await RawPeer.open(0);
  const { port } = gone;
  await gone.close();
  const recorder = new Recorder();
  const client = new UdpClient(recorder.hooks as never);
  await client.start('127.0.0.1', port);
  expect((await recorder.until('onClose')).slice(2, 4)).toEqual([5, 111]);
  await client.wait();
  expect(client.lastSystemError).toBe(111);
});

test('UD-016: datagrams of others than the server are not received', async () => {
  const server = await rawServer();
  const recorder = new Recorder();
  const client = new UdpClient(recorder.hooks as never);
  await client.start('127.0.0.1', server.port);
  await server.until(1);
  const stranger = await RawPeer.open(client.getLocalAddress()!.port);
  await stranger.send('bad0');
  await server.send('900d');
  expect((await recorder.until('onReceive'))[2]).toBe('900d');
  await stranger.close();
  await client.stop();
  expect(recorder.of('onReceive').length).toBe(1);
});

test('CLI-005 CLI-018: while paused, datagrams wait', async () => {
  const server = await rawServer();
  const recorder = new Recorder();
  const client = new UdpClient(recorder.hooks as never, { maxQueuedDatagrams: 2 });
  await client.start('127.0.0.1', server.port);
  await server.until(1);
  expect(client.pauseReceive()).toBe(true);
  expect(client.isPauseReceive).toBe(true);
  for (const hex of ['01', '02', '03']) await server.send(hex);
  await eventually(() => client.stats().drops.queueFull === 1);
  expect(recorder.of('onReceive')).toEqual([]);
  client.pauseReceive(false);
  await recorder.until('onReceive', 2);
  expect(recorder.of('onReceive').map((event) => event[2])).toEqual(['01', '02']);
  await client.stop();
});

test('UD-012: what came before the goodbye is delivered, though answers to it find nobody', async () => {
  const server = await RawPeer.open(0);
  const answers: Array<() => void> = [];
  const recorder = new Recorder({
    onReceive: (client: UdpClient) => {
      client.send('answer');
      return new Promise<void>((resolve) => answers.push(resolve));
    },
  });
  const client = new UdpClient(recorder.hooks as never);
  await client.start('127.0.0.1', server.port);
  await server.until(1); // the heartbeat tells where to send to
  for (const bytes of ['01', '02', '03']) await server.send(bytes);
  await server.send(CLOSE_NOTIFY);
  await recorder.until('onReceive');
  await eventually(() => client.stats().closeNotifiesIn === 1);
  await server.close();
  for (let count = 1; count <= 3; count++) {
    await recorder.until('onReceive', count);
    client.send('again');
    await turns(2); // ICMP's answer, if it is a system that tells
    answers[count - 1]!();
  }
  expect((await recorder.until('onClose')).slice(2, 4)).toEqual([5, 0]);
  expect(recorder.of('onReceive').map((event) => event[2])).toEqual(['01', '02', '03']);
  await client.wait();
});

test('CLI-001: targets that make no sense, and a host name', async () => {
  const client = new UdpClient({});
  await expect(client.start('', 1)).rejects.toMatchObject({ socketError: SocketErrorCode.InvalidParam });
  await expect(client.start('127.0.0.1', 0)).rejects.toMatchObject({ socketError: SocketErrorCode.InvalidParam });
  await expect(client.start('127.0.0.1', 9, { localAddress: '::1' })).rejects.toMatchObject({ errno: 97 });
  await expect(client.start('127.0.0.1', 9, { localAddress: 'nowhere' })).rejects.toMatchObject({ errno: 99 });
  await expect(client.start('no.such.host.invalid', 9)).rejects.toMatchObject({
    socketError: SocketErrorCode.SocketCreate,
    errno: 113,
  });
  const server = await rawServer();
  await client.start('localhost', server.port, { localAddress: '127.0.0.1' });
  await server.until(1);
  await client.stop();
});

// ---- heartbeats, in time that passes only when told ----------------------------------------------------------------

test('UD-006 UD-008 CLS-019 UDP-C-003 UDP-C-004 UDP-C-005 UDP-C-006: a client notices a server that vanished, and no sooner', async () => {
  const time = new ManualTime();
  const server = await rawServer();
  const recorder = new Recorder();
  const client = time.drive(new UdpClient(recorder.hooks as never, { detectAttempts: 2, detectInterval: 1000 }));
  await client.start('127.0.0.1', server.port);
  await server.until(1);
  for (const count of [2, 3]) {
    time.pass(1000);
    expect((await server.until(count)).length).toBe(0);
  }
  // An answer resets the count; any datagram does.
  await server.send('');
  await eventually(() => client.stats().datagramsIn === 1);
  time.pass(1000);
  await server.until(4);
  time.pass(1000);
  await server.until(5);
  time.pass(980);
  await turns();
  expect(recorder.of('onClose')).toEqual([]);
  time.pass(30);
  expect((await recorder.until('onClose')).slice(2, 4)).toEqual([5, 0]);
  await client.wait();
  await turns();
  expect(server.received.length).toBe(5); // no notify
  expect(client.stats().limits.heartbeat).toBe(1);
});

test('UD-009 CLS-019 UDP-S-005 UDP-S-006 UDP-S-007 UDP-S-008: a server notices a client that vanished, and no sooner', async () => {
  const time = new ManualTime();
  const recorder = new Recorder();
  const server = time.drive(new UdpServer(recorder.hooks as never, { detectAttempts: 2, detectInterval: 1000 }));
  const { port } = await server.start('127.0.0.1', 0);
  const peer = await RawPeer.open(port);
  await peer.send('01');
  await recorder.until('onReceive');
  time.pass(2500);
  await peer.send('');
  await peer.until(1);
  time.pass(2980);
  await turns();
  expect(recorder.of('onClose')).toEqual([]);
  expect(server.getSilencePeriod(1)).toBeGreaterThan(5000); // UD-010: heartbeats are silence
  time.pass(40);
  expect((await recorder.until('onClose')).slice(2, 4)).toEqual([5, 0]);
  await turns();
  expect(peer.received.length).toBe(1); // the server never begins (UD-009), and sends no notify
  await server.stop();
  await peer.close();
});

test.each([
  [0, 1000],
  [3, 0],
])('UD-006: no heartbeats with detectAttempts %i, detectInterval %i', async (detectAttempts, detectInterval) => {
  const time = new ManualTime();
  const server = await rawServer();
  const client = time.drive(new UdpClient({}, { detectAttempts, detectInterval }));
  await client.start('127.0.0.1', server.port);
  time.pass(10_000);
  client.send('data');
  expect((await server.until(1)).toString()).toBe('data');
  await client.stop();
});

test('UD-010: disconnectSilenceConnections counts data only', async () => {
  const time = new ManualTime();
  const recorder = new Recorder();
  const server = time.drive(new UdpServer(recorder.hooks as never));
  const { port } = await server.start('127.0.0.1', 0);
  const peer = await RawPeer.open(port);
  await peer.send('01');
  await recorder.until('onReceive');
  time.pass(500);
  await peer.send('');
  await peer.until(1);
  server.disconnectSilenceConnections(501);
  await turns();
  expect(server.connectionCount).toBe(1);
  server.disconnectSilenceConnections(500);
  await recorder.until('onClose');
  await server.stop();
  await peer.close();
});

test('UD-018: a heartbeat that the system refuses is counted and ends nothing', async () => {
  const time = new ManualTime();
  const server = await rawServer();
  const client = time.drive(new UdpClient({}, { detectInterval: 1000 }));
  await client.start('127.0.0.1', server.port);
  const host = (client as unknown as { [$host]: { socket: { send: unknown } } })[$host];
  const { send } = host.socket;
  host.socket.send = () => -1; // EPERM, as a firewall answers
  time.pass(1000);
  host.socket.send = send;
  expect(client.stats().sendErrors).toBe(1);
  expect(client.isConnected).toBe(true);
  await client.stop();
});

test('UD-004 UD-006: what onHandShake sends leaves after the first heartbeat, so a server closes for a first datagram that is too large', async () => {
  const sends = { onHandShake: (client: UdpClient) => void client.send('hello') };
  const raw = await rawServer();
  const client = new UdpClient(new Recorder(sends as never).hooks as never);
  await client.start('127.0.0.1', raw.port);
  await raw.until(2);
  await client.stop();
  await raw.until(3);
  expect(raw.received.map(({ length }) => length)).toEqual([0, 5, 16]);

  const recorder = new Recorder();
  const server = new UdpServer(recorder.hooks as never, { maxDatagramSize: 100 });
  const { port } = await server.start('127.0.0.1', 0);
  const large = { onHandShake: (sender: UdpClient) => void sender.send(Buffer.alloc(101)) };
  const talker = new UdpClient(new Recorder(large as never).hooks as never);
  await talker.start('127.0.0.1', port);
  expect((await recorder.until('onClose')).slice(2, 4)).toEqual([SocketOperation.Receive, 90]);
  await talker.wait();
  await server.stop();
});
