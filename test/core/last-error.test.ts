import { expect, test } from 'vitest';
import { SocketErrorCode, TcpClient, UdpArqClient, UdpArqServer } from '../../src/index.ts';
import { deferred, eventually, listenBare } from '../tcp/support.ts';

const host = '127.0.0.1';

test('what a stop of the user cut off is no last error: TcpClient', async () => {
  // Reads nothing, so that the drain runs out of time.
  await using server = await listenBare({ pauseOnConnect: true });
  const closed = deferred<Error | undefined>();
  const client = new TcpClient({
    onClose: (_self, _id, _operation, _code, info) => closed.resolve(info.error ?? undefined),
  });
  await client.start(host, server.port);
  client.send(Buffer.alloc(20_000_000));
  await client.stop({ drainTimeoutMs: 30 });
  expect((await closed.promise)?.message).toMatch(/within 30 ms/);
  expect([client.lastError, client.lastFailure]).toEqual([SocketErrorCode.Ok, null]);
});

test('what a stop of the user cut off is no last error: UdpArqClient', async () => {
  const server = new UdpArqServer({});
  const { port } = await server.start(host, 0);
  const closed = deferred<Error | undefined>();
  const client = new UdpArqClient({
    onClose: (_self, _id, _operation, _code, info) => closed.resolve(info.error ?? undefined),
  });
  await client.start(host, port);
  await eventually(() => server.connectionCount === 1);
  // Nothing leaves any more, so that nothing is acknowledged.
  const message = Buffer.alloc(4000);
  for (let i = 0; i < 5000; i++) client.send(message);
  await client.stop({ drainTimeoutMs: 1 });
  expect((await closed.promise)?.message).toMatch(/did not acknowledge/);
  expect([client.lastError, client.lastFailure]).toEqual([SocketErrorCode.Ok, null]);
  await server.stop();
});

test('why a connection ended that nobody stopped is the last error: TcpClient', async () => {
  await using server = await listenBare();
  const client = new TcpClient({});
  await client.start(host, server.port);
  (await server.accepted()).resetAndDestroy();
  await client.wait();
  expect(client.lastError).not.toBe(SocketErrorCode.Ok);
  expect(client.lastFailure?.errnoName).toBe('ECONNRESET');
});
