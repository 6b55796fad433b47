import { describe, expect, test } from 'vitest';
import { KcpError } from '../../src/arq/constants.ts';
import { Kcp } from '../../src/arq/kcp.ts';
import { bulk, interactive, type KcpOptions, KcpSettings, stockKcp } from '../../src/arq/settings.ts';
import { ack, parse, push, receiveAll, segment, session, sns, take } from './kcp-bytes.ts';

describe('segments, byte by byte', () => {
  test('KC-001 KC-002 KC-003 KC-004 KC-005 KC-006 KC-007 KC-008: a push', () => {
    const { kcp, out } = session({}, 0x11223344, 0x01020304);
    kcp.send(Buffer.from('abcde'));
    kcp.flush();
    //               conv     cmd frg wnd ts       sn       una      len      data
    expect(take(out)).toEqual([
      '44332211' + '51' + '00' + '0002' + '04030201' + '00000000' + '00000000' + '05000000' + '6162636465',
    ]);
  });

  test('KC-002 KC-005 KC-006 KC-007: an acknowledgement echoes ts and sn, una is the next expected', () => {
    const { kcp, out } = session();
    kcp.input(push(0, Buffer.from('hi'), { ts: 0xdeadbeef }));
    kcp.flush();
    expect(take(out)).toEqual(['44332211' + '52' + '00' + 'ff01' + 'efbeadde' + '00000000' + '01000000' + '00000000']);
    expect(receiveAll(kcp)).toEqual(['6869']);
  });

  test('KC-002 KC-027: a window ask is answered with a window tell', () => {
    const { kcp, out } = session();
    kcp.input(segment({ cmd: 83 }));
    kcp.flush();
    expect(take(out)).toEqual(['44332211' + '54' + '00' + '0002' + '00000000' + '00000000' + '00000000' + '00000000']);
    kcp.flush();
    expect(out).toEqual([]);
  });

  test('KC-002 KC-015: a window ask', () => {
    const { kcp, out } = session();
    kcp.input(segment({ cmd: 84, wnd: 0 }));
    kcp.flush(1000);
    kcp.flush(8000);
    expect(take(out)).toEqual(['44332211' + '53' + '00' + '0002' + '00000000' + '00000000' + '00000000' + '00000000']);
  });

  test('KC-001: ids, times and numbers above 2^31', () => {
    const { kcp, out } = session({}, 0xfffefdfc, 0xf0f1f2f3, 0xa0a1a2a3);
    expect(kcp.conv).toBe(0xfffefdfc);
    kcp.send(Buffer.from([7]));
    kcp.flush();
    expect(take(out)).toEqual([
      'fcfdfeff' + '51' + '00' + '0002' + 'f3f2f1f0' + 'a3a2a1a0' + 'a3a2a1a0' + '01000000' + '07',
    ]);
  });

  test('KC-028: every truncation of a datagram of two segments is refused, or is the whole first segment', () => {
    const datagram = Buffer.concat([push(0, Buffer.from('first')), push(1, Buffer.from('second'))]);
    for (let length = 0; length <= datagram.length; length++) {
      const { kcp } = session();
      const result = kcp.input(Buffer.from(datagram.subarray(0, length)));
      const got = receiveAll(kcp).map((m) => Buffer.from(m, 'hex').toString());
      if (length < 24) expect(result).toBe(KcpError.NotOurs);
      // What is too short to be a header behind a whole segment is ignored, as ikcp does.
      else if (length >= 29 && length < 53) expect([result, got]).toEqual([0, ['first']]);
      else if (length === datagram.length) expect([result, got]).toEqual([0, ['first', 'second']]);
      else expect(result).toBe(KcpError.BadLength);
    }
  });

  test('KC-008 KC-028: a length that is negative or beyond the datagram', () => {
    for (const length of [-1, -0x80000000, 2, 0x7fffffff]) {
      expect(session().kcp.input(push(0, Buffer.from([1]), { length }))).toBe(KcpError.BadLength);
    }
  });

  test('KC-002 KC-028: every other command is refused', () => {
    for (let cmd = 0; cmd < 256; cmd++) {
      const expected = cmd >= 81 && cmd <= 84 ? 0 : KcpError.UnknownCommand;
      expect(session().kcp.input(segment({ cmd }))).toBe(expected);
    }
  });

  test('AQ-023 AQ-024: HP-Socket mode takes any conv; plain mode takes its own alone', () => {
    expect(session().kcp.input(push(0, undefined, { conv: 1 }))).toBe(0);
    const { kcp } = session({ checkConv: true });
    expect(kcp.input(push(0, undefined, { conv: 0x11223345 }))).toBe(KcpError.NotOurs);
    expect(kcp.input(push(0, undefined, { conv: 0x11223344 }))).toBe(0);
    expect(receiveAll(kcp)).toEqual(['00']);
  });
});

describe('sending', () => {
  test('KC-029 KC-003: ceil(len / mss) fragments that count down', () => {
    const { kcp, out } = session({ turnoffCongestCtrl: true, maxTransUnit: 124 });
    const data = Buffer.from(Array.from({ length: 250 }, (_, i) => i));
    kcp.send(data);
    kcp.flush();
    const segments = take(out).flatMap(parse);
    expect(segments.map((s) => [s.frg, s.data.length])).toEqual([
      [2, 100],
      [1, 100],
      [0, 50],
    ]);
    expect(Buffer.concat(segments.map((s) => s.data))).toEqual(data);
    for (const [length, count] of [
      [1, 1],
      [100, 1],
      [101, 2],
      [200, 2],
    ]) {
      kcp.send(Buffer.alloc(length!));
      kcp.flush();
      expect(sns(take(out))).toHaveLength(count!);
    }
  });

  test('KC-016: 127 fragments go, 128 do not', () => {
    const options = { maxTransUnit: 72, maxMessageSize: 127 * 48 - 1 };
    const { kcp } = session(options);
    expect(kcp.send(Buffer.alloc(127 * 48))).toBe(0);
    expect(kcp.waitingSendCount).toBe(127);
    expect(kcp.send(Buffer.alloc(127 * 48 + 1))).toBe(KcpError.BadLength);
    expect(kcp.waitingSendCount).toBe(127);
  });

  test('KC-019: acknowledgements, ask, tell, data; a datagram ends before the segment that would exceed the MTU', () => {
    const { kcp, out } = session({ turnoffCongestCtrl: true, maxTransUnit: 72 });
    kcp.input(segment({ cmd: 84, wnd: 0 }));
    kcp.flush(1000);
    kcp.input(segment({ cmd: 83, wnd: 0 }));
    kcp.input(push(0, undefined, { wnd: 0 }));
    kcp.input(push(1, undefined, { wnd: 0 }));
    kcp.send(Buffer.alloc(10));
    kcp.flush(8000);
    expect(take(out).map((d) => parse(d).map((s) => s.cmd))).toEqual([[82, 82, 83], [84]]);
    kcp.input(segment({ cmd: 83, wnd: 9 }));
    kcp.flush();
    expect(take(out).map((d) => parse(d).map((s) => s.cmd))).toEqual([[84, 81]]);
    kcp.send(Buffer.alloc(0));
    kcp.send(Buffer.alloc(24));
    kcp.send(Buffer.alloc(1));
    kcp.flush();
    expect(take(out).map((d) => [d.length / 2, parse(d).length])).toEqual([
      [72, 2],
      [25, 1],
    ]);
  });

  test('KC-011 KC-013 KC-020: the window is the least of snd_wnd, rmt_wnd and cwnd', () => {
    const fill = (options: KcpOptions): { kcp: Kcp; out: string[] } => {
      const s = session(options);
      for (let i = 0; i < 600; i++) s.kcp.send(Buffer.from([i]));
      s.kcp.flush();
      return s;
    };
    // cwnd is 0 until the first flush (that of the first update) has made it 1.
    expect(sns(fill({}).out)).toEqual([0]);
    expect(sns(fill({ turnoffCongestCtrl: true, sendWndSize: 5 }).out)).toHaveLength(5);
    // What is thought of the peer before it speaks is 128.
    const { kcp, out } = fill({ turnoffCongestCtrl: true, sendWndSize: 500 });
    expect(sns(take(out))).toHaveLength(128);
    kcp.input(ack(0, { wnd: 300, una: 1, ts: 1000 }), 1010);
    kcp.flush();
    expect(sns(take(out))).toHaveLength(301 - 128);
    const stock = new KcpSettings(stockKcp);
    expect([stock.sendWndSize, stock.recvWndSize, stock.interval, stock.minRto]).toEqual([32, 128, 100, 100]);
    expect(sns(fill({ ...stockKcp, turnoffCongestCtrl: true }).out)).toHaveLength(32);
  });

  test('KC-004: the own window shrinks with what waits for recv, and is never above 65535', () => {
    const { kcp, out } = session({ recvWndSize: 128 });
    for (let sn = 0; sn < 100; sn++) kcp.input(push(sn));
    kcp.flush();
    expect(parse(take(out)[0]!)[0]!.wnd).toBe(28);
    const wide = session({ recvWndSize: 100_000 });
    wide.kcp.input(segment({ cmd: 83 }));
    wide.kcp.flush();
    expect(parse(take(wide.out)[0]!)[0]!.wnd).toBe(65_535);
    expect(wide.kcp.stats().receiveWindow).toBe(65_535);
    expect(new KcpSettings({ recvWndSize: 5 }).recvWndSize).toBe(128);
  });

  test('AQ-037: nothing leaves before the first update', () => {
    const out: string[] = [];
    const kcp = new Kcp(1, { output: (bytes, length) => void out.push(bytes.toString('hex', 0, length)) });
    kcp.send(Buffer.from('x'));
    kcp.flush(5);
    expect(out).toEqual([]);
    expect(kcp.check(5)).toBe(5);
    kcp.update(5);
    kcp.update(65);
    expect(sns(take(out))).toEqual([0]);
  });

  test('AQ-043: waitingSendCount counts segments, queued and unacknowledged', () => {
    const { kcp } = session({ turnoffCongestCtrl: true });
    kcp.send(Buffer.alloc(4096));
    expect(kcp.waitingSendCount).toBe(3);
    kcp.flush();
    expect(kcp.waitingSendCount).toBe(3);
    kcp.input(ack(1, { ts: 1000 }));
    expect(kcp.waitingSendCount).toBe(2);
  });

  test('a queue that is full refuses', () => {
    const { kcp } = session({ maxWaitingSendCount: 3 });
    expect(kcp.send(Buffer.alloc(1409))).toBe(0);
    expect(kcp.send(Buffer.alloc(1409))).toBe(KcpError.QueueFull);
    expect(kcp.send(Buffer.alloc(1))).toBe(0);
    expect(kcp.send(Buffer.alloc(1))).toBe(KcpError.QueueFull);
  });

  test('send copies: what the caller does with its buffer later does not matter', () => {
    const { kcp, out } = session({ turnoffCongestCtrl: true });
    const data = Buffer.from('before');
    kcp.send(data);
    data.write('after!');
    kcp.flush();
    expect(parse(take(out)[0]!)[0]!.data.toString()).toBe('before');
  });

  test('an output that returns true keeps the bytes for good', () => {
    const kept: Buffer[] = [];
    const host = {
      output(bytes: Buffer, length: number): boolean {
        kept.push(bytes.subarray(0, length));
        return true;
      },
    };
    const kcp = new Kcp(1, host, { turnoffCongestCtrl: true, maxTransUnit: 72 });
    kcp.update(0);
    for (let i = 0; i < 50; i++) kcp.send(Buffer.alloc(48, i));
    kcp.flush();
    expect(kept.map((d) => d[24])).toEqual(Array.from({ length: 50 }, (_, i) => i));
  });
});

describe('retransmission', () => {
  /** Times at which segment 0 is sent while nothing comes back, flushing every millisecond. */
  function transmissions(options: KcpOptions, until: number): number[] {
    const { kcp, out } = session({ turnoffCongestCtrl: true, ...options }, 1, 0);
    kcp.send(Buffer.from([1]));
    const times: number[] = [];
    for (let now = 0; now <= until; now++) {
      kcp.flush(now);
      if (take(out).length > 0) times.push(now);
    }
    return times;
  }

  test('KC-009 KC-021 KC-022: nodelay off: first after rto + rto/8, then the timeout doubles', () => {
    expect(transmissions({}, 6500)).toEqual([0, 225, 225 + 400, 625 + 800, 1425 + 1600, 3025 + 3200]);
  });

  test('KC-009 KC-021 KC-022: nodelay on: first after rto, then half as much more each time', () => {
    expect(transmissions({ noDelay: true }, 1700)).toEqual([0, 200, 500, 950, 1625]);
  });

  test('KC-022 KC-012: a timeout halves ssthresh, to 2 at least, and closes the window to 1', () => {
    const { kcp } = session({ sendWndSize: 40 }, 1, 0);
    const out = kcp.stats();
    expect([out.cwnd, out.ssthresh]).toEqual([1, 2]);
    // Open the window to 20 and more by acknowledging one segment after the other.
    for (let sn = 0; kcp.stats().cwnd < 20; sn++) {
      while (kcp.stats().waitingSendCount < 64) kcp.send(Buffer.alloc(1408));
      kcp.flush(sn);
      kcp.input(ack(sn, { una: sn + 1, ts: sn }), sn);
    }
    const { cwnd } = kcp.stats();
    kcp.flush(100_000);
    expect([kcp.stats().cwnd, kcp.stats().ssthresh]).toEqual([1, cwnd >> 1]);
    kcp.flush(200_000);
    expect([kcp.stats().cwnd, kcp.stats().ssthresh]).toEqual([1, 2]);
    expect(kcp.stats().lost).toBe(kcp.stats().retransmits);
  });

  test('KC-024: one more per acknowledged datagram below ssthresh, then about one per window; not beyond rmt_wnd', () => {
    const { kcp } = session({}, 1, 0);
    const grown: number[] = [];
    for (let sn = 0; sn < 12; sn++) {
      while (kcp.stats().waitingSendCount < 64) kcp.send(Buffer.alloc(1408));
      kcp.flush(sn);
      kcp.input(ack(sn, { una: sn + 1, ts: sn }), sn);
      grown.push(kcp.stats().cwnd);
    }
    // 1 -> 2 = ssthresh at once; then, by hand, incr is 3608, 4245 (> 3 mss: cwnd is incr / mss rounded up), 4800, 5301,
    // 5762, 6194, 6602, 6990, 7361 (> 5 mss), ...
    expect(grown).toEqual([2, 2, 4, 4, 4, 4, 4, 4, 4, 6, 6, 6]);
    kcp.input(ack(12, { una: 13, ts: 12, wnd: 3 }), 12);
    kcp.flush(13);
    for (let sn = 13; sn < 40; sn++) {
      kcp.flush(sn);
      kcp.input(ack(sn, { una: sn + 1, ts: sn, wnd: 8 }), sn);
    }
    expect(kcp.stats().cwnd).toBe(8);
  });

  test('KC-023 KC-025: resent once ResendByAcks datagrams acknowledged later segments; ssthresh is half of what is in flight', () => {
    const { kcp, out } = session({ resendByAcks: 2, turnoffCongestCtrl: true }, 1, 0);
    for (let i = 0; i < 10; i++) kcp.send(Buffer.from([i]));
    kcp.flush(0);
    take(out);
    // One datagram with several acknowledgements counts once.
    kcp.input(Buffer.concat([ack(3, { ts: 0 }), ack(1, { ts: 0 }), ack(2, { ts: 0 })]), 10);
    kcp.flush(10);
    expect(out).toEqual([]);
    kcp.input(ack(5, { ts: 0 }), 11);
    kcp.flush(11);
    expect(sns(take(out))).toEqual([0]);
    expect([kcp.stats().ssthresh, kcp.stats().cwnd]).toEqual([5, 7]);
    // 4 was skipped by 5 alone.
    kcp.input(ack(6, { ts: 0 }), 12);
    kcp.flush(12);
    expect(sns(take(out))).toEqual([4]);
    expect([kcp.stats().fastRetransmits, kcp.stats().lost]).toEqual([2, 0]);
  });

  test('KC-025: with conserveResend one loss is resent once, until something sent after that is acknowledged', () => {
    const { kcp, out } = session({ resendByAcks: 1, conserveResend: true, turnoffCongestCtrl: true }, 1, 0);
    for (let i = 0; i < 10; i++) kcp.send(Buffer.from([i]));
    kcp.flush(0);
    kcp.input(ack(1, { ts: 0 }), 10);
    kcp.flush(10);
    take(out);
    for (let sn = 2; sn < 9; sn++) kcp.input(ack(sn, { ts: 0 }), 11);
    kcp.flush(11);
    expect(sns(take(out))).toEqual([]);
    kcp.send(Buffer.from([10]));
    kcp.flush(12);
    kcp.input(ack(10, { ts: 12 }), 22);
    take(out);
    kcp.flush(22);
    // 9 is skipped for the first time, 0 since it was resent at 10.
    expect(sns(take(out))).toEqual([0, 9]);
  });

  test('KC-023: what was due for it and is then acknowledged does not keep the session awake', () => {
    const { kcp, out } = session({ resendByAcks: 1, turnoffCongestCtrl: true }, 1, 0);
    for (let i = 0; i < 3; i++) kcp.send(Buffer.from([i]));
    kcp.flush(0);
    take(out);
    kcp.input(ack(2, { ts: 0 }), 10);
    expect(kcp.check(10)).toBe(60);
    kcp.input(segment({ cmd: 84, una: 3 }), 11);
    kcp.update(60);
    expect([out.length, kcp.check(60)]).toEqual([0, Infinity]);
  });

  test('KC-023: FastLimit bounds it, 0 does not', () => {
    const count = (fastLimit: number): number => {
      const { kcp, out } = session({ resendByAcks: 1, fastLimit, turnoffCongestCtrl: true, minRto: 60_000 }, 1, 0);
      for (let i = 0; i < 40; i++) kcp.send(Buffer.from([i]));
      kcp.flush(0);
      take(out);
      kcp.input(ack(1, { ts: 0 }), 1);
      for (let sn = 2; sn < 40; sn++) {
        kcp.input(ack(sn, { ts: 0 }), 1);
        kcp.flush(1);
      }
      return sns(take(out)).filter((sn) => sn === 0).length;
    };
    expect(count(5)).toBe(5);
    expect(count(1)).toBe(1);
    expect(count(0)).toBe(38);
  });

  test('KC-010 KC-018: rtt, srtt, rttvar and rto in integers', () => {
    const { kcp } = session({ minRto: 30, flushInterval: 10, turnoffCongestCtrl: true }, 1, 0);
    const sample = (rtt: number): number[] => {
      kcp.input(ack(1000, { ts: 100_000 - rtt }), 100_000);
      const s = kcp.stats();
      return [s.rtt, s.srtt, s.rttvar, s.rto];
    };
    expect(sample(101)).toEqual([101, 101, 50, 301]);
    expect(sample(50)).toEqual([50, 94, 50, 294]); // (3*50+51)/4 = 50.25, (707+50)/8 = 94.6
    expect(sample(-1)).toEqual([50, 94, 50, 294]); // from the future: ignored
    for (let i = 0; i < 100; i++) sample(1);
    expect(sample(1)).toEqual([1, 1, 0, 30]); // minRto
    for (let i = 0; i < 100; i++) sample(60_000);
    expect(sample(60_000)[3]).toBe(60_000);
    expect(sample(60_001)).toEqual(sample(3_600_000));
    const { kcp: first } = session({}, 1, 0);
    first.input(ack(0, { ts: 500 }), 500);
    expect(first.stats().srtt).toBe(0);
    first.input(ack(0, { ts: 499 }), 500);
    expect([first.stats().srtt, first.stats().rto]).toEqual([1, 61]);
  });

  test('KC-014 AQ-042: after 20 transmissions the link counts as dead, and goes on trying', () => {
    const { kcp, out } = session({ noDelay: true, turnoffCongestCtrl: true }, 1, 0);
    kcp.send(Buffer.from([1]));
    let count = 0;
    for (let now = 0; count < 25; now = kcp.check(now)) {
      kcp.update(now);
      count += take(out).length;
      expect(kcp.stats().isLinkDead).toBe(count >= 20);
    }
    kcp.input(ack(0, { ts: 0 }));
    expect(kcp.waitingSendCount).toBe(0);
  });

  test('KC-007: una acknowledges everything below it, but nothing that was never sent', () => {
    const { kcp, out } = session({ turnoffCongestCtrl: true }, 1, 0);
    for (let i = 0; i < 5; i++) kcp.send(Buffer.from([i]));
    kcp.flush(0);
    kcp.input(segment({ cmd: 84, una: 3 }));
    expect(kcp.waitingSendCount).toBe(2);
    kcp.input(segment({ cmd: 84, una: 2 }));
    expect(kcp.waitingSendCount).toBe(2);
    kcp.input(segment({ cmd: 84, una: 0x70000000 }));
    expect(kcp.waitingSendCount).toBe(0);
    take(out);
    kcp.send(Buffer.from([9]));
    kcp.flush(1);
    expect(sns(take(out))).toEqual([5]);
    kcp.input(ack(6));
    kcp.input(ack(4));
    expect(kcp.waitingSendCount).toBe(1);
    expect(kcp.stats().duplicateAcks).toBe(0);
  });
});

describe('receiving', () => {
  test('KC-026: duplicates and what is below the window are acknowledged again and dropped; beyond it: neither', () => {
    const { kcp, out } = session({ recvWndSize: 128 }, 1, 0);
    kcp.input(push(0));
    kcp.input(push(2));
    kcp.input(push(2));
    kcp.input(push(0));
    kcp.input(push(1 + 127));
    kcp.input(push(1 + 128));
    kcp.flush();
    expect(sns(take(out), 82)).toEqual([0, 2, 2, 0, 128]);
    expect(kcp.stats()).toMatchObject({ duplicates: 2, outOfWindow: 1 });
    expect(receiveAll(kcp)).toEqual(['00']);
    kcp.input(push(1));
    expect(receiveAll(kcp)).toEqual(['01', '02']);
  });

  test('KC-026: a number half a round away is beyond the window, not below it', () => {
    const { kcp, out } = session({ recvWndSize: 128 }, 1, 0, 0x7ffffff0);
    kcp.input(push(0xfffffff0));
    kcp.input(push(0x8000006f));
    kcp.flush();
    expect(sns(take(out), 82).map((sn) => sn >>> 0)).toEqual([0x8000006f]);
    expect(kcp.stats().outOfWindow).toBe(1);
  });

  test('KC-026: two numbers that share a place in the ring are different segments', () => {
    const { kcp } = session({}, 1, 0);
    for (const sn of [1, 5, 9, 257, 3, 2, 4]) kcp.input(push(sn));
    expect(kcp.stats().duplicates).toBe(0);
    kcp.input(push(0));
    expect(receiveAll(kcp)).toEqual(['00', '01', '02', '03', '04', '05']);
  });

  test('KC-027: a queue that was full tells its window once recv makes room', () => {
    const { kcp, out } = session({ recvWndSize: 128 }, 1, 0);
    for (let sn = 0; sn < 128; sn++) kcp.input(push(sn));
    kcp.flush();
    expect(parse(out.at(-1)!).at(-1)!.wnd).toBe(0);
    // The window is shut: una stands still although the segment is next, and is acknowledged.
    kcp.input(push(128));
    kcp.input(push(128));
    take(out);
    kcp.flush();
    expect(parse(take(out)[0]!).map((s) => [s.cmd, s.sn, s.una, s.wnd])).toEqual([
      [82, 128, 128, 0],
      [82, 128, 128, 0],
    ]);
    expect(kcp.stats().duplicates).toBe(1);
    // The one that waited takes the place that the first recv makes, so it takes two.
    kcp.recv();
    kcp.flush();
    expect(out).toEqual([]);
    kcp.recv();
    kcp.flush();
    expect(parse(take(out)[0]!).map((s) => [s.cmd, s.una, s.wnd])).toEqual([[84, 129, 1]]);
    expect(receiveAll(kcp)).toHaveLength(127);
  });

  test('KC-003: reassembly, in any order; peekSize and recv agree', () => {
    const { kcp } = session({}, 1, 0);
    kcp.input(push(2, Buffer.from('3'), { frg: 0 }));
    kcp.input(push(1, Buffer.from('22'), { frg: 1 }));
    expect([kcp.peekSize(), kcp.recv()]).toEqual([-1, null]);
    kcp.input(push(0, Buffer.from('111'), { frg: 2 }));
    kcp.input(push(3, Buffer.alloc(0)));
    expect(kcp.peekSize()).toBe(6);
    expect(kcp.recv()!.toString()).toBe('111223');
    expect([kcp.peekSize(), kcp.recv()!.length]).toEqual([0, 0]);
    expect([kcp.peekSize(), kcp.recv()]).toEqual([-1, null]);
  });

  test('AQ-039: a message larger than maxMessageSize is a fault as soon as that shows; earlier messages still come', () => {
    const { kcp } = session({ maxMessageSize: 1500 }, 1, 0);
    kcp.input(push(0, Buffer.from('ok')));
    kcp.input(push(1, Buffer.alloc(1000), { frg: 9 }));
    expect(kcp.fault).toBe(0);
    kcp.input(push(2, Buffer.alloc(501), { frg: 8 }));
    expect(kcp.fault).toBe(KcpError.MessageTooLarge);
    expect(receiveAll(kcp)).toEqual([Buffer.from('ok').toString('hex')]);
    const exact = session({ maxMessageSize: 1500 }, 1, 0).kcp;
    exact.input(push(0, Buffer.alloc(1000), { frg: 1 }));
    exact.input(push(1, Buffer.alloc(500)));
    expect([exact.fault, exact.peekSize()]).toEqual([0, 1500]);
  });

  test('KC-003: fragments that cannot be: more than the window holds, or not counting down', () => {
    const wide = session({ recvWndSize: 128 }, 1, 0).kcp;
    wide.input(push(0, Buffer.from([1]), { frg: 128 }));
    expect(wide.fault).toBe(KcpError.MessageTooLarge);
    for (const second of [0, 2, 3, 255]) {
      const { kcp } = session({}, 1, 0);
      kcp.input(push(0, Buffer.from([1]), { frg: 2 }));
      kcp.input(push(1, Buffer.from([1]), { frg: second }));
      expect(kcp.fault).toBe(KcpError.BadFragments);
      kcp.input(push(2, Buffer.from([1])));
      expect(kcp.recv()).toBe(null);
    }
  });

  test('acknowledgements that nobody flushes are bounded', () => {
    const { kcp, out } = session({ recvWndSize: 128 }, 1, 0);
    kcp.input(push(0));
    for (let i = 0; i < 10_000; i++) kcp.input(push(0));
    const { droppedAcks } = kcp.stats();
    kcp.flush();
    expect(sns(take(out), 82)).toHaveLength(10_001 - droppedAcks);
    expect(10_001 - droppedAcks).toBeLessThanOrEqual(128 * 8);
  });
});

describe('window probe', () => {
  test('KC-015: asks after 7 s, then waits half as long again each time, up to 120 s; data flows when the window opens', () => {
    const { kcp, out } = session({ turnoffCongestCtrl: true }, 1, 0);
    kcp.input(segment({ cmd: 84, wnd: 0 }), 0);
    kcp.send(Buffer.from('wait'));
    const asks: number[] = [];
    for (let now = kcp.check(0); now < 700_000; now = kcp.check(now)) {
      kcp.update(now);
      for (const s of take(out).flatMap(parse)) {
        expect(s.cmd).toBe(83);
        asks.push(now);
      }
    }
    const waits = asks.map((at, i) => at - (asks[i - 1] ?? 0));
    // The first counts from the flush that saw the closed window, one interval after it was told.
    expect(waits.slice(0, 9)).toEqual([7060, 10500, 15750, 23625, 35437, 53155, 79732, 119598, 120000]);
    kcp.input(segment({ cmd: 84, wnd: 5 }));
    kcp.flush();
    expect(sns(take(out))).toEqual([0]);
    expect(kcp.stats().remoteWindow).toBe(5);
  });

  test('KC-015 KC-027: a closed window opens again between two sessions, even if the first tell is lost', () => {
    const a = session({ turnoffCongestCtrl: true, sendWndSize: 200 }, 1, 0);
    const b = session({ recvWndSize: 128 }, 2, 0);
    for (let i = 0; i < 300; i++) a.kcp.send(Buffer.from([i]));
    a.kcp.flush(0);
    for (const d of take(a.out)) b.kcp.input(Buffer.from(d, 'hex'), 10);
    b.kcp.flush(10);
    for (const d of take(b.out)) a.kcp.input(Buffer.from(d, 'hex'), 20);
    expect(a.kcp.stats().remoteWindow).toBe(0);
    expect(receiveAll(b.kcp)).toHaveLength(128);
    b.kcp.flush(30);
    expect(
      take(b.out)
        .flatMap(parse)
        .map((s) => s.cmd),
    ).toEqual([84]); // lost
    let now = 20;
    while (a.out.length === 0) a.kcp.update((now = a.kcp.check(now)));
    expect(now).toBeGreaterThanOrEqual(7000);
    b.kcp.input(Buffer.from(take(a.out)[0]!, 'hex'), now);
    b.kcp.flush(now);
    a.kcp.input(Buffer.from(take(b.out)[0]!, 'hex'), now);
    a.kcp.flush(now);
    expect(sns(take(a.out))).toHaveLength(128);
  });
});

describe('the clock', () => {
  test('AQ-027 AQ-040: flushes at the interval, clamped to 10..5000', () => {
    for (const [given, used] of [
      [1, 10],
      [10, 10],
      [60, 60],
      [5000, 5000],
      [9999, 5000],
    ]) {
      const { kcp, out } = session({ flushInterval: given!, turnoffCongestCtrl: true }, 1, 0);
      kcp.send(Buffer.from('x'));
      expect(kcp.check(0)).toBe(used);
      kcp.update(used! - 1);
      expect(out).toEqual([]);
      kcp.update(used!);
      expect(take(out)).toHaveLength(1);
      expect(kcp.settings.flushInterval).toBe(given);
    }
  });

  test('KC-017: after a jump of 10 s and more the flush clock starts anew; below, it catches up', () => {
    const { kcp, out } = session({ turnoffCongestCtrl: true }, 1, 0);
    kcp.send(Buffer.from('x'));
    kcp.update(10_061);
    expect(take(out)).toHaveLength(1);
    kcp.send(Buffer.from('y'));
    expect(kcp.check(10_061)).toBe(10_121);
    kcp.update(10_120);
    expect(take(out)).toHaveLength(0);
    kcp.update(10_150);
    expect(take(out)).toHaveLength(1);
    kcp.send(Buffer.from('z'));
    expect(kcp.check(10_150)).toBe(10_181);
  });

  test('a jump forward of an hour resends once, and does not spoil the timeout', () => {
    const { kcp, out } = session({ turnoffCongestCtrl: true, noDelay: true }, 1, 0);
    for (let i = 0; i < 3; i++) kcp.send(Buffer.from([i]));
    kcp.flush(0);
    take(out);
    kcp.update(3_600_000);
    expect(sns(take(out))).toEqual([0, 1, 2]);
    // The answer to the first transmission: an hour is no round trip.
    kcp.input(ack(0, { ts: 0, una: 1 }), 3_600_001);
    expect(kcp.stats().rto).toBe(200);
    kcp.input(ack(1, { ts: 3_600_000, una: 2 }), 3_600_030);
    expect(kcp.stats()).toMatchObject({ srtt: 30, rto: 90 });
  });

  test('a jump back takes the deadlines along: nothing waits for the clock to catch up', () => {
    for (const back of [1, 50, 5_000, 3_600_000, 2 ** 31 - 1]) {
      const start = 2 ** 32 * 5 - 77;
      const { kcp, out } = session({ turnoffCongestCtrl: true }, 1, start);
      kcp.send(Buffer.from('x'));
      kcp.flush(start);
      kcp.send(Buffer.from('stale'), 100);
      take(out);
      kcp.update(start - back);
      const due = kcp.check(start - back);
      expect(due).toBeLessThanOrEqual(start - back + 60);
      take(out);
      kcp.update(start - back + 225);
      expect(sns(take(out))).toContain(0);
    }
  });

  test('KC-005: fractional times and times far beyond 2^32', () => {
    const start = 1_764_000_000_000.75;
    const { kcp, out } = session({ turnoffCongestCtrl: true }, 1, start);
    kcp.send(Buffer.from('x'));
    kcp.flush(start);
    expect(parse(take(out)[0]!)[0]!.ts).toBe(Math.floor(start) % 2 ** 32);
    const due = kcp.check(start);
    expect(due).toBe(Math.floor(start) + 225);
    kcp.update(due);
    expect(out).toHaveLength(1);
  });

  test('check is Infinity for an idle session, also weeks later, and it wakes up at once', () => {
    const { kcp, out } = session({ turnoffCongestCtrl: true }, 1, 0);
    expect(kcp.check(0)).toBe(Infinity);
    for (const now of [1e6, 2 ** 31 + 5, 2 ** 32 * 3]) {
      expect(kcp.check(now)).toBe(Infinity);
      kcp.send(Buffer.from('x'));
      kcp.flush(now);
      const [s] = take(out).flatMap(parse);
      expect(s!.ts).toBe(now % 2 ** 32);
      expect(kcp.check(now)).toBe(now + kcp.stats().rto + (kcp.stats().rto >> 3));
      kcp.input(ack(s!.sn, { ts: now, una: s!.sn + 1 }), now + 5);
      expect(kcp.check(now + 5)).toBe(Infinity);
    }
  });
});

describe('wrap-around', () => {
  for (const first of [0xfffffffe, 0x7ffffffe]) {
    test(`KC-006 KC-007: sn and una from ${first.toString(16)} on`, () => {
      const { kcp, out } = session({ turnoffCongestCtrl: true, resendByAcks: 1 }, 1, 0, first);
      for (let i = 0; i < 5; i++) kcp.send(Buffer.from([i]));
      kcp.flush(0);
      const at = (i: number): number => (first + i) % 2 ** 32;
      expect(sns(take(out))).toEqual([0, 1, 2, 3, 4].map(at));
      kcp.input(ack(at(3), { ts: 0, una: at(0) }), 1);
      kcp.flush(1);
      expect(sns(take(out))).toEqual([0, 1, 2].map(at));
      kcp.input(segment({ cmd: 84, una: at(4) }), 2);
      expect(kcp.waitingSendCount).toBe(1);
      kcp.input(ack(at(4), { ts: 0, una: at(5) }), 2);
      expect(kcp.waitingSendCount).toBe(0);
      for (const i of [4, 1, 0, 3, 1, 2]) kcp.input(push(at(i), Buffer.from([i])), 3);
      expect(receiveAll(kcp)).toEqual(['00', '01', '02', '03', '04']);
      kcp.input(push(at(-1)), 3);
      expect(kcp.stats()).toMatchObject({ duplicates: 2, outOfWindow: 0 });
      kcp.flush();
      expect(parse(take(out)[0]!)[0]!.una).toBe(at(5));
    });
  }
});

describe('message deadlines', () => {
  test('a message that is stale before its first transmission is dropped without a number: no hole', () => {
    const { kcp, out } = session({ sendWndSize: 1, turnoffCongestCtrl: true }, 1, 0);
    kcp.send(Buffer.from('a'));
    kcp.flush(0);
    kcp.send(Buffer.alloc(3000, 1), 50);
    kcp.send(Buffer.from('b'), 500);
    kcp.send(Buffer.from('c'));
    expect(kcp.waitingSendCount).toBe(6);
    take(out);
    kcp.input(ack(0, { una: 1, ts: 0 }), 50);
    kcp.flush(50);
    expect(
      take(out)
        .flatMap(parse)
        .map((s) => [s.sn, s.data.toString()]),
    ).toEqual([[1, 'b']]);
    expect(kcp.stats().expiredMessages).toBe(1);
    expect(kcp.waitingSendCount).toBe(2);
  });

  test('one that has begun to leave is sent to its end, however late', () => {
    const { kcp, out } = session({ sendWndSize: 1, turnoffCongestCtrl: true }, 1, 0);
    kcp.send(Buffer.alloc(3000, 1), 50);
    kcp.flush(0);
    for (let sn = 0; sn < 2; sn++) {
      kcp.input(ack(sn, { una: sn + 1, ts: 0 }), 1000 * (sn + 1));
      kcp.flush(1000 * (sn + 1));
    }
    expect(sns(take(out))).toEqual([0, 1, 2]);
    expect(kcp.stats().expiredMessages).toBe(0);
  });

  test('stale ones leave the queue while the window is closed too', () => {
    const { kcp } = session({ sendWndSize: 1, turnoffCongestCtrl: true }, 1, 0);
    kcp.send(Buffer.from('a'));
    for (let i = 0; i < 10; i++) kcp.send(Buffer.alloc(1), 10);
    kcp.flush(5);
    expect(kcp.waitingSendCount).toBe(11);
    kcp.flush(10);
    expect(kcp.waitingSendCount).toBe(1);
  });
});

describe('options', () => {
  test("AQ-025 AQ-026 AQ-027 AQ-028 AQ-029 AQ-030 AQ-031 AQ-032 AQ-033 AQ-034 AQ-036: HP-Socket's defaults", () => {
    expect({ ...new KcpSettings() }).toEqual({
      noDelay: false,
      turnoffCongestCtrl: false,
      flushInterval: 60,
      interval: 60,
      resendByAcks: 0,
      conserveResend: false,
      sendWndSize: 128,
      recvWndSize: 512,
      minRto: 30,
      fastLimit: 5,
      maxTransUnit: 1432,
      maxSegmentBytes: 1408,
      maxMessageSize: 4096,
      checkConv: false,
      isGathered: false,
      maxWaitingSendCount: 32_768,
    });
    expect(new KcpSettings({ maxTransUnit: 0, maxDatagramSize: 500 }).maxTransUnit).toBe(500);
  });

  test('AQ-036: message boundaries are kept: two small messages are two segments', () => {
    const { kcp, out } = session({ turnoffCongestCtrl: true });
    kcp.send(Buffer.from('a'));
    kcp.send(Buffer.from('b'));
    kcp.flush();
    expect(take(out).map((d) => parse(d).map((s) => s.data.toString()))).toEqual([['a', 'b']]);
  });

  test('AQ-030: a receive window is never less than 128 segments, and is told in each segment', () => {
    for (const [recvWndSize, told] of [
      [1, 128],
      [128, 128],
      [129, 129],
      [undefined, 512],
    ] as const) {
      const { kcp, out } = session({ recvWndSize });
      kcp.send(Buffer.from('x'));
      kcp.flush();
      expect(parse(take(out)[0]!)[0]!.wnd).toBe(told);
    }
  });

  test('AQ-027 to AQ-034: out of range throws and names the option', () => {
    const wrong: Array<[keyof KcpOptions, number[]]> = [
      ['flushInterval', [0, -1, 1.5, Number.NaN]],
      ['resendByAcks', [-1]],
      ['sendWndSize', [0]],
      ['recvWndSize', [0, -5]],
      ['minRto', [0]],
      ['fastLimit', [-1]],
      ['maxTransUnit', [71, 1433, -1]],
      ['maxDatagramSize', [71, 65_508]],
      ['maxMessageSize', [0, 127 * 1408]],
      ['maxWaitingSendCount', [0]],
    ];
    for (const [name, values] of wrong) {
      for (const value of values) expect(() => new KcpSettings({ [name]: value }), `${name} ${value}`).toThrow(name);
    }
    expect(new KcpSettings({ maxMessageSize: 127 * 1408 - 1 }).maxMessageSize).toBe(178_815);
    expect(new KcpSettings({ maxTransUnit: 72 }).maxSegmentBytes).toBe(48);
  });

  test('the presets are valid, and different', () => {
    expect(new KcpSettings(interactive)).toMatchObject({ noDelay: true, interval: 10, resendByAcks: 2 });
    expect(new KcpSettings(bulk).sendWndSize).toBeGreaterThan(new KcpSettings(interactive).sendWndSize);
  });
});
