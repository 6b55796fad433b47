import { describe, expect, test } from 'vitest';
import { Kcp, type KcpHost } from '../../src/arq/kcp.ts';
import type { KcpOptions } from '../../src/arq/settings.ts';
import { ack, parse, push, segment, session, sns, take } from './kcp-bytes.ts';

const open: KcpOptions = { turnoffCongestCtrl: true };
const tell = (una: number, wnd = 512): Buffer => segment({ cmd: 84, una, wnd });

describe('the time that calls carry', () => {
  test('KC-005: with a call that carries it, and else the last one', () => {
    const { kcp, out } = session(open, 1, 1000);
    const stamp = (): number | undefined => take(out).flatMap(parse).at(-1)?.ts;
    kcp.input(tell(0));
    kcp.send(Buffer.from('x'));
    kcp.flush();
    expect(stamp()).toBe(1000);
    kcp.send(Buffer.from('x'), undefined, 1010);
    kcp.flush();
    expect(stamp()).toBe(1010);
    kcp.input(tell(0), 1020);
    kcp.send(Buffer.from('x'));
    kcp.flush();
    expect(stamp()).toBe(1020);
    kcp.tell(1, 5, Buffer.from('x'));
    expect(stamp()).toBe(1020);
    kcp.tell(1, 5, Buffer.from('x'), 1030);
    expect(stamp()).toBe(1030);
  });

  test('AQ-037: before the first update nothing is sent, whatever waits', () => {
    const out: Buffer[] = [];
    const kcp = new Kcp(1, { output: (bytes, length) => void out.push(bytes.subarray(0, length)) }, open);
    kcp.send(Buffer.from('x'));
    kcp.input(push(0), 5);
    kcp.flush(5);
    expect([out, kcp.check(7.5)]).toEqual([[], 7.5]);
    kcp.update(8);
    expect(out).toHaveLength(1);
  });
});

describe('when update is due', () => {
  test('AQ-027: at the next flush time while there is something to say at once, each reason alone', () => {
    const due = (prepare: (kcp: Kcp) => void, options: KcpOptions = {}): number => {
      const { kcp } = session({ ...open, resendByAcks: 1, ...options }, 1, 0);
      prepare(kcp);
      return kcp.check(20);
    };
    expect(due(() => {})).toBe(Infinity);
    expect(due((kcp) => kcp.input(push(0), 20))).toBe(60);
    expect(due((kcp) => kcp.input(segment({ cmd: 83 }), 20))).toBe(60);
    expect(due((kcp) => kcp.send(Buffer.from('x'), undefined, 20))).toBe(60);
    const flushed = (kcp: Kcp): void => {
      kcp.send(Buffer.from('x'));
      kcp.send(Buffer.from('y'));
      kcp.flush(20);
    };
    expect(due(flushed)).toBe(20 + 225);
    expect(
      due((kcp) => {
        flushed(kcp);
        kcp.input(ack(1, { ts: 20 }), 20);
      }),
    ).toBe(60);
    // The window is full: what waits does not count.
    expect(due(flushed, { sendWndSize: 1 })).toBe(20 + 225);
  });

  test('KC-007: what can be sent does not depend on how far the numbers have come', () => {
    const { kcp } = session(open, 1, 0, 1_000_000);
    kcp.send(Buffer.from('x'));
    expect(kcp.check(0)).toBe(60);
  });

  test('KC-017: one that comes an interval late or more flushes once, and then an interval after that', () => {
    for (const [now, next] of [
      [60, 120],
      [119, 120],
      [120, 180],
      [130, 190],
      [400, 460],
    ] as const) {
      const { kcp, out } = session(open, 1, 0);
      kcp.update(now);
      kcp.send(Buffer.from('x'));
      expect(kcp.check(now)).toBe(next);
      kcp.update(next - 1);
      expect(out).toEqual([]);
      kcp.update(next);
      expect(take(out)).toHaveLength(1);
    }
  });

  test('KC-017: a session that was only flushed for seven weeks, half a round of the clock, is due at once', () => {
    for (const [end, due, isFlushed] of [
      // 60 is the time of the next flush; this is 10 s before it is reached again.
      [2 ** 32 + 60 - 10_000, 2 ** 32 + 60, false],
      [2 ** 32 + 60 - 10_001, 2 ** 32 + 60 - 10_001, true],
      [3e9, 3e9, true],
    ] as const) {
      const { kcp, out } = session(open, 1, 0);
      for (const now of [1.5e9, end - 1e9]) kcp.flush(now);
      kcp.flush(end);
      kcp.send(Buffer.from('x'));
      expect(kcp.check(end)).toBe(due);
      kcp.update(end);
      expect(take(out)).toHaveLength(isFlushed ? 1 : 0);
    }
  });
});

describe('a clock that goes back', () => {
  test('takes time-outs along, over the holes that acknowledgements left', () => {
    const { kcp, out } = session(open, 1, 10_000);
    for (let i = 0; i < 3; i++) kcp.send(Buffer.from([i]));
    kcp.flush(10_000);
    kcp.input(ack(1, { ts: 0xf0000000 }), 10_000);
    take(out);
    kcp.flush(4_000);
    expect(kcp.check(4_000)).toBe(4_225);
    kcp.flush(4_224);
    expect(out).toEqual([]);
    kcp.flush(4_225);
    expect(sns(take(out))).toEqual([0, 2]);
  });

  test('takes deadlines along, to the millisecond', () => {
    const { kcp, out } = session({ ...open, sendWndSize: 1 }, 1, 10_000);
    kcp.send(Buffer.from('x'));
    kcp.flush(10_000);
    kcp.send(Buffer.from('y'), 100);
    kcp.flush(4_000);
    kcp.flush(4_099);
    expect(kcp.stats().expiredMessages).toBe(0);
    kcp.flush(4_100);
    expect(kcp.stats().expiredMessages).toBe(1);
    expect(sns(take(out))).toEqual([0]);
  });

  test('takes the window probe along', () => {
    const { kcp, out } = session(open, 1, 10_000);
    kcp.input(tell(0, 0), 10_000);
    kcp.flush(10_000);
    kcp.flush(4_000);
    for (const [now, asks] of [
      [10_999, 0],
      [11_000, 1],
    ] as const) {
      kcp.flush(now);
      expect(take(out).flatMap(parse)).toHaveLength(asks);
    }
  });
});

describe('the window probe', () => {
  test('KC-015: asks at the millisecond and not before, however often it is flushed, wherever the clock is', () => {
    for (const start of [0, 2 ** 31 - 5_000, 2 ** 32 - 5_000]) {
      const { kcp, out } = session(open, 1, start);
      kcp.input(tell(0, 0), start);
      const asks: number[] = [];
      for (let now = 0; now <= 36_000; now += 100) {
        kcp.flush(start + now);
        for (const { cmd } of take(out).flatMap(parse)) {
          expect(cmd).toBe(83);
          asks.push(now);
        }
      }
      expect(asks).toEqual([7_000, 17_500, 33_300]);
    }
  });

  test('KC-015: a window that has been open in between is waited for anew', () => {
    const { kcp } = session(open, 1, 0);
    kcp.input(tell(0, 0), 0);
    kcp.flush(0);
    expect(kcp.check(0)).toBe(7_000);
    kcp.input(tell(0, 9), 100);
    kcp.flush(100);
    expect(kcp.check(100)).toBe(Infinity);
    kcp.input(tell(0, 0), 200);
    // Due for the flush that starts the wait.
    expect(kcp.check(200)).toBe(200);
    kcp.update(200);
    expect(kcp.check(200)).toBe(7_200);
  });

  test('KC-015: a time-out that comes before the next ask counts', () => {
    const { kcp } = session(open, 1, 0);
    kcp.send(Buffer.from('x'));
    kcp.flush(0);
    kcp.input(tell(0, 0), 0);
    kcp.flush(0);
    expect(kcp.check(0)).toBe(225);
  });
});

describe('deadlines', () => {
  /** How many messages have expired at `now` of one that was sent at 1000 with such a deadline, behind another one. */
  function expired(deadlineMs: number | undefined, now: number): number {
    const { kcp } = session({ ...open, sendWndSize: 1 }, 1, 0);
    kcp.send(Buffer.from('x'));
    kcp.flush(0);
    kcp.send(Buffer.from('y'), deadlineMs, 1000);
    kcp.flush(now);
    return kcp.stats().expiredMessages;
  }

  test('count from the time that comes with the message', () => {
    expect([expired(50, 1049), expired(50, 1050)]).toEqual([0, 1]);
    expect([expired(0, 1000), expired(-5, 1000)]).toEqual([1, 1]);
  });

  test('count up to half a round of the clock; none and longer ones never come', () => {
    const last = 0x7fffffff;
    expect([expired(last, 1000 + last - 1), expired(last, 1000 + last)]).toEqual([0, 1]);
    for (const deadlineMs of [undefined, Infinity, last + 1, 2 ** 32]) {
      for (const now of [1000, 5000, 1000 + last]) expect(expired(deadlineMs, now)).toBe(0);
    }
  });
});

describe('marks', () => {
  test('one that is set goes out with acknowledgements and tells, not with data', () => {
    const { kcp, out } = session(open, 1, 0);
    kcp.mark = 0x5a;
    kcp.input(push(0));
    kcp.input(segment({ cmd: 83 }));
    kcp.send(Buffer.from('x'));
    kcp.flush();
    expect(
      take(out)
        .flatMap(parse)
        .map((s) => [s.cmd, s.frg]),
    ).toEqual([
      [82, 0x5a],
      [84, 0x5a],
      [81, 0],
    ]);
  });

  test('one that comes is passed on with its data, none is not, and a listener is not needed', () => {
    const marks: unknown[] = [];
    const host: KcpHost = {
      output() {},
      onMark: (frg, datagram, offset, length) =>
        marks.push([frg, datagram.toString('latin1', offset, offset + length)]),
    };
    const datagram = Buffer.concat([
      segment({ cmd: 84, frg: 7, data: Buffer.from('hello') }),
      segment({ cmd: 84, data: Buffer.from('plain') }),
      ack(0),
      segment({ cmd: 83 }),
      ack(0, { frg: 8 }),
    ]);
    for (const listener of [host, { output() {} }]) {
      const kcp = new Kcp(1, listener, open);
      kcp.update(0);
      expect(kcp.input(datagram, 0)).toBe(0);
    }
    expect(marks).toEqual([
      [7, 'hello'],
      [8, ''],
    ]);
  });
});

describe('counters', () => {
  test('datagrams, segments and bytes in both directions; resends of both kinds', () => {
    const { kcp } = session({ ...open, resendByAcks: 1 }, 1, 0);
    for (let i = 0; i < 3; i++) kcp.send(Buffer.alloc(10));
    kcp.flush(0);
    kcp.input(Buffer.concat([push(0, Buffer.alloc(6)), ack(1, { ts: 0 })]), 1);
    kcp.flush(1);
    kcp.input(tell(1), 2);
    kcp.flush(300);
    expect(kcp.stats()).toMatchObject({
      datagramsIn: 2,
      segmentsIn: 3,
      bytesIn: 3 * 24 + 6,
      // Three, then an acknowledgement and 0 again, then 2 again.
      datagramsOut: 3,
      segmentsOut: 6,
      bytesOut: 6 * 24 + 5 * 10,
      fastRetransmits: 1,
      lost: 1,
      retransmits: 2,
    });
  });
});
