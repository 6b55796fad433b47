import { describe, expect, test } from 'vitest';
import { type ConnId, TcpPackServer, TcpServer } from '../../src/index.ts';
import { connectBare, deferred } from '../tcp/support.ts';
import { eventually } from '../udp/tools.ts';
import { closeOf, connectMute, host } from './support.ts';

// Issue: deadlines count silence and lifetime, not progress.

describe('a deadline that counts progress', () => {
  test('messageTimeoutMs: one package may not take longer, though bytes come all the time', async () => {
    const { onClose, told } = closeOf();
    const server = new TcpPackServer({ onClose }, { messageTimeoutMs: 100 } as object);
    const { port } = await server.start(host, 0);
    const peer = await connectBare(port);
    peer.write(Buffer.from('ff000000', 'hex'));
    const drip = setInterval(() => peer.write('.'), 10);
    const { code, error } = await told;
    clearInterval(drip);
    expect([code, error?.message]).toEqual([110, expect.stringContaining('messageTimeoutMs')]);
    peer.destroy();
    await server.stop();
  });

  test('messageTimeoutMs: packages that come in time may go on for ever', async () => {
    let packages = 0;
    const { onClose, told } = closeOf();
    const server = new TcpPackServer({ onReceive: () => void packages++, onClose }, {
      messageTimeoutMs: 200,
    } as object);
    const { port } = await server.start(host, 0);
    const peer = await connectBare(port);
    const drip = setInterval(() => peer.write(Buffer.from('0100000061', 'hex')), 10);
    await eventually(() => packages === 50);
    clearInterval(drip);
    peer.end();
    expect((await told).code).toBe(0);
    peer.destroy();
    await server.stop();
  });

  test('minReceiveBytesPerSecond: a peer that sends slower is closed', async () => {
    const { onClose, told } = closeOf();
    const server = new TcpServer({ onClose }, { minReceiveBytesPerSecond: 1_000_000 } as object);
    const { port } = await server.start(host, 0);
    const peer = await connectBare(port);
    const drip = setInterval(() => peer.write('.'), 10);
    const { code, error } = await told;
    clearInterval(drip);
    expect([code, error?.message]).toEqual([110, expect.stringContaining('minReceiveBytesPerSecond')]);
    peer.destroy();
    await server.stop();
  });

  test('sendTimeoutMs: a peer that takes nothing of what is pending is closed, though it speaks', async () => {
    const { onClose, told } = closeOf();
    const server = new TcpServer(
      { onHandShake: (self, connId) => void self.send(connId, Buffer.alloc(8_000_000)), onClose },
      { sendTimeoutMs: 200, idleTimeoutMs: 60_000 } as object,
    );
    const { port } = await server.start(host, 0);
    const peer = await connectMute(port);
    const heartbeats = setInterval(() => peer.write('.'), 10);
    const { code, error } = await told;
    clearInterval(heartbeats);
    expect([code, error?.message]).toEqual([110, expect.stringContaining('sendTimeoutMs')]);
    peer.destroy();
    await server.stop();
  });
});

describe('the signal of a connection', () => {
  interface WithSignal {
    connection(connId: ConnId): { signal: AbortSignal };
  }

  test('is aborted when the peer is gone while a hook is pending', async () => {
    const taken = deferred<AbortSignal>();
    const failed = deferred<AbortSignal>();
    const goOn = deferred();
    const server = new TcpServer({
      onReceive(self, connId) {
        taken.resolve((self as unknown as WithSignal).connection(connId).signal);
        return goOn.promise;
      },
      onHookError: (_self, _hook, error) => failed.reject(error),
    });
    const { port } = await server.start(host, 0);
    const peer = await connectBare(port);
    peer.write('work');
    try {
      const signal = await Promise.race([taken.promise, failed.promise]);
      expect(signal.aborted).toBe(false);
      peer.resetAndDestroy();
      await eventually(() => signal.aborted);
    } finally {
      goOn.resolve();
      peer.destroy();
      await server.stop();
    }
  });

  test('is aborted when the peer is gone while receiving is paused', async () => {
    const opened = deferred<ConnId>();
    const server = new TcpServer({
      onHandShake(self, connId) {
        self.pauseReceive(connId);
        opened.resolve(connId);
      },
    });
    const { port } = await server.start(host, 0);
    const peer = await connectBare(port);
    const connId = await opened.promise;
    try {
      const { signal } = (server as unknown as WithSignal).connection(connId);
      expect(signal.aborted).toBe(false);
      peer.resetAndDestroy();
      await eventually(() => signal.aborted);
    } finally {
      peer.destroy();
      await server.stop();
    }
  });
});
