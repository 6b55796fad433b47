import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { afterEach, describe, expect, it } from 'vitest';
import WebSocket from 'ws';
import { Lifetime } from '../../src/protocol/protocol.ts';
import { HandleResult } from '../../src/tcp.ts';
import { MessageReader } from '../../src/websocket/message-reader.ts';
import { WebSocketClient, WebSocketMessageStream, WebSocketServer } from '../../src/websocket.ts';
import { feed, frameOf, MASK, messageRules, RecordingMessages, readMessages } from './support.ts';

const running: WebSocketServer[] = [];
const clients: WebSocket[] = [];

afterEach(async () => {
  for (const client of clients.splice(0)) client.terminate();
  for (const server of running.splice(0)) if (server.hasStarted) await server.stop();
});

type Arguments = ConstructorParameters<typeof WebSocketServer>;

async function serve(...args: Arguments): Promise<{ server: WebSocketServer; port: number }> {
  const server = new WebSocketServer(...args);
  running.push(server);
  const { port } = await server.start('127.0.0.1', 0);
  return { server, port };
}

async function connect(port: number, options: WebSocket.ClientOptions = {}): Promise<WebSocket> {
  const client = new WebSocket(`ws://127.0.0.1:${port}/`, { perMessageDeflate: false, ...options });
  clients.push(client);
  await once(client, 'open');
  return client;
}

const hashOf = (data: Buffer): string => createHash('sha1').update(data).digest('hex');
const bytes = (length: number): Buffer => Buffer.from(Array.from({ length }, (_, i) => (i * 31) % 251));

async function all(stream: WebSocketMessageStream): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of stream) pieces.push(piece);
  return Buffer.concat(pieces);
}

describe('a reader that streams messages of more than 125 bytes', () => {
  const rules = { streamBytes: 125, maxMessageBytes: 125, maxStreamedBytes: 1000 };
  const long = 'ä'.repeat(200);
  const conversation = Buffer.concat([
    frameOf({ opcode: 1, payload: 'short', mask: MASK }),
    frameOf({ opcode: 1, payload: long, mask: MASK }),
    frameOf({ opcode: 2, payload: bytes(60), isFinal: false, mask: MASK }),
    frameOf({ opcode: 9, payload: 'p', mask: MASK }),
    frameOf({ opcode: 0, payload: bytes(60), isFinal: false, mask: MASK }),
    frameOf({ opcode: 0, payload: '', isFinal: false, mask: MASK }),
    frameOf({ opcode: 0, payload: bytes(60), mask: MASK }),
    frameOf({ opcode: 1, payload: 'between', mask: MASK }),
    frameOf({ opcode: 2, payload: bytes(131), mask: MASK }),
  ]);
  const expected = [
    'text:short',
    'stream text',
    `text:${long}`,
    'ping:70',
    'stream binary',
    `binary:${Buffer.concat([bytes(60), bytes(60), bytes(60)]).toString('hex')}`,
    'text:between',
    'stream binary',
    `binary:${bytes(131).toString('hex')}`,
  ];

  it('hands on the same, wherever the bytes are cut', () => {
    for (const lifetime of Object.values(Lifetime)) {
      const sorted = (log: string[]): string[] => log.filter((line) => !line.startsWith('ping'));
      const each = Array.from({ length: conversation.length - 1 }, (_, i) => i + 1);
      const byByte = readMessages('server', conversation, each, lifetime, rules);
      expect(sorted(byByte.log)).toEqual(sorted(expected));
      for (const cut of each) {
        const sink = readMessages('server', conversation, [cut], lifetime, rules);
        expect(sorted(sink.log)).toEqual(sorted(expected));
      }
    }
  });

  it('refuses what is too long for it, text that is none, and too many fragments', () => {
    const read = (...frames: Buffer[]): string[] =>
      readMessages('server', Buffer.concat(frames), [], Lifetime.Call, { ...rules, maxFragments: 3 }).log;
    expect(read(frameOf({ opcode: 2, announced: 1001, mask: MASK }))).toEqual(['violation:1009']);
    const part = frameOf({ opcode: 0, payload: bytes(400), isFinal: false, mask: MASK });
    const first = frameOf({ opcode: 2, payload: bytes(400), isFinal: false, mask: MASK });
    expect(read(first, part, part)).toEqual(['stream binary', 'violation:1009']);
    const bad = Buffer.from(`${'x'.repeat(150)}\xff`, 'latin1');
    expect(read(frameOf({ opcode: 1, payload: bad, mask: MASK }))).toEqual(['stream text', 'violation:1007']);
    const half = Buffer.from(`${'x'.repeat(150)}\xc3`, 'latin1');
    expect(read(frameOf({ opcode: 1, payload: half, mask: MASK }))).toEqual(['stream text', 'violation:1007']);
    const small = frameOf({ opcode: 0, payload: 'x', isFinal: false, mask: MASK });
    expect(read(first, small, small, small)).toEqual(['stream binary', 'violation:1008']);
  });
});

describe('a reader whose sink wants compressed parts', () => {
  it('hands them on wherever the bytes are cut, and short whole ones whole', () => {
    const long = bytes(20_000).subarray(0, 17_000);
    const conversation = Buffer.concat([
      frameOf({ opcode: 1, reserved: 4, payload: 'short', mask: MASK }),
      frameOf({ opcode: 2, reserved: 4, payload: bytes(60), isFinal: false, mask: MASK }),
      frameOf({ opcode: 9, payload: 'p', mask: MASK }),
      frameOf({ opcode: 0, payload: bytes(40), isFinal: false, mask: MASK }),
      frameOf({ opcode: 0, payload: '', mask: MASK }),
      frameOf({ opcode: 1, payload: 'between', mask: MASK }),
      frameOf({ opcode: 1, reserved: 4, payload: long, mask: MASK }),
    ]);
    const expected = [
      `compressed text:${Buffer.from('short').toString('hex')}`,
      'parts of compressed binary',
      'ping:70',
      `compressed parts:${Buffer.concat([bytes(60), bytes(40)]).toString('hex')}`,
      'text:between',
    ];
    const parts = ['parts of compressed text', `compressed parts:${long.toString('hex')}`];
    const each = Array.from({ length: 250 }, (_, i) => i + 1);
    for (const cuts of [...each.map((cut) => [cut]), each]) {
      const sink = new RecordingMessages();
      sink.wantsParts = true;
      const reader = new MessageReader(messageRules('server', { allowedReserved: 4, streamBytes: 125 }), sink);
      feed(reader, conversation, cuts, Lifetime.Call);
      // A long one that is there as a whole is no worse off.
      expect(sink.log.slice(0, 5)).toEqual(expected);
      const rest = sink.log.slice(5);
      expect([parts, [`compressed text:${long.toString('hex')}`]]).toContainEqual(rest);
      expect(reader.isBetweenMessages).toBe(true);
    }
    const nobody = new RecordingMessages();
    feed(new MessageReader(messageRules('server', { allowedReserved: 4 }), nobody), conversation, each, Lifetime.Call);
    expect(nobody.log).not.toContain('parts of compressed binary');
  });
});

describe('onMessageStream', () => {
  it('gets large messages as they arrive, the others come whole, all in order', async () => {
    const got: string[] = [];
    const { port, server } = await serve({
      onMessage: (_server, _id, data) => void got.push(`whole ${String(data)}`),
      async onMessageStream(_server, _id, stream, isBinary) {
        const data = await all(stream);
        expect(stream).toMatchObject({ isComplete: true, byteCount: data.length, isBinary });
        got.push(`${isBinary ? 'binary' : 'text'} ${hashOf(data)}`);
      },
    });
    const client = await connect(port);
    const big = bytes(3_000_000);
    client.send('first');
    client.send(big);
    client.send('second');
    for (let i = 0; i < 5; i++) client.send(bytes(50_000), { fin: i === 4 });
    client.send('ü'.repeat(100_000));
    client.send('third');
    await expect
      .poll(() => got, { timeout: 10_000 })
      .toEqual([
        'whole first',
        `binary ${hashOf(big)}`,
        'whole second',
        `binary ${hashOf(Buffer.concat(Array<Buffer>(5).fill(bytes(50_000))))}`,
        `text ${hashOf(Buffer.from('ü'.repeat(100_000)))}`,
        'whole third',
      ]);
    expect(server.stats().messagesIn).toBe(6);
  });

  it('reads no faster than the loop takes, within bounds', async () => {
    const gate: { open: () => void } = { open: () => {} };
    const opened = new Promise<void>((resolve) => {
      gate.open = resolve;
    });
    let hash = '';
    const { port, server } = await serve({
      async onMessageStream(_server, _id, stream) {
        const pieces: Buffer[] = [];
        for await (const piece of stream) {
          if (pieces.length === 0) await opened;
          pieces.push(piece);
        }
        hash = hashOf(Buffer.concat(pieces));
      },
    });
    const client = await connect(port);
    const big = bytes(20_000_000);
    client.send(big);
    // What does not fit into the buffers of both systems stays with the client.
    await expect.poll(() => client.bufferedAmount).toBeGreaterThan(0);
    await expect.poll(() => server.stats().bytesIn).toBeGreaterThan(256 * 1024);
    let before = -1;
    await expect.poll(() => before === (before = server.stats().bytesIn), { interval: 100 }).toBe(true);
    expect(server.stats().bytesIn).toBeLessThan(2_000_000);
    gate.open();
    await expect.poll(() => hash, { timeout: 15_000 }).toBe(hashOf(big));
  });

  it('may leave the rest, refuse, fail, or look at nothing', async () => {
    const got: string[] = [];
    const errors: string[] = [];
    const { port } = await serve(
      {
        onMessage: (_server, _id, data) => void got.push(String(data)),
        async onMessageStream(_server, _id, stream) {
          for await (const piece of stream) {
            const kind = piece[0];
            if (kind === 0) return;
            if (kind === 1) break;
            if (kind === 2) return HandleResult.Error;
            if (kind === 3) throw new Error('on purpose');
          }
          return undefined;
        },
        onClose: (_server, _id, _operation, code) => void errors.push(String(code)),
        onHookError: (_server, hook, error) => void errors.push(`${hook} ${String(error)}`),
      },
      { streamMessageBytes: 1000 },
    );
    const client = await connect(port);
    for (const kind of [0, 1]) client.send(Buffer.alloc(1_000_000, kind));
    client.send('behind');
    await expect.poll(() => got).toEqual(['behind']);
    for (const [kind, expected] of [
      [2, ['125']],
      [3, ['2002', 'onMessageStream Error: on purpose']],
    ] as const) {
      errors.length = 0;
      const other = await connect(port);
      other.on('error', () => {});
      other.send(Buffer.alloc(500_000, kind));
      await once(other, 'close');
      await expect.poll(() => errors.length).toBeGreaterThanOrEqual(1);
      expect(errors.join(' ')).toContain(expected.at(-1));
    }
    const { port: idle } = await serve({
      onMessage: (_server, _id, data) => void got.push(String(data)),
      onMessageStream: () => {},
    });
    const silent = await connect(idle);
    silent.send(Buffer.alloc(200_000));
    silent.send('x');
    // Nobody reads the stream, and nobody said so: it holds its 256 KiB at most, and the message was shorter.
    await expect.poll(() => got).toEqual(['behind', 'x']);
  });

  it.each([false, true])('is called again only when the hook before is done (compressed: %s)', async (compression) => {
    const log: string[] = [];
    const { port } = await serve(
      {
        onMessage: (_server, _id, data) => void log.push(String(data)),
        async onMessageStream(_server, _id, stream) {
          let length = 0;
          log.push('begins');
          // All of it comes before it is read: the last piece is the one too many.
          for (let turn = 0; turn < 200; turn++) await new Promise(setImmediate);
          for await (const piece of stream) length += piece.length;
          // Longer than it takes to read what is behind it.
          for (let turn = 0; turn < 200; turn++) await new Promise(setImmediate);
          log.push(`ends ${length}`);
        },
      },
      { compression },
    );
    const client = await connect(port, { perMessageDeflate: compression });
    for (let i = 0; i < 3; i++) client.send(bytes(262_150));
    client.send('last');
    const each = ['begins', 'ends 262150'];
    await expect.poll(() => log).toEqual([...each, ...each, ...each, 'last']);
  });

  it('holds no object for each byte of a peer that sends them one by one', async () => {
    const stream = new WebSocketMessageStream(1, true);
    for (const byte of bytes(5000)) WebSocketMessageStream.push(stream, Buffer.from([byte]));
    WebSocketMessageStream.complete(stream);
    const pieces: Buffer[] = [];
    for await (const piece of stream) pieces.push(piece);
    expect(pieces.length).toBeLessThanOrEqual(513);
    expect(Buffer.concat(pieces)).toEqual(bytes(5000));
  });

  it('throws in the loop when the connection ends before the message, and tells nobody else', async () => {
    const log: string[] = [];
    let begun = 0;
    const { port, server } = await serve({
      async onMessageStream(_server, _id, stream) {
        begun++;
        try {
          await all(stream);
        } catch (error) {
          log.push((error as { code: string }).code);
          throw error;
        }
      },
      onHookError: (_server, hook) => void log.push(hook),
    });
    for (const [round, how] of ['terminate', 'disconnect', 'violate'].entries()) {
      log.length = 0;
      const client = await connect(port);
      client.on('error', () => {});
      client.send(bytes(200_000), { fin: false });
      await expect.poll(() => begun).toBe(round + 1);
      if (how === 'terminate') client.terminate();
      else if (how === 'disconnect') for (const id of server.getAllConnectionIDs()) server.disconnect(id);
      else (client as unknown as { _socket: { write(data: Buffer): void } })._socket.write(Buffer.from([0xff, 0xff]));
      await expect.poll(() => log).toEqual(['ECONNABORTED']);
      await expect.poll(() => server.connectionCount).toBe(0);
    }
  });

  it('gets compressed messages, and works for clients', async () => {
    const { port } = await serve(
      {
        async onMessageStream(server, connId, stream) {
          const data = await all(stream);
          await server.sendStream(connId, [data.subarray(0, 1000), data.subarray(1000)]);
        },
      },
      { compression: true },
    );
    const big = bytes(400_000);
    const got: string[] = [];
    const client = new WebSocketClient(
      {
        async onMessageStream(_client, _id, stream) {
          got.push(hashOf(await all(stream)));
        },
      },
      { compression: true },
    );
    await client.open(`ws://127.0.0.1:${port}/`);
    client.send(big);
    await expect.poll(() => got).toEqual([hashOf(big)]);
    await client.stop();
  });
});

it.each(['before its first piece', 'while it waits for one'])(
  'an iterator that is returned %s drops the rest',
  async (when) => {
    const got: string[] = [];
    const { port } = await serve({
      onMessage: (_server, _id, data) => void got.push(String(data)),
      onMessageStream(_server, _id, stream) {
        const iterator = stream[Symbol.asyncIterator]();
        const next = when === 'before its first piece' ? null : iterator.next().then(() => iterator.next());
        setImmediate(async () => {
          await iterator.return!();
          got.push(`returned ${(await next)?.done ?? true}`);
        });
      },
    });
    const client = await connect(port);
    client.send(Buffer.alloc(1_000_000), { fin: false });
    client.send(Buffer.alloc(1_000_000));
    client.send('behind');
    await expect.poll(() => got).toContain('behind');
    expect(got.some((line) => line.startsWith('returned'))).toBe(true);
  },
);
