import { randomBytes } from 'node:crypto';
import type net from 'node:net';
import { describe, expect, test } from 'vitest';
import { TcpAgent, TcpClient, TcpPackClient, TcpPackServer, TcpServer } from '../../src/index.ts';
import { connectBare, deferred, listenBare } from '../tcp/support.ts';
import { closeOf, connectMute, endSeenBy, host } from './support.ts';

// Issue: a TCP stream that was cut off looks complete to the peer, and nobody is told of what was dropped.

const piece = randomBytes(1_000_000);
const pieces = 20;

/** Queues 20 MB, most of which no system takes. */
function fill(send: (bytes: Buffer) => boolean): void {
  for (let i = 0; i < pieces; i++) send(piece);
}

/** A server that sends 20 MB to a peer that reads nothing, and how the connection is to be cut. */
async function cutOff(
  options: object,
  cut: (server: TcpServer, peer: net.Socket) => unknown,
  hooks: object = {},
): Promise<{ seen: string; droppedBytes: number | undefined }> {
  const { onClose, told } = closeOf();
  const filled = deferred();
  const server = new TcpServer(
    {
      onHandShake(self, connId) {
        fill((bytes) => self.send(connId, bytes));
        filled.resolve();
      },
      onClose,
      ...hooks,
    },
    options,
  );
  const { port } = await server.start(host, 0);
  const peer = await connectMute(port);
  await filled.promise;
  while ((server.getConnectionStats(1)?.bytesOut ?? 1) === 0) await new Promise((resolve) => setImmediate(resolve));
  const pending = cut(server, peer);
  const { droppedBytes } = await told;
  const seen = await endSeenBy(peer);
  await pending;
  if (server.hasStarted) await server.stop();
  await server.wait();
  return { seen, droppedBytes };
}

/** What a bare peer sees of a reset behind bytes. Node 20 takes it for a FIN when it reads late. */
const seenOfReset = await (async () => {
  await using server = await listenBare();
  const peer = await connectMute(server.port);
  const accepted = await server.accepted();
  accepted.on('error', () => {});
  accepted.write(Buffer.alloc(20_000_000));
  await new Promise((resolve) => setImmediate(resolve));
  accepted.resetAndDestroy();
  Object.assign(accepted, { resetAndClosing: true }).destroy();
  return endSeenBy(peer);
})();

const reset = { seen: seenOfReset, droppedBytes: expect.any(Number) };

describe('a peer of a TcpServer that did not read all', () => {
  test('sees a reset after disconnect, and onClose tells how many bytes were dropped', async () => {
    const result = await cutOff({}, (server) => server.disconnect(1));
    expect(result).toEqual(reset);
    expect(result.droppedBytes).toBeGreaterThan(1_000_000);
  });

  test('sees a reset after connectionTimeoutMs', async () => {
    expect(await cutOff({ connectionTimeoutMs: 100 }, () => {})).toEqual(reset);
  });

  test('sees a reset after a hook that threw', async () => {
    const hooks = {
      onReceive() {
        throw new Error('the hook failed');
      },
      onHookError() {},
    };
    expect(await cutOff({}, (_server, peer) => peer.write('go'), hooks)).toEqual(reset);
  });

  test("sees a reset after pendingPolicy 'close'", async () => {
    const options = { maxPendingBytes: 21_000_000, pendingPolicy: 'close' };
    expect(await cutOff(options, (server) => fill((bytes) => server.send(1, bytes)))).toEqual(reset);
  });

  test('sees a reset after stop', async () => {
    expect(await cutOff({}, (server) => server.stop())).toEqual(reset);
  });

  test('sees a reset after a drain that ran out of time', async () => {
    expect(await cutOff({}, (server) => server.stop({ drainTimeoutMs: 50 }))).toEqual(reset);
  });

  test('sees a reset after a disconnect that drains and ran out of time', async () => {
    expect(await cutOff({}, (server) => server.disconnect(1, { drain: true, timeoutMs: 50 }))).toEqual(reset);
  });

  test('sees a FIN when nothing was dropped', async () => {
    const { onClose, told } = closeOf();
    const server = new TcpServer({
      onHandShake(self, connId) {
        self.send(connId, 'all of it');
        self.disconnect(connId, { drain: true });
      },
      onClose,
    });
    const { port } = await server.start(host, 0);
    const peer = await connectBare(port);
    expect(await endSeenBy(peer)).toBe('FIN');
    expect((await told).droppedBytes ?? 0).toBe(0);
    await server.stop();
  });
});

describe('a server that did not read all', () => {
  test('sees a reset after a client stopped', async () => {
    await using server = await listenBare({ pauseOnConnect: true });
    const { onClose, told } = closeOf();
    const client = new TcpClient({ onClose });
    await client.start(host, server.port);
    fill((bytes) => client.send(bytes));
    const accepted = await server.accepted();
    await client.stop();
    expect({ seen: await endSeenBy(accepted), droppedBytes: (await told).droppedBytes }).toEqual(reset);
  });

  test('sees a reset after an agent disconnected', async () => {
    await using server = await listenBare({ pauseOnConnect: true });
    const { onClose, told } = closeOf();
    const agent = new TcpAgent({ onClose });
    await agent.start();
    const connId = await agent.connect(host, server.port);
    fill((bytes) => agent.send(connId, bytes));
    const accepted = await server.accepted();
    agent.disconnect(connId);
    expect({ seen: await endSeenBy(accepted), droppedBytes: (await told).droppedBytes }).toEqual(reset);
    await agent.stop();
  });
});

describe('a package that the FIN of the peer cut off', () => {
  test.each([
    ['within its body', Buffer.from('0500000061', 'hex')],
    ['within its header', Buffer.from('0500', 'hex')],
    ['behind a whole one', Buffer.from('01000000610500000061', 'hex')],
  ])('is told as a truncation by a server: %s', async (_where, bytes) => {
    const { onClose, told } = closeOf();
    const server = new TcpPackServer({ onClose });
    const { port } = await server.start(host, 0);
    const peer = await connectBare(port);
    peer.end(bytes);
    const { code, error } = await told;
    expect(code).not.toBe(0);
    expect(error).toBeInstanceOf(Error);
    peer.destroy();
    await server.stop();
  });

  test('is a truncation in onClose of a client', async () => {
    await using server = await listenBare();
    const { onClose, told } = closeOf();
    const client = new TcpPackClient({ onClose });
    await client.start(host, server.port);
    (await server.accepted()).end(Buffer.from('0500000061', 'hex'));
    const { code, error } = await told;
    expect(code).not.toBe(0);
    expect(error).toBeInstanceOf(Error);
    await client.wait();
  });

  test('is none when the last one is whole', async () => {
    const { onClose, told } = closeOf();
    const server = new TcpPackServer({ onClose });
    const { port } = await server.start(host, 0);
    const peer = await connectBare(port);
    peer.end(Buffer.from('0100000061', 'hex'));
    expect(await told).toMatchObject({ code: 0, error: undefined });
    peer.destroy();
    await server.stop();
  });
});
