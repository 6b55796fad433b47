import { describe, expect, test } from 'vitest';
import { TcpClient, TcpPackServer, TcpServer } from '../../src/index.ts';
import { connectBare, Journal, listenBare, readToEnd } from './support.ts';

const MUCH = 16 * 1024 * 1024;
const LONG = 60_000;

// A peer that half-closed and does not read: the connection has `closeTimeoutMs` to end. Who asks for less gets less.
describe('a connection that has long to close', () => {
  async function serverWithStuckPeer(): Promise<{ server: TcpServer; journal: Journal; peer: { destroy(): void } }> {
    const journal = new Journal();
    const server = new TcpServer(journal.record({}), { closeTimeoutMs: LONG });
    const { port } = await server.start('127.0.0.1', 0);
    const peer = await connectBare(port);
    peer.pause();
    await journal.reach('onHandShake');
    server.send(1, Buffer.alloc(MUCH));
    peer.end();
    // From here on it drains: sends are refused.
    while (server.send(1, 'x')) await new Promise((resolve) => setTimeout(resolve, 1));
    expect(server.connectionCount).toBe(1);
    return { server, journal, peer };
  }

  test('has drainTimeoutMs when the server stops', async () => {
    const { server, journal, peer } = await serverWithStuckPeer();
    const report = await server.stop({ drainTimeoutMs: 50 });
    expect(report.durationMs).toBeLessThan(LONG / 4);
    expect(report).toMatchObject({ connections: 1, forced: 1, drained: 0, failed: 0 });
    expect(report.droppedBytes).toBeGreaterThan(0);
    expect(journal.count('onClose')).toBe(1);
    expect(server.stats().limits.closing).toBe(1);
    peer.destroy();
  });

  test('has the time that disconnect grants, also none', async () => {
    for (const timeoutMs of [20, 0]) {
      const { server, journal, peer } = await serverWithStuckPeer();
      expect(server.disconnect(1, { drain: true, timeoutMs: 2 * LONG })).toBe(true); // longer changes nothing
      expect(server.disconnect(1, { drain: true, timeoutMs })).toBe(true);
      await journal.reach('onClose');
      expect(server.connectionCount).toBe(0);
      peer.destroy();
      await server.stop();
    }
  });

  test.each([Number.POSITIVE_INFINITY, 2 ** 32 - 1])(
    'has all the time that the peer needs: %s ms',
    async (timeoutMs) => {
      const journal = new Journal();
      await using server = new TcpServer(journal.record({}));
      const { port } = await server.start('127.0.0.1', 0);
      const peer = await connectBare(port);
      await journal.reach('onHandShake');
      server.send(1, Buffer.alloc(MUCH));
      const stopped = server.stop({ drainTimeoutMs: timeoutMs });
      expect((await readToEnd(peer)).length).toBe(MUCH);
      peer.end();
      expect(await stopped).toMatchObject({ connections: 1, drained: 1, droppedBytes: 0 });

      await using bare = await listenBare();
      const client = new TcpClient({});
      await client.start('127.0.0.1', bare.port);
      client.send(Buffer.alloc(MUCH));
      const clientStopped = client.stop({ drainTimeoutMs: timeoutMs });
      const accepted = await bare.accepted();
      expect((await readToEnd(accepted)).length).toBe(MUCH);
      accepted.end();
      await clientStopped;
    },
  );

  test('has drainTimeoutMs though both have ended, while a hook does not answer', async () => {
    const journal = new Journal();
    await using server = new TcpPackServer(journal.record({ onReceive: () => new Promise<void>(() => {}) }));
    const { port } = await server.start('127.0.0.1', 0);
    const peer = await connectBare(port);
    peer.write(Buffer.from('01000000610100000062', 'hex')); // two packages; the second one waits
    await journal.reach('onReceive');
    const stopped = server.stop({ drainTimeoutMs: 50 });
    await readToEnd(peer);
    peer.end();
    expect(await stopped).toMatchObject({ connections: 1, forced: 1, failed: 0 });
    expect([journal.count('onReceive'), journal.count('onClose')]).toEqual([1, 1]);
  });

  test('has drainTimeoutMs when the client stops', async () => {
    await using bare = await listenBare({ pauseOnConnect: true });
    const journal = new Journal();
    const client = new TcpClient(journal.record({}), { closeTimeoutMs: LONG });
    await client.start('127.0.0.1', bare.port);
    const peer = await bare.accepted();
    client.send(Buffer.alloc(MUCH));
    peer.end();
    while (client.send('x')) await new Promise((resolve) => setTimeout(resolve, 1));
    await client.stop({ drainTimeoutMs: 50 });
    expect(journal.count('onClose')).toBe(1);
  });
});
