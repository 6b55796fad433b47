import { describe, expect, test } from 'vitest';
import { ArqDatagram, CLOSE_NOTIFY, classifyDatagram, isCloseNotify } from '../../src/arq/datagram.ts';
import { writeHandshake } from '../../src/arq/handshake.ts';
import { type ArqOptions, ArqSession, type ArqSessionHost, ArqSettings } from '../../src/arq/session.ts';
import { Errno } from '../../src/core/errno.ts';
import { Random } from '../tools/random.ts';

class Host implements ArqSessionHost {
  readonly sent: Buffer[] = [];
  readonly messages: string[] = [];
  readonly unreliable: string[] = [];
  readyCount = 0;
  session!: ArqSession;
  whenReady: () => void = () => {};
  whenMessage: (message: Buffer) => void = () => {};
  whenUnreliable: (message: Buffer) => void = () => {};

  output(bytes: Buffer, length: number): void {
    this.sent.push(Buffer.from(bytes.subarray(0, length)));
  }
  onReady(): void {
    this.readyCount++;
    this.whenReady();
  }
  onMessage(message: Buffer): void {
    this.messages.push(message.toString());
    this.whenMessage(message);
  }
  onUnreliable(message: Buffer): void {
    this.unreliable.push(message.toString());
    this.whenUnreliable(message);
  }
}

const C = 0x01010101;
const S = 0x02020202;

function open(selfId: number, options: ArqOptions = {}, now = 0, proved?: number): Host {
  const host = new Host();
  host.session = new ArqSession({
    selfId,
    now,
    settings: new ArqSettings({ turnoffCongestCtrl: true, ...options }),
    host,
    ...(proved === undefined ? {} : { proved: { peerId: proved, isPeerComplete: true } }),
  });
  host.session.start(now);
  return host;
}

function handshake(selfId: number, peerId: number, isComplete = false): Buffer {
  const out = Buffer.alloc(12);
  writeHandshake(out, selfId, peerId, isComplete);
  return out;
}

/** Carries what both have sent to the other side until neither sends any more. Returns the first error. */
function exchange(a: Host, b: Host, now: number): number {
  let error = 0;
  while (a.sent.length + b.sent.length > 0) {
    for (const datagram of a.sent.splice(0)) error ||= b.session.input(datagram, now);
    for (const datagram of b.sent.splice(0)) error ||= a.session.input(datagram, now);
  }
  return error;
}

/** A client and a server that are complete at time 100. */
function pair(options: ArqOptions = {}, serverOptions = options): { client: Host; server: Host } {
  const client = open(C, options);
  const server = open(S, serverOptions);
  expect(exchange(client, server, 0)).toBe(0);
  expect([client.session.isReady, server.session.isReady]).toEqual([true, true]);
  client.session.update(100);
  server.session.update(100);
  expect(exchange(client, server, 100)).toBe(0);
  return { client, server };
}

describe('classification', () => {
  test('AQ-001 AQ-002 AQ-003 AQ-004 AQ-005: by length; 16 bytes by content', () => {
    for (let length = 0; length < 64; length++) {
      const expected =
        length === 0
          ? ArqDatagram.Heartbeat
          : length === 12
            ? ArqDatagram.Handshake
            : length >= 24
              ? ArqDatagram.Segments
              : ArqDatagram.Invalid;
      expect(classifyDatagram(Buffer.alloc(length))).toBe(expected);
    }
    expect(CLOSE_NOTIFY.toString('hex')).toBe('beb61febda5246ba923359dbbfe6c8e4');
    expect(classifyDatagram(Buffer.from(CLOSE_NOTIFY))).toBe(ArqDatagram.CloseNotify);
    for (let at = 0; at < 16; at++) {
      const changed = Buffer.from(CLOSE_NOTIFY);
      changed[at]! ^= 1;
      expect(isCloseNotify(changed)).toBe(false);
    }
    expect(isCloseNotify(Buffer.concat([CLOSE_NOTIFY, Buffer.alloc(1)]))).toBe(false);
    expect(isCloseNotify(CLOSE_NOTIFY.subarray(0, 15))).toBe(false);
  });

  test('AQ-005: every other length is EBADMSG, ready or not, and ends the session', () => {
    for (let length = 1; length < 24; length++) {
      if (length === 12) continue;
      expect(open(C).session.input(Buffer.alloc(length), 1)).toBe(Errno.EBADMSG);
      const { client } = pair();
      expect(client.session.input(Buffer.alloc(length, 0x51), 101)).toBe(Errno.EBADMSG);
      expect(client.session.isReady).toBe(false);
      expect(client.session.nextDueMs(101)).toBe(Infinity);
    }
  });

  test('AQ-001 AQ-002: heartbeat and close notify do nothing here', () => {
    const { client } = pair();
    expect(client.session.input(Buffer.alloc(0), 101)).toBe(0);
    expect(client.session.input(Buffer.from(CLOSE_NOTIFY), 101)).toBe(0);
    expect(client.session.isReady).toBe(true);
  });
});

describe('handshake', () => {
  test('AQ-013: the first packet leaves with start, peerID 0', () => {
    expect(open(C).sent.map((d) => d.toString('hex'))).toEqual(['4fbb01000101010100000000']);
  });

  test('AQ-014 AQ-019: resends on schedule, then ETIMEDOUT', () => {
    const client = open(C);
    let now = 0;
    let error = 0;
    const times: number[] = [];
    while (error === 0) {
      if (client.sent.splice(0).length > 0) times.push(now);
      now = client.session.nextDueMs(now);
      error = client.session.update(now);
    }
    expect([error, now]).toEqual([Errno.ETIMEDOUT, 5001]);
    expect(times.slice(0, 4)).toEqual([0, 60, 180, 360]);
    expect(client.sent).toEqual([]);
  });

  test('AQ-019 AQ-035: ready, but never a flag 1: ETIMEDOUT', () => {
    const client = open(C, { handshakeTimeoutMs: 1000 });
    expect(client.session.input(handshake(S, C), 10)).toBe(0);
    expect(client.session.isReady).toBe(true);
    expect([client.session.update(1000), client.session.update(1001)]).toEqual([0, Errno.ETIMEDOUT]);
    expect(() => new ArqSettings({ handshakeTimeoutMs: 60, minRto: 30 })).toThrow('handshakeTimeoutMs');
    expect(new ArqSettings({ handshakeTimeoutMs: 61, minRto: 30 }).handshakeTimeoutMs).toBe(61);
    expect(new ArqSettings().handshakeTimeoutMs).toBe(5000);
  });

  test('AQ-016 AQ-018 AQ-021: errors', () => {
    const client = open(C);
    client.session.input(handshake(S, 0), 1);
    expect(client.session.input(handshake(S + 1, C), 1)).toBe(Errno.ECONNRESET);
    // A peer that restarts with the same address.
    const { server } = pair();
    expect(server.session.input(handshake(C + 1, 0), 200)).toBe(Errno.ECONNRESET);
    expect(open(C).session.input(Buffer.alloc(12), 0)).toBe(Errno.EBADMSG);
  });

  test('AQ-016: onReady comes once, and what is sent from it arrives', () => {
    const client = open(C);
    const server = open(S);
    client.whenReady = () => void client.session.send(Buffer.from('first'), 0);
    exchange(client, server, 0);
    expect([client.readyCount, server.readyCount]).toEqual([1, 1]);
    expect(server.messages).toEqual(['first']);
  });

  test('AQ-020: segments before that are dropped', () => {
    const { client, server } = pair();
    client.session.send(Buffer.from('x'), 100);
    const [datagram] = client.sent;
    const late = open(S);
    expect(late.session.input(datagram!, 100)).toBe(0);
    expect([late.messages, late.session.earlyDatagrams]).toEqual([[], 1]);
    exchange(client, server, 100);
    expect(server.messages).toEqual(['x']);
  });

  test('a proved server session is ready at once, and needs no timer once its flag 1 is out', () => {
    const server = open(S, {}, 500, C);
    expect(server.sent.map((d) => d.toString('hex'))).toEqual(['4fbb01010202020201010101']);
    expect([server.readyCount, server.session.peerId, server.session.nextDueMs(500)]).toEqual([1, C, Infinity]);
    const client = open(C, {}, 500);
    client.session.input(handshake(S, C), 500);
    exchange(client, server, 500);
    client.session.send(Buffer.from('hello'), 510);
    exchange(client, server, 520);
    expect(server.messages).toEqual(['hello']);
  });

  test('a host that closes in onReady hears nothing more', () => {
    const client = open(C);
    const server = open(S);
    server.whenReady = () => server.session.close();
    client.whenReady = () => void client.session.send(Buffer.from('x'), 0);
    exchange(client, server, 0);
    expect([server.messages, server.session.isReady]).toEqual([[], false]);
    expect(server.session.update(1e6)).toBe(0);
  });
});

describe('messages', () => {
  test('AQ-023 AQ-024: each direction carries the ID of its sender', () => {
    const { client, server } = pair();
    client.session.send(Buffer.from('x'), 100);
    expect(client.sent[0]!.readUInt32LE(0)).toBe(C);
    server.session.input(client.sent.splice(0)[0]!, 110);
    expect(server.sent[0]!.readUInt32LE(0)).toBe(S);
    expect(client.session.input(server.sent.splice(0)[0]!, 120)).toBe(0);
    expect(client.session.waitingSendCount).toBe(0);
  });

  test('AQ-037: what cannot be sent, and why', () => {
    expect(open(C).session.send(Buffer.from('x'), 0)).toBe(Errno.EPERM);
    const { session } = pair({ maxMessageSize: 100 }).client;
    expect(session.send(Buffer.alloc(0), 100)).toBe(Errno.EINVAL);
    expect(session.send(Buffer.alloc(101), 100)).toBe(Errno.EINVAL);
    expect(session.send(Buffer.alloc(100), 100)).toBe(0);
    const { session: small } = pair({ maxWaitingSendCount: 2 }).client;
    expect(small.send(Buffer.alloc(4000), 100)).toBe(Errno.ENOBUFS);
    expect(small.isReady).toBe(true);
    // The option's limit keeps KCP's own (127 fragments) out of reach.
    expect(() => new ArqSettings({ maxTransUnit: 72, maxMessageSize: 127 * 48 })).toThrow('maxMessageSize');
  });

  test('AQ-037 AQ-041: a message leaves at once, in as many datagrams as it has segments', () => {
    const { client } = pair();
    client.session.send(Buffer.alloc(4096, 1), 101);
    expect(client.sent.map((d) => d.length)).toEqual([1432, 1432, 4096 - 2 * 1408 + 24]);
    expect(client.session.waitingSendCount).toBe(3);
  });

  test('AQ-038: a 24-byte acknowledgement leaves at once; answers sent from onMessage go with it', () => {
    const { client, server } = pair();
    client.session.send(Buffer.from('ping'), 101);
    server.session.input(client.sent.splice(0)[0]!, 105);
    expect(server.sent.map((d) => d.length)).toEqual([24]);
    server.sent.length = 0;
    server.whenMessage = (m) => void server.session.send(m, 106);
    client.session.send(Buffer.from('ping'), 106);
    server.session.input(client.sent.splice(0)[0]!, 107);
    expect(server.sent.map((d) => d.length)).toEqual([24 + 24 + 4]);
    exchange(client, server, 110);
    expect(client.messages).toEqual(['ping']);
  });

  test('AQ-038: several messages of one datagram are delivered in order', () => {
    const { client, server } = pair({ immediateFlush: false });
    for (const text of ['a', 'b', 'c']) client.session.send(Buffer.from(text), 101);
    expect([client.sent.length, client.session.nextDueMs(101)]).toEqual([0, 101]);
    client.session.flush(101);
    expect(client.sent).toHaveLength(1);
    expect(server.session.input(client.sent.splice(0)[0]!, 102)).toBe(0);
    expect(server.messages).toEqual(['a', 'b', 'c']);
    expect([server.sent.length, server.session.nextDueMs(102)]).toEqual([0, 102]);
    server.session.update(102);
    expect(server.sent.map((d) => d.length)).toEqual([72]);
    client.session.input(server.sent.splice(0)[0]!, 103);
    client.session.flush(103);
    expect([client.session.nextDueMs(103), server.session.nextDueMs(103)]).toEqual([Infinity, Infinity]);
  });

  test('AQ-039: bad segments are EBADMSG, a message too large EMSGSIZE, at every truncation', () => {
    const { client } = pair();
    client.session.send(Buffer.alloc(100, 7), 100);
    const datagram = client.sent.splice(0)[0]!;
    for (let length = 24; length < datagram.length; length++) {
      expect(pair().server.session.input(Buffer.from(datagram.subarray(0, length)), 100)).toBe(Errno.EBADMSG);
    }
    const unknown = Buffer.from(datagram);
    unknown[4] = 85;
    expect(pair().server.session.input(unknown, 100)).toBe(Errno.EBADMSG);
    const { client: big, server: small } = pair({ maxMessageSize: 4096 }, { maxMessageSize: 1000 });
    big.session.send(Buffer.from('fits'), 100);
    big.session.send(Buffer.alloc(1001), 100);
    const errors = big.sent.splice(0).map((d) => small.session.input(d, 101));
    expect(errors).toEqual([0, Errno.EMSGSIZE]);
    expect(small.messages).toEqual(['fits']);
  });

  test('AQ-040: lost datagrams are resent when nextDueMs says so', () => {
    const { client, server } = pair();
    client.session.send(Buffer.from('lost'), 100);
    client.sent.length = 0;
    const due = client.session.nextDueMs(100);
    expect(due).toBe(325);
    client.session.update(due - 1);
    expect(client.sent).toEqual([]);
    client.session.update(due);
    exchange(client, server, due + 1);
    expect(server.messages).toEqual(['lost']);
    expect(client.session.stats()).toMatchObject({ lost: 1, retransmits: 1 });
  });

  test('AQ-042: a peer that is gone does not end the session: that is for the heartbeat', () => {
    const { client } = pair({ noDelay: true });
    client.session.send(Buffer.from('x'), 100);
    for (let now = 100, i = 0; i < 40; i++)
      expect(client.session.update((now = client.session.nextDueMs(now)))).toBe(0);
    expect(client.session.stats().isLinkDead).toBe(true);
  });

  test('AQ-043: waitingSendCount', () => {
    const { client, server } = pair();
    client.session.send(Buffer.alloc(4096), 100);
    expect(client.session.waitingSendCount).toBe(3);
    exchange(client, server, 110);
    expect(client.session.waitingSendCount).toBe(0);
  });

  test('AQ-044: after close nothing is sent, delivered or due, whatever is unacknowledged', () => {
    const { client, server } = pair();
    client.session.send(Buffer.from('x'), 100);
    server.session.close();
    client.session.close();
    const [datagram] = client.sent.splice(0);
    expect([server.session.input(datagram!, 101), client.session.update(1e5)]).toEqual([0, 0]);
    expect([server.messages, client.sent, client.session.nextDueMs(101)]).toEqual([[], [], Infinity]);
    expect(client.session.send(Buffer.from('y'), 102)).toBe(Errno.EPERM);
  });

  test('a host that closes or pauses in onMessage gets no further message', () => {
    const { client, server } = pair({ immediateFlush: false });
    for (const text of ['a', 'b', 'c', 'd']) client.session.send(Buffer.from(text), 101);
    client.session.flush(101);
    server.whenMessage = (m) => {
      if (m.toString() === 'b') server.session.pause();
      if (m.toString() === 'c') server.session.close();
    };
    server.session.input(client.sent.splice(0)[0]!, 102);
    expect(server.messages).toEqual(['a', 'b']);
    server.session.resume(103);
    expect(server.messages).toEqual(['a', 'b', 'c']);
  });

  test('KC-027: pause shuts the window, the sender stops; resume tells it, and everything arrives', () => {
    const { client, server } = pair({ recvWndSize: 128, sendWndSize: 1000, maxMessageSize: 1000 });
    server.session.pause();
    for (let i = 0; i < 1000; i++) client.session.send(Buffer.from(`${i}`), 100);
    let now = 100;
    for (let i = 0; i < 50; i++) {
      exchange(client, server, (now += 10));
      client.session.update(now);
      server.session.update(now);
    }
    expect(server.messages).toEqual([]);
    expect(server.session.stats().receiveWindow).toBe(0);
    expect(client.session.waitingSendCount).toBeGreaterThanOrEqual(1000 - 256);
    server.session.resume(now);
    for (let i = 0; i < 500 && server.messages.length < 1000; i++) {
      exchange(client, server, (now += 10));
      client.session.update(now);
      server.session.update(now);
    }
    expect(server.messages).toEqual(Array.from({ length: 1000 }, (_, i) => `${i}`));
  });

  test('a host that throws does not wedge the session', () => {
    const { client, server } = pair();
    server.whenMessage = () => {
      throw new Error('listener');
    };
    client.session.send(Buffer.from('a'), 100);
    const [first] = client.sent.splice(0);
    expect(() => server.session.input(first!, 101)).toThrow('listener');
    server.whenMessage = () => {};
    client.session.send(Buffer.from('b'), 102);
    for (const d of client.sent.splice(0)) server.session.input(d, 103);
    expect(server.messages).toEqual(['a', 'b']);
    expect(server.sent).toHaveLength(1);
  });

  test('a message with a deadline counts from the send', () => {
    const { client, server } = pair({ sendWndSize: 1 });
    client.session.send(Buffer.from('a'), 50_000);
    client.session.send(Buffer.from('stale'), 50_000, 20);
    client.session.send(Buffer.from('b'), 50_000, 2000);
    exchange(client, server, 50_020);
    expect(server.messages).toEqual(['a', 'b']);
    expect(client.session.stats().expiredMessages).toBe(1);
  });
});

describe('garbage', () => {
  test('AQ-005 AQ-039: random datagrams of every length end with a known errno, never with an exception', () => {
    const random = new Random(7);
    const known = new Set<number>([0, Errno.EBADMSG, Errno.ECONNRESET, Errno.EMSGSIZE]);
    for (let round = 0; round < 40; round++) {
      for (let length = 0; length <= 64; length++) {
        const datagram = random.bytes(length);
        if (length >= 24 && random.chance(0.8)) {
          datagram[4] = random.int(81, 84);
          datagram.writeUInt32LE(random.int(0, length - 23), 20);
        }
        const { server } = pair({ unreliable: true });
        expect(known).toContain(server.session.input(datagram, 101));
        expect(known).toContain(open(S).session.input(Buffer.from(datagram), 101));
      }
    }
  });
});

describe('cost', () => {
  test('an idle session is due never', () => {
    const { client, server } = pair({ flushInterval: 10 });
    for (const { session } of [client, server]) expect(session.nextDueMs(200)).toBe(Infinity);
    client.session.send(Buffer.from('x'), 1000);
    exchange(client, server, 1010);
    for (const { session } of [client, server]) expect(session.nextDueMs(1010)).toBe(Infinity);
  });
});
