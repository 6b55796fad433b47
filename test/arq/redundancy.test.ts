import { describe, expect, test } from 'vitest';
import type { Kcp } from '../../src/arq/kcp.ts';
import type { KcpOptions } from '../../src/arq/settings.ts';
import { ack, parse, push, segment, session, take } from './kcp-bytes.ts';

const options: KcpOptions = { isGathered: true, noDelay: true, turnoffCongestCtrl: true, flushInterval: 10 };

/**
 * A session at 1000 ms that has sent one segment, number `firstSn`, twice, and whose peer has acknowledged the second: all of one
 * transmission that it can tell was lost. Its round trip is `rtt` ms.
 */
function lossy(more: KcpOptions = {}, firstSn = 0, rtt = 1): { kcp: Kcp; out: string[] } {
  const { kcp, out } = session({ ...options, ...more }, 1, 0, firstSn);
  kcp.send(Buffer.from([firstSn]));
  kcp.flush(0);
  kcp.flush(300);
  kcp.input(ack(firstSn, { ts: 300, una: firstSn + 1 }), 300 + rtt);
  expect(kcp.stats()).toMatchObject({ loss: 1, waitingSendCount: 0, srtt: rtt });
  kcp.flush(1000);
  take(out);
  return { kcp, out };
}

function sendEach(kcp: Kcp, count: number, size = 1): void {
  for (let i = 0; i < count; i++) expect(kcp.send(Buffer.alloc(size))).toBe(0);
}

/** Data segments by their number, acknowledgements as `ack <number>`, of each datagram. */
const content = (out: string[]): Array<Array<number | string>> =>
  take(out).map((datagram) =>
    parse(datagram).map(({ cmd, sn }) => (cmd === 81 ? sn : cmd === 82 ? `ack ${sn}` : 'tell')),
  );

describe('what counts as lost', () => {
  /** The loss that a session sees which has sent one segment at 0 and, as its time-out passed, at 200. */
  function seen(ts: number, hasTimedOut: boolean): number {
    const { kcp } = session(options, 1, 0);
    kcp.send(Buffer.from('x'));
    kcp.flush(0);
    if (hasTimedOut) kcp.flush(200);
    kcp.input(ack(0, { ts, una: 1 }), 210);
    return kcp.stats().loss;
  }

  test('KC-005: an acknowledgement of the second transmission, and not one of the first, also when it comes late', () => {
    expect(seen(200, true)).toBe(1);
    expect(seen(199, true)).toBe(0);
    expect(seen(0, true)).toBe(0);
    expect(seen(0, false)).toBe(0);
  });

  test('an acknowledgement of a copy, and not one of what was copied', () => {
    for (const [ts, loss] of [
      [1010, 1],
      [1009, 0.5],
      [1000, 0.5],
    ] as const) {
      const { kcp, out } = lossy();
      sendEach(kcp, 1);
      kcp.flush(1000);
      sendEach(kcp, 1);
      kcp.flush(1010);
      expect(content(out)).toEqual([[1], [2, 1]]);
      kcp.input(ack(1, { ts, una: 1 }), 1020);
      expect(kcp.stats().loss).toBe(loss);
    }
  });

  test('each segment is counted once, by its first acknowledgement', () => {
    const { kcp } = lossy();
    sendEach(kcp, 4);
    kcp.flush(1000);
    kcp.input(ack(2, { ts: 1000, una: 1 }), 1001);
    expect(kcp.stats().loss).toBe(1 / 2);
    for (let i = 0; i < 3; i++) kcp.input(ack(2, { ts: 1000, una: 1 }), 1001);
    expect(kcp.stats()).toMatchObject({ loss: 1 / 2, duplicateAcks: 3, inFlight: 3 });
    kcp.input(ack(1, { ts: 1000, una: 1 }), 1001);
    expect(kcp.stats().loss).toBe(21_845 / 65_536);
  });

  test('acknowledgements of what is done with or was never sent say nothing, nor do other commands', () => {
    const { kcp } = lossy({}, 100);
    sendEach(kcp, 4);
    kcp.flush(1000);
    for (const sn of [100, 97, 98, 99, 105, 106, 107, 108]) kcp.input(ack(sn, { ts: 1000, una: 101 }), 1001);
    kcp.input(push(101, Buffer.from('x'), { ts: 1000, una: 101 }), 1001);
    for (const cmd of [83, 84]) kcp.input(segment({ cmd, sn: 101, ts: 1000, una: 101 }), 1001);
    expect(kcp.stats()).toMatchObject({ loss: 1, inFlight: 4, duplicateAcks: 0 });
    kcp.input(ack(101, { ts: 1000, una: 101 }), 1001);
    expect(kcp.stats()).toMatchObject({ loss: 0.5, inFlight: 3 });
  });
});

describe('how data is spread over datagrams', () => {
  test('on a good line, and in a session that is not gathered, a datagram takes what fits', () => {
    const good = session(options, 1, 0);
    sendEach(good.kcp, 3);
    good.kcp.flush(0);
    expect(content(good.out)).toEqual([[0, 1, 2]]);
    const plain = lossy({ isGathered: false });
    plain.kcp.input(push(1), 1000);
    plain.kcp.flush(1000);
    sendEach(plain.kcp, 3);
    plain.kcp.flush(1000);
    sendEach(plain.kcp, 1);
    plain.kcp.flush(1020);
    expect(content(plain.out)).toEqual([['ack 1'], [1, 2, 3], [4]]);
    expect(plain.kcp.stats().copies).toBe(0);
  });

  test('under heavy loss each segment has its own, while no more than 64 wait', () => {
    const few = lossy();
    sendEach(few.kcp, 64);
    few.kcp.flush(1000);
    expect(content(few.out)).toEqual(Array.from({ length: 64 }, (_, i) => [i + 1]));
    const many = lossy();
    sendEach(many.kcp, 65);
    many.kcp.flush(1000);
    expect(content(many.out).map((datagram) => datagram.length)).toEqual([57, 8]);
  });

  test('with congestion control, or when less is lost, datagrams are filled, and still repeat', () => {
    const congested = lossy({ turnoffCongestCtrl: false });
    sendEach(congested.kcp, 3);
    congested.kcp.flush(1000);
    expect(content(congested.out)).toEqual([[1, 2]]);
    congested.kcp.input(push(1), 1010);
    congested.kcp.flush(1010);
    expect(content(congested.out)).toEqual([['ack 1', 1, 2]]);

    const { kcp, out } = lossy();
    // 1 of 7 is less than 5 of 32.
    sendEach(kcp, 6);
    kcp.flush(1000);
    for (let sn = 1; sn <= 6; sn++) kcp.input(ack(sn, { ts: 1000, una: sn + 1 }), 1001);
    take(out);
    sendEach(kcp, 3);
    kcp.flush(1002);
    sendEach(kcp, 1);
    kcp.flush(1012);
    expect(content(out)).toEqual([
      [7, 8, 9],
      [10, 7, 8, 9],
    ]);
  });

  test('once less than 1 of 32 is lost, all is as on a good line again', () => {
    const { kcp, out } = lossy();
    sendEach(kcp, 110);
    kcp.flush(1000);
    for (let sn = 1; sn <= 110; sn++) kcp.input(ack(sn, { ts: 1000, una: sn + 1 }), 1001);
    expect(kcp.stats().loss).toBeLessThan(1 / 32);
    take(out);
    kcp.input(push(1), 1002);
    sendEach(kcp, 3);
    kcp.flush(1002);
    sendEach(kcp, 1);
    kcp.flush(1015);
    expect(content(out)).toEqual([['ack 1', 111, 112, 113], [114]]);
  });
});

describe('acknowledgements said again', () => {
  test('KC-005: in the next datagrams that leave anyway, as if the segment had been sent so much later', () => {
    const { kcp, out } = lossy();
    kcp.input(push(1, undefined, { ts: 900 }), 1005);
    kcp.flush(1005);
    kcp.flush(1010);
    expect(content(out)).toEqual([['ack 1']]);
    for (const [now, ts] of [
      [1012, 907],
      [1040, 935],
    ]) {
      kcp.input(segment({ cmd: 83, una: 1 }), now);
      kcp.flush(now);
      expect(parse(take(out)[0]!).map((s) => [s.cmd, s.sn, s.ts])).toEqual([
        [84, 0, 0],
        [82, 1, ts],
      ]);
    }
  });

  test('not those of the datagram itself, and not those that una covers', () => {
    const { kcp, out } = lossy();
    for (const sn of [2, 4]) kcp.input(push(sn), 1000);
    kcp.flush(1000);
    expect(content(out)).toEqual([['ack 2', 'ack 4']]);
    kcp.input(push(6), 1001);
    kcp.flush(1001);
    expect(content(out)).toEqual([['ack 6', 'ack 2', 'ack 4']]);
    for (const sn of [0, 1]) kcp.input(push(sn), 1002);
    kcp.flush(1002);
    expect(content(out)).toEqual([['ack 0', 'ack 1', 'ack 4', 'ack 6']]);
    kcp.input(segment({ cmd: 83, una: 1 }), 1003);
    kcp.flush(1003);
    expect(content(out)).toEqual([['tell', 'ack 4', 'ack 6']]);
  });

  test('KC-027: also of a segment that a full receive queue leaves in the window, where una does not cover it', () => {
    const { kcp, out } = lossy({ recvWndSize: 128 });
    for (let sn = 0; sn < 128; sn++) kcp.input(push(sn), 1000);
    kcp.flush(1000);
    kcp.input(push(128), 1001);
    kcp.flush(1001);
    take(out);
    kcp.input(segment({ cmd: 83, una: 1 }), 1002);
    kcp.flush(1002);
    expect(content(out)).toEqual([['tell', 'ack 128']]);
  });

  test('the last eight, the oldest first', () => {
    const { kcp, out } = lossy();
    for (let sn = 1; sn <= 11; sn++) kcp.input(push(sn), 1000);
    kcp.flush(1000);
    take(out);
    kcp.input(segment({ cmd: 83, una: 1 }), 1001);
    kcp.flush(1001);
    expect(content(out)).toEqual([['tell', ...[4, 5, 6, 7, 8, 9, 10, 11].map((sn) => `ack ${sn}`)]]);
  });

  test('as many as there is room for', () => {
    const { kcp, out } = lossy({ maxTransUnit: 100 });
    for (let sn = 1; sn <= 8; sn++) kcp.input(push(sn), 1000);
    kcp.flush(1000);
    take(out);
    kcp.input(segment({ cmd: 83, una: 1 }), 1001);
    kcp.flush(1001);
    expect(content(out)).toEqual([['tell', 'ack 1', 'ack 2', 'ack 3']]);
  });

  test('KC-006: none that was never sent, wherever the numbers begin', () => {
    for (const firstSn of [0, 0xfffffff0, 0x7ffffff0]) {
      const { kcp, out } = lossy({}, firstSn);
      kcp.input(segment({ cmd: 83, una: firstSn + 1 }), 1000);
      kcp.flush(1000);
      expect(content(out)).toEqual([['tell']]);
      const later = (firstSn + 3) % 2 ** 32;
      kcp.input(push(later, Buffer.from('x'), { una: firstSn + 1 }), 1001);
      kcp.flush(1001);
      kcp.input(segment({ cmd: 83, una: firstSn + 1 }), 1002);
      kcp.flush(1002);
      expect(content(out)).toEqual([[`ack ${later}`], ['tell', `ack ${later}`]]);
    }
  });
});

describe('copies of overdue segments', () => {
  test('leave with the next datagram after half a round trip, but not before the flush interval', () => {
    for (const [rtt, overdueMs] of [
      [1, 10],
      [21, 10],
      [22, 11],
      [101, 50],
    ] as const) {
      const { kcp, out } = lossy({}, 0, rtt);
      sendEach(kcp, 1);
      kcp.flush(1000);
      expect(content(out)).toEqual([[1]]);
      kcp.input(segment({ cmd: 83, una: 1 }), 1000);
      kcp.flush(1000 + overdueMs - 1);
      expect(content(out)).toEqual([['tell']]);
      kcp.input(segment({ cmd: 83, una: 1 }));
      kcp.flush(1000 + overdueMs);
      const [tell, copy] = parse(take(out)[0]!);
      expect([tell!.cmd, copy!.cmd, copy!.sn, copy!.ts]).toEqual([84, 81, 1, 1000 + overdueMs]);
      // The next copy of it is due as long after the first.
      for (const [now, expected] of [
        [1000 + 2 * overdueMs - 1, [['tell']]],
        [1000 + 2 * overdueMs, [['tell', 1]]],
      ] as const) {
        kcp.input(segment({ cmd: 83, una: 1 }));
        kcp.flush(now);
        expect(content(out)).toEqual(expected);
      }
      expect(kcp.stats()).toMatchObject({ copies: 2, retransmits: 1 });
    }
  });

  test('do not move the time-out', () => {
    const { kcp, out } = lossy();
    expect(kcp.stats().rto).toBe(30);
    sendEach(kcp, 1);
    kcp.flush(1000);
    kcp.input(segment({ cmd: 83, una: 1 }));
    kcp.flush(1020);
    expect(content(out)).toEqual([[1], ['tell', 1]]);
    kcp.flush(1029);
    expect(content(out)).toEqual([]);
    kcp.flush(1030);
    expect(content(out)).toEqual([[1]]);
    expect(kcp.stats()).toMatchObject({ copies: 1, lost: 2 });
  });

  test('not of those whose time-out is up, as the same flush sends them', () => {
    const { kcp, out } = lossy();
    sendEach(kcp, 3);
    kcp.flush(1000);
    take(out);
    kcp.flush(1030);
    expect(content(out)).toEqual([[1], [2], [3]]);
    expect(kcp.stats().copies).toBe(0);
  });

  test('four in a datagram, the oldest first; the next datagram goes on with the next', () => {
    const { kcp, out } = lossy();
    sendEach(kcp, 7);
    kcp.flush(1000);
    take(out);
    sendEach(kcp, 3);
    kcp.flush(1010);
    expect(content(out)).toEqual([[8, 1, 2, 3, 4], [9, 5, 6, 7], [10]]);
    expect(kcp.stats().copies).toBe(7);
  });

  test('of the sixteen oldest numbers in flight', () => {
    const { kcp, out } = lossy();
    sendEach(kcp, 20);
    kcp.flush(1000);
    take(out);
    for (let sn = 2; sn <= 15; sn++) kcp.input(ack(sn, { ts: 1000, una: 1 }), 1001);
    // 14 of 15 arrived at once: what is lost is no longer heavy, and a datagram holds more than one.
    sendEach(kcp, 1);
    kcp.flush(1011);
    expect(content(out)).toEqual([[21, 1, 16]]);
  });

  test('as long as the next one fits', () => {
    const { kcp, out } = lossy({ maxTransUnit: 124 });
    // Segments of 100, 10, 26 and 1 bytes: the first two are one message.
    kcp.send(Buffer.alloc(110));
    kcp.send(Buffer.alloc(26));
    kcp.send(Buffer.alloc(1));
    kcp.flush(1000);
    expect(content(out)).toEqual([[1], [2], [3], [4]]);
    kcp.input(ack(1, { ts: 1000, una: 2 }), 1001);
    kcp.input(segment({ cmd: 83, una: 2 }), 1010);
    kcp.flush(1010);
    // 24 + (24 + 10) + (24 + 26) leave 16.
    expect(content(out)).toEqual([['tell', 2, 3]]);
    kcp.input(ack(2, { ts: 1010, una: 3 }), 1011);
    kcp.input(ack(4, { ts: 1000, una: 3 }), 1011);
    sendEach(kcp, 1, 27);
    kcp.flush(1020);
    // 51 + (24 + 26) leave 23.
    expect(content(out)).toEqual([[5, 3]]);
    sendEach(kcp, 1, 100);
    kcp.flush(1040);
    // A datagram that is full copies nothing.
    expect(content(out).find(([sn]) => sn === 6)).toEqual([6]);
  });

  test('KC-006: across the wrap of the numbers', () => {
    const { kcp, out } = lossy({}, 0xfffffffc);
    sendEach(kcp, 5);
    kcp.flush(1000);
    take(out);
    sendEach(kcp, 2);
    kcp.flush(1010);
    expect(content(out)).toEqual([
      [2, 0xfffffffd, 0xfffffffe, 0xffffffff, 0],
      [3, 1],
    ]);
  });
});
