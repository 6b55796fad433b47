import { once } from 'node:events';
import type { Socket } from 'node:net';
import { describe, expect, test } from 'vitest';
import { $connectionOf } from '../../src/core/internals.ts';
import {
  Errno,
  FetchResult,
  HandleResult,
  SocketOperation,
  TcpPullAgent,
  TcpPullClient,
  TcpPullServer,
} from '../../src/index.ts';
import { Random } from '../tools/random.ts';
import { Counter, connectBare, type Deferred, deferred, listenBare, readBytes } from './support.ts';

// Pull components in every role against bare sockets.

const host = '127.0.0.1';

interface Role {
  readonly peer: Socket;
  /** Totals that `onReceive` told. */
  readonly totals: number[];
  readonly received: Counter;
  readonly closed: Deferred<[number, number]>;
  fetch(length: number): Buffer | FetchResult;
  peek(length: number): Buffer | FetchResult;
  pause(isPaused: boolean): boolean;
  send(data: Buffer): boolean;
  buffered(): number;
  /** How often maxPullBufferBytes struck. */
  struck(): number;
  end(): Promise<unknown>;
}

interface Hooks {
  onReceive?: (total: number, role: Role) => unknown;
  onClose?: (role: Role) => void;
}

const roles = ['server', 'agent', 'client'] as const;

async function open(kind: (typeof roles)[number], hooks: Hooks = {}, options: object = {}): Promise<Role> {
  const accepted = deferred();
  const common = { totals: [] as number[], received: new Counter(), closed: deferred<[number, number]>() };
  let role!: Role;
  const listener = {
    onAccept: () => accepted.resolve(),
    onReceive(_sender: unknown, _connId: number, total: number) {
      common.totals.push(total);
      try {
        return hooks.onReceive?.(total, role) as never;
      } finally {
        common.received.add();
      }
    },
    onClose(_sender: unknown, _connId: number, operation: SocketOperation, code: number) {
      hooks.onClose?.(role);
      common.closed.resolve([operation, code]);
    },
  };
  if (kind === 'server') {
    const server = new TcpPullServer(listener, options);
    const { port } = await server.start(host, 0);
    const peer = await connectBare(port);
    await accepted.promise;
    role = {
      ...common,
      peer,
      fetch: (length) => server.fetch(1, length) ?? server.lastFetchResult,
      peek: (length) => server.peek(1, length) ?? server.lastFetchResult,
      pause: (isPaused) => server.pauseReceive(1, isPaused),
      send: (data) => server.send(1, data),
      buffered: () => server.getConnectionStats(1)?.bufferedBytes ?? 0,
      struck: () => server.stats().limits.pullBuffer,
      end: () => server.stop(),
    };
    return role;
  }
  const bare = await listenBare();
  if (kind === 'agent') {
    const agent = new TcpPullAgent(listener, options);
    await agent.start();
    const id = await agent.connect(host, bare.port);
    role = {
      ...common,
      peer: await bare.accepted(),
      fetch: (length) => agent.fetch(id, length) ?? agent.lastFetchResult,
      peek: (length) => agent.peek(id, length) ?? agent.lastFetchResult,
      pause: (isPaused) => agent.pauseReceive(id, isPaused),
      send: (data) => agent.send(id, data),
      buffered: () => agent.getConnectionStats(id)?.bufferedBytes ?? 0,
      struck: () => agent.stats().limits.pullBuffer,
      end: async () => [await agent.stop(), await bare[Symbol.asyncDispose]()],
    };
    return role;
  }
  const client = new TcpPullClient(listener, options);
  await client.start(host, bare.port);
  role = {
    ...common,
    peer: await bare.accepted(),
    fetch: (length) => client.fetch(length) ?? client.lastFetchResult,
    peek: (length) => client.peek(length) ?? client.lastFetchResult,
    pause: (isPaused) => client.pauseReceive(isPaused),
    send: (data) => client.send(data),
    buffered: () => client[$connectionOf]()?.stats().bufferedBytes ?? 0,
    struck: () => client.stats().limits.pullBuffer,
    end: async () => [await client[Symbol.asyncDispose](), await bare[Symbol.asyncDispose]()],
  };
  return role;
}

const turns = async (count: number): Promise<void> => {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve));
};

describe.each(roles)('a pull %s', (kind) => {
  test('tells a rising total while nobody fetches, and what is left after a fetch: EV-S-05, EV-A-05, EV-C-05', async () => {
    const role = await open(kind);
    for (const [i, text] of ['abc', 'de', 'fghi'].entries()) {
      role.peer.write(text);
      await role.received.reach(i + 1);
    }
    expect(role.totals).toEqual([3, 5, 9]);
    expect(role.buffered()).toBe(9);
    expect(String(role.peek(9))).toBe('abcdefghi');
    expect(String(role.fetch(4))).toBe('abcd');
    expect(role.fetch(6)).toBe(FetchResult.LengthTooLong);
    role.peer.write('j');
    await role.received.reach(4);
    expect(role.totals.at(-1)).toBe(6);
    expect(String(role.fetch(6))).toBe('efghij');
    expect(role.buffered()).toBe(0);
    await role.end();
  });

  test('still has everything in onClose, and nothing afterwards: PULL-S-001, PULL-S-002, PULL-C-001, PULL-C-002', async () => {
    const inClose: string[] = [];
    const role = await open(kind, {
      onClose(own) {
        inClose.push(String(own.peek(2)), String(own.fetch(4)), String(own.fetch(3)), String(own.fetch(2)));
      },
    });
    role.peer.end('abcdef');
    expect(await role.closed.promise).toEqual([SocketOperation.Close, 0]);
    expect(inClose).toEqual(['ab', 'abcd', String(FetchResult.LengthTooLong), 'ef']);
    await turns(3);
    expect(role.fetch(1)).toBe(FetchResult.DataNotFound);
    expect(role.peek(1)).toBe(FetchResult.DataNotFound);
    await role.end();
  });

  test('throws for lengths that can only be a mistake, with or without a connection', async () => {
    const role = await open(kind);
    const check = (): void => {
      for (const wrong of [0, -1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, '3', undefined, null]) {
        expect(() => role.fetch(wrong as number), String(wrong)).toThrow(RangeError);
        expect(() => role.peek(wrong as number), String(wrong)).toThrow(
          /length must be a whole number, 1 or more, not/,
        );
      }
    };
    check();
    await role.end();
    check();
  });

  test('paused takes no more than it has, and goes on in order', async () => {
    const role = await open(kind, {
      onReceive(_total, own) {
        own.pause(true);
      },
    });
    role.peer.write('first');
    await role.received.reach(1);
    role.peer.write('second');
    await turns(10);
    expect(role.totals).toEqual([5]);
    expect(String(role.fetch(5))).toBe('first');
    expect(role.fetch(1)).toBe(FetchResult.LengthTooLong);
    role.pause(false);
    await role.received.reach(2);
    expect(role.totals).toEqual([5, 6]);
    expect(String(role.fetch(6))).toBe('second');
    role.pause(false);
    role.peer.end();
    await role.closed.promise;
    await role.end();
  });

  test('beyond maxPullBufferBytes closes with ENOBUFS, counted, and what came can be fetched in onClose', async () => {
    let rest: Buffer | FetchResult = FetchResult.DataNotFound;
    const role = await open(
      kind,
      {
        onClose(own) {
          rest = own.fetch(10);
        },
      },
      { maxPullBufferBytes: 10 },
    );
    role.peer.write('0123456789');
    await role.received.reach(1);
    await turns(3);
    expect(role.buffered()).toBe(10);
    role.peer.write('x');
    expect(await role.closed.promise).toEqual([SocketOperation.Receive, Errno.ENOBUFS]);
    expect(String(rest)).toBe('0123456789');
    expect(role.struck()).toBe(1);
    await role.end();
  });

  test('within maxPullBufferBytes takes any amount, as long as it is fetched', async () => {
    let fetched = 0;
    const done = deferred();
    const role = await open(
      kind,
      {
        onReceive(total, own) {
          fetched += (own.fetch(total) as Buffer).length;
          if (fetched === 1_000_000) done.resolve();
        },
      },
      { maxPullBufferBytes: 1 },
    );
    role.peer.write(Buffer.alloc(1_000_000));
    await done.promise;
    expect(role.struck()).toBe(0);
    await role.end();
  });

  test('closes at Error from onReceive', async () => {
    const role = await open(kind, { onReceive: () => HandleResult.Error });
    role.peer.write('x');
    expect(await role.closed.promise).toEqual([SocketOperation.Receive, Errno.ECANCELED]);
    expect(role.totals).toEqual([1]);
    await role.end();
  });

  test('gives every byte once, in order, through any mix of fetches inside and outside of hooks', async () => {
    const random = new Random(0xfeed + kind.length);
    const sent = Buffer.from(random.bytes(2_000_000));
    const pieces: Buffer[] = [];
    const asTaken: string[] = [];
    const take = (role: Role): void => {
      const held = role.buffered();
      const length = random.int(1, Math.max(held, 1) * 2);
      const peeked = role.peek(length);
      const piece = role.fetch(length);
      if (length > held) {
        expect([peeked, piece]).toEqual([FetchResult.LengthTooLong, FetchResult.LengthTooLong]);
        return;
      }
      expect((piece as Buffer).equals(peeked as Buffer)).toBe(true);
      pieces.push(piece as Buffer);
      if (pieces.length % 16 === 0) asTaken.push((piece as Buffer).toString('latin1'));
    };
    const role = await open(kind, {
      onReceive(total, own) {
        expect(total).toBe(own.buffered());
        while (random.chance(0.6)) take(own);
      },
    });
    role.peer.setNoDelay(true);
    for (let at = 0; at < sent.length; ) {
      const length = random.chance(0.3) ? random.int(1, 20) : random.int(20, 60_000);
      if (!role.peer.write(sent.subarray(at, at + length))) await once(role.peer, 'drain');
      at += length;
      if (random.chance(0.2)) {
        await turns(1);
        take(role);
      }
    }
    let taken = 0;
    while (taken < sent.length) {
      await turns(1);
      if (role.buffered() > 0) take(role);
      taken = pieces.reduce((sum, piece) => sum + piece.length, 0);
    }
    expect(Buffer.concat(pieces).equals(sent)).toBe(true);
    // And none of them changed since.
    asTaken.forEach((text, i) => {
      expect(pieces[16 * (i + 1) - 1]!.toString('latin1') === text).toBe(true);
    });
    await role.end();
  });

  test('echoes what it fetches, also large pieces that lie within one read', async () => {
    const role = await open(kind, {
      onReceive(total, own) {
        own.send(own.fetch(total) as Buffer);
      },
    });
    const sent = Buffer.from(new Random(7).bytes(1_000_000));
    const answer = readBytes(role.peer, sent.length);
    role.peer.write(sent);
    expect((await answer).equals(sent)).toBe(true);
    await role.end();
  });
});

test('an ID that there is not finds nothing: PULL-S-001, PULL-S-002', async () => {
  await using server = new TcpPullServer({});
  expect([server.fetch(1, 1), server.lastFetchResult]).toEqual([null, FetchResult.DataNotFound]);
  expect(server.lastFailure?.code).toBe('HP_NO_CONNECTION');
  await server.start(host, 0);
  for (const id of [0, 1, 99]) {
    expect([server.fetch(id, 1), server.lastFetchResult]).toEqual([null, FetchResult.DataNotFound]);
    expect([server.peek(id, 1), server.lastFetchResult]).toEqual([null, FetchResult.DataNotFound]);
  }
});

test('connections hold their bytes apart: PULL-S-001', async () => {
  const counter = new Counter();
  await using server = new TcpPullServer({ onReceive: () => counter.add() });
  const { port } = await server.start(host, 0);
  const peers: Socket[] = [];
  for (let i = 0; i < 20; i++) peers.push(await connectBare(port));
  peers.forEach((peer, i) => {
    peer.write(`connection ${i}`);
  });
  while (server.stats().bytesIn < peers.length * 12 + 10) await turns(1);
  const texts = peers.map((_, i) => {
    const length = server.getConnectionStats(i + 1)!.bufferedBytes;
    return String(server.fetch(i + 1, length));
  });
  expect(texts).toEqual(peers.map((_, i) => `connection ${i}`));
  for (const peer of peers) peer.destroy();
});
