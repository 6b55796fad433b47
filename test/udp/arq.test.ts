import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { $host } from '../../src/core/internals.ts';
import {
  HandleResult,
  SocketErrorCode,
  UdpArqClient,
  UdpArqServer,
  type UdpArqServerOptions,
} from '../../src/index.ts';
import { directSource } from '../../src/udp/datagram-source.ts';
import { ArqStrangers } from '../../src/udp/udp-arq-strangers.ts';
import { CLOSE_NOTIFY, eventually, handshake, ManualTime, push, pushedIn, RawPeer, Recorder, turns } from './tools.ts';

async function begin(recorder: Recorder, options: UdpArqServerOptions = {}, time?: ManualTime) {
  const server = new UdpArqServer(recorder.hooks as never, options);
  time?.drive(server);
  const { port } = await server.start('127.0.0.1', 0);
  const peer = await RawPeer.open(port);
  const end = async (): Promise<void> => {
    if (server.hasStarted) await server.stop();
    await peer.close();
  };
  return { server, port, peer, end };
}

/** Shakes hands as a client with cookies does; returns the server's ID. */
async function prove(peer: RawPeer, own = 0x0badcafe, at = peer.received.length): Promise<number> {
  await peer.send(handshake(own, 0));
  const answer = await peer.until(at + 1);
  expect(answer.length).toBe(12); // no longer than what came
  expect(answer.readUInt32LE(8)).toBe(own);
  const id = answer.readUInt32LE(4);
  await peer.send(handshake(own, id, true));
  await peer.until(at + 2);
  return id;
}

const echo = { onReceive: (server: UdpArqServer, id: number, data: Buffer) => void server.send(id, data) };

test('ORD-033 ORD-034 AQ-013 AQ-016 AQ-017 AQ-022 AQ-038 AQ-041: client and server, hook by hook', async () => {
  const sides = new Recorder(echo);
  const { server, port, end } = await begin(sides);
  const recorder = new Recorder();
  const client = new UdpArqClient(recorder.hooks as never);
  await client.start('127.0.0.1', port);
  expect(client.send('hello')).toBe(true);
  await recorder.until('onReceive');
  await client.stop();
  await sides.until('onClose');
  expect(recorder.names('onSend')).toEqual(['onPrepareConnect', 'onConnect', 'onHandShake', 'onReceive', 'onClose']);
  expect(recorder.events[2]?.[0]).toBe('onSend');
  expect(String(recorder.events[2]?.[2]).length).toBe(24); // 12 raw bytes
  expect(sides.names('onSend')).toEqual(['onPrepareListen', 'onAccept', 'onHandShake', 'onReceive', 'onClose']);
  expect(server.stats().cookies?.proved).toBe(1);
  expect(server.stats().cookies?.answered).toBeGreaterThanOrEqual(1); // more when the client had to ask again
  await end();
});

test('AQ-003 AQ-006 AQ-007 AQ-008 AQ-009 AQ-010: an unproven peer gets 12 bytes for 12, no state, no hook', async () => {
  const recorder = new Recorder();
  const { server, peer, end } = await begin(recorder);
  await peer.send(handshake(7, 0));
  const answer = await peer.until(1);
  expect(answer.subarray(0, 4).toString('hex')).toBe('4fbb0100');
  expect(answer.readUInt32LE(8)).toBe(7);
  expect(server.connectionCount).toBe(0);
  await peer.send(handshake(7, answer.readUInt32LE(4)));
  await recorder.until('onHandShake');
  expect(recorder.names('onSend')).toEqual(['onPrepareListen', 'onAccept', 'onHandShake']);
  await end();
});

test('AQ-013 AQ-015 AQ-014 UD-002 ARQ-S-021 ARQ-S-022: without cookies, as HP-Socket: any datagram, at once, {s,0} then {s,c}', async () => {
  const recorder = new Recorder();
  const time = new ManualTime();
  const { peer, end } = await begin(recorder, { arqCookies: false }, time);
  await peer.send('');
  await peer.until(2);
  expect(peer.received.map(({ length }) => length).sort()).toEqual([0, 12]);
  const first = peer.received.find(({ length }) => length === 12)!;
  expect(first.readUInt32LE(8)).toBe(0);
  const id = first.readUInt32LE(4);
  await peer.send(handshake(9, 0));
  expect((await peer.until(3)).equals(handshake(id, 9))).toBe(true);
  time.pass(60);
  expect((await peer.until(4)).equals(handshake(id, 9))).toBe(true);
  await peer.send(handshake(9, id));
  await recorder.until('onHandShake');
  await end();
});

test('CLS-024 AQ-019: the handshake time-out: server OnClose(Close, 0), notify', async () => {
  const recorder = new Recorder();
  const time = new ManualTime();
  const { server, peer, end } = await begin(recorder, { arqCookies: false, handshakeTimeoutMs: 500 }, time);
  await peer.send('');
  await recorder.until('onAccept');
  time.pass(480);
  await turns();
  expect(recorder.of('onClose')).toEqual([]);
  time.pass(100);
  expect((await recorder.until('onClose')).slice(2, 4)).toEqual([5, 0]);
  await eventually(() => peer.received.at(-1)?.equals(CLOSE_NOTIFY) === true);
  expect(server.stats().limits.handshakeTimeouts).toBe(1);
  await end();
});

test('CLS-024 AQ-019: a client whose server does not answer: ETIMEDOUT, start rejects, onClose tells, notify', async () => {
  const silent = await RawPeer.open(0);
  const recorder = new Recorder();
  const time = new ManualTime();
  const client = time.drive(new UdpArqClient(recorder.hooks as never, { handshakeTimeoutMs: 500 }));
  const started = client.start('127.0.0.1', silent.port);
  started.catch(() => {});
  await silent.until(2);
  expect(silent.received.map(({ length }) => length)).toEqual([0, 12]); // UD-006 before AQ-013
  expect([client.send('early'), client.lastSystemError]).toEqual([false, 1]); // SND-007 AQ-037
  time.pass(600);
  // What a host with several addresses does to its clients is named.
  await expect(started).rejects.toMatchObject({ errno: 110, message: expect.stringMatching(/listens on 0\.0\.0\.0/) });
  expect((await recorder.until('onClose')).slice(2, 4)).toEqual([5, 110]);
  await eventually(() => silent.received.at(-1)?.equals(CLOSE_NOTIFY) === true);
  await silent.close();
});

test.each([
  ['AQ-005: 5 bytes', Buffer.alloc(5), 74],
  ['AQ-002 AQ-005: 16 other bytes', Buffer.alloc(16), 74],
  ['AQ-021: wrong magic', Buffer.from('ffff0100feca0dba00000000', 'hex'), 74],
  ['AQ-021: unknown flag', Buffer.from('4fbb0102feca0dba00000000', 'hex'), 74],
  ['AQ-004 AQ-039 KC-028: an unknown KCP command', Buffer.alloc(24, 1), 74],
])('CLS-025 %s closes with EBADMSG and a notify', async (_name, bytes, errno) => {
  const recorder = new Recorder();
  const { peer, end } = await begin(recorder);
  await prove(peer);
  await recorder.until('onHandShake');
  await peer.send(bytes);
  expect((await recorder.until('onClose')).slice(2, 4)).toEqual([4, errno]);
  await eventually(() => peer.received.at(-1)?.equals(CLOSE_NOTIFY) === true);
  await end();
});

test('CLS-027 AQ-034 ARQ-S-019 ARQ-S-020: a message larger than maxMessageSize closes with EMSGSIZE', async () => {
  const recorder = new Recorder();
  const { peer, end } = await begin(recorder, { maxMessageSize: 100 });
  await prove(peer, 5);
  await peer.send(push(5, 0, Buffer.alloc(100)));
  await recorder.until('onReceive');
  await peer.send(push(5, 1, Buffer.alloc(101)));
  expect((await recorder.until('onClose')).slice(2, 4)).toEqual([4, 90]);
  await end();
});

test('CLS-026 AQ-016 AQ-018: without cookies, a peer that changed its ID closes with ECONNRESET', async () => {
  const recorder = new Recorder();
  const { peer, end } = await begin(recorder, { arqCookies: false });
  await peer.send(handshake(5, 0));
  const { length } = await peer.until(1);
  expect(length).toBe(12);
  await peer.send(handshake(6, 0));
  expect((await recorder.until('onClose')).slice(2, 4)).toEqual([4, 104]);
  await end();
});

test('CLS-026 AQ-018: with cookies, a client restarted with the same address takes its old connection’s place; a forgery does not', async () => {
  const recorder = new Recorder();
  const { server, peer, end } = await begin(recorder);
  await prove(peer, 5);
  await recorder.until('onHandShake');
  await peer.send(handshake(99, 0)); // anyone can send this
  await peer.until(3);
  await peer.send(handshake(99, 12345));
  await peer.send(push(5, 0, Buffer.from('still here')));
  await recorder.until('onReceive');
  expect(recorder.of('onClose')).toEqual([]);
  await peer.until(4); // the acknowledgement
  await prove(peer, 6);
  await recorder.until('onHandShake', 2);
  expect(recorder.names('onSend').slice(4)).toEqual(['onClose', 'onAccept', 'onHandShake']);
  expect(recorder.of('onClose')[0]?.slice(1, 4)).toEqual([1, 4, 104]);
  expect(server.connectionCount).toBe(1);
  await end();
});

test('AQ-018 AQ-020: segments of a peer without a connection are answered with 12 bytes that reset it, or help it', async () => {
  const recorder = new Recorder();
  const { server, peer, end } = await begin(recorder);
  await peer.send(push(5, 0, Buffer.from('who am I?')));
  const answer = await peer.until(1);
  expect(answer.length).toBe(12);
  expect(answer.readUInt32LE(8)).toBe(5);
  expect(server.connectionCount).toBe(0);
  // A client whose proof was lost knows that ID already, and proves it.
  await peer.send(handshake(5, answer.readUInt32LE(4), true));
  await recorder.until('onHandShake');
  await end();
});

test('AQ-018: a client notices that its server was restarted', async () => {
  const first = new Recorder(echo);
  const { server, port, peer } = await begin(first);
  await peer.close();
  const recorder = new Recorder();
  const client = new UdpArqClient(recorder.hooks as never);
  await client.start('127.0.0.1', port);
  // The server dies without a word.
  (server as unknown as { [$host]: { control: unknown } })[$host].control = () => 0;
  await server.stop();
  const again = new UdpArqServer(new Recorder().hooks as never);
  await again.start('127.0.0.1', port);
  client.send('are you there?');
  expect((await recorder.until('onClose'))[3]).toSatisfy((errno) => errno === 104 || errno === 111);
  await client.wait();
  await again.stop();
});

test('UD-002 AQ-018: an idle client of a server that was killed and restarted notices a second after its next heartbeat', async () => {
  const time = new ManualTime();
  const opened = new Recorder(echo);
  const first = time.drive(new UdpArqServer(opened.hooks as never));
  const { port } = await first.start('127.0.0.1', 0);
  const recorder = new Recorder();
  const client = time.drive(new UdpArqClient(recorder.hooks as never, { detectInterval: 60_000, detectAttempts: 3 }));
  await client.start('127.0.0.1', port);
  client.send('hello');
  await recorder.until('onReceive');
  await eventually(() => first.getWaitingSendMessageCount(1) === 0);
  (first as unknown as { [$host]: { control: unknown } })[$host].control = () => 0; // killed: no notify
  await first.stop();
  const second = time.drive(new UdpArqServer(new Recorder().hooks as never));
  await second.start('127.0.0.1', port);
  time.pass(60_020);
  await eventually(() => second.stats().drops.unknownPeer > 0);
  expect(recorder.of('onClose')).toEqual([]);
  time.pass(1_020);
  const [, , operation, errno, reason] = await recorder.until('onClose');
  expect([operation, errno]).toEqual([4, 104]);
  expect(reason).toContain('the server does not know this connection: it was restarted, has closed it, or sees this');
  expect(second.stats().cookies?.disowned).toBe(1);
  await client.wait();
  await second.stop();
});

test('UD-006 AQ-016: the empty datagram of a new client is not answered with an ID that is not its cookie', async () => {
  const time = new ManualTime();
  const server = time.drive(new UdpArqServer(new Recorder().hooks as never));
  const { port } = await server.start('127.0.0.1', 0);
  const peer = await RawPeer.open(port);
  await peer.send('');
  await peer.send(handshake(5, 0));
  await peer.until(1);
  time.pass(2_000);
  await turns();
  expect([peer.received.length, server.stats().cookies?.disowned]).toEqual([1, 0]);
  // One that has nothing else to say is told, with as many bytes as a first packet has, and once.
  await peer.send('');
  await eventually(() => server.stats().drops.unknownPeer === 2);
  await peer.send('');
  await eventually(() => server.stats().drops.unknownPeer === 3);
  time.pass(2_000);
  const answer = await peer.until(2);
  expect([answer.length, answer.readUInt32LE(8)]).toEqual([12, 0]);
  await turns();
  expect([peer.received.length, server.stats().cookies?.disowned, server.connectionCount]).toEqual([2, 1, 0]);
  await peer.close();
  await server.stop();
});

test('strangers with empty datagrams: 256 at a time are remembered and answered, and none after the end', () => {
  const time = new ManualTime();
  const answered: number[] = [];
  const strangers = new ArqStrangers(time.wheel, (source) => void answered.push(source.remotePort));
  for (let port = 1; port <= 1_000; port++) strangers.heard(directSource('192.0.2.1', port), time.now());
  time.pass(990);
  expect(answered).toEqual([]);
  time.pass(30);
  expect(answered).toEqual(Array.from({ length: 256 }, (_, i) => i + 1));
  strangers.heard(directSource('192.0.2.1', 7), time.now());
  time.pass(500);
  strangers.heard(directSource('192.0.2.1', 8), time.now());
  strangers.spoke(directSource('192.0.2.1', 7));
  time.pass(520);
  expect(answered.length).toBe(256);
  time.pass(520);
  expect(answered.slice(256)).toEqual([8]);
  strangers.heard(directSource('192.0.2.1', 9), time.now());
  strangers.clear();
  time.pass(2_000);
  expect([strangers.answered, time.wheel.size]).toEqual([257, 0]);
});

test('AQ-018: a client that missed the close notify is reset, not given a session that counts from 0 again', async () => {
  const recorder = new Recorder(echo);
  const { server, port, peer } = await begin(recorder);
  await peer.close();
  const clientRecorder = new Recorder();
  const client = new UdpArqClient(clientRecorder.hooks as never);
  await client.start('127.0.0.1', port);
  client.send('one');
  await clientRecorder.until('onReceive');
  // The close notify is lost.
  const { [$host]: host } = server as unknown as { [$host]: { control: unknown } };
  const { control } = host;
  host.control = () => 0;
  server.disconnect(1);
  await recorder.until('onClose');
  host.control = control;
  client.send('two');
  expect((await clientRecorder.until('onClose')).slice(2, 4)).toEqual([4, 104]);
  expect(recorder.of('onAccept').length).toBe(1);
  await client.wait();
  await server.stop();
});

test('AQ-016: late copies of a handshake make no second connection, and do not touch the one that came after', async () => {
  const recorder = new Recorder();
  const { server, peer, end } = await begin(recorder);
  const id = await prove(peer, 5);
  await recorder.until('onHandShake');
  await peer.send(CLOSE_NOTIFY);
  await recorder.until('onClose');
  await peer.send(handshake(5, id, true));
  const reset = await peer.until(3);
  expect([reset.length, reset.readUInt32LE(4) === id, reset.readUInt32LE(8)]).toEqual([12, false, 5]);
  expect(server.connectionCount).toBe(0);
  await prove(peer, 6);
  await recorder.until('onHandShake', 2);
  await peer.send(handshake(5, id, true));
  await peer.send(handshake(5, 0));
  await peer.send(push(6, 0, Buffer.from('still here')));
  await recorder.until('onReceive');
  expect((await peer.until(6)).length).toBe(24); // the acknowledgement, and no reset before it
  expect([recorder.of('onAccept').length, recorder.of('onClose').length]).toEqual([2, 1]);
  await end();
});

test('AQ-018: what a server answers to a forger does not end the client whose address was forged', async () => {
  const server = await RawPeer.open(0);
  const recorder = new Recorder();
  const client = new UdpArqClient(recorder.hooks as never);
  const starting = client.start('127.0.0.1', server.port);
  await eventually(() => server.received.some(({ length }) => length === 12));
  const own = server.received.find(({ length }) => length === 12)!.readUInt32LE(4);
  await server.send(handshake(77, own, true));
  await starting;
  await server.send(handshake(88, own ^ 1));
  await server.send(push(77, 0, Buffer.from('still here')));
  await recorder.until('onReceive');
  expect(recorder.of('onClose')).toEqual([]);
  await client.stop();
  await server.close();
});

test('a server that drains lets nobody take the place of a connection', async () => {
  const recorder = new Recorder();
  const { server, peer } = await begin(recorder);
  await prove(peer, 5);
  await recorder.until('onHandShake');
  server.send(1, 'not acknowledged');
  await peer.send(handshake(6, 0));
  const answers = (): Buffer[] => peer.received.filter((bytes) => bytes.length === 12 && bytes.readUInt32LE(8) === 6);
  await eventually(() => answers().length === 1);
  const { datagramsIn } = server.stats();
  const stopped = server.stop({ drainTimeoutMs: 60_000 });
  await peer.send(handshake(6, answers()[0]!.readUInt32LE(4), true));
  await eventually(() => server.stats().datagramsIn > datagramsIn);
  await peer.send(CLOSE_NOTIFY);
  expect(await stopped).toMatchObject({ connections: 1 });
  expect(recorder.of('onAccept').length).toBe(1);
  await peer.close();
});

test('AQ-001 UD-007: heartbeats over ARQ are answered to peers with a connection', async () => {
  const recorder = new Recorder();
  const { server, peer, end } = await begin(recorder);
  await peer.send(''); // a stranger: no answer, so that a dead connection is noticed by the client's heartbeats
  await prove(peer);
  const { length } = peer.received;
  await peer.send('');
  expect((await peer.until(length + 1)).length).toBe(0);
  expect(server.stats().heartbeatsIn).toBe(1);
  await end();
});

test('AQ-002 CLS-018: the close notify ends an ARQ connection', async () => {
  const recorder = new Recorder();
  const { peer, end } = await begin(recorder);
  await prove(peer);
  await recorder.until('onHandShake');
  await peer.send(CLOSE_NOTIFY);
  expect((await recorder.until('onClose')).slice(2, 4)).toEqual([5, 0]);
  await end();
});

test('EV-S-03: onHandShake over ARQ that answers Error: onClose(Receive, ECANCELED)', async () => {
  const recorder = new Recorder({ onHandShake: () => HandleResult.Error });
  const { peer, end } = await begin(recorder);
  await peer.send(handshake(5, 0));
  await peer.send(handshake(5, (await peer.until(1)).readUInt32LE(4), true));
  expect((await recorder.until('onClose')).slice(2, 4)).toEqual([4, 125]);
  await end();
});

test('NOC-001: onAccept over ARQ that answers Error: a notify, no onClose', async () => {
  const recorder = new Recorder({ onAccept: () => HandleResult.Error });
  const { peer, end } = await begin(recorder);
  await peer.send(handshake(5, 0));
  await peer.send(handshake(5, (await peer.until(1)).readUInt32LE(4), true));
  await eventually(() => peer.received.at(-1)?.equals(CLOSE_NOTIFY) === true);
  await end();
  expect(recorder.of('onClose')).toEqual([]);
});

test('AQ-037 SND-007 AQ-043 ARQ-S-023 ARQ-C-023 AQ-033: sizes, and the segments that wait', async () => {
  const recorder = new Recorder();
  const { server, peer, end } = await begin(recorder);
  expect([server.getWaitingSendMessageCount(1), server.lastSystemError]).toEqual([null, 57]);
  await prove(peer);
  await recorder.until('onHandShake');
  expect([server.send(1, ''), server.lastSystemError]).toEqual([false, 22]);
  expect([server.send(1, Buffer.alloc(4097)), server.lastSystemError]).toEqual([false, 22]);
  expect([server.sendPackets(1, [Buffer.alloc(4000), Buffer.alloc(97)]), server.lastSystemError]).toEqual([false, 90]);
  expect(server.send(1, Buffer.alloc(4096))).toBe(true);
  expect(server.getWaitingSendMessageCount(1)).toBe(3);
  await end();
  const client = new UdpArqClient({});
  expect(client.waitingSendMessageCount).toBe(0);
});

test('AQ-023 AQ-024 AQ-012 AQ-036: own conv out, any conv in, boundaries kept', async () => {
  const recorder = new Recorder(echo);
  const { peer, end } = await begin(recorder);
  const id = await prove(peer, 5);
  const { length } = peer.received;
  await peer.send(Buffer.concat([push(77, 0, Buffer.from('ab')), push(78, 1, Buffer.from('cd'))]));
  await recorder.until('onReceive', 2);
  expect(recorder.of('onReceive').map((event) => event[2])).toEqual(['6162', '6364']);
  expect((await peer.until(length + 1)).readUInt32LE(0)).toBe(id);
  await end();
});

test('a listener that returns promises holds its messages back, in order, and the window closes', async () => {
  const order: string[] = [];
  const recorder = new Recorder({
    onReceive: async (_server: unknown, _id: number, data: Buffer) => {
      order.push(`+${data}`);
      await turns(2);
      order.push(`-${data}`);
    },
  });
  const { port, end } = await begin(recorder);
  const client = new UdpArqClient({});
  await client.start('127.0.0.1', port);
  for (const text of 'abcdef') client.send(text);
  await eventually(() => order.length === 12);
  expect(order.join('')).toBe('+a-a+b-b+c-c+d-d+e-e+f-f');
  await client.stop();
  await end();
});

test.each([
  ['in onConnect', 'onConnect'],
  ['while the handshake goes on', 'onSend'],
])('CLI-005: receiving that was paused %s is paused, and goes on when it is resumed', async (_when, hook) => {
  const recorder = new Recorder({ onHandShake: (server: UdpArqServer, id: number) => void server.send(id, 'hello') });
  const { server, port, end } = await begin(recorder);
  let calls = 0;
  const clientRecorder = new Recorder({
    [hook]: (client: UdpArqClient) => void (calls++ === 0 && client.pauseReceive()),
  });
  const client = new UdpArqClient(clientRecorder.hooks as never);
  await client.start('127.0.0.1', port);
  await eventually(() => (server.getWaitingSendMessageCount(1) ?? 1) === 0); // it has arrived
  expect([client.isPauseReceive, clientRecorder.of('onReceive').length]).toEqual([true, 0]);
  client.pauseReceive(false);
  await clientRecorder.until('onReceive');
  await client.stop();
  await end();
});

test('CLI-005: receiving that was paused and resumed before the handshake was done goes on', async () => {
  const server = await RawPeer.open(0);
  const recorder = new Recorder();
  const client = new UdpArqClient(recorder.hooks as never);
  const starting = client.start('127.0.0.1', server.port);
  await recorder.until('onSend');
  client.pauseReceive();
  client.pauseReceive(false);
  await eventually(() => server.received.some(({ length }) => length === 12));
  await turns(2);
  const own = server.received.find(({ length }) => length === 12)!.readUInt32LE(4);
  await server.send(handshake(77, own, true));
  await starting;
  await server.send(push(77, 0, Buffer.from('hello')));
  await recorder.until('onReceive');
  await client.stop();
  await server.close();
});

test('a drain time that makes no sense is refused, and 0 is none', async () => {
  const recorder = new Recorder();
  const { server, peer, end } = await begin(recorder);
  await prove(peer);
  await recorder.until('onHandShake');
  server.send(1, 'never acknowledged');
  expect(() => server.disconnect(1, { drain: true, timeoutMs: Number.NaN })).toThrow(RangeError);
  expect(server.disconnect(1, { drain: true, timeoutMs: 0 })).toBe(true);
  await recorder.until('onClose');
  await end();
});

test('AQ-044 AQ-042: stop drops what waits; stop({ drainTimeoutMs }) delivers it', async () => {
  const recorder = new Recorder();
  const { port, end } = await begin(recorder);
  const client = new UdpArqClient({}, { preset: 'bulk' });
  await client.start('127.0.0.1', port);
  for (let i = 0; i < 500; i++) client.send(Buffer.alloc(1000, i));
  await client.stop({ drainTimeoutMs: 5000 });
  expect(recorder.of('onReceive').length).toBe(500);
  await client.start('127.0.0.1', port);
  for (let i = 0; i < 5000; i++) client.send(Buffer.alloc(1000, i));
  expect(client.waitingSendMessageCount).toBeGreaterThan(0);
  await client.stop();
  await recorder.until('onClose', 2);
  expect(recorder.of('onReceive').length).toBeLessThan(5500);
  await end();
});

test('sendWithin of a server drops what is late, keeps what is in time, and counts', async () => {
  const recorder = new Recorder();
  const { server, peer, end } = await begin(recorder, { turnoffCongestCtrl: true }); // the peer acknowledges nothing
  expect([server.sendWithin(1, 'x', 1000), server.lastSystemError]).toEqual([false, 57]);
  await prove(peer, 5);
  await recorder.until('onHandShake');
  expect(server.sendWithin(1, 'late', 0)).toBe(true);
  expect(server.sendWithin(1, 'in time', 60_000)).toBe(true);
  expect(server.send(1, 'reliable')).toBe(true);
  const pushed = (): string[] => peer.received.flatMap(pushedIn);
  await eventually(() => pushed().includes('reliable'));
  expect([...new Set(pushed())]).toEqual(['in time', 'reliable']);
  expect(server.getConnectionStats(1)?.kcp?.expiredMessages).toBe(1);
  for (const wrong of [Number.NaN, '5', null]) {
    expect(() => server.sendWithin(1, 'x', wrong as never)).toThrow(TypeError);
  }
  await end();
});

test('sendUnreliable works between two of ours, and is refused otherwise', async () => {
  const unreliable: string[] = [];
  const recorder = new Recorder({
    onReceiveUnreliable: (_s: unknown, _id: number, data: Buffer) => void unreliable.push(`${data}`),
  });
  const { server, port, peer, end } = await begin(recorder, { unreliable: true });
  const client = new UdpArqClient({}, { unreliable: true });
  await client.start('127.0.0.1', port);
  await eventually(() => client.sendUnreliable('fast'));
  await eventually(() => unreliable.length > 0);
  expect(unreliable[0]).toBe('fast');
  expect([client.sendUnreliable(Buffer.alloc(1409)), client.lastSystemError]).toEqual([false, 90]);
  await client.stop();
  await prove(peer);
  await recorder.until('onHandShake', 2);
  expect([server.sendUnreliable(2, 'x'), server.lastSystemError]).toEqual([false, 95]);
  await end();
});

test('when maxWaitingSendCount refuses a message, onSendBlocked is called, and onSendDrained when there is room, once each', async () => {
  const recorder = new Recorder({}, ['onSend']);
  const { port, end } = await begin(recorder);
  const sent: number[] = [];
  const message = Buffer.alloc(4000); // three segments
  const fill = (client: UdpArqClient): void => {
    while (sent.length < 100) {
      if (!client.send(message)) return;
      sent.push(client.waitingSendMessageCount);
    }
  };
  const clientRecorder = new Recorder(
    { onSendBlocked: () => undefined, onSendDrained: (client: UdpArqClient) => fill(client) },
    ['onSend'],
  );
  const client = new UdpArqClient(clientRecorder.hooks as never, { maxWaitingSendCount: 8 });
  await client.start('127.0.0.1', port);
  expect(client.sendWithin(Buffer.alloc(4096), -1)).toBe(true);
  fill(client);
  expect([client.lastSystemError, clientRecorder.of('onSendBlocked').length]).toEqual([105, 0]); // not from inside send
  await recorder.until('onReceive', 100);
  expect(Math.max(...sent)).toBeLessThanOrEqual(8);
  const told = clientRecorder.events.filter(([hook]) => hook.startsWith('onSend'));
  expect(told.length).toBeGreaterThan(2);
  told.forEach(([hook, id, waiting], i) => {
    expect([hook, id]).toEqual([i % 2 === 0 ? 'onSendBlocked' : 'onSendDrained', client.connectionId]);
    if (hook === 'onSendDrained') expect(waiting).toBeLessThanOrEqual(4);
  });
  // One that can never fit is refused without a promise.
  const large = new UdpArqClient(clientRecorder.hooks as never, { maxWaitingSendCount: 2 });
  await large.start('127.0.0.1', port);
  const before = clientRecorder.of('onSendBlocked').length;
  expect([large.send(message), large.lastSystemError]).toEqual([false, 105]);
  await turns();
  expect(clientRecorder.of('onSendBlocked').length).toBe(before);
  await large.stop();
  await client.stop();
  await end();
});

test('sendWithin: a deadline that is very far away is none, one that is no number is a mistake', async () => {
  const recorder = new Recorder();
  const { port, end } = await begin(recorder);
  const client = new UdpArqClient({});
  await client.start('127.0.0.1', port);
  const deadlines = [-1, -1e12, 1000, 0x7fffffff, 0x80000000, 0xffffffff, Number.MAX_SAFE_INTEGER, Infinity];
  for (const deadlineMs of deadlines) expect(client.sendWithin(`${deadlineMs}`, deadlineMs)).toBe(true);
  client.send('end');
  await recorder.until('onReceive', 7);
  const texts = recorder.of('onReceive').map(([, , hex]) => Buffer.from(hex as string, 'hex').toString());
  expect(texts).toEqual([...deadlines.slice(2).map(String), 'end']);
  expect(client.getConnectionStats()?.kcp?.expiredMessages).toBe(2);
  for (const wrong of [NaN, '5', null]) expect(() => client.sendWithin('x', wrong as never)).toThrow(TypeError);
  await client.stop();
  await end();
});

test('ARQ settings that do not go together: InvalidParam (ACC-008), and what they name', async () => {
  const server = new UdpArqServer({}, { maxMessageSize: 1_000_000 });
  await expect(server.start('127.0.0.1', 0)).rejects.toMatchObject({
    socketError: SocketErrorCode.InvalidParam,
    errno: 22,
  });
  expect(server.lastFailure?.message).toContain('maxMessageSize');
  const client = new UdpArqClient({}, { handshakeTimeoutMs: 60 });
  await expect(client.start('127.0.0.1', 9)).rejects.toMatchObject({ socketError: SocketErrorCode.InvalidParam });
});

// ---- recordings of the C++ library ---------------------------------------------------------------------------------

interface Recorded {
  connection: number;
  from: 'client' | 'server';
  hex: string;
}
const recording = JSON.parse(readFileSync(new URL('../vectors/arq.json', import.meta.url), 'utf8')) as Recorded[];

/** The messages in the pushes of one side. */
function messagesOf(connection: number, from: string): string[] {
  const segments = new Map<number, { frg: number; data: Buffer }>();
  for (const each of recording.filter((item) => item.connection === connection && item.from === from)) {
    const bytes = Buffer.from(each.hex, 'hex');
    for (let at = 0; bytes.length >= 24 && at < bytes.length; ) {
      const length = bytes.readUInt32LE(at + 20);
      const data = bytes.subarray(at + 24, at + 24 + length);
      if (bytes[at + 4] === 81) segments.set(bytes.readUInt32LE(at + 12), { frg: bytes[at + 5]!, data });
      at += 24 + length;
    }
  }
  const messages: string[] = [];
  const parts: Buffer[] = [];
  for (const sn of [...segments.keys()].sort((a, b) => a - b)) {
    const { frg, data } = segments.get(sn)!;
    parts.push(data);
    if (frg === 0) messages.push(Buffer.concat(parts.splice(0)).toString('hex'));
  }
  return messages;
}

const connections = [...new Set(recording.map(({ connection }) => connection))];

test.each(connections.flatMap((connection) => [true, false].map((arqCookies) => ({ connection, arqCookies }))))(
  'the recorded C++ client of connection $connection against our server, cookies $arqCookies',
  async ({ connection, arqCookies }) => {
    const recorder = new Recorder(echo);
    const { peer, end } = await begin(recorder, { arqCookies });
    let id = 0;
    peer.onArrival((bytes) => {
      if (bytes.length === 12) id = bytes.readUInt32LE(4);
    });
    for (const { hex } of recording.filter((item) => item.connection === connection && item.from === 'client')) {
      const bytes = Buffer.from(hex, 'hex');
      // The recorded server had another ID than ours has.
      if (bytes.length === 12 && bytes.readUInt32LE(8) !== 0) {
        await eventually(() => id !== 0);
        bytes.writeUInt32LE(id, 8);
      }
      await peer.send(bytes);
      await turns(2);
    }
    const expected = messagesOf(connection, 'client');
    expect(expected.length).toBeGreaterThan(0);
    if (recording.some((item) => item.connection === connection && item.hex === CLOSE_NOTIFY.toString('hex'))) {
      expect((await recorder.until('onClose')).slice(2, 4)).toEqual([5, 0]);
    }
    expect(recorder.of('onReceive').map((event) => event[2])).toEqual(expected);
    await end();
  },
);

test.each(connections)('the recorded C++ server of connection %i against our client', async (connection) => {
  const server = await RawPeer.open(0);
  const recorder = new Recorder();
  const client = new UdpArqClient(recorder.hooks as never);
  const started = client.start('127.0.0.1', server.port);
  await server.until(2);
  const own = server.received[1]!.readUInt32LE(4);
  const script = recording.filter((item) => item.connection === connection && item.from === 'server');
  const play = async ({ hex }: Recorded): Promise<void> => {
    const bytes = Buffer.from(hex, 'hex');
    if (bytes.length === 12 && bytes.readUInt32LE(8) !== 0) bytes.writeUInt32LE(own, 8);
    await server.send(bytes);
    await turns(2);
  };
  const isData = ({ hex }: Recorded): boolean => hex.length >= 48;
  for (const each of script.filter((item) => !isData(item) && item.hex !== CLOSE_NOTIFY.toString('hex')))
    await play(each);
  await started;
  for (const message of messagesOf(connection, 'client')) client.send(Buffer.from(message, 'hex'));
  for (const each of script.filter(isData)) await play(each);
  const expected = messagesOf(connection, 'server');
  await recorder.until('onReceive', expected.length);
  expect(recorder.of('onReceive').map((event) => event[2])).toEqual(expected);
  await client.stop();
  await server.close();
});
