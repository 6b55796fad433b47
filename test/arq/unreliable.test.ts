import { describe, expect, test } from 'vitest';
import { Kcp } from '../../src/arq/kcp.ts';
import { type ArqOptions, ArqSession, type ArqSessionHost, ArqSettings } from '../../src/arq/session.ts';
import { KcpSettings } from '../../src/arq/settings.ts';
import { HELLO_LIMIT, MARK_CAPABLE, MARK_DATA, MARK_HELLO } from '../../src/arq/unreliable.ts';
import { Errno } from '../../src/core/errno.ts';
import { tell } from './kcp-bytes.ts';
import { NaiveKcp } from './naive-kcp.ts';

class End implements ArqSessionHost {
  readonly sent: Buffer[] = [];
  readonly messages: string[] = [];
  readonly unreliable: string[] = [];
  readonly session: ArqSession;

  constructor(selfId: number, peerId: number, options: ArqOptions, isPeerComplete = true) {
    const settings = new ArqSettings({ turnoffCongestCtrl: true, ...options });
    this.session = new ArqSession({ selfId, now: 0, settings, host: this, proved: { peerId, isPeerComplete } });
    this.session.start(0);
  }
  output(bytes: Buffer, length: number): void {
    this.sent.push(Buffer.from(bytes.subarray(0, length)));
  }
  onReady(): void {}
  onMessage(message: Buffer): void {
    this.messages.push(message.toString());
  }
  onUnreliable(message: Buffer): void {
    this.unreliable.push(message.toString());
  }
}

function exchange(a: End, b: End, now: number): void {
  while (a.sent.length + b.sent.length > 0) {
    for (const datagram of a.sent.splice(0)) expect(b.session.input(datagram, now)).toBe(0);
    for (const datagram of b.sent.splice(0)) expect(a.session.input(datagram, now)).toBe(0);
  }
}

const text = (value: string): Buffer => Buffer.from(value);

describe('when both ends offer it', () => {
  test('AQ-003 AQ-004: a hello and its answer, both window tells, agree on it; messages follow', () => {
    const a = new End(1, 2, { unreliable: true });
    const b = new End(2, 1, { unreliable: true });
    expect(a.session.sendUnreliable(text('x'), 0)).toBe(Errno.EOPNOTSUPP);
    expect(a.sent.map((d) => d.length)).toEqual([12, 24]);
    expect([a.sent[1]![4], a.sent[1]![5]]).toEqual([84, MARK_HELLO]);
    exchange(a, b, 5);
    expect([a.session.canSendUnreliable, b.session.canSendUnreliable]).toEqual([true, true]);
    expect([a.session.nextDueMs(5), b.session.nextDueMs(5)]).toEqual([Infinity, Infinity]);
    expect(a.session.sendUnreliable(text('now'), 10)).toBe(0);
    expect(a.sent).toHaveLength(1);
    expect([a.sent[0]![4], a.sent[0]![5]]).toEqual([84, MARK_DATA]);
    exchange(a, b, 15);
    expect(b.unreliable).toEqual(['now']);
    expect([a.session.unreliableOut, b.session.unreliableIn]).toEqual([1, 1]);
  });

  test('each end learns it however the hellos are lost', () => {
    for (let lost = 0; lost < 2 ** 6; lost++) {
      const a = new End(1, 2, { unreliable: true });
      const b = new End(2, 1, { unreliable: true });
      let turn = 0;
      const survive = (from: End): Buffer[] =>
        from.sent.splice(0).filter(() => turn >= 6 || (lost & (1 << turn++)) === 0);
      for (let now = 0; now < 4000; now += 10) {
        for (const d of survive(a)) b.session.input(d, now);
        for (const d of survive(b)) a.session.input(d, now);
        a.session.update(now);
        b.session.update(now);
        // The application sends something too: its acknowledgements carry the mark.
        if (now === 2000) a.session.send(text('m'), now);
        if (now === 2500) b.session.send(text('m'), now);
      }
      expect([a.session.canSendUnreliable, b.session.canSendUnreliable]).toEqual([true, true]);
    }
  });

  test('it may be lost, repeated and reordered, and does not touch the stream', () => {
    const a = new End(1, 2, { unreliable: true });
    const b = new End(2, 1, { unreliable: true });
    exchange(a, b, 0);
    a.session.sendUnreliable(text('1'), 1);
    a.session.sendUnreliable(text('2'), 1);
    a.session.sendUnreliable(text('3'), 1);
    a.session.send(text('stream'), 1);
    const [one, , three, stream] = a.sent.splice(0);
    for (const d of [stream!, three!, one!, Buffer.from(one!)]) expect(b.session.input(d, 2)).toBe(0);
    expect([b.unreliable, b.messages]).toEqual([['3', '1', '1'], ['stream']]);
    exchange(a, b, 3);
    expect(a.session.waitingSendCount).toBe(0);
  });

  test('what cannot be sent, and why', () => {
    const a = new End(1, 2, { unreliable: true });
    const b = new End(2, 1, { unreliable: true });
    exchange(a, b, 0);
    expect(a.session.sendUnreliable(text(''), 1)).toBe(Errno.EINVAL);
    expect(a.session.sendUnreliable(Buffer.alloc(1409), 1)).toBe(Errno.EMSGSIZE);
    expect(a.session.sendUnreliable(Buffer.alloc(1408), 1)).toBe(0);
    expect(a.sent[0]).toHaveLength(1432);
    a.session.close();
    expect(a.session.sendUnreliable(text('x'), 1)).toBe(Errno.EPERM);
  });

  test('an answer from within onUnreliable; one that comes while paused is dropped', () => {
    const a = new End(1, 2, { unreliable: true });
    const b = new End(2, 1, { unreliable: true });
    exchange(a, b, 0);
    b.onUnreliable = (m) => void b.session.send(Buffer.concat([text('got '), m]), 2);
    a.session.sendUnreliable(text('q'), 1);
    exchange(a, b, 2);
    expect(a.messages).toEqual(['got q']);
    b.session.pause();
    a.session.sendUnreliable(text('q'), 3);
    exchange(a, b, 4);
    expect([a.messages, b.session.unreliableDropped]).toEqual([['got q'], 1]);
  });
});

describe('hellos', () => {
  test('five at most, with pauses of 4, 8, 12 ... intervals of at most 2 s; none after an answer', () => {
    for (const [flushInterval, answeredAt, expected] of [
      [200, Infinity, [0, 800, 2_400, 4_400, 6_400]],
      [10, Infinity, [0, 40, 120, 240, 400]],
      [200, 2_400, [0, 800, 2_400]],
    ] as const) {
      const { session, sent } = new End(1, 2, { unreliable: true, flushInterval });
      sent.shift(); // the handshake
      const times: number[] = [];
      let now = 0;
      for (let turn = 0; turn < 10 && now < Infinity; turn++) {
        times.push(...sent.splice(0).map((datagram) => (datagram[5] === MARK_HELLO ? now : -1)));
        if (now >= answeredAt) session.input(tell(MARK_CAPABLE), now);
        now = session.nextDueMs(now);
        session.update(Math.min(now, 1e6) - 1);
        expect(sent).toEqual([]);
        session.update(Math.min(now, 1e6));
      }
      expect([times, now]).toEqual([expected, Infinity]);
    }
  });

  test('one is answered once, with a mark; so is no other mark', () => {
    const { session, sent } = new End(1, 2, { unreliable: true });
    sent.length = 0;
    const answers = (datagram: Buffer): string[] => {
      expect(session.input(datagram, 1)).toBe(0);
      return sent.splice(0).map((d) => `${d.length} ${d[4]} ${d[5]}`);
    };
    expect(answers(tell(MARK_HELLO))).toEqual([`24 84 ${MARK_CAPABLE}`]);
    expect(answers(tell(MARK_CAPABLE))).toEqual([]);
    expect(answers(tell(MARK_DATA, text('x')))).toEqual([]);
    expect(answers(tell(MARK_HELLO))).toEqual([`24 84 ${MARK_CAPABLE}`]);
  });

  test('every acknowledgement carries the mark', () => {
    const a = new End(1, 2, { unreliable: true });
    const b = new End(2, 1, {});
    b.session.send(text('x'), 0);
    a.sent.length = 0;
    for (const datagram of b.sent) a.session.input(datagram, 1);
    expect(a.sent.map((d) => [d[4], d[5]])).toEqual([[82, MARK_CAPABLE]]);
  });

  test('marks of other things say nothing about unreliable messages', () => {
    const learns = (mark: number): boolean => {
      const { session, unreliable } = new End(1, 2, { unreliable: true });
      session.input(tell(mark, text('x')), 1);
      expect(unreliable).toEqual(mark === MARK_DATA ? ['x'] : []);
      return session.canSendUnreliable;
    };
    expect([0, 1, MARK_CAPABLE - 1, MARK_DATA + 1, MARK_DATA + 2, 0xff].map(learns)).toEqual(Array(6).fill(false));
    expect([MARK_CAPABLE, MARK_HELLO, MARK_DATA].map(learns)).toEqual([true, true, true]);
  });
});

describe('what comes in', () => {
  const push = (sn: number): Buffer => {
    const segment = tell(0, text('r'));
    segment[4] = 81;
    segment[12] = sn;
    return segment;
  };
  const opened = (): End => {
    const end = new End(1, 2, { unreliable: true });
    end.session.input(tell(MARK_CAPABLE), 0);
    end.sent.length = 0;
    return end;
  };

  test('an empty one is none; a host need not take any', () => {
    const end = opened();
    expect(end.session.input(tell(MARK_DATA), 1)).toBe(0);
    expect([end.unreliable, end.session.unreliableIn]).toEqual([[], 0]);
    Object.defineProperty(end, 'onUnreliable', { value: undefined });
    expect(end.session.input(tell(MARK_DATA, text('x')), 1)).toBe(0);
    expect(end.session.unreliableIn).toBe(1);
  });

  test('what is sent from within onUnreliable leaves with the acknowledgements of the same datagram', () => {
    const end = opened();
    end.onUnreliable = () => void end.session.send(text('answer'), 1);
    expect(end.session.input(Buffer.concat([tell(MARK_DATA, text('q')), push(0)]), 1)).toBe(0);
    expect(end.sent.map((d) => [d[4], d[24 + 4], d.toString('latin1', 48)])).toEqual([[82, 81, 'answer']]);
  });

  test('a host that closes in onUnreliable hears nothing more, be the rest of the datagram good or bad', () => {
    const bad = push(1);
    bad[4] = 85;
    for (const rest of [tell(MARK_DATA, text('b')), push(0), bad]) {
      const end = opened();
      const heard: string[] = [];
      end.onUnreliable = (message) => {
        heard.push(message.toString());
        end.session.close();
      };
      expect(end.session.input(Buffer.concat([tell(MARK_DATA, text('a')), rest]), 1)).toBe(0);
      expect([heard, end.messages, end.sent]).toEqual([['a'], [], []]);
    }
  });
});

describe('a peer that knows nothing of it', () => {
  /** What HP-Socket does with segments, by the naive implementation: it reads no mark and writes none. */
  class PlainPeer {
    readonly kcp = new NaiveKcp(9, new KcpSettings({ turnoffCongestCtrl: true }));
    messages: string[] = [];
    constructor() {
      this.kcp.update(0);
    }
    /** Takes datagrams as AQ-003..005 classify them, and answers. */
    take(from: End, now: number): void {
      for (const d of from.sent.splice(0)) {
        if (d.length === 12) {
          expect(d[3]! & 0xfe).toBe(0);
          continue;
        }
        expect(d.length).toBeGreaterThanOrEqual(24);
        expect(this.kcp.input(d, now)).toBe(0);
        for (let m = this.kcp.recv(); m !== null; m = this.kcp.recv()) this.messages.push(m.toString());
        this.kcp.flush(now);
      }
      for (const d of this.kcp.emitted.splice(0)) expect(from.session.input(d, now)).toBe(0);
    }
  }

  test('AQ-005 AQ-021 KC-002: it gets a few valid window tells, answers none, and the stream is the same', () => {
    const a = new End(1, 9, { unreliable: true });
    const peer = new PlainPeer();
    let tells = 0;
    for (let now = 0; now < 20_000; now = Math.max(now + 1, Math.min(a.session.nextDueMs(now), now + 500))) {
      expect(a.session.update(now)).toBe(0);
      tells += a.sent.filter((d) => d.length === 24 && d[4] === 84).length;
      const before = peer.kcp.emitted.length;
      peer.take(a, now);
      expect(peer.kcp.emitted.length).toBe(before);
      if (now > 5000 && now < 6000) {
        a.session.send(text(`to ${now}`), now);
        peer.kcp.send(text(`from ${now}`));
        peer.kcp.flush(now);
      }
      peer.take(a, now);
      expect(a.session.canSendUnreliable).toBe(false);
    }
    expect(tells).toBe(HELLO_LIMIT);
    expect(peer.messages.length).toBeGreaterThan(0);
    expect(a.messages).toEqual(peer.messages.map((m) => m.replace('to', 'from')));
    expect(a.session.sendUnreliable(text('x'), 20_000)).toBe(Errno.EOPNOTSUPP);
    expect(a.session.nextDueMs(20_000)).toBe(Infinity);
  });

  test('the marks change nothing in what a plain peer answers, even if data came by mistake', () => {
    const answers = (mark: number, data: Buffer): string[] => {
      const peer = new PlainPeer();
      const sent: Buffer[] = [];
      const kcp = new Kcp(1, { output: (bytes, length) => void sent.push(Buffer.from(bytes.subarray(0, length))) });
      kcp.mark = mark;
      kcp.update(0);
      kcp.send(text('hello'));
      kcp.flush(1);
      kcp.tell(mark, 7, data, 1);
      kcp.input(Buffer.from('0900000051000002000000000000000000000000' + '01000000' + '55', 'hex'), 2);
      kcp.flush(2);
      const out: string[] = [];
      for (const d of sent) {
        expect(peer.kcp.input(d, 3)).toBe(0);
        peer.kcp.flush(3);
        out.push(...peer.kcp.emitted.splice(0).map((e) => e.toString('hex')));
      }
      return [...out, JSON.stringify([peer.kcp.remoteWnd, peer.kcp.una, peer.kcp.rcvNext, peer.kcp.rto])];
    };
    const plain = answers(0, Buffer.alloc(0));
    for (const mark of [MARK_CAPABLE, MARK_HELLO, MARK_DATA, 0xff]) {
      expect(answers(mark, Buffer.alloc(0))).toEqual(plain);
      expect(answers(mark, Buffer.alloc(500, 81))).toEqual(plain);
    }
  });

  test('off (the default): no mark goes out, and marks that come in are not looked at', () => {
    const a = new End(1, 2, {});
    const b = new End(2, 1, { unreliable: true });
    exchange(a, b, 0);
    for (let now = 0; now < 5000; now += 10) {
      if (now % 500 === 0) b.session.send(text('x'), now);
      for (const d of a.sent) for (let at = 0; d.length >= 24 && at < d.length; at += 24) expect(d[at + 5]).toBe(0);
      exchange(a, b, now);
      b.session.update(now);
    }
    expect([a.session.canSendUnreliable, b.session.canSendUnreliable]).toEqual([false, false]);
    expect(a.session.sendUnreliable(text('x'), 5000)).toBe(Errno.EOPNOTSUPP);
    expect(a.messages).toHaveLength(10);
  });
});
