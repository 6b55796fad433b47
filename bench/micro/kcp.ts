import { pathToFileURL } from 'node:url';
import { Bench } from 'tinybench';
import { ArqCookies } from '../../src/arq/cookie.ts';
import { HANDSHAKE_BYTES, writeHandshake } from '../../src/arq/handshake.ts';
import { Kcp } from '../../src/arq/kcp.ts';
import { ArqSession, ArqSettings } from '../../src/arq/session.ts';
import { bulk, interactive, type KcpOptions } from '../../src/arq/settings.ts';

/** One line of the table. All the work is in one thread, so wall time is CPU time while nobody else takes the core. */
export interface KcpBenchRow {
  work: string;
  /** Data segments that went from one core to the other and were acknowledged, per CPU second of both ends together. */
  segmentsPerCpuSecond: number;
  /** CPU microseconds per message, both ends. */
  microsecondsPerMessage: number;
  /** Payload, MB per CPU second of both ends; 0 where that says nothing. */
  megabytesPerCpuSecond: number;
}

/** As a UDP component would: small datagrams are copied, of large ones the memory is kept. */
function hand(queue: Buffer[], bytes: Buffer, length: number): boolean {
  const keeps = length > 256;
  queue.push(keeps ? bytes.subarray(0, length) : Buffer.from(bytes.subarray(0, length)));
  return keeps;
}

/** Two cores and a line of 1 ms each way: what one sends is queued, and handed to the other in a batch. */
class Loop {
  readonly a: Kcp;
  readonly b: Kcp;
  received = 0;
  private now = 0;
  private readonly toB: Buffer[] = [];
  private readonly toA: Buffer[] = [];
  private readonly lossEvery: number;
  private count = 0;

  constructor(options: KcpOptions, lossEvery = 0) {
    this.lossEvery = lossEvery;
    const to = (queue: Buffer[]) => ({
      output: (bytes: Buffer, length: number): boolean => {
        if (this.lossEvery !== 0 && ++this.count % this.lossEvery === 0) return false;
        return hand(queue, bytes, length);
      },
    });
    this.a = new Kcp(1, to(this.toB), options);
    this.b = new Kcp(2, to(this.toA), options);
    this.a.update(0);
    this.b.update(0);
  }

  /** Sends `burst` messages and lets both sides talk until all are there. */
  transfer(message: Uint8Array, burst: number): void {
    const goal = this.received + burst;
    for (let i = 0; i < burst; i++) this.a.send(message);
    this.a.flush(this.now);
    while (this.received < goal || this.a.waitingSendCount > 0) {
      this.now = this.toA.length + this.toB.length > 0 ? this.now + 1 : Math.max(this.now + 1, this.a.check(this.now));
      for (const d of this.toB.splice(0)) {
        this.b.input(d, this.now);
        while (this.b.recv() !== null) this.received++;
        this.b.flush(this.now);
      }
      for (const d of this.toA.splice(0)) {
        this.a.input(d, this.now);
        this.a.flush(this.now);
      }
      this.a.update(this.now);
    }
  }
}

/** Measures the KCP core against itself, the session around it, and the stateless handshake answer. */
export async function kcpBench(timeMs = 1000): Promise<KcpBenchRow[]> {
  const bench = new Bench({ time: timeMs, warmupTime: timeMs / 2 });
  const shape = new Map<string, { messages: number; segments: number; bytes: number }>();
  const add = (work: string, messages: number, segments: number, bytes: number, run: () => void): void => {
    shape.set(work, { messages, segments, bytes });
    bench.add(work, run);
  };

  const transfer = (work: string, options: KcpOptions, size: number, burst: number, lossEvery = 0): void => {
    const loop = new Loop(options, lossEvery);
    const message = Buffer.alloc(size, 1);
    const perMessage = Math.ceil(size / loop.a.settings.maxSegmentBytes);
    add(work, burst, burst * perMessage, burst * size, () => loop.transfer(message, burst));
  };
  transfer('64 B, one at a time', interactive, 64, 1);
  transfer('64 B, 256 in a burst', bulk, 64, 256);
  transfer('1 KiB, 1000 in a burst', bulk, 1024, 1000);
  transfer('1 KiB, 1000 in a burst, 5 % lost', bulk, 1024, 1000, 20);
  transfer('4 KiB, 256 in a burst', bulk, 4096, 256);

  const echo = sessionEcho();
  add('session echo, 64 B', 1, 2, 128, echo);

  const cookies = new ArqCookies();
  const first = Buffer.alloc(HANDSHAKE_BYTES);
  writeHandshake(first, 7, 0, false);
  let at = 0;
  add('stateless answer to a first packet', 1, 0, 0, () => void cookies.input(first, '192.0.2.1', 5555, at++));

  await bench.run();
  return bench.tasks.map((task) => {
    if (task.result.state !== 'completed') throw new Error(`${task.name} failed`);
    const { messages, segments, bytes } = shape.get(task.name)!;
    const perSecond = 1000 / task.result.latency.mean;
    return {
      work: task.name,
      segmentsPerCpuSecond: Math.round(perSecond * segments),
      microsecondsPerMessage: 1e6 / (perSecond * messages),
      megabytesPerCpuSecond: (perSecond * bytes) / 1e6,
    };
  });
}

/** Two complete sessions; one call is one message there and back, acknowledged both ways. */
function sessionEcho(): () => void {
  const settings = new ArqSettings(interactive);
  const queues: [Buffer[], Buffer[]] = [[], []];
  const open = (own: 0 | 1): ArqSession => {
    const session: ArqSession = new ArqSession({
      selfId: own + 1,
      now: 0,
      settings,
      host: {
        output(bytes, length) {
          return hand(queues[own], bytes, length);
        },
        onReady() {},
        onMessage(message) {
          if (own === 1) session.send(message, 0);
        },
      },
      proved: { peerId: 2 - own, isPeerComplete: true },
    });
    session.start(0);
    return session;
  };
  const sessions = [open(0), open(1)] as const;
  const message = Buffer.alloc(64);
  return () => {
    sessions[0].send(message, 0);
    while (queues[0].length + queues[1].length > 0) {
      for (const own of [0, 1] as const) {
        const peer = sessions[1 - own]!;
        const queue = queues[own];
        for (let d = queue.shift(); d !== undefined; d = queue.shift())
          if (peer.input(d, 0) !== 0) throw new Error('input');
      }
    }
  };
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  console.table(await kcpBench());
}
