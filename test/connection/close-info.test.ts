import net from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { Errno } from '../../src/core/errno.ts';
import {
  type CloseInfo,
  type Component,
  HandleResult,
  SocketError,
  TcpClient,
  TcpPackServer,
  TcpServer,
  UdpArqClient,
  UdpArqServer,
  UdpClient,
  UdpServer,
} from '../../src/index.ts';

const host = '127.0.0.1';
const running: Component[] = [];

afterEach(async () => {
  for (const component of running.splice(0)) await component[Symbol.asyncDispose]();
});

/** A listener that hands out how its first connection ended, with HP-Socket's two numbers. */
function closing(hooks: object = {}): { hooks: object; closed: Promise<CloseInfo> } {
  let settle: (info: CloseInfo) => void = () => {};
  const closed = new Promise<CloseInfo>((resolve) => {
    settle = resolve;
  });
  const onClose = (_sender: unknown, _connId: number, operation: number, errorCode: number, info: CloseInfo): void => {
    expect([operation, errorCode]).toEqual([info.operation, info.errorCode]);
    settle(info);
  };
  return { hooks: { ...hooks, onClose }, closed };
}

type AnyServer = TcpServer | TcpPackServer | UdpServer | UdpArqServer;
type AnyClient = TcpClient | UdpClient | UdpArqClient;

async function pair(server: AnyServer, client: AnyClient): Promise<void> {
  running.push(client, server);
  const { port } = await server.start(host, 0);
  await client.start(host, port);
}

const graceful = { code: null, error: null, errorCode: 0, droppedBytes: 0 };

describe.each([
  ['TCP', TcpServer, TcpClient],
  ['UDP', UdpServer, UdpClient],
  ['ARQ', UdpArqServer, UdpArqClient],
] as const)('onClose over %s tells', (_name, Server, Client) => {
  test('a graceful end by the peer, and by this side', async () => {
    const servers = closing();
    const clients = closing();
    const client = new (Client as typeof TcpClient)(clients.hooks);
    const server = new (Server as typeof TcpServer)(servers.hooks);
    let isOpen = (): void => {};
    const open = new Promise<void>((resolve) => {
      isOpen = resolve;
    });
    Object.assign(servers.hooks, { onReceive: () => isOpen() });
    await pair(server, client);
    client.send('hello');
    await open;
    await client.stop();
    expect(await clients.closed).toMatchObject({ ...graceful, endedBy: 'local' });
    expect(await servers.closed).toMatchObject({ ...graceful, endedBy: 'peer' });
  });

  test('a hook that threw, and one that answered Error', async () => {
    const boom = new Error('boom');
    for (const [code, onReceive] of [
      ['HP_HOOK_FAILED', () => Promise.reject(boom)],
      ['HP_HOOK_REFUSED', () => HandleResult.Error],
    ] as const) {
      const servers = closing({ onReceive, onHookError: () => {} });
      const client = new (Client as typeof TcpClient)({});
      await pair(new (Server as typeof TcpServer)(servers.hooks), client);
      client.send('hello');
      const info = await servers.closed;
      expect(info).toMatchObject({ code, endedBy: 'local' });
      expect(info.error).toBeInstanceOf(SocketError);
      expect(info.error?.code).toBe(code);
      expect(info.error?.cause).toBe(code === 'HP_HOOK_FAILED' ? boom : undefined);
    }
  });
});

test('a reset by the peer is the peer’s doing', async () => {
  const { hooks, closed } = closing();
  const server = new TcpServer(hooks);
  running.push(server);
  const { port } = await server.start(host, 0);
  const socket = net.connect(port, host, () => socket.resetAndDestroy());
  expect(await closed).toMatchObject({ code: 'ECONNRESET', endedBy: 'peer', error: { errnoName: 'ECONNRESET' } });
});

test('bytes that break the protocol, and a deadline, are this side’s doing', async () => {
  const pack = closing();
  const client = new TcpClient({});
  await pair(new TcpPackServer(pack.hooks, { packHeaderFlag: 5 }), client);
  client.send(Buffer.alloc(8, 0xff));
  expect(await pack.closed).toMatchObject({ code: 'HP_BAD_MESSAGE', endedBy: 'local' });

  const idle = closing();
  await pair(new TcpServer(idle.hooks, { idleTimeoutMs: 50 }), new TcpClient({}));
  expect(await idle.closed).toMatchObject({ code: 'ETIMEDOUT', endedBy: 'local' });
});

test('what was queued and not sent is counted', async () => {
  const { hooks, closed } = closing();
  const server = new TcpServer(hooks);
  running.push(server);
  const accepted = new Promise<number>((resolve) =>
    Object.assign(hooks, { onHandShake: (_s: unknown, id: number) => resolve(id) }),
  );
  const { port } = await server.start(host, 0);
  const socket = net.connect({ port, host });
  socket.pause();
  socket.on('error', () => {});
  const connId = await accepted;
  const chunk = Buffer.alloc(8 * 1024 * 1024);
  for (let i = 0; i < 8; i++) server.send(connId, chunk);
  server.disconnect(connId);
  const { droppedBytes, endedBy } = await closed;
  expect(droppedBytes).toBeGreaterThan(chunk.length);
  expect(endedBy).toBe('local');
  socket.destroy();
});

test('a package that the peer cut off is the peer’s doing', async () => {
  const { hooks, closed } = closing();
  const server = new TcpPackServer(hooks);
  running.push(server);
  const { port } = await server.start(host, 0);
  const socket = net.connect(port, host, () => socket.end(Buffer.from([8, 0, 0, 0, 1, 2])));
  socket.resume();
  expect(await closed).toMatchObject({ code: 'HP_MESSAGE_TRUNCATED', endedBy: 'peer', errorCode: Errno.EBADMSG });
});
