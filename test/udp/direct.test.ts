import dgram from 'node:dgram';
import { afterEach, expect, test, vi } from 'vitest';
import type { UdpHandle } from '../../src/transport/udp-direct.ts';

afterEach(() => {
  vi.restoreAllMocks();
  vi.resetModules();
});

/** The modules as a new process would have them: nothing is proved yet. */
async function fresh() {
  vi.resetModules();
  const [direct, { UdpServer, UdpClient }, { $host }] = await Promise.all([
    import('../../src/transport/udp-direct.ts'),
    import('../../src/index.ts'),
    import('../../src/core/internals.ts'),
  ]);
  return { direct, UdpServer, UdpClient, $host };
}

function handleOf(socket: dgram.Socket): UdpHandle {
  const symbol = Object.getOwnPropertySymbols(socket).find(({ description }) => description === 'state symbol')!;
  return (socket as unknown as Record<symbol, { handle: UdpHandle }>)[symbol]!.handle;
}

/** Sockets made from now on have handles that `change` has been at. */
function changeHandles(change: (handle: UdpHandle) => void): dgram.Socket[] {
  const create = dgram.createSocket;
  const made: dgram.Socket[] = [];
  vi.spyOn(dgram, 'createSocket').mockImplementation(((options: dgram.SocketOptions) => {
    const socket = create(options);
    made.push(socket);
    change(handleOf(socket));
    return socket;
  }) as typeof dgram.createSocket);
  return made;
}

async function echoes({ UdpServer, UdpClient }: Awaited<ReturnType<typeof fresh>>): Promise<string> {
  const server = new UdpServer({ onReceive: (sender, id, data) => void sender.send(id, data) });
  const { port } = await server.start('127.0.0.1', 0);
  const answer = new Promise<string>((resolve) => {
    const client = new UdpClient({
      onHandShake: (sender) => void sender.send('echo'),
      onReceive: (sender, _id, data) => {
        void sender.stop().then(() => resolve(data.toString()));
      },
    });
    void client.start('127.0.0.1', port);
  });
  const text = await answer;
  await server.stop();
  return text;
}

test('handles are believed once they have carried datagrams, by address and connected; one trial serves the process', async () => {
  const modules = await fresh();
  const made = changeHandles(() => {});
  expect(await Promise.all([1, 2, 3].map(() => modules.direct.provesDirectDatagrams()))).toEqual([true, true, true]);
  expect(made.length).toBe(1);
  expect(await echoes(modules)).toBe('echo');
  expect(() => made[0]!.address()).toThrow(); // the socket of the trial is closed
});

test.each([
  [
    'says that it sent, and did not',
    (handle: UdpHandle) => {
      handle.send = ((_request: unknown, list: Uint8Array[]) => list[0]!.length + 1) as UdpHandle['send'];
    },
  ],
  [
    'throws when it is asked to send',
    (handle: UdpHandle) => {
      const { send } = handle;
      // dgram itself gives a list of its own and, without a callback, false at the end.
      handle.send = ((...args: never[]) => {
        if (args.at(-1) === true) throw new TypeError('expected AsyncWrap');
        return (send as (...all: never[]) => number).apply(handle, args);
      }) as UdpHandle['send'];
    },
  ],
  [
    'tells no address of the sender',
    (handle: UdpHandle) => {
      let told = handle.onmessage;
      Object.defineProperty(handle, 'onmessage', {
        configurable: true,
        get: () => (status: number, self: unknown, bytes: Buffer) => told(status, self, bytes, {} as never),
        set: (next: UdpHandle['onmessage']) => void (told = next),
      });
    },
  ],
])('a handle that %s is not believed, and nothing of it is used', async (_what, change) => {
  const modules = await fresh();
  const made = changeHandles((handle) => made.length === 1 && change(handle));
  expect(await modules.direct.provesDirectDatagrams()).toBe(false);
  expect(modules.direct.directDatagrams(made[0]!)).toBe(null);
  expect(await echoes(modules)).toBe('echo');
});

test.skipIf(process.env.HP_SOCKET_FAST_PATH === 'off')(
  'a handle that begins to throw later: datagrams go the documented way, and nothing throws',
  async () => {
    const modules = await fresh();
    const { UdpServer, $host } = modules;
    const server = new UdpServer({ onReceive: (sender, id, data) => void sender.send(id, data) });
    const { port } = await server.start('127.0.0.1', 0);
    const { socket } = (server as unknown as Record<symbol, { socket: { socket: dgram.Socket } }>)[$host]!.socket;
    const handle = handleOf(socket);
    const { send } = handle;
    let refusals = 0;
    handle.send = ((...args: never[]) => {
      if (refusals++ === 0) throw new TypeError('expected AsyncWrap');
      return (send as (...all: never[]) => number).apply(handle, args);
    }) as UdpHandle['send'];
    const peer = dgram.createSocket('udp4');
    const answer = new Promise<string>((resolve) => peer.once('message', (bytes) => resolve(bytes.toString())));
    peer.send('again', port, '127.0.0.1');
    expect(await answer).toBe('again');
    expect(refusals).toBeGreaterThan(0);
    peer.close();
    await server.stop();
  },
);
