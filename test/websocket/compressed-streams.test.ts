import { once } from 'node:events';
import type { Socket } from 'node:net';
import { constants, createDeflateRaw, type DeflateRaw } from 'node:zlib';
import { afterEach, describe, expect, it } from 'vitest';
import WebSocket, { WebSocketServer as TheirServer } from 'ws';
import { WebSocketAgent, WebSocketClient, type WebSocketMessageStream, WebSocketServer } from '../../src/websocket.ts';
import { frameOf, MASK } from './support.ts';
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

async function connect(port: number): Promise<{ client: WebSocket; socket: Socket }> {
  const client = new WebSocket(`ws://127.0.0.1:${port}/`, { perMessageDeflate: { threshold: 0 } });
  client.on('error', () => {});
  clients.push(client);
  await once(client, 'open');
  expect(client.extensions).toContain('permessage-deflate');
  return { client, socket: (client as unknown as { _socket: Socket })._socket };
}

/** Compresses as a peer does that flushes each fragment. */
class Peer {
  #stream: DeflateRaw = createDeflateRaw();

  /** A fragment with its tail. */
  async fragment(data: Uint8Array | string): Promise<Buffer> {
    const pieces: Buffer[] = [];
    const take = (piece: Buffer): unknown => pieces.push(piece);
    this.#stream.on('data', take);
    this.#stream.write(data);
    await new Promise<void>((done) => this.#stream.flush(constants.Z_SYNC_FLUSH, () => done()));
    this.#stream.off('data', take);
    return Buffer.concat(pieces);
  }

  /** A whole message, or the last fragment of one, without it. */
  async last(data: Uint8Array | string): Promise<Buffer> {
    return (await this.fragment(data)).subarray(0, -4);
  }
}

async function all(stream: WebSocketMessageStream): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of stream) pieces.push(piece);
  return Buffer.concat(pieces);
}

/** What a server does that notes what it gets, and how many pieces of a stream came while it was not complete. */
function recorder(): { got: string[]; early: { bytes: number }; hooks: Arguments[0] } {
  const got: string[] = [];
  const early = { bytes: 0 };
  return {
    got,
    early,
    hooks: {
      onMessage: (_server, _id, data) => void got.push(`whole ${String(data).slice(0, 50)}`),
      async onMessageStream(_server, _id, stream, isBinary) {
        const pieces: Buffer[] = [];
        early.bytes = 0;
        try {
          for await (const piece of stream) {
            pieces.push(piece);
            if (!stream.isComplete) early.bytes += piece.length;
          }
          const data = Buffer.concat(pieces);
          expect(stream.byteCount).toBe(data.length);
          got.push(`${isBinary ? 'binary' : 'text'} ${data.length} ${hashOf(data)}`);
        } catch (error) {
          got.push((error as { code: string }).code);
          throw error;
        }
      },
      onPing: (_server, _id, data) => void got.push(`ping ${data.toString()}`),
      onWSClose: (_server, _id, code) => void got.push(`close ${code}`),
    },
  };
}

describe.each([true, false])('compressed messages for onMessageStream (context take-over: %s)', (keeps) => {
  const options = { compressionClientTakeover: keeps, compressionServerTakeover: keeps };
  /** Peers without take-over begin anew with each message. */
  const peers = (): (() => Peer) => {
    const kept = new Peer();
    return () => (keeps ? kept : new Peer());
  };

  it('arrive fragment by fragment, before their message ends, and pings between them', async () => {
    const { got, early, hooks } = recorder();
    const { port, server } = await serve(hooks, options);
    const { socket } = await connect(port);
    const next = peers();
    for (let round = 0; round < 3; round++) {
      got.length = 0;
      const peer = next();
      const [first, second] = [numbers(0, 20_000), numbers(round, 20_000)];
      const one = await peer.fragment(first);
      socket.write(frameOf({ opcode: 1, reserved: 4, isFinal: false, payload: one, mask: MASK }));
      await expect.poll(() => early.bytes).toBe(first.length);
      socket.write(frameOf({ opcode: 9, payload: 'here', mask: MASK }));
      await expect.poll(() => got).toEqual(['ping here']);
      const two = await peer.fragment(second);
      socket.write(frameOf({ opcode: 0, isFinal: false, payload: two, mask: MASK }));
      await expect.poll(() => early.bytes).toBe(first.length + second.length);
      socket.write(frameOf({ opcode: 0, payload: Buffer.from([0]), mask: MASK }));
      const whole = await next().last('short, behind it');
      socket.write(frameOf({ opcode: 1, reserved: 4, payload: whole, mask: MASK }));
      const text = first + second;
      await expect
        .poll(() => got)
        .toEqual(['ping here', `text ${text.length} ${hashOf(text)}`, 'whole short, behind it']);
      early.bytes = 0;
    }
    expect(server.stats().messagesIn).toBe(6);
    const { contexts } = server.webSocketStats()!.compression!;
    expect(contexts).toBe(keeps ? 1 : 0);
  });

  it('of `ws`, in every size, arrive in order with those that are short', async () => {
    const { got, hooks } = recorder();
    const { port } = await serve(hooks, options);
    const { client } = await connect(port);
    const expected: string[] = [];
    for (const [i, count] of [10, 30_000, 5, 200_000, 9_000, 12_000, 400_000, 1].entries()) {
      const text = numbers(i, count);
      client.send(text);
      expected.push(text.length > 65_536 ? `text ${text.length} ${hashOf(text)}` : `whole ${text.slice(0, 50)}`);
    }
    const zeros = Buffer.alloc(3_000_000);
    client.send(zeros);
    expected.push(`binary ${zeros.length} ${hashOf(zeros)}`);
    for (let i = 0; i < 5; i++) client.send(numbers(i, 9_000), { fin: i === 4 });
    const joined = [0, 1, 2, 3, 4].map((i) => numbers(i, 9_000)).join('');
    expected.push(`text ${joined.length} ${hashOf(joined)}`);
    await expect.poll(() => got, { timeout: 15_000 }).toEqual(expected);
  });

  it('arrive byte by byte as well', async () => {
    const { got, hooks } = recorder();
    const { port } = await serve(hooks, { ...options, streamMessageBytes: 1000 });
    const { socket } = await connect(port);
    socket.setNoDelay(true);
    const next = peers();
    const peer = next();
    const text = `${numbers(100, 500)} größer`;
    const bytes = Buffer.from(text);
    const one = await peer.fragment(bytes.subarray(0, 1000));
    const two = await peer.last(bytes.subarray(1000));
    const wire = Buffer.concat([
      frameOf({ opcode: 1, reserved: 4, isFinal: false, payload: one, mask: MASK }),
      frameOf({ opcode: 0, payload: two, mask: MASK }),
      frameOf({ opcode: 1, reserved: 4, payload: await next().last('and whole'), mask: MASK }),
    ]);
    for (const byte of wire) {
      socket.write(Buffer.from([byte]));
      await new Promise(setImmediate);
    }
    await expect.poll(() => got).toEqual([`text ${bytes.length} ${hashOf(bytes)}`, 'whole and whole']);
  });

  it('that are bombs are inflated no faster than somebody reads them, while others go on', async () => {
    const gate: { open: () => void } = { open: () => {} };
    const opened = new Promise<void>((resolve) => {
      gate.open = resolve;
    });
    const streams: WebSocketMessageStream[] = [];
    let total = 0;
    const { port, server } = await serve(
      {
        onMessage: (sender, connId, data) => void sender.send(connId, String(data)),
        async onMessageStream(_server, _id, stream) {
          streams.push(stream);
          await opened;
          for await (const piece of stream) total += piece.length;
        },
      },
      { ...options, compressionThreads: 1 },
    );
    const bombs = await Promise.all(Array.from({ length: 4 }, () => connect(port)));
    for (const { socket } of bombs) {
      const peer = new Peer();
      // 64 KB that are 64 MB, in frames, and one of 15 KB, which are inflated at once up to some point.
      const bomb = await peer.last(Buffer.alloc(64_000_000));
      expect(bomb.length).toBeLessThan(66_000);
      const payload = bomb.subarray(0, 15_000);
      socket.write(frameOf({ opcode: 2, reserved: 4, isFinal: false, payload, mask: MASK }));
      socket.write(frameOf({ opcode: 0, payload: bomb.subarray(15_000), mask: MASK }));
    }
    await expect.poll(() => streams.length).toBe(4);
    const { client } = await connect(port);
    client.send('are you there? '.repeat(10));
    // On a thread, of which there is one.
    client.send(numbers(0, 9_000));
    expect(String((await once(client, 'message'))[0])).toContain('are you there');
    expect(String((await once(client, 'message'))[0])).toHaveLength(numbers(0, 9_000).length);
    // What does not compress is not read for nobody either.
    const slow = await connect(port);
    const random = noise(4_000_000);
    for (let i = 0; i < 5; i++) slow.client.send(random, { fin: i === 4 });
    await expect.poll(() => streams.length).toBe(5);
    await expect.poll(() => slow.socket.writableLength, { timeout: 10_000 }).toBeGreaterThan(0);
    const held = (): number[] => [...streams.map((stream) => stream.byteCount), server.stats().bytesIn];
    let before = '';
    await expect.poll(() => before === (before = String(held())), { interval: 100 }).toBe(true);
    for (const bytes of held()) expect(bytes).toBeLessThan(1_500_000);
    gate.open();
    await expect.poll(() => total, { timeout: 20_000 }).toBe(4 * 64_000_000 + 5 * random.length);
    expect(server.connectionCount).toBe(6);
    const { contexts } = server.webSocketStats()!.compression!;
    expect(contexts).toBe(keeps ? 7 : 0);
  });

  it('are limited by what they are when they are inflated', async () => {
    const { got, hooks } = recorder();
    const { port } = await serve(hooks, { ...options, maxStreamedMessageBytes: 1_000_000, maxMessageBytes: 70_000 });
    for (const isFinal of [true, false]) {
      got.length = 0;
      const { client, socket } = await connect(port);
      const peer = new Peer();
      const bomb = await (isFinal ? peer.last(Buffer.alloc(50_000_000)) : peer.fragment(Buffer.alloc(50_000_000)));
      socket.write(frameOf({ opcode: 2, reserved: 4, isFinal, payload: bomb, mask: MASK }));
      expect((await once(client, 'close'))[0]).toBe(1009);
      await expect.poll(() => [...got].sort()).toEqual(['ECONNABORTED', 'close 1009']);
    }
    got.length = 0;
    const { client } = await connect(port);
    client.send(Buffer.alloc(1_000_000, 'fits'));
    const random = noise(1_000_000);
    client.send(random);
    await expect
      .poll(() => got)
      .toEqual([`binary 1000000 ${hashOf(Buffer.alloc(1_000_000, 'fits'))}`, `binary 1000000 ${hashOf(random)}`]);
  });

  it('have to be text if they say so: a character may be cut, a wrong one ends the connection at once', async () => {
    const { got, hooks } = recorder();
    const { port } = await serve(hooks, options);
    const { client, socket } = await connect(port);
    const peer = new Peer();
    const [first, second] = [Buffer.from(`${numbers(0, 20_000)}ä`), Buffer.from('ü')];
    const one = await peer.fragment(first.subarray(0, -1));
    socket.write(frameOf({ opcode: 1, reserved: 4, isFinal: false, payload: one, mask: MASK }));
    const two = await peer.last(Buffer.concat([first.subarray(-1), second]));
    socket.write(frameOf({ opcode: 0, payload: two, mask: MASK }));
    const text = Buffer.concat([first, second]);
    await expect.poll(() => got).toEqual([`text ${text.length} ${hashOf(text)}`]);
    client.terminate();
    for (const ending of [Buffer.from([0xff]), Buffer.from([0xc3])]) {
      await expect.poll(() => got.at(-1)).toMatch(/close/);
      got.length = 0;
      const other = await connect(port);
      const bad = new Peer();
      const isCut = ending[0] === 0xc3;
      const data = Buffer.concat([Buffer.from(numbers(0, 20_000)), ending]);
      const payload = await (isCut ? bad.last(data) : bad.fragment(data));
      // The message goes on, but for the one that ends in the middle of a character.
      other.socket.write(frameOf({ opcode: 1, reserved: 4, isFinal: isCut, payload, mask: MASK }));
      expect((await once(other.client, 'close'))[0]).toBe(1007);
      await expect.poll(() => [...got].sort()).toEqual(['ECONNABORTED', 'close 1007']);
    }
  });

  it('fail their loop when the connection is lost, or the data is wrong, and leave nothing behind', async () => {
    const { got, early, hooks } = recorder();
    const { port, server } = await serve(hooks, options);
    for (const how of ['reset', 'fin', 'disconnect', 'garbage', 'garbage at once', 'garbage behind the end']) {
      got.length = 0;
      early.bytes = 0;
      const { client, socket } = await connect(port);
      const peer = new Peer();
      const payload = await peer.fragment(numbers(0, 100_000));
      const send = (data: Buffer): void => {
        socket.write(frameOf({ opcode: 2, reserved: 4, isFinal: false, payload: data, mask: MASK }));
      };
      send(how === 'garbage at once' ? Buffer.alloc(20_000, 0xff) : payload);
      if (how === 'reset') socket.resetAndDestroy();
      else if (how === 'fin') socket.end();
      else if (how === 'disconnect') {
        await expect.poll(() => early.bytes).toBeGreaterThan(0);
        for (const id of server.getAllConnectionIDs()) server.disconnect(id);
      } else if (how !== 'garbage at once') {
        const end = how === 'garbage' ? '' : 'f3 48 cd c9 c9 07 00';
        const garbage = Buffer.concat([Buffer.from(end.replaceAll(' ', ''), 'hex'), Buffer.alloc(300, 0xff)]);
        socket.write(frameOf({ opcode: 0, payload: garbage, mask: MASK }));
      }
      if (how.startsWith('garbage')) expect((await once(client, 'close'))[0]).toBe(1007);
      await expect.poll(() => server.connectionCount).toBe(0);
      const isStreamed = how !== 'garbage at once' && how !== 'reset';
      if (isStreamed) await expect.poll(() => got, { message: how }).toContain('ECONNABORTED');
      expect(server.webSocketStats()!).toMatchObject({ open: 0, compression: { contexts: 0, contextBytes: 0 } });
    }
  });

  it('end at the end of a message whose data was cut off, and harm no other', async () => {
    const { got, hooks } = recorder();
    const { port, server } = await serve(hooks, options);
    for (const length of [100, 5_000, 30_000]) {
      got.length = 0;
      const { socket } = await connect(port);
      const payload = (await new Peer().last(numbers(0, 100_000))).subarray(0, length);
      socket.write(frameOf({ opcode: 2, reserved: 4, payload, mask: MASK }));
      await expect.poll(() => got.length).toBeGreaterThan(0);
      socket.destroy();
      await expect.poll(() => server.connectionCount).toBe(0);
      const { client } = await connect(port);
      client.send('another one');
      await expect.poll(() => got).toContain('whole another one');
      client.terminate();
      await expect.poll(() => server.connectionCount).toBe(0);
    }
  });

  it('may be left in the middle: what comes behind them is what was sent', async () => {
    const got: string[] = [];
    const { port } = await serve(
      {
        onMessage: (_server, _id, data) => void got.push(String(data)),
        async onMessageStream(_server, _id, stream) {
          for await (const _piece of stream) break;
          got.push('left');
        },
      },
      options,
    );
    const { client } = await connect(port);
    for (let round = 0; round < 3; round++) {
      client.send(numbers(round, 500_000));
      client.send(numbers(round, 20));
    }
    const expected = [0, 1, 2].flatMap((round) => ['left', numbers(round, 20)]);
    await expect.poll(() => got, { timeout: 10_000 }).toEqual(expected);
  });

  it('come to clients and agents of ours the same way', async () => {
    const theirs = new TheirServer({
      port: 0,
      perMessageDeflate: {
        threshold: 0,
        serverNoContextTakeover: !keeps,
        clientNoContextTakeover: !keeps,
      },
    });
    theirServers.push(theirs);
    await once(theirs, 'listening');
    const { port } = theirs.address() as { port: number };
    const text = numbers(7, 300_000);
    theirs.on('connection', (socket) => {
      for (let i = 0; i < 2; i++) {
        socket.send(text);
        socket.send(text.slice(0, 100_000), { fin: false });
        socket.send(text.slice(100_000), { fin: true });
        socket.send('short');
      }
    });
    const each = [`${text.length} ${hashOf(text)}`, `${text.length} ${hashOf(text)}`, 'short'];
    const expected = [...each, ...each];
    const got: string[] = [];
    const hooks = {
      onMessage: (_sender: unknown, _id: number, data: Buffer | string) => void got.push(String(data)),
      async onMessageStream(_sender: unknown, _id: number, stream: WebSocketMessageStream) {
        const data = await all(stream);
        got.push(`${data.length} ${hashOf(data)}`);
      },
    };
    const client = new WebSocketClient(hooks, { compression: true });
    running.push(client);
    await client.open(`ws://127.0.0.1:${port}/`);
    expect(client.connection?.isCompressing).toBe(true);
    await expect.poll(() => got, { timeout: 10_000 }).toEqual(expected);
    got.length = 0;
    const agent = new WebSocketAgent(hooks, { compression: true, compressionThreadBytes: 0 });
    running.push(agent);
    await agent.start();
    await agent.open(`ws://127.0.0.1:${port}/`);
    await expect.poll(() => got, { timeout: 10_000 }).toEqual(expected);
  });
});

it('without room in the budget they are put together first, within maxMessageBytes', async () => {
  const { got, early, hooks } = recorder();
  const { port, server } = await serve(hooks, { compressionBudgetBytes: 0, maxMessageBytes: 500_000 });
  const { client } = await connect(port);
  const text = numbers(0, 60_000);
  client.send(text.slice(0, 100_000), { fin: false });
  client.send(text.slice(100_000), { fin: true });
  await expect.poll(() => got).toEqual([`text ${text.length} ${hashOf(text)}`]);
  expect(early.bytes).toBe(0);
  expect(server.webSocketStats()!.compression).toMatchObject({ contexts: 0, contextBytes: 0 });
  client.send(numbers(0, 100_000));
  expect((await once(client, 'close'))[0]).toBe(1009);
});

it('a bomb for onMessage is inflated on a thread as soon as it shows, up to maxMessageBytes', async () => {
  const lengths: number[] = [];
  const { port, server } = await serve({ onMessage: (_server, _id, data) => void lengths.push(data.length) });
  const { client } = await connect(port);
  client.send(Buffer.alloc(16 * 1024 * 1024));
  client.send(Buffer.alloc(300_000));
  client.send(Buffer.alloc(200_000));
  await expect.poll(() => lengths, { timeout: 10_000 }).toEqual([16 * 1024 * 1024, 300_000, 200_000]);
  expect(server.webSocketStats()!.compression!.later).toBe(2);
  client.send(Buffer.alloc(16 * 1024 * 1024 + 1));
  expect((await once(client, 'close'))[0]).toBe(1009);
});
