import { describe, expect, test } from 'vitest';
import { SendPolicy, TcpAgent, TcpClient, TcpServer } from '../../src/index.ts';
import { connectBare, deferred, listenBare } from '../tcp/support.ts';
import { host } from './support.ts';

// Issue: when a write of ours fails, what the peer said before it went is not read any more.

// Where documented I/O is used, Node destroys a socket whose write failed, and there is nothing left to read.
describe.skipIf(process.env.HP_SOCKET_FAST_PATH === 'off')('what a peer said before it reset the connection', () => {
  test.each([
    ['TcpClient', SendPolicy.Pack],
    ['TcpClient', SendPolicy.Direct],
    ['TcpAgent', SendPolicy.Pack],
  ] as const)('is delivered by a %s whose write fails (policy %i)', async (name, sendPolicy) => {
    await using server = await listenBare();
    const events: string[] = [];
    const closed = deferred();
    const hooks = {
      onReceive: (_sender: unknown, _connId: number, data: Buffer) => void events.push(`got ${data}`),
      onClose: () => {
        events.push('closed');
        closed.resolve();
      },
    };
    const client = new TcpClient(hooks, { sendPolicy });
    const agent = new TcpAgent(hooks, { sendPolicy });
    let connId = 0;
    if (name === 'TcpClient') await client.start(host, server.port);
    else {
      await agent.start();
      connId = await agent.connect(host, server.port);
    }
    const peer = await server.accepted();
    // All in one turn, so that the write finds the reset before anything is read.
    peer.write('ERR 42');
    peer.resetAndDestroy();
    if (name === 'TcpClient') client.send('one more');
    else agent.send(connId, 'one more');
    await closed.promise;
    for (const each of [client, agent]) {
      if (each.hasStarted) await each.stop();
      await each.wait();
    }
    expect(events).toEqual(['got ERR 42', 'closed']);
  });

  test('is delivered by a TcpServer whose write fails', async () => {
    const events: string[] = [];
    const opened = deferred();
    const closed = deferred();
    const server = new TcpServer({
      onHandShake: () => opened.resolve(),
      onReceive: (_sender, _connId, data) => void events.push(`got ${data}`),
      onClose() {
        events.push('closed');
        closed.resolve();
      },
    });
    const { port } = await server.start(host, 0);
    const peer = await connectBare(port);
    await opened.promise;
    peer.write('ERR 42');
    peer.resetAndDestroy();
    server.send(1, 'one more');
    await closed.promise;
    await server.stop();
    expect(events).toEqual(['got ERR 42', 'closed']);
  });
});
