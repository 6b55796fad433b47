import { once } from 'node:events';
import net from 'node:net';
import { inspect } from 'node:util';
import { afterAll, describe, expect, test } from 'vitest';
import { Pair } from '../../src/forward/forwarded-pair.ts';
import {
  type ForwardTarget,
  HandleResult,
  PortForwarder,
  PortForwarderListener,
  SocketError,
  SslServer,
  TcpServer,
  writeProxyHeader,
} from '../../src/index.ts';
import { connectBare, eventually, readToEnd } from '../tcp/support.ts';
import { certificate, host, listenFar, removeSockets, startForwarder } from './support.ts';

afterAll(removeSockets);

/** A port of loopback where nobody listens. */
async function deadPort(): Promise<number> {
  const server = net.createServer().listen(0, host);
  await once(server, 'listening');
  const { port } = server.address() as net.AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** A hook `onTarget` that answers when `answer` is called. */
function askedLater(): { answer: (target: ForwardTarget) => void; onTarget: () => Promise<ForwardTarget> } {
  let answer: (target: ForwardTarget) => void = () => {};
  const target = new Promise<ForwardTarget>((resolve) => {
    answer = resolve;
  });
  return { answer, onTarget: () => target };
}

describe('a target', () => {
  test('that refuses the connection: the client is reset, and the hook gets the reason [FWD-004 FWD-007]', async () => {
    const failures: [ForwardTarget, SocketError][] = [];
    const closes: (SocketError | null)[] = [];
    const port = await deadPort();
    await using running = await startForwarder(
      'tcp',
      'tcp',
      { target: { host, port } },
      {
        onTargetFailed: (_f, _pair, target, error) => void failures.push([target, error]),
        onServerClose: (_f, pair) => void closes.push(pair.error),
      },
    );
    expect(await running.turnedAway()).toBe('ECONNRESET');
    await eventually(() => running.forwarder.pairCount === 0);
    expect(failures).toMatchObject([[{ host, port }, { code: 'ECONNREFUSED' }]]);
    expect(closes[0]).toBeInstanceOf(SocketError);
    expect(closes).toMatchObject([{ code: 'ECONNREFUSED', operation: 'connect' }]);
    expect(running.forwarder.stats()).toMatchObject({ accepted: 1, connected: 0, unserved: 1, connectFailures: 1 });
  });

  test('that refuses, with another behind it: that one is taken, and what the client sent meanwhile arrives', async () => {
    await using far = await listenFar();
    const target = [{ host, port: await deadPort() }, { host, port: await deadPort() }, far.target];
    await using running = await startForwarder('tcp', 'tcp', { target });
    const client = await running.connect();
    client.write('early');
    const socket = await far.accepted();
    expect(String((await once(socket, 'data'))[0])).toBe('early');
    expect(running.forwarder.stats()).toMatchObject({ connected: 1, unserved: 0, connectFailures: 2 });
    expect(running.forwarder.pairs()[0]!.target).toEqual(far.target);
  });

  test('that does not answer in connectTimeoutMs is given up for the next', async () => {
    // A listen queue of one that is full: the system drops what comes then.
    await using far = await listenFar();
    const silent = net.createServer({ pauseOnConnect: true }).listen({ host, port: 0, backlog: 1 });
    await once(silent, 'listening');
    const { port } = silent.address() as net.AddressInfo;
    // Over TLS it is enough that nobody shakes hands.
    await using running = await startForwarder('tcp', 'tls', {
      target: { host, port },
      agent: { handshakeTimeoutMs: 40 },
    });
    expect(await running.turnedAway()).toBe('ECONNRESET');
    expect(running.forwarder.stats()).toMatchObject({ connectFailures: 1, unserved: 1 });
    silent.close();
    expect(far.sockets).toEqual([]);
  });

  test('that shuts hands down: the client is reset, and the next target is tried first', async () => {
    await using plain = await listenFar('tcp');
    await using secure = await listenFar('tls');
    await using running = await startForwarder('tcp', 'tls', { target: [plain.target, secure.target] });
    const refusing = plain.accepted().then((socket) => socket.end('no TLS here'));
    const client = await running.connect();
    client.write('x');
    await refusing;
    const socket = await secure.accepted();
    expect(String((await once(socket, 'data'))[0])).toBe('x');
    expect(running.forwarder.stats()).toMatchObject({ connected: 1, connectFailures: 1 });
  });

  test('is not connected to when the client has given up; one under way is cancelled', async () => {
    await using far = await listenFar();
    const { answer, onTarget } = askedLater();
    await using running = await startForwarder('tcp', 'tcp', {}, { onTarget });
    const client = await running.connect();
    await eventually(() => running.forwarder.pairCount === 1);
    client.resetAndDestroy();
    await eventually(() => running.forwarder.pairCount === 0);
    answer(far.target);
    await new Promise((resolve) => setImmediate(resolve));
    expect(running.forwarder.agent.stats()).toMatchObject({ opened: 0, refused: 0 });
    expect(far.sockets).toEqual([]);
  });

  test('gets the end of a client that ended before it was there, behind its bytes', async () => {
    await using far = await listenFar();
    const { answer, onTarget } = askedLater();
    await using running = await startForwarder('tcp', 'tcp', {}, { onTarget });
    const client = await running.connect();
    client.end('all of it');
    await eventually(() => running.forwarder.server.stats().bytesIn === 9);
    answer(far.target);
    const socket = await far.accepted();
    expect(String(await readToEnd(socket))).toBe('all of it');
    socket.end('thanks');
    expect(String(await readToEnd(client))).toBe('thanks');
  });

  test('that is not there yet bounds what is read of the client', async () => {
    await using far = await listenFar();
    const { answer, onTarget } = askedLater();
    await using running = await startForwarder('tcp', 'tcp', {}, { onTarget });
    const client = await running.connect();
    const sent = Buffer.alloc(8 * 1024 * 1024, 'abcdefg');
    client.end(sent);
    await eventually(() => running.forwarder.server.stats().bytesIn >= 16_384);
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
    expect(running.forwarder.server.stats().bytesIn).toBeLessThanOrEqual(256 * 1024);
    answer(far.target);
    expect((await readToEnd(await far.accepted())).equals(sent)).toBe(true);
  });
});

describe('the hook onTarget', () => {
  test('chooses for each client, at once or later [FWD-009]', async () => {
    await using one = await listenFar();
    await using two = await listenFar('unix');
    await using running = await startForwarder<string>(
      'tcp',
      'tcp',
      {},
      {
        onServerAccept: (_f, pair) => {
          pair.extra = pair.id % 2 === 1 ? 'odd' : 'even';
        },
        async onTarget(_f, pair) {
          if (pair.extra === 'odd') return one.target;
          await new Promise((resolve) => setImmediate(resolve));
          return [two.target];
        },
      },
    );
    for (let i = 0; i < 4; i++) await running.connect();
    await Promise.all([one.accepted(1), two.accepted(1)]);
    await eventually(() => running.forwarder.stats().connected === 4);
    expect(running.forwarder.pairs().map(({ extra }) => extra)).toEqual(['odd', 'even', 'odd', 'even']);
  });

  test('may leave it to the option target', async () => {
    await using far = await listenFar();
    await using running = await startForwarder('tcp', 'tcp', { target: far.target }, { onTarget: () => undefined });
    await running.connect();
    await far.accepted();
  });

  const failing: [string, () => never, object, string[]][] = [
    [
      'throws',
      () => {
        throw new Error('no idea');
      },
      { code: 'HP_HOOK_FAILED' },
      ['onTarget'],
    ],
    ['rejects', (() => Promise.reject(new Error('no idea'))) as never, { code: 'HP_HOOK_FAILED' }, ['onTarget']],
    ['answers Error', (() => HandleResult.Error) as never, { code: 'HP_HOOK_REFUSED' }, []],
    ['names none', (() => null) as never, { code: 'HP_HOOK_REFUSED' }, []],
    ['names what makes no sense', (() => ({ host: '' })) as never, { code: 'HP_HOOK_FAILED' }, ['onTarget']],
    ['misspells', (() => ({ hots: host, port: 1 })) as never, { code: 'HP_HOOK_FAILED' }, ['onTarget']],
    ['names an empty list', (() => []) as never, { code: 'HP_HOOK_FAILED' }, ['onTarget']],
    ['answers a text', (() => 'localhost:80') as never, { code: 'HP_HOOK_FAILED' }, ['onTarget']],
    ['never answers', (() => new Promise(() => {})) as never, { code: 'ETIMEDOUT', operation: 'onTarget' }, []],
  ];
  test.each(failing)('that %s turns the client away by a reset', async (_how, onTarget, error, hooks) => {
    const errors: unknown[] = [];
    const told: string[] = [];
    await using running = await startForwarder(
      'tcp',
      'tcp',
      { targetTimeoutMs: 40 },
      {
        onTarget,
        onServerClose: (_f, pair) => void errors.push(pair.error),
        onHookError: (_f, hook) => void told.push(hook),
      },
    );
    expect(await running.turnedAway()).toBe('ECONNRESET');
    await eventually(() => errors.length === 1);
    expect(errors).toMatchObject([error]);
    expect(told).toEqual(hooks);
    expect(running.forwarder.stats()).toMatchObject({ unserved: 1, pairs: 0 });
  });

  test('is needed, or the option target, and the error says so', async () => {
    await expect(new PortForwarder({}).start(host, 0)).rejects.toThrow(
      'a forwarder needs the option target, or the hook onTarget',
    );
  });
});

describe('onServerAccept', () => {
  test.each([
    ['answers Error', () => HandleResult.Error],
    [
      'throws',
      () => {
        throw new Error('no');
      },
    ],
    ['resolves to Error', async () => HandleResult.Error],
  ])('that %s turns the client away before any target is asked for', async (_how, onServerAccept) => {
    let asked = 0;
    await using running = await startForwarder(
      'tcp',
      'tcp',
      {},
      {
        onServerAccept,
        onTarget: () => {
          asked++;
          return null;
        },
        onHookError: () => {},
      },
    );
    await running.turnedAway();
    await eventually(() => running.forwarder.server.stats().refused === 1);
    expect(asked).toBe(0);
    expect(running.forwarder.stats()).toMatchObject({ accepted: 0, pairs: 0 });
  });

  test('as a method of a listener class', async () => {
    await using far = await listenFar();
    class Guard extends PortForwarderListener {
      seen = '';
      override onServerAccept(...[, pair]: Parameters<NonNullable<PortForwarderListener['onServerAccept']>>): void {
        this.seen = pair.server.remoteAddress!.address;
      }
    }
    const guard = new Guard();
    await using forwarder = new PortForwarder(guard, { target: far.target });
    const { port } = await forwarder.start(host, 0);
    const client = await connectBare(port);
    await far.accepted();
    expect(guard.seen).toBe(host);
    client.destroy();
  });
});

describe('onAgentConnect', () => {
  test.each(['tcp', 'tls'] as const)('over %s that answers Error ends the pair', async (outbound) => {
    await using far = await listenFar(outbound);
    const target = [far.target, far.target];
    await using running = await startForwarder(
      'tcp',
      outbound,
      { target },
      { onAgentConnect: () => HandleResult.Error },
    );
    expect(await running.turnedAway()).toBe('ECONNRESET');
    await eventually(() => running.forwarder.pairCount === 0);
    // No other target is tried: it was the hook that did not want it.
    expect(running.forwarder.stats()).toMatchObject({ connected: 0, connectFailures: 0 });
    expect(running.forwarder.pairs()).toEqual([]);
  });

  test('that takes its time puts off what the client sent [FWD-005]', async () => {
    await using far = await listenFar();
    let release: () => void = () => {};
    await using running = await startForwarder(
      'tcp',
      'tcp',
      { target: far.target },
      {
        onAgentConnect: () =>
          new Promise<void>((resolve) => {
            release = resolve;
          }),
      },
    );
    const client = await running.connect();
    client.write('waits');
    const socket = await far.accepted();
    await eventually(() => running.forwarder.server.stats().bytesIn === 5);
    expect(running.forwarder.agent.stats().bytesOut).toBe(0);
    release();
    expect(String((await once(socket, 'data'))[0])).toBe('waits');
  });
});

describe('a PROXY header', () => {
  test.each([
    [1, 'tcp'],
    [2, 'tcp'],
    [2, 'tls'],
  ] as const)('of version %s tells a target who the client is, over %s too [FWD-004]', async (version, transport) => {
    const seen: unknown[] = [];
    const { cert, key } = await certificate();
    const hooks = {
      onAccept: (server: TcpServer, connId: number) => {
        const connection = server.connection(connId)!;
        seen.push(connection.remoteAddress, connection.proxyHeader?.destination);
      },
      onReceive: (server: TcpServer, connId: number, data: Buffer) => server.send(connId, data),
    };
    const options = { proxyProtocol: { trustedProxies: [host] } };
    await using behind =
      transport === 'tls'
        ? new SslServer(hooks as never, { ...options, ssl: { cert, key } })
        : new TcpServer(hooks, options);
    const { port: targetPort } = await behind.start(host, 0);
    await using running = await startForwarder('tcp', transport, {
      target: { host, port: targetPort },
      proxyHeader: version,
    });
    const client = await running.connect();
    client.write('who am I?');
    expect(String((await once(client, 'data'))[0])).toBe('who am I?');
    expect(seen).toEqual([
      { address: host, port: client.localPort },
      { address: host, port: client.remotePort },
    ]);
  });

  test('of a client without an address says that there is none', async () => {
    await using far = await listenFar();
    await using running = await startForwarder('unix', 'tcp', { target: far.target, proxyHeader: 1 });
    const client = await running.connect();
    client.write('x');
    const socket = await far.accepted();
    let text = '';
    socket.on('data', (data) => {
      text += String(data);
    });
    await eventually(() => text.endsWith('x'));
    expect(text).toBe('PROXY UNKNOWN\r\nx');
  });

  const [tcpClient, tcpServer] = [
    { address: '192.0.2.1', port: 1 },
    { address: '192.0.2.2', port: 2 },
  ];
  test.each([
    ['of a Unix domain socket', 'tcp', { address: '/client', port: 0 }, { address: '/balancer', port: 0 }, 'UNKNOWN'],
    [
      'of a Unix domain socket without a name',
      'tcp',
      { address: '\0', port: 0 },
      { address: '\0', port: 0 },
      'UNKNOWN',
    ],
    [
      'of TCP, of a balancer that is a Unix domain socket',
      'unix',
      tcpClient,
      tcpServer,
      'TCP4 192.0.2.1 192.0.2.2 1 2',
    ],
  ] as const)('of a client behind a balancer, %s', async (_what, from, source, destination, told) => {
    await using far = await listenFar();
    await using running = await startForwarder(from, 'tcp', {
      target: far.target,
      proxyHeader: 1,
      server: { proxyProtocol: { trustedProxies: [host, 'unix'] } },
    });
    const client = await running.connect();
    client.write(writeProxyHeader({ source, destination }));
    client.write('x');
    const socket = await far.accepted();
    let text = '';
    socket.on('data', (data) => {
      text += String(data);
    });
    await eventually(() => text.endsWith('x'));
    expect(text).toBe(`PROXY ${told}\r\nx`);
  });
});

test('a pair prints where it goes, and no password of a proxy', async () => {
  const pair = new Pair();
  pair.target = {
    host: 'far',
    port: 80,
    proxy: { url: 'socks5://me:secret@proxy:1080', headers: { a: 'token' } } as never,
  };
  pair.client.connection = { id: 7 } as never;
  const text = inspect(pair, { depth: 9 });
  expect(text).toContain("target: { host: 'far', port: 80 }");
  expect(text).not.toMatch(/secret|token/);
  pair.target = { path: '/run/far' };
  expect(inspect(pair)).toContain("target: { path: '/run/far' }");
});
