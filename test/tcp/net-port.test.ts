/** What HPSocket.Net, the .NET port, has of its own, as far as it is the same here; and defects of its that ours has not. */
import net from 'node:net';
import { describe, expect, test } from 'vitest';
import { getHPSocketVersion, getVersion } from '../../src/helpers.ts';
import { HandleResult, TcpAgent, TcpClient, TcpServer } from '../../src/index.ts';
import { failure, host, until } from '../ssl/support.ts';

describe('what it is called with', () => {
  test('a component that runs is not started again, nor one that rests stopped: NETG-002 NETG-003', async () => {
    const server = new TcpServer({});
    expect((await failure(() => server.stop())).code).toBe('HP_ILLEGAL_STATE');
    await server.start(host, 0);
    expect((await failure(() => server.start(host, 0))).code).toBe('HP_ILLEGAL_STATE');
    expect(server.hasStarted).toBe(true);
    await server.stop();
    expect(server.hasStarted).toBe(false);
  });

  test('clients and agents need a host and a port: NETG-002', async () => {
    const client = new TcpClient({});
    await using agent = new TcpAgent({});
    await agent.start();
    for (const [name, port] of [
      ['', 80],
      [host, 0],
    ] as const) {
      expect((await failure(() => client.start(name, port))).code).toBe('HP_INVALID_PARAM');
      expect((await failure(() => agent.connect(name, port))).code).toBe('HP_INVALID_PARAM');
    }
    expect(client.hasStarted).toBe(false);
  });

  test('the versions of HP-Socket and of this package: NETG-014', () => {
    const number = getHPSocketVersion();
    expect([number >>> 24, (number >>> 16) & 255, (number >>> 8) & 255, number & 255]).toEqual([5, 8, 3, 2]);
    expect(getVersion()).toMatch(/^\d+\.\d+\.\d+/);
  });
});

describe('hooks', () => {
  test('that a listener has not let everything pass: NETG-005', async () => {
    await using server = new TcpServer({});
    const { port } = await server.start(host, 0);
    await using agent = new TcpAgent({});
    await agent.start();
    const client = new TcpClient({});
    await client.start(host, port);
    const id = await agent.connect(host, port);
    expect([client.send('unheard'), agent.send(id, 'unheard')]).toEqual([true, true]);
    await until(() => server.stats().bytesIn === 14);
    for (const connId of server.getAllConnectionIDs()) expect(server.send(connId, 'back')).toBe(true);
    await until(() => client.stats().bytesIn === 4 && agent.stats().bytesIn === 4);
    expect([server.connectionCount, client.isConnected, agent.isConnected(id)]).toEqual([2, true, true]);
    await client.stop();
  });

  test('onAccept gets the socket of the connection, with its addresses: EBUG-002', async () => {
    const sockets = new Map<number, unknown>();
    await using server = new TcpServer({ onAccept: (_s, id, socket) => void sockets.set(id, socket) });
    const { port } = await server.start(host, 0);
    const peers = [net.connect(port, host), net.connect(port, host)];
    await until(() => sockets.size === 2);
    const remotes = [...sockets].map(([id, socket]) => {
      expect(socket).toBeInstanceOf(net.Socket);
      const { remotePort, localPort } = socket as net.Socket;
      expect([remotePort, localPort]).toEqual([server.getRemoteAddress(id)?.port, port]);
      return remotePort;
    });
    expect(remotes.sort()).toEqual(peers.map((peer) => peer.localPort).sort());
    for (const peer of peers) peer.destroy();
  });

  test('onSend of an agent is called with what it sent: EBUG-001', async () => {
    const sent: string[] = [];
    await using server = new TcpServer({});
    const { port } = await server.start(host, 0);
    await using agent = new TcpAgent({ onSend: (_a, id, data) => void sent.push(`${id} ${data}`) });
    await agent.start();
    const id = await agent.connect(host, port);
    agent.send(id, 'hello');
    await until(() => sent.length > 0);
    expect(sent).toEqual([`${id} hello`]);
  });
});

describe('connections', () => {
  test('are paused and resumed, and say so: NETG-007', async () => {
    let got = '';
    await using server = new TcpServer({ onReceive: (_s, _id, data) => void (got += data) });
    const { port } = await server.start(host, 0);
    const client = new TcpClient({});
    await client.start(host, port);
    await until(() => server.connectionCount === 1);
    const [id] = server.getAllConnectionIDs();
    const connection = server.connection(id!)!;
    expect([connection.isPaused, server.isPauseReceive(id!), server.isPauseReceive(999)]).toEqual([false, false, null]);
    expect(connection.pause()).toBe(true);
    expect([connection.isPaused, server.isPauseReceive(id!)]).toEqual([true, true]);
    client.send('held back');
    await until(() => client.pendingDataLength === 0);
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
    expect(got).toBe('');
    expect(connection.resume()).toBe(true);
    await until(() => got === 'held back');
    expect(server.isPauseReceive(id!)).toBe(false);
    await client.stop();
  });

  test('carry data of the application, which goes with them: ECO-010 NETG-008 EBUG-017', async () => {
    const atEnd: unknown[] = [];
    await using server = new TcpServer<{ name: string }>({
      onAccept: (s, id) => void s.setConnectionExtra(id, { name: `of ${id}` }),
      onClose: (s, id) => void atEnd.push(s.getConnectionExtra(id)),
    });
    const { port } = await server.start(host, 0);
    for (let round = 1; round <= 3; round++) {
      const client = new TcpClient({});
      await client.start(host, port);
      await until(() => server.connectionCount === 1);
      const [id] = server.getAllConnectionIDs();
      expect(server.getConnectionExtra(id!)).toEqual({ name: `of ${id}` });
      expect(server.setConnectionExtra(id!, { name: `other ${round}` })).toBe(true);
      await client.stop();
      await until(() => atEnd.length === round);
      expect(atEnd.at(-1)).toEqual({ name: `other ${round}` });
      expect(server.getConnectionExtra(id!)).toBeNull();
      expect(server.setConnectionExtra(id!, { name: 'late' })).toBe(false);
    }
  });

  test('that a hook refuses are closed: Error is the one answer that means something: NETG-005', async () => {
    for (const answer of [HandleResult.Error, HandleResult.Ok, HandleResult.Ignore, undefined, false, 2]) {
      await using server = new TcpServer({ onAccept: () => answer });
      const { port } = await server.start(host, 0);
      const peer = net.connect(port, host);
      let isOver = false;
      peer.on('error', () => {});
      peer.on('close', () => (isOver = true));
      if (answer === HandleResult.Error) await until(() => isOver);
      else await until(() => server.connectionCount === 1);
      expect(isOver).toBe(answer === HandleResult.Error);
      peer.destroy();
    }
  });
});
