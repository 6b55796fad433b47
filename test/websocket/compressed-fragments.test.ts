import { once } from 'node:events';
import { afterEach, describe, expect, it } from 'vitest';
import WebSocket, { WebSocketServer as TheirServer } from 'ws';
import { WebSocketAgent, WebSocketClient, WebSocketServer } from '../../src/websocket.ts';
import { hashOf, noise, numbers } from './texts.ts';

const running: { stop(): Promise<unknown>; hasStarted: boolean }[] = [];
const clients: WebSocket[] = [];
const theirServers: TheirServer[] = [];

afterEach(async () => {
  for (const client of clients.splice(0)) client.terminate();
  for (const component of running.splice(0).reverse()) if (component.hasStarted) await component.stop();
  for (const server of theirServers.splice(0)) server.close();
});

type Arguments = ConstructorParameters<typeof WebSocketServer>;

async function serve(...[hooks, options]: Arguments): Promise<{ server: WebSocketServer; port: number }> {
  const server = new WebSocketServer(hooks, { compression: true, ...options });
  running.push(server);
  const { port } = await server.start('127.0.0.1', 0);
  return { server, port };
}

async function connect(port: number): Promise<WebSocket> {
  const client = new WebSocket(`ws://127.0.0.1:${port}/`, { perMessageDeflate: { threshold: 0 } });
  client.on('error', () => {});
  clients.push(client);
  await once(client, 'open');
  expect(client.extensions).toContain('permessage-deflate');
  return client;
}

/** Pieces of many sizes: short ones, long ones that are compressed on threads, and empty ones. */
async function* pieces(seed: number): AsyncGenerator<string | Buffer> {
  yield numbers(seed, 2000);
  yield '';
  yield Buffer.from(numbers(seed, 60_000));
  await new Promise(setImmediate);
  yield 'ä';
  yield numbers(seed, 12_000);
  yield Buffer.from(numbers(seed + 5, 30_000));
}

async function joined(seed: number): Promise<string> {
  let all = '';
  for await (const piece of pieces(seed)) all += String(piece);
  return all;
}

describe.each([true, false])('compressed streams (context take-over: %s)', (keeps) => {
  const options = { compressionClientTakeover: keeps, compressionServerTakeover: keeps };

  it('arrive at `ws`, and the messages behind them, and pings while they are sent', async () => {
    const { server, port } = await serve({}, options);
    const client = await connect(port);
    const got: string[] = [];
    let pings = 0;
    client.on('message', (data, isBinary) => got.push(`${isBinary} ${hashOf(data as Buffer)}`));
    client.on('ping', () => pings++);
    const [id] = server.getAllConnectionIDs();
    const expected: string[] = [];
    for (let round = 0; round < 4; round++) {
      server.send(id!, numbers(round, 40_000)); // on a thread, while the stream begins
      const sent = server.sendStream(id!, pieces(round), { isBinary: round % 2 === 0 });
      expect(server.send(id!, 'no')).toBe(false);
      expect(server.ping(id!, 'between')).toBe(true);
      expect(await sent).toBe(true);
      server.send(id!, numbers(round, 500));
      expected.push(`false ${hashOf(numbers(round, 40_000))}`);
      expected.push(`${round % 2 === 0} ${hashOf(await joined(round))}`);
      expected.push(`false ${hashOf(numbers(round, 500))}`);
    }
    await expect.poll(() => got, { timeout: 10_000 }).toEqual(expected);
    expect(pings).toBe(4);
    expect(server.stats().bytesOut).toBeLessThan((await joined(0)).length * 3);
    expect(server.webSocketStats()!.compression!.contexts).toBe(keeps ? 2 : 0);
  });

  it('of clients and agents arrive at the server of `ws`, and at ours as streams', async () => {
    const theirs = new TheirServer({
      port: 0,
      perMessageDeflate: { threshold: 0, serverNoContextTakeover: !keeps, clientNoContextTakeover: !keeps },
    });
    theirServers.push(theirs);
    await once(theirs, 'listening');
    const got: string[] = [];
    theirs.on('connection', (socket) => socket.on('message', (data) => got.push(hashOf(data as Buffer))));
    const ours = await serve(
      {
        onMessage: (_server, _id, data) => void got.push(hashOf(data)),
        async onMessageStream(_server, _id, stream) {
          const all: Buffer[] = [];
          for await (const piece of stream) all.push(piece);
          got.push(hashOf(Buffer.concat(all)));
        },
      },
      options,
    );
    const expected = [await joined(1), numbers(1, 500), await joined(2), numbers(2, 500)].map(hashOf);
    for (const port of [(theirs.address() as { port: number }).port, ours.port]) {
      got.length = 0;
      const client = new WebSocketClient({}, { compression: true });
      running.push(client);
      await client.open(`ws://127.0.0.1:${port}/`);
      for (const seed of [1, 2]) {
        expect(await client.sendStream(pieces(seed))).toBe(true);
        expect(client.send(numbers(seed, 500))).toBe(true);
      }
      await expect.poll(() => got, { timeout: 10_000 }).toEqual(expected);
      got.length = 0;
      const agent = new WebSocketAgent({}, { compression: true, compressionThreadBytes: 0 });
      running.push(agent);
      await agent.start();
      const id = await agent.open(`ws://127.0.0.1:${port}/`);
      for (const seed of [1, 2]) {
        expect(await agent.connection(id)!.sendStream(pieces(seed), { isCompressed: true })).toBe(true);
        expect(agent.send(id, numbers(seed, 500))).toBe(true);
      }
      await expect.poll(() => got, { timeout: 10_000 }).toEqual(expected);
      expect(agent.stats().bytesOut).toBeLessThan((await joined(1)).length);
    }
  });

  it('whose source fails close the connection with 1011, whatever was being compressed', async () => {
    const { server, port } = await serve({}, options);
    async function* broken(): AsyncGenerator<Buffer> {
      yield Buffer.from(numbers(0, 60_000));
      throw new Error('the source broke');
    }
    const client = await connect(port);
    const [id] = server.getAllConnectionIDs();
    await expect(server.sendStream(id!, broken())).rejects.toThrow('the source broke');
    expect((await once(client, 'close'))[0]).toBe(1011);
    await expect.poll(() => server.webSocketStats()!.compression!.contextBytes).toBe(0);
  });

  it('end when their connection does, in the middle of a fragment too', async () => {
    const { server, port } = await serve({}, options);
    for (const how of ['terminate', 'disconnect', 'close']) {
      const client = await connect(port);
      const [id] = server.getAllConnectionIDs();
      let isSource = true;
      async function* endless(): AsyncGenerator<string> {
        try {
          for (let i = 0; ; i++) {
            yield numbers(i, 20_000);
            if (i === 2) {
              if (how === 'terminate') client.terminate();
              else if (how === 'disconnect') setImmediate(() => server.disconnect(id!));
              else setImmediate(() => server.close(id!, 4000));
            }
          }
        } finally {
          isSource = false;
        }
      }
      expect(await server.sendStream(id!, endless(), { isBinary: false })).toBe(false);
      expect(isSource).toBe(false);
      if (how === 'close') expect((await once(client, 'close'))[0]).toBe(4000);
      await expect.poll(() => server.connectionCount).toBe(0);
      expect(server.webSocketStats()!.compression).toMatchObject({ contexts: 0, contextBytes: 0 });
    }
  });

  it('wait for a peer that does not read', async () => {
    const { server, port } = await serve({}, options);
    const client = await connect(port);
    const [id] = server.getAllConnectionIDs();
    client.pause();
    const random = noise(100_000);
    let given = 0;
    function* source(): Generator<Buffer> {
      for (; given < 200; given++) yield random;
    }
    const sent = server.sendStream(id!, source(), { isCompressed: true });
    let before = -1;
    await expect.poll(() => before === (before = given), { interval: 200 }).toBe(true);
    expect(given).toBeLessThan(200);
    expect(server.getPendingDataLength(id!)).toBeLessThan(512 * 1024);
    const message = once(client, 'message');
    client.resume();
    expect(await sent).toBe(true);
    expect(((await message)[0] as Buffer).length).toBe(200 * random.length);
  });
});

describe('whether a stream is compressed', () => {
  it('is said by its option, else by its first piece', async () => {
    const { server, port } = await serve({});
    const client = await connect(port);
    const [id] = server.getAllConnectionIDs();
    const long = numbers(0, 5000);
    const cases: [string[], boolean | undefined, boolean][] = [
      [[long, 'x'], undefined, true],
      [['x', long], undefined, false],
      [['', long], undefined, true],
      [['x', long], true, true],
      [[long], false, false],
    ];
    for (const [source, isCompressed, expected] of cases) {
      const before = server.stats().bytesOut;
      const message = once(client, 'message');
      expect(await server.sendStream(id!, source, { isBinary: false, isCompressed })).toBe(true);
      expect(String((await message)[0])).toBe(source.join(''));
      expect(server.stats().bytesOut - before < long.length).toBe(expected);
    }
  });

  it('does not matter where compression was not agreed on', async () => {
    const { server, port } = await serve({}, { compression: false });
    const client = new WebSocket(`ws://127.0.0.1:${port}/`);
    clients.push(client);
    await once(client, 'open');
    const [id] = server.getAllConnectionIDs();
    const message = once(client, 'message');
    expect(await server.sendStream(id!, ['plain'], { isCompressed: true })).toBe(true);
    expect(String((await message)[0])).toBe('plain');
  });

  it('options that are misspelt or of the wrong type are refused', async () => {
    const { server, port } = await serve({});
    await connect(port);
    const [id] = server.getAllConnectionIDs();
    for (const options of [{ compress: true }, { isCompressed: 1 }, { isBinary: 'no' }, null]) {
      await expect(server.sendStream(id!, ['x'], options as never)).rejects.toThrow(TypeError);
    }
    expect(server.connection(id!)!.isOpen).toBe(true);
    expect(await server.sendStream(id!, ['x'])).toBe(true);
  });

  it('is a matter of the budget: without room it goes as it is, or, without take-over, fragment by fragment', async () => {
    for (const keeps of [true, false]) {
      const { server, port } = await serve({}, { compressionBudgetBytes: 0, compressionServerTakeover: keeps });
      const client = await connect(port);
      const [id] = server.getAllConnectionIDs();
      const text = await joined(3);
      for (let i = 0; i < 2; i++) {
        const message = once(client, 'message');
        expect(await server.sendStream(id!, pieces(3))).toBe(true);
        expect(String((await message)[0]) === text).toBe(true);
      }
      expect(server.stats().bytesOut < text.length).toBe(!keeps);
      expect(server.webSocketStats()!.compression).toMatchObject({ contextBytes: 0, overBudget: keeps ? 2 : 0 });
    }
  });

  it('does not change in its middle, though its compressor is given up for another connection', async () => {
    // Room for two compressors beside the inflaters of three connections.
    const { server, port } = await serve({}, { compressionBudgetBytes: (2 * 256 + 3 * 42) * 1024 });
    const [one] = [await connect(port), await connect(port), await connect(port)];
    const [first, second, third] = server.getAllConnectionIDs();
    const gate: { open: () => void } = { open: () => {} };
    const opened = new Promise<void>((resolve) => {
      gate.open = resolve;
    });
    async function* source(): AsyncGenerator<string> {
      yield numbers(0, 3000);
      await opened;
      yield numbers(0, 3000);
      yield numbers(7, 30_000);
    }
    const message = once(one!, 'message');
    const sent = server.sendStream(first!, source(), { isBinary: false });
    await expect.poll(() => server.webSocketStats()!.compression!.contexts).toBe(4);
    for (let i = 0; i < 20; i++) server.send(second!, numbers(i, 500));
    for (let i = 0; i < 20; i++) server.send(third!, numbers(i, 500));
    expect(server.webSocketStats()!.compression).toMatchObject({ evictions: 1, contexts: 5 });
    gate.open();
    expect(await sent).toBe(true);
    expect(String((await message)[0])).toBe(numbers(0, 3000) + numbers(0, 3000) + numbers(7, 30_000));
    const behind = once(one!, 'message');
    server.send(first!, numbers(1, 1000));
    expect(String((await behind)[0])).toBe(numbers(1, 1000));
  });
});

it('streams of several callers who do not wait for each other end none of the others', async () => {
  const done: number[] = [];
  const tries = async (server: WebSocketServer, id: number, length: number): Promise<void> => {
    for (let i = 0; i < 1000; i++) {
      if (await server.sendStream(id, ['x'.repeat(length), 'y'])) return void done.push(length);
    }
  };
  const { port } = await serve({
    onOpen: (server, id) => {
      for (const length of [10, 20, 30]) void tries(server, id, length);
    },
  });
  const client = await connect(port);
  await expect.poll(() => done).toEqual([10, 20, 30]);
  expect(client.readyState).toBe(client.OPEN);
});
