import { once } from 'node:events';
import net from 'node:net';
import { describe, expect, test } from 'vitest';
import {
  Errno,
  fixedSize,
  framing,
  HandleResult,
  lengthField,
  lines,
  SslClient,
  SslServer,
  TcpAgent,
  TcpClient,
  TcpServer,
} from '../../../src/index.ts';
import { Log, until } from '../../ssl/support.ts';
import { commonCertificates } from '../../tools/certificates.ts';

const host = '127.0.0.1';

const json = framing<{ value: unknown }, { value: unknown }>({
  decode(input) {
    const end = input.bytes.indexOf(10, input.at + input.scanned);
    if (end < 0) {
      input.scanned = input.available;
      return undefined;
    }
    const found = JSON.parse(input.bytes.toString('utf8', input.at, end)) as { value: unknown };
    input.at = end + 1;
    return found;
  },
  encode: (message) => `${JSON.stringify(message)}\n`,
});

async function connect(port: number): Promise<net.Socket> {
  const socket = net.connect({ port, host });
  socket.on('error', () => {});
  await once(socket, 'connect');
  return socket;
}

describe('the option framing', () => {
  test('frames both ways between a server, an agent and a client: ECO-001', async () => {
    const framer = lengthField({ width: 2 });
    const got: string[] = [];
    await using server = new TcpServer(
      { onReceive: (s, id, data) => s.sendPackets(id, ['<', data, '>']) },
      { framing: framer },
    );
    expect(server.framing).toBe(framer);
    const { port } = await server.start(host, 0);
    await using agent = new TcpAgent(
      { onReceive: (_a, _id, data) => void got.push(`agent ${data}`) },
      { framing: framer },
    );
    await agent.start();
    const id = await agent.connect(host, port);
    const client = new TcpClient(
      { onReceive: (_c, _id, data) => void got.push(`client ${data}`) },
      { framing: framer },
    );
    await client.start(host, port);
    for (const text of ['one', '', 'three']) {
      expect(agent.send(id, text)).toBe(true);
      expect(client.connection?.send(text)).toBe(true);
    }
    await until(() => got.length === 6);
    expect(got.filter((each) => each.startsWith('agent'))).toEqual(['agent <one>', 'agent <>', 'agent <three>']);
    expect(got.filter((each) => each.startsWith('client'))).toEqual(['client <one>', 'client <>', 'client <three>']);
    expect(client.send(Buffer.alloc(65_536))).toBe(false);
    expect(client.lastSystemError).toBe(Errno.EMSGSIZE);
    await client.stop();
  });

  test('over TLS, with objects', async () => {
    const { authority, server: identity } = await commonCertificates();
    await using server = new SslServer(
      { onReceive: (s, id, data) => s.send(id, { value: [data.value, 'back'] }) },
      { framing: json },
    );
    server.setupSSLContextByMemory(identity);
    const { port } = await server.start(host, 0);
    const got: unknown[] = [];
    const client = new SslClient({ onReceive: (_c, _id, data) => void got.push(data.value) }, { framing: json });
    client.setupSSLContextByMemory({ ca: authority.ca });
    await client.start(host, port);
    expect(client.sendPackets([{ value: 1 }, { value: 'two' }])).toBe(true);
    await until(() => got.length === 2);
    expect(got).toEqual([
      [1, 'back'],
      ['two', 'back'],
    ]);
    expect(() => client.send({ value: 1n })).toThrow(TypeError); // what the encoder throws
    expect(() => client.send({ value: 1 }, 0, 3)).toThrow(RangeError);
    await client.stop();
  });

  test('lines as strings, many of one read, each an onReceive', async () => {
    const got: string[] = [];
    await using server = new TcpServer(
      { onReceive: (_s, _id, line) => void got.push(line.toUpperCase()) },
      { framing: lines({ encoding: 'utf8' }) },
    );
    const { port } = await server.start(host, 0);
    const socket = await connect(port);
    socket.write(Array.from({ length: 1000 }, (_, i) => `line ${i}\r\n`).join(''));
    await until(() => got.length === 1000);
    expect(got[999]).toBe('LINE 999');
    expect(server.stats().messagesIn).toBe(1000);
    socket.destroy();
  });

  test.each([
    ['a line that is too long', 'x'.repeat(100), false, Errno.EMSGSIZE, undefined],
    ['half a line before the FIN', 'half', true, Errno.EBADMSG, 'HP_MESSAGE_TRUNCATED'],
  ])('closes for %s', async (_what, text, isEnded, errno, code) => {
    const log = new Log();
    await using server = new TcpServer(log.hooks(), { framing: lines({ maxMessageBytes: 50 }) });
    const { port } = await server.start(host, 0);
    const socket = await connect(port);
    if (isEnded) socket.end(text);
    else socket.write(text);
    await until(() => log.closes.length === 1);
    expect(log.closes[0]?.error?.errno).toBe(errno);
    if (code !== undefined) expect(log.closes[0]?.error?.code).toBe(code);
    socket.destroy();
  });

  test('each connection has bytes of its own, from its beginning to its end: ADP-001', async () => {
    const got = new Map<number, string[]>();
    let closed = 0;
    await using server = new TcpServer(
      {
        onAccept: (_s, id) => void got.set(id, []),
        onReceive: (_s, id, line) => void got.get(id)!.push(line),
        onClose: () => void closed++,
      },
      { framing: lines({ encoding: 'utf8' }), maxConnectionCount: 2 },
    );
    const { port } = await server.start(host, 0);
    const sockets = [await connect(port), await connect(port)];
    await until(() => got.size === 2);
    const [a, b] = [...got.keys()] as [number, number];
    sockets[0]!.write('first of a\nhalf ');
    sockets[1]!.write('half of b, ');
    await until(() => got.get(a)!.length === 1);
    sockets[1]!.write('the rest\n');
    await until(() => got.get(b)!.length === 1);
    sockets[0]!.resetAndDestroy();
    await until(() => closed === 1);
    // What takes the place of a connection begins with nothing of it.
    const next = await connect(port);
    next.write('of c\n');
    await until(() => got.size === 3 && [...got.values()][2]!.length === 1);
    expect([...got.values()]).toEqual([['first of a'], ['half of b, the rest'], ['of c']]);
    for (const socket of [...sockets, next]) socket.destroy();
  });

  test('a message that is not whole is waited for, and Ok, Ignore and nothing all go on: ADP-010', async () => {
    const log = new Log();
    const results = [HandleResult.Ok, HandleResult.Ignore, undefined];
    const got: string[] = [];
    await using server = new TcpServer(
      log.hooks({
        onReceive: (_s: unknown, _id: number, data: Buffer) => {
          got.push(data.toString());
          return results[got.length % 3];
        },
      }),
      { framing: fixedSize(4) },
    );
    const { port } = await server.start(host, 0);
    const socket = await connect(port);
    socket.setNoDelay(true);
    for (let i = 0; i < 6; i++) {
      socket.write('ab');
      await until(() => server.stats().bytesIn === 4 * i + 2);
      expect(got).toHaveLength(i);
      socket.write('cd');
      await until(() => got.length === i + 1);
    }
    expect(got).toEqual(Array(6).fill('abcd'));
    expect(log.closes).toEqual([]);
    socket.destroy();
  });

  test('messageTimeoutMs ends a message that does not come whole, and no connection between messages', async () => {
    const log = new Log();
    await using server = new TcpServer(log.hooks(), { framing: fixedSize(4), messageTimeoutMs: 40 });
    const { port } = await server.start(host, 0);
    const [idle, slow] = [await connect(port), await connect(port)];
    idle.write('full');
    await until(() => log.received === 'full');
    slow.write('par');
    await until(() => log.closes.length > 0);
    expect(log.closes[0]?.errorCode).toBe(Errno.ETIMEDOUT);
    expect(server.connectionCount).toBe(1);
    idle.destroy();
    slow.destroy();
  });

  test('what a decoder throws closes the connection: ADP-004', async () => {
    const log = new Log();
    await using server = new TcpServer(log.hooks(), { framing: json as never });
    const { port } = await server.start(host, 0);
    const socket = await connect(port);
    socket.write('{"value":\n');
    await until(() => log.closes.length === 1);
    expect(log.closes[0]?.error?.cause).toBeInstanceOf(SyntaxError);
    expect(log.count('onReceive')).toBe(0);
    socket.destroy();
  });

  test('a stream of a connection whose framing makes objects has its raw bytes', async () => {
    let text = '';
    await using server = new TcpServer(
      {
        onAccept(s, id) {
          s.createStream(id).on('data', (data: Buffer) => (text += data.toString()));
        },
      },
      { framing: json },
    );
    const { port } = await server.start(host, 0);
    const socket = await connect(port);
    socket.write('{"value":1}\nhalf');
    await until(() => text.length === 16);
    expect(text).toBe('{"value":1}\nhalf');
    socket.destroy();
  });

  test('is checked', () => {
    expect(() => new TcpServer({}, { framing: 'lines' as never })).toThrow(/framing must be a framing/);
    expect(() => new TcpServer({}, { framming: lines() } as never)).toThrow(/did you mean framing/);
    expect(new TcpServer({}, { framing: null }).framing).toBeNull();
  });
});
