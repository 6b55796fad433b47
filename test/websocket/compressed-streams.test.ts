import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import { WebSocketServer as TheirServer } from 'ws';
import { WebSocketAgent, WebSocketClient, type WebSocketMessageStream } from '../../src/websocket.ts';
import { all, connect, Peer, recorder, running, serve, theirServers } from './compressing-peers.ts';
import { frameOf, MASK } from './support.ts';
import { hashOf, numbers } from './texts.ts';

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
