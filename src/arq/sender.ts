import { DEAD_LINK_TRANSMITS, FRAGMENT_LIMIT, KcpError, REMOTE_WINDOW_INITIAL, SSTHRESH_MIN } from './constants.ts';
import { LossEstimator } from './loss.ts';
import { RttEstimator } from './rtt.ts';
import { Segment, SegmentQueue, SegmentWindow } from './segment.ts';
import type { KcpSettings } from './settings.ts';
import type { DatagramWriter } from './writer.ts';

/*
 * Copies of outgoing data are carved from slabs that all sessions share. Node's own pool of 8 KiB holds only five full
 * segments, and allocating it anew was a tenth of the CPU of the bulk case. A slab goes when the last segment in it is
 * acknowledged.
 */
const SLAB_BYTES = 65_536;
let slab = new ArrayBuffer(0);
let slabUsed = 0;

/** Copies of overdue segments in one datagram, and how many of the oldest segments are looked at for them. */
const COPIES_PER_DATAGRAM = 4;
const COPY_SCAN = 16;
/** Steps that the congestion window opens for one datagram of several acknowledgements. */
const STEPS_PER_DATAGRAM = 4;

function copied(data: Uint8Array): Uint8Array {
  const length = data.length;
  if (slabUsed + length > slab.byteLength) {
    // Not `new ArrayBuffer`, which fills with zeros.
    slab = Buffer.allocUnsafeSlow(Math.max(SLAB_BYTES, length)).buffer as ArrayBuffer;
    slabUsed = 0;
  }
  const copy = new Uint8Array(slab, slabUsed, length);
  slabUsed += length;
  copy.set(data);
  return copy;
}

/**
 * The sending half of a session.
 *
 *   send() -> [ queue: no number yet ] -> [ window: numbered una .. nextSn-1, unacknowledged ] -> acknowledged
 *
 * ikcp walks its whole send buffer at every flush. Here a flush that has nothing to resend does not: `nextResendTs` is
 * never later than the earliest timeout in the window, and `fastResendDue` says that some segment was skipped often
 * enough. With 1,000 segments in flight that walk was 78 % of the CPU (5.3 against 1.2 us per message,
 * bench/micro/kcp.ts); now it happens about once a timeout.
 */
export class KcpSender {
  readonly rtt: RttEstimator;
  readonly loss = new LossEstimator();
  una: number;
  nextSn: number;
  remoteWnd = REMOTE_WINDOW_INITIAL;
  cwnd = 0;
  ssthresh = SSTHRESH_MIN;
  /** Segments in the window that are not acknowledged. */
  inFlightCount = 0;
  /** Not later than the earliest `resendTs` in the window; means nothing while `inFlightCount` is 0. */
  nextResendTs = 0;
  fastResendDue = false;
  // All segments for which that holds lie below this number.
  private fastResendEnd = 0;
  isLinkDead = false;

  timeoutRetransmits = 0;
  fastRetransmits = 0;
  expiredMessages = 0;
  duplicateAcks = 0;
  copies = 0;

  private readonly settings: KcpSettings;
  private readonly queue = new SegmentQueue();
  private readonly window = new SegmentWindow();
  // Congestion window in bytes, of which cwnd is the whole segments.
  private incr = 0;
  private unaBeforeInput = 0;

  constructor(settings: KcpSettings, firstSn: number) {
    this.settings = settings;
    this.rtt = new RttEstimator(settings.interval, settings.minRto);
    this.una = firstSn | 0;
    this.nextSn = firstSn | 0;
  }

  get waitingCount(): number {
    return this.queue.length + this.inFlightCount;
  }

  /** KC-029: cuts a message into segments; copies its bytes. `deadlineTs` counts if `hasDeadline`. */
  send(data: Uint8Array, hasDeadline: boolean, deadlineTs: number): number {
    const mss = this.settings.maxSegmentBytes;
    const size = data.length;
    const count = size <= mss ? 1 : Math.ceil(size / mss);
    if (count >= FRAGMENT_LIMIT) return KcpError.BadLength;
    if (this.waitingCount + count > this.settings.maxWaitingSendCount) return KcpError.QueueFull;
    for (let i = 0, at = 0; i < count; i++, at += mss) {
      const segment = new Segment();
      const length = Math.min(mss, size - at);
      segment.data = copied(count === 1 ? data : data.subarray(at, at + length));
      segment.length = length;
      segment.frg = count - i - 1;
      segment.hasDeadline = hasDeadline && i === 0;
      segment.deadlineTs = deadlineTs;
      this.queue.push(segment);
    }
    return 0;
  }

  /** A datagram is about to be read. */
  beginInput(): void {
    this.unaBeforeInput = this.una;
  }

  /** `sn` is about to be acknowledged, as sent at `ts`. */
  observe(sn: number, ts: number): void {
    if (((sn - this.una) | 0) < 0 || ((sn - this.nextSn) | 0) >= 0) return;
    const segment = this.window.get(sn);
    if (segment === undefined) return;
    this.loss.sample((segment.transmits > 1 || segment.isCopied) && ((ts - segment.sentTs) | 0) >= 0);
  }

  /** Everything below `una` has arrived. */
  acknowledgeBelow(una: number): void {
    let sn = this.una;
    if (((una - sn) | 0) <= 0) return;
    // A peer cannot acknowledge what has not been sent; do not walk past it.
    const end = ((una - this.nextSn) | 0) > 0 ? this.nextSn : una;
    while (sn !== end) {
      const segment = this.window.get(sn);
      if (segment !== undefined) this.drop(sn);
      sn = (sn + 1) | 0;
    }
    this.una = sn;
    this.shrink();
  }

  /** The one segment `sn` has arrived. */
  acknowledge(sn: number): void {
    if (((sn - this.una) | 0) < 0 || ((sn - this.nextSn) | 0) >= 0) return;
    if (this.window.get(sn) === undefined) {
      this.duplicateAcks++;
      return;
    }
    this.drop(sn);
    if (sn === this.una) this.shrink();
  }

  /**
   * KC-025: the highest sequence number that a datagram acknowledged was `sn`, of a segment sent at `ts`: all older ones were
   * skipped once more, or with `conserveResend` those that had been sent (again) by then.
   */
  skipBelow(sn: number, ts: number): void {
    const resend = this.settings.resendByAcks;
    if (resend === 0 || ((sn - this.una) | 0) < 0 || ((sn - this.nextSn) | 0) >= 0) return;
    const limit = this.settings.fastLimit;
    const conserve = this.settings.conserveResend;
    let due = false;
    for (let older = this.una; older !== sn; older = (older + 1) | 0) {
      const segment = this.window.get(older);
      if (segment === undefined || (conserve && ((ts - segment.sentTs) | 0) < 0)) continue;
      segment.skips++;
      if (segment.skips >= resend && (limit === 0 || segment.transmits <= limit)) due = true;
    }
    if (!due) return;
    if (!this.fastResendDue || ((sn - this.fastResendEnd) | 0) > 0) this.fastResendEnd = sn;
    this.fastResendDue = true;
  }

  /** KC-024: the datagram has been read; the congestion window opens if `una` moved. */
  endInput(): void {
    const progress = (this.una - this.unaBeforeInput) | 0;
    if (progress <= 0) return;
    const { isGathered, turnoffCongestCtrl } = this.settings;
    const steps = isGathered && !turnoffCongestCtrl ? Math.min(progress, STEPS_PER_DATAGRAM) : 1;
    for (let i = 0; i < steps && this.cwnd < this.remoteWnd; i++) this.widen();
  }

  private widen(): void {
    const mss = this.settings.maxSegmentBytes;
    if (this.cwnd < this.ssthresh) {
      this.cwnd++;
      this.incr += mss;
    } else {
      if (this.incr < mss) this.incr = mss;
      this.incr += Math.floor((mss * mss) / this.incr) + (mss >> 4);
      if ((this.cwnd + 1) * mss <= this.incr) this.cwnd = Math.floor((this.incr + mss - 1) / mss);
    }
    if (this.cwnd > this.remoteWnd) {
      this.cwnd = this.remoteWnd;
      this.incr = this.remoteWnd * mss;
    }
  }

  /** Segments that may be in flight now (KC-020). */
  get sendWindow(): number {
    const wnd = Math.min(this.settings.sendWndSize, this.remoteWnd);
    return this.settings.turnoffCongestCtrl ? wnd : Math.min(wnd, this.cwnd);
  }

  /** True when a flush would number and send a queued segment. */
  get canSend(): boolean {
    return this.queue.length > 0 && ((this.nextSn - this.una) | 0) < this.sendWindow;
  }

  /** Resends what is due, then numbers and sends what the window lets through. */
  flush(now: number, writer: DatagramWriter): void {
    const wnd = this.sendWindow;
    let lost = false;
    let fast = false;
    const isTimeout = ((now - this.nextResendTs) | 0) >= 0;
    if (this.inFlightCount > 0 && (this.fastResendDue || isTimeout)) {
      const timeouts = this.timeoutRetransmits;
      const fasts = this.fastRetransmits;
      this.resend(now, writer, isTimeout ? this.nextSn : this.fastResendEnd);
      // Otherwise the old value still is "not later than the earliest", as resending only makes times later.
      if (isTimeout) this.nextResendTs = this.earliestResend();
      lost = this.timeoutRetransmits !== timeouts;
      fast = this.fastRetransmits !== fasts;
    }
    // What was due may have been acknowledged since: an idle session must not be woken for it.
    this.fastResendDue = false;
    if (this.queue.length > 0) this.sendNew(now, writer, wnd);

    const mss = this.settings.maxSegmentBytes;
    if (fast) {
      this.ssthresh = Math.max(((this.nextSn - this.una) | 0) >> 1, SSTHRESH_MIN);
      this.cwnd = this.ssthresh + this.settings.resendByAcks;
      this.incr = this.cwnd * mss;
    }
    if (lost) this.ssthresh = Math.max(wnd >> 1, SSTHRESH_MIN);
    if (lost || this.cwnd < 1) {
      this.cwnd = 1;
      this.incr = mss;
    }
  }

  /**
   * Writes once more, while there is room in the datagram, the oldest segments that have been on their way for half a round
   * trip and more. Their timeouts stay what they were.
   */
  copyOverdue(now: number, writer: DatagramWriter): void {
    if (this.inFlightCount === 0) return;
    const overdueMs = Math.max(this.rtt.srtt >> 1, this.settings.interval);
    let left = COPIES_PER_DATAGRAM;
    for (let i = 0; i < COPY_SCAN && left > 0; i++) {
      const sn = (this.una + i) | 0;
      if (((sn - this.nextSn) | 0) >= 0) return;
      const segment = this.window.get(sn);
      if (segment === undefined || ((now - segment.sentTs) | 0) < overdueMs) continue;
      // This very flush may be about to send it.
      if (((now - segment.resendTs) | 0) >= 0) continue;
      if (!writer.hasRoom(segment.length)) return;
      segment.sentTs = now;
      segment.isCopied = true;
      this.copies++;
      left--;
      writer.push(segment, now);
    }
  }

  /** What is in flight went a way that is no more: all of it is due now, with time-outs as after the first transmission. */
  hurry(now: number): void {
    for (let sn = this.una; sn !== this.nextSn; sn = (sn + 1) | 0) {
      const segment = this.window.get(sn);
      if (segment === undefined) continue;
      segment.rto = this.rtt.rto;
      segment.resendTs = now;
    }
    this.nextResendTs = now;
  }

  /** The clock went back by `-shift` ms: moves every time that was taken from it, so that nothing waits for it to catch up. */
  shiftTimes(shift: number): void {
    this.nextResendTs = (this.nextResendTs + shift) | 0;
    for (let sn = this.una; sn !== this.nextSn; sn = (sn + 1) | 0) {
      const segment = this.window.get(sn);
      if (segment !== undefined) segment.resendTs = (segment.resendTs + shift) | 0;
    }
    this.queue.forEach((segment) => {
      segment.deadlineTs = (segment.deadlineTs + shift) | 0;
    });
  }

  private resend(now: number, writer: DatagramWriter, end: number): void {
    const { noDelay, resendByAcks, fastLimit } = this.settings;
    const rto = this.rtt.rto;
    for (let sn = this.una; ((sn - end) | 0) < 0; sn = (sn + 1) | 0) {
      const segment = this.window.get(sn);
      if (segment === undefined) continue;
      if (((now - segment.resendTs) | 0) >= 0) {
        // KC-022. ikcp leaves the skip counter as it is, and so may send the segment once more at the very next flush.
        segment.skips = 0;
        segment.rto += noDelay ? segment.rto >> 1 : Math.max(segment.rto, rto);
        segment.resendTs = (now + segment.rto) | 0;
        this.timeoutRetransmits++;
        this.transmit(segment, now, writer);
      } else if (
        resendByAcks > 0 &&
        segment.skips >= resendByAcks &&
        (fastLimit === 0 || segment.transmits <= fastLimit)
      ) {
        // KC-023
        segment.skips = 0;
        segment.resendTs = (now + segment.rto) | 0;
        this.fastRetransmits++;
        this.transmit(segment, now, writer);
      }
    }
  }

  private earliestResend(): number {
    let earliest = 0;
    let seen = false;
    for (let sn = this.una; sn !== this.nextSn; sn = (sn + 1) | 0) {
      const segment = this.window.get(sn);
      if (segment === undefined || (seen && ((segment.resendTs - earliest) | 0) >= 0)) continue;
      earliest = segment.resendTs;
      seen = true;
    }
    return earliest;
  }

  private sendNew(now: number, writer: DatagramWriter, wnd: number): void {
    const rto = this.rtt.rto;
    const resendTs = (now + rto + (this.settings.noDelay ? 0 : rto >> 3)) | 0; // KC-021
    while (this.queue.length > 0) {
      if (this.queue.first().hasDeadline && this.dropIfExpired(now)) continue;
      if (((this.nextSn - this.una) | 0) >= wnd) return;
      const segment = this.queue.shift();
      const sn = this.nextSn;
      this.nextSn = (sn + 1) | 0;
      segment.sn = sn;
      segment.skips = 0;
      segment.transmits = 0;
      segment.rto = rto;
      segment.resendTs = resendTs;
      this.window.set(sn, segment, this.una);
      if (this.inFlightCount++ === 0 || ((resendTs - this.nextResendTs) | 0) < 0) this.nextResendTs = resendTs;
      this.transmit(segment, now, writer);
    }
  }

  /**
   * The first segment of the queue starts a message with a deadline: drops the whole message if that has passed. None of
   * its segments has a sequence number yet (the first one is still queued), so the stream gets no hole.
   */
  private dropIfExpired(now: number): boolean {
    const first = this.queue.first();
    if (((now - first.deadlineTs) | 0) < 0) return false;
    for (let left = first.frg; left >= 0; left--) this.queue.shift();
    this.expiredMessages++;
    return true;
  }

  private transmit(segment: Segment, now: number, writer: DatagramWriter): void {
    segment.sentTs = now;
    if (++segment.transmits >= DEAD_LINK_TRANSMITS) this.isLinkDead = true;
    writer.push(segment, now);
  }

  private drop(sn: number): void {
    this.window.delete(sn);
    this.inFlightCount--;
  }

  /** Moves `una` over what single acknowledgements have taken out. */
  private shrink(): void {
    let sn = this.una;
    while (sn !== this.nextSn && this.window.get(sn) === undefined) sn = (sn + 1) | 0;
    this.una = sn;
  }
}
