import { once } from 'node:events';
import type { Socket } from 'node:net';
import { finished, pipeline } from 'node:stream/promises';
import { describe, expect, test } from 'vitest';
import {
  type ConnectionStream,
  Errno,
  type SocketError,
  SocketErrorCode,
  TcpClient,
  TcpPackClient,
  TcpPackServer,
  TcpPullClient,
  TcpPullServer,
  TcpServer,
} from '../../src/index.ts';
import { Random } from '../tools/random.ts';
import { connectBare, deferred, listenBare, readBytes, readToEnd } from './support.ts';

// Streams and iterators over a connection, with users and peers who do what they should not.

const host = '127.0.0.1';

/** So many turns of the event loop. */
async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve));
}

/** Writes until the peer, which does not read, holds up a write. */
async function fill(stream: ConnectionStream, written: () => void = () => {}): Promise<void> {
  while (stream.writableLength === 0) {
    while (stream.writableLength === 0) stream.write(Buffer.alloc(1_000_000), written);
    await turns(20);
  }
}

interface Served {
  readonly server: TcpServer;
  readonly stream: ConnectionStream;
  readonly peer: Socket;
  readonly closed: Promise<SocketError | undefined>;
  errorCode(): number | undefined;
  end(): Promise<void>;
}

/** A server with one connection, which has a stream. */
async function serve(): Promise<Served> {
  const accepted = deferred<ConnectionStream>();
  const closed = deferred<SocketError | undefined>();
  let closedWith: number | undefined;
  const server = new TcpServer({
    onAccept: (self, connId) => accepted.resolve(self.createStream(connId)),
    onClose(_self, _connId, _operation, errorCode, info) {
      closedWith = errorCode;
      closed.resolve(info.error ?? undefined);
    },
  });
  const { port } = await server.start(host, 0);
  const peer = await connectBare(port, { allowHalfOpen: true });
  peer.on('error', () => {});
  const stream = await accepted.promise;
  return {
    server,
    stream,
    peer,
    closed: closed.promise,
    errorCode: () => closedWith,
    async end() {
      peer.destroy();
      await server.stop();
    },
  };
}

/** Package with header flag 0. */
function packageOf(text: string): Buffer {
  const bytes = Buffer.alloc(4 + text.length);
  bytes.writeUInt32LE(text.length);
  bytes.write(text, 4);
  return bytes;
}

describe('writing to a stream', () => {
  test.for(['pack', 'push'] as const)('an empty chunk sends nothing and completes: %s', async (kind) => {
    await using listener = await listenBare();
    const client = kind === 'pack' ? new TcpPackClient({}) : new TcpClient({});
    await client.start(host, listener.port);
    const peer = await listener.accepted();
    const stream = client.createStream();
    for (const empty of ['', Buffer.alloc(0)]) {
      await new Promise<void>((resolve, reject) => {
        stream.write(empty, (error) => (error ? reject(error) : resolve()));
      });
    }
    expect(client.stats().messagesOut).toBe(0);
    stream.end('x');
    const expected = kind === 'pack' ? packageOf('x') : Buffer.from('x');
    expect(await readBytes(peer, expected.length)).toEqual(expected);
    await client.stop();
  });

  test('a buffer may be used again as soon as its write has completed', async () => {
    const { stream, peer, end } = await serve();
    const random = new Random(0x5eed);
    const reused = Buffer.alloc(50_000);
    const sent: Buffer[] = [];
    const answer = readBytes(peer, 40 * reused.length);
    for (let i = 0; i < 40; i++) {
      reused.set(random.bytes(reused.length));
      sent.push(Buffer.from(reused));
      await new Promise<void>((resolve, reject) => {
        stream.write(reused, (error) => (error ? reject(error) : resolve()));
      });
      reused.fill(0xee);
    }
    expect((await answer).equals(Buffer.concat(sent))).toBe(true);
    await end();
  });

  test('a write that waits for room fails when the stream is destroyed', async () => {
    const { stream, peer, closed, end } = await serve();
    peer.pause();
    const failed = deferred<unknown>();
    await fill(stream);
    stream.write('last', failed.resolve);
    stream.destroy();
    expect(await failed.promise).toBeInstanceOf(Error);
    await closed;
    await end();
  });

  test('one that fails because the connection closes gets its error when the connection is gone', async () => {
    const { server, stream, peer, closed, end } = await serve();
    peer.pause();
    const counts: number[] = [];
    stream.on('error', () => {});
    await fill(stream, () => counts.push(server.connectionCount));
    counts.length = 0;
    const isClosed = new Promise((resolve) => stream.once('close', resolve));
    peer.resetAndDestroy();
    await closed;
    await isClosed;
    await turns(2);
    expect(counts.length).toBeGreaterThan(0);
    expect(counts.every((count) => count === 0)).toBe(true);
    await end();
  });
});

describe('the end of a stream', () => {
  test('comes with the FIN of the peer also if the stream is not read, so that the connection closes', async () => {
    const { stream, peer, closed, end } = await serve();
    stream.write('hello');
    expect(String(await readBytes(peer, 5))).toBe('hello');
    peer.end();
    expect(await closed).toBeUndefined();
    await end();
  });

  test('waits for whoever has not read everything', async () => {
    const { stream, peer, closed, end } = await serve();
    peer.end('unread');
    await once(stream, 'readable');
    await turns(5);
    expect(stream.readableEnded).toBe(false);
    expect(String(stream.read())).toBe('unread');
    stream.read();
    expect(await closed).toBeUndefined();
    await end();
  });

  test('destroying one that was ended closes the connection at once, whatever the peer does', async () => {
    const { stream, peer, closed, end } = await serve();
    const received = readBytes(peer, 3);
    stream.end('bye');
    await once(stream, 'finish');
    expect(String(await received)).toBe('bye');
    peer.write('I never end');
    await once(stream, 'readable');
    stream.destroy();
    expect(await closed).toBeUndefined();
    await end();
  });

  test('destroying one that somebody reads from ends the loop with an error and closes the connection', async () => {
    const { stream, peer, closed, end } = await serve();
    const chunks: string[] = [];
    const loop = (async () => {
      for await (const chunk of stream) chunks.push(String(chunk));
    })();
    const failed = expect(loop).rejects.toMatchObject({ code: 'ERR_STREAM_PREMATURE_CLOSE' });
    peer.write('one');
    while (chunks.length === 0) await turns(1);
    stream.destroy();
    peer.write('two');
    await failed;
    expect(chunks).toEqual(['one']);
    await closed;
    await end();
  });

  test('leaving a loop over it closes the connection', async () => {
    const { stream, peer, closed, errorCode, end } = await serve();
    peer.write('one');
    for await (const chunk of stream) {
      expect(String(chunk)).toBe('one');
      break;
    }
    expect(await closed).toBeUndefined();
    expect(errorCode()).toBe(0);
    await end();
  });

  test('a reset after the end is no error of the stream any more', async () => {
    const { stream, peer, closed, end } = await serve();
    const errors: unknown[] = [];
    stream.on('error', (error) => errors.push(error)).resume();
    const isClosed = once(stream, 'close');
    peer.end();
    await isClosed;
    peer.resetAndDestroy();
    await closed;
    expect(errors).toEqual([]);
    await end();
  });

  test("a 'data' listener that throws destroys its stream with that error, and no other connection notices", async () => {
    const streams: ConnectionStream[] = [];
    const closes: number[] = [];
    const closed = deferred<number>();
    await using server = new TcpServer({
      onAccept: (self, connId) => void streams.push(self.createStream(connId)),
      onClose(_self, connId, _operation, errorCode) {
        closes.push(connId);
        closed.resolve(errorCode);
      },
    });
    const { port } = await server.start(host, 0);
    const bad = await connectBare(port);
    const good = await connectBare(port);
    bad.on('error', () => {});
    while (streams.length < 2) await turns(1);
    const failed = once(streams[0]!, 'error');
    streams[0]!.on('data', () => {
      throw new Error('thrown by the listener');
    });
    streams[1]!.pipe(streams[1]!);
    bad.write('x');
    await expect(failed).resolves.toMatchObject([{ message: 'thrown by the listener' }]);
    expect(await closed.promise).toBe(Errno.ECANCELED);
    good.write('still there');
    expect(String(await readBytes(good, 11))).toBe('still there');
    expect(closes).toEqual([1]);
    bad.destroy();
    good.destroy();
  });
});

describe('reading from a stream', () => {
  test('brings one package for each read, in every way to read: PK-008', async () => {
    const bytes = Buffer.concat(['one', 'two', 'three', 'four'].map(packageOf));
    const ways: Record<string, (stream: ConnectionStream, found: string[]) => Promise<void>> = {
      async iterate(stream, found) {
        for await (const chunk of stream) found.push(String(chunk));
      },
      async data(stream, found) {
        stream.on('data', (chunk) => found.push(String(chunk)));
        await once(stream, 'end');
      },
      async readable(stream, found) {
        stream.on('readable', () => {
          for (let chunk = stream.read(); chunk !== null; chunk = stream.read()) found.push(String(chunk));
        });
        await once(stream, 'end');
      },
    };
    for (const [name, way] of Object.entries(ways)) {
      const found: string[] = [];
      const done = deferred();
      await using server = new TcpPackServer({
        onAccept: (self, connId) => void way(self.createStream(connId), found).then(done.resolve, done.reject),
      });
      const { port } = await server.start(host, 0);
      const peer = await connectBare(port);
      peer.end(bytes);
      await done.promise;
      expect(found, name).toEqual(['one', 'two', 'three', 'four']);
    }
  });

  test('of a pull connection begins with what was not fetched', async () => {
    const all = deferred<string>();
    await using server = new TcpPullServer({
      onReceive(self, connId) {
        expect(String(self.fetch(connId, 7))).toBe('STREAM\n');
        const stream = self.createStream(connId);
        let text = '';
        stream.on('data', (chunk) => {
          text += String(chunk);
          if (text.length >= 4) all.resolve(text);
        });
      },
    });
    const { port } = await server.start(host, 0);
    const peer = await connectBare(port);
    peer.write('STREAM\nrest');
    expect(await all.promise).toBe('rest');
    peer.destroy();
  });
});

describe('messages', () => {
  async function open(): Promise<{ client: TcpPackClient; peer: Socket; end(): Promise<void> }> {
    const listener = await listenBare();
    const client = new TcpPackClient({});
    await client.start(host, listener.port);
    const peer = await listener.accepted();
    return {
      client,
      peer,
      async end() {
        await client[Symbol.asyncDispose]();
        await listener[Symbol.asyncDispose]();
      },
    };
  }

  test('leaving while a message is awaited answers that wait, and loses no message', async () => {
    const { client, peer, end } = await open();
    const first = client.messages();
    const second = client.messages();
    const left = first.next();
    const waiting = second.next();
    expect(await first.return!('value')).toEqual({ done: true, value: 'value' });
    expect(await left).toEqual({ done: true, value: undefined });
    peer.write(packageOf('a'));
    expect(String((await waiting).value)).toBe('a');
    peer.write(packageOf('b'));
    expect(String((await first.next()).value)).toBe('b');
    await end();
  });

  test('several waits are answered in order, and all of them when the connection ends', async () => {
    const { client, peer, end } = await open();
    const messages = client.messages();
    const waits = [1, 2, 3, 4].map(() => messages.next());
    peer.end(Buffer.concat([packageOf('a'), packageOf('b')]));
    const results = await Promise.all(waits);
    expect(results.map(({ done, value }) => (done ? 'done' : String(value)))).toEqual(['a', 'b', 'done', 'done']);
    expect(await messages.next()).toEqual({ done: true, value: undefined });
    await end();
  });

  test('what came before an error is given first, then the error is thrown', async () => {
    const { client, peer, end } = await open();
    const messages = client.messages();
    peer.write(Buffer.concat([packageOf('a'), packageOf('b'), Buffer.alloc(4)]));
    await client.wait();
    const found: string[] = [];
    const loop = async (): Promise<void> => {
      for await (const message of messages) found.push(String(message));
    };
    await expect(loop()).rejects.toMatchObject({ errnoName: 'EMSGSIZE' });
    expect(found).toEqual(['a', 'b']);
    await end();
  });

  test('stopping the client ends a loop that waits', async () => {
    const { client, end } = await open();
    const waiting = client.messages().next();
    await client.stop();
    expect(await waiting).toEqual({ done: true, value: undefined });
    await end();
  });

  test('of a pull client begin with what was not fetched', async () => {
    await using listener = await listenBare();
    const received = deferred();
    const client = new TcpPullClient({ onReceive: () => received.resolve() });
    await client.start(host, listener.port);
    const peer = await listener.accepted();
    peer.write('abc');
    await received.promise;
    expect(String(client.fetch(1))).toBe('a');
    expect(String((await client.messages().next()).value)).toBe('bc');
    await client.stop();
  });
});

test('a stream that is destroyed with an error: onClose tells that error', async () => {
  const { stream, peer, closed, end } = await serve();
  const boom = new Error('boom');
  stream.on('error', () => {}).destroy(boom);
  const error = await closed;
  expect(error).toMatchObject({ errno: Errno.ECANCELED, operation: 'stream', connId: 1, cause: boom });
  expect(error?.message).toMatch(/stream of connection 1 was destroyed: boom/);
  peer.destroy();
  await end();
});

test.each([
  [
    'pipeline',
    async (stream: ConnectionStream, boom: Error) => {
      await pipeline(stream, async function* (chunks) {
        for await (const chunk of chunks) if (chunk !== undefined) throw boom;
        yield 'never';
      });
    },
  ],
  ['stream', (stream: ConnectionStream, boom: Error) => finished(stream.destroy(boom))],
])('an async hook whose %s fails: onClose tells the error', async (name, use) => {
  const boom = new Error('boom');
  const told: unknown[] = [];
  const closed = deferred();
  await using server = new TcpServer({
    async onHandShake(self, connId) {
      await use(self.createStream(connId), boom);
    },
    onClose(_self, _connId, _operation, errorCode, info) {
      told.push([errorCode, info.error?.cause]);
      closed.resolve();
    },
    onHookError: (_self, hook, error) => void told.push([hook, error]),
  });
  const { port } = await server.start(host, 0);
  const peer = await connectBare(port);
  peer.write('hello');
  await closed.promise;
  await turns(5);
  // Only what onClose does not tell as the error of the stream is told as one of the hook as well.
  const expected = [
    ['onHandShake', boom],
    [SocketErrorCode.DataProc, boom],
  ];
  expect(told).toEqual(name === 'pipeline' ? expected : [[Errno.ECANCELED, boom]]);
  peer.destroy();
});

describe.each([
  ['TcpServer', TcpServer],
  ['TcpPackServer', TcpPackServer],
])('a stream of a %s whose maxPendingBytes is small', (_name, Server) => {
  test.each(['refuse', 'close'] as const)('waits for room instead of failing, policy %s', async (pendingPolicy) => {
    const failed = deferred<unknown>();
    const source = Array.from({ length: 10_000 }, (_, i) => Buffer.alloc(1000, i));
    await using server = new (Server as typeof TcpServer)(
      {
        async onHandShake(self: TcpServer, connId: number) {
          await pipeline(source, self.createStream(connId)).then(() => failed.resolve(undefined), failed.resolve);
        },
      } as object,
      { maxPendingBytes: 64 * 1024, pendingPolicy },
    );
    const { port } = await server.start(host, 0);
    const peer = await connectBare(port);
    let length = 0;
    peer.on('data', (bytes: Buffer) => {
      length += bytes.length;
    });
    await once(peer, 'end');
    peer.end();
    expect(await failed.promise).toBeUndefined();
    expect(length).toBe(source.length * (Server === TcpServer ? 1000 : 1004));
    expect(server.stats().limits.pendingBytes).toBe(0);
  });

  test('sends a chunk that is larger in pieces, unless it is a package', async () => {
    const failed = deferred<SocketError>();
    await using server = new (Server as typeof TcpServer)(
      {
        onHandShake(self: TcpServer, connId: number) {
          self.createStream(connId).on('error', failed.resolve).end(Buffer.alloc(100_000, 'x'));
        },
      } as object,
      { maxPendingBytes: 1000 },
    );
    const { port } = await server.start(host, 0);
    const peer = await connectBare(port);
    if (Server === TcpServer) expect((await readToEnd(peer)).toString()).toBe('x'.repeat(100_000));
    else expect((await failed.promise).errnoName).toBe('ENOBUFS');
    peer.destroy();
  });
});
