import { once } from 'node:events';
import { describe, expect, test } from 'vitest';
import { TcpAgent, TcpServer, UdpServer } from '../../src/index.ts';
import { connectBare, listenBare } from '../tcp/support.ts';
import { eventually, RawPeer } from '../udp/tools.ts';
import { host } from './support.ts';

// Issue: a hook that lets a connection in and never answers keeps its slot for ever.

const never = (): Promise<void> => new Promise(() => {});
const options = { openingTimeoutMs: 50 } as object;

/** How often the limit struck, as the statistics of a component say. */
const struck = (component: { stats(): { limits: object } }): unknown =>
  (component.stats().limits as Record<string, unknown>).opening;

describe('openingTimeoutMs frees the slot of a connection whose hook never answers', () => {
  test('onAccept of a TcpServer: the connection ends for the peer', async () => {
    let closes = 0;
    const server = new TcpServer({ onAccept: never, onClose: () => void closes++ }, options);
    const { port } = await server.start(host, 0);
    const peer = await connectBare(port);
    const closed = once(peer, 'close');
    peer.on('end', () => peer.end()).resume();
    await closed;
    await eventually(() => server.connectionCount === 0);
    expect([struck(server), server.stats().refused, closes]).toEqual([1, 1, 0]);
    await server.stop();
  });

  test('onAccept of a TcpServer whose peer is gone', async () => {
    const server = new TcpServer({ onAccept: never }, options);
    const { port } = await server.start(host, 0);
    const peer = await connectBare(port);
    await eventually(() => server.connectionCount === 1);
    peer.resetAndDestroy();
    await eventually(() => server.connectionCount === 0);
    expect(server.stats().refused).toBe(1);
    await server.stop();
  });

  test('onHandShake of a TcpServer', async () => {
    let closes = 0;
    const server = new TcpServer({ onHandShake: never, onClose: () => void closes++ }, options);
    const { port } = await server.start(host, 0);
    const peer = await connectBare(port);
    peer.on('end', () => peer.end()).resume();
    await once(peer, 'close');
    await eventually(() => server.connectionCount === 0);
    expect(struck(server)).toBe(1);
    await server.stop();
  });

  test('onConnect of a TcpAgent: connect rejects', async () => {
    const agent = new TcpAgent({ onConnect: never }, options);
    await using server = await listenBare();
    await agent.start();
    await expect(agent.connect(host, server.port)).rejects.toMatchObject({ name: 'SocketError' });
    await eventually(() => agent.connectionCount === 0);
    expect(struck(agent)).toBe(1);
    await agent.stop();
  });

  test('onAccept of a UdpServer', async () => {
    const server = new UdpServer({ onAccept: never }, options);
    const { port } = await server.start(host, 0);
    const peer = await RawPeer.open(port);
    await peer.send('00');
    await eventually(() => server.connectionCount === 1);
    await eventually(() => server.connectionCount === 0);
    expect(struck(server)).toBe(1);
    await server.stop();
    await peer.close();
  });
});
