import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { $connectionOf } from '../../src/core/internals.ts';
import {
  Errno,
  HandleResult,
  SocketErrorCode,
  SocketOperation,
  TcpPackAgent,
  TcpPackClient,
  TcpPackServer,
} from '../../src/index.ts';
import { Random } from '../tools/random.ts';
import { Counter, connectBare, type Deferred, deferred, listenBare, readBytes, readToEnd } from './support.ts';

// Pack components in every role against bare sockets: exactly which bytes mean what, and which leave.

const host = '127.0.0.1';

type Answer = HandleResult | undefined | Promise<HandleResult | undefined>;

interface Hooks {
  onReceive?: (body: Buffer, role: Role) => Answer;
  onSend?: (bytes: Buffer) => void;
}

interface Role {
  /** The bare socket at the other end. */
  readonly peer: Socket;
  readonly bodies: string[];
  readonly received: Counter;
  /** `operation` and `errorCode` of `onClose`. */
  readonly closed: Deferred<[number, number]>;
  send(data: string | Buffer): boolean;
  sendPackets(packets: (string | Buffer)[]): boolean;
  sendSmallFile(file: string, head?: string, tail?: string): Promise<boolean>;
  pause(isPaused: boolean): boolean;
  pending(): number;
  buffered(): number;
  readonly failure: { code: number; errno: number };
  end(): Promise<void>;
}

const roles = ['server', 'agent', 'client'] as const;

/** A connected pack component in one of the roles, with a bare socket at the other end. */
async function open(kind: (typeof roles)[number], hooks: Hooks = {}, options: object = {}): Promise<Role> {
  const bodies: string[] = [];
  const received = new Counter();
  const closed = deferred<[number, number]>();
  const connected = deferred();
  let role!: Role;
  const listener = {
    onAccept: () => connected.resolve(),
    onReceive(_sender: unknown, _connId: number, body: Buffer) {
      bodies.push(body.toString());
      received.add();
      return hooks.onReceive?.(body, role);
    },
    onClose: (_sender: unknown, _connId: number, operation: SocketOperation, code: number) =>
      closed.resolve([operation, code]),
    ...(hooks.onSend === undefined
      ? {}
      : { onSend: (_sender: unknown, _connId: number, bytes: Uint8Array) => hooks.onSend?.(Buffer.from(bytes)) }),
  };
  const common = { bodies, received, closed };
  if (kind === 'server') {
    const server = new TcpPackServer(listener as never, options);
    const { port } = await server.start(host, 0);
    const peer = await connectBare(port);
    await connected.promise;
    role = {
      ...common,
      peer,
      send: (data) => server.send(1, data),
      sendPackets: (packets) => server.sendPackets(1, packets),
      sendSmallFile: (file, head, tail) => server.sendSmallFile(1, file, head, tail),
      pause: (isPaused) => server.pauseReceive(1, isPaused),
      pending: () => server.getConnectionStats(1)?.pendingBytes ?? 0,
      buffered: () => server.getConnectionStats(1)?.bufferedBytes ?? 0,
      get failure() {
        return { code: server.lastError, errno: server.lastSystemError };
      },
      end: () => server.stop() as Promise<never>,
    };
    return role;
  }
  const bare = await listenBare();
  if (kind === 'agent') {
    const agent = new TcpPackAgent(listener as never, options);
    await agent.start();
    const id = await agent.connect(host, bare.port);
    role = {
      ...common,
      peer: await bare.accepted(),
      send: (data) => agent.send(id, data),
      sendPackets: (packets) => agent.sendPackets(id, packets),
      sendSmallFile: (file, head, tail) => agent.sendSmallFile(id, file, head, tail),
      pause: (isPaused) => agent.pauseReceive(id, isPaused),
      pending: () => agent.getConnectionStats(id)?.pendingBytes ?? 0,
      buffered: () => agent.getConnectionStats(id)?.bufferedBytes ?? 0,
      get failure() {
        return { code: agent.lastError, errno: agent.lastSystemError };
      },
      async end() {
        await agent.stop();
        await bare[Symbol.asyncDispose]();
      },
    };
    return role;
  }
  const client = new TcpPackClient(listener as never, options);
  await client.start(host, bare.port);
  role = {
    ...common,
    peer: await bare.accepted(),
    send: (data) => client.send(data),
    sendPackets: (packets) => client.sendPackets(packets),
    sendSmallFile: (file, head, tail) => client.sendSmallFile(file, head, tail),
    pause: (isPaused) => client.pauseReceive(isPaused),
    pending: () => client.pendingDataLength,
    buffered: () => client[$connectionOf]()?.stats().bufferedBytes ?? 0,
    get failure() {
      return { code: client.lastError, errno: client.lastSystemError };
    },
    async end() {
      await client[Symbol.asyncDispose]();
      await bare[Symbol.asyncDispose]();
    },
  };
  return role;
}

/** Header and body, by arithmetic that has nothing of the library's. */
function pack(body: string | Buffer, flag = 0): Buffer {
  const bytes = Buffer.from(body as string);
  const head = Buffer.alloc(4);
  head.writeUInt32LE(flag * 4_194_304 + bytes.length);
  return Buffer.concat([head, bytes]);
}

describe.each(roles)('a pack %s', (kind) => {
  test('closes at the fourth byte of a wrong header, after what came before it: CLS-007, CLS-008, PK-005, PK-006, PK-007', async () => {
    const cases: [object, string, string, number][] = [
      [{ packHeaderFlag: 0x169 }, '0100405a61', '0500005a', Errno.EBADMSG],
      [{ packHeaderFlag: 0x169 }, '0100405a61', '00000000', Errno.EBADMSG], // the flag is looked at first
      [{ packHeaderFlag: 0x169 }, '0100405a61', '0000405a', Errno.EMSGSIZE],
      [{ packHeaderFlag: 0x169, maxPackSize: 10 }, '0100405a61', '0b00405a', Errno.EMSGSIZE],
      [{}, '0100000061', '01000400', Errno.EMSGSIZE], // 262,145
      [{}, '0100405a61', 'ffffffff', Errno.EMSGSIZE], // any flag will do
      [{}, '0100405a61', '00000000', Errno.EMSGSIZE],
    ];
    for (const [options, good, bad, errno] of cases) {
      const role = await open(kind, {}, options);
      role.peer.setNoDelay(true);
      // No body follows, and the peer does not end: the header alone must do.
      for (const byte of Buffer.from(good + bad, 'hex')) role.peer.write(Uint8Array.of(byte));
      expect(await role.closed.promise).toEqual([SocketOperation.Receive, errno]);
      expect(role.bodies).toEqual(['a']);
      await role.end();
    }
  });

  test('drops the half package of a peer that leaves, and says so: PK-006', async () => {
    const role = await open(kind);
    role.peer.end(Buffer.concat([pack('whole'), pack('half').subarray(0, 7)]));
    expect(await role.closed.promise).toEqual([SocketOperation.Receive, Errno.EBADMSG]);
    expect(role.bodies).toEqual(['whole']);
    await role.end();
  });

  test('sends a package in any of the ways as the same bytes: PK-001, PK-002, PK-010, PK-014, CS-003', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'pack-'));
    const file = join(folder, 'file');
    await writeFile(file, 'bcd');
    const role = await open(kind, {}, { packHeaderFlag: 0x169 });
    const expected = '0500405a6162636465';
    expect(role.send('abcde')).toBe(true);
    expect(role.sendPackets(['a', '', Buffer.from('bcd'), 'e'])).toBe(true);
    expect(await role.sendSmallFile(file, 'a', 'e')).toBe(true);
    expect((await readBytes(role.peer, 27)).toString('hex')).toBe(expected.repeat(3));
    await role.end();
    await rm(folder, { recursive: true });
  });

  test('refuses what is empty or too large, and nothing leaves: PK-003, PK-010', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'pack-'));
    const file = join(folder, 'file');
    await writeFile(file, 'x'.repeat(9));
    const role = await open(kind, {}, { maxPackSize: 10, packHeaderFlag: 1 });
    const refusals: (() => boolean | Promise<boolean>)[] = [
      () => role.send(''),
      () => role.send('x'.repeat(11)),
      () => role.sendPackets(['', '']),
      () => role.sendPackets(['12345', '67890', '1']),
      () => role.sendSmallFile(file, '<', '>'),
    ];
    for (const refusal of refusals) {
      expect(await refusal()).toBe(false);
      expect(role.failure).toEqual({ code: SocketErrorCode.InvalidParam, errno: Errno.EMSGSIZE });
      expect(role.pending()).toBe(0);
    }
    expect(role.send('0123456789')).toBe(true);
    expect((await readBytes(role.peer, 14)).toString('hex')).toBe(pack('0123456789', 1).toString('hex'));
    await role.end();
    await rm(folder, { recursive: true });
  });

  test('tells onSend header and body: PK-011', async () => {
    const sent: Buffer[] = [];
    const counter = new Counter();
    const role = await open(
      kind,
      {
        onSend(bytes) {
          sent.push(bytes);
          counter.add(bytes.length);
        },
      },
      { packHeaderFlag: 0x169 },
    );
    role.send('abcde');
    await counter.reach(9);
    expect(Buffer.concat(sent).toString('hex')).toBe('0500405a6162636465');
    const large = Buffer.alloc(200_000, 'L');
    role.send(large);
    await Promise.all([counter.reach(9 + 200_004), readBytes(role.peer, 9 + 200_004)]);
    expect(Buffer.concat(sent).equals(Buffer.concat([pack('abcde', 0x169), pack(large, 0x169)]))).toBe(true);
    await role.end();
  });

  test('paused inside onReceive keeps the rest, and resumes with it before it reads on or sees the end: PK-009', async () => {
    const role = await open(kind, {
      onReceive(_body, own) {
        own.pause(true);
        return undefined;
      },
    });
    const packages = ['one', 'two', 'three', 'four'].map((text) => pack(text));
    role.peer.end(Buffer.concat([...packages, pack('half').subarray(0, 5)]));
    for (let n = 1; n <= 4; n++) {
      await role.received.reach(n);
      // Whatever else the loop has to do now, no package comes and no close.
      for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve));
      expect(role.bodies).toHaveLength(n);
      expect(role.buffered()).toBe(packages.slice(n).reduce((sum, { length }) => sum + length, 5));
      expect(role.pause(false)).toBe(true);
    }
    expect(await role.closed.promise).toEqual([SocketOperation.Receive, Errno.EBADMSG]);
    expect(role.bodies).toEqual(['one', 'two', 'three', 'four']);
    await role.end();
  });

  test('paused and resumed in the same onReceive goes straight on: PK-009', async () => {
    const role = await open(kind, {
      onReceive(_body, own) {
        own.pause(true);
        own.pause(false);
        return undefined;
      },
    });
    role.peer.end(Buffer.concat(['one', 'two', 'three'].map((text) => pack(text))));
    await role.closed.promise;
    expect(role.bodies).toEqual(['one', 'two', 'three']);
    await role.end();
  });

  test('with a promise from onReceive takes the next package when that is done: PK-008, PK-009', async () => {
    let running = 0;
    const role = await open(kind, {
      async onReceive() {
        expect(++running).toBe(1);
        await new Promise((resolve) => setImmediate(resolve));
        running--;
        return undefined;
      },
    });
    const texts = Array.from({ length: 50 }, (_, i) => `package ${i}`);
    role.peer.end(Buffer.concat(texts.map((text) => pack(text))));
    await role.closed.promise;
    expect(role.bodies).toEqual(texts);
    await role.end();
  });

  test('stops the loop at Error: PK-008', async () => {
    const role = await open(kind, {
      onReceive: (body) => (body.toString() === 'two' ? HandleResult.Error : HandleResult.Ok),
    });
    role.peer.write(Buffer.concat(['one', 'two', 'three'].map((text) => pack(text))));
    expect(await role.closed.promise).toEqual([SocketOperation.Receive, Errno.ECANCELED]);
    expect(role.bodies).toEqual(['one', 'two']);
    await role.end();
  });

  test('hands on any packages in any pieces, and its bodies stay as they were: PK-003, PK-008', async () => {
    const random = new Random(0x5eed + kind.length);
    const kept: Buffer[] = [];
    const role = await open(
      kind,
      {
        onReceive(body) {
          kept.push(body);
          return undefined;
        },
      },
      { maxPackSize: 0x3fffff },
    );
    const bodies = Array.from({ length: 300 }, () => random.bytes(random.chance(0.02) ? 300_000 : random.int(1, 3000)));
    const stream = Buffer.concat(bodies.map((body) => pack(Buffer.from(body))));
    role.peer.setNoDelay(true);
    for (let at = 0; at < stream.length; ) {
      const length = random.chance(0.5) ? random.int(1, 10) : random.int(10, 150_000);
      if (!role.peer.write(stream.subarray(at, at + length))) await once(role.peer, 'drain');
      at += length;
    }
    await role.received.reach(bodies.length);
    expect(Buffer.concat(kept).equals(Buffer.concat(bodies))).toBe(true);
    expect(kept.map(({ length }) => length)).toEqual(bodies.map(({ length }) => length));
    expect(role.buffered()).toBe(0);
    await role.end();
  });
});

test('the largest package goes there and back: PK-003', async () => {
  const options = { maxPackSize: 0x3fffff, packHeaderFlag: 1023 };
  await using server = new TcpPackServer({ onReceive: (self, connId, body) => void self.send(connId, body) }, options);
  const { port } = await server.start(host, 0);
  const answer = deferred<Buffer>();
  await using client = new TcpPackClient({ onReceive: (_self, _connId, body) => answer.resolve(body) }, options);
  await client.start(host, port);
  const body = Buffer.from(new Random(1).bytes(0x3fffff));
  expect(client.send(body)).toBe(true);
  expect((await answer.promise).equals(body)).toBe(true);
});

test('flags and limits only have to fit the receiver: PK-004, PK-012', async () => {
  // [flag and limit of the client, of the server, does it arrive]
  const cases: [number, number, number, number, boolean][] = [
    [0, 100, 0, 100, true],
    [1023, 100, 0, 100, true],
    [1023, 100, 1023, 200, true],
    [0, 100, 1023, 100, false],
    [5, 100, 6, 100, false],
    [5, 100, 5, 99, false],
  ];
  for (const [clientFlag, clientLimit, serverFlag, serverLimit, doesArrive] of cases) {
    const outcome = deferred<boolean>();
    const server = new TcpPackServer(
      { onReceive: () => outcome.resolve(true), onClose: () => outcome.resolve(false) },
      { packHeaderFlag: serverFlag, maxPackSize: serverLimit },
    );
    const { port } = await server.start(host, 0);
    await using client = new TcpPackClient({}, { packHeaderFlag: clientFlag, maxPackSize: clientLimit });
    await client.start(host, port);
    client.send('x'.repeat(100));
    expect(await outcome.promise).toBe(doesArrive);
    await server.stop();
  }
});

test('peers that announce 4 MB each and send one byte of it cost next to nothing: PK-007', async () => {
  const peers = 200;
  await using server = new TcpPackServer({}, { maxPackSize: 0x3fffff });
  const { port } = await server.start(host, 0);
  const before = process.memoryUsage().arrayBuffers;
  const sockets = await Promise.all(Array.from({ length: peers }, () => connectBare(port)));
  for (const socket of sockets) socket.write(Buffer.from('ffff3f0061', 'hex'));
  while (server.stats().bytesIn < peers * 5) await new Promise((resolve) => setImmediate(resolve));
  for (let id = 1; id <= peers; id++) expect(server.getConnectionStats(id)?.bufferedBytes).toBe(5);
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(64 * 1024 * 1024);
  for (const socket of sockets) socket.destroy();
});

test('a server that half-closed peers left still answers all their packages', async () => {
  await using server = new TcpPackServer({ onReceive: (self, connId, body) => void self.send(connId, body) });
  const { port } = await server.start(host, 0);
  const peer = await connectBare(port);
  const stream = Buffer.concat(Array.from({ length: 1000 }, (_, i) => pack(`package ${i}`)));
  peer.end(stream);
  expect((await readToEnd(peer)).equals(stream)).toBe(true);
});
