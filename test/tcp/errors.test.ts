import { type ChildProcess, spawn } from 'node:child_process';
import dns from 'node:dns';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { ServiceState, SocketError, SocketErrorCode, TcpAgent, TcpClient, TcpServer } from '../../src/index.ts';
import { connectBare, Journal, listenBare, readBytes, rejection } from './support.ts';

afterEach(() => {
  vi.restoreAllMocks();
});

/** Checks what every failure has in common: HP-Socket's numbers, the name, and a sentence that tells what to do. */
function expectError(
  component: { lastError: number; lastSystemError: number; lastFailure: SocketError | null; state: number },
  error: SocketError,
  code: SocketErrorCode,
  name: string,
  advice: RegExp,
): void {
  expect(error).toBeInstanceOf(SocketError);
  expect({ code: error.socketError, name: error.errnoName }).toEqual({ code, name });
  expect(error.message).toMatch(advice);
  expect(component.lastError).toBe(code);
  expect(component.lastSystemError).toBe(error.errno);
  expect(component.lastFailure).toBe(error);
}

/** Makes every name of the domain `.invalid` unknown at once, whatever resolver this machine has. */
function refuseNames(): void {
  const fail = ((name: string, ...rest: unknown[]) => {
    const callback = rest.at(-1) as (error: Error) => void;
    const error = Object.assign(new Error(`getaddrinfo ENOTFOUND ${name}`), {
      code: 'ENOTFOUND',
      syscall: 'getaddrinfo',
      hostname: name,
    });
    process.nextTick(callback, error);
  }) as unknown as typeof dns.lookup;
  vi.spyOn(dns, 'lookup').mockImplementation(fail);
}

/** A port of loopback on which nothing listens. */
async function freePort(): Promise<number> {
  const bare = await listenBare();
  await bare[Symbol.asyncDispose]();
  return bare.port;
}

describe('a server that cannot start', () => {
  /** After a failure: stopped, onShutdown fired once, no onClose, and it starts where it can. */
  async function expectRestart(server: TcpServer, journal: Journal): Promise<void> {
    expect(server.state).toBe(ServiceState.Stopped);
    expect(journal.names()).toEqual(['onPrepareListen', 'onShutdown']);
    expect(server.getListenAddress()).toBeNull();
    const { port } = await server.start('127.0.0.1', 0);
    const peer = await connectBare(port);
    await journal.reach('onHandShake');
    peer.destroy();
    await journal.reach('onClose');
    await server.stop();
    expect(journal.names()).toEqual([
      'onPrepareListen',
      'onShutdown',
      'onPrepareListen',
      'onAccept',
      'onHandShake',
      'onClose',
      'onShutdown',
    ]);
  }

  test('SRV-001 ORD-009 ST-005: a port in use is SocketBind, EADDRINUSE', async () => {
    await using bare = await listenBare();
    const journal = new Journal();
    await using server = new TcpServer(journal.record({}));
    const error = await rejection(server.start('127.0.0.1', bare.port));
    expectError(server, error, SocketErrorCode.SocketBind, 'EADDRINUSE', /already uses it.*port 0/);
    expect(error.message).toContain(`127.0.0.1:${bare.port}`);
    await expectRestart(server, journal);
  });

  test('SRV-001 ORD-009: an address of another machine is SocketBind, EADDRNOTAVAIL', async () => {
    const journal = new Journal();
    await using server = new TcpServer(journal.record({}));
    const error = await rejection(server.start('192.0.2.1', 0));
    expectError(server, error, SocketErrorCode.SocketBind, 'EADDRNOTAVAIL', /no network interface.*0\.0\.0\.0 or ::/);
    await expectRestart(server, journal);
  });

  test('SRV-001 ORD-009: an unknown name is SocketCreate, EADDRNOTAVAIL', async () => {
    refuseNames();
    const journal = new Journal();
    await using server = new TcpServer(journal.record({}));
    const error = await rejection(server.start('no-such-host.invalid', 0));
    expectError(server, error, SocketErrorCode.SocketCreate, 'EADDRNOTAVAIL', /use an own address/);
    expect(error.message).toContain('no-such-host.invalid');
    vi.restoreAllMocks();
    await expectRestart(server, journal);
  });

  test('SRV-001 ORD-009: for a Unix domain socket in a directory that does not exist, the error says so', async () => {
    const journal = new Journal();
    await using server = new TcpServer(journal.record({}));
    const path = join(tmpdir(), 'hp-socket-no-such-directory', 'server.sock');
    const error = await rejection(server.start({ path }));
    expect(error).toBeInstanceOf(SocketError);
    expect(error.socketError).toBe(SocketErrorCode.SocketBind);
    expect(error.message).toContain(path);
    expect(error.message).toMatch(/directory does not exist|path does not exist/);
    await expectRestart(server, journal);
  });

  test.skipIf(process.platform === 'win32')('SRV-001 ORD-009: a file in the way of a Unix domain socket', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'hp-socket-'));
    const path = join(directory, 'server.sock');
    await writeFile(path, '');
    const journal = new Journal();
    await using server = new TcpServer(journal.record({}));
    const error = await rejection(server.start({ path }));
    expectError(server, error, SocketErrorCode.SocketBind, 'EADDRINUSE', /left the file behind.*remove the file/);
    await rm(path);
    await server.start({ path });
    const client = new TcpClient({});
    await client.start({ path });
    await server.stop();
    await client.wait();
    expect((await rejection(client.start({ path }))).message).toMatch(/^connecting to .*server\.sock failed: ENOENT/);
    await rm(directory, { recursive: true });
  });

  const firstFreePort = process.platform === 'linux' ? unprivilegedPortStart() : 1024;
  test.skipIf(process.getuid?.() === 0 || process.platform === 'win32' || firstFreePort <= 1)(
    'SRV-001 ORD-009: a port that needs rights is SocketBind, EACCES (skipped for root)',
    async () => {
      const journal = new Journal();
      await using server = new TcpServer(journal.record({}));
      const error = await rejection(server.start('127.0.0.1', 1));
      expectError(server, error, SocketErrorCode.SocketBind, 'EACCES', /ports below 1024.*higher port/);
      await expectRestart(server, journal);
    },
  );

  test('SRV-001: what listen reports as EACCES is SocketBind with advice', async () => {
    const journal = new Journal();
    let isDenied = true;
    await using server = new TcpServer(
      journal.record({
        onPrepareListen(_server: unknown, listener: unknown) {
          if (!isDenied) return;
          const bare = listener as net.Server;
          bare.listen = (() => {
            const error = Object.assign(new Error('listen EACCES: permission denied'), {
              code: 'EACCES',
              syscall: 'listen',
            });
            process.nextTick(() => bare.emit('error', error));
            return bare;
          }) as never;
        },
      }),
    );
    const error = await rejection(server.start('127.0.0.1', 80));
    expectError(server, error, SocketErrorCode.SocketBind, 'EACCES', /ports below 1024.*higher port/);
    isDenied = false;
    await expectRestart(server, journal);
  });

  test.each([
    ['a port that is none', () => ({ port: 65_536 }), /port must be a whole number, 0 to 65535/],
    ['a port that is no number', () => ({ port: '80' as unknown as number }), /port must be a whole number/],
    ['an empty path', () => ({ path: '' }), /path must be a string/],
    ['a path of 305 bytes', () => ({ path: `/tmp/${'x'.repeat(300)}` }), /path must have \d+ bytes or less, .*not 305/],
    ['a host that is no string', () => ({ host: 7 as unknown as string }), /host must be a string/],
    ['a backlog of 0', () => ({ backlog: 0 }), /backlog must be a whole number/],
  ])('SRV-001 ORD-009 ST-002: %s is InvalidParam, and no hook is called', async (_name, options, sentence) => {
    const journal = new Journal();
    await using server = new TcpServer(journal.record({}));
    const error = await rejection(server.start(options()));
    expectError(server, error, SocketErrorCode.InvalidParam, 'EINVAL', sentence);
    expect(server.state).toBe(ServiceState.Stopped);
    expect(journal.names()).toEqual([]);
  });
});

function unprivilegedPortStart(): number {
  try {
    return Number(readFileSync('/proc/sys/net/ipv4/ip_unprivileged_port_start', 'utf8'));
  } catch {
    return 1024;
  }
}

describe('an agent that cannot start', () => {
  test('AGT-001 ORD-025: a bind address that is no IP address is SocketCreate, EADDRNOTAVAIL', async () => {
    const journal = new Journal();
    await using agent = new TcpAgent(journal.record({}));
    const error = await rejection(agent.start('localhost'));
    expectError(agent, error, SocketErrorCode.SocketCreate, 'EADDRNOTAVAIL', /no IP address; give one/);
    expect(agent.state).toBe(ServiceState.Stopped);
    expect(journal.names()).toEqual(['onShutdown']);
    await agent.start('127.0.0.1');
    expect(agent.state).toBe(ServiceState.Started);
  });

  test('AGT-001 ORD-025: a bind address of another machine is SocketBind, EADDRNOTAVAIL', async () => {
    const journal = new Journal();
    await using agent = new TcpAgent(journal.record({}));
    const error = await rejection(agent.start('192.0.2.1'));
    expectError(
      agent,
      error,
      SocketErrorCode.SocketBind,
      'EADDRNOTAVAIL',
      /connect from 192\.0\.2\.1.*use an own address/,
    );
    expect(agent.state).toBe(ServiceState.Stopped);
    expect(journal.names()).toEqual(['onShutdown']);
    await agent.start('127.0.0.1');
    expect(agent.state).toBe(ServiceState.Started);
  });

  test('AGT-001: stop and a signal end a start that is trying its bind address', async () => {
    const journal = new Journal();
    await using agent = new TcpAgent(journal.record({}));
    const overtaken = rejection(agent.start('127.0.0.1'));
    await agent.stop();
    expect((await overtaken).errnoName).toBe('ECANCELED');
    const controller = new AbortController();
    const aborted = rejection(agent.start({ localAddress: '127.0.0.1', signal: controller.signal }));
    controller.abort();
    expect((await aborted).errnoName).toBe('ECANCELED');
    expect(journal.names()).toEqual(['onShutdown', 'onShutdown']);
    await agent.start('127.0.0.1');
  });

  test('AGT-002: connecting from an address of another machine tells EADDRNOTAVAIL and connects again without it', async () => {
    await using bare = await listenBare();
    const journal = new Journal();
    await using agent = new TcpAgent(journal.record({}));
    await agent.start();
    const error = await rejection(agent.connect('127.0.0.1', bare.port, { localAddress: '192.0.2.1' }));
    expect(error).toBeInstanceOf(SocketError);
    expect(error.errnoName).toBe('EADDRNOTAVAIL');
    expect(journal.names()).toEqual(['onPrepareConnect']);
    expect(agent.isConnected(await agent.connect('127.0.0.1', bare.port))).toBe(true);
  });
});

test('SRV-001: what is wrong with the path of a Unix domain socket is SocketBind, with the errno of the system', async () => {
  const file = join(await mkdtemp(join(tmpdir(), 'hp-socket-')), 'file');
  await writeFile(file, '');
  await using server = new TcpServer({});
  const error = await rejection(server.start({ path: join(file, 'server.sock') }));
  expectError(server, error, SocketErrorCode.SocketBind, 'ENOTDIR', /cannot listen on/);
  await rm(dirname(file), { recursive: true });
});

test('TCP-S-001: a file that cannot be read tells the errno of the system', async () => {
  await using server = new TcpServer({});
  const { port } = await server.start('127.0.0.1', 0);
  await using client = new TcpClient({});
  await client.start('127.0.0.1', port);
  expect(await client.sendSmallFile(join(tmpdir(), 'x'.repeat(300)))).toBe(false);
  expect(client.lastFailure?.errnoName).toBe('ENAMETOOLONG');
});

test.each([undefined, null, 7, {}])('TCP-S-001: a file name that is %s is a TypeError that names it', async (name) => {
  await using server = new TcpServer({});
  const { port } = await server.start('127.0.0.1', 0);
  await using client = new TcpClient({});
  await client.start('127.0.0.1', port);
  const error = await rejection(client.sendSmallFile(name as never));
  expect(error).toBeInstanceOf(TypeError);
  expect(error.message).toMatch(/^fileName must be a string or a URL, not /);
});

/** One way to connect, so that agents and clients are told apart by nothing else. */
interface Connector {
  readonly component: TcpAgent | TcpClient;
  /** Connects; an agent must have been started before. */
  connect(options: {
    host?: string;
    port?: number;
    path?: string;
    localAddress?: string;
    localPort?: number;
  }): Promise<unknown>;
}

async function makeConnector(
  role: 'agent' | 'client',
  journal: Journal,
  options: { syncConnectTimeout?: number } = {},
): Promise<Connector> {
  if (role === 'client') {
    const component = new TcpClient(journal.record({}), options);
    return { component, connect: (where) => component.start(where) };
  }
  const component = new TcpAgent(journal.record({}), options);
  await component.start();
  return { component, connect: (where) => component.connect(where) };
}

describe.each(['agent', 'client'] as const)('a connect of the %s that fails', (role) => {
  const id = role === 'agent' ? 'AGT-002' : 'CLI-001';

  /** After a failure: onPrepareConnect and nothing else; nothing is left; the next connect works. */
  async function expectAgain({ component, connect }: Connector, journal: Journal): Promise<void> {
    expect(journal.names()).toEqual(['onPrepareConnect']);
    expect(component.state).toBe(role === 'agent' ? ServiceState.Started : ServiceState.Stopped);
    if (component instanceof TcpAgent) expect(component.connectionCount).toBe(0);
    await using bare = await listenBare();
    await connect({ host: '127.0.0.1', port: bare.port });
    expect(journal.names()).toEqual(['onPrepareConnect', 'onPrepareConnect', 'onConnect', 'onHandShake']);
    await component.stop();
    expect(journal.count('onClose')).toBe(1);
    expect(component.stats()).toMatchObject(
      role === 'agent' ? { opened: 1, closed: 1, refused: 1 } : { opened: 1, closed: 1 },
    );
  }

  test(`${id} ORD-019 NOC-005: refused is ConnectServer, ECONNREFUSED`, async () => {
    const journal = new Journal();
    const connector = await makeConnector(role, journal);
    await using component = connector.component;
    const error = await rejection(connector.connect({ host: '127.0.0.1', port: await freePort() }));
    expectError(component, error, SocketErrorCode.ConnectServer, 'ECONNREFUSED', /nothing listens there; check host/);
    await expectAgain(connector, journal);
  });

  test(`${id} ORD-019 NOC-005: an unknown host is EHOSTUNREACH`, async () => {
    refuseNames();
    const journal = new Journal();
    const connector = await makeConnector(role, journal);
    await using component = connector.component;
    const error = await rejection(connector.connect({ host: 'no-such-host.invalid', port: 80 }));
    expectError(component, error, SocketErrorCode.SocketCreate, 'EHOSTUNREACH', /host name does not resolve.*check/);
    expect(error.message).toContain('no-such-host.invalid:80');
    vi.restoreAllMocks();
    await expectAgain(connector, journal);
  });

  test(`${id} ORD-019 NOC-005: an own address of another machine is SocketBind, EADDRNOTAVAIL`, async () => {
    await using bare = await listenBare();
    const journal = new Journal();
    const connector = await makeConnector(role, journal);
    await using component = connector.component;
    const where = { host: '127.0.0.1', port: bare.port, localAddress: '192.0.2.1' };
    const error = await rejection(connector.connect(where));
    expectError(component, error, SocketErrorCode.SocketBind, 'EADDRNOTAVAIL', /use an own address/);
    await expectAgain(connector, journal);
  });

  test(`${id} ORD-019 NOC-005: an own port that is in use is SocketBind, EADDRINUSE`, async () => {
    await using bare = await listenBare();
    const journal = new Journal();
    const connector = await makeConnector(role, journal);
    await using component = connector.component;
    const where = { host: '127.0.0.1', port: bare.port, localAddress: '127.0.0.1', localPort: bare.port };
    const error = await rejection(connector.connect(where));
    expectError(component, error, SocketErrorCode.SocketBind, 'EADDRINUSE', /already uses it/);
    await expectAgain(connector, journal);
  });

  test(`${id}: of a host with IPv6 and IPv4 addresses, one is dialled that fits the own address`, async () => {
    await using bare = await listenBare();
    type Done = (error: null, address: string, family: number) => void;
    vi.spyOn(dns, 'lookup').mockImplementation(((_name: string, { family }: dns.LookupOptions, done: Done) => {
      if (family === 4) process.nextTick(done, null, '127.0.0.1', 4);
      else process.nextTick(done, null, '::1', 6);
    }) as never);
    const connector = await makeConnector(role, new Journal());
    await using component = connector.component;
    await connector.connect({ host: 'both.example', port: bare.port, localAddress: '127.0.0.1' });
    expect(component.hasStarted).toBe(true);
    vi.restoreAllMocks();
  });

  test(`${id} ORD-019 NOC-005: a Unix domain socket that does not exist is ENOENT`, async () => {
    const journal = new Journal();
    const connector = await makeConnector(role, journal);
    await using component = connector.component;
    const path = join(tmpdir(), 'hp-socket-no-such.sock');
    const error = await rejection(connector.connect({ path }));
    expectError(component, error, SocketErrorCode.ConnectServer, 'ENOENT', /path does not exist.*server is started/);
    expect(error.message).toContain(path);
    await expectAgain(connector, journal);
  });

  test.each([
    [{ host: '', port: 1 }, SocketErrorCode.InvalidParam, 'EINVAL', /host must be/],
    [{ host: '^example.com', port: 1 }, SocketErrorCode.InvalidParam, 'EINVAL', /in front of \^/],
    [{ host: '127.0.0.1', port: 0 }, SocketErrorCode.InvalidParam, 'EINVAL', /port must be a whole number, 1 to/],
    [{ host: '127.0.0.1', port: 70_000 }, SocketErrorCode.InvalidParam, 'EINVAL', /port must be/],
    [{ path: '' }, SocketErrorCode.InvalidParam, 'EINVAL', /path must be/],
    [{ path: `/tmp/${'x'.repeat(300)}` }, SocketErrorCode.InvalidParam, 'EINVAL', /path must have \d+ bytes or less/],
    [
      { host: '127.0.0.1', port: 1, localAddress: 'home' },
      SocketErrorCode.SocketCreate,
      'EADDRNOTAVAIL',
      /no IP address/,
    ],
    [
      { host: '127.0.0.1', port: 1, localAddress: '::1' },
      SocketErrorCode.SocketCreate,
      'EAFNOSUPPORT',
      /one is IPv4, the other IPv6/,
    ],
  ])(`${id} NOC-005 ST-002: %o is refused before any hook`, async (where, code, name, sentence) => {
    const journal = new Journal();
    const connector = await makeConnector(role, journal);
    await using component = connector.component;
    const error = await rejection(connector.connect(where));
    expectError(component, error, code, name, sentence);
    expect(journal.names()).toEqual([]);
    expect(component.state).toBe(role === 'agent' ? ServiceState.Started : ServiceState.Stopped);
  });

  test(`${id} ORD-019 NOC-005 ECO-003 NETG-011: no answer within syncConnectTimeout is ETIMEDOUT`, async () => {
    await using full = await listenFull();
    const journal = new Journal();
    const connector = await makeConnector(role, journal, { syncConnectTimeout: 200 });
    await using component = connector.component;
    const error = await rejection(connector.connect({ host: '127.0.0.1', port: full.port }));
    expect(error).toBeInstanceOf(SocketError);
    expect(error.errnoName).toBe('ETIMEDOUT');
    expect(error.message).toMatch(/did not end within 200 ms \(syncConnectTimeout\)/);
    expect(component.stats().limits.handshakeTimeouts).toBe(1);
    await expectAgain(connector, journal);
  });
});

test('AGT-002: connect of an agent that is not started is IllegalState, EPERM', async () => {
  await using agent = new TcpAgent({});
  const error = await rejection(agent.connect('127.0.0.1', 1));
  expectError(agent, error, SocketErrorCode.IllegalState, 'EPERM', /start it first/);
});

test('AGT-002: connect beyond maxConnectionCount is ENOSR, and counted', async () => {
  await using bare = await listenBare();
  const journal = new Journal();
  await using agent = new TcpAgent(journal.record({}), { maxConnectionCount: 2 });
  await agent.start();
  const first = await agent.connect('127.0.0.1', bare.port);
  await agent.connect('127.0.0.1', bare.port);
  const error = await rejection(agent.connect('127.0.0.1', bare.port));
  expect(error.errnoName).toBe('ENOSR');
  expect(error.message).toMatch(/maxConnectionCount \(2\).*close some or raise it/);
  expect(agent.stats().limits.connections).toBe(1);
  expect(journal.count('onPrepareConnect')).toBe(2);
  agent.disconnect(first);
  await journal.reach('onClose');
  await agent.connect('127.0.0.1', bare.port);
  expect(agent.connectionCount).toBe(2);
});

/** A server that listens and never accepts, with a queue that is full: the next connect gets no answer. */
async function listenFull(): Promise<{ port: number; [Symbol.asyncDispose](): Promise<void> }> {
  const script = `
    const server = require('node:net').createServer((socket) => socket.on('error', () => {}));
    server.listen({ host: '127.0.0.1', port: 0, backlog: 1 }, () => console.log(server.address().port));`;
  const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = (await once(child.stdout!, 'data')) as [Buffer];
  const port = Number(line.toString());
  child.kill('SIGSTOP');
  const fillers: net.Socket[] = [];
  for (let isFull = false; !isFull; ) {
    const socket = net.connect({ host: '127.0.0.1', port });
    socket.on('error', () => {});
    fillers.push(socket);
    const patience = AbortSignal.timeout(100);
    isFull = await once(socket, 'connect', { signal: patience }).then(
      () => false,
      () => true,
    );
  }
  return {
    port,
    async [Symbol.asyncDispose]() {
      for (const socket of fillers) socket.destroy();
      child.kill('SIGKILL');
      await once(child, 'exit');
    },
  };
}

describe.skipIf(process.platform === 'win32')('without file descriptors', () => {
  /** The child's half: see fd-exhaustion-child.ts. */
  async function startChild(): Promise<{ child: ChildProcess; port: number }> {
    const script = new URL('./fd-exhaustion-child.ts', import.meta.url).pathname;
    const child = spawn('bash', ['-c', 'ulimit -n 1024 && exec "$0" --import tsx "$1"', process.execPath, script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [line] = (await once(child.stdout!, 'data')) as [Buffer];
    return { child, port: Number(line.toString()) };
  }

  test('SRV-001 CLI-001 AGT-002: the peers that are there are served, starts tell EMFILE, and all recover', async () => {
    const { child, port } = await startChild();
    try {
      const peer = await connectBare(port);
      const ask = async (command: string): Promise<Record<string, unknown>> => {
        peer.write(`${command}\n`);
        let text = '';
        while (!text.endsWith('\n')) text += (await readBytes(peer, 1)).toString();
        return JSON.parse(text) as Record<string, unknown>;
      };
      expect(await ask('ping')).toEqual({ pong: true });
      expect(await ask('exhaust')).toEqual({ exhausted: true });

      // Nobody else gets in, the peer that is there does not notice.
      const late = net.connect({ host: '127.0.0.1', port });
      late.on('error', () => {});
      for (let i = 0; i < 20; i++) expect(await ask('ping')).toEqual({ pong: true });

      for (const [who, state] of [
        ['server', ServiceState.Stopped],
        ['client', ServiceState.Stopped],
        ['agent', ServiceState.Started],
      ] as const) {
        expect(await ask(who), who).toMatchObject({
          isSocketError: true,
          socketError: SocketErrorCode.SocketCreate,
          errnoName: 'EMFILE',
          message: expect.stringMatching(/no file descriptors left; raise the limit/),
          state,
          closes: 0,
        });
      }

      expect(await ask('free')).toEqual({ freed: true });
      expect(await ask('server')).toMatchObject({ state: ServiceState.Started });
      expect(await ask('client')).toMatchObject({ state: ServiceState.Started });
      expect(await ask('agent')).toMatchObject({ state: ServiceState.Started, connections: 1 });
      const next = await connectBare(port);
      next.write('ping\n');
      expect(JSON.parse((await readBytes(next, 14)).toString())).toEqual({ pong: true });
      next.destroy();
      late.destroy();
      peer.destroy();
    } finally {
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
  });
});
