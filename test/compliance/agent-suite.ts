import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { Errno, HandleResult, ServiceState, SocketError, SocketErrorCode, SocketOperation } from '../../src/index.ts';
import { bytesOf, deferred, echo, type Family, Journal, until } from './family.ts';
import { refusingPort } from './ports.ts';

const host = '127.0.0.1';

/** What every stream agent must do: IAgent, ITcpAgent and the events of an agent. */
export function agentSuite(family: Family): void {
  describe(`${family.name}Agent`, () => {
    test('the life of a connection in order: ORD-016, ORD-017, ORD-025, EV-A-01, EV-A-02, EV-A-03, EV-A-04, EV-A-05, EV-A-07, EV-A-08', async () => {
      const journal = new Journal();
      await using server = family.server(echo());
      const { port } = await server.start(host, 0);
      const agent = family.agent({
        onPrepareConnect: (a, id) => journal.add(`prepare ${id} ${a.isConnected(id)}`),
        onConnect: (a, id) => journal.add(`connect ${id} ${a.isConnected(id)}`),
        onHandShake: (_a, id) => journal.add(`handshake ${id}`),
        onReceive: (a, id, data) => journal.add(`receive ${bytesOf(a, id, data)}`),
        onClose: (_a, id, op, code) => journal.add(`close ${id} ${op} ${code}`),
        onShutdown: (a) => journal.add(`shutdown ${a.state}`),
      });
      await agent.start();
      expect(agent.state).toBe(ServiceState.Started);
      const connId = await agent.connect(host, port);
      await journal.seen('handshake 1');
      expect(agent.send(connId, 'hello')).toBe(true);
      await journal.seen('receive hello');
      await agent.stop();
      expect(journal.entries).toEqual([
        'prepare 1 false',
        'connect 1 true',
        'handshake 1',
        'receive hello',
        'close 1 5 0',
        'shutdown 2',
      ]);
    });

    test('a refused connect rejects with no onClose; asynchronously onClose gets the error: AGT-002, ORD-019, ORD-020, CLS-014, CLS-015, NOC-005, ACC-001', async () => {
      const port = await refusingPort();
      const closes: unknown[][] = [];
      const agent = family.agent({
        onClose: (_a, id, op, code, info) => void closes.push([id, op, code, info.error instanceof SocketError]),
      });
      await agent.start();
      await expect(agent.connect(host, port)).rejects.toMatchObject({
        socketError: SocketErrorCode.ConnectServer,
        errno: Errno.ECONNREFUSED,
      });
      expect(agent.connectionCount).toBe(0);
      expect(closes).toEqual([]);
      await agent.stop();
      await agent.start(null, true);
      const connId = await agent.connect(host, port);
      expect(agent.isConnected(connId)).toBe(false);
      expect(agent.send(connId, 'x')).toBe(false); // SND-003
      expect(agent.lastSystemError).toBe(Errno.EPERM);
      expect(agent.pauseReceive(connId)).toBe(false);
      await until(() => closes.length === 1);
      expect(closes).toEqual([[connId, SocketOperation.Connect, Errno.ECONNREFUSED, true]]);
      await agent.stop();
    });

    test('disconnect and stop while connecting: ORD-022', async () => {
      await using server = family.server({});
      const { port } = await server.start(host, 0);
      const journal = new Journal();
      const agent = family.agent({
        onConnect: () => journal.add('connect'),
        onClose: (_a, id, op, code) => journal.add(`close ${id} ${op} ${code}`),
        onShutdown: () => journal.add('shutdown'),
      });
      await agent.start({ asyncConnect: true });
      const first = await agent.connect(host, port);
      expect(agent.disconnect(first)).toBe(true);
      await journal.seen(`close ${first} 5 0`);
      await agent.connect(host, port);
      await agent.stop();
      expect(journal.entries.at(-1)).toBe('shutdown');
      expect(journal.entries.filter((entry) => entry.startsWith('close'))).toHaveLength(2);
    });

    test('hooks that refuse: EV-A-01, EV-A-02, ORD-021, NOC-002, NOC-003, NOC-004', async () => {
      await using server = family.server({});
      const { port } = await server.start(host, 0);
      for (const hook of ['onPrepareConnect', 'onConnect'] as const) {
        const closes: number[] = [];
        const agent = family.agent({ [hook]: () => HandleResult.Error, onClose: (_a, id) => void closes.push(id) });
        await agent.start();
        await expect(agent.connect(host, port)).rejects.toMatchObject({ errno: Errno.ECANCELED });
        await until(() => agent.connectionCount === 0);
        await agent.stop();
        await agent.start({ asyncConnect: true });
        await agent.connect(host, port).catch(() => {});
        await until(() => agent.connectionCount === 0);
        await agent.stop();
        expect(closes).toEqual([]);
      }
    });

    test('remote host, addresses, extras: AGT-003, CS-019, CS-018, CS-009', async () => {
      await using server = family.server({});
      const { port } = await server.start(host, 0);
      let extraSeen: unknown;
      const atEnd: unknown[] = [];
      await using agent = family.agent({
        onPrepareConnect(a, id) {
          extraSeen = a.getConnectionExtra(id);
        },
        onClose: (a, id) => void atEnd.push(a.getRemoteHost(id), a.getRemoteAddress(id), a.getConnectionExtra(id)),
      });
      await agent.start();
      const name = 'localhost'; // as the certificate says, over TLS
      const connId = await agent.connect(`${host}^${name}`, port, { extra: 'mine' });
      expect(extraSeen).toBe('mine');
      expect(agent.getRemoteHost(connId)).toEqual({ host: name, port });
      expect(agent.getRemoteAddress(connId)).toEqual({ address: host, port });
      expect(agent.getLocalAddress(connId)?.address).toBe(host);
      expect(agent.getConnectionExtra(connId)).toBe('mine');
      expect(agent.getRemoteHost(999)).toBeNull();
      agent.disconnect(connId);
      await until(() => atEnd.length > 0);
      expect(atEnd).toEqual([{ host: name, port }, { address: host, port }, 'mine']);
      expect(agent.getRemoteHost(connId)).toBeNull();
    });

    test('start and connect check their arguments: AGT-001, AGT-002', async () => {
      const agent = family.agent({});
      await expect(agent.connect(host, 1)).rejects.toMatchObject({ socketError: SocketErrorCode.IllegalState });
      await expect(agent.start('no address')).rejects.toMatchObject({
        socketError: SocketErrorCode.SocketCreate,
        errno: Errno.EADDRNOTAVAIL,
      });
      expect(agent.state).toBe(ServiceState.Stopped);
      await agent.start(host);
      await expect(agent.start()).rejects.toMatchObject({ socketError: SocketErrorCode.IllegalState });
      await expect(agent.connect('', 80)).rejects.toMatchObject({ socketError: SocketErrorCode.InvalidParam });
      await expect(agent.connect(host, 70_000)).rejects.toMatchObject({ socketError: SocketErrorCode.InvalidParam });
      await expect(agent.connect('::1', 80)).rejects.toMatchObject({ errno: Errno.EAFNOSUPPORT });
      await agent.stop();
      await expect(agent.stop()).rejects.toMatchObject({ socketError: SocketErrorCode.IllegalState });
    });

    test('maxConnectionCount refuses with ENOSR: AGT-002, CS-031', async () => {
      await using server = family.server({});
      const { port } = await server.start(host, 0);
      await using agent = family.agent({}, { maxConnectionCount: 1 });
      await agent.start();
      await agent.connect(host, port);
      await expect(agent.connect(host, port)).rejects.toMatchObject({ errno: Errno.ENOSR });
      expect(agent.stats().limits.connections).toBe(1);
    });

    test('local address and port: AGT-002', async () => {
      await using server = family.server({});
      const { port } = await server.start(host, 0);
      await using agent = family.agent({});
      await agent.start('127.0.0.2');
      const connId = await agent.connect(host, port);
      expect(agent.getLocalAddress(connId)?.address).toBe('127.0.0.2');
      const other = await agent.connect(host, port, { localAddress: '127.0.0.3' });
      expect(agent.getLocalAddress(other)?.address).toBe('127.0.0.3');
    });

    test('onSend reports what was sent: EV-A-06', async () => {
      let reported = 0;
      await using server = family.server(echo());
      const { port } = await server.start(host, 0);
      const answered = deferred();
      await using agent = family.agent({
        onSend: (_a, _id, data) => void (reported += data.length),
        onReceive: (a, id, data) => void (bytesOf(a, id, data).length > 0 && answered.resolve()),
      });
      await agent.start();
      const connId = await agent.connect(host, port);
      await until(() => agent.send(connId, 'hello'));
      await answered.promise;
      expect(reported).toBeGreaterThanOrEqual(5);
    });

    test('sendSmallFile and properties: TCP-A-001 to TCP-A-011', async () => {
      // TCP-A-002 TCP-A-003 TCP-A-004 TCP-A-005 TCP-A-006 TCP-A-007 TCP-A-008 TCP-A-009 TCP-A-010
      const folder = await mkdtemp(join(tmpdir(), 'hp-socket-'));
      try {
        await writeFile(join(folder, 'file'), 'content');
        let got = '';
        await using server = family.server({
          onReceive(s, id, data) {
            got += bytesOf(s, id, data);
          },
        });
        const { port } = await server.start(host, 0);
        const agent = family.agent({});
        const properties: [name: string, initial: unknown, other: unknown, wrong: unknown][] = [
          ['socketBufferSize', 4096, 65_536, 7],
          ['keepAliveTime', 60_000, 1000, 999],
          ['keepAliveInterval', 20_000, 0, 999],
          ['noDelay', true, false, 1],
          ['syncConnectTimeout', 10_000, 5000, 0],
        ];
        for (const [property, initial, other, wrong] of properties) {
          const values = agent as unknown as Record<string, unknown>;
          expect([property, values[property]]).toEqual([property, initial]);
          values[property] = other;
          expect(() => {
            values[property] = wrong;
          }, property).toThrow(property);
          expect([property, values[property]]).toEqual([property, other]);
        }
        await agent.start();
        const connId = await agent.connect(host, port);
        await until(() => agent.isConnected(connId) && server.stats().opened === 1);
        await until(() => agent.send(connId, '!'));
        expect(await agent.sendSmallFile(connId, join(folder, 'file'), '<', '>')).toBe(true);
        await until(() => got === '!<content>');
        await agent.stop();
      } finally {
        await rm(folder, { recursive: true });
      }
    });
  });
}
