import { Kcp } from '../../src/arq/kcp.ts';
import { type KcpOptions, KcpSettings } from '../../src/arq/settings.ts';
import { ImpairedLink, type Impairment } from '../tools/impairment.ts';
import { Random } from '../tools/random.ts';
import { type LinkClock, VirtualClock } from '../tools/virtual-clock.ts';

/**
 * Who drives an end.
 *
 * - `hp-socket` (AQ-037, AQ-038, AQ-040): a flush with each message sent and with each datagram received, and an update at every
 *   tick of the flush interval.
 * - `gathering`: one flush at the end of the turn of the event loop, and an update when one is due, in ticks of the timer wheel.
 * - `ours`: the same, and the session knows it (`isGathered`).
 */
export type Driver = 'hp-socket' | 'gathering' | 'ours';

/** A line, and who wants to see what is on it; ends are 0 and 1. */
export interface Line extends Impairment {
  onSent?: (from: number, datagram: Buffer, now: number) => void;
  onDelivered?: (to: number, datagram: Buffer) => void;
}

/** What an echo took, of both ends together. */
export interface EchoResult {
  /** Virtual milliseconds. */
  took: number;
  datagrams: number;
  bytes: number;
  copies: number;
}

const COUNT = 200;
const SIZE = 300;
const IN_FLIGHT = 16;
/** Of the timer wheel of the components; the system's timer behind it is a millisecond late. */
const TICK_MS = 10;

class EchoEnd {
  readonly kcp: Kcp;
  link: ImpairedLink | undefined;
  onMessage: (message: Buffer) => void = () => {};
  private readonly number: number;
  private readonly clock: VirtualClock;
  private readonly driver: Driver;
  private readonly line: Line;
  private timerAt = Infinity;
  private isTurnScheduled = false;

  constructor(number: number, clock: VirtualClock, options: KcpOptions, driver: Driver, line: Line) {
    this.number = number;
    this.clock = clock;
    this.driver = driver;
    this.line = line;
    const settings = new KcpSettings({ ...options, isGathered: driver === 'ours' });
    this.kcp = new Kcp(number + 1, this, settings);
    this.kcp.update(clock.now());
    if (driver === 'hp-socket') this.tick(settings.flushInterval);
  }

  output(bytes: Buffer, length: number): void {
    this.line.onSent?.(this.number, bytes.subarray(0, length), this.clock.now());
    this.link!.send(bytes, length);
  }

  send(data: Uint8Array): void {
    const now = this.clock.now();
    if (this.kcp.send(data, undefined, now) !== 0) throw new Error('refused');
    this.settle(now);
  }

  input(datagram: Buffer): void {
    const now = this.clock.now();
    this.line.onDelivered?.(this.number, datagram);
    if (this.kcp.input(datagram, now) !== 0) throw new Error('not taken');
    for (let message = this.kcp.recv(); message !== null; message = this.kcp.recv()) this.onMessage(message);
    this.settle(now);
  }

  private settle(now: number): void {
    if (this.driver === 'hp-socket') {
      this.kcp.flush(now);
    } else if (!this.isTurnScheduled) {
      this.isTurnScheduled = true;
      this.clock.schedule(now, () => {
        this.isTurnScheduled = false;
        this.kcp.flush(this.clock.now());
        this.arm();
      });
    }
  }

  private tick(intervalMs: number): void {
    this.clock.schedule(this.clock.now() + intervalMs, () => {
      this.kcp.update(this.clock.now());
      this.tick(intervalMs);
    });
  }

  private arm(): void {
    const due = this.kcp.check(this.clock.now());
    if (due >= this.timerAt) return;
    this.timerAt = due;
    this.clock.schedule(Math.ceil(due / TICK_MS) * TICK_MS + 1, () => {
      if (this.timerAt !== due) return;
      this.timerAt = Infinity;
      this.kcp.update(this.clock.now());
      this.arm();
    });
  }
}

/** Echoes 200 messages of 300 bytes, 16 at a time, in virtual time. Every byte is compared. */
export function echoUnderLoss(
  driver: Driver,
  seed: number,
  options: KcpOptions,
  line: Line,
  serverDriver = driver,
): EchoResult {
  const clock = new VirtualClock();
  const random = new Random(seed);
  const client = new EchoEnd(0, clock, options, driver, line);
  const server = new EchoEnd(1, clock, options, serverDriver, line);
  // A relay forwards by timers of whole milliseconds, so datagrams arrive together now and then.
  const relay: LinkClock = { now: () => clock.now(), schedule: (at, run) => clock.schedule(Math.ceil(at), run) };
  client.link = new ImpairedLink(relay, random, line, (bytes) => server.input(bytes));
  server.link = new ImpairedLink(relay, random, line, (bytes) => client.input(bytes));
  const messages = Array.from({ length: COUNT }, (_, i) => Buffer.alloc(SIZE, i));
  let sent = 0;
  let echoed = 0;
  server.onMessage = (message) => server.send(message);
  client.onMessage = (message) => {
    if (!message.equals(messages[echoed]!)) throw new Error(`echo ${echoed} is wrong, seed ${seed}`);
    echoed++;
    if (sent < COUNT) client.send(messages[sent++]!);
  };
  while (sent < IN_FLIGHT) client.send(messages[sent++]!);
  while (echoed < COUNT) {
    if (!clock.step() || clock.now() > 1e7) throw new Error(`stalled at ${echoed} of ${COUNT}, seed ${seed}`);
  }
  const [ofClient, ofServer] = [client.kcp.stats(), server.kcp.stats()];
  return {
    took: clock.now(),
    datagrams: ofClient.datagramsOut + ofServer.datagramsOut,
    bytes: ofClient.bytesOut + ofServer.bytesOut,
    copies: ofClient.copies + ofServer.copies,
  };
}
