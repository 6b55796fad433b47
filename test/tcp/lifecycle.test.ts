import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import net from 'node:net';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import {
  HandleResult,
  ServiceState,
  SocketError,
  SocketErrorCode,
  SocketOperation,
  TcpAgent,
  TcpClient,
  TcpPackClient,
  TcpPackServer,
  TcpServer,
} from '../../src/index.ts';
import {
  type BareServer,
  Counter,
  connectBare,
  deferred,
  Journal,
  listenBare,
  readBytes,
  readToEnd,
  rejection,
} from './support.ts';

const folder = mkdtempSync(join(tmpdir(), 'hp-socket-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** An `onPrepareConnect` whose socket never connects, so that there is time to do something meanwhile. */
function neverConnects(_sender: unknown, _connId: number, socket: net.Socket): void {
  socket.connect = () => socket;
}

describe('states', () => {
  test('ST-001 ST-003 ST-006 ST-007: inside the hooks of a server', async () => {
    const journal = new Journal();
    const server = new TcpServer(journal.record({}));
    expect(server.state).toBe(ServiceState.Stopped);
    const { port } = await server.start('127.0.0.1', 0);
    expect(server.state).toBe(ServiceState.Started);
    const peer = await connectBare(port);
    peer.write('x');
    await journal.reach('onReceive');
    const stopped = server.stop();
    expect(server.state).toBe(ServiceState.Stopping);
    await stopped;
    expect(server.state).toBe(ServiceState.Stopped);
    expect(Object.fromEntries(journal.states)).toEqual({
      onPrepareListen: new Set([ServiceState.Starting]),
      onAccept: new Set([ServiceState.Started]),
      onHandShake: new Set([ServiceState.Started]),
      onReceive: new Set([ServiceState.Started]),
      onClose: new Set([ServiceState.Stopping]),
      onShutdown: new Set([ServiceState.Stopping]),
    });
    peer.destroy();
  });

  test('ST-001 ST-004 ST-006 ST-007: inside the hooks of a client, whose peer ends it', async () => {
    await using bare = await listenBare();
    const journal = new Journal();
    const client = new TcpClient(journal.record({}));
    await client.start('127.0.0.1', bare.port);
    const peer = await bare.accepted();
    peer.end('x');
    await client.wait();
    expect(client.state).toBe(ServiceState.Stopped);
    expect(Object.fromEntries(journal.states)).toEqual({
      onPrepareConnect: new Set([ServiceState.Starting]),
      onConnect: new Set([ServiceState.Started]),
      onHandShake: new Set([ServiceState.Started]),
      onReceive: new Set([ServiceState.Started]),
      onClose: new Set([ServiceState.Stopping]),
    });
  });

  test('ST-009: start while Starting, Started and Stopping changes nothing', async () => {
    const release = deferred();
    const journal = new Journal();
    await using server = new TcpServer(journal.record({ onPrepareListen: () => release.promise }));
    const expectRefused = async (): Promise<void> => {
      const before = server.state;
      const error = await rejection(server.start('127.0.0.1', 0));
      expect(error).toBeInstanceOf(SocketError);
      expect([error.socketError, error.errnoName]).toEqual([SocketErrorCode.IllegalState, 'EPERM']);
      expect(error.message).toMatch(/await stop\(\) or wait\(\) first/);
      expect(server.state).toBe(before);
    };
    const started = server.start('127.0.0.1', 0);
    await expectRefused();
    release.resolve();
    await started;
    await expectRefused();
    const stopped = server.stop();
    await expectRefused();
    await stopped;
    expect(journal.names()).toEqual(['onPrepareListen', 'onShutdown']);
  });

  test('ST-008: stop while Stopping and Stopped is refused, for every kind of component', async () => {
    await using bare = await listenBare();
    await using server = new TcpServer({});
    await using agent = new TcpAgent({});
    await using client = new TcpClient({});
    await server.start('127.0.0.1', 0);
    await agent.start();
    await client.start('127.0.0.1', bare.port);
    for (const component of [server, agent, client]) {
      const stopped = component.stop();
      const second = await rejection(component.stop());
      expect([second.socketError, second.errnoName]).toEqual([SocketErrorCode.IllegalState, 'EPERM']);
      await stopped;
      const third = await rejection(component.stop());
      expect([third.socketError, third.errnoName]).toEqual([SocketErrorCode.IllegalState, 'EPERM']);
      expect(third.message).toMatch(/while the component is stopped/);
      expect(component.state).toBe(ServiceState.Stopped);
    }
  });
});

describe('stop during start', () => {
  test('ORD-009 EXO-003: a server that listens meanwhile lets go of its port, and starts again on it', async () => {
    const journal = new Journal();
    await using server = new TcpServer(journal.record({}));
    const { port } = await server.start('127.0.0.1', 0);
    await server.stop();
    for (let run = 1; run <= 20; run++) {
      const failed = rejection(server.start('127.0.0.1', port));
      // Each time a little later in the start.
      for (let turn = 0; turn < run; turn++) await undefined;
      if (run > 10) await new Promise<void>((resolve) => process.nextTick(resolve));
      if (!server.hasStarted) throw new Error('it stopped by itself');
      const isDone = server.state === ServiceState.Started;
      await server.stop();
      expect(server.state).toBe(ServiceState.Stopped);
      if (!isDone) expect((await failed).errnoName).toBe('ECANCELED');
      await server.start('127.0.0.1', port);
      await server.stop();
      if (isDone) break;
    }
    expect(journal.count('onShutdown')).toBe(journal.count('onPrepareListen'));
  });

  test('an async onPrepareListen that answers after stop is ignored, even when the server started again', async () => {
    const first = deferred<HandleResult>();
    let isFirst = true;
    const journal = new Journal();
    await using server = new TcpServer(
      journal.record({
        onPrepareListen() {
          if (!isFirst) return undefined;
          isFirst = false;
          return first.promise;
        },
      }),
    );
    const failed = rejection(server.start('127.0.0.1', 0));
    await server.stop();
    const { port } = await server.start('127.0.0.1', 0);
    first.resolve(HandleResult.Ok);
    expect((await failed).errnoName).toBe('ECANCELED');
    expect(server.state).toBe(ServiceState.Started);
    const peer = await connectBare(port);
    await journal.reach('onHandShake');
    peer.destroy();
  });

  test('NOC-005: a client that connects rejects with ECANCELED, without onClose', async () => {
    const journal = new Journal();
    await using client = new TcpClient(journal.record({ onPrepareConnect: neverConnects }));
    const failed = rejection(client.start('127.0.0.1', 1));
    await journal.reach('onPrepareConnect');
    await client.stop();
    expect((await failed).errnoName).toBe('ECANCELED');
    expect(journal.names()).toEqual(['onPrepareConnect']);
    expect(client.state).toBe(ServiceState.Stopped);
  });

  test.each(['Ok', 'Error', 'throw'] as const)(
    'a client in an async onPrepareConnect that ends with %s',
    async (end) => {
      const hook = deferred<HandleResult>();
      const journal = new Journal();
      const client = new TcpClient(journal.record({ onPrepareConnect: () => hook.promise, onHookError: () => {} }));
      const failed = rejection(client.start('127.0.0.1', 1));
      await journal.reach('onPrepareConnect');
      await client.stop();
      expect(client.state).toBe(ServiceState.Stopped);
      if (end === 'throw') hook.reject(new Error('too late'));
      else hook.resolve(HandleResult[end]);
      expect((await failed).errnoName).toBe('ECANCELED');
      expect(journal.names('onHookError')).toEqual(['onPrepareConnect']);
    },
  );

  test('an agent whose connection is in an async onPrepareConnect', async () => {
    const hook = deferred<HandleResult>();
    const journal = new Journal();
    const agent = new TcpAgent(journal.record({ onPrepareConnect: () => hook.promise }));
    await agent.start();
    const failed = rejection(agent.connect('127.0.0.1', 1));
    await journal.reach('onPrepareConnect');
    await agent.stop();
    hook.resolve(HandleResult.Ok);
    expect((await failed).errnoName).toBe('ECANCELED');
    expect(journal.names()).toEqual(['onPrepareConnect', 'onShutdown']);
  });

  test('ORD-022 ORD-025: an agent that connects rejects with ECANCELED, without onClose, then onShutdown', async () => {
    const journal = new Journal();
    await using agent = new TcpAgent(journal.record({ onPrepareConnect: neverConnects }));
    await agent.start();
    const failed = rejection(agent.connect('127.0.0.1', 1));
    await journal.reach('onPrepareConnect');
    await agent.stop();
    expect((await failed).errnoName).toBe('ECANCELED');
    expect(journal.names()).toEqual(['onPrepareConnect', 'onShutdown']);
  });

  test('a server stopped while an async onAccept is pending gives that connection up', async () => {
    const hook = deferred();
    const journal = new Journal();
    await using server = new TcpServer(journal.record({ onAccept: () => hook.promise }));
    const { port } = await server.start('127.0.0.1', 0);
    const peer = await connectBare(port);
    await journal.reach('onAccept');
    await server.stop();
    hook.resolve();
    await hook.promise;
    expect(journal.names()).toEqual(['onPrepareListen', 'onAccept', 'onShutdown']);
    expect(server.connectionCount).toBe(0);
    peer.destroy();
  });
});

describe('asynchronous connect', () => {
  test('ORD-016: an agent resolves, then onConnect and onHandShake come', async () => {
    await using bare = await listenBare();
    const journal = new Journal();
    await using agent = new TcpAgent(journal.record({}));
    await agent.start(null, true);
    const connId = await agent.connect('127.0.0.1', bare.port);
    journal.events.push('resolved');
    expect(agent.isConnected(connId)).toBe(false);
    expect(agent.send(connId, 'too early')).toBe(false);
    expect(agent.lastFailure?.errnoName).toBe('EPERM');
    await journal.reach('onHandShake');
    expect(agent.isConnected(connId)).toBe(true);
    agent.disconnect(connId);
    await journal.reach('onClose');
    expect(journal.names()).toEqual(['onPrepareConnect', 'resolved', 'onConnect', 'onHandShake', 'onClose']);
  });

  test('ORD-016: a client resolves, then onConnect and onHandShake come', async () => {
    await using bare = await listenBare();
    const journal = new Journal();
    await using client = new TcpClient(journal.record({}));
    await client.start('127.0.0.1', bare.port, { asyncConnect: true });
    journal.events.push('resolved');
    expect([client.state, client.isConnected]).toEqual([ServiceState.Starting, false]);
    await journal.reach('onHandShake');
    expect([client.state, client.isConnected]).toEqual([ServiceState.Started, true]);
    await client.stop();
    expect(journal.names()).toEqual(['onPrepareConnect', 'resolved', 'onConnect', 'onHandShake', 'onClose']);
  });

  test('ORD-020 ACC-001: only onClose is called for a failure', async () => {
    const bare = await listenBare();
    await bare[Symbol.asyncDispose]();
    const journal = new Journal();
    await using agent = new TcpAgent(journal.record({}));
    await using client = new TcpClient(journal.record({}));
    await agent.start(null, true);
    await agent.connect('127.0.0.1', bare.port);
    await journal.reach('onClose');
    await client.start('127.0.0.1', bare.port, { asyncConnect: true });
    await client.wait();
    expect(journal.names()).toEqual(['onPrepareConnect', 'onClose', 'onPrepareConnect', 'onClose']);
    for (const { operation, errorCode, error } of journal.closes) {
      expect([operation, errorCode, error?.errnoName]).toEqual([SocketOperation.Connect, 111, 'ECONNREFUSED']);
    }
    expect([agent.state, client.state]).toEqual([ServiceState.Started, ServiceState.Stopped]);
  });

  test.each(['onConnect', 'onHandShake'] as const)(
    'ORD-021: %s Error, also from an async hook, brings no onClose',
    async (hook) => {
      await using bare = await listenBare();
      for (const answer of [() => HandleResult.Error, async () => HandleResult.Error]) {
        const journal = new Journal();
        await using agent = new TcpAgent(journal.record({ [hook]: answer }));
        await using client = new TcpClient(journal.record({ [hook]: answer }));
        await agent.start(null, true);
        const accepted = bare.sockets.length;
        await agent.connect('127.0.0.1', bare.port);
        const first = await bare.accepted(accepted);
        await client.start('127.0.0.1', bare.port, { asyncConnect: true });
        await client.wait();
        await readToEnd(first);
        expect(agent.connectionCount).toBe(0);
        expect(journal.count('onClose')).toBe(0);
        expect(journal.count(hook)).toBe(2);
      }
    },
  );

  test('ORD-022: disconnecting an agent while it connects is onClose(Close, 0), and so is its stop', async () => {
    const journal = new Journal();
    await using agent = new TcpAgent(journal.record({ onPrepareConnect: neverConnects }));
    await agent.start(null, true);
    const connId = await agent.connect('127.0.0.1', 1);
    expect(agent.disconnect(connId)).toBe(true);
    await journal.reach('onClose');
    await agent.connect('127.0.0.1', 1);
    await agent.stop();
    expect(journal.names()).toEqual(['onPrepareConnect', 'onClose', 'onPrepareConnect', 'onClose', 'onShutdown']);
    for (const { operation, errorCode } of journal.closes) {
      expect([operation, errorCode]).toEqual([SocketOperation.Close, 0]);
    }
  });

  test('ORD-023: stopping a client while it connects is onClose(Close, 0)', async () => {
    const journal = new Journal();
    await using client = new TcpClient(journal.record({ onPrepareConnect: neverConnects }));
    await client.start('127.0.0.1', 1, { asyncConnect: true });
    await client.stop();
    expect(journal.names()).toEqual(['onPrepareConnect', 'onClose']);
    expect(journal.closes[0]).toMatchObject({ operation: SocketOperation.Close, errorCode: 0 });
    expect(client.state).toBe(ServiceState.Stopped);
  });

  test('ORD-017: synchronously, all opening hooks come before it resolves, also async ones', async () => {
    await using bare = await listenBare();
    const journal = new Journal();
    const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
    await using agent = new TcpAgent(journal.record({ onPrepareConnect: turn, onConnect: turn, onHandShake: turn }));
    await using client = new TcpClient(journal.record({ onPrepareConnect: turn, onConnect: turn, onHandShake: turn }));
    await agent.start();
    await agent.connect('127.0.0.1', bare.port);
    journal.events.push('resolved');
    await client.start('127.0.0.1', bare.port);
    journal.events.push('resolved');
    const one = ['onPrepareConnect', 'onConnect', 'onHandShake', 'resolved'];
    expect(journal.names()).toEqual([...one, ...one]);
  });

  test('ORD-024: stop of a client brings onClose inside; after the peer closed, stop is refused', async () => {
    await using bare = await listenBare();
    const journal = new Journal();
    const client = new TcpClient(journal.record({}));
    await client.start('127.0.0.1', bare.port);
    await client.stop();
    expect(journal.closes[0]).toMatchObject({ operation: SocketOperation.Close, errorCode: 0, error: undefined });
    await client.start('127.0.0.1', bare.port);
    (await bare.accepted(1)).end();
    await client.wait();
    expect(journal.count('onClose')).toBe(2);
    expect((await rejection(client.stop())).socketError).toBe(SocketErrorCode.IllegalState);
  });
});

describe('stop', () => {
  test('ORD-008 EXO-001 NODEEV-004: with 1,000 connections mid-transfer', { timeout: 60_000 }, async () => {
    const journal = new Journal();
    const payload = Buffer.alloc(512 * 1024, 7);
    const server = new TcpServer(
      journal.record({
        onHandShake(_server: unknown, connId: number) {
          server.send(connId, payload);
        },
      }),
    );
    const { port } = await server.start('127.0.0.1', 0);
    const received = new Counter();
    const closed = new Map<number, number>();
    const agentClosed = new Counter();
    const codes = new Set<number>();
    const agent = new TcpAgent({
      onReceive: (_agent, _connId, data) => received.add(data.length),
      onClose(_agent, connId, _operation, errorCode) {
        closed.set(connId, (closed.get(connId) ?? 0) + 1);
        codes.add(errorCode);
        agentClosed.add();
      },
    });
    await agent.start();
    // Half of them read nothing, so that much is queued when it stops.
    for (let batch = 0; batch < 10; batch++) {
      const connIds = await Promise.all(Array.from({ length: 100 }, () => agent.connect('127.0.0.1', port)));
      connIds.forEach((connId, index) => void (index % 2 === 0 && agent.pauseReceive(connId)));
    }
    await journal.reach('onHandShake', 1000);
    await received.reach(10 * 1024 * 1024);
    expect(server.connectionCount).toBe(1000);
    const report = await server.stop();
    expect(report.connections).toBe(1000);
    expect(report.forced + report.drained).toBe(1000);
    expect(report.failed).toBe(0);
    expect(journal.count('onClose')).toBe(1000);
    expect(new Set(journal.closes.map((close) => close.connId)).size).toBe(1000);
    for (const { operation, errorCode } of journal.closes) {
      expect([operation, errorCode]).toEqual([SocketOperation.Close, 0]);
    }
    expect(journal.events.at(-1)).toBe('onShutdown');
    expect([server.connectionCount, server.stats().pendingBytes, server.stats().closed]).toEqual([0, 0, 1000]);
    for (const connId of agent.getAllConnectionIDs()) agent.pauseReceive(connId, false);
    await agentClosed.reach(1000);
    expect([closed.size, Math.max(...closed.values())]).toEqual([1000, 1]);
    expect([...codes].every((code) => code === 0 || code === 104)).toBe(true);
    await agent.stop();
  });

  test('drainTimeoutMs: the report counts the connections that were drained, cut off and lost', async () => {
    const payload = Buffer.alloc(16 * 1024 * 1024, 1);
    const journal = new Journal();
    const server = new TcpServer(
      journal.record({
        onReceive(_server: unknown, connId: number, data: Buffer) {
          server.send(connId, data.toString() === 'much' ? payload : data);
        },
      }),
    );
    const { port } = await server.start('127.0.0.1', 0);
    const polite = await connectBare(port);
    const stubborn = await connectBare(port);
    const deaf = await connectBare(port);
    const rude = await connectBare(port);
    polite.write('much');
    await journal.reach('onReceive', 1);
    stubborn.write('little');
    deaf.write('much');
    rude.write('much');
    await journal.reach('onReceive', 4);
    expect((await readBytes(stubborn, 6)).toString()).toBe('little');

    const stopped = server.stop({ drainTimeoutMs: 600 });
    rude.resetAndDestroy();
    const late = net.connect(port, '127.0.0.1');
    late.on('error', () => {});
    const got = await readToEnd(polite);
    polite.end();
    const report = await stopped;
    expect(got.length).toBe(payload.length);
    expect(report).toMatchObject({ connections: 4, drained: 1, forced: 2, failed: 1 });
    expect(report.droppedBytes).toBeGreaterThan(payload.length);
    expect(report.durationMs).toBeGreaterThanOrEqual(550);
    expect(report.durationMs).toBeLessThan(5000);
    expect(journal.count('onClose')).toBe(4);
    expect(journal.count('onAccept')).toBe(4);
    expect(server.stats().limits.closing).toBe(2);
    for (const socket of [stubborn, deaf, late]) socket.destroy();
  });

  test('drainTimeoutMs: an aborted signal ends the draining, not the stopping', async () => {
    const journal = new Journal();
    const server = new TcpServer(journal.record({}));
    const { port } = await server.start('127.0.0.1', 0);
    const peer = await connectBare(port);
    await journal.reach('onHandShake');
    const controller = new AbortController();
    const stopped = server.stop({ drainTimeoutMs: 60_000, signal: controller.signal });
    await readToEnd(peer);
    controller.abort();
    const report = await stopped;
    expect(report).toMatchObject({ connections: 1, failed: 0 });
    expect(report.durationMs).toBeLessThan(10_000);
    expect(server.state).toBe(ServiceState.Stopped);
    peer.destroy();

    const again = await server.start('127.0.0.1', 0);
    const second = await connectBare(again.port);
    await journal.reach('onHandShake', 2);
    expect(await server.stop({ drainTimeoutMs: 60_000, signal: AbortSignal.abort() })).toMatchObject({
      connections: 1,
    });
    second.destroy();
  });

  test('drainTimeoutMs of a client sends what is queued, then waits for the peer', async () => {
    await using bare = await listenBare();
    const journal = new Journal();
    const client = new TcpClient(journal.record({}));
    await client.start('127.0.0.1', bare.port);
    const peer = await bare.accepted();
    client.send(Buffer.alloc(8 * 1024 * 1024, 3));
    const stopped = client.stop({ drainTimeoutMs: 20_000 });
    expect(client.send('too late')).toBe(false);
    const got = await readToEnd(peer);
    expect([got.length, client.state]).toEqual([8 * 1024 * 1024, ServiceState.Stopping]);
    peer.end();
    await stopped;
    expect(journal.closes[0]).toMatchObject({ operation: SocketOperation.Close, errorCode: 0, error: undefined });
  });

  test('disconnect with drain sends everything, takes no more, and waits for the peer', async () => {
    const payload = Buffer.alloc(8 * 1024 * 1024, 5);
    const journal = new Journal();
    await using server = new TcpServer(journal.record({}));
    const { port } = await server.start('127.0.0.1', 0);
    const peer = await connectBare(port);
    await journal.reach('onHandShake');
    server.send(1, payload);
    expect(server.disconnect(1, { drain: true })).toBe(true);
    expect(server.send(1, 'too late')).toBe(false);
    expect(server.lastFailure?.errnoName).toBe('EBADSLT');
    expect((await readToEnd(peer)).equals(payload)).toBe(true);
    expect(server.connectionCount).toBe(1);
    peer.end();
    await journal.reach('onClose');
    expect(journal.closes[0]).toMatchObject({ operation: SocketOperation.Close, errorCode: 0, error: undefined });

    const deaf = await connectBare(port);
    await journal.reach('onHandShake', 2);
    server.send(2, payload);
    server.disconnect(2, { drain: true, timeoutMs: 100 });
    await journal.reach('onClose', 2);
    expect(journal.closes[1]).toMatchObject({ operation: SocketOperation.Close, errorCode: 110 });
    expect(journal.closes[1]?.error?.message).toMatch(/did not take the last \d+ bytes and close within 100 ms/);
    expect(server.stats().limits.closing).toBe(1);
    deaf.destroy();
  });

  test('CS-001: called by a hook, by two at once, and with connections that come in the same turn', async () => {
    const journal = new Journal();
    const reports: unknown[] = [];
    const server = new TcpServer(
      journal.record({
        onReceive() {
          server.stop().then(
            (report) => reports.push(report.connections),
            (error: SocketError) => reports.push(error.socketError),
          );
        },
      }),
    );
    const { port } = await server.start('127.0.0.1', 0);
    const peers = await Promise.all(Array.from({ length: 5 }, () => connectBare(port)));
    await journal.reach('onHandShake', 5);
    for (const peer of peers) peer.write('stop');
    await server.wait();
    await new Promise((resolve) => setImmediate(resolve));
    expect(reports).toContain(5);
    expect(reports.filter((one) => one !== SocketErrorCode.IllegalState)).toHaveLength(1);
    expect(journal.count('onClose')).toBe(5);
    expect(journal.count('onShutdown')).toBe(1);
    for (const peer of peers) peer.destroy();
  });
});

describe('AbortSignal', () => {
  test('start of a server: before, during, and after', async () => {
    const journal = new Journal();
    const release = deferred();
    await using server = new TcpServer(journal.record({ onPrepareListen: () => release.promise }));
    const before = await rejection(server.start({ port: 0, signal: AbortSignal.abort(new Error('no time')) }));
    expect([before.errnoName, (before.cause as Error).message]).toEqual(['ECANCELED', 'no time']);
    expect([server.state, journal.events.length]).toEqual([ServiceState.Stopped, 0]);

    const during = new AbortController();
    const failed = rejection(server.start({ host: '127.0.0.1', port: 0, signal: during.signal }));
    during.abort();
    release.resolve();
    expect((await failed).errnoName).toBe('ECANCELED');
    expect([server.state, journal.count('onShutdown')]).toEqual([ServiceState.Stopped, 1]);

    const after = new AbortController();
    await server.start({ host: '127.0.0.1', port: 0, signal: after.signal });
    after.abort();
    expect(await server.wait()).toBe(true);
    expect(journal.count('onShutdown')).toBe(2);

    // A signal of an earlier run does not stop a later one.
    const old = new AbortController();
    await server.start({ host: '127.0.0.1', port: 0, signal: old.signal });
    await server.stop();
    await server.start('127.0.0.1', 0);
    old.abort();
    expect(server.state).toBe(ServiceState.Started);
  });

  test('start of a client, and connect of an agent: before, during, and after', async () => {
    await using bare = await listenBare();
    for (const role of ['client', 'agent'] as const) {
      let isSlow = false;
      const journal = new Journal();
      const hooks = journal.record({
        onPrepareConnect: (sender: unknown, connId: number, socket: net.Socket) =>
          isSlow ? neverConnects(sender, connId, socket) : undefined,
      });
      await using component = role === 'client' ? new TcpClient(hooks) : new TcpAgent(hooks);
      if (component instanceof TcpAgent) await component.start();
      const connect = (signal: AbortSignal): Promise<unknown> =>
        component instanceof TcpAgent
          ? component.connect('127.0.0.1', bare.port, { signal })
          : component.start('127.0.0.1', bare.port, { signal });
      const before = await rejection(connect(AbortSignal.abort()));
      expect(before).toBeInstanceOf(SocketError);
      expect(before.errnoName).toBe('ECANCELED');
      expect(journal.events).toEqual([]);

      isSlow = true;
      const during = new AbortController();
      const failed = rejection(connect(during.signal));
      await journal.reach('onPrepareConnect');
      during.abort();
      expect((await failed).errnoName).toBe('ECANCELED');
      expect(journal.names()).toEqual(['onPrepareConnect']);

      isSlow = false;
      const after = new AbortController();
      await connect(after.signal);
      after.abort();
      await journal.reach('onClose');
      expect(journal.closes[0]).toMatchObject({ operation: SocketOperation.Close, errorCode: 0 });
      if (component instanceof TcpAgent) expect(component.connectionCount).toBe(0);
      else await component.wait();
    }
  });

  test('connect with an async onPrepareConnect, aborted while that is thinking', async () => {
    const hook = deferred();
    const journal = new Journal();
    await using agent = new TcpAgent(journal.record({ onPrepareConnect: () => hook.promise }));
    await agent.start();
    const controller = new AbortController();
    const failed = rejection(agent.connect('127.0.0.1', 1, { signal: controller.signal }));
    await journal.reach('onPrepareConnect');
    controller.abort();
    hook.resolve();
    expect((await failed).errnoName).toBe('ECANCELED');
    expect([journal.names(), agent.connectionCount]).toEqual([['onPrepareConnect'], 0]);
  });

  test('start of an agent', async () => {
    const journal = new Journal();
    await using agent = new TcpAgent(journal.record({}));
    expect((await rejection(agent.start({ signal: AbortSignal.abort() }))).errnoName).toBe('ECANCELED');
    const controller = new AbortController();
    await agent.start({ signal: controller.signal });
    controller.abort();
    expect(await agent.wait()).toBe(true);
    expect(journal.names()).toEqual(['onShutdown']);
  });

  test('CS-008 NETG-006: wait resolves when stopped, gives up after its time, and rejects when aborted', async () => {
    const server = new TcpServer({});
    expect(await server.wait()).toBe(true);
    expect(await server.wait(0)).toBe(true);
    await server.start('127.0.0.1', 0);
    expect(await server.wait(0)).toBe(false);
    expect(await server.wait(5)).toBe(false);
    expect((await rejection(server.wait(-1, { signal: AbortSignal.abort() }))).errnoName).toBe('ECANCELED');
    const controller = new AbortController();
    const aborted = rejection(server.wait(60_000, { signal: controller.signal }));
    const waiting = [server.wait(), server.wait(60_000), server.wait(60_000, { signal: new AbortController().signal })];
    // INFINITE of HP-Socket, and what JavaScript says for it: more than a timer takes.
    for (const endless of [2 ** 31, 2 ** 32 - 1, Number.POSITIVE_INFINITY]) waiting.push(server.wait(endless));
    expect(await server.wait(20)).toBe(false);
    controller.abort();
    expect((await aborted).errnoName).toBe('ECANCELED');
    await server.stop();
    expect(await Promise.all(waiting)).toEqual(Array(6).fill(true));
  });
});

test('what is given as a signal and is none changes nothing', async () => {
  const signal = new AbortController() as unknown as AbortSignal;
  await using server = new TcpServer({});
  await using client = new TcpClient({});
  await using agent = new TcpAgent({});
  for (const start of [
    () => server.start({ host: '127.0.0.1', port: 0, signal }),
    () => agent.start({ signal }),
    () => client.start('127.0.0.1', 9, { signal }),
  ]) {
    await expect(start()).rejects.toThrow(/signal must be an AbortSignal/);
  }
  expect([server.state, agent.state, client.state]).toEqual(Array(3).fill(ServiceState.Stopped));
  const { port } = await server.start('127.0.0.1', 0);
  await agent.start();
  await expect(agent.connect('127.0.0.1', port, { signal })).rejects.toThrow(/signal must be/);
  expect(agent.connectionCount).toBe(0);
  await client.start('127.0.0.1', port);
  for (const component of [server, agent, client]) {
    await expect(component.stop({ drainTimeoutMs: 1000, signal })).rejects.toThrow(/signal must be/);
    await expect(component.wait(-1, { signal })).rejects.toThrow(/signal must be/);
    expect(component.state).toBe(ServiceState.Started);
  }
});

test('await using stops what runs, waits for what stops, and leaves alone what never started', async () => {
  const journal = new Journal();
  let kept: TcpServer[];
  {
    await using idle = new TcpServer(journal.record({}));
    await using running = new TcpServer(journal.record({}));
    await using stopping = new TcpServer(journal.record({}));
    await using starting = new TcpServer(journal.record({}));
    await running.start('127.0.0.1', 0);
    await stopping.start('127.0.0.1', 0);
    void stopping.stop();
    starting.start('127.0.0.1', 0).catch(() => {});
    kept = [idle, running, stopping, starting];
  }
  expect(kept.map((server) => server.state)).toEqual(Array(4).fill(ServiceState.Stopped));
  expect(journal.count('onShutdown')).toBe(3);
});

describe.skipIf(process.platform === 'win32')('Unix domain sockets', () => {
  test('server, client and agent talk, and the file is gone after stop', async () => {
    const path = join(folder, 'echo.sock');
    const journal = new Journal();
    const server = new TcpPackServer(
      journal.record({
        onReceive(_server: unknown, connId: number, data: Buffer) {
          server.send(connId, data);
        },
      }),
      { maxConnectionsPerAddress: 1, blockList: ['0.0.0.0/0'] },
    );
    for (let run = 1; run <= 3; run++) {
      const address = await server.start({ path });
      expect([address.address, existsSync(path)]).toEqual([path, true]);
      const answers = [deferred<string>(), deferred<string>()];
      await using client = new TcpPackClient({
        onReceive: (_client, _connId, data) => answers[0]!.resolve(data.toString()),
      });
      await using second = new TcpPackClient({
        onReceive: (_client, _connId, data) => answers[1]!.resolve(data.toString()),
      });
      await client.start({ path });
      await second.start({ path });
      expect(client.getRemoteHost()?.host).toBe(path);
      client.send('one');
      second.send('two');
      expect(await Promise.all(answers.map((answer) => answer.promise))).toEqual(['one', 'two']);
      await server.stop();
      expect(existsSync(path)).toBe(false);
      await client.wait();
      await second.wait();
    }
    expect(journal.count('onClose')).toBe(6);
  });

  test('an agent connects by path', async () => {
    const path = join(folder, 'agent.sock');
    await using server = new TcpServer({ onReceive: (server, connId, data) => void server.send(connId, data) });
    await server.start({ path });
    const answer = deferred<string>();
    await using agent = new TcpAgent({ onReceive: (_agent, _connId, data) => answer.resolve(data.toString()) });
    await agent.start('127.0.0.1');
    const connId = await agent.connect({ path });
    agent.send(connId, 'hello');
    expect(await answer.promise).toBe('hello');
  });
});

const hasIPv6 = Object.values(networkInterfaces()).some((list) => list?.some(({ address }) => address === '::1'));

describe.skipIf(!hasIPv6)('IPv6 (skipped where ::1 does not exist)', () => {
  test('::1 serves, and tells numeric addresses', async () => {
    const journal = new Journal();
    await using server = new TcpServer(journal.record({}));
    const { address, port } = await server.start('::1', 0);
    expect(address).toBe('::1');
    await using client = new TcpClient({});
    await client.start('::1', port);
    await journal.reach('onHandShake');
    expect(server.getRemoteAddress(1)).toEqual({ address: '::1', port: client.getLocalAddress()?.port });
    expect(client.getLocalAddress()?.address).toBe('::1');
    const agent = new TcpAgent({});
    await agent.start('::1');
    await agent.connect('::1', port);
    await agent.stop();
  });

  test(':: is reached over IPv4 too, whose peers have IPv4 addresses', async () => {
    const journal = new Journal();
    await using server = new TcpServer(journal.record({}), { allowList: ['127.0.0.1', '::1'] });
    const { port } = await server.start('::', 0);
    const four = await connectBare(port);
    await journal.reach('onHandShake', 1);
    expect(server.getRemoteAddress(1)?.address).toBe('127.0.0.1');
    expect(server.getLocalAddress(1)?.address).toBe('127.0.0.1');
    const six = await connectBare(port, { host: '::1' });
    await journal.reach('onHandShake', 2);
    expect(server.getRemoteAddress(2)?.address).toBe('::1');
    four.destroy();
    six.destroy();
  });

  test('ipv6Only leaves IPv4 of the same port to others', async () => {
    const journal = new Journal();
    await using server = new TcpServer(journal.record({}));
    // The port of IPv4 may belong to another process: then another one is tried.
    let four: BareServer | null = null;
    let port = 0;
    for (let attempt = 1; four === null; attempt++) {
      ({ port } = await server.start({ host: '::', port: 0, ipv6Only: true }));
      try {
        four = await listenBare({ port });
      } catch (error) {
        if (attempt === 20) throw error;
        await server.stop();
      }
    }
    await using client = new TcpClient({});
    await client.start('127.0.0.1', port);
    await four.accepted();
    expect(journal.count('onAccept')).toBe(0);
    await client.stop();
    await client.start('::1', port);
    await journal.reach('onAccept');
    await four[Symbol.asyncDispose]();
  });
});

describe('restart', () => {
  test('CID-003: many times on the same port, with IDs from 1 and counters from 0', async () => {
    const journal = new Journal();
    const server = new TcpServer(journal.record({}));
    const agent = new TcpAgent({});
    let port = 0;
    for (let run = 1; run <= 30; run++) {
      ({ port } = await server.start('127.0.0.1', port));
      await agent.start();
      expect(server.stats()).toMatchObject({ opened: 0, closed: 0, bytesIn: 0 });
      const connIds = await Promise.all([agent.connect('127.0.0.1', port), agent.connect('127.0.0.1', port)]);
      expect(connIds).toEqual([1, 2]);
      await journal.reach('onHandShake', 2 * run);
      expect(server.getAllConnectionIDs()).toEqual([1, 2]);
      expect(await server.stop()).toMatchObject({ connections: 2 });
      await agent.stop();
    }
    expect([journal.count('onClose'), journal.count('onShutdown')]).toEqual([60, 30]);
  });

  test('CID-005: clients count their connections together, and start again after each end', async () => {
    await using bare = await listenBare();
    const clients = [new TcpClient({}), new TcpPackClient({})];
    const ids: number[] = [];
    for (let run = 0; run < 10; run++) {
      for (const client of clients) {
        await client.start('127.0.0.1', bare.port);
        ids.push(client.connectionId);
        if (run % 2 === 0) await client.stop();
        else {
          (await bare.accepted(ids.length - 1)).destroy();
          await client.wait();
        }
      }
    }
    expect(ids).toEqual(ids.map((_, index) => ids[0]! + index));
  });

  test('EV-C-07: start inside onClose is refused, start after wait is not', async () => {
    await using bare = await listenBare();
    const refused = deferred<SocketError>();
    const client = new TcpClient({
      onClose: (client) => void rejection(client.start('127.0.0.1', bare.port)).then(refused.resolve),
    });
    await client.start('127.0.0.1', bare.port);
    (await bare.accepted()).destroy();
    expect((await refused.promise).socketError).toBe(SocketErrorCode.IllegalState);
    await client.wait();
    await client.start('127.0.0.1', bare.port);
    await client.stop();
  });

  test('CID-004: a late call with an ID of the last run finds nothing', async () => {
    await using server = new TcpServer({}, { maxConnectionCount: 2 });
    let { port } = await server.start('127.0.0.1', 0);
    const peer = await connectBare(port);
    await server.stop();
    expect(server.send(1, 'x')).toBe(false);
    expect(server.lastFailure?.errnoName).toBe('EBADSLT');
    ({ port } = await server.start('127.0.0.1', 0));
    expect(server.isConnected(1)).toBe(false);
    peer.destroy();
    await once(peer, 'close').catch(() => {});
  });
});
