import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import {
  Errno,
  HandleResult,
  ReuseAddressPolicy,
  ServiceState,
  SocketError,
  SocketErrorCode,
  SocketOperation,
} from '../../src/index.ts';
import { bytesOf, deferred, echo, type Family, Journal, until } from './family.ts';
import { refusingPort } from './ports.ts';

const host = '127.0.0.1';

/** What every stream client must do: IClient, ITcpClient and the events of a client. */
export function clientSuite(family: Family): void {
  describe(`${family.name}Client`, () => {
    test('the life of a connection in order, with the states seen: ORD-017, ORD-024, EV-C-01, EV-C-02, EV-C-03, EV-C-04, EV-C-05, EV-C-07, ST-001, ST-003, ST-004, ST-006, ST-007', async () => {
      const journal = new Journal();
      await using server = family.server(echo());
      const { port } = await server.start(host, 0);
      const client = family.client({
        onPrepareConnect: (c) => journal.add(`prepare ${c.state} ${c.isConnected}`),
        onConnect: (c) => journal.add(`connect ${c.state} ${c.isConnected}`),
        onHandShake: (c) => journal.add(`handshake ${c.state}`),
        onReceive: (c, id, data) => journal.add(`receive ${c.state} ${bytesOf(c, id, data)}`),
        onClose: (c, _id, op, code) => journal.add(`close ${c.state} ${op} ${code} ${c.isConnected} ${c.send('x')}`),
      });
      await client.start(host, port);
      expect(client.state).toBe(ServiceState.Started);
      await journal.seen('handshake 1');
      expect(client.send('hello')).toBe(true);
      await journal.seen('receive 1 hello');
      await client.stop();
      expect(journal.entries).toEqual([
        'prepare 0 false',
        'connect 1 true',
        'handshake 1',
        'receive 1 hello',
        'close 2 5 0 false false', // SND-008
      ]);
      expect(client.lastSystemError).toBe(Errno.EPERM);
      expect(client.state).toBe(ServiceState.Stopped);
      await expect(client.stop()).rejects.toMatchObject({
        socketError: SocketErrorCode.IllegalState,
        errno: Errno.EPERM,
      });
    });

    test('the peer closes: the client stops by itself and can start again: CLI-002, ORD-024, CLS-001', async () => {
      const closes: number[][] = [];
      await using server = family.server({ onHandShake: (s, id) => void s.disconnect(id) });
      const { port } = await server.start(host, 0);
      const client = family.client({ onClose: (_c, _id, op, code) => void closes.push([op, code]) });
      for (let i = 0; i < 3; i++) {
        await client.start(host, port).catch(() => {});
        await client.wait();
        expect(client.state).toBe(ServiceState.Stopped);
      }
      expect(closes.every(([op, code]) => op === SocketOperation.Close && code === 0)).toBe(true);
      expect(closes).toHaveLength(3);
    });

    test('refused: start rejects with no onClose; asynchronously onClose gets the error: CLI-001, ORD-019, ORD-020, NOC-005, ST-005, CLS-014', async () => {
      const port = await refusingPort();
      const closes: unknown[][] = [];
      const client = family.client({ onClose: (c, _id, op, code) => void closes.push([c.state, op, code]) });
      await expect(client.start(host, port)).rejects.toMatchObject({
        name: 'SocketError',
        socketError: SocketErrorCode.ConnectServer,
        errno: Errno.ECONNREFUSED,
        message: expect.stringContaining('nothing listens there'),
      });
      expect(client.state).toBe(ServiceState.Stopped);
      expect(client.lastError).toBe(SocketErrorCode.ConnectServer);
      expect(closes).toEqual([]);
      await client.start(host, port, { asyncConnect: true });
      expect(client.state).toBe(ServiceState.Starting); // CLI-011
      expect(client.send('x')).toBe(false); // SND-003
      expect(client.lastSystemError).toBe(Errno.EPERM);
      await client.wait();
      expect(closes).toEqual([[ServiceState.Stopping, SocketOperation.Connect, Errno.ECONNREFUSED]]);
    });

    test('stop while connecting: ORD-023', async () => {
      await using server = family.server({});
      const { port } = await server.start(host, 0);
      const journal = new Journal();
      const client = family.client({
        onConnect: () => journal.add('connect'),
        onClose: (_c, _id, op, code) => journal.add(`close ${op} ${code}`),
      });
      await client.start(host, port, { asyncConnect: true });
      await client.stop();
      expect(journal.entries).toEqual(['close 5 0']);
    });

    test('hooks that refuse: EV-C-01, EV-C-02, ORD-021, NOC-003, NOC-004', async () => {
      await using server = family.server({});
      const { port } = await server.start(host, 0);
      for (const hook of ['onPrepareConnect', 'onConnect'] as const) {
        const closes: number[] = [];
        const client = family.client({ [hook]: () => HandleResult.Error, onClose: (_c, id) => void closes.push(id) });
        await expect(client.start(host, port)).rejects.toMatchObject({
          errno: Errno.ECANCELED,
          socketError: hook === 'onConnect' ? SocketErrorCode.ConnectServer : SocketErrorCode.SocketPrepare,
        });
        expect(client.state).toBe(ServiceState.Stopped);
        await client.start(host, port, { asyncConnect: true }).catch(() => {});
        await client.wait();
        expect(closes).toEqual([]);
      }
    });

    test('IDs are one count for all clients of the process: CID-005, CLI-014', async () => {
      await using server = family.server({});
      const { port } = await server.start(host, 0);
      const one = family.client({});
      const two = family.client({});
      expect(one.connectionId).toBe(0);
      await one.start(host, port);
      await two.start(host, port);
      expect(two.connectionId).toBe(one.connectionId + 1);
      const last = one.connectionId;
      await one.stop();
      expect(one.connectionId).toBe(last);
      await one.start(host, port);
      expect(one.connectionId).toBe(last + 2);
      await one.stop();
      await two.stop();
    });

    test('getters: CLI-006 to CLI-019', async () => {
      // CLI-007 CLI-008 CLI-009 CLI-010 CLI-012 CLI-013 CLI-015 CLI-016 CLI-017 CLI-018
      await using server = family.server({});
      const { port } = await server.start(host, 0);
      const client = family.client({});
      client.extra = { my: 'data' };
      expect(client.isSecure).toBe(family.isSecure);
      expect(client.hasStarted).toBe(false);
      expect(client.isConnected).toBe(false);
      expect(client.getLocalAddress()).toBeNull();
      expect(client.getRemoteHost()).toBeNull();
      expect(client.pendingDataLength).toBe(0);
      expect(client.lastError).toBe(SocketErrorCode.Ok);
      expect(client.lastErrorDesc).toBe('SUCCESS');
      expect(await client.wait(0)).toBe(true);
      await client.start('localhost^127.0.0.1', port).catch(() => client.start(host, port));
      expect(client.hasStarted).toBe(true);
      expect(client.isConnected).toBe(true);
      expect(client.getRemoteHost()).toEqual({ host, port });
      expect(client.getLocalAddress()?.port).toBeGreaterThan(0);
      expect(client.isPauseReceive).toBe(false);
      expect(client.pauseReceive()).toBe(true);
      expect(client.isPauseReceive).toBe(true);
      expect(await client.wait(1)).toBe(false);
      await client.stop();
      expect(client.getRemoteHost()).toBeNull();
      expect(client.pauseReceive()).toBe(false); // CLI-005
      expect(client.lastSystemError).toBe(Errno.EPERM);
      expect(client.extra).toEqual({ my: 'data' });
    });

    test('send, sendPackets, sendSmallFile: CLI-003, CLI-004, TCP-C-001, EV-C-06, SND-001, SND-011', async () => {
      const folder = await mkdtemp(join(tmpdir(), 'hp-socket-'));
      try {
        await writeFile(join(folder, 'file'), 'content');
        let got = '';
        let reported = 0;
        await using server = family.server({
          onReceive(s, id, data) {
            got += bytesOf(s, id, data);
          },
        });
        const { port } = await server.start(host, 0);
        const client = family.client({ onSend: (_c, _id, data) => void (reported += data.length) });
        expect(client.send('x')).toBe(false);
        expect(client.sendPackets(['x'])).toBe(false);
        expect(await client.sendSmallFile(join(folder, 'file'))).toBe(false);
        expect(client.lastSystemError).toBe(Errno.EPERM);
        expect(client.lastFailure).toBeInstanceOf(SocketError);
        await client.start(host, port);
        await until(() => client.send('a'));
        expect(client.sendPackets(['b', Buffer.from('c')])).toBe(true);
        expect(await client.sendSmallFile(join(folder, 'file'), '<', '>')).toBe(true);
        expect(client.send('')).toBe(family.model !== 'pack');
        await until(() => got === 'abc<content>');
        expect(reported).toBeGreaterThanOrEqual(got.length);
        await client.stop();
      } finally {
        await rm(folder, { recursive: true });
      }
    });

    test('properties with defaults: CLI-020 to CLI-025, TCP-C-002 to TCP-C-011', () => {
      // CLI-021 CLI-022 CLI-023 CLI-024 TCP-C-003 TCP-C-004 TCP-C-005 TCP-C-006 TCP-C-007 TCP-C-008 TCP-C-009 TCP-C-010
      const client = family.client({}) as unknown as Record<string, unknown>;
      const values: [string, unknown, unknown, unknown][] = [
        ['reuseAddressPolicy', ReuseAddressPolicy.AddrOnly, ReuseAddressPolicy.None, 3],
        ['freeBufferPoolSize', 60, 0, -1],
        ['freeBufferPoolHold', 60, 0, -1],
        ['socketBufferSize', 4096, 1, 0],
        ['keepAliveTime', 60_000, 0, 1],
        ['keepAliveInterval', 20_000, 1000, 999],
        ['syncConnectTimeout', 10_000, 1, 0],
      ];
      for (const [name, defaultValue, other, wrong] of values) {
        expect([name, client[name]]).toEqual([name, defaultValue]);
        client[name] = other;
        expect(client[name]).toBe(other);
        expect(() => {
          client[name] = wrong;
        }, name).toThrow(RangeError);
      }
      expect(client.noDelay).toBe(true);
      client.noDelay = false;
      expect(client.noDelay).toBe(false);
      expect(() => {
        client.noDelay = 0;
      }).toThrow(TypeError);
    });

    test('pendingDataLength counts what the peer does not read: CLI-017', async () => {
      await using server = family.server({ onAccept: (s, id) => void s.pauseReceive(id) });
      const { port } = await server.start(host, 0);
      const client = family.client({});
      await client.start(host, port);
      await until(() => server.connectionCount === 1);
      const chunk = Buffer.alloc(200_000);
      while (client.pendingDataLength < 1_000_000) {
        if (!client.send(chunk)) break;
        await new Promise((resolve) => setImmediate(resolve));
      }
      expect(client.pendingDataLength).toBeGreaterThanOrEqual(1_000_000);
      for (const id of server.getAllConnectionIDs()) server.pauseReceive(id, false);
      await until(() => client.pendingDataLength === 0);
      await client.stop();
    });

    test('start checks its arguments: CLI-001, ST-002', async () => {
      const client = family.client({});
      for (const [target, port] of [
        ['', 80],
        [host, 0],
        [host, 70_000],
        [host, 1.5],
      ] as const) {
        await expect(client.start(target, port)).rejects.toMatchObject({ socketError: SocketErrorCode.InvalidParam });
      }
      await expect(client.start(host, 80, { localAddress: 'x' })).rejects.toMatchObject({ errno: Errno.EADDRNOTAVAIL });
      await expect(client.start(host, 80, { localAddress: '::1' })).rejects.toMatchObject({
        errno: Errno.EAFNOSUPPORT,
      });
      expect(client.state).toBe(ServiceState.Stopped);
    });

    test('a message that came with the FIN is delivered, and its answer arrives: ORD-005, ORD-006, ACC-011', async () => {
      const answered = deferred<string>();
      await using server = family.server({
        onReceive(s, id, data) {
          s.send(id, `answer to ${bytesOf(s, id, data)}`);
        },
      });
      const { port } = await server.start(host, 0);
      const client = family.client({
        onReceive: (c, id, data) => answered.resolve(bytesOf(c, id, data).toString()),
      });
      await client.start(host, port);
      await until(() => client.send('question'));
      await client.stop({ drainTimeoutMs: 5000 });
      expect(await answered.promise).toBe('answer to question');
    });
  });
}
