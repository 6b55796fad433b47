import { describe, expect, test } from 'vitest';
import { Errno, FetchResult, HandleResult, SocketOperation } from '../../src/index.ts';
import { type AnyServerHooks, bytesOf, deferred, type Family, until } from './family.ts';

const host = '127.0.0.1';

/** `fetch` and `peek` as the component of either kind has them. */
interface Puller {
  fetch(connIdOrLength: number, length?: number): Buffer | null;
  peek(connIdOrLength: number, length?: number): Buffer | null;
  readonly lastFetchResult: FetchResult;
}

/** The receiving end of a connection, in the role that a test is about. */
interface Receiver {
  /** Connects, and returns what the other end sends with. */
  open(): Promise<(data: string | Buffer) => boolean>;
  /** `fetch` or `peek` with the ID where the role has one; HP-Socket's number where there are no bytes. */
  pull(how: 'fetch' | 'peek', length: number): Buffer | FetchResult;
  end(): Promise<void>;
}

const roles = ['server', 'agent', 'client'] as const;
type Role = (typeof roles)[number];

function makeReceiver(
  family: Family,
  role: Role,
  hooks: AnyServerHooks,
  options: object = {},
  otherOptions: object = {},
): Receiver {
  const server = family.server(role === 'server' ? hooks : {}, role === 'server' ? options : otherOptions);
  const agent = family.agent(role === 'agent' ? hooks : {}, options);
  const client = family.client(role === 'client' ? hooks : {}, role === 'client' ? options : otherOptions);
  const puller = (role === 'server' ? server : role === 'agent' ? agent : client) as unknown as Puller;
  return {
    async open() {
      const { port } = await server.start(host, 0);
      if (role === 'agent') {
        await agent.start();
        await agent.connect(host, port);
      } else {
        await client.start(host, port);
      }
      await until(() => server.stats().opened === 1 && (role !== 'server' || client.isConnected));
      return (data) => (role === 'server' ? client.send(data) : server.send(1, data));
    },
    pull: (how, length) => (role === 'client' ? puller[how](length) : puller[how](1, length)) ?? puller.lastFetchResult,
    async end() {
      for (const each of [client, agent, server]) await each[Symbol.asyncDispose]();
    },
  };
}

/** What the three receive models promise, in every role: IPullSocket, IPullClient, IPackSocket, IPackClient. */
export function receiveSuite(family: Family): void {
  describe.each(roles)(`${family.name} %s receives`, (role) => {
    if (family.model === 'push') pushTests(family, role);
    if (family.model === 'pull') pullTests(family, role);
    if (family.model === 'pack') packTests(family, role);
  });
}

function pushTests(family: Family, role: Role): void {
  test('at most socketBufferSize bytes at once, when that is set: TCP-S-004, TCP-A-002, TCP-C-002, EV-S-04, EV-A-04, EV-C-04, STB-002, HSK-004', async () => {
    const got: Buffer[] = [];
    const receiver = makeReceiver(
      family,
      role,
      { onReceive: (_s, _id, data) => void got.push(data) },
      { socketBufferSize: 100 },
    );
    const send = await receiver.open();
    const sent = Buffer.from(Array.from({ length: 12_345 }, (_, i) => i % 251));
    await until(() => send(sent));
    await until(() => Buffer.concat(got).length === sent.length);
    expect(Buffer.concat(got).equals(sent)).toBe(true);
    expect(got.every((piece) => Buffer.isBuffer(piece))).toBe(true);
    for (const piece of got) expect(piece.length).toBeLessThanOrEqual(100);
    await receiver.end();
  });
}

function pullTests(family: Family, role: Role): void {
  test('by fetch and peek, all or nothing, inside the hook, later, and inside onClose: PULL-S-001, PULL-S-002, PULL-C-001, PULL-C-002, EV-S-05, EV-A-05, EV-C-05, ACC-014, STB-002', async () => {
    const totals: number[] = [];
    const inHook: unknown[] = [];
    const closed = deferred<unknown[]>();
    const receiver = makeReceiver(family, role, {
      onReceive(_sender, _id, total) {
        totals.push(total);
        if (total < 8) return;
        inHook.push(receiver.pull('peek', 2), receiver.pull('fetch', 3), receiver.pull('fetch', 6));
      },
      onClose() {
        closed.resolve([receiver.pull('fetch', 2), receiver.pull('peek', 9), receiver.pull('fetch', 3)]);
      },
    });
    const send = await receiver.open();
    expect(receiver.pull('fetch', 1)).toBe(FetchResult.LengthTooLong);
    await until(() => send('abcd'));
    await until(() => totals.at(-1) === 4);
    expect(receiver.pull('peek', 4)?.toString()).toBe('abcd');
    expect(receiver.pull('fetch', 5)).toBe(FetchResult.LengthTooLong);
    send('efgh');
    await until(() => totals.at(-1) === 8);
    expect(totals.every((total) => typeof total === 'number')).toBe(true);
    expect(inHook.map(String)).toEqual(['ab', 'abc', String(FetchResult.LengthTooLong)]);
    expect(receiver.pull('fetch', 2).toString()).toBe('de');
    for (const wrong of [0, -1, 1.5, Number.NaN]) {
      expect(() => receiver.pull('fetch', wrong)).toThrow(RangeError);
      expect(() => receiver.pull('peek', wrong)).toThrow(RangeError);
    }
    await receiver.end();
    expect((await closed.promise).map(String)).toEqual([
      'fg',
      String(FetchResult.LengthTooLong),
      String(FetchResult.LengthTooLong),
    ]);
    // Nothing is found where there is no connection (any more).
    expect(receiver.pull('fetch', 1)).toBe(FetchResult.DataNotFound);
    expect(receiver.pull('peek', 1)).toBe(FetchResult.DataNotFound);
  });

  test('records that a parser fetches, whatever the reads are, one byte at a time', async () => {
    const records: string[] = [];
    const receiver = makeReceiver(family, role, {
      onReceive(_sender, _id, total) {
        let left = total;
        for (;;) {
          const head = left > 0 ? receiver.pull('peek', 1) : FetchResult.LengthTooLong;
          if (!Buffer.isBuffer(head) || left < 1 + head[0]!) return;
          receiver.pull('fetch', 1);
          records.push(receiver.pull('fetch', head[0]!).toString());
          left -= 1 + head[0]!;
        }
      },
    });
    const send = await receiver.open();
    const texts = Array.from({ length: 20 }, (_, i) => 'x'.repeat(1 + (i % 9)));
    const stream = texts.map((text) => String.fromCharCode(text.length) + text).join('');
    await until(() => send(stream[0]!));
    for (const byte of stream.slice(1)) {
      send(byte);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await until(() => records.length === texts.length);
    expect(records).toEqual(texts);
    await receiver.end();
  });

  test('nothing more after Error, which leaves what was not fetched', async () => {
    const closed = deferred<unknown[]>();
    const receiver = makeReceiver(family, role, {
      onReceive: () => HandleResult.Error,
      onClose: (_s, _id, operation, code) => closed.resolve([operation, code, String(receiver.pull('fetch', 3))]),
    });
    const send = await receiver.open();
    await until(() => send('abc'));
    expect(await closed.promise).toEqual([SocketOperation.Receive, Errno.ECANCELED, 'abc']);
    await receiver.end();
  });
}

function packTests(family: Family, role: Role): void {
  test('packages that came together, in order, and no more after Error: PK-008, PK-006', async () => {
    const got: string[] = [];
    const closed = deferred<unknown[]>();
    const receiver = makeReceiver(family, role, {
      onReceive(sender, id, data) {
        got.push(bytesOf(sender, id, data).toString());
        return got.length === 3 ? HandleResult.Error : HandleResult.Ok;
      },
      onClose: (_s, _id, operation, code) => closed.resolve([operation, code]),
    });
    const send = await receiver.open();
    await until(() => send('one'));
    for (const text of ['two', 'three', 'four']) send(text);
    expect(await closed.promise).toEqual([SocketOperation.Receive, Errno.ECANCELED]);
    expect(got).toEqual(['one', 'two', 'three']);
    await receiver.end();
  });

  test.each([
    ['another flag', { packHeaderFlag: 0x169 }, { packHeaderFlag: 0x168 }, Errno.EBADMSG],
    ['no flag', { packHeaderFlag: 0x169 }, {}, Errno.EBADMSG],
    ['a larger package', { maxPackSize: 10 }, { maxPackSize: 11 }, Errno.EMSGSIZE],
  ])('nothing of a peer with %s: PK-005, PK-006, PK-012, CLS-007, CLS-008', async (_what, own, others, errno) => {
    const closed = deferred<unknown[]>();
    let deliveries = 0;
    const receiver = makeReceiver(
      family,
      role,
      {
        onReceive: () => void deliveries++,
        onClose: (_s, _id, operation, code, info) => closed.resolve([operation, code, info.error?.errno]),
      },
      own,
      others,
    );
    const send = await receiver.open();
    await until(() => send('11 bytes ..'));
    expect(await closed.promise).toEqual([SocketOperation.Receive, errno, errno]);
    expect(deliveries).toBe(0);
    await receiver.end();
  });

  test('any flag and smaller packages, when its own limits are wider: PK-005, PK-012, PACK-S-001, PACK-S-003, PACK-C-001, PACK-C-003', async () => {
    const got: string[] = [];
    const receiver = makeReceiver(
      family,
      role,
      { onReceive: (sender, id, data) => void got.push(bytesOf(sender, id, data).toString()) },
      { maxPackSize: 100_000 },
      { maxPackSize: 10, packHeaderFlag: 1023 },
    );
    const send = await receiver.open();
    await until(() => send('0123456789'));
    await until(() => got.length === 1);
    expect(send('0123456789x')).toBe(false);
    await receiver.end();
    expect(got).toEqual(['0123456789']);
  });
}
