import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Kcp } from '../../src/arq/kcp.ts';
import { type KcpOptions, KcpSettings } from '../../src/arq/settings.ts';
import { NaiveKcp } from './naive-kcp.ts';

const runs = process.env.HP_SOCKET_FULL ? 10_000 : 400;

/** One end, built twice: whatever goes in goes into both, and what comes out must be the same bytes. */
class Twin {
  readonly wire: Buffer[] = [];
  readonly real: Kcp;
  readonly naive: NaiveKcp;
  private readonly realOut: Buffer[] = [];

  constructor(conv: number, options: KcpOptions, firstSn: number, startMs: number) {
    const settings = new KcpSettings(options);
    const out = this.realOut;
    this.real = new Kcp(
      conv,
      {
        output(bytes, length) {
          out.push(Buffer.from(bytes.subarray(0, length)));
        },
      },
      settings,
      firstSn,
    );
    this.naive = new NaiveKcp(conv, settings, firstSn);
    this.update(startMs);
  }

  update(now: number): void {
    this.real.update(now);
    this.naive.update(now);
    this.compare();
  }

  flush(now: number): void {
    this.real.flush(now);
    this.naive.flush(now);
    this.compare();
  }

  send(data: Buffer, deadlineMs: number | undefined): void {
    expect(this.real.send(data, deadlineMs)).toBe(this.naive.send(data, deadlineMs));
    this.compare();
  }

  input(datagram: Buffer, now: number): number {
    const result = this.real.input(Buffer.from(datagram), now);
    expect(result).toBe(this.naive.input(datagram, now));
    this.compare();
    return result;
  }

  recv(): Buffer | null {
    const size = this.real.peekSize();
    const message = this.real.recv();
    expect(message).toEqual(this.naive.recv());
    expect(size).toBe(message === null ? -1 : message.length);
    return message;
  }

  private compare(): void {
    const { real, naive } = this;
    const emitted = naive.emitted.splice(0);
    expect(this.realOut.map((b) => b.toString('hex'))).toEqual(emitted.map((b) => b.toString('hex')));
    this.realOut.length = 0;
    this.wire.push(...emitted);
    const stats = real.stats();
    expect([stats.cwnd, stats.ssthresh, stats.srtt, stats.rttvar, stats.rto, stats.remoteWindow]).toEqual([
      naive.cwnd,
      naive.ssthresh,
      naive.srtt,
      naive.rttvar,
      naive.rto,
      naive.remoteWnd,
    ]);
    expect(stats.inFlight).toBe(naive.flight.length);
    expect(real.waitingSendCount).toBe(naive.flight.length + naive.queue.length);
    expect(real.fault).toBe(naive.fault);
  }
}

const side = fc.constantFrom(0, 1);
const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ op: fc.constant('send' as const), side, size: fc.integer({ min: 0, max: 400 }) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ op: fc.constant('send' as const), side, size: fc.integer({ min: 400, max: 9000 }) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      op: fc.constant('stale' as const),
      side,
      size: fc.integer({ min: 1, max: 300 }),
      deadlineMs: fc.integer({ min: 0, max: 300 }),
    }),
  },
  { weight: 8, arbitrary: fc.record({ op: fc.constant('wait' as const), ms: fc.integer({ min: 0, max: 400 }) }) },
  {
    weight: 1,
    arbitrary: fc.record({ op: fc.constant('wait' as const), ms: fc.integer({ min: -20_000, max: 20_000 }) }),
  },
  { weight: 12, arbitrary: fc.record({ op: fc.constant('deliver' as const), side, at: fc.nat(6) }) },
  { weight: 4, arbitrary: fc.record({ op: fc.constant('deliverAll' as const), side }) },
  { weight: 3, arbitrary: fc.record({ op: fc.constant('drop' as const), side, at: fc.nat(6) }) },
  { weight: 3, arbitrary: fc.record({ op: fc.constant('repeat' as const), side, at: fc.nat(6) }) },
  { weight: 4, arbitrary: fc.record({ op: fc.constant('flush' as const), side }) },
  { weight: 4, arbitrary: fc.record({ op: fc.constant('recv' as const), side }) },
);
const hostile = fc.record({
  op: fc.constant('corrupt' as const),
  side,
  at: fc.nat(40),
  value: fc.nat(255),
  cut: fc.option(fc.nat(60)),
});
const options = fc.record({
  noDelay: fc.boolean(),
  turnoffCongestCtrl: fc.boolean(),
  flushInterval: fc.constantFrom(1, 10, 60, 100),
  resendByAcks: fc.constantFrom(0, 1, 2, 3),
  conserveResend: fc.boolean(),
  sendWndSize: fc.constantFrom(1, 2, 5, 32, 128, 300),
  recvWndSize: fc.constantFrom(1, 128, 200),
  minRto: fc.constantFrom(10, 30, 100),
  fastLimit: fc.constantFrom(0, 1, 5),
  maxTransUnit: fc.constantFrom(72, 100, 300, 1432),
  maxWaitingSendCount: fc.constantFrom(50, 1000),
  checkConv: fc.boolean(),
});
const firstSn = fc.constantFrom(0, 0xfffffff0, 0x7ffffff0, 0x80000000 - 3);
const startMs = fc.constantFrom(0, 0xfffffff0, 0x7fffff00, 1_764_000_000_123);

type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;
type Hostile = typeof hostile extends fc.Arbitrary<infer T> ? T : never;

function play(config: KcpOptions, sn: number, start: number, steps: Array<Step | Hostile>): void {
  const convs = config.checkConv ? [7, 7] : [0x01020304, 0xf1f2f3f4];
  const ends = [new Twin(convs[0]!, config, sn, start), new Twin(convs[1]!, config, sn, start)];
  const sent: Buffer[][] = [[], []];
  const got: Buffer[][] = [[], []];
  let now = start;
  let clean = true;
  for (const s of steps) {
    switch (s.op) {
      case 'send':
      case 'stale': {
        const data = Buffer.alloc(s.size, sent[s.side]!.length);
        const before = ends[s.side]!.real.waitingSendCount;
        ends[s.side]!.send(data, s.op === 'stale' ? s.deadlineMs : undefined);
        if (ends[s.side]!.real.waitingSendCount !== before && s.op === 'send') sent[s.side]!.push(data);
        if (s.op === 'stale') clean = false;
        break;
      }
      case 'wait': {
        const due = ends.map((end) => end.real.check(now));
        now = Math.max(0, now + s.ms);
        ends.forEach((end, i) => {
          const before = end.wire.length;
          end.update(now);
          // What `check` promises: an update before that time sends nothing.
          if (s.ms >= 0 && now < due[i]!) expect(end.wire.length).toBe(before);
        });
        break;
      }
      case 'flush':
        ends[s.side]!.flush(now);
        break;
      case 'recv': {
        const message = ends[s.side]!.recv();
        if (message !== null) got[s.side]!.push(message);
        break;
      }
      case 'deliverAll':
        for (const datagram of ends[s.side]!.wire.splice(0)) ends[1 - s.side]!.input(datagram, now);
        break;
      default: {
        const { wire } = ends[s.side]!;
        if (wire.length === 0) break;
        const at = s.at % wire.length;
        const datagram = wire[at]!;
        if (s.op !== 'repeat') wire.splice(at, 1);
        if (s.op === 'drop') break;
        if (s.op === 'corrupt') {
          clean = false;
          datagram[s.at % datagram.length] = s.value;
          const cut = s.cut === null ? datagram : datagram.subarray(0, s.cut);
          ends[1 - s.side]!.input(cut, now);
        } else {
          expect(ends[1 - s.side]!.input(datagram, now)).toBe(0);
        }
      }
    }
  }
  // Whatever the net did: what came out is a prefix of what went in.
  if (clean) {
    for (const i of [0, 1]) expect(got[i]).toEqual(sent[1 - i]!.slice(0, got[i]!.length));
  }
}

describe('against a naive implementation of the protocol text', () => {
  test('KC-001 to KC-029: same datagrams, same state, for any order of events', () => {
    fc.assert(
      fc.property(options, firstSn, startMs, fc.array(step, { minLength: 1, maxLength: 150, size: 'max' }), play),
      {
        numRuns: runs,
      },
    );
  });

  test('KC-026 KC-028: same, when datagrams are also corrupted and cut', () => {
    fc.assert(
      fc.property(
        options,
        firstSn,
        startMs,
        fc.array(fc.oneof({ weight: 4, arbitrary: step }, { weight: 1, arbitrary: hostile }), {
          maxLength: 100,
          size: 'max',
        }),
        play,
      ),
      { numRuns: runs },
    );
  });

  test('any bytes at all are taken or refused, never thrown at', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(3), (bytes, cmd) => {
        const datagram = Buffer.from(bytes);
        if (datagram.length > 4) datagram[4] = 81 + cmd;
        const kcp = new Kcp(1, { output() {} });
        kcp.update(0);
        expect([0, -1, -2, -3]).toContain(kcp.input(datagram, 1));
        while (kcp.recv() !== null);
        kcp.flush(1);
      }),
      { numRuns: runs * 4 },
    );
  });
});
