import { HandleResult } from '../../src/core/enums.ts';
import { HttpClientProtocol } from '../../src/http/client-protocol.ts';
import { HttpContext, type HttpContextInit } from '../../src/http/context.ts';
import type { HttpProtocol } from '../../src/http/http-protocol.ts';
import type { AnyHttpHooks } from '../../src/http/listener.ts';
import { type HttpPolicy, type HttpRules, httpRules } from '../../src/http/policy.ts';
import { sendBounds } from '../../src/http/send-room.ts';
import { HttpServerProtocol } from '../../src/http/server-protocol.ts';
import { defaultLimits, type HttpLimits, httpCounters } from '../../src/http/settings.ts';
import { SlabPool } from '../../src/memory/slab-pool.ts';
import { AtEnd, Lifetime, type Port, type Protocol } from '../../src/protocol/protocol.ts';
import { VirtualClock } from '../tools/virtual-clock.ts';

/** A connection without a socket: what a protocol does to it is written down. */
export class FakePort implements Port {
  readonly id = 7;
  isOpen = true;
  /** Whether somebody asked for a pause, as `pauseReceive` does. */
  isPaused = false;
  hasEnded = false;
  violation: { errno: number; message: string } | null = null;
  failure: { hook: string; thrown: unknown } | null = null;
  readonly delivered: Buffer[] = [];
  holds = 0;
  /** Whether sends are refused. */
  isFull = false;
  protocol!: Protocol;
  #clock: VirtualClock;
  #sent: Buffer[] = [];
  #waiting = 0;
  #held: Buffer[] = [];
  #deadline = 0;

  constructor(clock: VirtualClock) {
    this.#clock = clock;
  }

  get mayDeliver(): boolean {
    return this.isOpen && !this.isPaused && this.#waiting === 0;
  }

  readonly hasConsumer = false;

  sendAll(parts: readonly Uint8Array[]): boolean {
    return parts.every((part) => this.send(part));
  }

  /** Bytes that the protocol holds back. */
  reserved = 0;

  reserve(bytes: number): void {
    this.reserved += bytes;
  }

  sendReserved(bytes: Uint8Array, reserved: number): boolean {
    this.reserved -= reserved;
    return this.send(bytes);
  }

  count(): boolean {
    return this.isOpen;
  }

  deliver(data: unknown): boolean {
    this.delivered.push(data as Buffer);
    return this.mayDeliver;
  }

  settle(hook: string, result: unknown, answered?: (value: unknown) => void): boolean {
    const isPromise = typeof (result as PromiseLike<unknown> | null)?.then === 'function';
    if (!isPromise) {
      if (result === HandleResult.Error) this.violate(125, `${hook} refused`);
      else answered?.(result);
      return this.mayDeliver;
    }
    this.#waiting++;
    Promise.resolve(result).then(
      (value) => {
        this.#waiting--;
        if (value === HandleResult.Error) return this.violate(125, `${hook} refused`);
        answered?.(value);
        this.resume();
      },
      (thrown: unknown) => {
        this.#waiting--;
        this.threw(hook, thrown);
      },
    );
    return false;
  }

  threw(hook: string, thrown: unknown): boolean {
    this.failure ??= { hook, thrown };
    this.close();
    return false;
  }

  violate(errno: number, message: string): void {
    this.violation ??= { errno, message };
    this.close();
  }

  /** The connection closes; the protocol hears of it a turn later, as from a socket. */
  close(): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    this.#clock.schedule(this.#clock.now(), () => this.protocol.closed());
  }

  send(bytes: Uint8Array): boolean {
    if (!this.isOpen || this.isFull || this.hasEnded) return false;
    this.#sent.push(Buffer.from(bytes));
    return true;
  }

  end(): void {
    this.hasEnded = true;
  }

  deadline(ms: number): void {
    const mine = ++this.#deadline;
    if (ms > 0)
      this.#clock.schedule(this.#clock.now() + ms, () => {
        if (mine === this.#deadline) this.protocol.expired?.();
      });
  }

  become(next: Protocol): void {
    const rest = this.protocol.takeRest();
    this.protocol.closed();
    this.protocol = next;
    next.opened();
    if (rest !== null) next.receive(rest, Lifetime.Forever);
  }

  hold(): () => void {
    this.holds++;
    return () => {
      this.holds--;
    };
  }

  /** What was sent since the last call, as text. */
  takeSent(): string {
    return Buffer.concat(this.#sent.splice(0)).toString('latin1');
  }

  /** Bytes arrive, from memory that is used again behind the call, in pieces that end at `cuts`. */
  receive(text: string | Buffer, cuts: readonly number[] = [], lifetime: Lifetime = Lifetime.Call): void {
    const bytes = typeof text === 'string' ? Buffer.from(text, 'latin1') : text;
    let from = 0;
    for (const to of [...cuts, bytes.length]) {
      const piece = Buffer.from(bytes.subarray(from, to));
      from = to;
      if (!this.isOpen) return;
      if (!this.mayDeliver || this.protocol.hasBacklog || this.#held.length > 0) this.#held.push(piece);
      else {
        this.protocol.receive(piece, lifetime);
        if (lifetime !== Lifetime.Forever) piece.fill(0xee);
      }
    }
  }

  /** Goes on after a pause. */
  resume(): void {
    while (this.mayDeliver) {
      if (this.protocol.hasBacklog) {
        this.protocol.resume();
        if (this.protocol.hasBacklog) return;
      } else if (this.#held.length > 0) {
        this.protocol.receive(this.#held.shift()!, Lifetime.Forever);
      } else {
        return;
      }
    }
  }

  /** The peer's FIN. */
  peerEnds(): AtEnd {
    const verdict = this.protocol.ended();
    if (verdict !== AtEnd.Stay) this.close();
    return verdict;
  }

  /** Runs what is due, the end of the protocol among it. */
  turn(): void {
    this.#clock.advance(0);
  }
}

/** What a test may set of a context. */
export interface Setup {
  listener?: AnyHttpHooks;
  policy?: HttpPolicy;
  rules?: Partial<HttpRules>;
  limits?: Partial<HttpLimits>;
  context?: Partial<HttpContextInit>;
}

const pool = new SlabPool();

function contextOf(setup: Setup, clock: VirtualClock): HttpContext {
  return new HttpContext({
    owner: 'owner',
    listener: setup.listener ?? {},
    clock,
    pool,
    limits: { ...defaultLimits, ...setup.limits },
    rules: httpRules(setup.policy ?? 'strict', setup.rules),
    counters: httpCounters(),
    autoStart: true,
    localVersion: 0x0101,
    bounds: sendBounds(0),
    consume: null,
    upgradeTo: null,
    reportHookError: (hook, error) => {
      throw new Error(`${hook}: ${String(error)}`);
    },
    ...setup.context,
  });
}

export interface Fake<P extends HttpProtocol> {
  port: FakePort;
  protocol: P;
  context: HttpContext;
  clock: VirtualClock;
}

function connect<P extends HttpProtocol>(setup: Setup, make: (context: HttpContext, port: FakePort) => P): Fake<P> {
  const clock = new VirtualClock();
  const port = new FakePort(clock);
  const context = contextOf(setup, clock);
  const protocol = make(context, port);
  port.protocol = protocol;
  protocol.opened();
  return { port, protocol, context, clock };
}

/** A server's connection. */
export function serverPort(setup: Setup = {}): Fake<HttpServerProtocol> {
  return connect(setup, (context, port) => new HttpServerProtocol(context, port));
}

/** A client's connection. */
export function clientPort(setup: Setup = {}): Fake<HttpClientProtocol> {
  return connect(setup, (context, port) => new HttpClientProtocol(context, port));
}

/** Hooks that write down each call; pieces of a body that follow each other are one entry. */
export function recordingHooks(log: string[] = []): AnyHttpHooks & { log: string[] } {
  return {
    log,
    onMessageBegin: () => void log.push('begin'),
    onRequestLine: (_s, _id, method, url) => void log.push(`${method} ${url}`),
    onStatusLine: (_s, _id, status, reason) => void log.push(`${status} ${reason}`),
    onHeader: (_s, _id, name, value) => void log.push(`${name}=${value}`),
    onHeadersComplete: () => void log.push('head'),
    onBody: (_s, _id, data) => {
      const text = data.toString('latin1');
      if (log.at(-1)?.startsWith('body ')) log[log.length - 1] += text;
      else log.push(`body ${text}`);
    },
    onChunkHeader: (_s, _id, length) => void log.push(`chunk ${length}`),
    onChunkComplete: () => void log.push('chunk end'),
    onMessageComplete: () => void log.push('complete'),
    onUpgrade: (_s, _id, type) => void log.push(`upgrade ${type}`),
    onParseError: (_s, _id, code) => void log.push(`error ${code}`),
  };
}
