// KCP written down a second time, straight from the protocol text: arrays that are searched and rebuilt, unsigned numbers,
// no shortcuts. Only for comparing the real one with it (kcp-properties.test.ts); where the two differ, one is wrong.

import type { KcpSettings } from '../../src/arq/settings.ts';

const MOD = 2 ** 32;

/** How far `a` is ahead of `b` in 32-bit arithmetic, -2^31 .. 2^31-1. */
function ahead(a: number, b: number): number {
  const distance = (((a - b) % MOD) + MOD) % MOD;
  return distance >= MOD / 2 ? distance - MOD : distance;
}

function plus(a: number, b: number): number {
  return (((a + b) % MOD) + MOD) % MOD;
}

interface Outgoing {
  sn: number;
  frg: number;
  data: Buffer;
  sentAt: number;
  resendAt: number;
  rto: number;
  skips: number;
  transmits: number;
  deadline: number | undefined;
}

interface Incoming {
  sn: number;
  frg: number;
  data: Buffer;
}

export class NaiveKcp {
  readonly emitted: Buffer[] = [];
  // sending
  una: number;
  nextSn: number;
  queue: Outgoing[] = [];
  flight: Outgoing[] = [];
  remoteWnd = 128;
  cwnd = 0;
  ssthresh = 2;
  incr = 0;
  srtt = 0;
  rttvar = 0;
  rto = 200;
  // receiving
  rcvNext: number;
  window: Incoming[] = [];
  ready: Incoming[] = [];
  acks: Array<[sn: number, ts: number]> = [];
  fault = 0;
  private assembling: { frg: number; bytes: number } | undefined;
  private deliverable = 0;
  // clock
  private now = 0;
  private started = false;
  private flushAt = 0;
  private probeAt = 0;
  private probeWait = 0;
  private ask = false;
  private tell = false;
  private datagram: Buffer[] = [];

  readonly conv: number;
  readonly settings: KcpSettings;

  constructor(conv: number, settings: KcpSettings, firstSn = 0) {
    this.conv = conv;
    this.settings = settings;
    this.una = this.nextSn = this.rcvNext = plus(firstSn, 0);
  }

  send(data: Buffer, deadlineMs?: number): number {
    const mss = this.settings.maxTransUnit - 24;
    const count = Math.max(1, Math.ceil(data.length / mss)); // KC-029
    if (count >= 128) return -2; // KC-016
    if (this.queue.length + this.flight.length + count > this.settings.maxWaitingSendCount) return -6;
    for (let i = 0; i < count; i++) {
      this.queue.push({
        sn: 0,
        frg: count - 1 - i,
        data: Buffer.from(data.subarray(i * mss, (i + 1) * mss)),
        sentAt: 0,
        resendAt: 0,
        rto: 0,
        skips: 0,
        transmits: 0,
        deadline: deadlineMs !== undefined && i === 0 ? plus(this.now, deadlineMs) : undefined,
      });
    }
    return 0;
  }

  input(datagram: Buffer, nowMs: number): number {
    this.clock(nowMs);
    if (datagram.length < 24) return -1;
    const unaBefore = this.una;
    const acked: Array<{ sn: number; ts: number }> = [];
    let rest = datagram;
    while (rest.length >= 24) {
      if (this.settings.checkConv && rest.readUInt32LE(0) !== this.conv) return -1;
      const cmd = rest.readUInt8(4);
      const frg = rest.readUInt8(5);
      const ts = rest.readUInt32LE(8);
      const sn = rest.readUInt32LE(12);
      const una = rest.readUInt32LE(16);
      const length = rest.readInt32LE(20);
      if (length < 0 || length > rest.length - 24) return -2;
      if (![81, 82, 83, 84].includes(cmd)) return -3;
      this.remoteWnd = rest.readUInt16LE(6);
      this.flight = this.flight.filter((s) => ahead(una, s.sn) <= 0);
      this.shrink();
      if (cmd === 82) {
        this.measure(ahead(this.now, ts));
        if (ahead(sn, this.una) >= 0 && ahead(sn, this.nextSn) < 0)
          this.flight = this.flight.filter((s) => s.sn !== sn);
        this.shrink();
        acked.push({ sn, ts });
      } else if (cmd === 81) {
        this.accept({ sn, frg, data: Buffer.from(rest.subarray(24, 24 + length)) }, ts);
      } else if (cmd === 83) {
        this.tell = true;
      }
      rest = rest.subarray(24 + length);
    }
    if (acked.length > 0) {
      // KC-025
      const highest = acked.reduce((a, b) => (ahead(b.sn, a.sn) > 0 ? b : a));
      if (ahead(highest.sn, this.una) >= 0 && ahead(highest.sn, this.nextSn) < 0) {
        for (const s of this.flight) {
          if (this.settings.conserveResend && ahead(highest.ts, s.sentAt) < 0) continue;
          if (ahead(highest.sn, s.sn) > 0) s.skips++;
        }
      }
    }
    if (ahead(this.una, unaBefore) > 0) this.open();
    return 0;
  }

  recv(): Buffer | null {
    if (this.deliverable === 0) return null;
    this.deliverable--;
    const wasFull = this.ready.length >= this.settings.recvWndSize;
    const parts = this.ready.splice(0, this.ready[0]!.frg + 1);
    this.advance();
    if (wasFull && this.ready.length < this.settings.recvWndSize) this.tell = true; // KC-027
    return Buffer.concat(parts.map((s) => s.data));
  }

  update(nowMs: number): void {
    this.clock(nowMs);
    if (!this.started) {
      this.started = true;
      this.flushAt = this.now;
    }
    if (Math.abs(ahead(this.now, this.flushAt)) >= 10_000) this.flushAt = this.now; // KC-017
    if (ahead(this.now, this.flushAt) < 0) return;
    this.flushAt = plus(this.flushAt, this.settings.interval);
    if (ahead(this.now, this.flushAt) >= 0) this.flushAt = plus(this.now, this.settings.interval);
    this.flush(nowMs);
  }

  flush(nowMs: number): void {
    if (!this.started) return;
    this.clock(nowMs);
    const wnd = this.freeWindow();
    for (const [sn, ts] of this.acks) this.segment(82, 0, wnd, ts, sn, Buffer.alloc(0));
    this.acks = [];
    this.probe();
    if (this.ask) this.segment(83, 0, wnd, 0, 0, Buffer.alloc(0));
    if (this.tell) this.segment(84, 0, wnd, 0, 0, Buffer.alloc(0));
    this.ask = this.tell = false;
    this.flushData(wnd);
    this.endDatagram();
  }

  private flushData(wnd: number): void {
    const { settings } = this;
    let window = Math.min(settings.sendWndSize, this.remoteWnd); // KC-020
    if (!settings.turnoffCongestCtrl) window = Math.min(window, this.cwnd);
    for (;;) {
      const first = this.queue[0];
      if (first === undefined) break;
      if (first.deadline !== undefined && ahead(this.now, first.deadline) >= 0) {
        this.queue.splice(0, first.frg + 1);
        continue;
      }
      if (ahead(this.nextSn, this.una) >= window) break;
      this.queue.shift();
      first.sn = this.nextSn;
      this.nextSn = plus(this.nextSn, 1);
      this.flight.push(first);
    }
    let lost = false;
    let fast = false;
    for (const s of this.flight) {
      if (s.transmits === 0) {
        s.rto = this.rto;
        s.resendAt = plus(this.now, s.rto + (settings.noDelay ? 0 : Math.floor(this.rto / 8))); // KC-021
      } else if (ahead(this.now, s.resendAt) >= 0) {
        s.rto += settings.noDelay ? Math.floor(s.rto / 2) : Math.max(s.rto, this.rto); // KC-022
        s.skips = 0;
        s.resendAt = plus(this.now, s.rto);
        lost = true;
      } else if (
        settings.resendByAcks > 0 &&
        s.skips >= settings.resendByAcks &&
        (s.transmits <= settings.fastLimit || settings.fastLimit <= 0)
      ) {
        s.skips = 0; // KC-023
        s.resendAt = plus(this.now, s.rto);
        fast = true;
      } else {
        continue;
      }
      s.transmits++;
      s.sentAt = this.now;
      this.segment(81, s.frg, wnd, this.now, s.sn, s.data);
    }
    const mss = settings.maxTransUnit - 24;
    if (fast) {
      this.ssthresh = Math.max(Math.floor(ahead(this.nextSn, this.una) / 2), 2);
      this.cwnd = this.ssthresh + settings.resendByAcks;
      this.incr = this.cwnd * mss;
    }
    if (lost) {
      this.ssthresh = Math.max(Math.floor(window / 2), 2);
      this.cwnd = 1;
      this.incr = mss;
    }
    if (this.cwnd < 1) {
      this.cwnd = 1; // KC-013
      this.incr = mss;
    }
  }

  /** KC-015 */
  private probe(): void {
    if (this.remoteWnd !== 0) {
      this.probeWait = 0;
    } else if (this.probeWait === 0) {
      this.probeWait = 7000;
      this.probeAt = plus(this.now, this.probeWait);
    } else if (ahead(this.now, this.probeAt) >= 0) {
      this.probeWait = Math.min(Math.floor(this.probeWait * 1.5), 120_000);
      this.probeAt = plus(this.now, this.probeWait);
      this.ask = true;
    }
  }

  /** KC-018 */
  private measure(rtt: number): void {
    if (rtt < 0 || rtt > 60_000) return;
    if (this.srtt === 0) {
      this.srtt = rtt;
      this.rttvar = Math.floor(rtt / 2);
    } else {
      this.rttvar = Math.floor((3 * this.rttvar + Math.abs(rtt - this.srtt)) / 4);
      this.srtt = Math.max(1, Math.floor((7 * this.srtt + rtt) / 8));
    }
    const rto = this.srtt + Math.max(this.settings.interval, 4 * this.rttvar);
    this.rto = Math.min(Math.max(rto, this.settings.minRto), 60_000);
  }

  /** KC-024 */
  private open(): void {
    if (this.cwnd >= this.remoteWnd) return;
    const mss = this.settings.maxTransUnit - 24;
    if (this.cwnd < this.ssthresh) {
      this.cwnd += 1;
      this.incr += mss;
    } else {
      this.incr = Math.max(this.incr, mss);
      this.incr += Math.floor((mss * mss) / this.incr) + Math.floor(mss / 16);
      if ((this.cwnd + 1) * mss <= this.incr) this.cwnd = Math.floor((this.incr + mss - 1) / mss);
    }
    if (this.cwnd > this.remoteWnd) {
      this.cwnd = this.remoteWnd;
      this.incr = this.remoteWnd * mss;
    }
  }

  /** KC-026 */
  private accept(segment: Incoming, ts: number): void {
    if (ahead(segment.sn, plus(this.rcvNext, this.settings.recvWndSize)) >= 0) return;
    if (this.acks.length < this.settings.recvWndSize * 4) this.acks.push([segment.sn, ts]);
    if (ahead(segment.sn, this.rcvNext) < 0) return;
    if (this.window.some((s) => s.sn === segment.sn)) return;
    this.window.push(segment);
    this.advance();
  }

  private advance(): void {
    for (;;) {
      const at = this.window.findIndex((s) => s.sn === this.rcvNext);
      if (at < 0 || this.ready.length >= this.settings.recvWndSize) return;
      const segment = this.window.splice(at, 1)[0]!;
      this.rcvNext = plus(this.rcvNext, 1);
      this.ready.push(segment);
      this.check(segment);
    }
  }

  /** Fragments must count down to 0, and a message must fit the window and the size limit. */
  private check(segment: Incoming): void {
    if (this.assembling === undefined) {
      if (segment.frg >= this.settings.recvWndSize) this.fault ||= -5;
      this.assembling = { frg: segment.frg, bytes: 0 };
    } else if (segment.frg !== this.assembling.frg - 1) {
      this.fault ||= -4;
    }
    this.assembling.frg = segment.frg;
    this.assembling.bytes += segment.data.length;
    if (this.assembling.bytes > this.settings.maxMessageSize) this.fault ||= -5;
    if (segment.frg === 0) {
      this.assembling = undefined;
      if (this.fault === 0) this.deliverable++;
    }
  }

  private freeWindow(): number {
    return Math.min(Math.max(this.settings.recvWndSize - this.ready.length, 0), 65_535);
  }

  private shrink(): void {
    this.una = this.flight[0]?.sn ?? this.nextSn;
  }

  /** KC-019 */
  private segment(cmd: number, frg: number, wnd: number, ts: number, sn: number, data: Buffer): void {
    const size = this.datagram.reduce((sum, part) => sum + part.length, 0);
    if (size > 0 && size + 24 + data.length > this.settings.maxTransUnit) this.endDatagram();
    const header = Buffer.alloc(24);
    header.writeUInt32LE(this.conv, 0);
    header.writeUInt8(cmd, 4);
    header.writeUInt8(frg, 5);
    header.writeUInt16LE(wnd, 6);
    header.writeUInt32LE(ts, 8);
    header.writeUInt32LE(sn, 12);
    header.writeUInt32LE(this.rcvNext, 16);
    header.writeUInt32LE(data.length, 20);
    this.datagram.push(header, data);
  }

  private endDatagram(): void {
    if (this.datagram.length > 0) this.emitted.push(Buffer.concat(this.datagram));
    this.datagram = [];
  }

  /** A clock that goes back takes every time that was set by it along. */
  private clock(nowMs: number): void {
    const now = plus(Math.floor(nowMs), 0);
    const step = ahead(now, this.now);
    this.now = now;
    if (step >= 0 || !this.started) return;
    this.flushAt = plus(this.flushAt, step);
    this.probeAt = plus(this.probeAt, step);
    for (const s of this.flight) s.resendAt = plus(s.resendAt, step);
    for (const s of this.queue) if (s.deadline !== undefined) s.deadline = plus(s.deadline, step);
  }
}
