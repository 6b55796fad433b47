import { Kcp, type KcpHost } from '../../src/arq/kcp.ts';
import type { KcpOptions } from '../../src/arq/settings.ts';
import { Random } from '../tools/random.ts';

/**
 * One way of the line in KCP's own test program: 30..61 ms, strictly in order, and loss drawn from a shuffled deck, so that
 * of each 100 datagrams exactly `lossPercent` are lost.
 */
class ReferenceLine implements KcpHost {
  now = 0;
  private readonly random: Random;
  private readonly lossPercent: number;
  private readonly waiting: Array<{ at: number; datagram: Buffer }> = [];
  private deck: number[] = [];

  constructor(random: Random, lossPercent: number) {
    this.random = random;
    this.lossPercent = lossPercent;
  }

  output(bytes: Buffer, length: number): void {
    if (this.draw() < this.lossPercent) return;
    this.waiting.push({ at: this.now + this.random.int(30, 61), datagram: Buffer.from(bytes.subarray(0, length)) });
  }

  next(): Buffer | undefined {
    return (this.waiting[0]?.at ?? Infinity) <= this.now ? this.waiting.shift()!.datagram : undefined;
  }

  private draw(): number {
    if (this.deck.length === 0) this.deck = Array.from({ length: 100 }, (_, i) => i);
    const at = this.random.int(0, this.deck.length - 1);
    const drawn = this.deck[at]!;
    this.deck[at] = this.deck.at(-1)!;
    this.deck.pop();
    return drawn;
  }
}

/**
 * KCP's own test program in virtual time, step by step in its order: a sends 8 bytes every 20 ms, b echoes them, 1,000
 * times; both are updated every millisecond. The program is told "10 % loss" and halves that for each way; its published
 * averages are 156 ms (normal) and 138 ms (fast).
 *
 * @param flushesAtOnce Flush after send and input, as HP-Socket does, and not only at the interval.
 */
export function measureLatency(
  seed: number,
  options: KcpOptions,
  lossPercentOneWay = 5,
  flushesAtOnce = false,
): { average: number; maximum: number } {
  const random = new Random(seed);
  const toB = new ReferenceLine(random, lossPercentOneWay);
  const toA = new ReferenceLine(random, lossPercentOneWay);
  const windows = { sendWndSize: 128, recvWndSize: 128, checkConv: true };
  const a = new Kcp(0x11223344, toB, { ...options, ...windows });
  const b = new Kcp(0x11223344, toA, { ...options, ...windows });
  const count = 1000;
  const data = Buffer.alloc(8);
  let sent = 0;
  let received = 0;
  let sum = 0;
  let maximum = 0;
  for (let now = 1; received < count; now++) {
    if (now > 600_000) throw new Error(`stalled, seed ${seed}`);
    toA.now = toB.now = now;
    a.update(now);
    b.update(now);
    for (; now >= 20 * (sent + 1); sent++) {
      data.writeUInt32LE(sent, 0);
      data.writeUInt32LE(now, 4);
      a.send(data);
    }
    if (flushesAtOnce) a.flush(now);
    let failed = 0;
    for (let d = toB.next(); d !== undefined; d = toB.next()) failed ||= b.input(d, now);
    for (let d = toA.next(); d !== undefined; d = toA.next()) failed ||= a.input(d, now);
    if (failed !== 0) throw new Error(`input says ${failed}, seed ${seed}`);
    for (let m = b.recv(); m !== null; m = b.recv()) b.send(m);
    if (flushesAtOnce) b.flush(now);
    for (let m = a.recv(); m !== null; m = a.recv()) {
      if (m.readUInt32LE(0) !== received) throw new Error(`message ${received} is out of order, seed ${seed}`);
      const rtt = now - m.readUInt32LE(4);
      sum += rtt;
      maximum = Math.max(maximum, rtt);
      received++;
    }
  }
  return { average: sum / count, maximum };
}
