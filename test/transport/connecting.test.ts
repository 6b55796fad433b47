import { once } from 'node:events';
import net from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { type ConnId, SocketError, TcpAgent, TcpClient, TcpServer } from '../../src/index.ts';

const host = '127.0.0.1';

/** A port that nobody listens on. */
async function freePort(): Promise<number> {
  const server = net.createServer().listen(0, host);
  await once(server, 'listening');
  const { port } = server.address() as net.AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

async function rejection(promise: Promise<unknown>): Promise<SocketError> {
  const error = await promise.then(
    () => expect.fail('it did not reject'),
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(SocketError);
  return error as SocketError;
}

const fastPaths = [true, false];

describe('where nobody listens, a socket whose own port is the target is refused, not connected to itself', () => {
  test.each(fastPaths)('a client, fastPath %s', async (fastPath) => {
    const port = await freePort();
    const events: string[] = [];
    await using client = new TcpClient(
      { onConnect: () => void events.push('onConnect'), onClose: () => void events.push('onClose') },
      { fastPath },
    );
    const error = await rejection(client.start(host, port, { localAddress: host, localPort: port }));
    expect(error.errnoName).toBe('ECONNREFUSED');
    expect(error.message).toMatch(/nothing listens there/);
    expect(events).toEqual([]);
    // The port is free again at once.
    await using server = new TcpServer({});
    expect((await server.start(host, port)).port).toBe(port);
    await client.start(host, port);
  });

  test.each(fastPaths)('an agent, also with the port that the system chose, fastPath %s', async (fastPath) => {
    const port = await freePort();
    await using agent = new TcpAgent({}, { fastPath });
    await agent.start();
    const error = await rejection(agent.connect(host, port, { localPort: port }));
    expect(error.errnoName).toBe('ECONNREFUSED');
    expect(agent.connectionCount).toBe(0);
  });
});

test('an own port that is in use towards that peer is said to be so', async () => {
  await using server = new TcpServer({});
  const { port } = await server.start(host, 0);
  await using first = new TcpClient({});
  await first.start(host, port, { localAddress: host });
  const localPort = first.getLocalAddress()!.port;
  await using second = new TcpClient({});
  const error = await rejection(second.start(host, port, { localAddress: host, localPort }));
  expect(['EADDRNOTAVAIL', 'EADDRINUSE']).toContain(error.errnoName);
  expect(error.message).not.toMatch(/no network interface/);
  expect(error.message).toMatch(/in use towards that peer|already uses it/);
});

test('agents tell the address of an IPv4 peer as servers do, though it was dialled as IPv6', async () => {
  await using server = new TcpServer({});
  const { port } = await server.start(host, 0);
  let told: string | undefined;
  await using agent = new TcpAgent({
    onConnect(agent, connId) {
      told = agent.getRemoteAddress(connId)?.address;
    },
  });
  await agent.start();
  const connId = await agent.connect(`::ffff:${host}`, port);
  expect(told).toBe(host);
  expect(agent.getRemoteAddress(connId)).toEqual({ address: host, port });
});

describe('an attempt to connect', () => {
  const open: net.Socket[] = [];
  afterEach(() => {
    for (const socket of open.splice(0)) socket.destroy();
  });

  test('goes on with the next address of a host if one does not answer, and may be aborted', async () => {
    await using server = new TcpServer({});
    const { port } = await server.start(host, 0);
    // `localhost` has an IPv6 address as well, where nobody listens.
    await using client = new TcpClient({});
    await client.start('localhost', port);
    expect(client.isConnected).toBe(true);
    const aborting = new AbortController();
    await using second = new TcpClient({
      onPrepareConnect() {
        queueMicrotask(() => aborting.abort());
      },
    });
    const error = await rejection(second.start('localhost', port, { signal: aborting.signal }));
    expect(error.errnoName).toBe('ECANCELED');
    expect(second.isConnected).toBe(false);
  });

  test('of each address of a host may take a second', async () => {
    const tried: unknown[] = [];
    const { connect } = net.Socket.prototype;
    net.Socket.prototype.connect = function (this: net.Socket, ...args: [never]) {
      tried.push(args[0]);
      return connect.apply(this, args);
    } as typeof connect;
    await using server = new TcpServer({});
    try {
      const { port } = await server.start(host, 0);
      await using client = new TcpClient({});
      await client.start('localhost', port);
      expect(tried.at(-1)).toMatchObject({ host: 'localhost', port, autoSelectFamilyAttemptTimeout: 1000 });
    } finally {
      net.Socket.prototype.connect = connect;
    }
  });
});

describe('a peer that was gone before it was accepted', () => {
  test.each(fastPaths)('has no address: null, fastPath %s', async (fastPath) => {
    const { execFileSync } = await import('node:child_process');
    const told: unknown[] = [];
    let closed: () => void;
    const isClosed = new Promise<void>((resolve) => {
      closed = resolve;
    });
    await using server = new TcpServer(
      {
        onAccept: (server: TcpServer, connId: ConnId) => void told.push(server.getRemoteAddress(connId)),
        onClose: () => closed(),
      },
      { fastPath },
    );
    const { port } = await server.start(host, 0);
    // This process stands still meanwhile, so the reset is there before anybody accepts.
    const script = `require('net').connect(${port}, '${host}', function () { this.resetAndDestroy(); })`;
    execFileSync(process.execPath, ['-e', script]);
    await isClosed;
    expect(told).toEqual([null]);
  });
});
