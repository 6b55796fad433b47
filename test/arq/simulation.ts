import { Kcp } from '../../src/arq/kcp.ts';
import { type KcpOptions, KcpSettings } from '../../src/arq/settings.ts';
import { ImpairedLink, type Impairment } from '../tools/impairment.ts';
import { Random } from '../tools/random.ts';
import { VirtualClock } from '../tools/virtual-clock.ts';

/** A KCP session on a virtual clock, driven as an I/O layer would: flush after send and input, update when check says so. */
export class SimulatedEnd {
  readonly kcp: Kcp;
  link: ImpairedLink | undefined;
  onMessage: (message: Buffer) => void = () => {};
  error = 0;
  toleratesErrors = false;
  private readonly clock: VirtualClock;
  private timerAt = Infinity;

  constructor(clock: VirtualClock, conv: number, settings: KcpSettings, firstSn = 0) {
    this.clock = clock;
    this.kcp = new Kcp(conv, this, settings, firstSn);
    this.kcp.update(clock.now());
  }

  output(bytes: Buffer, length: number): void {
    this.link!.send(bytes, length);
  }

  send(data: Uint8Array): number {
    const result = this.kcp.send(data);
    this.kcp.flush(this.clock.now());
    this.arm();
    return result;
  }

  input(datagram: Buffer): void {
    const result = this.kcp.input(datagram, this.clock.now());
    if (!this.toleratesErrors) this.error ||= result;
    for (let message = this.kcp.recv(); message !== null; message = this.kcp.recv()) this.onMessage(message);
    this.error ||= this.kcp.fault;
    this.kcp.flush(this.clock.now());
    this.arm();
  }

  arm(): void {
    const due = this.kcp.check(this.clock.now());
    if (due >= this.timerAt) return;
    this.timerAt = due;
    this.clock.schedule(due, () => {
      if (this.timerAt !== due) return;
      this.timerAt = Infinity;
      this.kcp.update(this.clock.now());
      this.arm();
    });
  }
}

/** Two sessions and the bad line between them. */
export class SimulatedPair {
  readonly clock: VirtualClock;
  readonly random: Random;
  readonly a: SimulatedEnd;
  readonly b: SimulatedEnd;

  constructor(seed: number, options: KcpOptions, impairment: Impairment, firstSn = 0, startMs = 0) {
    this.clock = new VirtualClock(startMs);
    this.random = new Random(seed);
    const settings = new KcpSettings(options);
    this.a = new SimulatedEnd(this.clock, 0x11223344, settings, firstSn);
    this.b = new SimulatedEnd(this.clock, options.checkConv ? 0x11223344 : 0x55667788, settings, firstSn);
    this.a.link = new ImpairedLink(this.clock, this.random, impairment, (bytes) => this.b.input(bytes));
    this.b.link = new ImpairedLink(this.clock, this.random, impairment, (bytes) => this.a.input(bytes));
  }
}

/**
 * Sends `count` numbered messages from a to b, keeping at most `waiting` segments in a's queues, and checks that they come
 * out complete and in order. Returns the virtual time it took.
 */
export function transfer(
  pair: SimulatedPair,
  count: number,
  waiting = 512,
  size: (i: number) => number = () => 16,
): number {
  const { a, b, clock } = pair;
  const started = clock.now();
  let sent = 0;
  let received = 0;
  let wrong = '';
  const buffers = new Map<number, Buffer>();
  const message = (i: number): Buffer => {
    const length = size(i);
    let buffer = buffers.get(length);
    if (buffer === undefined) {
      buffer = Buffer.alloc(length, length);
      buffers.set(length, buffer);
    }
    buffer.writeUInt32LE(i, 0);
    return buffer;
  };
  b.onMessage = (data) => {
    if (data.length !== size(received) || data.readUInt32LE(0) !== received) wrong ||= `message ${received} is wrong`;
    received++;
  };
  while (received < count) {
    while (sent < count && a.kcp.waitingSendCount < waiting) {
      if (a.kcp.send(message(sent)) !== 0) throw new Error(`message ${sent} refused`);
      sent++;
      if ((sent & 15) === 0) a.kcp.flush(clock.now());
    }
    a.kcp.flush(clock.now());
    a.arm();
    if (!clock.step()) throw new Error(`stalled at ${received} of ${count}, seed ${pair.random.seed}`);
    if (wrong !== '' || a.error !== 0 || b.error !== 0) {
      throw new Error(`${wrong} (errors ${a.error} ${b.error}), seed ${pair.random.seed}`);
    }
  }
  return clock.now() - started;
}
