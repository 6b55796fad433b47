import { once } from 'node:events';
import { afterAll, describe, expect, test } from 'vitest';
import { PortForwarder, ServiceState, SocketErrorCode, SslAgent, SslServer } from '../../src/index.ts';
import { connectBare, eventually, listenBare, readToEnd, rejection } from '../tcp/support.ts';
import { certificate, endOf, host, listenFar, openLine, removeSockets, startForwarder } from './support.ts';

afterAll(removeSockets);

const nowhere = { host, port: 9 };

describe('a forwarder', () => {
  test('has HP-Socket.Net’s properties under the names that they have here [FWD-001]', async () => {
    const { cert, key } = await certificate();
    const forwarder = new PortForwarder(
      {},
      {
        target: { host, port: 5432 },
        connectTimeoutMs: 5000,
        server: { maxConnectionCount: 7 },
        agent: { noDelay: false },
      },
    );
    expect(forwarder).toMatchObject({ target: { host, port: 5432 }, connectTimeoutMs: 5000, lastError: 0 });
    expect(forwarder.server.maxConnectionCount).toBe(7);
    expect(forwarder.agent.maxConnectionCount).toBe(7);
    expect(forwarder.agent.noDelay).toBe(false);
    const secure = new PortForwarder({}, { target: nowhere, server: { ssl: { cert, key } }, agent: { ssl: {} } });
    expect(secure.server).toBeInstanceOf(SslServer);
    expect(secure.agent).toBeInstanceOf(SslAgent);
    await secure[Symbol.asyncDispose]();
  });

  test('names what it is given wrongly', () => {
    const make =
      (options: object, hooks: object = {}) =>
      () =>
        new PortForwarder(hooks, options as never);
    expect(make({ tarket: nowhere })).toThrow('unknown option "tarket" of PortForwarder; did you mean target?');
    expect(make({ target: { host } })).toThrow('port must be a whole number, 1 to 65535, not undefined');
    expect(make({ target: { hostname: host, port: 1 } })).toThrow(
      'unknown option "hostname" of target; it is called host here',
    );
    expect(make({ target: [] })).toThrow('target must name one target at least');
    expect(make({ target: 'localhost:1' })).toThrow('target must be a target such as');
    expect(make({ server: null })).toThrow('server must be an object of options, not null');
    expect(make({ server: { maxConections: 1 } })).toThrow('unknown option "maxConections" of TcpServer');
    expect(make({ agent: { ssl: {}, cert: '' } })).toThrow('unknown option "cert" of SslAgent');
    expect(make({ connectTimeoutMs: 0 })).toThrow('connectTimeoutMs must be a whole number, 1 to 2147483647, not 0');
    expect(make({}, { onReceive() {} })).toThrow('unknown hook "onReceive"; hooks are onServerAccept, onTarget');
    expect(make({}, { onTarget: 1 })).toThrow('the hook onTarget must be a function, not 1');
    expect(make({}, null as never)).toThrow('the listener must be an object with hooks such as onServerAccept');
  });

  test('refuses options of start that it does not know, and takes a server’s', async () => {
    await using forwarder = new PortForwarder({}, { target: nowhere });
    await expect(forwarder.start({ hostname: host } as never)).rejects.toThrow('it is called host here');
    expect(forwarder.state).toBe(ServiceState.Stopped);
    expect(await forwarder.start({ host, port: 0, backlog: 5, localAddress: host })).toMatchObject({ address: host });
    expect(() => {
      forwarder.target = null;
    }).toThrow('can only be set while the component is stopped');
  });

  test('starts the agent, then the server; one that cannot listen stops the agent [FWD-003]', async () => {
    await using taken = await listenBare();
    const events: string[] = [];
    await using forwarder = new PortForwarder({ onShutdown: () => void events.push('shutdown') }, { target: nowhere });
    const error = await rejection(forwarder.start(host, taken.port));
    expect(error).toMatchObject({ socketError: SocketErrorCode.SocketBind, code: 'EADDRINUSE' });
    expect(forwarder.lastFailure).toBe(error);
    expect([forwarder.state, forwarder.agent.state, forwarder.server.state]).toEqual([3, 3, 3]);
    expect(events).toEqual(['shutdown']);
    await forwarder.start(host, 0);
    expect((await rejection(forwarder.start(host, 0))).socketError).toBe(SocketErrorCode.IllegalState);
  });

  test('does not start from an address that is not this machine’s [FWD-001]', async () => {
    await using forwarder = new PortForwarder({}, { target: nowhere });
    const error = await rejection(forwarder.start({ host, localAddress: '192.0.2.1' }));
    expect(error.socketError).toBe(SocketErrorCode.SocketBind);
    expect(forwarder.state).toBe(ServiceState.Stopped);
  });

  test('is stopped by its signal, and not started by one that is aborted', async () => {
    const forwarder = new PortForwarder({}, { target: nowhere });
    const control = new AbortController();
    await forwarder.start({ host, signal: control.signal });
    control.abort();
    expect(await forwarder.wait(5000)).toBe(true);
    expect((await rejection(forwarder.start({ host, signal: control.signal }))).code).toBe('HP_ABORTED');
    const early = new AbortController();
    const started = forwarder.start({ host, localAddress: host, signal: early.signal });
    early.abort();
    expect((await rejection(started)).code).toBe('HP_ABORTED');
    expect(forwarder.state).toBe(ServiceState.Stopped);
  });

  test('that is stopped while it starts says so, and starts again', async () => {
    await using forwarder = new PortForwarder({}, { target: nowhere });
    const started = forwarder.start({ host, localAddress: host });
    await forwarder.stop();
    expect((await rejection(started)).code).toBe('HP_ABORTED');
    await forwarder.start(host, 0);
  });

  test('finds pairs by either ID, and keeps data of theirs [FWD-008]', async () => {
    await using far = await listenFar();
    const seen: unknown[] = [];
    await using running = await startForwarder<{ user: string }>(
      'tcp',
      'tcp',
      { target: far.target },
      { onServerClose: (_f, pair) => void seen.push(pair.extra) },
    );
    const client = await running.connect();
    await eventually(() => running.forwarder.stats().connected === 1);
    const { forwarder } = running;
    const pair = forwarder.pair(1)!;
    pair.extra = { user: 'ann' };
    expect(forwarder.pairOfAgent(pair.agent!.id)).toBe(pair);
    expect(forwarder.pairs()).toEqual([pair]);
    expect(forwarder.pair(99)).toBe(null);
    expect(forwarder.pairOfAgent(99)).toBe(null);
    expect(pair.server.remoteAddress).toEqual({ address: host, port: client.localPort });
    client.destroy();
    (await far.accepted()).end();
    await eventually(() => seen.length === 1);
    expect(seen).toEqual([{ user: 'ann' }]);
  });

  test('turns clients away by the limits of its server', async () => {
    await using far = await listenFar();
    await using running = await startForwarder('tcp', 'tcp', {
      target: far.target,
      server: { maxConnectionCount: 2 },
    });
    await running.connect();
    await running.connect();
    await far.accepted(1);
    await running.turnedAway();
    expect(running.forwarder.stats().server.limits.connections).toBe(1);
    expect(running.forwarder.pairCount).toBe(2);
  });

  test('breaks pairs off in which nothing moves either way for idleTimeoutMs', async () => {
    await using line = await openLine('tcp', 'tcp', { idleTimeoutMs: 80 });
    // One direction is enough.
    for (let i = 0; i < 12; i++) {
      line.client.write('.');
      await new Promise((resolve) => setTimeout(resolve, 15));
    }
    expect(line.forwarder.pairCount).toBe(1);
    await Promise.all([endOf(line.client), endOf(line.far)]);
    await eventually(() => line.forwarder.pairCount === 0);
    expect(line.forwarder.stats().broken).toBe(1);
  });
});

describe('stop', () => {
  test('breaks everything off, and a stream that lacks its end does not look whole [FWD-003]', async () => {
    const events: string[] = [];
    await using line = await openLine(
      'tcp',
      'tcp',
      {},
      {
        onServerClose: () => void events.push('server close'),
        onAgentClose: () => void events.push('agent close'),
        onShutdown: () => void events.push('shutdown'),
      },
    );
    await eventually(() => line.forwarder.stats().connected === 1);
    const ends = Promise.all([endOf(line.client), endOf(line.far)]);
    const report = await line.forwarder.stop();
    expect(report).toMatchObject({ connections: 1, forced: 1, drained: 0, failed: 0 });
    expect(await ends).toEqual(['ECONNRESET', 'ECONNRESET']);
    expect(events.sort()).toEqual(['agent close', 'server close', 'shutdown']);
    expect((await rejection(line.forwarder.stop())).socketError).toBe(SocketErrorCode.IllegalState);
  });

  test('that drains takes no more, and lets pairs come to their end', async () => {
    await using line = await openLine('tcp', 'tcp');
    await eventually(() => line.forwarder.stats().connected === 1);
    const { port } = line.forwarder.getListenAddress()!;
    const stopped = line.forwarder.stop({ drainTimeoutMs: 10_000 });
    await expect(connectBare(port)).rejects.toThrow('ECONNREFUSED');
    const asked = readToEnd(line.far);
    line.client.write('still ');
    await once(line.far, 'data');
    line.client.end('here');
    expect(String(await asked)).toBe('still here');
    const answer = readToEnd(line.client);
    line.far.end('and gone');
    expect(String(await answer)).toBe('and gone');
    expect(await stopped).toMatchObject({ connections: 1, drained: 1, forced: 0, failed: 0, droppedBytes: 0 });
    expect(line.forwarder.state).toBe(ServiceState.Stopped);
  });

  test('that drains counts the clients that are reset, and breaks off those that are left', async () => {
    await using far = await listenFar();
    await using running = await startForwarder('tcp', 'tcp', { target: far.target });
    const clients = [await running.connect(), await running.connect()];
    await eventually(() => running.forwarder.stats().connected === 2);
    const control = new AbortController();
    const stopped = running.forwarder.stop({ drainTimeoutMs: 60_000, signal: control.signal });
    clients[0]!.resetAndDestroy();
    await eventually(() => running.forwarder.pairCount === 1);
    control.abort();
    expect(await stopped).toMatchObject({ connections: 2, drained: 0, failed: 1, forced: 1 });
  });

  test('breaks all off, though a hook about one breaks off the others meanwhile', async () => {
    await using far = await listenFar();
    await using running = await startForwarder(
      'tcp',
      'tcp',
      { target: far.target },
      { onServerClose: (forwarder) => forwarder.pairs().forEach((other) => void other.server.reset()) },
    );
    const clients = [
      await running.connect(),
      await running.connect(),
      await running.connect(),
      await running.connect(),
    ];
    const ends = Promise.all(clients.map(endOf));
    await eventually(() => running.forwarder.stats().connected === 4);
    const { connections, forced, failed, drained } = await running.forwarder.stop();
    expect([connections, drained]).toEqual([4, 0]);
    expect(forced + failed).toBeLessThanOrEqual(4);
    expect(await ends).toEqual(['ECONNRESET', 'ECONNRESET', 'ECONNRESET', 'ECONNRESET']);
    expect(running.forwarder.pairCount).toBe(0);
  });

  test('does not wait for a target that is not there, nor for a hook that never answers', async () => {
    await using running = await startForwarder('tcp', 'tcp', {}, { onTarget: () => new Promise(() => {}) });
    const end = endOf(await running.connect());
    await eventually(() => running.forwarder.pairCount === 1);
    expect(await running.forwarder.stop()).toMatchObject({ connections: 1, forced: 1 });
    expect(await end).toBe('ECONNRESET');
  });
});

describe('1,000 pairs', () => {
  test('churned leave nothing behind', async () => {
    const far = await listenBare();
    far.server.on('connection', (socket) => socket.pipe(socket));
    await using running = await startForwarder('tcp', 'tcp', { target: { host, port: far.port } });
    const { forwarder } = running;
    let answered = 0;
    const one = async (index: number): Promise<void> => {
      const client = await connectBare(forwarder.getListenAddress()!.port);
      const text = `number ${index}`;
      client.write(text);
      if (index % 5 === 4) return void client.resetAndDestroy();
      if (index % 5 === 3) {
        await once(client, 'data');
        answered++;
        return void client.destroy();
      }
      const answer = readToEnd(client);
      client.end();
      if (String(await answer) === text) answered++;
    };
    for (let from = 0; from < 1000; from += 50) {
      await Promise.all(Array.from({ length: 50 }, (_, i) => one(from + i)));
    }
    await eventually(() => forwarder.pairCount === 0);
    expect(answered).toBe(800);
    const stats = forwarder.stats();
    expect(stats.accepted).toBe(stats.server.opened);
    expect(stats.server.connections + stats.agent.connections).toBe(0);
    expect(stats.server.pendingBytes + stats.agent.pendingBytes).toBe(0);
    expect(stats.connected + stats.unserved).toBeLessThanOrEqual(1000);
    expect(await forwarder.stop()).toMatchObject({ connections: 0 });
    await far[Symbol.asyncDispose]();
  });
});
