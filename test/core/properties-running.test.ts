import { describe, expect, test } from 'vitest';
import { $settings } from '../../src/core/internals.ts';
import {
  Errno,
  ServiceState,
  SocketError,
  SocketErrorCode,
  TcpAgent,
  TcpClient,
  TcpPackAgent,
  TcpPackClient,
  TcpPackServer,
  TcpPullAgent,
  TcpPullClient,
  TcpPullServer,
  TcpServer,
} from '../../src/index.ts';

const host = '127.0.0.1';

type Settable = Record<string, unknown> & { [$settings]: Record<string, unknown> };

/** Tries every property of a component that runs: each refuses, whatever the value is, and keeps its own. */
function expectLocked(component: object): void {
  const settable = component as Settable;
  const names = Object.keys(settable[$settings]);
  expect(names.length).toBeGreaterThan(5);
  for (const name of names) {
    const before = settable[name];
    for (const value of [before, 'nonsense']) {
      let thrown: unknown;
      try {
        settable[name] = value;
      } catch (error) {
        thrown = error;
      }
      expect(thrown, name).toBeInstanceOf(SocketError);
      expect(thrown).toMatchObject({
        socketError: SocketErrorCode.IllegalState,
        errno: Errno.EPERM,
        operation: `set ${name}`,
      });
      expect((thrown as Error).message).toBe(
        `${name} can only be set while the component is stopped; await stop() first`,
      );
    }
    expect(settable[name], name).toBe(before);
  }
}

/** Every property takes its own value back. */
function expectOpen(component: object): void {
  const settable = component as Settable;
  for (const name of Object.keys(settable[$settings])) {
    const before = settable[name];
    settable[name] = before;
    expect(settable[name]).toBe(before);
  }
}

describe('properties are locked from start to the end of stop', () => {
  test.each([TcpServer, TcpPullServer, TcpPackServer])('of a server', async (Server) => {
    const server = new (Server as typeof TcpServer)({});
    expectOpen(server);
    const starting = server.start(host, 0);
    expect(server.state).toBe(ServiceState.Starting);
    expectLocked(server);
    await starting;
    expectLocked(server);
    const stopping = server.stop();
    expectLocked(server);
    await stopping;
    expectOpen(server);
  });

  test.each([TcpAgent, TcpPullAgent, TcpPackAgent])('of an agent', async (Agent) => {
    const agent = new (Agent as typeof TcpAgent)({});
    expectOpen(agent);
    await agent.start();
    expectLocked(agent);
    await agent.stop();
    expectOpen(agent);
  });

  test.each([TcpClient, TcpPullClient, TcpPackClient])('of a client', async (Client) => {
    await using server = new TcpServer({});
    const { port } = await server.start(host, 0);
    const client = new (Client as typeof TcpClient)({});
    expectOpen(client);
    const starting = client.start(host, port);
    expectLocked(client);
    await starting;
    expectLocked(client);
    await client.stop();
    expectOpen(client);
  });
});

test('a component that failed to start takes new values, and starts with them', async () => {
  await using holder = new TcpServer({});
  const { port } = await holder.start(host, 0);
  const server = new TcpServer({});
  await expect(server.start(host, port)).rejects.toBeInstanceOf(SocketError);
  server.maxConnectionCount = 7;
  await server.start(host, 0);
  expect(server.maxConnectionCount).toBe(7);
  await server.stop();
});

test('every property is listed as an own option, and enumerable', () => {
  const names = Object.keys((new TcpPackServer({}) as unknown as Settable)[$settings]);
  for (const name of ['maxPackSize', 'packHeaderFlag', 'maxConnectionCount', 'sendPolicy', 'socketBufferSize']) {
    expect(names).toContain(name);
  }
  const server = new TcpPackServer({}, { maxPackSize: 9, packHeaderFlag: 8 });
  const shown: string[] = [];
  for (const name in server) shown.push(name);
  expect(shown).toContain('maxPackSize');
  expect([server.maxPackSize, server.packHeaderFlag]).toEqual([9, 8]);
});
