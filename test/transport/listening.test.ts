import { spawn } from 'node:child_process';
import { once } from 'node:events';
import net from 'node:net';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { ReuseAddressPolicy, SocketError, TcpClient, TcpServer } from '../../src/index.ts';
import { canSharePort } from '../tcp/support.ts';

const host = '127.0.0.1';
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);

async function rejection(promise: Promise<unknown>): Promise<SocketError> {
  const error = await promise.then(
    () => expect.fail('it did not reject'),
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(SocketError);
  return error as SocketError;
}

describe('start({ fd })', () => {
  test('listens on a socket that another process opened', async () => {
    const opener = net.createServer().listen(0, host);
    await once(opener, 'listening');
    const { port } = opener.address() as net.AddressInfo;
    const { fd } = (opener as unknown as { _handle: { fd: number } })._handle;
    const script = fileURLToPath(new URL('./fd-child.ts', import.meta.url));
    const child = spawn(process.execPath, ['--import', 'tsx', script], {
      stdio: ['pipe', 'pipe', 'inherit', fd],
    });
    const [line] = await once(child.stdout!, 'data');
    opener.close();
    expect(JSON.parse(String(line))).toEqual({ address: host, port });
    let answered!: (text: string) => void;
    const answer = new Promise<string>((resolve) => {
      answered = resolve;
    });
    await using client = new TcpClient({ onReceive: (_client, _connId, data) => answered(String(data)) });
    await client.start(host, port);
    client.send('who listens?');
    expect(await answer).toBe(`${child.pid}`);
    child.stdin!.end();
    expect(await once(child, 'close')).toEqual([0, null]);
    const error = await rejection(new TcpClient({}).start(host, port));
    expect(error.errnoName).toBe('ECONNREFUSED');
  }, 60_000);

  test.each([-1, 1.5, '3', Number.NaN])('%s is no file descriptor', async (fd) => {
    await using server = new TcpServer({});
    const error = await rejection(server.start({ fd: fd as number }));
    expect([error.errnoName, error.operation]).toEqual(['EINVAL', 'start']);
    expect(error.message).toMatch(/fd must be the number of a file descriptor/);
  });

  test.each([{ port: 0 }, { host }, { path: '/tmp/never-made' }])('does not go with %j', async (place) => {
    await using server = new TcpServer({});
    const error = await rejection(server.start({ fd: 3, ...place }));
    expect(error.message).toMatch(/host, port and path must be left out/);
  });

  test('of what is no listening socket is an error that names it', async () => {
    await using server = new TcpServer({});
    const error = await rejection(server.start({ fd: 999_999 }));
    expect(error.message).toMatch(/^cannot listen on file descriptor 999999: /);
  });
});

test('two servers with AddrAndPort share a port where Node can do that, else the second fails with EADDRINUSE', async () => {
  const options = { reuseAddressPolicy: ReuseAddressPolicy.AddrAndPort };
  await using first = new TcpServer({}, options);
  const { port } = await first.start(host, 0);
  await using second = new TcpServer({}, options);
  if (canSharePort) {
    expect(await second.start(host, port)).toEqual({ address: host, port });
    await first.stop();
    await using client = new TcpClient({});
    await client.start(host, port); // the other one still accepts
  } else {
    expect((await rejection(second.start(host, port))).errnoName).toBe('EADDRINUSE');
  }
});

test.each([true, false])(
  'a net.BlockList keeps peers out before anything is made for them, fastPath %s',
  async (fastPath) => {
    const blockList = new net.BlockList();
    blockList.addSubnet('127.0.0.0', 8);
    const events: string[] = [];
    await using server = new TcpServer({ onAccept: () => void events.push('onAccept') }, { blockList, fastPath });
    // An IPv4 peer of a dual-stack server is its IPv4 address.
    const { port } = await server.start(net.isIPv6('::') && (await hasIPv6()) ? '::' : host, 0);
    const peer = net.connect(port, host);
    peer.on('error', () => {});
    peer.resume();
    await once(peer, 'close');
    expect(events).toEqual([]);
    expect(server.stats()).toMatchObject({ refused: 1, opened: 0, limits: { blockedAddresses: 1 } });
  },
);

async function hasIPv6(): Promise<boolean> {
  const server = net.createServer();
  const isListening = new Promise<boolean>((resolve) => {
    server.once('error', () => resolve(false));
    server.listen(0, '::', () => server.close(() => resolve(true)));
  });
  return isListening;
}

test('keep-alive probes come with their interval and number where Node can set them', async () => {
  const opener = net.createServer().listen(0, host);
  await once(opener, 'listening');
  let prototype = (opener as unknown as { _handle: Record<string, unknown> })._handle;
  opener.close();
  while (!Object.hasOwn(prototype, 'setKeepAlive')) prototype = Object.getPrototypeOf(prototype);
  const original = prototype.setKeepAlive as (...settings: unknown[]) => unknown;
  const told: unknown[][] = [];
  prototype.setKeepAlive = function (this: unknown, ...settings: unknown[]) {
    told.push(settings);
    return original.apply(this, settings);
  };
  try {
    await using server = new TcpServer({}, { keepAliveInterval: 7000 });
    const { port } = await server.start(host, 0);
    await using client = new TcpClient({}, { keepAliveTime: 30_000 });
    await client.start(host, port);
    await using silent = new TcpClient({}, { keepAliveTime: 0 });
    await silent.start(host, port);
    const isOffered = net.Socket.prototype.setKeepAlive.length >= 4;
    expect(isOffered).toBe((major === 24 && minor >= 21) || (major === 26 && minor >= 10) || major > 26);
    const rest = (interval: number) => (isOffered ? [interval, 5] : []);
    expect(told.filter(([isOn]) => isOn === true).map((settings) => settings.slice(0, 4))).toEqual(
      expect.arrayContaining([
        [true, 60, ...rest(7)],
        [true, 30, ...rest(20)],
      ]),
    );
    expect(told.length).toBe(3); // both peers of the server, and the first client
  } finally {
    prototype.setKeepAlive = original;
  }
});
