import { expect, test } from 'vitest';
import { TcpServer } from '../../src/index.ts';
import { connectBare, deferred } from './support.ts';

test('a peer that reads on and on is drained patiently, but not beyond connectionTimeoutMs', async () => {
  const answer = Buffer.alloc(1_000_000);
  const closed = deferred<unknown[]>();
  const server = new TcpServer(
    {
      onEnd(self, connId) {
        for (let i = 0; i < 64; i++) self.send(connId, answer);
      },
      onClose: (_self, _connId, operation, code) => closed.resolve([operation, code]),
    },
    { closeTimeoutMs: 2000, connectionTimeoutMs: 2500 },
  );
  const { port } = await server.start('127.0.0.1', 0);
  const peer = await connectBare(port);
  let gotBytes = 0;
  // Slow enough not to be through by then, and never still for `closeTimeoutMs`.
  peer.on('data', (chunk: Buffer) => {
    gotBytes += chunk.length;
    peer.pause();
    setTimeout(() => peer.resume(), 5);
  });
  peer.end('question');
  await closed.promise;
  expect(server.stats().limits.closing).toBe(1);
  expect(gotBytes).toBeLessThan(64_000_000);
  peer.destroy();
  await server.stop();
});
