import { CMD_ACK, KcpError, WINDOW_FIELD_MAX } from './constants.ts';
import { Segment, SegmentQueue, SegmentWindow } from './segment.ts';
import type { KcpSettings } from './settings.ts';
import type { DatagramWriter, SpareRoom } from './writer.ts';

const NO_ACKS = new Int32Array(0);

/**
 * The receiving half of a session.
 *
 *   datagram -> [ window: out of order, sn in (nextSn, nextSn + wnd) ] -> [ queue: in order ] -> recv()
 *
 * `nextSn` (rcv_nxt) only moves while the queue has room, so window and queue together are bounded by the receive window.
 */
export class KcpReceiver {
  nextSn: number;
  /** Complete messages in the queue. */
  messageCount = 0;
  duplicates = 0;
  outOfWindow = 0;
  droppedAcks = 0;
  /** Not 0 once the peer has broken the protocol in a way that shows only in order: nothing more will be delivered. */
  fault = 0;

  private readonly wndSize: number;
  private readonly maxMessageSize: number;
  private readonly window = new SegmentWindow();
  private readonly queue = new SegmentQueue();
  private windowCount = 0;
  // Message in reassembly: which fragment must come next (-1 = the first of a message), and how many bytes it has so far.
  private expectedFrg = -1;
  private assembledBytes = 0;
  // sn, ts pairs that wait to be acknowledged.
  private acks = NO_ACKS;
  private ackLength = 0;

  constructor(settings: KcpSettings, firstSn: number) {
    this.nextSn = firstSn | 0;
    this.wndSize = settings.recvWndSize;
    this.maxMessageSize = settings.maxMessageSize;
  }

  /** What goes into the `wnd` field (KC-004). */
  get freeWindow(): number {
    // The queue is never longer than the window: `push` and `advance` see to it.
    return Math.min(this.wndSize - this.queue.length, WINDOW_FIELD_MAX);
  }

  get hasAcks(): boolean {
    return this.ackLength !== 0;
  }

  /** KC-026: a push segment arrived. Keeps a reference to `datagram`. */
  push(sn: number, frg: number, ts: number, datagram: Buffer, offset: number, length: number): void {
    // Compared with the end of the window, as in C: half a round of numbers away from `nextSn`, the sign tells another tale.
    if (((sn - this.nextSn - this.wndSize) | 0) >= 0) {
      this.outOfWindow++;
      return;
    }
    const distance = (sn - this.nextSn) | 0;
    // Also when it lies below the window: the peer has not seen our first acknowledgement.
    this.acknowledge(sn, ts);
    if (distance < 0) {
      this.duplicates++;
      return;
    }
    if (distance > 0 || this.queue.length >= this.wndSize) {
      // The slot may hold another number of the same residue, so look at the number too.
      if (this.window.get(sn)?.sn === sn) {
        this.duplicates++;
        return;
      }
    }
    const segment = new Segment();
    segment.sn = sn;
    segment.frg = frg;
    segment.data = datagram;
    segment.offset = offset;
    segment.length = length;
    if (distance === 0 && this.queue.length < this.wndSize) {
      this.nextSn = (sn + 1) | 0;
      this.enqueue(segment);
      if (this.windowCount > 0) this.advance();
    } else {
      this.window.set(sn, segment, this.nextSn);
      this.windowCount++;
    }
  }

  /** Size of the next complete message, or -1. */
  peekSize(): number {
    if (this.messageCount === 0) return -1;
    return this.queue.sizeOf(this.queue.first().frg + 1);
  }

  /**
   * The next message, or `null`. A message of one fragment is a view of the datagram it came in; one of several is put
   * together in memory of its own.
   */
  recv(): Buffer | null {
    if (this.messageCount === 0) return null;
    this.messageCount--;
    const head = this.queue.first();
    let message: Buffer;
    if (head.frg === 0) {
      message = (head.data as Buffer).subarray(head.offset, head.offset + head.length);
      this.queue.shift();
    } else {
      message = Buffer.allocUnsafe(this.queue.sizeOf(head.frg + 1));
      let at = 0;
      for (let left = head.frg; left >= 0; left--) {
        const segment = this.queue.shift();
        message.set(segment.data.subarray(segment.offset, segment.offset + segment.length), at);
        at += segment.length;
      }
    }
    if (this.windowCount > 0) this.advance();
    return message;
  }

  /** True when the queue fills its window: the peer has been told 0. */
  get isFull(): boolean {
    return this.queue.length >= this.wndSize;
  }

  flushAcks(writer: DatagramWriter, redundancy: SpareRoom | null): void {
    const acks = this.acks;
    for (let i = 0; i < this.ackLength; i += 2) {
      const sn = acks[i]!;
      const ts = acks[i + 1]!;
      writer.control(CMD_ACK, ts, sn);
      if (redundancy !== null) redundancy.remember(sn, ts, writer.datagramsOut);
    }
    this.ackLength = 0;
  }

  private acknowledge(sn: number, ts: number): void {
    if (this.ackLength === this.acks.length) {
      // Bounds what a peer that repeats itself can make us hold when nobody flushes; `una` still acknowledges for us.
      if (this.ackLength >= this.wndSize * 8) {
        this.droppedAcks++;
        return;
      }
      const larger = new Int32Array(Math.max(this.acks.length * 2, 16));
      larger.set(this.acks);
      this.acks = larger;
    }
    this.acks[this.ackLength++] = sn;
    this.acks[this.ackLength++] = ts;
  }

  /** Moves what has become in order from the window to the queue. */
  private advance(): void {
    while (this.windowCount > 0 && this.queue.length < this.wndSize) {
      const segment = this.window.get(this.nextSn);
      if (segment === undefined) return;
      this.window.delete(this.nextSn);
      this.windowCount--;
      this.nextSn = (this.nextSn + 1) | 0;
      this.enqueue(segment);
    }
  }

  private enqueue(segment: Segment): void {
    const frg = segment.frg;
    this.queue.push(segment);
    if (this.expectedFrg === -1) {
      // A message that the window cannot hold would never be complete, and would block the stream for ever.
      if (frg >= this.wndSize) this.fault ||= KcpError.MessageTooLarge;
    } else if (frg !== this.expectedFrg) {
      this.fault ||= KcpError.BadFragments;
    }
    this.assembledBytes += segment.length;
    // Noticed with the fragment that crosses the limit, not when the whole of the message has been stored.
    if (this.assembledBytes > this.maxMessageSize) this.fault ||= KcpError.MessageTooLarge;
    if (frg !== 0) {
      this.expectedFrg = frg - 1;
      return;
    }
    this.expectedFrg = -1;
    this.assembledBytes = 0;
    if (this.fault === 0) this.messageCount++;
  }
}
