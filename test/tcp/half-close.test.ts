import type net from 'node:net';
import { describe, expect, test } from 'vitest';
import { Errno } from '../../src/core/errno.ts';
import { HandleResult, ServiceState, SocketOperation, TcpClient, TcpPackServer, TcpServer } from '../../src/index.ts';
import { type BareServer, connectBare, deferred, Journal, listenBare, readToEnd } from './support.ts';

const EPIPE = 32;
const ECONNRESET = 104;
const MUCH = 16 * 1024 * 1024;

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** One connection of a component, with a bare socket as its peer. */
interface Pair extends AsyncDisposable {
  readonly journal: Journal;
  readonly peer: net.Socket;
  send(data: string | Buffer): boolean;
  pause(isPaused: boolean): void;
  /** Disconnects a server's connection, or stops the client: everything is sent, then a FIN. */
  drain(): void;
  pendingBytes(): number;
}

type Role = 'server' | 'client';
interface Hooks {
  onReceive?(sender: unknown, connId: number, data: Buffer): unknown;
  onHandShake?(sender: unknown, connId: number): unknown;
}

async function open(role: Role, makeHooks: (send: Pair['send']) => Hooks = () => ({})): Promise<Pair> {
  const journal = new Journal();
  if (role === 'server') {
    const hooks = makeHooks((data) => server.send(1, data));
    const server: TcpServer = new TcpServer(journal.record(hooks) as object);
    const { port } = await server.start('127.0.0.1', 0);
    const peer = await connectBare(port);
    await journal.reach('onHandShake');
    return {
      journal,
      peer,
      send: (data) => server.send(1, data),
      pause: (isPaused) => void server.pauseReceive(1, isPaused),
      drain: () => void server.disconnect(1, { drain: true }),
      pendingBytes: () => server.stats().pendingBytes,
      async [Symbol.asyncDispose]() {
        peer.destroy();
        if (server.state !== ServiceState.Stopped) await server.stop();
        expectOneEnd(journal);
      },
    };
  }
  const bare: BareServer = await listenBare();
  const hooks = makeHooks((data) => client.send(data));
  const client: TcpClient = new TcpClient(journal.record(hooks) as object);
  await client.start('127.0.0.1', bare.port);
  const peer = await bare.accepted();
  return {
    journal,
    peer,
    send: (data) => client.send(data),
    pause: (isPaused) => void client.pauseReceive(isPaused),
    drain: () => void client.stop({ drainTimeoutMs: 10_000 }),
    pendingBytes: () => client.pendingDataLength,
    async [Symbol.asyncDispose]() {
      if (client.hasStarted) await client.stop();
      await client.wait();
      await bare[Symbol.asyncDispose]();
      expectOneEnd(journal);
    },
  };
}

/** EXO-001 to EXO-004: one onClose, nothing of the connection after it, each opening hook once. */
function expectOneEnd(journal: Journal): void {
  expect(journal.count('onClose')).toBe(1);
  const names = journal.names();
  const after = names.slice(names.indexOf('onClose') + 1);
  expect(after.filter((name) => name !== 'onShutdown')).toEqual([]);
  for (const name of ['onAccept', 'onConnect', 'onHandShake', 'onShutdown']) {
    expect(journal.count(name)).toBeLessThanOrEqual(1);
  }
}

/** How a peer leaves. */
const ways = {
  'half-closes': (peer: net.Socket) => void peer.end(),
  resets: (peer: net.Socket) => void peer.resetAndDestroy(),
  vanishes: (peer: net.Socket) => void peer.destroy(),
} as const;
type Way = keyof typeof ways;
const allWays = Object.keys(ways) as Way[];

function lastClose(journal: Journal): [SocketOperation, number] {
  const { operation, errorCode, error } = journal.closes[0]!;
  // The sentence belongs to the number.
  expect(error?.errno ?? 0).toBe(errorCode);
  return [operation, errorCode];
}

/** What a reset may be told as: it is met by a read or by a write, whichever comes first. */
function expectReset(journal: Journal): void {
  const [operation, errorCode] = lastClose(journal);
  expect([SocketOperation.Close, SocketOperation.Send]).toContain(operation);
  expect(operation === SocketOperation.Close ? [ECONNRESET] : [ECONNRESET, EPIPE]).toContain(errorCode);
}

describe.each(['server', 'client'] as const)('a peer of the %s', (role) => {
  describe.each(allWays)('that %s', (way) => {
    const leave = ways[way];

    test('CLS-001 CLS-002 EXO-001 NODEEV-003: before the first byte', async () => {
      await using pair = await open(role);
      leave(pair.peer);
      await pair.journal.reach('onClose');
      const expected = way === 'resets' ? ECONNRESET : 0;
      expect(lastClose(pair.journal)).toEqual([SocketOperation.Close, expected]);
      expect(pair.journal.count('onReceive')).toBe(0);
    });

    test('CLS-001 CLS-002 EXO-001 EXO-002: after bytes that were delivered', async () => {
      await using pair = await open(role);
      pair.peer.write('hello');
      await pair.journal.reach('onReceive');
      leave(pair.peer);
      await pair.journal.reach('onClose');
      const expected = way === 'resets' ? ECONNRESET : 0;
      expect(lastClose(pair.journal)).toEqual([SocketOperation.Close, expected]);
      expect(Buffer.concat(pair.journal.received).toString()).toBe('hello');
    });

    test('EXO-001 EXO-002: while an async onReceive is pending, which then answers', async () => {
      const hook = deferred();
      await using pair = await open(role, (send) => ({
        async onReceive() {
          await hook.promise;
          send('the answer');
        },
      }));
      pair.peer.write('a question');
      await pair.journal.reach('onReceive');
      const answer = way === 'half-closes' ? readToEnd(pair.peer) : undefined;
      leave(pair.peer);
      for (let i = 0; i < 5; i++) await turn();
      // A reset may be noticed at once: nobody waits for an answer any more.
      if (way !== 'resets') expect(pair.journal.count('onClose')).toBe(0);
      hook.resolve();
      await pair.journal.reach('onClose');
      expect(pair.journal.count('onReceive')).toBe(1);
      if (way === 'half-closes') {
        expect((await answer!).toString()).toBe('the answer');
        expect(lastClose(pair.journal)).toEqual([SocketOperation.Close, 0]);
      } else if (way === 'resets') expectReset(pair.journal);
    });

    test('EXO-001 EXO-002 ACC-010: while receiving is paused', async () => {
      await using pair = await open(role);
      pair.peer.write('first');
      await pair.journal.reach('onReceive');
      pair.pause(true);
      pair.peer.write('second');
      await turn();
      leave(pair.peer);
      for (let i = 0; i < 5; i++) await turn();
      expect(pair.journal.count('onReceive')).toBe(1);
      // A reset may be noticed at once: on the documented path Node reads on, up to its own mark, while a socket is paused.
      if (way !== 'resets') expect(pair.journal.count('onClose')).toBe(0);
      pair.pause(false);
      await pair.journal.reach('onClose');
      const text = Buffer.concat(pair.journal.received).toString();
      if (way === 'resets') {
        // Either the system throws away what it had (ORD-007), or libuv hands it on and takes the hang-up behind it for a
        // FIN, as it does for a bare net.Socket that was paused.
        const expected = text === 'first' ? [ECONNRESET] : [ECONNRESET, 0];
        const [operation, errorCode] = lastClose(pair.journal);
        expect(['first', 'firstsecond']).toContain(text);
        expect(operation).toBe(SocketOperation.Close);
        expect(expected).toContain(errorCode);
      } else {
        expect(text).toBe('firstsecond');
        expect(lastClose(pair.journal)).toEqual([SocketOperation.Close, 0]);
      }
    });

    test('CLS-002 CLS-005 EXO-001: with an answer that it has not read', async () => {
      await using pair = await open(role);
      expect(pair.send(Buffer.alloc(MUCH, 9))).toBe(true);
      // Until the system takes no more.
      for (let before = -1; before !== pair.pendingBytes(); await turn()) before = pair.pendingBytes();
      expect(pair.pendingBytes()).toBeGreaterThan(0);
      const answer = way === 'half-closes' ? readToEnd(pair.peer) : undefined;
      leave(pair.peer);
      await pair.journal.reach('onClose');
      if (way === 'half-closes') {
        expect((await answer!).length).toBe(MUCH);
        expect(lastClose(pair.journal)).toEqual([SocketOperation.Close, 0]);
      } else expectReset(pair.journal);
    });

    test('CLS-001 CLS-002 EXO-001: after our FIN', async () => {
      await using pair = await open(role);
      const ended = readToEnd(pair.peer);
      pair.send('goodbye');
      pair.drain();
      expect((await ended).toString()).toBe('goodbye');
      expect(pair.journal.count('onClose')).toBe(0);
      leave(pair.peer);
      await pair.journal.reach('onClose');
      expect(lastClose(pair.journal)).toEqual([SocketOperation.Close, way === 'resets' ? ECONNRESET : 0]);
    });

    test('EXO-001: after our FIN, with bytes on the way to us', async () => {
      await using pair = await open(role);
      const ended = readToEnd(pair.peer);
      pair.drain();
      await ended;
      pair.peer.write('one more thing');
      await pair.journal.reach('onReceive');
      leave(pair.peer);
      await pair.journal.reach('onClose');
      expect(Buffer.concat(pair.journal.received).toString()).toBe('one more thing');
      expect(lastClose(pair.journal)).toEqual([SocketOperation.Close, way === 'resets' ? ECONNRESET : 0]);
    });

    test('EXO-001: at the same time as our disconnect', async () => {
      await using pair = await open(role, (send) => ({ onReceive: () => void send('answer') }));
      pair.peer.write('question');
      await pair.journal.reach('onReceive');
      leave(pair.peer);
      pair.drain();
      await pair.journal.reach('onClose');
      expect([0, ECONNRESET, EPIPE]).toContain(pair.journal.closes[0]!.errorCode);
    });
  });

  test('ORD-005 ORD-006 ACC-011: question and FIN in one segment still get the answer', async () => {
    const answer = Buffer.alloc(MUCH, 1);
    await using pair = await open(role, (send) => ({ onReceive: () => void send(answer) }));
    const got = readToEnd(pair.peer);
    pair.peer.end('question');
    expect((await got).equals(answer)).toBe(true);
    await pair.journal.reach('onClose');
    expect(lastClose(pair.journal)).toEqual([SocketOperation.Close, 0]);
  });

  test('ACC-011: a FIN behind many questions gets the answers of all async hooks, in order', async () => {
    const asked: string[] = [];
    await using pair = await open(role, (send) => ({
      async onReceive(_sender, _connId, data) {
        asked.push(data.toString());
        await turn();
        await turn();
        send(`[${data.toString()}]`);
      },
    }));
    const got = readToEnd(pair.peer);
    pair.peer.write('one');
    await pair.journal.reach('onReceive', 1);
    pair.peer.write('two');
    await turn();
    pair.peer.end('three');
    const text = (await got).toString();
    expect(text).toBe(asked.map((one) => `[${one}]`).join(''));
    expect(asked.join('')).toBe('onetwothree');
    await pair.journal.reach('onClose');
    expect(lastClose(pair.journal)).toEqual([SocketOperation.Close, 0]);
  });

  test('CLS-006 EXO-001: onReceive Error after the FIN came wins over it', async () => {
    const hook = deferred<HandleResult>();
    await using pair = await open(role, () => ({ onReceive: () => hook.promise }));
    pair.peer.end('question');
    await pair.journal.reach('onReceive');
    await turn();
    hook.resolve(HandleResult.Error);
    await pair.journal.reach('onClose');
    expect(lastClose(pair.journal)).toEqual([SocketOperation.Receive, 125]);
  });

  test('CLS-005 NODEEV-003 SND-010: sending to a peer that is gone ends with Send, EPIPE', async () => {
    await using pair = await open(role);
    pair.pause(true); // so that no read meets the end before a write does
    pair.peer.destroy();
    await turn();
    expect(pair.send('lost')).toBe(true);
    while (pair.journal.count('onClose') === 0) {
      pair.send('x');
      await turn();
    }
    const [operation, errorCode] = lastClose(pair.journal);
    expect(operation).toBe(SocketOperation.Send);
    expect([EPIPE, ECONNRESET]).toContain(errorCode);
  });

  test('CLS-004 EXO-001 NODEEV-002: onClose gets what the system reports about a read, after the socket closed', async () => {
    const sockets: net.Socket[] = [];
    const journal = new Journal();
    const hooks = journal.record({
      onAccept: (_sender: unknown, _connId: number, socket: net.Socket) => void sockets.push(socket),
      onPrepareConnect: (_sender: unknown, _connId: number, socket: net.Socket) => void sockets.push(socket),
    });
    await using bare = await listenBare();
    await using server = new TcpServer(hooks);
    await using client = new TcpClient(hooks);
    if (role === 'server') {
      const { port } = await server.start('127.0.0.1', 0);
      const peer = await connectBare(port);
      bare.sockets.push(peer);
    } else await client.start('127.0.0.1', bare.port);
    await journal.reach('onHandShake');
    const error = Object.assign(new Error('read EIO'), { code: 'EIO', syscall: 'read' });
    sockets[0]!.destroy(error);
    expect(journal.count('onClose')).toBe(0);
    await journal.reach('onClose');
    expect(lastClose(journal)).toEqual([SocketOperation.Receive, 5]);
    expect(journal.closes[0]?.error?.cause).toBe(error);
    await client.wait();
  });
});

describe('in the middle of a package', () => {
  test.each(allWays)('CLS-001 CLS-002 EXO-001: a peer that %s, at every byte of it', async (way) => {
    const journal = new Journal();
    await using server = new TcpPackServer(journal.record({}), { packHeaderFlag: 5 });
    const { port } = await server.start('127.0.0.1', 0);
    const body = Buffer.from('package');
    const header = Buffer.alloc(4);
    header.writeUInt32LE(((5 << 22) | body.length) >>> 0);
    const whole = Buffer.concat([header, body]);
    for (let cut = 1; cut < whole.length; cut++) {
      const peer = await connectBare(port);
      await journal.reach('onHandShake', cut);
      // A whole one first: when its answer is there, what comes behind it is about to be read.
      peer.write(Buffer.concat([whole, whole.subarray(0, cut)]));
      await journal.reach('onReceive', cut);
      ways[way](peer);
      await journal.reach('onClose', cut);
      peer.destroy();
    }
    expect(journal.count('onReceive')).toBe(whole.length - 1);
    expect(journal.received.every((one) => one.equals(body))).toBe(true);
    for (const { operation, errorCode } of journal.closes) {
      const cutShort = [SocketOperation.Receive, Errno.EBADMSG];
      expect([operation, errorCode]).toEqual(way === 'resets' ? [SocketOperation.Close, ECONNRESET] : cutShort);
    }
    expect(server.connectionCount).toBe(0);
  });
});

test('EXO-001 EXO-003: 200 connections with disconnect, peers that leave in every way, and a stop, all at once', async () => {
  const journal = new Journal();
  const server = new TcpServer(
    journal.record({
      onReceive: (_server: unknown, connId: number) => void server.send(connId, Buffer.alloc(100_000)),
    }),
  );
  const { port } = await server.start('127.0.0.1', 0);
  const peers: net.Socket[] = [];
  for (let i = 0; i < 200; i++) peers.push(await connectBare(port));
  await journal.reach('onHandShake', 200);
  peers.forEach((peer, index) => {
    peer.write('x');
    ways[allWays[index % 3]!](peer);
    if (index % 2 === 0) server.disconnect(index + 1, index % 4 === 0 ? true : { drain: true });
  });
  await turn();
  await server.stop();
  const ids = journal.closes.map((close) => close.connId).sort((a, b) => a - b);
  expect(ids).toEqual(Array.from({ length: 200 }, (_, index) => index + 1));
  expect(journal.count('onShutdown')).toBe(1);
  expect(journal.events.at(-1)).toBe('onShutdown');
  for (const peer of peers) peer.destroy();
});
