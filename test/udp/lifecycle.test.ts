import type { Socket } from 'node:dgram';
import { expect, test, vi } from 'vitest';
import {
  HandleResult,
  ServiceState,
  UdpArqClient,
  UdpArqServer,
  UdpCast,
  UdpClient,
  UdpNode,
  UdpServer,
} from '../../src/index.ts';
import { eventually, RawPeer, Recorder, turns } from './tools.ts';

const host = '127.0.0.1';
const never = (): Promise<void> => new Promise(() => {});
const nameOf = (error: { errnoName: string }): string => error.errnoName;
const started = (start: Promise<unknown>): Promise<string> => start.then(() => 'started', nameOf);

/** A server whose `onAccept` has been asked about a peer, and answers when it is told to. */
async function serverThatThinks(): Promise<{
  server: UdpServer;
  recorder: Recorder;
  peer: RawPeer;
  answer: () => void;
}> {
  let resolveAnswer = (): void => {};
  const recorder = new Recorder({ onAccept: () => new Promise<void>((resolve) => (resolveAnswer = resolve)) });
  const server = new UdpServer(recorder.hooks as never);
  const { port } = await server.start(host, 0);
  const peer = await RawPeer.open(port);
  await peer.send('00');
  await recorder.until('onAccept');
  return { server, recorder, peer, answer: () => resolveAnswer() };
}

const listening = [
  ['UdpServer', UdpServer],
  ['UdpArqServer', UdpArqServer],
  ['UdpNode', UdpNode],
] as const;

test.each(listening)(
  'stop right after start: no hook after onShutdown, and the port is free: %s',
  async (_name, Component) => {
    const recorder = new Recorder();
    const component = new Component(recorder.hooks as never);
    const { port } = await component.start(host, 0);
    await component.stop();
    recorder.events.length = 0;
    const starting = started(component.start(host, port));
    await component.stop();
    expect([await starting, recorder.names()]).toEqual(['ECANCELED', ['onShutdown']]);
    await component.start(host, port);
    expect(component.state).toBe(ServiceState.Started);
    await component.stop();
  },
);

test.each(listening)(
  'a start whose hook never answers does not disturb the one after it: %s',
  async (_name, Component) => {
    let calls = 0;
    const recorder = new Recorder({ onPrepareListen: () => (calls++ === 0 ? never() : undefined) });
    const component = new Component(recorder.hooks as never);
    const first = started(component.start(host, 0));
    await recorder.until('onPrepareListen');
    await component.stop();
    const second = started(component.start(host, 0));
    expect(await Promise.all([first, second])).toEqual(['ECANCELED', 'started']);
    await turns();
    expect([component.state, recorder.of('onShutdown').length]).toEqual([ServiceState.Started, 1]);
    await component.stop();
    expect(recorder.of('onShutdown').length).toBe(2);
  },
);

test.each([
  ['UdpServer', UdpServer, UdpClient],
  ['UdpArqServer', UdpArqServer, UdpArqClient],
] as const)(
  'stop inside onAccept: EXO-001 for who is let in, nothing for who is not: %s',
  async (_name, Server, Client) => {
    for (const answer of [
      () => undefined,
      () => Promise.resolve(),
      () => HandleResult.Error,
      () => Promise.reject(new Error('no')),
    ]) {
      let stopped: Promise<unknown> | undefined;
      const recorder = new Recorder(
        {
          onAccept: (server: UdpServer) => {
            stopped = server.stop();
            return answer();
          },
        },
        ['onSend', 'onHandShake'],
      );
      const server = new Server(recorder.hooks as never);
      const { port } = await server.start(host, 0);
      const client = new Client({});
      const starting = started(client.start(host, port));
      await recorder.until('onShutdown');
      await stopped;
      const isLetIn = recorder.of('onHookError').length === 0 && answer() !== HandleResult.Error;
      expect(recorder.names('onHookError')).toEqual([
        'onPrepareListen',
        'onAccept',
        ...(isLetIn ? ['onClose'] : []),
        'onShutdown',
      ]);
      expect(server.connectionCount).toBe(0);
      await starting;
      if (client.hasStarted) await client.stop();
      await client.wait();
    }
  },
);

test('stop calls no hook before it has returned', async () => {
  const recorder = new Recorder();
  const server = new UdpServer(recorder.hooks as never);
  const { port } = await server.start(host, 0);
  const peer = await RawPeer.open(port);
  await peer.send('00');
  await recorder.until('onReceive');
  const stopped = server.stop();
  expect(recorder.of('onClose')).toEqual([]);
  await stopped;
  expect(recorder.names().slice(-2)).toEqual(['onClose', 'onShutdown']);
  await peer.close();
});

test('an async onAccept that answers while the server stops is owed its onClose', async () => {
  const { server, recorder, peer, answer } = await serverThatThinks();
  const stopped = server.stop();
  await turns(1);
  answer();
  expect(await stopped).toMatchObject({ connections: 1 });
  expect(recorder.names()).toEqual(['onPrepareListen', 'onAccept', 'onClose', 'onShutdown']);
  await peer.close();
});

test('what is no AbortSignal is refused by stop, and nothing has happened', async () => {
  const signal = new AbortController() as never;
  const recorder = new Recorder();
  const server = new UdpArqServer(recorder.hooks as never);
  const { port } = await server.start(host, 0);
  const client = new UdpArqClient({});
  await client.start(host, port);
  await recorder.until('onHandShake');
  for (const options of [{ signal }, { signal, drainTimeoutMs: 1000 }]) {
    await expect(client.stop(options)).rejects.toThrow(TypeError);
    await expect(server.stop(options)).rejects.toThrow(TypeError);
  }
  expect([client.state, server.state, server.connectionCount]).toEqual([ServiceState.Started, ServiceState.Started, 1]);
  await client.stop();
  await server.stop();
});

test('what is no AbortSignal is refused by start', async () => {
  const signal = new AbortController() as never;
  for (const component of [new UdpServer({}), new UdpNode({})]) {
    await expect(component.start({ host, signal })).rejects.toThrow(TypeError);
    expect(component.state).toBe(ServiceState.Stopped);
  }
  const client = new UdpClient({});
  const cast = new UdpCast({});
  await expect(client.start({ host, port: 9, signal })).rejects.toThrow(TypeError);
  await expect(cast.start({ host: '239.1.2.3', port: 9, signal })).rejects.toThrow(TypeError);
  expect([client.state, cast.state]).toEqual([ServiceState.Stopped, ServiceState.Stopped]);
});

test.each([
  ['UdpClient', UdpClient],
  ['UdpArqClient', UdpArqClient],
] as const)(
  'an onConnect that never answers is not waited for when the signal is aborted: %s',
  async (_name, Client) => {
    const onConnect = vi.fn(never);
    const onClose = vi.fn();
    const client = new Client({ onConnect, onClose });
    const controller = new AbortController();
    const starting = started(client.start(host, 9, { signal: controller.signal }));
    await vi.waitUntil(() => onConnect.mock.calls.length === 1);
    controller.abort();
    expect(await starting).toBe('ECANCELED');
    expect([client.state, onClose.mock.calls.length]).toEqual([ServiceState.Stopped, 0]);
  },
);

test('an ARQ start that is aborted says so, to its caller and by onClose', async () => {
  const silent = await RawPeer.open(0);
  const recorder = new Recorder();
  const client = new UdpArqClient(recorder.hooks as never);
  const controller = new AbortController();
  const starting = client.start(host, silent.port, { signal: controller.signal });
  await recorder.until('onSend');
  controller.abort();
  await expect(starting).rejects.toMatchObject({ errnoName: 'ECANCELED', message: 'start was aborted by its signal' });
  expect(recorder.of('onClose').map((event) => event.slice(2, 4))).toEqual([[5, 125]]);
  await silent.close();
});

test('a hook that answers after it was given up changes no count', async () => {
  const { server, recorder, peer, answer } = await serverThatThinks();
  await server.stop();
  answer();
  await turns();
  expect(server.stats()).toMatchObject({ connections: 0, opened: 0, closed: 0, refused: 1 });
  expect(recorder.names().at(-1)).toBe('onShutdown');
  await peer.close();
});

test('a drain that runs out of time is this side cutting off, not a failure', async () => {
  const recorder = new Recorder();
  const server = new UdpArqServer(recorder.hooks as never);
  const { port } = await server.start(host, 0);
  const client = new UdpArqClient({});
  await client.start(host, port);
  await recorder.until('onHandShake');
  client.pauseReceive();
  const message = Buffer.alloc(4096);
  for (let i = 0; i < 400; i++) server.send(1, message);
  await eventually(() => (server.getWaitingSendMessageCount(1) ?? 0) > 0);
  expect(await server.stop({ drainTimeoutMs: 30 })).toMatchObject({ connections: 1, drained: 0, forced: 1, failed: 0 });
  client.pauseReceive(false);
  await client.wait();
});

test.each(listening)('stop ends though the socket was closed by somebody else: %s', async (_name, Component) => {
  let socket: Socket | undefined;
  const recorder = new Recorder({
    onPrepareListen: (_sender: unknown, given: Socket) => void (socket = given),
  } as never);
  const component = new Component(recorder.hooks as never);
  await component.start(host, 0);
  socket!.close();
  await component.stop();
  expect(component.state).toBe(ServiceState.Stopped);
  await component.start(host, 0);
  await component.stop();
});
