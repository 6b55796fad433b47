import {
  CLOCK_RESYNC_MS,
  CMD_ACK,
  CMD_PUSH,
  CMD_WINDOW_ASK,
  CMD_WINDOW_TELL,
  KCP_HEADER_BYTES,
  KcpError,
  PROBE_FIRST_MS,
  PROBE_MAX_MS,
} from './constants.ts';
import { KcpReceiver } from './receiver.ts';
import { Redundancy } from './redundancy.ts';
import { readInt32 } from './segment.ts';
import { KcpSender } from './sender.ts';
import { type KcpOptions, KcpSettings } from './settings.ts';
import { type DatagramOutput, DatagramWriter, NO_PUSH_LIMIT } from './writer.ts';

const ASK = 1;
const TELL = 2;
/**
 * With more segments under way than this, a lost datagram holds up few of them, and one that repairs several is worth more. With
 * congestion control, each loss closes the window, so it is better to lose several at once.
 */
const SPREAD_LIMIT = 64;
/** Half a round of the 32-bit clock. */
const DEADLINE_MAX_MS = 0x7fffffff;

/** Counters of a session, a snapshot. Sizes are in bytes, times in milliseconds. */
export interface KcpStats {
  /** Datagrams received that belong to the session. */
  datagramsIn: number;
  /** Datagrams sent, retransmissions and acknowledgements included. */
  datagramsOut: number;
  /** KCP segments received, of all commands. */
  segmentsIn: number;
  /** KCP segments sent, of all commands. */
  segmentsOut: number;
  /** Bytes of all datagrams received, with KCP headers. */
  bytesIn: number;
  /** Bytes of all datagrams sent, with KCP headers. */
  bytesOut: number;
  /** Segments sent again, for whatever reason. */
  retransmits: number;
  /** ... because later ones were acknowledged. */
  fastRetransmits: number;
  /** ... because their timeout passed. */
  lost: number;
  /** Segments received that were there already. */
  duplicates: number;
  /** Acknowledgements received of segments that were acknowledged already. */
  duplicateAcks: number;
  /** Segments received beyond the receive window, and dropped. */
  outOfWindow: number;
  /** Acknowledgements not sent because too many waited. */
  droppedAcks: number;
  /** Segments sent once more in the room that datagrams had left, while the line loses many. */
  copies: number;
  /** Share of the transmissions that the sender sees get lost, 0 to 1. */
  loss: number;
  /** Messages dropped because their deadline passed before they were first sent. */
  expiredMessages: number;
  /** Last round trip, milliseconds. */
  rtt: number;
  /** Smoothed round trip, milliseconds (`rx_srtt`); 0 before the first. */
  srtt: number;
  /** Variation of the round trip, milliseconds (`rx_rttval`). */
  rttvar: number;
  /** Retransmission time-out, milliseconds (`rx_rto`); never below `minRto`. */
  rto: number;
  /** Congestion window, segments (`cwnd`); it counts unless `turnoffCongestCtrl`. */
  cwnd: number;
  /** Where slow start ends, segments (`ssthresh`). */
  ssthresh: number;
  /** Property `sendWndSize`, segments. */
  sendWindow: number;
  /** Segments that the peer has room for (`rmt_wnd`). */
  remoteWindow: number;
  /** Property `recvWndSize` as it counts, segments. */
  receiveWindow: number;
  /** Segments sent and not acknowledged. */
  inFlight: number;
  /** Segments that wait or are in flight, as `getWaitingSendMessageCount` (`ikcp_waitsnd`). */
  waitingSendCount: number;
  /** Some segment has been sent 20 times (KC-014). HP-Socket does not act on it (AQ-042). */
  isLinkDead: boolean;
}

/** Where a session delivers to. The component's connection object can be it, so that a session holds no closures. */
export interface KcpHost {
  /** See {@link DatagramOutput}. Must not call back into the same session. */
  output: DatagramOutput;
  /**
   * A window tell came with a non-zero `frg` (which neither HP-Socket nor stock KCP sends), or an acknowledgement or ask
   * did; `frg` is it, and `length` bytes of data at `offset`, if any, are the tell's. See unreliable.ts.
   */
  onMark?(frg: number, datagram: Buffer, offset: number, length: number): void;
}

/**
 * KCP (KC-001..029): reliable, ordered messages over datagrams; the algorithm is ikcp 1.7's, the wire HP-Socket's or stock
 * KCP's. Pure: calls give it the time, it never asks for it.
 *
 * Times are milliseconds of any one clock, also fractional or beyond 2^32: the low 32 bits go on the wire. A clock that jumps
 * forward resends what is in flight once; one that jumps back takes all deadlines with it.
 *
 * ```ts
 * const kcp = new Kcp(id, { output: (bytes, length) => void socket.send(Buffer.from(bytes.subarray(0, length))) }, interactive);
 * kcp.update(now);                       // starts it; nothing is sent before
 * kcp.send(message); kcp.flush(now);
 * kcp.input(datagram, now);              // keeps `datagram`
 * for (let m = kcp.recv(); m !== null; m = kcp.recv()) deliver(m);
 * kcp.flush(now);                        // acknowledgements leave at once, as HP-Socket does
 * timer = kcp.check(now);                // Infinity: nothing to do until the next send or input
 * ```
 */
export class Kcp {
  readonly settings: KcpSettings;

  private readonly host: KcpHost;
  private readonly sender: KcpSender;
  private readonly receiver: KcpReceiver;
  private readonly writer: DatagramWriter;
  // Null until the line has lost something.
  private redundancy: Redundancy | null = null;
  private current = 0;
  private isStarted = false;
  private flushTs = 0;
  private probe = 0;
  private probeTs = 0;
  private probeWaitMs = 0;
  private datagramsIn = 0;
  private segmentsIn = 0;
  private bytesIn = 0;

  /**
   * @param conv Conversation ID, 0..2^32-1, on every outgoing segment (KC-001).
   * @param options Checked settings to share between sessions, or options to check for this one.
   * @param firstSn First sequence number in both directions; anything but 0 is for tests of wrap-around.
   */
  constructor(conv: number, host: KcpHost, options: KcpSettings | KcpOptions = {}, firstSn = 0) {
    this.settings = options instanceof KcpSettings ? options : new KcpSettings(options);
    this.host = host;
    this.sender = new KcpSender(this.settings, firstSn);
    this.receiver = new KcpReceiver(this.settings, firstSn);
    this.writer = new DatagramWriter(conv, this.settings.maxTransUnit, host);
  }

  /** Own conversation ID, unsigned. */
  get conv(): number {
    return this.writer.conv >>> 0;
  }

  /** Segments that are queued or not acknowledged: HP-Socket's GetWaitingSendMessageCount (AQ-043). */
  get waitingSendCount(): number {
    return this.sender.waitingCount;
  }

  /** A {@link KcpError} once the peer's stream cannot be put together any more, else 0. */
  get fault(): number {
    return this.receiver.fault;
  }

  /** Goes into `frg` of outgoing acknowledgements, asks and tells; see unreliable.ts. */
  set mark(frg: number) {
    this.writer.mark = frg;
  }

  /**
   * Queues one message; it leaves with the next flush. The bytes are copied.
   *
   * @param deadlineMs If the message has not begun to leave so many ms from now, it is dropped; Infinity never.
   * @param nowMs The time, if it is later than the last one told.
   * @returns 0, or {@link KcpError.BadLength} (128 fragments or more), or {@link KcpError.QueueFull}.
   */
  send(data: Uint8Array, deadlineMs?: number, nowMs?: number): number {
    if (nowMs !== undefined) this.setClock(nowMs);
    // Beyond what wrap-around times can tell from the past, it is as good as none.
    const hasDeadline = deadlineMs !== undefined && deadlineMs <= DEADLINE_MAX_MS;
    return this.sender.send(data, hasDeadline, hasDeadline ? (this.current + Math.max(deadlineMs, 0)) | 0 : 0);
  }

  /** Size of the message that {@link recv} would return, or -1 (0 is an empty message). */
  peekSize(): number {
    return this.receiver.peekSize();
  }

  /** The next message, or `null`. It is the caller's, but may be a view of the datagram it came in. */
  recv(): Buffer | null {
    const receiver = this.receiver;
    if (receiver.messageCount === 0) return null;
    const wasFull = receiver.isFull;
    const message = receiver.recv();
    if (wasFull && !receiver.isFull) this.probe |= TELL; // KC-027
    return message;
  }

  /**
   * Takes one datagram in. Messages may refer to its memory from then on, so the caller must not write to it again.
   *
   * @param nowMs The time, if it is later than the last one told.
   * @returns 0, or a {@link KcpError}; segments before the faulty one have been taken in (KC-028).
   */
  input(datagram: Buffer, nowMs?: number): number {
    if (nowMs !== undefined) this.setClock(nowMs);
    const size = datagram.length;
    if (size < KCP_HEADER_BYTES) return KcpError.NotOurs;
    const { sender, receiver, current } = this;
    let highestAck = 0;
    let highestAckTs = 0;
    let hasAck = false;
    let result = 0;
    this.datagramsIn++;
    this.bytesIn += size;
    sender.beginInput();
    for (let at = 0; size - at >= KCP_HEADER_BYTES; ) {
      if (this.settings.checkConv && readInt32(datagram, at) !== this.writer.conv) {
        result = KcpError.NotOurs;
        break;
      }
      const cmd = datagram[at + 4]!;
      const frg = datagram[at + 5]!;
      const ts = readInt32(datagram, at + 8);
      const sn = readInt32(datagram, at + 12);
      const length = readInt32(datagram, at + 20);
      const data = at + KCP_HEADER_BYTES;
      if (length < 0 || length > size - data) {
        result = KcpError.BadLength;
        break;
      }
      if (cmd < CMD_PUSH || cmd > CMD_WINDOW_TELL) {
        result = KcpError.UnknownCommand;
        break;
      }
      this.segmentsIn++;
      sender.remoteWnd = datagram[at + 6]! | (datagram[at + 7]! << 8);
      if (cmd === CMD_ACK) sender.observe(sn, ts);
      sender.acknowledgeBelow(readInt32(datagram, at + 16));
      if (cmd === CMD_PUSH) {
        receiver.push(sn, frg, ts, datagram, data, length);
      } else {
        if (cmd === CMD_ACK) {
          sender.rtt.sample((current - ts) | 0);
          sender.acknowledge(sn);
          if (!hasAck || ((sn - highestAck) | 0) > 0) {
            highestAck = sn;
            highestAckTs = ts;
          }
          hasAck = true;
        } else if (cmd === CMD_WINDOW_ASK) {
          this.probe |= TELL;
        }
        if (frg !== 0) this.host.onMark?.(frg, datagram, data, length);
      }
      at = data + length;
    }
    if (result === 0) {
      if (hasAck) sender.skipBelow(highestAck, highestAckTs);
      sender.endInput();
    }
    return result;
  }

  /** Tells the time; flushes if the interval since the last such flush has passed. The first call starts the session. */
  update(nowMs: number): void {
    this.setClock(nowMs);
    const now = this.current;
    if (!this.isStarted) {
      this.isStarted = true;
      this.flushTs = now;
    }
    let late = (now - this.flushTs) | 0;
    if (late >= CLOCK_RESYNC_MS || late < -CLOCK_RESYNC_MS) {
      this.flushTs = now; // KC-017
      late = 0;
    }
    if (late < 0) return;
    const interval = this.settings.interval;
    this.flushTs = (this.flushTs + interval) | 0;
    if (((now - this.flushTs) | 0) >= 0) this.flushTs = (now + interval) | 0;
    this.flush();
  }

  /**
   * When {@link update} is due next if nothing is sent or received before: `Infinity` for a session with nothing in flight,
   * nothing to acknowledge and nothing it could send, which therefore needs no timer at all.
   */
  check(nowMs: number): number {
    if (!this.isStarted) return nowMs;
    const { sender } = this;
    const now = Math.floor(nowMs);
    const untilFlush = Math.max(0, (this.flushTs - (now | 0)) | 0);
    let due = Infinity;
    if (this.receiver.hasAcks || this.probe !== 0 || sender.fastResendDue || sender.canSend) due = untilFlush;
    else if (sender.inFlightCount > 0) due = Math.max(untilFlush, (sender.nextResendTs - (now | 0)) | 0);
    if (sender.remoteWnd === 0) {
      const untilProbe = this.probeWaitMs === 0 ? untilFlush : Math.max(untilFlush, (this.probeTs - (now | 0)) | 0);
      if (untilProbe < due) due = untilProbe;
    }
    // More than the resync limit away can only be a clock that went back; update() puts that right.
    return untilFlush > CLOCK_RESYNC_MS ? nowMs : now + due;
  }

  /** Sends what can be sent now (KC-019): acknowledgements, window ask and tell, resends, new data. */
  flush(nowMs?: number): void {
    if (!this.isStarted) return;
    if (nowMs !== undefined) this.setClock(nowMs);
    const { sender, receiver, writer, current } = this;
    writer.wnd = receiver.freeWindow;
    writer.una = receiver.nextSn;
    if (this.settings.isGathered) this.adaptToLoss();
    if (receiver.hasAcks) receiver.flushAcks(writer, writer.redundancy);
    if (sender.remoteWnd === 0) this.probeWindow();
    else this.probeWaitMs = 0;
    if (this.probe !== 0) {
      if ((this.probe & ASK) !== 0) writer.control(CMD_WINDOW_ASK, 0, 0);
      if ((this.probe & TELL) !== 0) writer.control(CMD_WINDOW_TELL, 0, 0);
      this.probe = 0;
    }
    sender.flush(current, writer);
    writer.end();
  }

  /** Sends one window tell with `frg` and data of its own, at once and once; see unreliable.ts. */
  tell(frg: number, sn: number, data: Uint8Array, nowMs?: number): void {
    if (nowMs !== undefined) this.setClock(nowMs);
    const { receiver, writer } = this;
    writer.wnd = receiver.freeWindow;
    writer.una = receiver.nextSn;
    writer.redundancy = null;
    writer.controlData(CMD_WINDOW_TELL, frg, this.current, sn, data);
    writer.end();
  }

  /** The way to the peer is another one from now on: what is in flight is sent again at the next flush. */
  hurry(nowMs: number): void {
    this.setClock(nowMs);
    if (this.sender.inFlightCount > 0) this.sender.hurry(this.current);
  }

  stats(): KcpStats {
    const { sender, receiver, writer } = this;
    return {
      datagramsIn: this.datagramsIn,
      datagramsOut: writer.datagramsOut,
      segmentsIn: this.segmentsIn,
      segmentsOut: writer.segmentsOut,
      bytesIn: this.bytesIn,
      bytesOut: writer.bytesOut,
      retransmits: sender.timeoutRetransmits + sender.fastRetransmits,
      fastRetransmits: sender.fastRetransmits,
      lost: sender.timeoutRetransmits,
      duplicates: receiver.duplicates,
      duplicateAcks: sender.duplicateAcks,
      outOfWindow: receiver.outOfWindow,
      droppedAcks: receiver.droppedAcks,
      copies: sender.copies,
      loss: sender.loss.share,
      expiredMessages: sender.expiredMessages,
      rtt: sender.rtt.rtt,
      srtt: sender.rtt.srtt,
      rttvar: sender.rtt.rttvar,
      rto: sender.rtt.rto,
      cwnd: sender.cwnd,
      ssthresh: sender.ssthresh,
      sendWindow: sender.sendWindow,
      remoteWindow: sender.remoteWnd,
      receiveWindow: receiver.freeWindow,
      inFlight: sender.inFlightCount,
      waitingSendCount: sender.waitingCount,
      isLinkDead: sender.isLinkDead,
    };
  }

  /** Gathers as much as fits on a good line, and the less the more of it gets lost. */
  private adaptToLoss(): void {
    const { sender, writer } = this;
    writer.redundancy = null;
    writer.pushLimit = NO_PUSH_LIMIT;
    if (!sender.loss.isLossy) return;
    if (sender.loss.isHeavy && this.settings.turnoffCongestCtrl && sender.waitingCount <= SPREAD_LIMIT)
      writer.pushLimit = 1;
    this.redundancy ??= new Redundancy(sender, this.receiver);
    this.redundancy.begin(this.current);
    writer.redundancy = this.redundancy;
  }

  private probeWindow(): void {
    const now = this.current;
    if (this.probeWaitMs === 0) {
      this.probeWaitMs = PROBE_FIRST_MS;
      this.probeTs = (now + PROBE_FIRST_MS) | 0;
    } else if (((now - this.probeTs) | 0) >= 0) {
      this.probeWaitMs = Math.min(this.probeWaitMs + (this.probeWaitMs >> 1), PROBE_MAX_MS); // KC-015
      this.probeTs = (now + this.probeWaitMs) | 0;
      this.probe |= ASK;
    }
  }

  private setClock(nowMs: number): void {
    const now = nowMs | 0;
    const step = (now - this.current) | 0;
    this.current = now;
    if (step < 0 && this.isStarted) {
      this.flushTs = (this.flushTs + step) | 0;
      this.probeTs = (this.probeTs + step) | 0;
      this.sender.shiftTimes(step);
    }
  }
}
