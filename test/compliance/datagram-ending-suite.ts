import { describe, expect, test } from 'vitest';
import { type ConnId, SocketOperation } from '../../src/index.ts';
import type { DatagramFamily } from './datagram-family.ts';
import { deferred, until } from './family.ts';

const host = '127.0.0.1';
const graceful = [SocketOperation.Close, 0];
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Peers that say goodbye behind what they sent: what came before is still delivered, then the connection ends, once. */
export function datagramEndingSuite(family: DatagramFamily): void {
  // Plain UDP has nothing to wait for; ARQ waits until everything is acknowledged.
  const drain = { drain: true, timeoutMs: 20_000 };

  describe(`a peer of ${family.name} that says goodbye`, () => {
    test('has all that it sent delivered, though a promise of onReceive is pending', async () => {
      const events: unknown[] = [];
      const goOn = deferred();
      const first = deferred();
      await using server = family.server({
        onReceive(_self, _connId, data) {
          events.push(data.toString());
          first.resolve();
          return goOn.promise;
        },
        onClose: (_self, _connId, operation, code) => void events.push([operation, code]),
      });
      const { port } = await server.start(host, 0);
      const client = family.client({});
      await client.start(host, port);
      for (const text of ['one', 'two', 'three']) expect(client.send(text)).toBe(true);
      await first.promise;
      await client.stop({ drainTimeoutMs: 20_000 });
      await until(() => server.stats().closeNotifiesIn === 1);
      for (let i = 0; i < 5; i++) await turn();
      expect(events).toEqual(['one']);
      goOn.resolve();
      await until(() => events.length === 4);
      expect(events).toEqual(['one', 'two', 'three', graceful]);
      expect(server.connectionCount).toBe(0);
    });

    test('has all that it sent delivered to a client that was paused', async () => {
      const events: unknown[] = [];
      const server = family.server({
        onReceive(self, connId) {
          for (const text of ['one', 'two']) self.send(connId, text);
          self.disconnect(connId, drain);
        },
      });
      const { port } = await server.start(host, 0);
      const client = family.client({
        onReceive: (_self, _connId, data) => void events.push(data.toString()),
        onClose: (_self, _connId, operation, code) => void events.push([operation, code]),
      });
      await client.start(host, port);
      client.pauseReceive();
      client.send('question');
      await until(() => client.stats().closeNotifiesIn === 1);
      for (let i = 0; i < 5; i++) await turn();
      expect([events, client.isConnected]).toEqual([[], true]);
      client.pauseReceive(false);
      await client.wait();
      expect(events).toEqual(['one', 'two', graceful]);
      await server.stop();
    });

    test('and comes again from the same address is another connection', async () => {
      const accepted: ConnId[] = [];
      const closes: unknown[][] = [];
      await using server = family.server({
        onAccept: (_self, connId) => void accepted.push(connId),
        onClose: (_self, connId, operation, code) => void closes.push([connId, operation, code]),
      });
      const { port } = await server.start(host, 0);
      let localPort = 0;
      for (let i = 1; i <= 3; i++) {
        const client = family.client({});
        await client.start(host, port, { localPort });
        localPort = client.getLocalAddress()!.port;
        await until(() => accepted.length === i);
        await client.stop();
        await until(() => closes.length === i);
      }
      expect(accepted).toEqual([1, 2, 3]);
      expect(closes).toEqual([1, 2, 3].map((connId) => [connId, ...graceful]));
    });

    test('and comes again while a hook about what it sent is pending is another connection', async () => {
      const got: unknown[][] = [];
      const closes: ConnId[] = [];
      const goOn = deferred();
      await using server = family.server({
        onReceive(_self, connId, data) {
          got.push([connId, data.toString()]);
          return connId === 1 ? goOn.promise : undefined;
        },
        onClose: (_self, connId) => void closes.push(connId),
      });
      const { port } = await server.start(host, 0);
      const first = family.client({});
      await first.start(host, port);
      const { port: localPort } = first.getLocalAddress()!;
      first.send('one');
      await until(() => got.length === 1);
      await first.stop({ drainTimeoutMs: 20_000 });
      await until(() => server.stats().closeNotifiesIn === 1);
      const second = family.client({});
      await second.start(host, port, { localPort });
      second.send('again');
      await until(() => got.length === 2);
      expect([got, closes]).toEqual([
        [
          [1, 'one'],
          [2, 'again'],
        ],
        [],
      ]);
      goOn.resolve();
      await until(() => closes.length === 1);
      expect([closes, server.getAllConnectionIDs()]).toEqual([[1], [2]]);
      await second.stop();
    });

    test.each(['at once', 'later'])(
      'after a greeting of onHandShake, answering %s, that drains: all of it arrives, and nothing is taken after it',
      async (when) => {
        const count = family.isReliable ? 300 : 10;
        const late: boolean[] = [];
        await using server = family.server({
          onHandShake(self, connId) {
            for (let i = 0; i < count; i++) self.send(connId, `greeting ${i}`);
            self.disconnect(connId, drain);
            self.disconnect(connId, drain); // asked twice
            if (family.isReliable) late.push(self.send(connId, 'too late'));
            return when === 'later' ? turn() : undefined;
          },
        });
        const { port } = await server.start(host, 0);
        const got: string[] = [];
        const closes: unknown[][] = [];
        const client = family.client({
          onReceive: (_self, _connId, data) => void got.push(data.toString()),
          onClose: (_self, _connId, operation, code) => void closes.push([operation, code]),
        });
        await client.start(host, port).catch(() => {});
        await client.wait();
        await until(() => server.connectionCount === 0);
        expect(got).toEqual(Array.from({ length: count }, (_, i) => `greeting ${i}`));
        expect(closes).toEqual([graceful]);
        if (family.isReliable) expect(late).toEqual([false]);
      },
    );

    test('while a promise of onHandShake is pending: what it sent is delivered when that is settled', async () => {
      const events: unknown[] = [];
      const goOn = deferred();
      await using server = family.server({
        onHandShake: () => goOn.promise,
        onReceive: (_self, _connId, data) => void events.push(data.toString()),
        onClose: (_self, _connId, operation, code) => void events.push([operation, code]),
      });
      const { port } = await server.start(host, 0);
      const client = family.client({});
      await client.start(host, port);
      client.send('hello');
      await client.stop({ drainTimeoutMs: 20_000 });
      await until(() => server.stats().closeNotifiesIn === 1);
      for (let i = 0; i < 5; i++) await turn();
      expect(events).toEqual([]);
      goOn.resolve();
      await until(() => events.length === 2);
      expect(events).toEqual(['hello', graceful]);
    });
  });

  describe(`a stop of ${family.name} that drains`, () => {
    test('delivers what was sent before it, then says goodbye', async () => {
      const count = family.isReliable ? 300 : 10;
      const server = family.server({
        onReceive(self, connId) {
          for (let i = 0; i < count; i++) self.send(connId, `${i}`);
          sent.resolve();
        },
      });
      const sent = deferred();
      const { port } = await server.start(host, 0);
      const got: string[] = [];
      const closes: unknown[][] = [];
      const client = family.client({
        onReceive: (_self, _connId, data) => void got.push(data.toString()),
        onClose: (_self, _connId, operation, code) => void closes.push([operation, code]),
      });
      await client.start(host, port);
      client.send('question');
      await sent.promise;
      expect(await server.stop({ drainTimeoutMs: 20_000 })).toMatchObject({
        connections: 1,
        drained: 1,
        forced: 0,
        failed: 0,
        droppedBytes: 0,
      });
      await client.wait();
      expect(got).toEqual(Array.from({ length: count }, (_, i) => `${i}`));
      expect(closes).toEqual([graceful]);
    });

    test('lets no new connection in', async () => {
      const goOn = deferred();
      const accepted: ConnId[] = [];
      const server = family.server({
        onAccept(_self, connId) {
          accepted.push(connId);
          return connId === 1 ? goOn.promise : undefined;
        },
      });
      const { port } = await server.start(host, 0);
      const first = family.client({});
      first.start(host, port).catch(() => {});
      await until(() => accepted.length === 1);
      const stopped = server.stop({ drainTimeoutMs: 20_000 });
      const { datagramsIn } = server.stats();
      const second = family.client({});
      const starting = second.start(host, port).catch(() => {});
      await until(() => server.stats().datagramsIn > datagramsIn);
      expect(accepted).toEqual([1]);
      goOn.resolve();
      await stopped;
      for (const client of [first, second]) {
        if (client.hasStarted) await client.stop().catch(() => {});
        await client.wait();
      }
      await starting;
      expect(accepted).toEqual([1]);
    });
  });
}
