import { describe, expect, test } from 'vitest';
import { type StopReport, TcpClient, TcpPackClient, TcpPackServer, TcpServer } from '../../src/index.ts';
import { deferred } from '../tcp/support.ts';
import { host } from './support.ts';

// Issue: a hook that awaits the draining stop of its own component waits until the time is up.

describe('an async onReceive that awaits stop({ drainTimeoutMs })', () => {
  test.each([
    ['TcpServer', TcpServer, TcpClient],
    ['TcpPackServer', TcpPackServer, TcpPackClient],
  ] as const)('goes on when its peer has ended: %s', async (_name, Server, Client) => {
    const stopped = deferred<StopReport>();
    const server = new (Server as typeof TcpServer)({
      async onReceive(self: InstanceType<typeof Server>) {
        stopped.resolve(await self.stop({ drainTimeoutMs: 60_000 }));
      },
    } as never);
    const { port } = await server.start(host, 0);
    // It answers the FIN by its own at once.
    const client = new (Client as typeof TcpClient)({});
    await client.start(host, port);
    client.send('stop');
    await client.wait();
    const outcome = await Promise.race([
      stopped.promise,
      new Promise<string>((resolve) => setTimeout(resolve, 1500, 'still waits')),
    ]);
    // Ends the draining where it still goes on.
    for (const connId of server.getAllConnectionIDs()) server.disconnect(connId);
    await server.wait();
    expect(outcome).toMatchObject({ connections: 1 });
  });
});
