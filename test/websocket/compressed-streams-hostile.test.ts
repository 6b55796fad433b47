import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import type { WebSocketMessageStream } from '../../src/websocket.ts';
import { connect, Peer, recorder, serve } from './compressing-peers.ts';
import { frameOf, MASK } from './support.ts';
import { hashOf, noise, numbers } from './texts.ts';

describe.each([true, false])('hostile compressed messages for onMessageStream (context take-over: %s)', (keeps) => {
  const options = { compressionClientTakeover: keeps, compressionServerTakeover: keeps };

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

  it('whose data was cut off fail the connection, and harm no other', async () => {
    const { got, hooks } = recorder();
    const { port, server } = await serve(hooks, options);
    for (const length of [1_000, 5_000, 30_000]) {
      got.length = 0;
      const { client, socket } = await connect(port);
      const payload = (await new Peer().last(numbers(0, 100_000))).subarray(0, length);
      socket.write(frameOf({ opcode: 2, reserved: 4, payload, mask: MASK }));
      expect((await once(client, 'close'))[0]).toBe(1007);
      await expect.poll(() => server.connectionCount).toBe(0);
      expect(got.filter((line) => !/^(close 1007|ECONNABORTED)$/.test(line))).toEqual([]);
      const other = await connect(port);
      other.client.send('another one');
      await expect.poll(() => got).toContain('whole another one');
      other.client.terminate();
      await expect.poll(() => server.connectionCount).toBe(0);
    }
  });
});

it('a message in thousands of fragments of a byte is put together', async () => {
  const got: string[] = [];
  const { port } = await serve({
    onMessage: (_server, _id, data) => void got.push(String(data)),
    onMessageStream: () => void got.push('a stream'),
  });
  const { socket } = await connect(port);
  const peer = new Peer();
  const text = numbers(0, 800);
  const frames: Buffer[] = [];
  for (const [i, letter] of [...text].entries()) {
    const isFinal = i === text.length - 1;
    const payload = await (isFinal ? peer.last(letter) : peer.fragment(letter));
    frames.push(frameOf({ opcode: i === 0 ? 1 : 0, reserved: i === 0 ? 4 : 0, isFinal, payload, mask: MASK }));
  }
  socket.write(Buffer.concat(frames));
  await expect.poll(() => got).toEqual([text]);
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

it.each([true, false])(
  'thousands of little bombs in one read leave time for others (streamed: %s)',
  async (isStreamed) => {
    let bytes = 0;
    let mostInTurn = 0;
    let inTurn = 0;
    const count = (length: number): void => {
      if (inTurn === 0) {
        setImmediate(() => {
          inTurn = 0;
        });
      }
      bytes += length;
      inTurn += length;
      mostInTurn = Math.max(mostInTurn, inTurn);
    };
    const { port } = await serve({
      onMessage: (_server, _id, data) => count(data.length),
      ...(isStreamed && {
        onMessageStream: async (_server, _id, stream) => {
          for await (const piece of stream) count(piece.length);
        },
      }),
    });
    const { socket } = await connect(port);
    const frames: Buffer[] = [];
    for (let i = 0; i < 1000; i++) {
      const payload = await new Peer().last(Buffer.alloc(100_000));
      frames.push(frameOf({ opcode: 2, reserved: 4, payload, mask: MASK }));
    }
    socket.write(Buffer.concat(frames));
    await expect.poll(() => bytes, { timeout: 20_000 }).toBe(100_000_000);
    expect(mostInTurn).toBeLessThan(10_000_000);
  },
);

describe.each([
  { maxMessageBytes: 5_000, streamMessageBytes: 50_000, maxStreamedMessageBytes: 400_000 },
  { maxMessageBytes: 90_000, streamMessageBytes: 50_000, maxStreamedMessageBytes: 60_000 },
  { maxMessageBytes: 70_000, streamMessageBytes: 50_000, maxStreamedMessageBytes: 400_000 },
])('limits are kept to the byte, however a message arrives (%o)', (limits) => {
  it.each(['whole', 'whole, on a thread', 'in fragments'])('%s', async (how) => {
    const { got, hooks } = recorder();
    const { maxMessageBytes, streamMessageBytes, maxStreamedMessageBytes } = limits;
    const { port, server } = await serve(hooks, {
      ...limits,
      compressionThreadBytes: how === 'whole, on a thread' ? 1 : 65_536,
    });
    const lengths = [maxMessageBytes, streamMessageBytes, maxStreamedMessageBytes].flatMap((at) => [at, at + 1]);
    for (const length of lengths) {
      got.length = 0;
      const { client, socket } = await connect(port);
      const peer = new Peer();
      const data = Buffer.alloc(length, 'abc');
      if (how === 'in fragments') {
        const payload = await peer.fragment(data.subarray(0, length - 1));
        socket.write(frameOf({ opcode: 2, reserved: 4, isFinal: false, payload, mask: MASK }));
        socket.write(frameOf({ opcode: 0, payload: await peer.last(data.subarray(length - 1)), mask: MASK }));
      } else {
        socket.write(frameOf({ opcode: 2, reserved: 4, payload: await peer.last(data), mask: MASK }));
      }
      const isStreamed = length > streamMessageBytes;
      if (length > (isStreamed ? maxStreamedMessageBytes : maxMessageBytes)) {
        await expect.poll(() => got, { message: `${length}` }).toContain('close 1009');
        expect(got.filter((line) => !/^(close 1009|ECONNABORTED)$/.test(line))).toEqual([]);
      } else {
        const expected = isStreamed ? `binary ${length} ${hashOf(data)}` : `whole ${data.toString().slice(0, 50)}`;
        await expect.poll(() => got, { message: `${length}` }).toEqual([expected]);
      }
      client.terminate();
      await expect.poll(() => server.connectionCount).toBe(0);
    }
  });
});
