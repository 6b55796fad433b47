import { once } from 'node:events';
import type { Socket } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import WebSocket from 'ws';
import { WebSocketClient, WebSocketConnection, WebSocketServer } from '../../src/websocket.ts';

const running: WebSocketServer[] = [];
const clients: WebSocket[] = [];

afterEach(async () => {
  for (const client of clients.splice(0)) client.terminate();
  for (const server of running.splice(0)) if (server.hasStarted) await server.stop();
});

type Arguments = ConstructorParameters<typeof WebSocketServer>;

async function serve(...args: Arguments): Promise<{ server: WebSocketServer; url: string }> {
  const server = new WebSocketServer(...args);
  running.push(server);
  const { port } = await server.start('127.0.0.1', 0);
  return { server, url: `ws://127.0.0.1:${port}/` };
}

async function connect(url: string): Promise<WebSocket> {
  const client = new WebSocket(url);
  clients.push(client);
  await once(client, 'open');
  return client;
}

/** The next messages of a client, `text ...` or `binary ...`. */
function messages(client: WebSocket, count: number): Promise<string[]> {
  const got: string[] = [];
  return new Promise((resolve) => {
    client.on('message', (data, isBinary) => {
      got.push(`${isBinary ? 'binary' : 'text'} ${String(data)}`);
      if (got.length === count) resolve(got);
    });
  });
}

it('is one WebSocket as an object, which sends text as text and bytes as bytes', async () => {
  const { server, url } = await serve({});
  const client = await connect(`${url}room?a=1`);
  const [connId] = server.getAllConnectionIDs();
  const connection = server.connection(connId!)!;
  expect(connection).toBeInstanceOf(WebSocketConnection);
  expect(server.connection(connId!)).toBe(connection);
  const got = messages(client, 7);
  expect(connection.send('text')).toBe(true);
  connection.send(Buffer.from('bytes'));
  connection.send('a part of it', 2, 4);
  connection.sendText(Buffer.from('encoded'));
  connection.sendPackets(['to', 'gether']);
  connection.sendPackets(['mi', Buffer.from('xed')]);
  server.sendPackets(connId!, ['by ', 'ID']);
  expect(await got).toEqual([
    'text text',
    'binary bytes',
    'text part',
    'text encoded',
    'text together',
    'binary mixed',
    'text by ID',
  ]);
  expect(connection.subscribe('topic')).toBe(true);
  expect(connection.topics).toEqual(['topic']);
  expect(server.publish('topic', 'x')).toBe(1);
  expect(connection.unsubscribe('topic')).toBe(true);
  expect(connection).toMatchObject({ isOpen: true, subProtocol: '', isCompressing: false });
  expect(connection.request).toMatchObject({ path: '/room', query: 'a=1' });
  const ponged = once(client, 'ping');
  connection.ping('x');
  await ponged;
  const closed = once(client, 'close');
  connection.close(4000, 'bye');
  expect((await closed)[0]).toBe(4000);
  expect(connection.send('late')).toBe(false);
  expect(server.lastFailure?.message).toMatch(/closing|closed/);
});

it('is the same for a client', async () => {
  const { url } = await serve({
    onMessage: (server, connId, data, isBinary) => void server.connection(connId)!.send(isBinary ? data : String(data)),
  });
  const got: string[] = [];
  const client = new WebSocketClient({
    onMessage: (_client, _id, data, isBinary) => void got.push(`${isBinary} ${data}`),
  });
  await client.open(url);
  expect(client.connection!.send('text')).toBe(true);
  expect(client.connection!.send(Buffer.from('bytes'))).toBe(true);
  expect(client.sendPackets(['a', 'b'])).toBe(true);
  await expect.poll(() => got).toEqual(['false text', 'true bytes', 'false ab']);
  expect(client.connection!.subscribe('x')).toBe(false);
  await client.stop();
  expect(client.connection).toBeNull();
});

it('counts messages as every component does, and keeps to their rate', async () => {
  let received = 0;
  const { server, url } = await serve({ onMessage: () => void received++ }, { maxReceiveMessagesPerSecond: 20 });
  const client = await connect(url);
  for (let i = 0; i < 25; i++) client.send(String(i));
  await expect.poll(() => server.stats().limits.receiveRate).toBeGreaterThan(0);
  expect(received).toBeLessThan(25);
  await expect.poll(() => received, { timeout: 5000 }).toBe(25);
  expect(server.stats().messagesIn).toBe(25);
  expect(server.getConnectionStats(server.getAllConnectionIDs()[0]!)?.messagesIn).toBe(25);
});

it('stops within a read when a hook pauses receiving', async () => {
  const got: string[] = [];
  const { server, url } = await serve({
    onMessage(sender, connId, data) {
      got.push(String(data));
      if (got.length === 2) sender.pauseReceive(connId);
    },
    onPing: (sender, connId) => void sender.pauseReceive(connId),
  });
  const client = await connect(url);
  for (const text of ['a', 'b', 'c', 'd']) client.send(text);
  await expect.poll(() => got).toEqual(['a', 'b']);
  const [connId] = server.getAllConnectionIDs();
  server.pauseReceive(connId!, false);
  await expect.poll(() => got).toEqual(['a', 'b', 'c', 'd']);
  client.ping();
  client.send('e');
  await once(client, 'pong');
  expect(got).toHaveLength(4);
  server.pauseReceive(connId!, false);
  await expect.poll(() => got).toHaveLength(5);
});

it('notices a dead peer behind a message that a promise was made of', async () => {
  let errno = 0;
  const { url } = await serve(
    {
      onMessage: async () => {
        await Promise.resolve();
      },
      onClose: (_server, _id, _operation, errorCode) => {
        errno = errorCode;
      },
    },
    { pingIntervalMs: 20, pongTimeoutMs: 20 },
  );
  const client = await connect(url);
  client.send('x');
  client.pause();
  await expect.poll(() => errno).toBe(110);
});

it('ends a message that does not get on after messageTimeoutMs', async () => {
  let errno = 0;
  const { url } = await serve(
    { onClose: (_server, _id, _operation, errorCode) => void (errno = errorCode) },
    { messageTimeoutMs: 50 },
  );
  const client = await connect(url);
  client.send('half', { fin: false });
  await expect.poll(() => errno).toBe(110);
});

it('leaves a message be that came whole, though it waits for a hook longer than messageTimeoutMs', async () => {
  const got: string[] = [];
  const { server, url } = await serve(
    {
      async onMessage(_server, _id, data) {
        await new Promise((done) => setTimeout(done, 150));
        got.push(String(data));
      },
    },
    { messageTimeoutMs: 50 },
  );
  const client = await connect(url);
  // In one read.
  const socket = (client as unknown as { _socket: Socket })._socket;
  socket.cork();
  client.send('one');
  client.send('two');
  socket.uncork();
  await expect.poll(() => got).toEqual(['one', 'two']);
  const { messageTimeouts } = server.stats().limits;
  expect(messageTimeouts).toBe(0);
  client.send('half', { fin: false });
  await expect.poll(() => server.connectionCount).toBe(0);
  expect(server.stats().limits.messageTimeouts).toBe(1);
});

it('streams in fragments that maxPendingBytes has room for, however large the pieces are', async () => {
  const { server, url } = await serve({}, { maxPendingBytes: 1000 });
  const client = await connect(url);
  const [connId] = server.getAllConnectionIDs();
  const got = messages(client, 1);
  const euro = '€'.repeat(3000);
  // Pieces that tear characters apart, in UTF-16 and in UTF-8.
  const pieces = [`${euro}\ud83d`, '\ude00', euro];
  expect(await server.sendStream(connId!, pieces, { isBinary: false })).toBe(true);
  expect((await got)[0] === `text ${euro}\u{1f600}${euro}`).toBe(true);
  const half = messages(client, 1);
  expect(await server.sendStream(connId!, ['x', '\ud83d'], { isBinary: false })).toBe(true);
  expect(await half).toEqual(['text x\ufffd']);
  expect(server.send(connId!, Buffer.alloc(1200))).toBe(false);
  expect(server.lastFailure?.message).toContain('maxPendingBytes');
});

it('says why a message cannot be streamed', async () => {
  const { server, url } = await serve({});
  const client = await connect(url);
  const [connId] = server.getAllConnectionIDs();
  async function* source(): AsyncGenerator<string> {
    yield 'first';
    client.close(1000);
    await once(client, 'close');
    yield 'second';
  }
  expect(await server.sendStream(connId!, source())).toBe(false);
  expect(server.lastFailure?.message).toMatch(/closing|no such connection/);
  expect(server.lastFailure?.message).not.toContain('maxPendingBytes');
});
