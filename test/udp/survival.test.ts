import type { Socket } from 'node:dgram';
import { readFileSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, test } from 'vitest';
import { $host } from '../../src/core/internals.ts';
import { UdpArqClient, UdpArqServer, UdpClient, UdpServer } from '../../src/index.ts';
import { CLOSE_NOTIFY, eventually, ManualTime, push, pushedIn, RawPeer, Recorder, turns } from './tools.ts';

const echo = { onReceive: (server: UdpServer, id: number, data: Buffer) => void server.send(id, data) };

/** Lets a datagram arrive as if it came from anywhere. */
function injector(socket: Socket): (bytes: Buffer, address: string, port: number) => void {
  const symbol = Object.getOwnPropertySymbols(socket).find(({ description }) => description === 'state symbol')!;
  const { handle } = (socket as unknown as Record<symbol, { handle: { onmessage(...args: unknown[]): void } }>)[
    symbol
  ]!;
  return (bytes, address, port) => handle.onmessage(bytes.length, handle, bytes, { address, port, family: 'IPv4' });
}

const toHex = (text: string): string => Buffer.from(text).toString('hex');

function heapUsed(): number {
  setFlagsFromString('--expose-gc');
  const gc = runInNewContext('gc') as () => void;
  gc();
  gc();
  return process.memoryUsage().heapUsed;
}

function firstPacket(id: number): Buffer {
  const bytes = Buffer.from('4fbb01000000000000000000', 'hex');
  bytes.writeUInt32LE(id, 4);
  return bytes;
}

test('100,000 spoofed first packets: the heap stays flat, and real clients still get in', {
  timeout: 60_000,
}, async () => {
  let socket: Socket | undefined;
  const recorder = new Recorder({ onPrepareListen: (_server: never, given: Socket) => void (socket = given) }, [
    'onSend',
  ]);
  const server = new UdpArqServer(recorder.hooks as never);
  const { port } = await server.start('127.0.0.1', 0);
  const inject = injector(socket!);
  const flood = async (count: number): Promise<void> => {
    for (let i = 0; i < count; i++) {
      inject(firstPacket(i + 1), `127.${1 + (i % 250)}.${(i >> 8) % 250}.${i % 240}`, 1024 + (i % 60_000));
      if (i % 1000 === 0) await turns(1);
    }
    await eventually(() => (server.stats().pendingBytes ?? 0) === 0);
  };
  await flood(5000);
  const before = heapUsed();
  await flood(100_000);
  expect(heapUsed() - before).toBeLessThan(512 * 1024);
  expect(server.connectionCount).toBe(0);
  expect(server.stats().cookies?.answered).toBe(105_000);
  const client = new UdpArqClient({});
  await client.start('127.0.0.1', port);
  await eventually(() => server.connectionCount === 1);
  await client.stop();
  await server.stop();
});

test('a flood of first datagrams on a plain server stops at maxConnectionCount, with one port or many', async () => {
  let socket: Socket | undefined;
  const hooks = { onPrepareListen: (_server: unknown, given: unknown) => void (socket = given as Socket) };
  const server = new UdpServer(hooks, { maxConnectionCount: 500 });
  await server.start('127.0.0.1', 0);
  const inject = injector(socket!);
  for (let i = 0; i < 2000; i++) inject(Buffer.of(1), `127.1.${i >> 8}.${i & 255}`, i % 2 === 0 ? 4000 : 4000 + i);
  expect(server.connectionCount).toBe(500);
  expect(server.stats()).toMatchObject({ opened: 500, refused: 1500, limits: { connections: 1500 } });
  for (let i = 0; i < 500; i++) inject(CLOSE_NOTIFY, `127.1.${i >> 8}.${i & 255}`, i % 2 === 0 ? 4000 : 4000 + i);
  await eventually(() => server.connectionCount === 0);
  await server.stop();
});

test.each([
  ['UdpServer', () => new UdpServer(new Recorder(echo).hooks as never, { maxDatagramSize: 48 })],
  ['UdpArqServer with cookies', () => new UdpArqServer(new Recorder(echo as never).hooks as never)],
  ['UdpArqServer without', () => new UdpArqServer(new Recorder(echo as never).hooks as never, { arqCookies: false })],
])('garbage of every length from 0 to 64, and larger, does not hurt a %s', async (_name, make) => {
  const server = make();
  const { port } = await server.start('127.0.0.1', 0);
  const peer = await RawPeer.open(port);
  let seed = 1;
  const random = (): number => (seed = (seed * 1103515245 + 12345) & 0x7fffffff) >> 8;
  for (let round = 0; round < 3; round++) {
    for (let length = 0; length <= 64; length++) {
      const bytes = Buffer.from(Array.from({ length }, random));
      if (round > 0 && length >= 4) firstPacket(5).copy(bytes, 0, 0, 4);
      if (round > 1 && length > 4) bytes[4] = 81 + (length % 4);
      await peer.send(bytes);
    }
    await peer.send(Buffer.alloc(60_000));
  }
  await eventually(() => server.stats().datagramsIn === 3 * 66);
  const Client = server instanceof UdpServer ? UdpClient : UdpArqClient;
  const recorder = new Recorder();
  const client = new Client(recorder.hooks as never);
  await client.start('127.0.0.1', port);
  client.send('still well');
  expect((await recorder.until('onReceive'))[2]).toBe(Buffer.from('still well').toString('hex'));
  await client.stop();
  await server.stop();
  await peer.close();
});

test('garbage of every length does not hurt clients: an ARQ client closes with EBADMSG at most', async () => {
  for (let length = 1; length <= 64; length++) {
    if (length === 16) continue;
    const server = await RawPeer.open(0);
    const recorder = new Recorder();
    const client = new UdpArqClient(recorder.hooks as never);
    const started = client.start('127.0.0.1', server.port);
    started.catch(() => {});
    await server.until(2);
    await server.send(Buffer.alloc(length, 0xa5));
    await eventually(() => client.stats().datagramsIn === 1);
    if (length < 24) {
      expect((await recorder.until('onClose')).slice(2, 4)).toEqual([4, 74]);
      await expect(started).rejects.toMatchObject({ errno: 74 });
    } else {
      await client.stop(); // segments before the handshake are dropped (AQ-020)
      expect(recorder.of('onClose')[0]?.slice(2, 4)).toEqual([5, 0]);
    }
    await server.close();
  }
});

test('replayed and crossed handshakes make one connection, over which messages flow both ways', async () => {
  const recorder = new Recorder(echo as never);
  const server = new UdpArqServer(recorder.hooks as never, { turnoffCongestCtrl: true });
  const { port } = await server.start('127.0.0.1', 0);
  const peer = await RawPeer.open(port);
  await peer.send(firstPacket(5));
  await peer.send(firstPacket(5));
  const answer = await peer.until(2);
  expect(peer.received[0]).toEqual(answer);
  const proof = firstPacket(5);
  answer.copy(proof, 8, 4, 8);
  for (let i = 0; i < 3; i++) await peer.send(proof);
  await peer.send(firstPacket(5)); // one that was overtaken
  await recorder.until('onHandShake');
  await eventually(() => server.stats().datagramsIn === 6);
  expect(recorder.names('onSend')).toEqual(['onPrepareListen', 'onAccept', 'onHandShake']);
  await peer.send(push(5, 0, Buffer.from('one')));
  await peer.send(proof); // once more, among the data
  await peer.send(firstPacket(5));
  await peer.send(push(5, 1, Buffer.from('two')));
  await recorder.until('onReceive', 2);
  expect(recorder.of('onReceive').map((event) => event[2])).toEqual(['one', 'two'].map((text) => toHex(text)));
  const answers = (): string[] => [...new Set(peer.received.flatMap(pushedIn))];
  await eventually(() => answers().length === 2);
  expect(answers()).toEqual(['one', 'two']);
  // Its segments carry the ID that the handshake gave.
  const data = peer.received.find((bytes) => pushedIn(bytes).length > 0)!;
  expect(data.readUInt32LE(0)).toBe(answer.readUInt32LE(4));
  // The proof of one address is worth nothing from another.
  const thief = await RawPeer.open(port);
  await thief.send(proof);
  await eventually(() => server.stats().drops.unknownPeer === 1);
  expect(server.connectionCount).toBe(1);
  await server.stop();
  await thief.close();
  await peer.close();
});

test('crossed handshakes of a client make one connection, over which messages flow both ways', async () => {
  const server = await RawPeer.open(0);
  const recorder = new Recorder();
  const client = new UdpArqClient(recorder.hooks as never);
  const started = client.start('127.0.0.1', server.port);
  await eventually(() => server.received.some(({ length }) => length === 12));
  const own = server.received.find(({ length }) => length === 12)!.readUInt32LE(4);
  // The server's first packet crossed the client's: it does not know the client yet.
  await server.send(firstPacket(77));
  const answer = firstPacket(77);
  answer.writeUInt32LE(own, 8);
  await server.send(answer);
  await started;
  await server.send(firstPacket(77)); // one that was overtaken
  await server.send(push(77, 0, Buffer.from('hello')));
  expect((await recorder.until('onReceive'))[2]).toBe(toHex('hello'));
  expect(client.send('world')).toBe(true);
  await eventually(() => server.received.flatMap(pushedIn).includes('world'));
  expect(recorder.of('onHandShake').length).toBe(1);
  expect(recorder.of('onClose')).toEqual([]);
  await client.stop();
  await server.close();
});

test('AQ-016 UD-016: datagrams for the client that had the port before do not end a new client', async () => {
  const stranger = await RawPeer.open(0);
  const server = await RawPeer.open(0);
  const recorder = new Recorder({
    // The socket is bound and not yet connected: anybody's datagrams get in.
    onPrepareConnect: async (_client: unknown, _id: number, socket: Socket) => {
      stranger.remote.port = socket.address().port;
      await stranger.send(CLOSE_NOTIFY);
    },
  });
  const client = new UdpArqClient(recorder.hooks as never);
  const started = client.start('127.0.0.1', server.port);
  const first = await server.until(2);
  const late = firstPacket(77);
  late.writeUInt32LE(78, 8);
  await server.send(late);
  const answer = firstPacket(79);
  first.copy(answer, 8, 4, 8);
  await server.send(answer);
  await started;
  expect(recorder.of('onClose')).toEqual([]);
  await client.stop();
  await server.close();
  await stranger.close();
});

test('two clients with the same conversation ID are two connections', async () => {
  const recorder = new Recorder({
    onReceive: (server: UdpArqServer, id: number, data: Buffer) => void server.send(id, data),
  });
  const server = new UdpArqServer(recorder.hooks as never);
  const { port } = await server.start('127.0.0.1', 0);
  const peers = [await RawPeer.open(port), await RawPeer.open(port)];
  for (const peer of peers) {
    await peer.send(firstPacket(5));
    const proof = firstPacket(5);
    (await peer.until(1)).copy(proof, 8, 4, 8);
    await peer.send(proof);
    await peer.until(2);
  }
  expect(server.connectionCount).toBe(2);
  await server.stop();
  await Promise.all(peers.map((peer) => peer.close()));
});

test('a plain client that restarts with the same address goes on as the same connection', async () => {
  const recorder = new Recorder();
  const server = new UdpServer(recorder.hooks as never);
  const { port } = await server.start('127.0.0.1', 0);
  const first = await RawPeer.open(port);
  const localPort = first.port;
  await first.send('01');
  await recorder.until('onReceive');
  await first.close(); // killed: no notify
  const second = await RawPeer.open(port, { localPort });
  await second.send('02');
  await recorder.until('onReceive', 2);
  expect(recorder.of('onAccept').length).toBe(1);
  await server.stop();
  await second.close();
});

test('UD-008 UD-009 CLS-019: ARQ peers that vanish are noticed at both ends by the heartbeat rule', async () => {
  const time = new ManualTime();
  const options = { detectAttempts: 1, detectInterval: 1000 };
  const recorder = new Recorder();
  const server = time.drive(new UdpArqServer(recorder.hooks as never, options));
  const { port } = await server.start('127.0.0.1', 0);
  const clientSide = new Recorder();
  const client = time.drive(new UdpArqClient(clientSide.hooks as never, options));
  await client.start('127.0.0.1', port);
  await recorder.until('onHandShake');
  await turns();
  // From here on nothing leaves either of them.
  for (const each of [server, client])
    (each as unknown as { [$host]: { socket: { send: unknown } } })[$host].socket.send = () => 0;
  time.pass(1970);
  await turns();
  expect([recorder.of('onClose').length, clientSide.of('onClose').length]).toEqual([0, 0]);
  time.pass(60);
  expect((await recorder.until('onClose')).slice(2, 4)).toEqual([5, 0]);
  expect((await clientSide.until('onClose')).slice(2, 4)).toEqual([5, 0]);
  await client.wait();
  await server.stop();
});

test('the system without buffers: datagrams are dropped and counted; other errors close that connection (CLS-023)', async () => {
  const recorder = new Recorder(echo);
  const server = new UdpServer(recorder.hooks as never);
  const { port } = await server.start('127.0.0.1', 0);
  const peer = await RawPeer.open(port);
  await peer.send('01');
  await peer.until(1);
  const { socket } = (server as unknown as { [$host]: { socket: { send: unknown } } })[$host];
  const { send } = socket;
  socket.send = () => -105; // ENOBUFS
  expect([server.send(1, 'x'), server.lastSystemError]).toEqual([false, 105]);
  expect(server.lastFailure?.message).toContain('send slower');
  socket.send = () => -90; // EMSGSIZE
  expect([server.send(1, 'x'), server.lastSystemError]).toEqual([false, 90]);
  expect(server.stats().drops).toMatchObject({ noBuffers: 1, tooLarge: 1 });
  expect(server.isConnected(1)).toBe(true);
  socket.send = () => -1; // EPERM, a firewall
  expect([server.send(1, 'x'), server.lastSystemError]).toEqual([false, 1]);
  socket.send = send;
  expect((await recorder.until('onClose')).slice(1, 4)).toEqual([1, 3, 1]);
  await server.stop();
  await peer.close();
});

test('the send queue is bounded', async () => {
  const server = new UdpServer(new Recorder().hooks as never, { maxSendQueueBytes: 65_536 });
  const { port } = await server.start('127.0.0.1', 0);
  const peer = await RawPeer.open(port);
  await peer.send('01');
  await eventually(() => server.connectionCount === 1);
  const host = (server as unknown as { [$host]: { socket: object } })[$host];
  const { socket } = host;
  host.socket = Object.create(socket, { queuedCount: { value: 1 }, queuedBytes: { value: 65_530 } });
  expect([server.send(1, Buffer.alloc(7)), server.lastSystemError]).toEqual([false, 105]);
  expect(server.stats().drops.sendQueueFull).toBe(1);
  host.socket = socket;
  await server.stop();
  await peer.close();
});

// ---- recording of the C++ library ----------------------------------------------------------------------------------

const recording = JSON.parse(readFileSync(new URL('../vectors/udp.json', import.meta.url), 'utf8')) as Array<{
  from: string;
  hex: string;
}>;
const recorded = (from: string): string[] => recording.filter((each) => each.from === from).map(({ hex }) => hex);

test('UD-003 UD-005 UD-007: our server answers the recorded client as the recorded server did', async () => {
  const recorder = new Recorder(echo);
  const server = new UdpServer(recorder.hooks as never);
  const { port } = await server.start('127.0.0.1', 0);
  const peer = await RawPeer.open(port);
  for (const hex of recorded('client')) await peer.send(hex);
  expect((await recorder.until('onClose')).slice(2, 4)).toEqual([5, 0]);
  await peer.until(recorded('server').length);
  expect(peer.hex()).toEqual(recorded('server'));
  await server.stop();
  await peer.close();
});

test('UD-006 UD-014: our client sends to the recorded server what the recorded client did', async () => {
  const time = new ManualTime();
  const server = await RawPeer.open(0);
  const recorder = new Recorder();
  const client = time.drive(new UdpClient(recorder.hooks as never, { detectInterval: 1000 }));
  await client.start('127.0.0.1', server.port);
  const messages = recorded('client').filter((hex) => hex.length > 32);
  for (const hex of messages) client.send(Buffer.from(hex, 'hex'));
  await server.until(1 + messages.length);
  const answers = recorded('server');
  for (const hex of answers.slice(0, 1 + messages.length)) await server.send(hex);
  for (const [i, hex] of answers.slice(1 + messages.length).entries()) {
    time.pass(1000);
    await server.until(2 + messages.length + i);
    await server.send(hex);
    await eventually(() => client.stats().datagramsIn === 2 + messages.length + i);
  }
  await recorder.until('onReceive', messages.length);
  await client.stop();
  await server.until(recorded('client').length);
  expect(server.hex()).toEqual(recorded('client'));
  expect(recorder.of('onReceive').map((event) => event[2])).toEqual(messages);
  await server.close();
});
