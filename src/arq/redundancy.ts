import { CMD_ACK } from './constants.ts';
import type { KcpReceiver } from './receiver.ts';
import type { KcpSender } from './sender.ts';
import type { DatagramWriter } from './writer.ts';

/** Acknowledgements that are kept for being said again; a power of two. */
const KEPT = 8;

/*
 * What a session adds to its datagrams while the line loses many (see LossEstimator). HP-Socket sends each message and each
 * acknowledgement in a datagram of its own; we gather those of a turn, and one lost datagram then costs more. So into the
 * room that is left in datagrams that leave anyway go
 *
 * - acknowledgements that were sent before and that `una` does not cover: a peer that has missed one would send its segment
 *   again, and with congestion control would close its window for it;
 * - copies of the segments that the peer waits for longest, once they are overdue: what gets lost is then repaired by the next
 *   datagram, whatever that carries, and not by a timeout.
 *
 * No datagram leaves for these, and a C++ peer sees what it sees on a line that repeats datagrams: segments that it drops as
 * duplicates, acknowledgements of segments that are acknowledged already.
 */
export class Redundancy {
  private readonly sender: KcpSender;
  private readonly receiver: KcpReceiver;
  private now = 0;
  // A ring of what was acknowledged last: number, time stamp less the time of the acknowledgement, and in which datagram.
  private readonly sns = new Int32Array(KEPT);
  private readonly ages = new Int32Array(KEPT);
  private readonly datagrams = new Float64Array(KEPT).fill(-1);
  private next = 0;

  constructor(sender: KcpSender, receiver: KcpReceiver) {
    this.sender = sender;
    this.receiver = receiver;
  }

  /** A flush begins. */
  begin(now: number): void {
    this.now = now;
  }

  /** The acknowledgement of `sn`, sent by the peer at `ts`, goes into the datagram with this number. */
  remember(sn: number, ts: number, datagram: number): void {
    const at = this.next;
    this.sns[at] = sn;
    this.ages[at] = (ts - this.now) | 0;
    this.datagrams[at] = datagram;
    this.next = (at + 1) & (KEPT - 1);
  }

  /** A datagram is about to leave. */
  fill(writer: DatagramWriter): void {
    const { sns, ages, datagrams, now } = this;
    const { nextSn } = this.receiver;
    for (let i = 0; i < KEPT && writer.hasRoom(0); i++) {
      const at = (this.next + i) & (KEPT - 1);
      const sn = sns[at]!;
      if (datagrams[at]! < 0 || datagrams[at] === writer.datagramsOut || ((sn - nextSn) | 0) < 0) continue;
      // As if the segment had been sent so much later as we repeat ourselves: the peer measures the round trip by it.
      writer.control(CMD_ACK, (ages[at]! + now) | 0, sn);
    }
    this.sender.copyOverdue(now, writer);
  }
}
