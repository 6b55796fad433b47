import { describe, expect, test } from 'vitest';
import { Errno, HandleResult, SendPolicy, ServiceState, SocketError, SocketErrorCode } from '../../src/index.ts';
import { type AnyDatagramHooks, type DatagramFamily, echoDatagrams } from './datagram-family.ts';
import { deferred, Journal, until } from './family.ts';

const host = '127.0.0.1';

/** What every server over datagrams must do: IComplexSocket, IServer, IUdpServer and the events of a server. */
export function datagramServerSuite(family: DatagramFamily): void {
  /** A client that has said something, so that a server over plain UDP knows it as well. */
  async function introduced(port: number, hooks: AnyDatagramHooks = {}, options: object = {}) {
    const client = family.client(hooks, options);
    await client.start(host, port);
    return client;
  }

  describe(`${family.name}Server`, () => {
    test('the life of a connection in order: ORD-027, ORD-028, EV-S-01, EV-S-02, EV-S-03, EV-S-07, EV-S-08, EXO-003', async () => {
      const journal = new Journal();
      const server = family.server({
        onPrepareListen: (s) => journal.add(`prepare ${s.state}`),
        onAccept: (s, id, peer) => journal.add(`accept ${id} ${s.isConnected(id)} ${peer.address}`),
        onHandShake: (_s, id) => journal.add(`handshake ${id}`),
        onReceive(s, id, data) {
          journal.add(`receive ${data}`);
          s.send(id, 'answer');
        },
        onClose: (s, id, op, code) => journal.add(`close ${id} ${op} ${code} ${s.isConnected(id)}`),
        onShutdown: (s) => journal.add(`shutdown ${s.state}`),
      });
      const { port } = await server.start(host, 0);
      expect(server.state).toBe(ServiceState.Started);
      const answered = deferred();
      const client = await introduced(port, { onReceive: () => answered.resolve() });
      client.send('hello');
      await answered.promise;
      await client.stop();
      await journal.seen('close 1 5 0 false');
      await server.stop();
      expect(journal.entries).toEqual([
        'prepare 0',
        `accept 1 true ${host}`,
        'handshake 1',
        'receive hello',
        'close 1 5 0 false',
        'shutdown 2',
      ]);
      expect(server.state).toBe(ServiceState.Stopped);
    });

    test('onAccept Error drops the peer without onClose, and sends it a close notify: ORD-030, NOC-001', async () => {
      const journal = new Journal();
      await using server = family.server({
        onAccept: () => HandleResult.Error,
        onHandShake: () => journal.add('handshake'),
        onClose: () => journal.add('close'),
      });
      const { port } = await server.start(host, 0);
      const client = family.client({}, { detectAttempts: 0 });
      await client.start(host, port).catch(() => {});
      client.send('let me in');
      await client.wait();
      expect(journal.entries).toEqual([]);
      expect(server.connectionCount).toBe(0);
      expect(server.stats().opened).toBe(0);
      expect(server.stats().refused).toBeGreaterThanOrEqual(1);
    });

    test('onHandShake Error: no onClose over plain UDP, one over ARQ: NOC-002, EV-S-03', async () => {
      const journal = new Journal();
      await using server = family.server({
        onHandShake: () => HandleResult.Error,
        onReceive: () => journal.add('receive'),
        onClose: (_s, _id, op, code) => journal.add(`close ${op} ${code}`),
      });
      const { port } = await server.start(host, 0);
      const client = family.client({}, { detectAttempts: 0 });
      await client.start(host, port).catch(() => {});
      client.send('never delivered');
      await client.wait();
      await until(() => server.connectionCount === 0);
      expect(journal.entries).toEqual(family.isReliable ? ['close 4 125'] : []);
    });

    test('stop closes each connection, then onShutdown: CS-001, ORD-008, CLS-013, NODEEV-004', async () => {
      const journal = new Journal();
      const server = family.server({
        onClose: (_s, _id, op, code) => journal.add(`close ${op} ${code}`),
        onShutdown: () => journal.add('shutdown'),
      });
      const { port } = await server.start(host, 0);
      const clients = await Promise.all([1, 2, 3].map(() => introduced(port)));
      await until(() => server.stats().opened === 3);
      const report = await server.stop();
      expect(report.connections).toBe(3);
      expect(journal.entries).toEqual(['close 5 0', 'close 5 0', 'close 5 0', 'shutdown']);
      await expect(server.stop()).rejects.toMatchObject({
        socketError: SocketErrorCode.IllegalState,
        errno: Errno.EPERM,
      });
      // The peers are told.
      expect(await Promise.all(clients.map((client) => client.wait()))).toEqual([true, true, true]);
    });

    test('send, sendPackets: CS-002, CS-003, SND-001, SND-002, SND-008, SND-009, ACC-004', async () => {
      const inClose = deferred<boolean>();
      const opened = deferred<number>();
      await using server = family.server({
        onHandShake: (_s, id) => opened.resolve(id),
        onClose: (s, id) => inClose.resolve(s.send(id, 'late')),
      });
      expect(server.send(1, 'x')).toBe(false);
      expect(server.lastSystemError).toBe(Errno.EBADSLT);
      const { port } = await server.start(host, 0);
      const got: string[] = [];
      const client = await introduced(port, { onReceive: (_c, _id, data) => void got.push(data.toString()) });
      const id = await opened.promise;
      expect(server.send(id, 'first')).toBe(true);
      expect(server.send(id, Buffer.from('..second..'), 2, 6)).toBe(true);
      expect(server.sendPackets(id, ['a', Buffer.from('b'), '', new Uint8Array([99])])).toBe(true);
      await until(() => got.length === 3);
      expect(got).toEqual(['first', 'second', 'abc']); // boundaries are kept
      expect([server.sendPackets(id, []), server.lastSystemError]).toEqual([false, Errno.EINVAL]);
      expect([server.send(id, ''), server.lastSystemError]).toEqual([false, Errno.EINVAL]);
      expect([server.send(id, Buffer.alloc(70_000)), server.lastSystemError]).toEqual([false, Errno.EINVAL]);
      expect(() => server.send(id, Buffer.alloc(3), 2, 5)).toThrow(RangeError);
      expect(() => server.send(id, 5 as never)).toThrow(TypeError);
      expect(server.send(999, 'x')).toBe(false);
      expect(server.lastFailure).toBeInstanceOf(SocketError);
      expect(server.lastFailure?.message).toContain('999');
      expect(server.disconnect(id)).toBe(true);
      expect(await inClose.promise).toBe(false);
      expect(server.lastSystemError).toBe(Errno.EBADSLT);
      await client.wait();
    });

    test('disconnect ends one connection, and its peer gets a close notify: CS-005, CLS-013, EXO-001', async () => {
      const closes: number[][] = [];
      await using server = family.server({ onClose: (_s, id, op, code) => void closes.push([id, op, code]) });
      const { port } = await server.start(host, 0);
      const ends: unknown[][] = [];
      const first = await introduced(port, { onClose: (_c, _id, op, code) => void ends.push([op, code]) });
      await until(() => server.stats().opened === 1);
      await using second = await introduced(port);
      await until(() => server.stats().opened === 2);
      expect(server.disconnect(1)).toBe(true);
      expect(server.disconnect(1)).toBe(true);
      expect(closes).toEqual([]); // at the end of this turn
      await first.wait();
      expect([closes, ends]).toEqual([[[1, 5, 0]], [[5, 0]]]);
      expect(server.disconnect(1)).toBe(false);
      expect(server.lastSystemError).toBe(Errno.EBADSLT);
      expect([server.getAllConnectionIDs(), second.isConnected]).toEqual([[2], true]);
    });

    test('disconnectLongConnections and disconnectSilenceConnections: CS-006, CS-007', async () => {
      await using server = family.server({});
      const { port } = await server.start(host, 0);
      let client = await introduced(port);
      await until(() => server.stats().opened === 1);
      expect(server.disconnectLongConnections(1_073_741_824)).toBe(false);
      expect(server.disconnectSilenceConnections(1_073_741_824)).toBe(false);
      expect(server.disconnectLongConnections(1_000_000)).toBe(true);
      expect(server.disconnectSilenceConnections(1_000_000)).toBe(true);
      expect(server.connectionCount).toBe(1);
      expect(server.disconnectSilenceConnections(0)).toBe(true);
      await client.wait();
      client = await introduced(port);
      await until(() => server.stats().opened === 2);
      expect(server.disconnectLongConnections(0)).toBe(true);
      await client.wait();
    });

    test('silence without markSilence: CS-007, CS-017, CS-045, CS-046', async () => {
      await using server = family.server({}, { markSilence: false });
      const { port } = await server.start(host, 0);
      await using _client = await introduced(port);
      await until(() => server.stats().opened === 1);
      expect(server.markSilence).toBe(false);
      expect(server.disconnectSilenceConnections(0)).toBe(false);
      expect(server.getSilencePeriod(1)).toBeNull();
      expect(server.connectionCount).toBe(1);
    });

    test('one peer cannot be paused: CS-004, CS-023', async () => {
      await using server = family.server({});
      const { port } = await server.start(host, 0);
      await using _client = await introduced(port);
      await until(() => server.stats().opened === 1);
      expect([server.pauseReceive(1), server.lastSystemError]).toEqual([false, Errno.EPERM]);
      expect(server.isPauseReceive(1)).toBeNull();
    });

    test('addresses, periods, counts and extras: CS-009, CS-010, CS-014, CS-015, CS-016, CS-017, CS-018, CS-019, CS-024, SRV-002, CID-001', async () => {
      const closed = deferred<unknown[]>();
      await using server = family.server({
        onAccept: (s, id) => void s.setConnectionExtra(id, { name: 'one' }),
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
      const { port, address } = await server.start(host, 0);
      expect(server.getListenAddress()).toEqual({ address, port });
      const client = await introduced(port);
      await until(() => server.stats().opened === 1);
      expect(server.getAllConnectionIDs()).toEqual([1]);
      expect(server.getConnectionExtra(1)).toEqual({ name: 'one' });
      expect(server.getRemoteAddress(1)).toEqual({ address: host, port: client.getLocalAddress()?.port });
      expect(server.getLocalAddress(1)).toEqual({ address: host, port });
      expect(server.getConnectPeriod(1)).toBeGreaterThanOrEqual(0);
      expect(server.getSilencePeriod(1)).toBeGreaterThanOrEqual(0);
      expect(server.getPendingDataLength(1)).toBe(0);
      for (const unknown of [
        server.getConnectionExtra(5),
        server.getConnectPeriod(5),
        server.getSilencePeriod(5),
        server.getPendingDataLength(5),
        server.getConnectionStats(5),
      ]) {
        expect(unknown).toBeNull();
      }
      expect([server.getRemoteAddress(5), server.getLocalAddress(5)]).toEqual([null, null]);
      expect(server.setConnectionExtra(5, {})).toBe(false);
      await client.stop();
      expect(await closed.promise).toEqual([{ name: 'last' }, host, null, false, 1]);
    });

    test('onSend reports what was handed to the system: EV-S-06', async () => {
      const sent: Buffer[] = [];
      const opened = deferred<number>();
      await using server = family.server({
        onHandShake: (_s, id) => opened.resolve(id),
        onSend: (_s, _id, data) => void sent.push(data),
      });
      const { port } = await server.start(host, 0);
      let got = 0;
      await using _client = await introduced(port, { onReceive: () => void got++ });
      const id = await opened.promise;
      for (const size of [1, 100, 1400]) server.send(id, Buffer.alloc(size, size));
      await until(() => got === 3);
      const bytes = sent.reduce((sum, { length }) => sum + length, 0);
      if (!family.isReliable) expect(sent.map(({ length }) => length)).toEqual([1, 100, 1400]);
      else expect(bytes).toBeGreaterThan(1501); // headers, the handshake, and what is repeated
      expect(server.getConnectionStats(id)).toMatchObject({ messagesOut: 3 });
    });

    test('state, errors and wait: CS-008, CS-011, CS-012, CS-013, CS-020, CS-021, ST-008, ST-009', async () => {
      const server = family.server({});
      expect(server.state).toBe(ServiceState.Stopped);
      expect([server.hasStarted, server.isSecure]).toEqual([false, false]);
      expect([server.lastError, server.lastErrorDesc]).toEqual([SocketErrorCode.Ok, 'SUCCESS']);
      expect(await server.wait()).toBe(true);
      await server.start(host, 0);
      expect(server.hasStarted).toBe(true);
      expect(await server.wait(1)).toBe(false);
      await expect(server.start(host, 0)).rejects.toMatchObject({ socketError: SocketErrorCode.IllegalState });
      expect([server.state, server.lastErrorDesc]).toEqual([ServiceState.Started, 'Illegal State']);
      const waiting = server.wait();
      await server.stop();
      expect(await waiting).toBe(true);
    });

    test('properties are checked, and fixed while it runs: UDP-S-001 to UDP-S-008', async () => {
      // UDP-S-002 UDP-S-003 UDP-S-004 UDP-S-005 UDP-S-006 UDP-S-007
      const server = family.server({}) as unknown as Record<string, unknown> & ReturnType<DatagramFamily['server']>;
      for (const [name, initial, other, wrong] of [
        ['maxDatagramSize', 1432, 1000, 0],
        ['postReceiveCount', 64, 1, 0],
        ['detectAttempts', 3, 0, -1],
        ['detectInterval', 60_000, 1000, 999],
        ['maxConnectionCount', 10_000, 1, 0],
      ] as const) {
        expect([name, server[name]]).toEqual([name, initial]);
        server[name] = other;
        expect(server[name]).toBe(other);
        expect(() => {
          server[name] = wrong;
        }, name).toThrow(RangeError);
      }
      await server.start(host, 0);
      expect(() => {
        server.maxDatagramSize = 500;
      }).toThrow(SocketError);
      await server.stop();
      server.maxDatagramSize = 500;
      expect(() => family.server({}, { maxConnections: 5 })).toThrow(/maxConnectionCount/);
      expect(() => family.server(null as never)).toThrow(TypeError);
    });

    test('IDs rise, are found again never, and restart at 1: CID-002, CID-003, CID-004', async () => {
      const ids: number[] = [];
      const server = family.server({ onHandShake: (_s, id) => void ids.push(id) }, { maxConnectionCount: 2 });
      const { port } = await server.start(host, 0);
      for (let i = 1; i <= 4; i++) {
        const client = await introduced(port);
        await until(() => ids.length === i);
        await client.stop();
        await until(() => server.connectionCount === 0);
      }
      expect(ids).toEqual([1, 2, 3, 4]);
      expect(server.getConnectPeriod(1)).toBeNull();
      expect(server.disconnect(1)).toBe(false);
      await server.stop();
      const again = await server.start(host, 0);
      const client = await introduced(again.port);
      await until(() => ids.length === 5);
      expect(ids[4]).toBe(1);
      await server.stop();
      await client.wait();
    });

    test('maxConnectionCount: one peer too many gets a close notify, and no hook is called: CS-031, ORD-030', async () => {
      let accepts = 0;
      await using server = family.server({ onAccept: () => void accepts++ }, { maxConnectionCount: 1 });
      const { port } = await server.start(host, 0);
      await using _first = await introduced(port);
      await until(() => server.stats().opened === 1);
      const second = family.client({});
      await second.start(host, port).catch(() => {});
      await second.wait();
      expect([accepts, server.connectionCount]).toEqual([1, 1]);
      expect(server.stats().limits.connections).toBeGreaterThanOrEqual(1);
    });

    test('every send policy carries every message, with its boundaries: CS-027', async () => {
      for (const sendPolicy of Object.values(SendPolicy)) {
        const received: Buffer[] = [];
        await using server = family.server(echoDatagrams(), { sendPolicy });
        const { port } = await server.start(host, 0);
        await using client = await introduced(
          port,
          { onReceive: (_c, _id, data) => void received.push(data) },
          { sendPolicy },
        );
        const sent: Buffer[] = [];
        for (let i = 1; i <= 60; i++) {
          const data = Buffer.alloc((i * 97) % 1400 || 1, i);
          sent.push(data);
          expect(client.send(data)).toBe(true);
          // Plain UDP may lose what is sent faster than it is read.
          if (!family.isReliable) await until(() => received.length === i);
        }
        await until(() => received.length === sent.length);
        expect(received.every((data, i) => data.equals(sent[i]!))).toBe(true);
      }
    });

    test('onReceive Error closes with ECANCELED, and the peer gets a close notify: CLS-006, EV-S-04', async () => {
      const closed = deferred<unknown[]>();
      await using server = family.server({
        onReceive: () => HandleResult.Error,
        onClose: (_s, _id, op, code, info) => closed.resolve([op, code, info.error instanceof SocketError]),
      });
      const { port } = await server.start(host, 0);
      const client = await introduced(port);
      client.send('x');
      expect(await closed.promise).toEqual([4, Errno.ECANCELED, true]);
      expect(await client.wait()).toBe(true);
    });

    test.each(['throws', 'rejects'])(
      'an onReceive that %s closes that connection, and no other notices: CLS-006',
      async (way) => {
        const closes: unknown[][] = [];
        const told: string[] = [];
        await using server = family.server({
          onReceive(s, id, data) {
            if (`${data}` === 'good') return void s.send(id, 'fine');
            const error = new Error('the hook failed');
            if (way === 'throws') throw error;
            return Promise.reject(error);
          },
          onClose: (_s, id, op, code) => void closes.push([id, op, code]),
          onHookError: (_s, hook, error) => void told.push(`${hook}: ${error.message}`),
        });
        const { port } = await server.start(host, 0);
        const bad = await introduced(port);
        await until(() => server.stats().opened === 1);
        const answered = deferred();
        await using good = await introduced(port, { onReceive: () => answered.resolve() });
        await until(() => server.stats().opened === 2);
        bad.send('bad');
        await bad.wait();
        good.send('good');
        await answered.promise;
        expect([closes, told]).toEqual([[[1, 4, SocketErrorCode.DataProc]], ['onReceive: the hook failed']]);
      },
    );

    test('a peer whose hook is not done keeps no other one waiting, and its messages stay in order: POOL-010', async () => {
      let letGo = (): void => {};
      const gate = new Promise<void>((resolve) => (letGo = resolve));
      const got: string[] = [];
      await using server = family.server({
        onReceive(_s, _id, data) {
          got.push(data.toString());
          return data.toString() === 'slow 0' ? gate : undefined;
        },
      });
      const { port } = await server.start(host, 0);
      await using slow = await introduced(port);
      await using quick = await introduced(port);
      got.length = 0;
      for (let i = 0; i < 5; i++) slow.send(`slow ${i}`);
      await until(() => got.length === 1);
      for (let i = 0; i < 5; i++) quick.send(`quick ${i}`);
      await until(() => got.length === 6);
      expect(got).toEqual(['slow 0', 'quick 0', 'quick 1', 'quick 2', 'quick 3', 'quick 4']);
      letGo();
      await until(() => got.length === 10);
      expect(got.slice(6)).toEqual(['slow 1', 'slow 2', 'slow 3', 'slow 4']);
    });

    test('an async onReceive is called again only when it is done, and its messages stay in order', async () => {
      let running = 0;
      let most = 0;
      const got: string[] = [];
      await using server = family.server({
        async onReceive(_s, _id, data) {
          running++;
          most = Math.max(most, running);
          await new Promise((resolve) => setTimeout(resolve, 1));
          got.push(data.toString());
          running--;
        },
      });
      const { port } = await server.start(host, 0);
      await using client = await introduced(port);
      const expected = Array.from({ length: 20 }, (_, i) => `<${i}>`);
      for (const text of expected) {
        client.send(text);
        await new Promise((resolve) => setImmediate(resolve));
      }
      await until(() => got.length === expected.length);
      expect([got, most]).toEqual([expected, 1]);
    });
  });
}
