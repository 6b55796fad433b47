import net from 'node:net';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { ReuseAddressPolicy, SocketErrorCode, TcpAgent, TcpClient, TcpServer } from '../../src/index.ts';
import { canSharePort, eventually, listenBare } from './support.ts';

// What the properties ask of the system. Node does not tell what a socket was set to, so its calls are watched.

const host = '127.0.0.1';

afterEach(() => {
  vi.restoreAllMocks();
});

/** Connects a server, an agent and a client, all with `options`, one after the other to bare peers. */
async function connectAll(options: object, look: (name: string) => void): Promise<void> {
  const server = new TcpServer({}, options);
  const { port } = await server.start(host, 0);
  const peer = net.connect(port, host);
  await eventually(() => server.stats().opened === 1);
  look('TcpServer');
  peer.destroy();
  await server.stop();
  await using bare = await listenBare();
  const agent = new TcpAgent({}, options);
  await agent.start();
  await agent.connect(host, bare.port);
  look('TcpAgent');
  await agent.stop();
  const client = new TcpClient({}, options);
  await client.start(host, bare.port);
  look('TcpClient');
  await client.stop();
}

describe('sockets of every role', () => {
  test.each([
    ['are told to send small segments at once by default', {}, 1],
    ['are not when noDelay is off', { noDelay: false }, 0],
  ])('%s: noDelay: TCP-S-012 TCP-A-008 TCP-C-008', async (_what, options, times) => {
    const setNoDelay = vi.spyOn(net.Socket.prototype, 'setNoDelay');
    const seen: string[] = [];
    await connectAll(options, (name) => {
      for (const [isOn] of setNoDelay.mock.calls.splice(0)) if (isOn === true) seen.push(name);
    });
    expect(seen).toEqual(times === 1 ? ['TcpServer', 'TcpAgent', 'TcpClient'] : []);
  });

  test.each([
    ['by default', {}, [60_000, 20_000, 5]],
    ['after keepAliveTime, every keepAliveInterval', { keepAliveTime: 5000, keepAliveInterval: 7000 }, [5000, 7000, 5]],
    ['not with keepAliveTime 0', { keepAliveTime: 0 }, null],
    ['not with keepAliveInterval 0', { keepAliveInterval: 0 }, null],
  ])(
    'ask whether the peer is still there %s: TCP-S-008 TCP-S-010 TCP-A-004 TCP-A-006 TCP-C-004 TCP-C-006',
    async (_when, options, settings) => {
      const setKeepAlive = vi.spyOn(net.Socket.prototype, 'setKeepAlive');
      const seen: unknown[][] = [];
      await connectAll(options, (name) => {
        for (const [isOn, ...settings] of setKeepAlive.mock.calls.splice(0) as unknown[][]) {
          if (isOn === true) seen.push([name, ...settings]);
        }
      });
      expect(seen).toEqual(
        settings === null ? [] : ['TcpServer', 'TcpAgent', 'TcpClient'].map((name) => [name, ...settings]),
      );
    },
  );
});

describe('a TcpServer listens', () => {
  /** What it asked Node for. */
  async function askedFor(options: object, start: object): Promise<net.ListenOptions> {
    const listen = vi.spyOn(net.Server.prototype, 'listen');
    const server = new TcpServer({}, options);
    await server.start({ host, port: 0, ...start });
    const [asked] = listen.mock.calls[0] as unknown as [net.ListenOptions];
    await server.stop();
    listen.mockRestore();
    return asked;
  }

  test('with socketListenQueue as its backlog: TCP-S-006', async () => {
    expect(await askedFor({}, {})).toMatchObject({ backlog: 4096 });
    expect(await askedFor({ socketListenQueue: 7 }, {})).toMatchObject({ backlog: 7 });
    expect(await askedFor({ socketListenQueue: 7 }, { backlog: 9 })).toMatchObject({ backlog: 9 });
  });

  test('exclusively or not, as start was asked', async () => {
    expect((await askedFor({}, {})).exclusive ?? false).toBe(false);
    expect(await askedFor({}, { exclusive: true })).toMatchObject({ exclusive: true });
  });

  test('with reusePort only if the policy is AddrAndPort: CS-025', async () => {
    for (const policy of [ReuseAddressPolicy.None, ReuseAddressPolicy.AddrOnly]) {
      const asked = (await askedFor({ reuseAddressPolicy: policy }, {})) as { reusePort?: boolean };
      expect(asked.reusePort ?? false).toBe(false);
    }
  });

  test.skipIf(!canSharePort)('beside another one on the same port, if both have AddrAndPort: CS-025', async () => {
    const options = { reuseAddressPolicy: ReuseAddressPolicy.AddrAndPort };
    await using first = new TcpServer({}, options);
    await using second = new TcpServer({}, options);
    const { port } = await first.start(host, 0);
    await second.start(host, port);
    // The system shares the connections out.
    const peers: net.Socket[] = [];
    while (first.stats().opened === 0 || second.stats().opened === 0) {
      const peer = net.connect(port, host);
      peers.push(peer);
      await eventually(() => first.stats().opened + second.stats().opened === peers.length);
    }
    for (const peer of peers) peer.destroy();
  });

  test('beside no other one by default', async () => {
    await using first = new TcpServer({});
    const second = new TcpServer({});
    const { port } = await first.start(host, 0);
    await expect(second.start(host, port)).rejects.toMatchObject({
      errnoName: 'EADDRINUSE',
      socketError: SocketErrorCode.SocketBind,
    });
  });
});

test('each of the addresses of a name gets a second to answer, not the 250 ms of Node', async () => {
  await using bare = await listenBare();
  const connect = vi.spyOn(net.Socket.prototype, 'connect');
  const asked = (): { autoSelectFamilyAttemptTimeout?: number } => {
    const [options] = connect.mock.calls.splice(0)[0] as unknown as [object];
    return options;
  };
  const client = new TcpClient({});
  await client.start(host, bare.port);
  expect(asked().autoSelectFamilyAttemptTimeout).toBe(1000);
  await client.stop();
  // From an own address there is one family only, and nothing to choose.
  await client.start(host, bare.port, { localAddress: host });
  expect(asked()).toMatchObject({ localAddress: host, family: 4 });
  await client.stop();
});
