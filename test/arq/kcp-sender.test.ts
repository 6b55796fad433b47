import { describe, expect, test } from 'vitest';
import type { Kcp } from '../../src/arq/kcp.ts';
import type { KcpOptions } from '../../src/arq/settings.ts';
import { ack, parse, push, segment, session, sns, take } from './kcp-bytes.ts';

const fast: KcpOptions = { noDelay: true, turnoffCongestCtrl: true, flushInterval: 10 };
const tell = (una: number, wnd = 512): Buffer => segment({ cmd: 84, una, wnd });

function sendEach(kcp: Kcp, count: number, size = 1): void {
  for (let i = 0; i < count; i++) expect(kcp.send(Buffer.alloc(size))).toBe(0);
}

describe('una', () => {
  test('KC-007: moves over what was acknowledged singly, by una as by a single acknowledgement', () => {
    for (const last of [tell(1), ack(0, { ts: 0 })]) {
      const { kcp, out } = session({ ...fast, sendWndSize: 4 }, 1, 0);
      sendEach(kcp, 12);
      kcp.flush(0);
      kcp.input(ack(1, { ts: 0 }), 1);
      kcp.input(ack(2, { ts: 0 }), 1);
      kcp.flush(1);
      expect(sns(take(out))).toEqual([0, 1, 2, 3]);
      kcp.input(last, 2);
      kcp.flush(2);
      expect(sns(take(out))).toEqual([4, 5, 6]);
    }
  });

  test('an acknowledgement said again is counted, and frees nothing twice', () => {
    const { kcp } = session(fast, 1, 0);
    sendEach(kcp, 3);
    kcp.flush(0);
    for (let i = 0; i < 3; i++) kcp.input(ack(1, { ts: 0 }), 1);
    expect(kcp.stats()).toMatchObject({ duplicateAcks: 2, inFlight: 2, waitingSendCount: 2 });
  });
});

describe('the congestion window, datagram by datagram', () => {
  interface Growing {
    kcp: Kcp;
    /** Sends and acknowledges so many segments, but no more than cwnd, by one datagram; returns the cwnd after it. */
    step(most?: number, wnd?: number): number;
  }

  function growing(options: KcpOptions = {}, firstSn = 0): Growing {
    const { kcp } = session({ noDelay: true, ...options }, 1, 0, firstSn);
    let una = firstSn;
    return {
      kcp,
      step(most = 1, wnd = 512) {
        const count = Math.min(most, kcp.stats().cwnd);
        sendEach(kcp, count);
        kcp.flush(0);
        expect(kcp.stats().inFlight).toBe(count);
        una += count;
        expect(kcp.input(tell(una, wnd), 0)).toBe(0);
        return kcp.stats().cwnd;
      },
    };
  }

  test('KC-024: as ikcp counts it in bytes: it is rounded up when a segment more is full', () => {
    const { step } = growing({ maxTransUnit: 72, maxMessageSize: 48 });
    // Segments of 48: 48, 96, then 123, 144, 163, 180, 195, 209, 223, 236, 248, 260, 271, 282, 293, ...
    const grown = Array.from({ length: 15 }, () => step());
    expect(grown).toEqual([2, 2, 3, 3, 3, 5, 5, 5, 5, 5, 5, 5, 5, 7, 7]);
  });

  test("KC-024: rounding up does not exceed the peer's window, and growth goes on from there", () => {
    const { step } = growing();
    // 2816, 3608, 4245, 4800, 5301, 5762, 6194, 6602, 6990, then 7361 makes it 6; cut to 5 it is 7040 bytes.
    const grown = Array.from({ length: 11 }, () => step(1, 5));
    expect(grown).toEqual([2, 2, 4, 4, 4, 4, 4, 4, 4, 5, 5]);
    // 7409, 7764, 8107, 8439, 8761: as many steps as from 7040, none for those while the window was full.
    expect(Array.from({ length: 5 }, () => step())).toEqual([5, 5, 5, 5, 7]);
  });

  test('KC-024: a smaller window of the peer does not close it', () => {
    const { step } = growing();
    for (let i = 0; i < 3; i++) step();
    expect([step(), step(1, 2), step(1, 1)]).toEqual([4, 4, 4]);
  });

  test('KC-024: only a datagram that moves una opens it, and none that is faulty', () => {
    for (const firstSn of [0, 1000]) {
      const { kcp, step } = growing({}, firstSn);
      expect(step()).toBe(2);
      for (let i = 0; i < 50; i++) kcp.input(Buffer.concat([tell(firstSn + 1), push(firstSn)]), 0);
      expect(kcp.stats().cwnd).toBe(2);
      sendEach(kcp, 3);
      kcp.flush(0);
      // What precedes the fault counts as acknowledged, but opens nothing.
      for (let i = 0; i < 2; i++) expect(kcp.input(Buffer.concat([tell(firstSn + 2), Buffer.alloc(24)]), 0)).toBe(-3);
      expect(kcp.stats().inFlight).toBe(1);
      const opened = [2, 3, 4].map((acknowledged) => {
        kcp.flush(0);
        kcp.input(tell(firstSn + acknowledged), 0);
        return kcp.stats().cwnd;
      });
      expect(opened).toEqual([2, 2, 4]);
    }
  });

  test('gathered with congestion control it opens by what is acknowledged, up to four steps; else by one', () => {
    const counts = (options: KcpOptions): number[] => {
      const { step } = growing({ ...options, maxTransUnit: 72, maxMessageSize: 48 });
      return [step(), step(2), step(3), step(5), step(5)];
    };
    // The steps of above: 96; 123, 144; 163, 180, 195; 209, 223, 236, 248; 260, 271, 282, 293.
    expect(counts({ isGathered: true })).toEqual([2, 3, 5, 5, 7]);
    expect(counts({})).toEqual([2, 2, 3, 3, 3]);
    expect(counts({ isGathered: true, turnoffCongestCtrl: true })).toEqual([2, 2, 3, 3, 3]);
  });

  test('KC-023: a fast resend sets ssthresh to half of what is in flight, and growth starts at ssthresh + ResendByAcks', () => {
    const { kcp } = session({ ...fast, resendByAcks: 1, maxTransUnit: 72, maxMessageSize: 48 }, 1, 0);
    sendEach(kcp, 10);
    kcp.flush(0);
    kcp.input(tell(10), 1);
    sendEach(kcp, 12);
    kcp.flush(1);
    kcp.input(ack(11, { ts: 1, una: 10 }), 2);
    kcp.flush(2);
    expect(kcp.stats()).toMatchObject({ ssthresh: 6, cwnd: 7, fastRetransmits: 1, retransmits: 1 });
    // 336 bytes, then 345, 354, 363, 372, 381, 390 (more than 8 segments, of 48).
    const grown = [10, 12, 13, 14, 15, 16].map((sn) => {
      kcp.input(tell(sn + 1), 3);
      return kcp.stats().cwnd;
    });
    expect(grown).toEqual([7, 7, 7, 7, 7, 9]);
  });
});

describe('when a segment is due', () => {
  test('the earliest time-out counts, whichever segment has it', () => {
    const { kcp, out } = session(fast, 1, 0);
    sendEach(kcp, 1);
    kcp.flush(0);
    for (const now of [20, 50, 100]) {
      sendEach(kcp, 1);
      kcp.flush(now);
    }
    expect(kcp.check(100)).toBe(200);
    take(out);
    // 2 is there, which leaves a hole; the time stamp is of no use for measuring.
    kcp.input(ack(2, { ts: 1000 }), 110);
    kcp.update(200);
    expect(sns(take(out))).toEqual([0]);
    // Number 0 again after 300 ms more; 1 and 3 200 ms after 20 and 100.
    expect(kcp.check(200)).toBe(220);
    kcp.update(220);
    expect([sns(take(out)), kcp.check(220)]).toEqual([[1], 300]);
  });

  test('a later segment may be due before an earlier one, as the time-out has become shorter since', () => {
    const { kcp, out } = session(fast, 1, 0);
    sendEach(kcp, 2);
    kcp.flush(0);
    kcp.input(ack(1, { ts: 0 }), 5);
    expect(kcp.stats().rto).toBe(30);
    sendEach(kcp, 1);
    kcp.flush(20);
    expect(kcp.check(20)).toBe(50);
    take(out);
    kcp.update(49);
    expect(sns(take(out))).toEqual([]);
    kcp.update(50);
    kcp.update(60);
    expect(sns(take(out))).toEqual([2]);
  });

  test('KC-025: enough skips wake the session at the next flush, too few do not', () => {
    for (const [resendByAcks, skips, due] of [
      [0, 5, 200],
      [2, 1, 200],
      [2, 2, 10],
      [1, 1, 10],
    ] as const) {
      const { kcp, out } = session({ ...fast, resendByAcks, minRto: 200 }, 1, 0);
      sendEach(kcp, 6);
      kcp.flush(0);
      for (let i = 1; i <= skips; i++) kcp.input(ack(i, { ts: 0 }), 1);
      expect(kcp.check(1)).toBe(due);
      take(out);
      kcp.update(10);
      expect(sns(take(out))).toEqual(due === 10 ? [0] : []);
    }
  });

  test('KC-023: a segment that has been sent FastLimit times does not wake it', () => {
    const { kcp, out } = session({ ...fast, resendByAcks: 1, fastLimit: 1, minRto: 300 }, 1, 0);
    sendEach(kcp, 4);
    kcp.flush(0);
    kcp.input(ack(1, { ts: 0 }), 1);
    kcp.flush(1);
    kcp.input(ack(2, { ts: 0 }), 2);
    take(out);
    expect(kcp.check(2)).toBeGreaterThanOrEqual(200);
    kcp.flush(2);
    expect(out).toEqual([]);
  });

  test('KC-025: several datagrams before one flush: everything below the highest acknowledged is looked at', () => {
    for (const order of [
      [2, 5],
      [5, 2],
      [5, 5],
    ]) {
      const { kcp, out } = session({ ...fast, resendByAcks: 1 }, 1, 0);
      sendEach(kcp, 8);
      kcp.flush(0);
      kcp.input(ack(1, { ts: 0 }), 1);
      kcp.flush(1);
      take(out);
      for (const sn of order) kcp.input(ack(sn, { ts: 0 }), 2);
      kcp.flush(2);
      expect(sns(take(out))).toEqual([0, 2, 3, 4].filter((sn) => !order.includes(sn)));
    }
  });

  test('KC-025: the highest number of a datagram counts, also across the wrap, and acknowledgements alone', () => {
    for (const firstSn of [0, 0xfffffffd]) {
      const at = (i: number): number => (firstSn + i) % 2 ** 32;
      for (const order of [
        [3, 1, 2],
        [1, 2, 3],
        [2, 3, 1],
      ]) {
        const { kcp, out } = session({ ...fast, resendByAcks: 1 }, 1, 0, firstSn);
        sendEach(kcp, 8);
        kcp.flush(0);
        take(out);
        kcp.input(Buffer.concat([tell(firstSn), push(at(0), Buffer.from('x'), { una: firstSn })]), 1);
        kcp.flush(1);
        expect(sns(take(out))).toEqual([]);
        kcp.input(Buffer.concat(order.map((i) => ack(at(i * 2), { ts: 0, una: firstSn }))), 2);
        kcp.flush(2);
        expect(sns(take(out))).toEqual([0, 1, 3, 5].map(at));
      }
    }
  });

  test('KC-025: numbers that were never sent, and those of a faulty datagram, skip nothing', () => {
    const { kcp, out } = session({ ...fast, resendByAcks: 1 }, 1, 0);
    sendEach(kcp, 4);
    kcp.flush(0);
    take(out);
    for (const sn of [4, 5, 100]) expect(kcp.input(ack(sn, { ts: 0 }), 1)).toBe(0);
    expect(kcp.input(Buffer.concat([ack(2, { ts: 0 }), Buffer.alloc(24)]), 1)).toBe(-3);
    kcp.flush(1);
    expect(out).toEqual([]);
  });

  test('KC-025: with conserveResend it counts what was sent by the time that the acknowledgement names, at that very ms too', () => {
    // Of two acknowledgements of the same number in a datagram the first counts.
    const count = (first: number, second: number): number[] => {
      const { kcp, out } = session({ ...fast, resendByAcks: 1, conserveResend: true }, 1, 0);
      sendEach(kcp, 3);
      kcp.flush(10);
      take(out);
      kcp.input(Buffer.concat([ack(2, { ts: first }), ack(2, { ts: second })]), 12);
      kcp.flush(12);
      return sns(take(out));
    };
    expect([count(10, 9), count(9, 10)]).toEqual([[0, 1], []]);
  });

  test('on a new path all that is in flight is due at once, with the time-out of a first transmission', () => {
    const { kcp, out } = session(fast, 1, 0);
    sendEach(kcp, 3);
    kcp.flush(0);
    kcp.flush(200);
    kcp.flush(500);
    kcp.input(ack(1, { ts: 1 }), 501);
    take(out);
    const { rto } = kcp.stats();
    kcp.hurry(600);
    expect(kcp.check(600)).toBe(600);
    kcp.flush();
    const sent = out.flatMap(parse).map(({ sn, ts }) => [sn, ts]);
    expect(sent).toEqual([
      [0, 600],
      [2, 600],
    ]);
    expect(kcp.check(600)).toBe(600 + rto + (rto >> 1));
  });

  test('a new path is nothing to a session with nothing in flight', () => {
    const { kcp, out } = session(fast, 1, 0);
    kcp.hurry(600);
    expect(kcp.check(600)).toBe(Infinity);
    sendEach(kcp, 1);
    kcp.flush();
    expect([parse(take(out)[0]!)[0]!.ts, kcp.check(600)]).toEqual([600, 800]);
  });
});
