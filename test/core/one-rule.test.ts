import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { HttpAgent, HttpClient, HttpServer } from '../../src/http.ts';
import {
  CastMode,
  type Component,
  framing,
  SslAgent,
  SslClient,
  SslServer,
  TcpAgent,
  TcpClient,
  TcpPackServer,
  TcpPullServer,
  TcpServer,
  UdpArqClient,
  UdpArqServer,
  UdpClient,
  UdpNode,
  UdpServer,
} from '../../src/index.ts';
import { WebSocketAgent, WebSocketClient, WebSocketServer } from '../../src/websocket.ts';
import { deferred, eventually } from '../tcp/support.ts';
import { ManualTime } from '../udp/tools.ts';

// docs/errors.md has one rule for what throws, what rejects, and what returns false or null.

const host = '127.0.0.1';
const UNKNOWN = 99;

type Many = Component & Record<string, (...args: unknown[]) => unknown>;
type Call = readonly [method: string, ...args: unknown[]];

const many: [string, () => Component][] = Object.entries({
  TcpServer: () => new TcpServer({}),
  TcpPullServer: () => new TcpPullServer({}),
  TcpPackServer: () => new TcpPackServer({}),
  TcpAgent: () => new TcpAgent({}),
  SslServer: () => new SslServer({}),
  SslAgent: () => new SslAgent({}),
  HttpServer: () => new HttpServer({}),
  HttpAgent: () => new HttpAgent({}),
  WebSocketServer: () => new WebSocketServer({}),
  WebSocketAgent: () => new WebSocketAgent({}),
  UdpServer: () => new UdpServer({}),
  UdpArqServer: () => new UdpArqServer({}),
});

/** Calls that ask whether there is something. */
const questions: Call[] = [['connection'], ['isConnected']];

/** Calls that answer null or false for an unknown ID, and note why. */
const noted: Call[] = [
  ['getConnectionExtra'],
  ['getConnectionStats'],
  ['getConnectPeriod'],
  ['getSilencePeriod'],
  ['getLocalAddress'],
  ['getRemoteAddress'],
  ['getPendingDataLength'],
  ['isPauseReceive'],
  ['pauseReceive'],
  ['setConnectionExtra', 1],
  ['disconnect'],
  ['send', 'x'],
  ['sendPackets', ['x']],
];

const questionsOf: Record<string, Call[]> = {
  HttpServer: [['getHeader', 'x'], ['getMethod'], ['getHost'], ['isUpgrade'], ['getWSMessageState']],
  HttpAgent: [['getHeader', 'x'], ['getStatusCode'], ['isKeepAlive'], ['getWSMessageState']],
  WebSocketServer: [['isOpen'], ['isCompressing'], ['getTopics']],
  WebSocketAgent: [['isOpen'], ['isCompressing'], ['getTopics']],
};

const notedOf: Record<string, Call[]> = {
  HttpServer: [['release'], ['startHttp'], ['sendChunkData', 'x']],
  WebSocketServer: [
    ['ping'],
    ['close'],
    ['subscribe', 'x'],
    ['unsubscribe', 'x'],
    ['getEnd'],
    ['getSubProtocol'],
    ['getRequest'],
  ],
  WebSocketAgent: [['ping'], ['close'], ['unsubscribe', 'x'], ['getEnd'], ['getSubProtocol']],
  UdpArqServer: [['sendWithin', 'x', 5], ['sendUnreliable', 'x'], ['getWaitingSendMessageCount']],
};

/** Arguments that can only be a mistake, whatever the ID. */
const mistakes: [Call, typeof TypeError | typeof RangeError][] = [
  [['send', 5], TypeError],
  [['send', 'abc', 2, 9], RangeError],
  [['sendPackets', 5], TypeError],
  [['sendPackets', ['x', 5]], TypeError],
  [['disconnect', { drainn: 1 }], TypeError],
];

const mistakesOf: Record<string, [Call, typeof TypeError | typeof RangeError][]> = {
  WebSocketServer: [
    [['sendText', 5], TypeError],
    [['ping', Buffer.alloc(126)], RangeError],
    [['pong', Buffer.alloc(126)], RangeError],
    [['close', 5], RangeError],
    [['close', 1000, 5], TypeError],
  ],
  UdpArqServer: [
    [['sendWithin', 5, 5], TypeError],
    [['sendWithin', 'x', '5'], TypeError],
    [['sendUnreliable', 5], TypeError],
  ],
};

describe.each(many)('%s', (name, make) => {
  const call = (component: Component, connId: unknown, [method, ...args]: Call): unknown =>
    (component as Many)[method]!(connId, ...args);
  const asked = [...questions, ...(questionsOf[name] ?? [])];
  const answering = [...noted, ...(notedOf[name] ?? [])];

  test.each([...asked, ...answering])(
    '%s throws for an ID that is no number, and notes nothing',
    (...one: unknown[]) => {
      const component = make();
      expect(() => call(component, '1', one as never)).toThrow(new TypeError('connId must be a number, not "1"'));
      expect(component.lastFailure).toBeNull();
    },
  );

  test.each(answering)('%s says why it has no answer for an unknown ID', (...one: unknown[]) => {
    const component = make();
    expect([null, false]).toContain(call(component, UNKNOWN, one as never));
    expect(component.lastFailure).toMatchObject({
      code: 'HP_NO_CONNECTION',
      operation: one[0],
      connId: UNKNOWN,
      errnoName: 'EBADSLT',
    });
  });

  test.each(asked)('%s notes nothing for an unknown ID: it is a question', (...one: unknown[]) => {
    const component = make();
    call(component, UNKNOWN, one as never);
    expect(component.lastFailure).toBeNull();
  });

  test.each([...mistakes, ...(mistakesOf[name] ?? [])])('%j throws for an unknown ID too', (one, kind) => {
    const component = make();
    expect(() => call(component, UNKNOWN, one)).toThrow(kind);
    expect(component.lastFailure).toBeNull();
  });

  test('without markSilence, an unknown ID is still unknown', () => {
    const component = make() as Many & { markSilence: boolean };
    component.markSilence = false;
    expect(call(component, UNKNOWN, ['getSilencePeriod'])).toBeNull();
    expect(component.lastFailure?.code).toBe('HP_NO_CONNECTION');
    expect(() => call(component, '1', ['getSilencePeriod'])).toThrow(TypeError);
  });
});

test.each([new TcpServer({}), new HttpServer({}), new TcpAgent({})])(
  'sendSmallFile rejects mistakes for an unknown ID',
  async (component) => {
    await expect(component.sendSmallFile(UNKNOWN, 5 as never)).rejects.toThrow(TypeError);
    await expect(component.sendSmallFile(UNKNOWN, 'x', 5 as never)).rejects.toThrow(TypeError);
    await expect(component.sendSmallFile('1' as never, 'x')).rejects.toThrow(TypeError);
    expect(component.lastFailure).toBeNull();
    expect(await component.sendSmallFile(UNKNOWN, 'x')).toBe(false);
    expect(component.lastFailure).toMatchObject({ operation: 'sendSmallFile', code: 'HP_NO_CONNECTION' });
  },
);

test('what a framing encodes is checked by its encode, for an unknown ID too', () => {
  const encode = (message: { text: string }): string => {
    if (typeof message !== 'object') throw new TypeError('no message');
    return message.text;
  };
  const decode = (): null => null;
  const server = new TcpServer({}, { framing: framing({ decode, encode } as never) });
  expect(server.send(UNKNOWN, { text: 'x' } as never)).toBe(false);
  expect(server.sendPackets(UNKNOWN, [{ text: 'x' }] as never)).toBe(false);
  expect(() => server.send(UNKNOWN, 5 as never)).toThrow('no message');
  expect(() => server.sendPackets(UNKNOWN, [5] as never)).toThrow('no message');
  expect(() => server.send(UNKNOWN, { text: 'x' } as never, 1)).toThrow(RangeError);
});

describe.each([
  ['TcpClient', () => new TcpClient({})],
  ['SslClient', () => new SslClient({})],
  ['HttpClient', () => new HttpClient({})],
  ['WebSocketClient', () => new WebSocketClient({})],
  ['UdpClient', () => new UdpClient({})],
  ['UdpArqClient', () => new UdpArqClient({})],
] as const)('%s while it is stopped', (_name, make) => {
  test('mistakes throw, and what is none is refused', () => {
    const client = make() as unknown as TcpClient;
    expect(() => client.send(5 as never)).toThrow(TypeError);
    expect(() => client.send('abc', 2, 9)).toThrow(RangeError);
    expect(() => client.sendPackets(5 as never)).toThrow(TypeError);
    expect(() => client.sendPackets([5 as never])).toThrow(TypeError);
    expect(client.lastFailure).toBeNull();
    expect(client.send('x')).toBe(false);
    expect(client.lastFailure?.operation).toBe('send');
    expect(client.sendPackets(['x'])).toBe(false);
    expect(client.lastFailure?.operation).toBe('sendPackets');
  });

  test('what only a running client has is null, and no failure', () => {
    const client = make() as unknown as TcpClient;
    expect([client.connection, client.getLocalAddress(), client.getRemoteHost()]).toEqual([null, null, null]);
    expect(client.lastFailure).toBeNull();
  });
});

test('mistakes of a UdpArqClient that is stopped throw', async () => {
  const client = new UdpArqClient({});
  expect(() => client.sendWithin('x', '5' as never)).toThrow(TypeError);
  expect(() => client.sendUnreliable(5 as never)).toThrow(TypeError);
  expect(client.lastFailure).toBeNull();
  const stream = new TcpClient({});
  await expect(stream.sendSmallFile(5 as never)).rejects.toThrow(TypeError);
  await expect(stream.sendSmallFile('x', undefined, 5 as never)).rejects.toThrow(TypeError);
});

/** What to do in `onClose`, where the connection is closing. */
async function inClose<T>(act: (server: TcpServer, connId: number) => T): Promise<T> {
  const seen = deferred<T>();
  const server = new TcpServer({ onClose: (self, id) => seen.resolve(act(self, id)) });
  const { port } = await server.start(host, 0);
  const client = new TcpClient({});
  await client.start(host, port);
  await client.stop();
  const result = await seen.promise;
  await server.stop();
  return result;
}

test('mistakes throw for a connection that is closing', async () => {
  const thrown = await inClose((server, id) => {
    const attempt = (act: () => unknown): string => {
      try {
        return String(act());
      } catch (error) {
        return (error as Error).name;
      }
    };
    return [
      attempt(() => server.send(id, 5 as never)),
      attempt(() => server.sendPackets(id, [5] as never)),
      attempt(() => server.sendPackets(id, 5 as never)),
      attempt(() => server.connection(id)!.sendPackets([5] as never)),
      attempt(() => server.disconnect(id, { drainn: 1 } as never)),
      server.lastFailure,
      attempt(() => server.sendPackets(id, ['x'])),
      server.lastFailure?.operation,
      server.lastFailure?.message.includes('it is closing'),
    ];
  });
  const names = ['TypeError', 'TypeError', 'TypeError', 'TypeError', 'TypeError'];
  expect(thrown).toEqual([...names, null, 'false', 'sendPackets', true]);
});

test('by ID and of itself, a connection that is closing has the same periods and addresses', async () => {
  const seen = await inClose((server, id) => {
    const one = server.connection(id)!;
    const noting = (ask: () => unknown): unknown[] => [ask(), server.lastFailure?.operation, server.lastFailure?.code];
    return [
      [() => server.getConnectPeriod(id), () => one.ageMs, 'getConnectPeriod'] as const,
      [() => server.getSilencePeriod(id), () => one.silenceMs, 'getSilencePeriod'] as const,
      [() => server.getLocalAddress(id), () => one.localAddress, 'getLocalAddress'] as const,
    ].map(([byId, ofItself, operation]) => {
      const first = noting(byId);
      server.setConnectionExtra(98, null);
      return { operation, first, second: noting(ofItself) };
    });
  });
  expect(seen.length).toBe(3);
  for (const { operation, first, second } of seen) {
    expect(first).toEqual([null, operation, 'HP_NO_CONNECTION']);
    expect(second).toEqual(first);
  }
});

test('without markSilence, a connection says that as its ID does', async () => {
  await using server = new TcpServer({}, { markSilence: false });
  const { port } = await server.start(host, 0);
  await using client = new TcpClient({});
  await client.start(host, port);
  await eventually(() => server.connectionCount === 1);
  expect(server.connection(1)!.silenceMs).toBeNull();
  const { message } = server.lastFailure!;
  expect(message).toBe('getSilencePeriod on connection 1 failed: markSilence is off (EPERM)');
  server.disconnect(UNKNOWN);
  expect(server.getSilencePeriod(1)).toBeNull();
  expect(server.lastFailure?.message).toBe(message);
});

test.each([
  ['TcpServer', () => new TcpServer({}), () => new TcpClient({})],
  ['UdpServer', () => new UdpServer({}), () => new UdpClient({})],
] as const)(
  '%s: periods are whole milliseconds, and end with the connection',
  async (_name, makeServer, makeClient) => {
    const time = new ManualTime();
    const server = time.drive(makeServer());
    const { port } = await server.start(host, 0);
    const client = makeClient();
    await client.start(host, port);
    client.send('x');
    await eventually(() => server.connectionCount === 1 && server.getConnectionStats(1)!.messagesIn === 1);
    time.pass(1000.7);
    const connection = server.connection(1)!;
    expect(connection.stats()).toMatchObject({ ageMs: 1000, silenceMs: 1000 });
    expect([connection.ageMs, connection.silenceMs]).toEqual([1000, 1000]);
    await client.stop();
    await eventually(() => server.connectionCount === 0);
    time.pass(5000);
    expect(connection.stats()).toMatchObject({ ageMs: 1000, silenceMs: 1000 });
    expect([connection.ageMs, connection.silenceMs]).toEqual([null, null]);
    await server.stop();
  },
);

test.skipIf(process.platform === 'win32')(
  'the peer over a Unix domain socket has no address, which is no failure',
  async () => {
    const folder = await mkdtemp(join(tmpdir(), 'hp-rule-'));
    const path = join(folder, 'rule.sock');
    const server = new TcpServer({});
    await server.start({ path });
    const client = new TcpClient({});
    await client.start({ path });
    await eventually(() => server.connectionCount === 1);
    expect([server.getRemoteAddress(1), server.connection(1)!.remoteAddress]).toEqual([null, null]);
    expect(server.lastFailure).toBeNull();
    await client.stop();
    await server.stop();
    await rm(folder, { recursive: true });
  },
);

describe('lastFailure names the call that was refused', () => {
  const limit = { maxPendingBytes: 10 };

  async function refusals(
    server: TcpServer,
    client: { start(host: string, port: number): Promise<void>; stop(): Promise<void> },
    size = 50,
  ): Promise<unknown[]> {
    const folder = await mkdtemp(join(tmpdir(), 'hp-rule-'));
    const file = join(folder, 'file');
    await writeFile(file, 'x'.repeat(size));
    const { port } = await server.start(host, 0);
    await client.start(host, port);
    await eventually(() => server.isConnected(1) && server.send(1, 'x'));
    const names: unknown[] = [];
    const refused = async (answer: boolean | Promise<boolean>): Promise<void> => {
      expect(await answer).toBe(false);
      names.push([server.lastFailure?.operation, server.lastFailure?.errnoName]);
    };
    await refused(server.send(1, 'x'.repeat(size)));
    await refused(server.sendPackets(1, ['x'.repeat(size)]));
    await refused(server.connection(1)!.sendPackets(['x'.repeat(size)]));
    await refused(server.sendSmallFile(1, file));
    await refused(server.sendPackets(1, []));
    await client.stop();
    await server.stop();
    await rm(folder, { recursive: true });
    return names;
  }

  const expected = [
    ['send', 'ENOBUFS'],
    ['sendPackets', 'ENOBUFS'],
    ['sendPackets', 'ENOBUFS'],
    ['sendSmallFile', 'ENOBUFS'],
    ['sendPackets', 'EINVAL'],
  ];

  test('TcpServer', async () => {
    expect(await refusals(new TcpServer({}, limit), new TcpClient({}))).toEqual(expected);
  });

  test('HttpServer', async () => {
    expect(await refusals(new HttpServer({}, limit) as never, new TcpClient({}))).toEqual(expected);
  });

  test('TcpPackServer, for packages that are too large', async () => {
    const names = await refusals(new TcpPackServer({}, { maxPackSize: 20 }) as never, new TcpClient({}));
    expect(names).toEqual(expected.map(([name], i) => [name, i === 4 ? 'EINVAL' : 'EMSGSIZE']));
  });

  test('WebSocketServer', async () => {
    const client = new WebSocketClient({});
    const starting = {
      start: (to: string, port: number) => client.open(`ws://${to}:${port}/`),
      stop: () => client.stop(),
    };
    const server = new WebSocketServer({}, { maxPendingBytes: 300 });
    expect(await refusals(server as never, starting, 500)).toEqual(expected);
  });
});

test('mistakes of a UdpNode that is stopped, or has no group, throw', async () => {
  const node = new UdpNode({});
  const mistakes = (): void => {
    expect(() => node.send(5 as never, 1, 'x')).toThrow(TypeError);
    expect(() => node.send(host, 1, 5 as never)).toThrow(TypeError);
    expect(() => node.sendPackets(5 as never, 1, ['x'])).toThrow(TypeError);
    expect(() => node.sendPackets(host, 1, 5 as never)).toThrow(TypeError);
    expect(() => node.sendCast(5 as never)).toThrow(TypeError);
    expect(() => node.sendCastPackets([5 as never])).toThrow(TypeError);
    expect(node.lastFailure).toBeNull();
  };
  mistakes();
  await node.start(host, 0);
  mistakes();
  await node.stop();
  expect(node.send(host, 1, 'x')).toBe(false);
  expect(node.lastFailure?.operation).toBe('send');
  // After a start that failed there is no address to cast to, which is nobody's mistake.
  await expect(node.start('not an address', 0, CastMode.Multicast, '239.0.0.1')).rejects.toThrow();
  expect(node.sendCast('x')).toBe(false);
  expect(node.lastFailure?.operation).toBe('sendCast');
});

test.each([
  ['UdpServer', () => new UdpServer({}), () => new UdpClient({})],
  ['UdpArqServer', () => new UdpArqServer({}), () => new UdpArqClient({})],
] as const)('%s: that a peer cannot be paused is said in one sentence', async (_name, makeServer, makeClient) => {
  const server = makeServer();
  const { port } = await server.start(host, 0);
  const client = makeClient();
  await client.start(host, port);
  client.send('x');
  await eventually(() => server.isConnected(1));
  const sentence = 'a UDP server cannot pause one peer; return a promise from onReceive instead (EPERM)';
  const connection = server.connection(1)!;
  for (const ask of [
    () => server.pauseReceive(1),
    () => server.pauseReceive(1, false),
    () => connection.pause(),
    () => connection.resume(),
  ]) {
    server.disconnect(UNKNOWN);
    expect(ask()).toBe(false);
    expect(server.lastFailure?.message).toBe(`pauseReceive on connection 1 failed: ${sentence}`);
  }
  expect(server.isPauseReceive(1)).toBeNull();
  expect(server.lastFailure?.message).toBe(`isPauseReceive on connection 1 failed: ${sentence}`);
  await client.stop();
  await eventually(() => server.connectionCount === 0);
  expect([connection.pause(), server.lastFailure?.code]).toEqual([false, 'HP_NO_CONNECTION']);
  await server.stop();
});
