import dgram from 'node:dgram';
import { once } from 'node:events';
import net from 'node:net';
import { describe, expect, test, vi } from 'vitest';
import { ServiceState, TcpAgent, TcpClient, TcpServer, UdpClient, UdpNode, UdpServer } from '../../src/index.ts';

const host = '127.0.0.1';
const never = (): Promise<void> => new Promise(() => {});

/** A hook that opens connections and never answers: `stop` must not wait for it. */
describe.each([{}, { drainTimeoutMs: 100 }])('stop(%j) while an opening hook never answers', (options) => {
  test('TcpServer', async () => {
    const onAccept = vi.fn(never);
    const onClose = vi.fn();
    const server = new TcpServer({ onAccept, onClose });
    const { port } = await server.start(host, 0);
    const peer = net.connect(port, host).on('error', () => {});
    await vi.waitUntil(() => onAccept.mock.calls.length === 1);
    expect((await server.stop(options)).connections).toBe(1);
    expect([server.state, server.connectionCount, onClose.mock.calls.length]).toEqual([ServiceState.Stopped, 0, 0]);
    peer.destroy();
  });

  test('TcpServer, and it answers after that: the connection was refused, not opened as well', async () => {
    let answer = (): void => {};
    const onAccept = vi.fn(() => new Promise<void>((resolve) => void (answer = resolve)));
    const onClose = vi.fn();
    const server = new TcpServer({ onAccept, onClose });
    const { port } = await server.start(host, 0);
    const peer = net.connect(port, host).on('error', () => {});
    await vi.waitUntil(() => onAccept.mock.calls.length === 1);
    await server.stop(options);
    answer();
    await new Promise((resolve) => setImmediate(resolve));
    expect(server.stats()).toMatchObject({ opened: 0, closed: 0, refused: 1 });
    expect(onClose).not.toHaveBeenCalled();
    peer.destroy();
  });

  test('TcpAgent and TcpClient', async () => {
    await using server = new TcpServer({});
    const { port } = await server.start(host, 0);
    const onConnect = vi.fn(never);
    const agent = new TcpAgent({ onConnect });
    await agent.start();
    const connecting = agent.connect(host, port).catch((error: Error) => error.name);
    const client = new TcpClient({ onConnect });
    const starting = client.start(host, port).catch((error: Error) => error.name);
    await vi.waitUntil(() => onConnect.mock.calls.length === 2);
    await Promise.all([agent.stop(options), client.stop(options)]);
    expect([agent.state, agent.connectionCount, client.state]).toEqual([ServiceState.Stopped, 0, ServiceState.Stopped]);
    void connecting;
    void starting;
  });

  test('UdpServer and UdpClient', async () => {
    const onAccept = vi.fn(never);
    const server = new UdpServer({ onAccept });
    const { port } = await server.start(host, 0);
    const peer = dgram.createSocket('udp4');
    peer.send('hello', port, host);
    await vi.waitUntil(() => onAccept.mock.calls.length === 1);
    const onConnect = vi.fn(never);
    const client = new UdpClient({ onConnect });
    client.start(host, port).catch(() => {});
    await vi.waitUntil(() => onConnect.mock.calls.length === 1);
    await Promise.all([server.stop(options), client.stop(options)]);
    expect([server.state, server.connectionCount, client.state]).toEqual([
      ServiceState.Stopped,
      0,
      ServiceState.Stopped,
    ]);
    peer.close();
    await once(peer, 'close');
  });
});

/** Starts or connects with a hook that never answers, and tells the error's name when that is given up. */
type Begin = (signal?: AbortSignal) => Promise<string>;

const nameOf = (error: { errnoName: string }): string => error.errnoName;
const started = (start: Promise<unknown>): Promise<string> => start.then(() => 'started', nameOf);

describe('a start or connect whose preparing hook never answers', () => {
  const onPrepareListen = vi.fn(never);
  const onPrepareConnect = vi.fn(never);
  const server = new TcpServer({ onPrepareListen });
  const udpServer = new UdpServer({ onPrepareListen });
  const node = new UdpNode({ onPrepareListen });
  const client = new TcpClient({ onPrepareConnect });
  const udpClient = new UdpClient({ onPrepareConnect });
  const aborting = (signal?: AbortSignal): { signal?: AbortSignal } => (signal === undefined ? {} : { signal });
  const cases: [string, { stop(): Promise<unknown>; readonly state: number }, Begin][] = [
    ['TcpServer', server, (signal) => started(server.start({ host, ...aborting(signal) }))],
    ['UdpServer', udpServer, (signal) => started(udpServer.start({ host, ...aborting(signal) }))],
    ['UdpNode', node, (signal) => started(node.start({ host, ...aborting(signal) }))],
    ['TcpClient', client, (signal) => started(client.start({ host, port: 9, ...aborting(signal) }))],
    ['UdpClient', udpClient, (signal) => started(udpClient.start({ host, port: 9, ...aborting(signal) }))],
  ];

  test.each(cases)('is cancelled by stop: %s', async (_name, component, begin) => {
    const calls = onPrepareListen.mock.calls.length + onPrepareConnect.mock.calls.length;
    const beginning = begin();
    await vi.waitUntil(() => onPrepareListen.mock.calls.length + onPrepareConnect.mock.calls.length > calls);
    await component.stop();
    expect(await beginning).toBe('ECANCELED');
    expect(component.state).toBe(ServiceState.Stopped);
  });

  test.each(cases)('is cancelled by its signal: %s', async (_name, component, begin) => {
    const calls = onPrepareListen.mock.calls.length + onPrepareConnect.mock.calls.length;
    const controller = new AbortController();
    const beginning = begin(controller.signal);
    await vi.waitUntil(() => onPrepareListen.mock.calls.length + onPrepareConnect.mock.calls.length > calls);
    controller.abort();
    expect(await beginning).toBe('ECANCELED');
    expect(component.state).toBe(ServiceState.Stopped);
  });

  test('is cancelled by stop, its signal and disconnect: TcpAgent', async () => {
    const agent = new TcpAgent({ onPrepareConnect });
    await agent.start();
    const controller = new AbortController();
    const connecting = [
      started(agent.connect(host, 9, { signal: controller.signal })),
      started(agent.connect(host, 9)),
      started(agent.connect(host, 9)),
    ];
    controller.abort();
    expect(await connecting[0]).toBe('ECANCELED');
    expect(agent.disconnect(2)).toBe(true);
    expect(await connecting[1]).toBe('ECANCELED');
    expect(agent.connectionCount).toBe(1);
    await agent.stop();
    expect(await connecting[2]).toBe('ECANCELED');
  });
});

describe('a start or connect whose onConnect never answers', () => {
  test('is cancelled by its signal, without onClose', async () => {
    await using server = new TcpServer({});
    const { port } = await server.start(host, 0);
    const onConnect = vi.fn(never);
    const onClose = vi.fn();
    const controller = new AbortController();
    const { signal } = controller;
    const client = new TcpClient({ onConnect, onClose });
    const agent = new TcpAgent({ onConnect, onClose });
    await agent.start();
    const starting = started(client.start(host, port, { signal }));
    const connecting = started(agent.connect(host, port, { signal }));
    await vi.waitUntil(() => onConnect.mock.calls.length === 2);
    controller.abort();
    expect(await Promise.all([starting, connecting])).toEqual(['ECANCELED', 'ECANCELED']);
    expect([client.state, agent.connectionCount, onClose.mock.calls.length]).toEqual([ServiceState.Stopped, 0, 0]);
    await agent.stop();
  });

  test('is cancelled by stop, though the process was too busy to close the socket in time', async () => {
    await using server = new TcpServer({});
    const { port } = await server.start(host, 0);
    const onConnect = vi.fn(never);
    const client = new TcpClient({ onConnect });
    const starting = started(client.start(host, port));
    await vi.waitUntil(() => onConnect.mock.calls.length === 1);
    const stopped = client.stop({ drainTimeoutMs: 10 });
    // The deadline of the drain and the patience with the hook end in the same turn.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200);
    await stopped;
    expect(await starting).not.toBe('started');
    expect(client.state).toBe(ServiceState.Stopped);
  });
});
