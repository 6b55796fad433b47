import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import net from 'node:net';
import { PassThrough } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { describe, expect, test, vi } from 'vitest';
import { $connectionOf } from '../../src/core/internals.ts';
import {
  type ConnectionStream,
  SocketError,
  TcpClient,
  TcpPackClient,
  TcpPackServer,
  TcpPullServer,
  TcpServer,
} from '../../src/index.ts';

/** Sends back what comes, by a stream. */
function pipeBack(server: TcpServer, connId: number): void {
  const stream = server.createStream(connId);
  stream.pipe(stream);
}

describe('createStream', () => {
  test('pipes a connection of a server to itself and keeps every byte of 8 MiB', async () => {
    await using server = new TcpServer({ onHandShake: pipeBack });
    const { port } = await server.start('127.0.0.1', 0);
    await using client = new TcpClient({});
    await client.start('127.0.0.1', port);
    const stream = client.createStream();
    const sent = createHash('sha256');
    const received = createHash('sha256');
    const total = 128 * 65_536;
    let length = 0;
    stream.on('data', (chunk: Buffer) => {
      received.update(chunk);
      length += chunk.length;
      if (length === total) stream.end();
    });
    for (let i = 0; i < 128; i++) {
      const chunk = randomBytes(65_536);
      sent.update(chunk);
      if (!stream.write(chunk)) await once(stream, 'drain');
    }
    await once(stream, 'end');
    expect(length).toBe(total);
    expect(received.digest('hex')).toBe(sent.digest('hex'));
    await client.wait();
  });

  test('ending a stream after a request still brings the whole answer', async () => {
    await using server = new TcpServer({ onHandShake: pipeBack });
    const { port } = await server.start('127.0.0.1', 0);
    await using client = new TcpClient({});
    await client.start('127.0.0.1', port);
    const stream = client.createStream();
    const request = randomBytes(300_000);
    stream.end(request);
    const chunks: Buffer[] = [];
    for await (const chunk of stream) chunks.push(chunk as Buffer);
    expect(Buffer.concat(chunks).equals(request)).toBe(true);
  });

  test('works on a pull server, and refuses a second stream', async () => {
    let secondError: unknown;
    await using server = new TcpPullServer({
      onAccept(server, connId) {
        const stream = server.createStream(connId);
        stream.on('data', (chunk: Buffer) => stream.write(chunk.toString().toUpperCase()));
        try {
          server.createStream(connId);
        } catch (error) {
          secondError = error;
        }
      },
    });
    const { port } = await server.start('127.0.0.1', 0);
    const answer = deferred<string>();
    await using client = new TcpClient({ onReceive: (_client, _connId, data) => answer.resolve(data.toString()) });
    await client.start('127.0.0.1', port);
    client.send('hello');
    expect(await answer.promise).toBe('HELLO');
    expect(secondError).toBeInstanceOf(SocketError);
  });

  test('a reset by the peer destroys the stream with the reason', async () => {
    const failed = deferred<Error>();
    await using server = new TcpServer({
      onHandShake(server, connId) {
        server.createStream(connId).on('error', failed.resolve).resume();
      },
    });
    const { port } = await server.start('127.0.0.1', 0);
    const client = new TcpClient({
      onConnect(client) {
        client[$connectionOf]()?.socket.resetAndDestroy();
      },
    });
    await client.start('127.0.0.1', port).catch(() => {});
    expect(await failed.promise).toMatchObject({ name: 'SocketError', errnoName: 'ECONNRESET' });
  });
});

test('a stream without listeners makes no uncaught exception of a reset, and gives the error to later listeners', async () => {
  const closes: number[] = [];
  let stream!: ConnectionStream;
  await using server = new TcpServer({
    onAccept(self, connId) {
      stream = self.createStream(connId);
    },
    onClose: (_self, _connId, _operation, errorCode) => void closes.push(errorCode),
  });
  const { port } = await server.start('127.0.0.1', 0);
  const peer = net.connect(port, '127.0.0.1');
  await once(peer, 'connect');
  peer.write('hello');
  await vi.waitUntil(() => stream?.readableLength > 0);
  peer.resetAndDestroy();
  await vi.waitUntil(() => closes.length === 1);
  expect(stream.write('too late')).toBe(false);
  await new Promise((resolve) => setImmediate(resolve));
  expect(stream.destroyed).toBe(true);
  const error = await pipeline(stream, new PassThrough()).catch((reason: unknown) => reason);
  expect(error).toMatchObject({ name: 'SocketError', errnoName: 'ECONNRESET' });
  expect(stream.errored).toBe(error);
  expect(closes).toEqual([104]);
});

describe('messages', () => {
  test('iterates packages in order, holds the sender back while the loop is slow, and ends with the connection', async () => {
    const count = 2000;
    await using server = new TcpPackServer({
      onReceive(server, connId) {
        for (let i = 0; i < count; i++) server.send(connId, Buffer.from(`message ${i} ${'x'.repeat(500)}`));
        server.disconnect(connId, { drain: true });
      },
    });
    const { port } = await server.start('127.0.0.1', 0);
    const client = new TcpPackClient({});
    await client.start('127.0.0.1', port);
    client.send('go');
    let next = 0;
    for await (const message of client.messages({ maxQueued: 8 })) {
      expect(message.toString().startsWith(`message ${next} `)).toBe(true);
      if (next % 500 === 0) await new Promise((resolve) => setImmediate(resolve));
      next++;
    }
    expect(next).toBe(count);
    await client.wait();
  });

  test('holds no more bytes than allowed, but for the read that goes beyond, and loses none', async () => {
    const total = 8_000_000;
    await using server = new TcpServer({
      onReceive: (server, connId) => void server.send(connId, Buffer.alloc(total)),
    });
    const { port } = await server.start('127.0.0.1', 0);
    await using client = new TcpClient({});
    await client.start('127.0.0.1', port);
    const messages = client.messages({ maxQueuedBytes: 200_000 });
    client.send('go');
    let got = (await messages.next()).value!.length;
    for (let seen = -1; seen !== client.stats().bytesIn; ) {
      seen = client.stats().bytesIn;
      await new Promise((resolve) => setTimeout(resolve, 30));
    }
    expect(client.stats().bytesIn - got).toBeGreaterThanOrEqual(200_000);
    expect(client.stats().bytesIn - got).toBeLessThan(200_000 + 256 * 1024);
    while (got < total) got += (await messages.next()).value!.length;
    expect(got).toBe(total);
  });

  test.each([{ maxQueued: 0 }, { maxQueuedBytes: 1.5 }])('refuses %j', async (options) => {
    await using server = new TcpServer({});
    const { port } = await server.start('127.0.0.1', 0);
    await using client = new TcpClient({});
    await client.start('127.0.0.1', port);
    expect(() => client.messages(options)).toThrow(RangeError);
  });

  test('a loop that was left goes on where it was', async () => {
    await using server = new TcpPackServer({ onReceive: (server, connId, data) => void server.send(connId, data) });
    const { port } = await server.start('127.0.0.1', 0);
    await using client = new TcpPackClient({});
    await client.start('127.0.0.1', port);
    const messages = client.messages();
    for (const text of ['a', 'b', 'c']) client.send(text);
    for await (const message of messages) {
      expect(message.toString()).toBe('a');
      break;
    }
    const again = client.messages();
    expect((await again.next()).value?.toString()).toBe('b');
    expect((await again.next()).value?.toString()).toBe('c');
  });

  test('is refused while the client is not connected', () => {
    expect(() => new TcpClient({}).messages()).toThrow(SocketError);
  });
});

function deferred<T>(): { promise: Promise<T>; resolve: (value: T) => void } {
  let resolve!: (value: T) => void;
  const promise = new Promise<T>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}
