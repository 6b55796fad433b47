import { afterEach, describe, expect, test } from 'vitest';
import { checkOptions, nearest, unknownName } from '../../src/core/option-names.ts';
import {
  type Component,
  TcpAgent,
  TcpClient,
  TcpServer,
  UdpArqServer,
  UdpCast,
  UdpClient,
  UdpNode,
  UdpServer,
} from '../../src/index.ts';

const host = '127.0.0.1';
const running: Component[] = [];

afterEach(async () => {
  for (const component of running.splice(0)) await component[Symbol.asyncDispose]();
});

function run<T extends Component>(component: T): T {
  running.push(component);
  return component;
}

/** What the promise, or the call, fails with. */
async function failure(act: () => unknown): Promise<unknown> {
  try {
    await act();
    return null;
  } catch (thrown) {
    return thrown;
  }
}

async function expectRefused(act: () => unknown, sentence: string): Promise<void> {
  const thrown = await failure(act);
  expect(thrown).toBeInstanceOf(TypeError);
  expect((thrown as Error).message).toBe(sentence);
}

describe('an option of start that does not exist', () => {
  const called = (name: string, here: string): string => `unknown option "${name}" of start; it is called ${here} here`;
  const servers = { TcpServer, UdpServer, UdpArqServer, UdpNode };

  test.each(Object.entries(servers))('does not open %s to the world', async (_name, Server) => {
    for (const name of ['hostname', 'address', 'localhost']) {
      const server = run(new (Server as typeof TcpServer)({}));
      await expectRefused(() => server.start({ [name]: host, port: 0 } as never), called(name, 'host'));
      expect(server.hasStarted).toBe(false);
    }
    if (Server === TcpServer) return; // that one listens on file descriptors
    await expectRefused(
      () => run(new (Server as typeof TcpServer)({})).start({ fd: 3 } as never),
      'unknown option "fd" of start; only TCP and TLS servers listen on a file descriptor; give host and port',
    );
  });

  test.each([
    [
      'TcpServer',
      () => new TcpServer({}).start({ prot: 1 } as never),
      'unknown option "prot" of start; did you mean port?',
    ],
    [
      'TcpServer',
      () => new TcpServer({}).start({ ipv6only: true } as never),
      'unknown option "ipv6only" of start; did you mean ipv6Only?',
    ],
    ['TcpAgent', () => new TcpAgent({}).start({ bindAddress: host } as never), called('bindAddress', 'localAddress')],
    ['TcpAgent', () => new TcpAgent({}).start({ host } as never), called('host', 'localAddress')],
    ['TcpClient', () => new TcpClient({}).start({ hostname: host, port: 1 } as never), called('hostname', 'host')],
    [
      'TcpClient',
      () => new TcpClient({}).start(host, 1, { servername: 'x' } as never),
      called('servername', 'serverName'),
    ],
    ['UdpClient', () => new UdpClient({}).start({ address: host, port: 1 } as never), called('address', 'host')],
    [
      'UdpCast',
      () => new UdpCast({}).start({ host: '239.1.2.3', port: 1, asyncConnect: true } as never),
      'unknown option "asyncConnect" of start',
    ],
    ['UdpNode', () => new UdpNode({}).start({ group: '239.1.2.3' } as never), called('group', 'castAddress')],
  ])('is refused by %s with the nearest name', (_name, act, sentence) => expectRefused(act, sentence));

  test('and one of the wrong type is, too', async () => {
    await expectRefused(
      () => new TcpServer({}).start({ exclusive: 'yes' } as never),
      'exclusive must be true or false, not "yes"',
    );
    await expectRefused(
      () => new TcpServer({}).start([] as never),
      'the options of start must be an object, not an array',
    );
    await expectRefused(
      () => new TcpClient({}).start(host, 1, 5 as never),
      'the options of start must be an object, not 5',
    );
  });

  test('undefined counts as left out', async () => {
    const server = run(new TcpServer({}));
    const { address, port } = await server.start({ host, port: undefined, exclusive: undefined, signal: undefined });
    expect(address).toBe(host);
    const client = run(new TcpClient({}));
    await client.start({ host, port, localAddress: undefined, asyncConnect: undefined });
  });
});

describe('options of other calls', () => {
  test.each(Object.entries({ TcpServer, TcpAgent, UdpServer, UdpArqServer, UdpNode }))(
    'stop({ drainTimeout }) of %s cuts nothing off',
    async (_name, Maker) => {
      const component = run(new (Maker as typeof TcpServer)({}));
      await component.start(host);
      for (const name of ['drainTimeout', 'timeout', 'timeoutMs', 'drain']) {
        await expectRefused(
          () => component.stop({ [name]: 1000 } as never),
          `unknown option "${name}" of stop; it is called drainTimeoutMs here`,
        );
      }
      expect(await failure(() => component.stop({ drainTimeoutMs: -1 }))).toBeInstanceOf(RangeError);
      expect(await failure(() => component.stop({ drainTimeoutMs: '5' as never }))).toBeInstanceOf(TypeError);
      expect(component.hasStarted).toBe(true);
    },
  );

  test('connect, disconnect, createStream, messages, wait and stop of clients', async () => {
    const server = run(new TcpServer({}));
    const { port } = await server.start(host, 0);
    const client = run(new TcpClient({}));
    await client.start(host, port);
    const agent = run(new TcpAgent({}));
    await agent.start(host);
    const unknown = (name: string, of: string, help: string): string => `unknown option "${name}" of ${of}; ${help}`;
    await expectRefused(
      () => agent.connect({ host, prot: port } as never),
      unknown('prot', 'connect', 'did you mean port?'),
    );
    await expectRefused(
      () => agent.connect(host, port, { extras: 1 } as never),
      unknown('extras', 'connect', 'did you mean extra?'),
    );
    await expectRefused(
      () => server.disconnect(1, { drainTimeoutMs: 5 } as never),
      unknown('drainTimeoutMs', 'disconnect', 'it is called timeoutMs here'),
    );
    await expectRefused(
      () => server.disconnect(1, { drain: 'yes' } as never),
      'drain must be true or false, not "yes"',
    );
    await expectRefused(
      () => client.createStream({ allowHalfopen: true } as never),
      unknown('allowHalfopen', 'createStream', 'did you mean allowHalfOpen?'),
    );
    await expectRefused(
      () => client.messages({ maxQueue: 1 } as never),
      unknown('maxQueue', 'messages', 'did you mean maxQueued?'),
    );
    await expectRefused(
      () => client.wait(5, { singal: 1 } as never),
      unknown('singal', 'wait', 'did you mean signal?'),
    );
    await expectRefused(() => client.wait('5' as never), 'timeoutMs must be a number, not "5"');
    await expectRefused(
      () => client.stop({ drainTimeout: 5 } as never),
      unknown('drainTimeout', 'stop', 'it is called drainTimeoutMs here'),
    );
    expect([server.connectionCount, client.isConnected]).toEqual([1, true]);
  });
});

describe('the nearest of the names that there are', () => {
  test('is one with few changes, whatever the case, or one that begins like it', () => {
    const names = ['timeoutMs', 'host', 'maxConnectionCount'];
    for (const [name, near] of [
      ['timeoutms', 'timeoutMs'],
      ['timeotMs', 'timeoutMs'],
      ['hots', 'host'],
      ['max', 'maxConnectionCount'],
      ['MAX', 'maxConnectionCount'],
      ['ma', ''],
      ['wholly different', ''],
      ['', ''],
    ] as const)
      expect([name, nearest(name, names)]).toEqual([name, near]);
    expect(nearest('host', [])).toBe('');
  });

  test('is not looked for where a name is long', () => {
    expect(nearest(`${'x'.repeat(63)}y`, ['x'.repeat(64)])).toBe('x'.repeat(64));
    expect(nearest(`${'x'.repeat(64)}y`, ['x'.repeat(65)])).toBe('');
  });

  test('is named, if it is not known what else is meant', () => {
    const foreign = { hostname: 'host', fd: 'give host and port', other: 'port' };
    const told = (name: string): string => unknownName('start', name, ['host'], foreign).message;
    expect(told('hostname')).toBe('unknown option "hostname" of start; it is called host here');
    expect(told('fd')).toBe('unknown option "fd" of start; give host and port');
    expect(told('other')).toBe('unknown option "other" of start');
    expect(told('hosst')).toBe('unknown option "hosst" of start; did you mean host?');
    expect(told('toString')).toBe('unknown option "toString" of start');
  });
});

test('options are an object with names that are known and values that pass; undefined is as left out', () => {
  const checked: unknown[][] = [];
  const rules = { a: true, b: { check: (...args: unknown[]) => void checked.push(args) } } as const;
  checkOptions('it', { a: 5, b: 6 }, rules);
  checkOptions('it', { a: undefined, b: undefined }, rules);
  expect(checked).toEqual([['b', 6]]);
  for (const [wrong, shown] of [
    [null, 'null'],
    [5, '5'],
    [[], 'an array'],
    [undefined, 'undefined'],
  ])
    expect(() => checkOptions('it', wrong, rules)).toThrow(
      new TypeError(`the options of it must be an object, not ${shown}`),
    );
  expect(() => checkOptions('it', { toString: 5 }, rules)).toThrow('unknown option "toString" of it');
});
