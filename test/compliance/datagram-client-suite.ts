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
import { type DatagramFamily, echoDatagrams } from './datagram-family.ts';
import { deferred, Journal, until } from './family.ts';
import { freeUdpPort } from './ports.ts';

const host = '127.0.0.1';

/** What every client over datagrams must do: IClient, IUdpClient and the events of a client. */
export function datagramClientSuite(family: DatagramFamily): void {
  describe(`${family.name}Client`, () => {
    test('the life of a connection in order, with the states seen: ORD-031, EV-C-01, EV-C-02, EV-C-03, EV-C-04, EV-C-05, EV-C-07, ST-001, ST-003, ST-006, ST-007', async () => {
      const journal = new Journal();
      await using server = family.server(echoDatagrams());
      const { port } = await server.start(host, 0);
      const client = family.client({
        onPrepareConnect: (c) => journal.add(`prepare ${c.state} ${c.isConnected}`),
        onConnect: (c) => journal.add(`connect ${c.state} ${c.isConnected}`),
        onHandShake: (c) => journal.add(`handshake ${c.state}`),
        onReceive: (c, _id, data) => journal.add(`receive ${c.state} ${data}`),
        onClose: (c, _id, op, code) => journal.add(`close ${c.state} ${op} ${code} ${c.isConnected} ${c.send('x')}`),
      });
      await client.start(host, port);
      expect(client.state).toBe(ServiceState.Started);
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

    test('the peer says goodbye: the client stops by itself and can start again: CLI-002, CLS-018', async () => {
      const closes: number[][] = [];
      await using server = family.server({ onReceive: (s, id) => void s.disconnect(id) });
      const { port } = await server.start(host, 0);
      const client = family.client({ onClose: (_c, _id, op, code) => void closes.push([op, code]) });
      for (let i = 0; i < 3; i++) {
        await client.start(host, port);
        expect(client.send('go away')).toBe(true);
        await client.wait();
        expect(client.state).toBe(ServiceState.Stopped);
      }
      expect(closes).toEqual([
        [SocketOperation.Close, 0],
        [SocketOperation.Close, 0],
        [SocketOperation.Close, 0],
      ]);
    });

    test('nobody listens there: onClose gets ECONNREFUSED, and an ARQ start rejects with it: CLS-021', async () => {
      const port = await freeUdpPort();
      const closes: unknown[][] = [];
      const client = family.client({
        onClose: (c, _id, op, code, info) => void closes.push([c.state, op, code, info.error instanceof SocketError]),
      });
      const started = await client.start(host, port).then(
        () => 'started',
        (error: SocketError) => error.errnoName,
      );
      await client.wait();
      if (family.isReliable) expect(started).toBe('ECONNREFUSED');
      expect(closes).toEqual([[ServiceState.Stopping, SocketOperation.Close, Errno.ECONNREFUSED, true]]);
      expect(client.lastSystemError).toBe(Errno.ECONNREFUSED);
    });

    test('stop while the start goes on: ORD-023', async () => {
      await using server = family.server({});
      const { port } = await server.start(host, 0);
      const journal = new Journal();
      const client = family.client({
        onHandShake: () => journal.add('handshake'),
        onClose: (_c, _id, op, code) => journal.add(`close ${op} ${code}`),
      });
      const starting = client.start(host, port).catch((error: SocketError) => error.errnoName);
      await client.stop();
      expect(await starting).toBe('ECANCELED');
      expect(client.state).toBe(ServiceState.Stopped);
      expect(journal.entries).toEqual([]);
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
      // CLI-007 CLI-008 CLI-009 CLI-010 CLI-011 CLI-012 CLI-013 CLI-015 CLI-016 CLI-017 CLI-018
      await using server = family.server({});
      const { port } = await server.start(host, 0);
      const client = family.client({});
      client.extra = { my: 'data' };
      expect([client.isSecure, client.hasStarted, client.isConnected]).toEqual([false, false, false]);
      expect([client.getLocalAddress(), client.getRemoteHost(), client.pendingDataLength]).toEqual([null, null, 0]);
      expect([client.lastError, client.lastErrorDesc]).toEqual([SocketErrorCode.Ok, 'SUCCESS']);
      expect(await client.wait(0)).toBe(true);
      await client.start(host, port);
      expect([client.hasStarted, client.isConnected]).toEqual([true, true]);
      expect(client.getRemoteHost()).toEqual({ host, port });
      expect(client.getLocalAddress()?.port).toBeGreaterThan(0);
      expect([client.isPauseReceive, client.pauseReceive(), client.isPauseReceive]).toEqual([false, true, true]);
      expect(await client.wait(1)).toBe(false);
      await client.stop();
      expect([client.getRemoteHost(), client.getLocalAddress()]).toEqual([null, null]);
      expect([client.pauseReceive(false), client.lastSystemError]).toEqual([false, Errno.EPERM]); // CLI-005
      expect(client.extra).toEqual({ my: 'data' });
    });

    test('send, sendPackets: CLI-003, CLI-004, EV-C-06, SND-001', async () => {
      const got: string[] = [];
      let reported = 0;
      await using server = family.server({ onReceive: (_s, _id, data) => void got.push(data.toString()) });
      const { port } = await server.start(host, 0);
      const client = family.client({ onSend: (_c, _id, data) => void (reported += data.length) });
      expect([client.send('x'), client.sendPackets(['x'])]).toEqual([false, false]);
      expect(client.lastSystemError).toBe(Errno.EPERM);
      expect(client.lastFailure).toBeInstanceOf(SocketError);
      await client.start(host, port);
      expect(client.send('..ab..', 2, 2)).toBe(true);
      expect(client.sendPackets(['c', Buffer.from('d')])).toBe(true);
      expect([client.send(''), client.lastSystemError]).toEqual([false, Errno.EINVAL]);
      expect([client.send(Buffer.alloc(70_000)), client.lastSystemError]).toEqual([false, Errno.EINVAL]);
      expect([client.sendPackets([]), client.lastSystemError]).toEqual([false, Errno.EINVAL]);
      await until(() => got.length === 2);
      expect(got).toEqual(['ab', 'cd']);
      await until(() => reported >= 4);
      await client.stop();
    });

    test('pauseReceive holds everything back until resumed: CLI-005, CLI-018', async () => {
      const got: string[] = [];
      await using server = family.server(echoDatagrams());
      const { port } = await server.start(host, 0);
      await using client = family.client({ onReceive: (_c, _id, data) => void got.push(data.toString()) });
      await client.start(host, port);
      expect(client.pauseReceive()).toBe(true);
      for (const text of ['one', 'two']) client.send(text);
      await until(() => (server.getConnectionStats(1)?.messagesIn ?? 0) === 2);
      for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
      expect(got).toEqual([]);
      expect(client.pauseReceive(false)).toBe(true);
      expect(got).toEqual([]); // no hook comes from inside a call
      await until(() => got.length === 2);
      expect(got).toEqual(['one', 'two']);
    });

    test('properties with defaults: CLI-020 to CLI-025, UDP-C-001 to UDP-C-006', () => {
      // CLI-021 CLI-022 CLI-023 CLI-024 UDP-C-002 UDP-C-003 UDP-C-004 UDP-C-005
      const client = family.client({}) as unknown as Record<string, unknown>;
      for (const [name, initial, other, wrong] of [
        ['reuseAddressPolicy', ReuseAddressPolicy.AddrOnly, ReuseAddressPolicy.None, 3],
        ['freeBufferPoolSize', 60, 0, -1],
        ['freeBufferPoolHold', 60, 0, -1],
        ['maxDatagramSize', 1432, 1000, 0],
        ['detectAttempts', 3, 0, -1],
        ['detectInterval', 60_000, 0, 1],
      ] as const) {
        expect([name, client[name]]).toEqual([name, initial]);
        client[name] = other;
        expect(client[name]).toBe(other);
        expect(() => {
          client[name] = wrong;
        }, name).toThrow(RangeError);
      }
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
      await expect(client.start(host, 80, { localAddress: 'x' })).rejects.toMatchObject({
        errno: Errno.EADDRNOTAVAIL,
      });
      await expect(client.start(host, 80, { localAddress: '::1' })).rejects.toMatchObject({
        errno: Errno.EAFNOSUPPORT,
      });
      expect(client.state).toBe(ServiceState.Stopped);
    });

    test('onReceive Error closes with ECANCELED, and the server gets a close notify: CLS-006, EV-C-04', async () => {
      const closed = deferred<unknown[]>();
      const serverClosed = deferred<unknown[]>();
      await using server = family.server({
        ...echoDatagrams(),
        onClose: (_s, _id, op, code) => serverClosed.resolve([op, code]),
      });
      const { port } = await server.start(host, 0);
      const client = family.client({
        onReceive: () => HandleResult.Error,
        onClose: (_c, _id, op, code) => closed.resolve([op, code]),
      });
      await client.start(host, port);
      client.send('x');
      expect(await closed.promise).toEqual([SocketOperation.Receive, Errno.ECANCELED]);
      expect(await serverClosed.promise).toEqual([SocketOperation.Close, 0]);
      await client.wait();
    });
  });
}
