import dgram from 'node:dgram';
import { once } from 'node:events';
import net from 'node:net';
import { describe, expect, test, vi } from 'vitest';
import { ServiceState, TcpAgent, TcpClient, TcpServer, UdpClient, UdpServer } from '../../src/index.ts';

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
