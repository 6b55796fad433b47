import { describe, expect, test, vi } from 'vitest';
import { Errno, TcpClient, TcpPackClient, TcpServer } from '../../src/index.ts';
import { Counter, type Deferred, deferred, listenBare } from './support.ts';

// While a file is read, the connection that it is for may end.

let reading: Deferred<void> = deferred();
let goOn: Deferred<void> = deferred();

vi.mock('node:fs/promises', async (original) => ({
  ...(await original<typeof import('node:fs/promises')>()),
  stat: async () => ({ size: 7 }),
  readFile: async () => {
    reading.resolve();
    await goOn.promise;
    return Buffer.from('secrets');
  },
}));

const host = '127.0.0.1';

describe('sendSmallFile', () => {
  test.each([TcpClient, TcpPackClient])(
    'of a client is for the connection of the call, not for a later one',
    async (Client) => {
      await using first = await listenBare();
      await using second = await listenBare();
      const got = new Counter();
      reading = deferred();
      goOn = deferred();
      const client = new (Client as typeof TcpClient)({});
      await client.start(host, first.port);
      const sending = client.sendSmallFile('file');
      await reading.promise;
      await client.stop();
      await client.start(host, second.port);
      (await second.accepted()).on('data', (bytes: Buffer) => got.add(bytes.length));
      goOn.resolve();
      expect(await sending).toBe(false);
      expect(client.lastSystemError).toBe(Errno.EPERM);
      expect(client.pendingDataLength).toBe(0);
      expect(client.stats().messagesOut).toBe(0);
      // The next send is the first thing that the second server gets.
      client.send('x');
      const length = Client === TcpPackClient ? 5 : 1;
      await got.reach(length);
      expect(got.count).toBe(length);
      await client.stop();
    },
  );

  test('of a server is for the connection of the call, not for one with its ID after a restart: CID-003', async () => {
    reading = deferred();
    goOn = deferred();
    let accepted = deferred<number>();
    const server = new TcpServer({ onAccept: (_server, connId) => accepted.resolve(connId) });
    await using client = new TcpClient({});
    await client.start(host, (await server.start(host, 0)).port);
    expect(await accepted.promise).toBe(1);
    const sending = server.sendSmallFile(1, 'file');
    await reading.promise;
    await client.stop();
    await server.stop();
    accepted = deferred();
    await client.start(host, (await server.start(host, 0)).port);
    expect(await accepted.promise).toBe(1);
    goOn.resolve();
    expect(await sending).toBe(false);
    expect(server.lastSystemError).toBe(Errno.EBADSLT);
    expect(server.stats().messagesOut).toBe(0);
    await server.stop();
  });

  test('of a server to a connection that closed meanwhile is false', async () => {
    reading = deferred();
    goOn = deferred();
    const accepted = deferred<number>();
    const closed = deferred();
    await using server = new TcpServer({
      onAccept: (_server, connId) => accepted.resolve(connId),
      onClose: () => closed.resolve(),
    });
    const { port } = await server.start(host, 0);
    await using client = new TcpClient({});
    await client.start(host, port);
    const sending = server.sendSmallFile(await accepted.promise, 'file');
    await reading.promise;
    await client.stop();
    await closed.promise;
    goOn.resolve();
    expect(await sending).toBe(false);
    expect(server.lastSystemError).toBe(Errno.EBADSLT);
  });
});
