import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import {
  Errno,
  HandleResult,
  OnSendSyncPolicy,
  ReuseAddressPolicy,
  SendPolicy,
  ServiceState,
  SocketError,
  SocketErrorCode,
  SocketOperation,
} from '../../src/index.ts';
import { bytesOf, deferred, echo, type Family, Journal, until } from './family.ts';

const host = '127.0.0.1';

/** What every stream server must do: IComplexSocket, IServer, ITcpServer and the events of a server. */
export function serverSuite(family: Family): void {
  describe(`${family.name}Server`, () => {
    test('the life of a connection in order: ORD-001, ORD-002, EV-S-01, EV-S-02, EV-S-03, EV-S-07, EV-S-08, EXO-003, EXO-004, NODEEV-001', async () => {
      const journal = new Journal();
      const server = family.server({
        onPrepareListen: (s) => journal.add(`prepare ${s.state}`),
        onAccept: (_s, id) => journal.add(`accept ${id}`),
        onHandShake: (_s, id) => journal.add(`handshake ${id}`),
        onReceive(s, id, data) {
          journal.add(`receive ${bytesOf(s, id, data)}`);
          s.send(id, 'answer');
        },
        onClose: (s, id, op, code) => journal.add(`close ${id} ${op} ${code} ${s.isConnected(id)}`),
        onShutdown: (s) => journal.add(`shutdown ${s.state}`),
      });
      const { port } = await server.start(host, 0);
      expect(server.state).toBe(ServiceState.Started);
      const answered = deferred();
      const client = family.client({
        onReceive(c, id, data) {
          if (bytesOf(c, id, data).length > 0) answered.resolve();
        },
      });
      await client.start(host, port);
      await journal.seen('handshake 1');
      client.send('hello');
      await answered.promise;
      await client.stop();
      await journal.seen('close 1 5 0 false');
      await server.stop();
      expect(journal.entries).toEqual([
        'prepare 0',
        'accept 1',
        'handshake 1',
        'receive hello',
        'close 1 5 0 false',
        'shutdown 2',
      ]);
      expect(server.state).toBe(ServiceState.Stopped);
    });

    test('onAccept Error drops the connection without onClose: ORD-003, NOC-001', async () => {
      const journal = new Journal();
      await using server = family.server({
        onAccept: () => HandleResult.Error,
        onHandShake: () => journal.add('handshake'),
        onClose: () => journal.add('close'),
      });
      const { port } = await server.start(host, 0);
      const client = family.client({});
      await client.start(host, port).catch(() => {});
      await client.wait();
      await until(() => server.connectionCount === 0);
      expect(journal.entries).toEqual([]);
      expect(server.stats()).toMatchObject({ opened: 0, refused: 1 });
    });

    test('onHandShake Error: no onClose on plain TCP, one over TLS: ORD-004, NOC-002, EV-S-03', async () => {
      const journal = new Journal();
      await using server = family.server({
        onAccept: () => journal.add('accept'),
        onHandShake() {
          journal.add('handshake');
          return HandleResult.Error;
        },
        onReceive: () => journal.add('receive'),
        onClose: (_s, _id, op, code) => journal.add(`close ${op} ${code}`),
      });
      const { port } = await server.start(host, 0);
      const client = family.client({});
      await client.start(host, port).catch(() => {});
      client.send('never delivered');
      await client.wait();
      await until(() => journal.has('handshake') && server.connectionCount === 0);
      expect(journal.entries).toEqual(['accept', 'handshake', ...(family.isSecure ? ['close 4 125'] : [])]);
    });

    test('stop closes each connection, then onShutdown: CS-001, ORD-008, CLS-013, NODEEV-004', async () => {
      const journal = new Journal();
      const server = family.server({
        onClose: (_s, _id, op, code) => journal.add(`close ${op} ${code}`),
        onShutdown: () => journal.add('shutdown'),
      });
      const { port } = await server.start(host, 0);
      const clients = [1, 2, 3].map(() => family.client({}));
      for (const client of clients) await client.start(host, port);
      await until(() => server.stats().opened === 3);
      const report = await server.stop();
      expect(report.connections).toBe(3);
      expect(journal.entries).toEqual(['close 5 0', 'close 5 0', 'close 5 0', 'shutdown']);
      await expect(server.stop()).rejects.toMatchObject({
        socketError: SocketErrorCode.IllegalState,
        errno: Errno.EPERM,
      });
      await Promise.all(clients.map((client) => client.wait()));
    });

    test('send, sendPackets: CS-002, CS-003, SND-001, SND-002, SND-004, SND-008, SND-009, SND-011', async () => {
      const inClose = deferred<boolean>();
      const opened = deferred<number>();
      await using server = family.server({
        onHandShake(s, id) {
          expect(s.send(id, 'first ')).toBe(true);
          opened.resolve(id);
        },
        onClose(s, id) {
          inClose.resolve(s.send(id, 'late'));
        },
      });
      expect(server.send(1, 'x')).toBe(false);
      expect(server.lastSystemError).toBe(Errno.EBADSLT);
      const { port } = await server.start(host, 0);
      let got = '';
      await using client = family.client({
        onReceive(c, id, data) {
          got += bytesOf(c, id, data);
        },
      });
      await client.start(host, port);
      const id = await opened.promise;
      expect(server.send(id, Buffer.from('..second ..'), 2, 7)).toBe(true);
      expect(server.sendPackets(id, ['a', Buffer.from('b'), '', new Uint8Array([99])])).toBe(true);
      await until(() => got.length >= 'first second abc'.length);
      expect(got).toBe('first second abc');
      expect(server.sendPackets(id, [])).toBe(false);
      expect(server.lastSystemError).toBe(Errno.EINVAL);
      expect(server.send(id, '')).toBe(family.model !== 'pack');
      expect(() => server.send(id, Buffer.alloc(3), 2, 5)).toThrow(RangeError);
      expect(() => server.send(id, 5 as never)).toThrow(TypeError);
      expect(server.send(999, 'x')).toBe(false);
      expect(server.lastFailure).toBeInstanceOf(SocketError);
      expect(server.lastFailure?.message).toContain('999');
      expect(server.disconnect(id)).toBe(true);
      expect(server.send(id, 'accepted, may be lost')).toBe(true);
      expect(await inClose.promise).toBe(false);
      expect(server.lastSystemError).toBe(Errno.EBADSLT);
    });

    test('disconnect: CS-005, CLS-013, EXO-001, POOL-012', async () => {
      const closes: number[][] = [];
      await using server = family.server({ onClose: (_s, id, op, code) => void closes.push([id, op, code]) });
      const { port } = await server.start(host, 0);
      const client = family.client({});
      await client.start(host, port);
      await until(() => server.stats().opened === 1);
      expect(server.disconnect(1)).toBe(true);
      expect(server.disconnect(1)).toBe(true);
      expect(closes).toEqual([]); // never from inside the call
      await client.wait();
      await until(() => server.connectionCount === 0);
      expect(closes).toEqual([[1, SocketOperation.Close, 0]]);
      expect(server.disconnect(1)).toBe(false);
      expect(server.lastSystemError).toBe(Errno.EBADSLT);
    });

    test('disconnectLongConnections and disconnectSilenceConnections: CS-006, CS-007', async () => {
      await using server = family.server(echo());
      const { port } = await server.start(host, 0);
      const client = family.client({});
      await client.start(host, port);
      await until(() => server.stats().opened === 1);
      expect(server.disconnectLongConnections(1_073_741_824)).toBe(false);
      expect(server.disconnectSilenceConnections(1_073_741_824)).toBe(false);
      expect(server.disconnectLongConnections(1_000_000)).toBe(true);
      expect(server.disconnectSilenceConnections(1_000_000)).toBe(true);
      expect(server.connectionCount).toBe(1);
      expect(server.disconnectSilenceConnections(0)).toBe(true);
      await client.wait();
      await client.start(host, port);
      await until(() => server.stats().opened === 2);
      expect(server.disconnectLongConnections(0)).toBe(true);
      await client.wait();
    });

    test('silence without markSilence: CS-007, CS-017, CS-045, CS-046, OPT-011', async () => {
      await using server = family.server(echo(), { markSilence: false });
      const { port } = await server.start(host, 0);
      await using client = family.client({});
      await client.start(host, port);
      await until(() => server.stats().opened === 1);
      expect(server.markSilence).toBe(false);
      expect(server.disconnectSilenceConnections(0)).toBe(false);
      expect(server.getSilencePeriod(1)).toBeNull();
    });

    test('pauseReceive holds everything back until resumed: CS-004, CS-023', async () => {
      let got = '';
      await using server = family.server({
        onReceive(s, id, data) {
          got += bytesOf(s, id, data);
        },
      });
      const { port } = await server.start(host, 0);
      await using client = family.client({});
      await client.start(host, port);
      await until(() => server.stats().opened === 1 && client.isConnected);
      expect(server.isPauseReceive(1)).toBe(false);
      expect(server.pauseReceive(1)).toBe(true);
      expect(server.pauseReceive(1, true)).toBe(true);
      expect(server.isPauseReceive(1)).toBe(true);
      client.send('held back');
      await until(() => client.pendingDataLength === 0);
      for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
      expect(got).toBe('');
      expect(server.pauseReceive(1, false)).toBe(true);
      await until(() => got === 'held back');
      expect(server.pauseReceive(77)).toBe(false);
      expect(server.lastSystemError).toBe(Errno.EBADSLT);
      expect(server.isPauseReceive(77)).toBeNull();
    });

    test('addresses, periods, counts and extras: CS-009, CS-010, CS-014, CS-015, CS-016, CS-017, CS-018, CS-019, CS-024, SRV-002, CID-001', async () => {
      const closed = deferred<unknown[]>();
      await using server = family.server({
        onAccept(s, id) {
          expect(s.isConnected(id)).toBe(true);
          expect(s.connectionCount).toBe(1);
          s.setConnectionExtra(id, { name: 'one' });
        },
        onClose(s, id) {
          s.setConnectionExtra(id, { name: 'last' });
          closed.resolve([
            s.getConnectionExtra(id),
            s.getRemoteAddress(id)?.address,
            s.getLocalAddress(id),
            s.isConnected(id),
            s.connectionCount,
          ]);
        },
      });
      expect(server.getListenAddress()).toBeNull();
      expect(server.getAllConnectionIDs()).toEqual([]);
      const { port, address } = await server.start(host, 0);
      expect(server.getListenAddress()).toEqual({ address, port });
      const client = family.client({});
      await client.start(host, port);
      await until(() => server.stats().opened === 1);
      expect(server.getAllConnectionIDs()).toEqual([1]);
      expect(server.getConnectionExtra(1)).toEqual({ name: 'one' });
      expect(server.getRemoteAddress(1)).toEqual(client.getLocalAddress());
      expect(server.getLocalAddress(1)).toEqual({ address: host, port });
      expect(server.getConnectPeriod(1)).toBeGreaterThanOrEqual(0);
      expect(server.getSilencePeriod(1)).toBeGreaterThanOrEqual(0);
      expect(server.getPendingDataLength(1)).toBe(0);
      expect(server.isConnected(1)).toBe(true);
      for (const unknown of [
        server.getConnectionExtra(5),
        server.getConnectPeriod(5),
        server.getSilencePeriod(5),
        server.getPendingDataLength(5),
        server.getConnectionStats(5),
      ]) {
        expect(unknown).toBeNull();
      }
      expect(server.getRemoteAddress(5)).toBeNull();
      expect(server.getLocalAddress(5)).toBeNull();
      expect(server.setConnectionExtra(5, {})).toBe(false);
      await client.stop();
      expect(await closed.promise).toEqual([{ name: 'last' }, host, null, false, 1]);
    });

    test('periods are measured from the opening and from the last receive: CS-016, CS-017', async () => {
      const now = (): number => performance.now();
      let received = 0;
      await using server = family.server({
        onReceive: (s, id, data) => void (received += bytesOf(s, id, data).length),
      });
      const { port } = await server.start(host, 0);
      const client = family.client({});
      const beforeOpening = now();
      await client.start(host, port);
      await until(() => server.stats().opened === 1);
      const behindOpening = now();
      await until(() => now() - behindOpening > 20);
      const beforeSending = now();
      client.send('data');
      await until(() => received === 4);
      const behindReceiving = now();
      await until(() => now() - behindReceiving > 10);
      const asked = now();
      const age = server.getConnectPeriod(1)!;
      const silence = server.getSilencePeriod(1)!;
      const told = now();
      // The time of either is kept in whole milliseconds, rounded up.
      expect(age).toBeGreaterThanOrEqual(Math.floor(asked - behindOpening - 1));
      expect(age).toBeLessThanOrEqual(told - beforeOpening);
      expect(silence).toBeGreaterThanOrEqual(Math.floor(asked - behindReceiving - 1));
      expect(silence).toBeLessThanOrEqual(told - beforeSending);
      await client.stop();
    });

    test('getPendingDataLength counts what the peer does not read: CS-022', async () => {
      await using server = family.server({});
      const { port } = await server.start(host, 0);
      await using client = family.client({});
      await client.start(host, port);
      await until(() => server.stats().opened === 1 && client.isConnected);
      client.pauseReceive();
      const chunk = Buffer.alloc(200_000);
      while ((server.getPendingDataLength(1) ?? 0) < 1_000_000) {
        if (!server.send(1, chunk)) break;
        await new Promise((resolve) => setImmediate(resolve));
      }
      expect(server.getPendingDataLength(1)).toBeGreaterThanOrEqual(1_000_000);
      client.pauseReceive(false);
      await until(() => server.getPendingDataLength(1) === 0);
    });

    test('onSend reports every byte in order: EV-S-06', async () => {
      const sent: Buffer[] = [];
      let got = 0;
      await using server = family.server({ onSend: (_s, _id, data) => void sent.push(data) });
      const { port } = await server.start(host, 0);
      await using client = family.client({
        onReceive(c, id, data) {
          got += bytesOf(c, id, data).length;
        },
      });
      await client.start(host, port);
      await until(() => server.stats().opened === 1);
      for (const size of [1, 100, 5000, 100_000]) server.send(1, Buffer.alloc(size, size));
      await until(() => got === 105_101);
      const headers = family.model === 'pack' ? 16 : 0;
      if (!family.isSecure) expect(Buffer.concat(sent).length).toBe(105_101 + headers);
      else expect(Buffer.concat(sent).length).toBeGreaterThanOrEqual(105_101);
    });

    test('sendSmallFile: TCP-S-001', async () => {
      const folder = await mkdtemp(join(tmpdir(), 'hp-socket-'));
      try {
        const file = join(folder, 'small.txt');
        await writeFile(file, 'content');
        await writeFile(join(folder, 'empty'), '');
        await writeFile(join(folder, 'large'), Buffer.alloc(4_194_304));
        let got = '';
        await using server = family.server({});
        const { port } = await server.start(host, 0);
        await using client = family.client({
          onReceive(c, id, data) {
            got += bytesOf(c, id, data);
          },
        });
        await client.start(host, port);
        await until(() => server.stats().opened === 1);
        expect(await server.sendSmallFile(1, file, '<', Buffer.from('>'))).toBe(true);
        await until(() => got === '<content>');
        expect(await server.sendSmallFile(1, join(folder, 'none'))).toBe(false);
        expect(server.lastSystemError).toBe(Errno.ENOENT);
        expect(await server.sendSmallFile(1, join(folder, 'empty'))).toBe(false);
        expect(server.lastSystemError).toBe(Errno.ENODATA);
        expect(await server.sendSmallFile(1, join(folder, 'large'))).toBe(false);
        expect(server.lastSystemError).toBe(Errno.EFBIG);
        expect(await server.sendSmallFile(9, file)).toBe(false);
        expect(server.lastSystemError).toBe(Errno.EBADSLT);
      } finally {
        await rm(folder, { recursive: true });
      }
    });

    test('state, errors and wait: CS-008, CS-011, CS-012, CS-013, CS-020, CS-021, ST-008, ST-009', async () => {
      const server = family.server({});
      expect(server.state).toBe(ServiceState.Stopped);
      expect(server.hasStarted).toBe(false);
      expect(server.isSecure).toBe(family.isSecure);
      expect(server.lastError).toBe(SocketErrorCode.Ok);
      expect(server.lastErrorDesc).toBe('SUCCESS');
      expect(await server.wait()).toBe(true);
      await server.start(host, 0);
      expect(server.hasStarted).toBe(true);
      expect(await server.wait(1)).toBe(false);
      await expect(server.start(host, 0)).rejects.toMatchObject({ socketError: SocketErrorCode.IllegalState });
      expect(server.state).toBe(ServiceState.Started);
      expect(server.lastErrorDesc).toBe('Illegal State');
      const waiting = server.wait();
      await server.stop();
      expect(await waiting).toBe(true);
    });

    test('properties with defaults of HP-Socket: CS-025 to CS-046, TCP-S-002 to TCP-S-013', async () => {
      // CS-026 CS-027 CS-028 CS-029 CS-030 CS-031 CS-032 CS-033 CS-034 CS-035 CS-036 CS-037 CS-038 CS-039 CS-040 CS-041 CS-042
      // CS-043 CS-044 CS-045 TCP-S-003 TCP-S-004 TCP-S-005 TCP-S-006 TCP-S-007 TCP-S-008 TCP-S-009 TCP-S-010 TCP-S-011 TCP-S-012
      const server = family.server({}) as unknown as Record<string, unknown> & ReturnType<Family['server']>;
      const defaults: Record<string, unknown> = {
        reuseAddressPolicy: ReuseAddressPolicy.AddrOnly,
        sendPolicy: SendPolicy.Pack,
        onSendSyncPolicy: OnSendSyncPolicy.None, // OPT-010
        maxConnectionCount: 10_000,
        freeSocketObjLockTime: 30_000,
        freeSocketObjPool: 600,
        freeBufferObjPool: 1024,
        freeSocketObjHold: 600,
        freeBufferObjHold: 1024,
        markSilence: true,
        acceptSocketCount: 64,
        socketBufferSize: 4096,
        socketListenQueue: 4096,
        keepAliveTime: 60_000,
        keepAliveInterval: 20_000,
        noDelay: true,
      };
      for (const [name, value] of Object.entries(defaults)) expect([name, server[name]]).toEqual([name, value]);
      expect(server.workerThreadCount).toBeGreaterThanOrEqual(1);
      const changed: Record<string, unknown> = {
        reuseAddressPolicy: ReuseAddressPolicy.None,
        sendPolicy: SendPolicy.Direct,
        onSendSyncPolicy: OnSendSyncPolicy.Receive,
        maxConnectionCount: 5,
        freeSocketObjLockTime: 1000,
        freeSocketObjPool: 0,
        freeBufferObjPool: 0,
        freeSocketObjHold: 0,
        freeBufferObjHold: 0,
        workerThreadCount: 512,
        markSilence: false,
        acceptSocketCount: 1,
        socketBufferSize: 8,
        socketListenQueue: 1,
        keepAliveTime: 0,
        keepAliveInterval: 1000,
        noDelay: false,
      };
      for (const [name, value] of Object.entries(changed)) {
        server[name] = value;
        expect(server[name]).toBe(value);
      }
      const wrong: [string, unknown][] = [
        ['maxConnectionCount', 0],
        ['maxConnectionCount', 5_000_001],
        ['freeSocketObjLockTime', 999],
        ['workerThreadCount', 513],
        ['socketBufferSize', 7],
        ['socketListenQueue', 0],
        ['acceptSocketCount', 0],
        ['keepAliveTime', 999],
        ['keepAliveInterval', 1],
        ['sendPolicy', 3],
      ];
      for (const [name, value] of wrong) {
        expect(() => {
          server[name] = value;
        }, name).toThrow(RangeError);
      }
      expect(() => {
        server.noDelay = 1 as never;
      }).toThrow(TypeError);
      await server.start(host, 0);
      expect(() => {
        server.noDelay = true;
      }).toThrow(SocketError);
      await server.stop();
      server.noDelay = true;
    });

    test('constructor options are checked, and a wrong name suggests the right one', () => {
      expect(() => family.server({}, { maxConnections: 5 })).toThrow(/maxConnectionCount/);
      expect(() => family.server(null as never)).toThrow(TypeError);
    });

    test('IDs rise, are found again never, and restart at 1: CID-002, CID-003, CID-004, POOL-005', async () => {
      const ids: number[] = [];
      const server = family.server({ onHandShake: (_s, id) => void ids.push(id) }, { maxConnectionCount: 2 });
      const { port } = await server.start(host, 0);
      for (let i = 1; i <= 4; i++) {
        const client = family.client({});
        await client.start(host, port);
        await until(() => ids.length === i);
        await client.stop();
        await until(() => server.connectionCount === 0);
      }
      expect(ids).toEqual([1, 2, 3, 4]);
      expect(server.getConnectPeriod(1)).toBeNull();
      expect(server.disconnect(1)).toBe(false);
      await server.stop();
      const again = await server.start(host, 0);
      const client = family.client({});
      await client.start(host, again.port);
      await until(() => ids.length === 5);
      expect(ids[4]).toBe(1);
      await server.stop();
      await client.wait();
    });

    test('every send policy carries every byte in order: CS-027', async () => {
      for (const sendPolicy of Object.values(SendPolicy)) {
        const received: Buffer[] = [];
        await using server = family.server(echo(), { sendPolicy });
        const { port } = await server.start(host, 0);
        await using client = family.client(
          {
            onReceive(c, id, data) {
              received.push(bytesOf(c, id, data));
            },
          },
          { sendPolicy },
        );
        await client.start(host, port);
        await until(() => server.stats().opened === 1 && client.isConnected);
        const sent: Buffer[] = [];
        for (let i = 1; i <= 300; i++) {
          const data = Buffer.alloc((i * 97) % 9000 || 1, i);
          sent.push(data);
          expect(client.send(data)).toBe(true);
        }
        const total = Buffer.concat(sent);
        await until(() => received.reduce((sum, data) => sum + data.length, 0) === total.length);
        expect(Buffer.concat(received).equals(total)).toBe(true);
      }
    });

    test('onReceive Error closes with ECANCELED, whatever failed in it before: CLS-006, EV-S-04, EV-S-05, ACC-012', async () => {
      const closed = deferred<unknown[]>();
      await using server = family.server({
        onReceive(s) {
          expect(s.send(999, 'x')).toBe(false);
          expect(s.lastSystemError).toBe(Errno.EBADSLT);
          return HandleResult.Error;
        },
        onClose: (_s, _id, op, code, info) => closed.resolve([op, code, info.error instanceof SocketError]),
      });
      const { port } = await server.start(host, 0);
      const client = family.client({});
      await client.start(host, port);
      await until(() => client.isConnected && client.send('x'));
      expect(await closed.promise).toEqual([SocketOperation.Receive, Errno.ECANCELED, true]);
      await client.wait();
    });

    test('an async onReceive is called again only when it is done, and its messages stay in order', async () => {
      let running = 0;
      let most = 0;
      let got = '';
      await using server = family.server({
        async onReceive(s, id, data) {
          const bytes = bytesOf(s, id, data);
          running++;
          most = Math.max(most, running);
          await new Promise((resolve) => setTimeout(resolve, 1));
          got += bytes;
          running--;
        },
      });
      const { port } = await server.start(host, 0);
      await using client = family.client({});
      await client.start(host, port);
      await until(() => client.isConnected);
      let expected = '';
      for (let i = 0; i < 20; i++) {
        client.send(`<${i}>`);
        expected += `<${i}>`;
        await new Promise((resolve) => setImmediate(resolve));
      }
      await until(() => got === expected);
      expect(most).toBe(1);
    });
  });
}
