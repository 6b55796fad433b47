import { once } from 'node:events';
import { afterEach, describe, expect, it } from 'vitest';
import WebSocket from 'ws';
import { WebSocketAgent, WebSocketServer } from '../../src/websocket.ts';

const running: { stop(): Promise<unknown>; hasStarted: boolean }[] = [];
const clients: WebSocket[] = [];

afterEach(async () => {
  for (const client of clients.splice(0)) client.terminate();
  for (const component of running.splice(0).reverse()) if (component.hasStarted) await component.stop();
});

type Arguments = ConstructorParameters<typeof WebSocketServer>;

async function serve(...[hooks, options]: Arguments): Promise<{ server: WebSocketServer; port: number }> {
  const server = new WebSocketServer(hooks, {
    compression: true,
    compressionThresholdBytes: 0,
    compressionThreadBytes: 1000,
    ...options,
  });
  running.push(server);
  const { port } = await server.start('127.0.0.1', 0);
  return { server, port };
}

async function connect(port: number): Promise<WebSocket> {
  const client = new WebSocket(`ws://127.0.0.1:${port}/`, { perMessageDeflate: { threshold: 0 } });
  clients.push(client);
  await once(client, 'open');
  expect(client.extensions).toContain('permessage-deflate');
  return client;
}

/** Text that does not compress to nothing, the same for the same numbers. */
const text = (seed: number, length: number): string =>
  Array.from({ length: Math.ceil(length / 8) }, (_, i) =>
    ((i * 2654435761 + seed * 97) >>> 0).toString(16).padStart(8, '0'),
  )
    .join('')
    .slice(0, length);

const sizes = [5, 50_000, 20, 1200, 300_000, 1, 999, 1000, 70_000, 30];

describe('messages that are compressed and inflated on threads', () => {
  it.each([true, false])(
    'keep their order, pings, fragments and the close frame too (context take-over: %s)',
    async (keeps) => {
      const { server, port } = await serve({}, { compressionServerTakeover: keeps });
      const client = await connect(port);
      const got: string[] = [];
      client.on('message', (data, isBinary) => got.push(`${isBinary} ${String(data)}`));
      const [connId] = server.getAllConnectionIDs();
      const expected: string[] = [];
      for (let round = 0; round < 3; round++) {
        for (const [i, size] of sizes.entries()) {
          const message = text(round * 100 + i, size);
          expect(server.send(connId!, i % 2 === 0 ? message : Buffer.from(message))).toBe(true);
          expected.push(`${i % 2 !== 0} ${message}`);
        }
      }
      server.broadcast(text(7, 60_000));
      expected.push(`false ${text(7, 60_000)}`);
      expect(server.getPendingDataLength(connId!)).toBeGreaterThan(1_000_000);
      const streamed = server.sendStream(connId!, ['in ', 'fragments'], { isBinary: false });
      expected.push('false in fragments');
      expect(await streamed).toBe(true);
      server.send(connId!, text(8, 100_000));
      expected.push(`false ${text(8, 100_000)}`);
      const closed = once(client, 'close');
      expect(server.close(connId!, 4000, 'behind it all')).toBe(true);
      expect(server.send(connId!, 'late')).toBe(false);
      expect((await closed)[0]).toBe(4000);
      expect(got.length).toBe(expected.length);
      expect(got.every((line, i) => line === expected[i])).toBe(true);
      expect(server.webSocketStats()!.compression!.later).toBeGreaterThan(10);
      expect(server.stats().messagesOut).toBeGreaterThan(30);
    },
  );

  it('arrive in order as well, one hook at a time', async () => {
    const got: string[] = [];
    let inside = 0;
    const { server, port } = await serve({
      async onMessage(_server, _id, data) {
        expect(++inside).toBe(1);
        await Promise.resolve();
        inside--;
        got.push(String(data));
      },
    });
    const client = await connect(port);
    const sent = Array.from({ length: 30 }, (_, i) => text(i, sizes[i % sizes.length]!));
    for (const message of sent) client.send(message);
    client.close(1000);
    await once(client, 'close');
    expect(got.length).toBe(sent.length);
    expect(got.every((message, i) => message === sent[i])).toBe(true);
    expect(server.webSocketStats()!.compression!.later).toBeGreaterThan(5);
    await expect.poll(() => server.webSocketStats()!.compression!.contexts).toBe(0);
  });

  it('are for an iterator too', async () => {
    const { port } = await serve({
      onMessage: (sender, connId, data) => void sender.send(connId, String(data)),
    });
    const agent = new WebSocketAgent(
      {},
      { compression: true, compressionThresholdBytes: 0, compressionThreadBytes: 1000 },
    );
    running.push(agent);
    await agent.start();
    const id = await agent.open(`ws://127.0.0.1:${port}/`);
    const messages = agent.connection(id)!.messages();
    for (let i = 0; i < 10; i++) agent.send(id, text(i, sizes[i]!));
    for (let i = 0; i < 10; i++) {
      const { value } = await messages.next();
      expect(String(value) === text(i, sizes[i]!)).toBe(true);
    }
  });

  it('are compressed once for all subscribers, no more at once than allowed', async () => {
    const { server, port } = await serve(
      { onOpen: (sender, connId) => sender.subscribe(connId, 'all') },
      { compressionThreads: 1 },
    );
    const all = await Promise.all(Array.from({ length: 5 }, () => connect(port)));
    const got = all.map((client) => once(client, 'message'));
    expect(server.publish('all', text(1, 100_000))).toBe(5);
    for (const message of got) expect(String((await message)[0]) === text(1, 100_000)).toBe(true);
    expect(server.webSocketStats()!.compression).toMatchObject({ later: 1, laterQueued: 0 });
    const own = all.map((client) => once(client, 'message'));
    for (const id of server.getAllConnectionIDs()) server.send(id, text(2, 100_000));
    for (const message of own) expect(String((await message)[0]) === text(2, 100_000)).toBe(true);
    expect(server.webSocketStats()!.compression).toMatchObject({ later: 6, laterQueued: 4 });
  });

  it('end with their connection, at whatever stage', async () => {
    const { server, port } = await serve({
      onMessage: (sender, connId, data) => void sender.send(connId, String(data)),
    });
    for (let round = 0; round < 8; round++) {
      const client = await connect(port);
      client.on('error', () => {});
      for (let i = 0; i < 5; i++) client.send(text(i, 200_000));
      for (const id of server.getAllConnectionIDs()) for (let i = 0; i < 3; i++) server.send(id, text(i, 200_000));
      if (round % 4 === 0) client.terminate();
      else if (round % 4 === 1) for (const id of server.getAllConnectionIDs()) server.disconnect(id);
      else if (round % 4 === 2) client.close(1000);
      else await once(client, 'message').then(() => client.terminate());
      await expect.poll(() => server.connectionCount, { timeout: 10_000 }).toBe(0);
    }
    await expect.poll(() => server.webSocketStats()!.compression!.contextBytes).toBe(0);
    const report = server.stop({ drainTimeoutMs: 1000 });
    await report;
  });

  it('count as pending: maxPendingBytes holds, and a draining stop sends them', async () => {
    const { server, port } = await serve({}, { maxPendingBytes: 150_000 });
    const client = await connect(port);
    const [connId] = server.getAllConnectionIDs();
    expect(server.send(connId!, text(1, 100_000))).toBe(true);
    expect(server.send(connId!, text(2, 100_000))).toBe(false);
    expect(server.lastFailure?.message).toContain('maxPendingBytes');
    const message = once(client, 'message');
    const closed = once(client, 'close');
    await server.stop({ drainTimeoutMs: 5000 });
    expect(String((await message)[0]) === text(1, 100_000)).toBe(true);
    expect((await closed)[0]).toBe(1001);
  });

  it('that are wrong fail the connection', async () => {
    const { port } = await serve({}, { maxMessageBytes: 300_000 });
    const client = await connect(port);
    client.send('x'.repeat(400_000));
    expect((await once(client, 'close'))[0]).toBe(1009);
    const other = await connect(port);
    other.send(text(1, 400_000));
    expect((await once(other, 'close'))[0]).toBe(1009);
  });
});
