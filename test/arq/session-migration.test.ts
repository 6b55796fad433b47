import { describe, expect, test } from 'vitest';
import { KEY_BYTES, MARK_KEY, type MigrationKey, MigrationKeys } from '../../src/arq/migration.ts';
import { type ArqOptions, ArqSession, type ArqSessionHost, ArqSettings } from '../../src/arq/session.ts';
import { tell } from './kcp-bytes.ts';

const C = 5;
const S = 0xf0000009;
const NO_TICKET = Buffer.alloc(8);

/** One end of a session that is ready at time 0; `sent` holds what it sends from then on, without the handshake. */
class End implements ArqSessionHost {
  readonly keys = new MigrationKeys();
  readonly sent: Buffer[] = [];
  readonly movable: MigrationKey[] = [];
  readonly session: ArqSession;

  constructor(isClient: boolean, options: ArqOptions = {}, hasKeys = true) {
    const settings = new ArqSettings({ turnoffCongestCtrl: true, migration: true, ...options });
    const [selfId, peerId] = isClient ? [C, S] : [S, C];
    const proved = { peerId, isPeerComplete: true };
    const migration = { keys: this.keys, isClient };
    this.session = new ArqSession({ selfId, now: 0, settings, host: this, proved, ...(hasKeys ? { migration } : {}) });
    this.session.start(0);
    expect(this.sent.shift()).toHaveLength(12);
  }
  output(bytes: Buffer, length: number): void {
    this.sent.push(Buffer.from(bytes.subarray(0, length)));
  }
  onReady(): void {}
  onMessage(): void {}
  onMovable(key: MigrationKey): void {
    this.movable.push(key);
  }
  take(datagram: Buffer, now: number): Buffer[] {
    expect(this.session.input(datagram, now)).toBe(0);
    return this.sent.splice(0);
  }
}

const keyOf = (datagram: Buffer): Buffer => {
  expect([datagram.length, datagram[4], datagram[5]]).toEqual([24 + KEY_BYTES, 84, MARK_KEY]);
  return datagram.subarray(24);
};

describe('the exchange of keys', () => {
  test('the client begins when ready; the server answers with a ticket, and both have the key of their IDs', () => {
    const [client, server] = [new End(true), new End(false)];
    expect(server.sent).toEqual([]);
    const [hello, ...more] = client.sent.splice(0);
    expect([keyOf(hello!), more]).toEqual([client.keys.hello(), []]);
    const answers = server.take(hello!, 1);
    expect(answers).toHaveLength(1);
    const { ticket } = server.movable[0]!;
    expect(ticket).not.toEqual(NO_TICKET);
    expect(keyOf(answers[0]!)).toEqual(server.keys.hello(ticket));
    expect(client.take(answers[0]!, 2)).toEqual([]);
    for (const { session, movable } of [client, server]) expect(movable).toEqual([session.migrationKey]);
    const [ofClient, ofServer] = [client.movable[0]!, server.movable[0]!];
    expect(ofClient.ticket).toEqual(ticket);
    expect(ofServer.isGenuine(ofClient.claim(C))).toBe(true);
    expect(client.keys.agree(server.keys.hello(ticket), C, S)!.isGenuine(ofServer.moved(S, 1))).toBe(true);
    for (const { session, sent } of [client, server]) {
      expect([session.nextDueMs(2), session.update(10_000), sent]).toEqual([Infinity, 0, []]);
    }
  });

  test('the client asks five times, with pauses of 4, 8, 12 ... intervals of at most 2 s, and then leaves it', () => {
    const { session, sent } = new End(true, { flushInterval: 200 });
    const times: number[] = [];
    let now = 0;
    for (let turn = 0; turn < 10 && now < Infinity; turn++) {
      for (const datagram of sent.splice(0)) {
        keyOf(datagram);
        times.push(now);
      }
      now = session.nextDueMs(now);
      session.update(Math.min(now, 1e6) - 1);
      expect(sent).toEqual([]);
      session.update(Math.min(now, 1e6));
    }
    expect([times, now]).toEqual([[0, 800, 2_400, 4_400, 6_400], Infinity]);
    const fast = new End(true, { flushInterval: 10 });
    expect([fast.session.nextDueMs(0), fast.session.update(40), fast.session.nextDueMs(40)]).toEqual([40, 0, 120]);
  });

  test('a client whose key or answer was lost is answered again, with the same ticket and key', () => {
    const [client, server] = [new End(true, { flushInterval: 200 }), new End(false)];
    const [first] = client.sent.splice(0);
    const lost = server.take(first!, 1);
    client.session.update(800);
    const again = server.take(client.sent.splice(0)[0]!, 801);
    expect(again.map(keyOf)).toEqual(lost.map(keyOf));
    expect(server.movable).toHaveLength(1);
    client.take(again[0]!, 802);
    // A late copy of either changes nothing.
    expect(server.take(first!, 803).map(keyOf)).toEqual(lost.map(keyOf));
    expect(client.take(lost[0]!, 804)).toEqual([]);
    expect([client.movable.length, server.movable.length, client.session.nextDueMs(804)]).toEqual([1, 1, Infinity]);
  });

  test('only a key is answered', () => {
    const server = new End(false);
    const client = new MigrationKeys();
    const isAnswered = (data: Buffer): boolean => server.take(tell(MARK_KEY, data), 1).length > 0;
    const others = [
      Buffer.alloc(0),
      client.hello().subarray(0, KEY_BYTES - 1),
      Buffer.concat([client.hello(), Buffer.alloc(1)]),
      Buffer.alloc(KEY_BYTES), // a point of low order
    ];
    expect([...others.map(isAnswered), server.movable.length]).toEqual([false, false, false, false, 0]);
    expect([isAnswered(client.hello()), server.movable.length]).toEqual([true, 1]);
    expect(others.slice(0, 3).map(isAnswered)).toEqual([false, false, false]);
    // The next datagram without a key is not answered either.
    expect(server.take(tell(0, Buffer.alloc(0)), 2)).toEqual([]);
  });

  test('a client goes on asking when what comes is no key', () => {
    const client = new End(true);
    client.sent.length = 0;
    for (const data of [Buffer.alloc(0), Buffer.alloc(KEY_BYTES)]) {
      expect(client.take(tell(MARK_KEY, data), 1)).toEqual([]);
    }
    expect([client.movable, client.session.migrationKey, client.session.nextDueMs(1)]).toEqual([[], null, 240]);
    client.session.update(240);
    expect(client.sent.map(keyOf)).toEqual([client.keys.hello()]);
  });

  test('an end that has it off, or no keys, neither begins nor answers', () => {
    for (const isClient of [true, false]) {
      for (const end of [
        new End(isClient, { migration: false }),
        new End(isClient, {}, false),
        new End(isClient, { unreliable: true }, false),
      ]) {
        end.sent.length = 0; // a hello of unreliable messages
        expect(end.take(tell(MARK_KEY, new MigrationKeys().hello()), 1)).toEqual([]);
        expect([end.movable, end.session.migrationKey, end.session.canSendUnreliable]).toEqual([[], null, false]);
      }
      expect(new End(isClient, { migration: false }).sent).toEqual([]);
    }
  });

  test('a host need not care', () => {
    const server = new End(false);
    Object.defineProperty(server, 'onMovable', { value: undefined });
    expect(server.take(tell(MARK_KEY, new MigrationKeys().hello()), 1)).toHaveLength(1);
    expect(server.session.migrationKey).not.toBe(null);
  });

  test('the option is off by default, and with stock KCP', () => {
    expect(new ArqSettings().migration).toBe(false);
    expect(new ArqSettings({ migration: true }).migration).toBe(true);
    expect(new ArqSettings({ checkConv: true }).migration).toBe(false);
    expect(new ArqSettings({ checkConv: true, migration: true }).migration).toBe(false);
  });
});

describe('another way to the peer', () => {
  test('what is in flight leaves again at once, or with the next flush', () => {
    for (const immediateFlush of [true, false]) {
      const { session, sent } = new End(false, { immediateFlush });
      session.send(Buffer.from('x'), 10);
      session.flush(10);
      const [first] = sent.splice(0);
      expect(session.nextDueMs(20)).toBe(235);
      session.pathChanged(20);
      if (!immediateFlush) {
        expect([sent.length, session.nextDueMs(20), session.update(20)]).toEqual([0, 20, 0]);
      }
      expect(sent.map((d) => [d[4], d.toString('latin1', 24)])).toEqual([[81, 'x']]);
      expect(first!.toString('latin1', 24)).toBe('x');
    }
  });

  test('before the handshake is done nothing becomes due', () => {
    const settings = new ArqSettings({ immediateFlush: false });
    const host: ArqSessionHost = { output: () => {}, onReady: () => {}, onMessage: () => {} };
    const session = new ArqSession({ selfId: C, now: 0, settings, host });
    session.start(0);
    session.pathChanged(10);
    expect(session.nextDueMs(10)).toBe(60);
  });
});
