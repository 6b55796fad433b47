import { once } from 'node:events';
import net from 'node:net';
import { describe, expect, test, vi } from 'vitest';
import {
  HandleResult,
  SocketErrorCode,
  SocketOperation,
  TcpAgent,
  TcpClient,
  TcpPackClient,
  TcpPackServer,
  TcpPullServer,
  TcpServer,
} from '../../src/index.ts';
import { Counter, connectBare, deferred, Journal, listenBare, readBytes, readToEnd } from './support.ts';

const ETIMEDOUT = 110;
const ENOBUFS = 105;

/** Linux and Windows have all of 127.0.0.0/8 on loopback, macOS only 127.0.0.1. */
const hasSecondLoopback = process.platform !== 'darwin';

describe('deadlines', () => {
  test('idleTimeoutMs closes a connection that sends nothing, and no other', async () => {
    const journal = new Journal();
    await using server = new TcpServer(journal.record({}), { idleTimeoutMs: 500 });
    const { port } = await server.start('127.0.0.1', 0);
    const silent = await connectBare(port);
    await journal.reach('onHandShake', 1);
    const busy = await connectBare(port);
    await journal.reach('onHandShake', 2);
    const timer = setInterval(() => {
      busy.write('x');
      server.send(1, 'sending is no sign of life of the peer');
    }, 25);
    await journal.reach('onClose', 1);
    expect(journal.closes[0]).toMatchObject({ connId: 1, operation: SocketOperation.Close, errorCode: ETIMEDOUT });
    expect(journal.closes[0]?.error?.message).toMatch(/received nothing for 500 ms \(idleTimeoutMs\)/);
    expect([server.isConnected(2), server.stats().limits.idle]).toEqual([true, 1]);
    clearInterval(timer);
    await journal.reach('onClose', 2);
    expect(server.stats().limits.idle).toBe(2);
    silent.destroy();
    busy.destroy();
  });

  test('idleTimeoutMs with idleCountsSent closes only where nothing moves', async () => {
    const journal = new Journal();
    await using server = new TcpServer(journal.record({}), { idleTimeoutMs: 300, idleCountsSent: true });
    const { port } = await server.start('127.0.0.1', 0);
    const silent = await connectBare(port);
    await journal.reach('onHandShake', 1);
    const listening = await connectBare(port);
    await journal.reach('onHandShake', 2);
    listening.resume();
    const timer = setInterval(() => void server.send(2, 'news'), 25);
    await journal.reach('onClose', 1);
    await new Promise((resolve) => setTimeout(resolve, 600));
    expect(journal.closes).toHaveLength(1);
    expect(journal.closes[0]).toMatchObject({ connId: 1, operation: SocketOperation.Close, errorCode: ETIMEDOUT });
    expect(journal.closes[0]?.error?.message).toMatch(/neither sent nor received anything for 300 ms/);
    clearInterval(timer);
    await journal.reach('onClose', 2);
    silent.destroy();
    listening.destroy();
  });

  test('a peer that has sent its FIN is not silent while its answer is being sent', async () => {
    const journal = new Journal();
    const server = new TcpServer(journal.record({ onEnd: () => HandleResult.Ignore }), { idleTimeoutMs: 300 });
    const { port } = await server.start('127.0.0.1', 0);
    const peer = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    let got = '';
    peer.on('data', (chunk: Buffer) => {
      got += chunk.toString();
    });
    peer.end('question');
    await journal.reach('onEnd', 1);
    for (let i = 0; i < 40; i++) {
      expect(server.send(1, 'a')).toBe(true);
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
    expect(journal.closes).toEqual([]);
    await journal.reach('onClose', 1);
    expect(journal.closes[0]).toMatchObject({ operation: SocketOperation.Close, errorCode: ETIMEDOUT });
    expect(got).toBe('a'.repeat(40));
    peer.destroy();
    await server.stop();
  });

  test.each(['pauseReceive', 'a pending promise of onReceive', 'a pending promise of onHandShake', 'a full stream'])(
    'idleTimeoutMs counts no time in which nothing is read: %s',
    async (how) => {
      const journal = new Journal();
      const goOn = deferred();
      const resume: (() => void)[] = [() => goOn.resolve()];
      const server = new TcpServer(
        journal.record({
          onHandShake(self: TcpServer, connId: number) {
            if (connId !== 1) return undefined;
            if (how === 'a pending promise of onHandShake') return goOn.promise;
            if (how === 'a full stream') {
              const stream = self.createStream(connId).on('error', () => {});
              resume.push(() => void stream.resume());
            }
            return undefined;
          },
          onReceive(self: TcpServer, connId: number) {
            if (how === 'pauseReceive') {
              self.pauseReceive(connId);
              resume.push(() => void self.pauseReceive(connId, false));
            }
            return how === 'a pending promise of onReceive' ? goOn.promise : undefined;
          },
        }),
        { idleTimeoutMs: 300 },
      );
      const { port } = await server.start('127.0.0.1', 0);
      const peer = await connectBare(port);
      peer.write(how === 'a full stream' ? Buffer.alloc(200_000) : 'question');
      await journal.reach('onHandShake');
      const silent = await connectBare(port);
      await journal.reach('onClose');
      expect(journal.closes.map(({ connId }) => connId)).toEqual([2]);

      // It has all its time again: who comes just before that is silent for longer. Timers have ticks of 10 ms.
      const ticks = async (): Promise<void> => {
        const from = performance.now();
        await vi.waitUntil(() => performance.now() > from + 20);
      };
      await ticks();
      const late = await connectBare(port);
      await journal.reach('onHandShake', 3);
      await ticks();
      for (const act of resume) act();
      await journal.reach('onClose', 3);
      expect(journal.closes.map(({ connId }) => connId)).toEqual([2, 3, 1]);
      for (const one of [peer, silent, late]) one.destroy();
      await server.stop();
    },
  );

  test('idleTimeoutMs waits for the promise of onEnd', async () => {
    const journal = new Journal();
    const answered = deferred();
    await using server = new TcpServer(journal.record({ onEnd: () => answered.promise }), { idleTimeoutMs: 100 });
    const { port } = await server.start('127.0.0.1', 0);
    const peer = await connectBare(port);
    peer.end('question');
    await journal.reach('onEnd');
    const silent = await connectBare(port);
    await journal.reach('onClose');
    expect(journal.closes.map(({ connId }) => connId)).toEqual([2]);
    server.send(1, 'answer');
    answered.resolve();
    expect(String(await readToEnd(peer))).toBe('answer');
    await journal.reach('onClose', 2);
    expect(journal.closes[1]).toMatchObject({ connId: 1, errorCode: 0 });
    silent.destroy();
  });

  test('idleTimeoutMs of clients and agents', async () => {
    await using bare = await listenBare();
    const journal = new Journal();
    await using client = new TcpClient(journal.record({}), { idleTimeoutMs: 50 });
    await using agent = new TcpAgent(journal.record({}), { idleTimeoutMs: 50 });
    await agent.start();
    await agent.connect('127.0.0.1', bare.port);
    await client.start('127.0.0.1', bare.port);
    await journal.reach('onClose', 2);
    for (const close of journal.closes) expect(close.errorCode).toBe(ETIMEDOUT);
    expect([client.stats().limits.idle, agent.stats().limits.idle]).toEqual([1, 1]);
    await client.wait();
  });

  test('connectionTimeoutMs closes busy connections too', async () => {
    const journal = new Journal();
    await using server = new TcpServer(journal.record({}), { connectionTimeoutMs: 150 });
    const { port } = await server.start('127.0.0.1', 0);
    const peer = await connectBare(port);
    const timer = setInterval(() => peer.write('x'), 20);
    await journal.reach('onClose');
    clearInterval(timer);
    expect(journal.closes[0]).toMatchObject({ operation: SocketOperation.Close, errorCode: ETIMEDOUT });
    expect(journal.closes[0]?.error?.message).toMatch(/was open for 150 ms \(connectionTimeoutMs\)/);
    expect(server.stats().limits).toMatchObject({ lifetime: 1, idle: 0 });
    peer.destroy();
  });

  test('CLS-001: closeTimeoutMs ends a connection whose peer half-closed and does not take its answer', async () => {
    const journal = new Journal();
    await using server = new TcpServer(
      journal.record({
        onReceive: (server: TcpServer, connId: number) => void server.send(connId, Buffer.alloc(32 * 1024 * 1024)),
      }),
      { closeTimeoutMs: 150 },
    );
    const { port } = await server.start('127.0.0.1', 0);
    const peer = await connectBare(port);
    peer.end('give me much');
    await journal.reach('onClose');
    expect(journal.closes[0]).toMatchObject({ operation: SocketOperation.Close, errorCode: 0 });
    expect(journal.closes[0]?.error?.message).toMatch(/did not take the last \d+ bytes and close within 150 ms/);
    expect(server.stats().limits.closing).toBe(1);
    peer.destroy();
  });
});

describe('limits on new connections', () => {
  test('ORD-010 NOC-006 OPT-008: maxConnectionCount closes the rest without a hook, until there is room again', async () => {
    const journal = new Journal();
    await using server = new TcpServer(journal.record({}), { maxConnectionCount: 2 });
    const { port } = await server.start('127.0.0.1', 0);
    const first = await connectBare(port);
    const second = await connectBare(port);
    await journal.reach('onHandShake', 2);
    for (let i = 1; i <= 3; i++) {
      const third = await connectBare(port);
      expect((await readToEnd(third)).length).toBe(0);
      third.destroy();
      expect(server.stats()).toMatchObject({ connections: 2, refused: i, limits: { connections: i } });
    }
    expect(journal.names()).toEqual(['onPrepareListen', 'onAccept', 'onHandShake', 'onAccept', 'onHandShake']);
    first.destroy();
    await journal.reach('onClose', 1);
    const fourth = await connectBare(port);
    await journal.reach('onHandShake', 3);
    expect(journal.events.at(-1)).toBe('onHandShake:3');
    second.destroy();
    fourth.destroy();
    await journal.reach('onClose', 3);
  });

  test.skipIf(!hasSecondLoopback)('maxConnectionsPerAddress counts each address for itself', async () => {
    const journal = new Journal();
    await using server = new TcpServer(journal.record({}), { maxConnectionsPerAddress: 2 });
    const { port } = await server.start('127.0.0.1', 0);
    const peers = [await connectBare(port), await connectBare(port)];
    await journal.reach('onHandShake', 2);
    const refused = await connectBare(port);
    await readToEnd(refused);
    peers.push(await connectBare(port, { localAddress: '127.0.0.2' }));
    await journal.reach('onHandShake', 3);
    expect(server.getRemoteAddress(3)?.address).toBe('127.0.0.2');
    expect(server.stats()).toMatchObject({ connections: 3, refused: 1, limits: { perAddress: 1 } });
    peers[0]!.destroy();
    await journal.reach('onClose', 1);
    peers.push(await connectBare(port));
    await journal.reach('onHandShake', 4);
    for (const peer of [...peers, refused]) peer.destroy();
    await journal.reach('onClose', 4);
  });

  test('maxConnectionsPerAddress does not count connections that a hook refused', async () => {
    let isRefusing = true;
    const journal = new Journal();
    await using server = new TcpServer(
      journal.record({ onAccept: () => (isRefusing ? HandleResult.Error : HandleResult.Ok) }),
      {
        maxConnectionsPerAddress: 1,
      },
    );
    const { port } = await server.start('127.0.0.1', 0);
    for (let i = 0; i < 3; i++) {
      const peer = await connectBare(port);
      await readToEnd(peer);
      peer.destroy();
    }
    // The socket of the last one may be closing still.
    while (server.connectionCount > 0) await new Promise((resolve) => setImmediate(resolve));
    isRefusing = false;
    const peer = await connectBare(port);
    await journal.reach('onHandShake');
    expect(journal.count('onAccept')).toBe(4);
    expect(server.stats().limits.perAddress).toBe(0);
    peer.destroy();
  });

  test('acceptsPerSecond lets that many in at once, and more as time goes by', async () => {
    await using server = new TcpServer(
      { onHandShake: (server, connId) => void server.send(connId, '!') },
      { acceptsPerSecond: 10 },
    );
    const { port } = await server.start('127.0.0.1', 0);
    const tryOnce = async (): Promise<boolean> => {
      const peer = await connectBare(port);
      const isIn = await Promise.race([once(peer, 'data').then(() => true), once(peer, 'end').then(() => false)]);
      peer.destroy();
      return isIn;
    };
    const all = await Promise.all(Array.from({ length: 60 }, tryOnce));
    const isIn = all.filter(Boolean).length;
    expect(isIn).toBeGreaterThanOrEqual(10);
    expect(isIn).toBeLessThan(60);
    const { limits, refused } = server.stats();
    expect([limits.acceptRate, refused]).toEqual([60 - isIn, 60 - isIn]);
    while (!(await tryOnce())) await new Promise((resolve) => setTimeout(resolve, 20));
    expect(server.stats().opened).toBe(isIn + 1);
  });

  test.skipIf(!hasSecondLoopback)('allowList and blockList turn addresses and networks away', async () => {
    for (const options of [
      { allowList: ['127.0.0.1', '10.0.0.0/8'] },
      { blockList: ['127.0.0.2/31', '2001:db8::/32'] },
      { allowList: ['127.0.0.0/8'], blockList: ['127.0.0.2'] },
    ]) {
      const journal = new Journal();
      await using server = new TcpServer(journal.record({}), options);
      const { port } = await server.start('127.0.0.1', 0);
      const blocked = await connectBare(port, { localAddress: '127.0.0.2' });
      expect((await readToEnd(blocked)).length).toBe(0);
      expect(journal.names()).toEqual(['onPrepareListen']);
      expect(server.stats()).toMatchObject({ connections: 0, opened: 0, refused: 1, limits: { blockedAddresses: 1 } });
      const allowed = await connectBare(port, { localAddress: '127.0.0.1' });
      await journal.reach('onHandShake');
      allowed.destroy();
      blocked.destroy();
    }
  });

  test('blockList takes a net.BlockList; a list that makes no sense is a TypeError that names the entry', async () => {
    const list = new net.BlockList();
    list.addRange('127.0.0.1', '127.0.0.9');
    await using server = new TcpServer({}, { blockList: list });
    const { port } = await server.start('127.0.0.1', 0);
    const peer = await connectBare(port);
    await readToEnd(peer);
    expect(server.stats().limits.blockedAddresses).toBe(1);
    peer.destroy();
    expect(() => new TcpServer({}, { allowList: ['127.0.0.1', 'home'] })).toThrow(/allowList: .*home/);
    expect(() => new TcpServer({}, { blockList: ['10.0.0.0/33'] })).toThrow(/blockList: .*10\.0\.0\.0\/33/);
    expect(() => new TcpServer({}, { allowList: '127.0.0.1' as never })).toThrow(/allowList must be an array/);
  });
});

test('a peer that was gone before it was accepted, and has no address, passes no list', async () => {
  const journal = new Journal();
  let listening!: net.Server;
  await using server = new TcpServer(
    journal.record({ onPrepareListen: (_server: unknown, listener: net.Server) => void (listening = listener) }),
    { blockList: ['127.0.0.1'] },
  );
  await server.start('127.0.0.1', 0);
  const gone = new net.Socket();
  listening.emit('connection', gone);
  expect(gone.destroyed).toBe(true);
  expect(journal.count('onAccept')).toBe(0);
  expect(server.stats()).toMatchObject({ connections: 0, refused: 1, limits: { blockedAddresses: 1 } });
});

describe('receive rates', () => {
  test("maxReceiveBytesPerSecond with 'pause' delays, and loses nothing", async () => {
    const received = new Counter();
    await using server = new TcpServer(
      { onReceive: (_server, _connId, data) => received.add(data.length) },
      { maxReceiveBytesPerSecond: 200_000 },
    );
    const { port } = await server.start('127.0.0.1', 0);
    const peer = await connectBare(port);
    const startedAt = performance.now();
    peer.write(Buffer.alloc(300_000));
    await received.reach(300_000);
    peer.write('last');
    await received.reach(300_004);
    // 200,000 at once, the rest takes half a second.
    expect(performance.now() - startedAt).toBeGreaterThan(400);
    expect(received.count).toBe(300_004);
    expect(server.stats().limits.receiveRate).toBeGreaterThanOrEqual(1);
    expect(server.stats().connections).toBe(1);
    peer.destroy();
  });

  test("maxReceiveMessagesPerSecond with 'pause' delays packages that came in one read", async () => {
    const packets: string[] = [];
    const count = new Counter();
    await using server = new TcpPackServer(
      {
        onReceive(_server, _connId, data) {
          packets.push(data.toString());
          count.add();
        },
      },
      { maxReceiveMessagesPerSecond: 20 },
    );
    const { port } = await server.start('127.0.0.1', 0);
    await using client = new TcpPackClient({});
    await client.start('127.0.0.1', port);
    const startedAt = performance.now();
    for (let i = 0; i < 30; i++) client.send(`message ${i}`);
    await count.reach(30);
    expect(performance.now() - startedAt).toBeGreaterThan(350);
    expect(packets).toEqual(Array.from({ length: 30 }, (_, i) => `message ${i}`));
    expect(server.stats().limits.receiveRate).toBeGreaterThanOrEqual(1);
  });

  test('both rates hold at once: the one that demands less does not cut the wait for the other short', async () => {
    const received = new Counter();
    await using server = new TcpServer(
      { onReceive: (_server, _connId, data) => received.add(data.length) },
      { maxReceiveBytesPerSecond: 200_000, maxReceiveMessagesPerSecond: 10 },
    );
    const { port } = await server.start('127.0.0.1', 0);
    const peer = await connectBare(port);
    for (let i = 1; i <= 10; i++) {
      peer.write('x');
      await received.reach(i);
    }
    const startedAt = performance.now();
    peer.write(Buffer.alloc(500_000));
    await received.reach(500_010);
    peer.write('last');
    await received.reach(500_014);
    // 200,000 at once, the rest takes a second and a half.
    expect(performance.now() - startedAt).toBeGreaterThan(1200);
    peer.destroy();
  });

  test('a peer whose bytes wait for its rate is not idle', async () => {
    const journal = new Journal();
    const received = new Counter();
    await using server = new TcpServer(
      journal.record({ onReceive: (_server: unknown, _connId: number, data: Buffer) => received.add(data.length) }),
      { maxReceiveBytesPerSecond: 100_000, idleTimeoutMs: 300 },
    );
    const { port } = await server.start('127.0.0.1', 0);
    const peer = await connectBare(port);
    peer.write(Buffer.alloc(200_000));
    await received.reach(200_000);
    peer.write('last');
    await received.reach(200_004);
    expect(journal.closes).toEqual([]);
    await journal.reach('onClose');
    expect(journal.closes[0]?.error?.message).toMatch(/received nothing for 300 ms/);
    peer.destroy();
  });

  test("with 'close', either rate closes with ENOBUFS", async () => {
    for (const options of [
      { maxReceiveBytesPerSecond: 1000, receiveRatePolicy: 'close' },
      { maxReceiveMessagesPerSecond: 3, receiveRatePolicy: 'close' },
    ] as const) {
      const journal = new Journal();
      await using server = new TcpPackServer(journal.record({}), options);
      const { port } = await server.start('127.0.0.1', 0);
      await using client = new TcpPackClient({});
      await client.start('127.0.0.1', port);
      for (let i = 0; i < 20; i++) client.send(Buffer.alloc(200));
      await journal.reach('onClose');
      expect(journal.closes[0]).toMatchObject({ operation: SocketOperation.Receive, errorCode: ENOBUFS });
      expect(journal.closes[0]?.error?.message).toMatch(/more than its rate allows/);
      expect(server.stats().limits.receiveRate).toBe(1);
      expect(journal.count('onReceive')).toBeLessThan(20);
      await client.wait();
    }
  });

  test("with 'close', what breaks a rate is not delivered", async () => {
    const journal = new Journal();
    await using server = new TcpPackServer(journal.record({}), {
      maxReceiveMessagesPerSecond: 1,
      receiveRatePolicy: 'close',
    });
    const { port } = await server.start('127.0.0.1', 0);
    await using client = new TcpPackClient({});
    await client.start('127.0.0.1', port);
    client.send('allowed');
    client.send('too many');
    await journal.reach('onClose');
    expect(journal.received.map(String)).toEqual(['allowed']);
    expect(server.stats().messagesIn).toBe(1);
    await client.wait();
  });

  test('a rate of the agent limits what its servers send', async () => {
    await using bare = await listenBare();
    const journal = new Journal();
    await using agent = new TcpAgent(journal.record({}), {
      maxReceiveBytesPerSecond: 1000,
      receiveRatePolicy: 'close',
    });
    await agent.start();
    await agent.connect('127.0.0.1', bare.port);
    (await bare.accepted()).write(Buffer.alloc(5000));
    await journal.reach('onClose');
    expect(journal.closes[0]?.errorCode).toBe(ENOBUFS);
    expect(agent.stats().limits.receiveRate).toBe(1);
  });

  test('maxPullBufferBytes closes a connection whose bytes are not fetched', async () => {
    const journal = new Journal();
    await using server = new TcpPullServer(journal.record({}), { maxPullBufferBytes: 10_000 });
    const { port } = await server.start('127.0.0.1', 0);
    const peer = await connectBare(port);
    peer.write(Buffer.alloc(50_000));
    await journal.reach('onClose');
    expect(journal.closes[0]?.errorCode).toBe(ENOBUFS);
    expect(server.stats().limits.pullBuffer).toBe(1);
    peer.destroy();
  });
});

describe('peers that read slowly', () => {
  test("maxPendingBytes with 'refuse' is strict, and what was accepted arrives", async () => {
    const maxPendingBytes = 1024 * 1024;
    const journal = new Journal();
    await using server = new TcpServer(journal.record({}), { maxPendingBytes });
    const { port } = await server.start('127.0.0.1', 0);
    const peer = await connectBare(port);
    await journal.reach('onHandShake');
    const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
    let accepted = 0;
    let most = 0;
    const piece = Buffer.alloc(64 * 1024);
    for (let refusals = 0; refusals < 3; ) {
      piece[0] = accepted % 251;
      if (server.send(1, Buffer.from(piece))) accepted++;
      else refusals++;
      most = Math.max(most, server.getPendingDataLength(1)!);
      if (accepted % 16 === 0) await turn();
    }
    expect(most).toBeLessThanOrEqual(maxPendingBytes);
    expect(most).toBeGreaterThan(maxPendingBytes - piece.length);
    expect([server.lastError, server.lastFailure?.errnoName]).toEqual([SocketErrorCode.DataSend, 'ENOBUFS']);
    expect(server.lastFailure?.message).toMatch(/maxPendingBytes; wait for onSendDrained/);
    expect(server.stats().limits.pendingBytes).toBe(3);
    expect(server.isConnected(1)).toBe(true);
    const got = await readBytes(peer, accepted * piece.length);
    for (let i = 0; i < accepted; i++) expect(got[i * piece.length]).toBe(i % 251);
    expect(server.send(1, 'again')).toBe(true);
    peer.destroy();
  });

  test.each([
    ['below the default marks', { maxPendingBytes: 64 * 1024 }, 8 * 1024],
    ['with a large send that would cross it at once', { maxPendingBytes: 1_200_000 }, 500_000],
    ['with the low-water mark above what leaves room', { maxPendingBytes: 100_000, lowWaterMarkBytes: 90_000 }, 60_000],
  ])('who is refused by maxPendingBytes is told when to go on: %s', async (_name, options, pieceBytes) => {
    const journal = new Journal();
    let refusals = 0;
    let sent = 0;
    const piece = Buffer.alloc(pieceBytes);
    const produce = (self: TcpServer, connId: number): void => {
      while (sent < 16 * 1024 * 1024) {
        if (!self.send(connId, piece)) {
          refusals++;
          return;
        }
        sent += pieceBytes;
      }
      self.disconnect(connId, { drain: true });
    };
    await using server = new TcpServer(journal.record({ onHandShake: produce, onSendDrained: produce }), options);
    const { port } = await server.start('127.0.0.1', 0);
    const peer = await connectBare(port);
    expect((await readToEnd(peer)).length).toBe(sent);
    expect(refusals).toBeGreaterThan(0);
    // Never in vain: every time it was told to go on, there was room.
    expect(journal.count('onSendDrained')).toBeLessThanOrEqual(sent / pieceBytes);
    expect(journal.count('onSendBlocked')).toBe(journal.count('onSendDrained'));
    peer.destroy();
  });

  test('what maxPendingBytes can never let through is refused without a hook, and the error says so', async () => {
    const journal = new Journal();
    await using server = new TcpServer(journal.record({}), { maxPendingBytes: 1000 });
    const { port } = await server.start('127.0.0.1', 0);
    const peer = await connectBare(port);
    await journal.reach('onHandShake');
    expect(server.send(1, Buffer.alloc(1001))).toBe(false);
    expect(server.lastFailure?.message).toMatch(/1001 bytes are more than maxPendingBytes \(1000\).*in pieces/);
    expect(server.send(1, Buffer.alloc(1000))).toBe(true);
    await readBytes(peer, 1000);
    expect([journal.count('onSendBlocked'), journal.count('onSendDrained')]).toEqual([0, 0]);
    peer.destroy();
  });

  test("maxPendingBytes with 'close' closes with ENOBUFS", async () => {
    const journal = new Journal();
    await using server = new TcpServer(journal.record({}), { maxPendingBytes: 1_000_000, pendingPolicy: 'close' });
    const { port } = await server.start('127.0.0.1', 0);
    const peer = await connectBare(port);
    await journal.reach('onHandShake');
    while (server.send(1, Buffer.alloc(100_000))) await new Promise((resolve) => setImmediate(resolve));
    expect(server.send(1, 'x')).toBe(false);
    await journal.reach('onClose');
    expect(journal.closes).toHaveLength(1);
    expect(journal.closes[0]).toMatchObject({ operation: SocketOperation.Send, errorCode: ENOBUFS });
    expect(journal.closes[0]?.error?.message).toMatch(/maxPendingBytes \(1000000\).*reads too slowly/);
    expect(server.stats().limits.pendingBytes).toBe(1);
    peer.destroy();
  });

  test('onSendBlocked and onSendDrained tell once for each crossing', async () => {
    const journal = new Journal();
    const pendings: number[] = [];
    await using server = new TcpServer(
      journal.record({
        onSendBlocked: (_server: unknown, _connId: number, pending: number) => void pendings.push(pending),
        onSendDrained: (_server: unknown, _connId: number, pending: number) => void pendings.push(pending),
      }),
      { highWaterMarkBytes: 256 * 1024, lowWaterMarkBytes: 64 * 1024 },
    );
    const { port } = await server.start('127.0.0.1', 0);
    const peer = await connectBare(port);
    await journal.reach('onHandShake');
    const size = 16 * 1024 * 1024;
    for (let cycle = 1; cycle <= 3; cycle++) {
      for (let i = 0; i < 256; i++) server.send(1, Buffer.alloc(size / 256));
      await journal.reach('onSendBlocked', cycle);
      for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve));
      expect([journal.count('onSendBlocked'), journal.count('onSendDrained')]).toEqual([cycle, cycle - 1]);
      await readBytes(peer, size);
      peer.pause();
      await journal.reach('onSendDrained', cycle);
      expect([journal.count('onSendBlocked'), journal.count('onSendDrained')]).toEqual([cycle, cycle]);
    }
    pendings.forEach((pending, index) => {
      if (index % 2 === 0) expect(pending).toBeGreaterThan(256 * 1024);
      else expect(pending).toBeLessThanOrEqual(64 * 1024);
    });
    peer.destroy();
  });

  test('a crossing that is over by the end of the turn calls both hooks, so that a sender that saw it does not wait for ever', async () => {
    const journal = new Journal();
    await using server = new TcpServer(journal.record({}), { highWaterMarkBytes: 50_000, lowWaterMarkBytes: 10_000 });
    const { port } = await server.start('127.0.0.1', 0);
    const peer = await connectBare(port);
    await journal.reach('onHandShake');
    for (let i = 1; i <= 3; i++) {
      server.send(1, Buffer.alloc(60_000));
      expect(server.getPendingDataLength(1)).toBe(60_000);
      await readBytes(peer, 60_000);
      await journal.reach('onSendDrained', i);
      expect([journal.count('onSendBlocked'), journal.count('onSendDrained')]).toEqual([i, i]);
    }
    expect(journal.names().slice(3)).toEqual(Array(3).fill(['onSendBlocked', 'onSendDrained']).flat());
    peer.destroy();
  });

  test('a producer that heeds the marks keeps a slow reader in bounds', async () => {
    const total = 24 * 1024 * 1024;
    const piece = 32 * 1024;
    const highWaterMarkBytes = 256 * 1024;
    let most = 0;
    let sent = 0;
    let isBlocked = false;
    const produce = (server: TcpServer, connId: number): void => {
      while (!isBlocked && sent < total) {
        server.send(connId, Buffer.alloc(piece, (sent / piece) % 251));
        sent += piece;
        const pending = server.getPendingDataLength(connId)!;
        most = Math.max(most, pending);
        if (pending > highWaterMarkBytes) return; // onSendBlocked comes at the end of this turn
      }
      if (sent >= total) server.disconnect(connId, { drain: true });
    };
    const done = deferred();
    await using server: TcpServer = new TcpServer(
      {
        onHandShake: (server, connId) => produce(server, connId),
        onSendBlocked: () => {
          isBlocked = true;
        },
        onSendDrained(server, connId) {
          isBlocked = false;
          produce(server, connId);
        },
        onClose: () => done.resolve(),
      },
      { highWaterMarkBytes, lowWaterMarkBytes: 64 * 1024 },
    );
    const { port } = await server.start('127.0.0.1', 0);
    const peer = await connectBare(port);
    let received = 0;
    for await (const chunk of peer) {
      const bytes = chunk as Buffer;
      expect(bytes[0]).toBe(Math.floor(received / piece) % 251);
      received += bytes.length;
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(received).toBe(total);
    expect(most).toBeLessThanOrEqual(highWaterMarkBytes + piece);
    peer.destroy();
    await done.promise;
  });
});
