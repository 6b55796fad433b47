import net from 'node:net';
import { describe, expect, test, vi } from 'vitest';
import { type ConnId, SendPolicy, TcpAgent, TcpClient, TcpPackServer, TcpServer } from '../../src/index.ts';
import { deferred, eventually, listenBare, readBytes } from './support.ts';

// When queued bytes are handed to the system. `onSend` reports each piece as it was handed over, on any path.

const host = '127.0.0.1';
const { Pack, Safe, Direct } = SendPolicy;

/** Lengths of the pieces in which a server handed over what `send` sent within one turn. */
async function piecesOf(
  options: object,
  length: number,
  send: (server: TcpServer, connId: ConnId) => void,
  Server: typeof TcpServer | typeof TcpPackServer = TcpServer,
): Promise<number[]> {
  const lengths: number[] = [];
  const opened = deferred<ConnId>();
  const server = new (Server as typeof TcpServer)(
    {
      onHandShake: (_self: unknown, connId: ConnId) => opened.resolve(connId),
      onSend: (_self: unknown, _connId: ConnId, data: Buffer) => void lengths.push(data.length),
    } as never,
    options,
  );
  const { port } = await server.start(host, 0);
  const peer = net.connect(port, host);
  const connId = await opened.promise;
  const read = readBytes(peer, length);
  send(server as TcpServer, connId);
  await read;
  await eventually(() => lengths.reduce((sum, each) => sum + each, 0) === length);
  peer.destroy();
  await server.stop();
  return lengths;
}

describe('SendPolicy', () => {
  const three = (server: TcpServer, connId: ConnId): void => {
    for (const text of ['a', 'bc', 'def']) server.send(connId, text);
  };

  test('Pack, the default: what is sent in one turn leaves together: CS-027, OPT-009', async () => {
    expect(await piecesOf({}, 6, three)).toEqual([6]);
    expect(await piecesOf({ sendPolicy: Pack }, 6, three)).toEqual([6]);
  });

  test('Safe gathers as Pack does: CS-027', async () => {
    expect(await piecesOf({ sendPolicy: Safe }, 6, three)).toEqual([6]);
  });

  test('Direct: the first send leaves at once, not with the next: CS-027, OPT-009', async () => {
    const lengths = await piecesOf({ sendPolicy: Direct }, 6, three);
    expect(lengths[0]).toBe(1);
  });

  test('Direct: also of packages', async () => {
    const lengths = await piecesOf({ sendPolicy: Direct }, 18, three, TcpPackServer);
    expect(lengths[0]).toBe(5);
    expect(await piecesOf({}, 18, three, TcpPackServer)).toEqual([18]);
  });

  test.each([
    ['TcpAgent', Pack, 2],
    ['TcpAgent', Direct, 1],
    ['TcpClient', Pack, 2],
    ['TcpClient', Direct, 1],
  ] as const)('of a %s, policy %i: the first piece has %i bytes', async (name, sendPolicy, first) => {
    await using server = await listenBare();
    const lengths: number[] = [];
    const onSend = (_self: unknown, _connId: ConnId, data: Buffer): void => void lengths.push(data.length);
    const agent = new TcpAgent({ onSend }, { sendPolicy });
    const client = new TcpClient({ onSend }, { sendPolicy });
    let send: (text: string) => boolean;
    if (name === 'TcpAgent') {
      await agent.start();
      const connId = await agent.connect(host, server.port);
      send = (text) => agent.send(connId, text);
    } else {
      await client.start(host, server.port);
      send = (text) => client.send(text);
    }
    const read = readBytes(await server.accepted(), 2);
    send('a');
    send('b');
    await read;
    await eventually(() => lengths.length > 0);
    expect(lengths[0]).toBe(first);
    for (const each of [client, agent]) {
      if (each.hasStarted) await each.stop();
      await each.wait();
    }
  });

  test('Safe hands over at most highWaterMarkBytes at once, Pack does not mind', async () => {
    const options = { highWaterMarkBytes: 10_000, lowWaterMarkBytes: 1000 };
    const large = (server: TcpServer, connId: ConnId): void => void server.send(connId, Buffer.alloc(95_000));
    const safe = await piecesOf({ ...options, sendPolicy: Safe }, 95_000, large);
    expect(Math.max(...safe)).toBe(10_000);
    expect(safe).toHaveLength(10);
    expect(await piecesOf({ ...options, sendPolicy: Pack }, 95_000, large)).toEqual([95_000]);
  });
});

test('what is gathered leaves when it is 256 KiB, before the turn ends', async () => {
  const opened = deferred<ConnId>();
  const server = new TcpServer({ onHandShake: (_self, connId) => opened.resolve(connId) });
  const { port } = await server.start(host, 0);
  const peer = net.connect(port, host);
  const connId = await opened.promise;
  // The documented path writes to the socket; the fast one has less pending at once.
  const write = vi.spyOn(net.Socket.prototype, 'write');
  const piece = Buffer.alloc(64 * 1024);
  let sentBytes = 0;
  const hasLeft = (): boolean => write.mock.calls.length > 0 || server.getPendingDataLength(connId)! < sentBytes;
  const left: boolean[] = [];
  try {
    for (let i = 1; i <= 4; i++) {
      const part = i === 4 ? piece.subarray(1) : piece;
      server.send(connId, part);
      sentBytes += part.length;
      left.push(hasLeft());
    }
    server.send(connId, 'x');
    sentBytes++;
    left.push(hasLeft());
  } finally {
    write.mockRestore();
  }
  expect(left).toEqual([false, false, false, false, true]);
  await readBytes(peer, sentBytes);
  peer.destroy();
  await server.stop();
});
