// What is sent as a stream, when the source or the connection does not go on.
import { once } from 'node:events';
import { Readable } from 'node:stream';
import { afterEach, expect, it } from 'vitest';
import WebSocket from 'ws';
import { WebSocketServer } from '../../src/websocket.ts';

const running: WebSocketServer[] = [];
const clients: WebSocket[] = [];

afterEach(async () => {
  for (const client of clients.splice(0)) client.terminate();
  for (const server of running.splice(0)) if (server.hasStarted) await server.stop();
});

async function open(): Promise<{ server: WebSocketServer; client: WebSocket; connId: number }> {
  const server = new WebSocketServer({});
  running.push(server);
  const { port } = await server.start('127.0.0.1', 0);
  const client = new WebSocket(`ws://127.0.0.1:${port}/`);
  client.on('error', () => {});
  clients.push(client);
  await once(client, 'open');
  return { server, client, connId: server.getAllConnectionIDs()[0]! };
}

/** A source that brings one piece, and then nothing. */
function silentSource(): { source: AsyncIterable<string>; asked: Promise<void>; returned: () => number } {
  let returned = 0;
  let wasAsked: () => void;
  const asked = new Promise<void>((resolve) => (wasAsked = resolve));
  let pieces = 0;
  const source: AsyncIterable<string> = {
    [Symbol.asyncIterator]: () => ({
      next: () => {
        if (pieces++ === 0) return Promise.resolve({ value: 'first', done: false });
        wasAsked();
        return new Promise(() => {});
      },
      return: () => {
        returned++;
        return new Promise(() => {}); // as an async generator does whose next() is pending
      },
    }),
  };
  return { source, asked, returned: () => returned };
}

it.each<[string, (client: WebSocket, server: WebSocketServer, connId: number) => void]>([
  ['the peer is gone', (client) => client.terminate()],
  ['the peer says goodbye', (client) => client.close(1000)],
  ['this end says goodbye', (_client, server, connId) => void server.close(connId, 4000, 'enough')],
  ['the connection is reset', (_client, server, connId) => void server.connection(connId)!.reset()],
])('a source that brings nothing more is left when %s', async (_what, end) => {
  const { server, client, connId } = await open();
  const { source, asked, returned } = silentSource();
  const sent = server.sendStream(connId, source);
  await asked;
  end(client, server, connId);
  expect(await sent).toBe(false);
  expect(returned()).toBe(1);
});

it('a readable stream, and a web stream, that bring nothing more are ended with the connection', async () => {
  for (const kind of ['node', 'web']) {
    const { server, client, connId } = await open();
    let cancelled = 0;
    const readable = new Readable({ read() {} });
    const web = new ReadableStream<string>({
      start: (controller) => controller.enqueue('first'),
      cancel: () => void cancelled++,
    });
    const sent = server.sendStream(connId, (kind === 'node' ? readable : web) as never, { isBinary: false });
    readable.push('first');
    await expect.poll(() => server.connection(connId)!.stats().bytesOut).toBeGreaterThan(130);
    client.terminate();
    expect(await sent).toBe(false);
    expect(kind === 'node' ? readable.destroyed : cancelled === 1).toBe(true);
  }
});

it('a draining stop waits for a stream that is half sent', async () => {
  const { server, client, connId } = await open();
  let goOn: () => void;
  const mayGoOn = new Promise<void>((resolve) => (goOn = resolve));
  async function* source(): AsyncGenerator<string> {
    yield 'first, ';
    await mayGoOn;
    yield 'second';
  }
  const message = once(client, 'message');
  const closed = once(client, 'close');
  const sent = server.sendStream(connId, source(), { isBinary: false });
  const stopped = server.stop({ drainTimeoutMs: 60_000 });
  await new Promise(setImmediate);
  goOn!();
  expect(await sent).toBe(true);
  expect(String((await message)[0])).toBe('first, second');
  expect((await closed)[0]).toBe(1001);
  expect(await stopped).toMatchObject({ drained: 1, droppedBytes: 0 });
});

it('takes what for await takes: promises among the pieces, and refuses what is none', async () => {
  const { server, client, connId } = await open();
  const message = once(client, 'message');
  expect(await server.sendStream(connId, [Promise.resolve('a'), 'b'] as never, { isBinary: false })).toBe(true);
  expect(String((await message)[0])).toBe('ab');
  await expect(server.sendStream(connId, 5 as never)).rejects.toThrow(TypeError);
  await expect(server.sendStream(connId, null as never)).rejects.toThrow(TypeError);
  expect(server.isConnected(connId)).toBe(true);
});

it('a source that fails, or brings what cannot be sent, rejects the promise, and is ended as for await ends it', async () => {
  let returned = 0;
  const sourceOf = (value: unknown): AsyncIterable<never> => ({
    [Symbol.asyncIterator]: () => ({
      next: () => Promise.resolve({ value: value as never, done: false }),
      return: () => {
        returned++;
        return Promise.resolve({ value: undefined, done: true });
      },
    }),
  });
  const { server, connId } = await open();
  await expect(server.sendStream(connId, sourceOf(7))).rejects.toThrow(TypeError);
  expect(returned).toBe(1);
});
