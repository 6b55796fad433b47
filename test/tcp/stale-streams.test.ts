import { describe, expect, test } from 'vitest';
import { type ConnectionStream, TcpClient, TcpServer } from '../../src/index.ts';
import { connectBare, deferred, listenBare, readBytes } from './support.ts';

// Somebody may hold a stream, and write to it, long after its connection is gone and others are there.

const host = '127.0.0.1';

/** Writes to a stream that nobody reads, and returns what went wrong. */
function writeTo(stream: ConnectionStream, text: string): Promise<unknown> {
  stream.on('error', () => {});
  return new Promise((resolve) => stream.write(text, resolve));
}

describe('a stream whose connection is gone', () => {
  test('of a client writes nothing to the next connection', async () => {
    await using first = await listenBare();
    await using second = await listenBare();
    const client = new TcpClient({});
    await client.start(host, first.port);
    const stream = client.createStream();
    await client.stop();
    await client.start(host, second.port);
    const peer = await second.accepted();
    expect(await writeTo(stream, 'for the first')).toBeInstanceOf(Error);
    expect(client.stats().messagesOut).toBe(0);
    client.send('second');
    expect(String(await readBytes(peer, 6))).toBe('second');
    expect(client.isConnected).toBe(true);
    await client.stop();
  });

  test('of a server writes nothing to the connection that has its ID after a restart: CID-003', async () => {
    const streams: ConnectionStream[] = [];
    let accepted = deferred<number>();
    const server = new TcpServer({
      onAccept(self, connId) {
        if (streams.length === 0) streams.push(self.createStream(connId));
        accepted.resolve(connId);
      },
    });
    const one = await connectBare((await server.start(host, 0)).port);
    expect(await accepted.promise).toBe(1);
    await server.stop();
    accepted = deferred();
    const other = await connectBare((await server.start(host, 0)).port);
    expect(await accepted.promise).toBe(1);
    expect(await writeTo(streams[0]!, 'for the first')).toBeInstanceOf(Error);
    server.send(1, 'second');
    expect(String(await readBytes(other, 6))).toBe('second');
    await server.stop();
    other.destroy();
    one.destroy();
  });
});
