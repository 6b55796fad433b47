import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { UdpArqClient, UdpArqServer } from '../../src/index.ts';
import { eventually, ManualTime, push, pushedIn, RawPeer, Recorder, turns } from './tools.ts';

const echo = { onReceive: (server: UdpArqServer, id: number, data: Buffer) => void server.send(id, data) };
const first = (
  JSON.parse(readFileSync(new URL('../vectors/kcp-stock.json', import.meta.url), 'utf8')) as [{ hex: string }]
)[0];

test('a server of stock KCP: no handshake, the conv of the client, the recorded messages echoed', async () => {
  const recorder = new Recorder(echo);
  const server = new UdpArqServer(recorder.hooks as never, { preset: 'stockKcp', turnoffCongestCtrl: true });
  expect([server.checkConv, server.minRto, server.maxTransUnit]).toEqual([true, 100, 1400]);
  const { port } = await server.start('127.0.0.1', 0);
  const peer = await RawPeer.open(port);
  await peer.send(first.hex);
  await recorder.until('onReceive', 2);
  expect(recorder.names('onSend').slice(0, 4)).toEqual(['onPrepareListen', 'onAccept', 'onHandShake', 'onReceive']);
  const received = recorder.of('onReceive').map(([, , hex]) => hex as string);
  await eventually(() => new Set(peer.received.flatMap(pushedIn)).size === 2);
  expect(
    [...new Set(peer.received.flatMap(pushedIn))].map((text) => Buffer.from(text, 'latin1').toString('hex')),
  ).toEqual(received);
  for (const datagram of peer.received) {
    expect(datagram.length).toBeGreaterThanOrEqual(24);
    expect(datagram.readUInt32LE(0)).toBe(0x11223344);
  }
  await server.stop();
  await peer.close();
});

test('strangers without the beginning of a conversation get no connection, and FEC is refused with a sentence', async () => {
  const recorder = new Recorder();
  const server = new UdpArqServer(recorder.hooks as never, { preset: 'stockKcp', conv: 7 });
  const { port } = await server.start('127.0.0.1', 0);
  const peer = await RawPeer.open(port);
  const foreign = push(8, 0, Buffer.from('x'));
  const late = push(7, 500, Buffer.from('x'));
  const fec = Buffer.concat([Buffer.from([1, 0, 0, 0, 0xf1, 0, 27, 0]), push(7, 0, Buffer.from('x'))]);
  for (const datagram of [foreign, late, Buffer.alloc(0), Buffer.from('hello'), fec]) await peer.send(datagram);
  await eventually(() => server.stats().drops.unknownPeer === 4);
  expect(server.stats().drops.foreignConversation).toBe(1);
  expect(server.lastFailure?.message).toContain('forward error correction (kcp-go with dataShards and parityShards)');
  expect([server.connectionCount, recorder.of('onAccept'), peer.received]).toEqual([0, [], []]);
  await peer.send(push(7, 0, Buffer.from('x')));
  await recorder.until('onReceive');
  // Another conversation of the same address is none of this connection's business.
  await peer.send(push(8, 1, Buffer.from('y')));
  await eventually(() => server.stats().drops.foreignConversation === 2);
  expect(server.lastFailure).toMatchObject({ code: 'HP_BAD_MESSAGE', connId: 1 });
  expect(server.lastFailure!.message).toContain(
    'the peer sent conversation 8, and this one is 7; both ends need the same conv',
  );
  await peer.send(push(7, 1, Buffer.from('z')));
  await recorder.until('onReceive', 2);
  expect(recorder.of('onReceive').map(([, , hex]) => hex)).toEqual(['78', '7a']);
  await server.stop();
  await peer.close();
});

test('a conv that does not match is reported at either end', async () => {
  const server = new UdpArqServer(echo as never, { preset: 'stockKcp', conv: 7 });
  const { port } = await server.start('127.0.0.1', 0);
  const client = new UdpArqClient({}, { preset: 'stockKcp', conv: 8, flushInterval: 10 });
  await client.start('127.0.0.1', port);
  client.send('hello?');
  await eventually(() => server.stats().drops.foreignConversation > 0);
  expect(server.lastFailure!.message).toMatch(
    /127\.0\.0\.1:\d+: the peer sent conversation 8, and this one is 7; both ends need the same conv/,
  );
  expect(server.connectionCount).toBe(0);
  await client.stop();
  await server.stop();

  const raw = await RawPeer.open(0);
  const other = new UdpArqClient({}, { preset: 'stockKcp', conv: 8 });
  await other.start('127.0.0.1', raw.port);
  other.send('hello?');
  await raw.until(1);
  await raw.send(push(9, 0, Buffer.from('x')));
  await raw.send(Buffer.from('what is this?'));
  await eventually(() => other.stats().drops.foreignConversation === 2);
  expect(other.lastFailure!.message).toContain('the peer sent what is no KCP, and this one is 8');
  expect(other.isConnected).toBe(true);
  await other.stop();
  await raw.close();
});

test('a client of stock KCP: open at once, its conv, no heartbeats; FEC from the server closes with a sentence', async () => {
  const time = new ManualTime();
  const server = await RawPeer.open(0);
  const recorder = new Recorder();
  const options = { preset: 'stockKcp', conv: 0xfffffffe, detectInterval: 1000 } as const;
  const client = time.drive(new UdpArqClient(recorder.hooks as never, options));
  await client.start('127.0.0.1', server.port);
  expect(client.send('hello')).toBe(true);
  const datagram = await server.until(1);
  expect([datagram.readUInt32LE(0), pushedIn(datagram)]).toEqual([0xfffffffe, ['hello']]);
  const acknowledged = Buffer.from(datagram.subarray(0, 24));
  acknowledged[4] = 82;
  acknowledged.writeUInt32LE(0, 20);
  acknowledged.writeUInt32LE(1, 16);
  await server.send(acknowledged);
  await eventually(() => client.waitingSendMessageCount === 0);
  time.pass(100_000);
  await turns();
  expect([client.isConnected, server.received.length]).toEqual([true, 1]);
  await server.send(Buffer.concat([Buffer.from([1, 0, 0, 0, 0xf2, 0]), Buffer.alloc(60)]));
  const [, , operation, errno, reason] = await recorder.until('onClose');
  expect([operation, errno]).toEqual([4, 71]);
  expect(reason).toContain('forward error correction');
  await client.wait();
  await server.close();
});

test('client and server of stock KCP with each other', async () => {
  const server = new UdpArqServer(echo as never, { preset: 'stockKcp' });
  const { port } = await server.start('127.0.0.1', 0);
  const recorder = new Recorder();
  const client = new UdpArqClient(recorder.hooks as never, { preset: 'stockKcp' });
  await client.start('127.0.0.1', port);
  const large = Buffer.alloc(100_000, 'large');
  client.send('small');
  client.send(large);
  await recorder.until('onReceive', 2);
  expect(recorder.of('onReceive').map(([, , hex]) => hex)).toEqual([
    Buffer.from('small').toString('hex'),
    large.toString('hex'),
  ]);
  await client.stop();
  await server.stop();
});
