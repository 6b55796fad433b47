import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import type { Clock } from '../../src/core/clock.ts';
import type { CloseInfo } from '../../src/core/close-info.ts';
import { $wheel } from '../../src/core/internals.ts';
import { type TimerHost, TimerWheel } from '../../src/core/timer-wheel.ts';

export const CLOSE_NOTIFY = Buffer.from('beb61febda5246ba923359dbbfe6c8e4', 'hex');

/** A packet of the ARQ handshake, from the peer with the ID `self`. */
export function handshake(self: number, peer: number, isComplete = false): Buffer {
  const bytes = Buffer.from(`4fbb010${isComplete ? 1 : 0}0000000000000000`, 'hex');
  bytes.writeUInt32LE(self, 4);
  bytes.writeUInt32LE(peer, 8);
  return bytes;
}

/** One KCP push segment. */
export function push(conv: number, sn: number, data: Buffer, frg = 0): Buffer {
  const head = Buffer.alloc(24);
  head.writeUInt32LE(conv, 0);
  head[4] = 81;
  head[5] = frg;
  head.writeUInt16LE(512, 6);
  head.writeUInt32LE(sn, 12);
  head.writeUInt32LE(data.length, 20);
  return Buffer.concat([head, data]);
}

/** Data of the push segments in a datagram of an ARQ session, as text. */
export function pushedIn(datagram: Buffer): string[] {
  const texts: string[] = [];
  if (datagram.length === 12 || datagram.equals(CLOSE_NOTIFY)) return texts;
  for (let at = 0; at + 24 <= datagram.length; ) {
    const length = datagram.readUInt32LE(at + 20);
    if (datagram[at + 4] === 81) texts.push(datagram.toString('latin1', at + 24, at + 24 + length));
    at += 24 + length;
  }
  return texts;
}

type Answer = (...args: never[]) => unknown;
/** One call of a hook: its name and its arguments without the sender; bytes as hex. */
export type Event = [hook: string, ...rest: unknown[]];

/** A listener that notes every call and can be waited for. */
export class Recorder {
  readonly events: Event[] = [];
  readonly hooks: Record<string, (...args: unknown[]) => unknown> = {};
  #waiting: Array<() => void> = [];

  /** @param answers What hooks do and return. @param without Hooks that do not exist. */
  constructor(answers: Record<string, Answer> = {}, without: readonly string[] = []) {
    for (const hook of [
      'onPrepareListen',
      'onPrepareConnect',
      'onAccept',
      'onConnect',
      'onHandShake',
      'onReceive',
      'onSend',
      'onClose',
      'onError',
      'onShutdown',
      'onHookError',
      ...Object.keys(answers),
    ]) {
      if (without.includes(hook)) continue;
      this.hooks[hook] = (...args: unknown[]) => {
        this.events.push([hook, ...args.slice(1).map(plain)]);
        for (const wake of this.#waiting.splice(0)) wake();
        return (answers[hook] as ((...args: unknown[]) => unknown) | undefined)?.(...args);
      };
    }
  }

  names(...ignored: string[]): string[] {
    return this.events.map(([hook]) => hook).filter((hook) => !ignored.includes(hook));
  }

  of(hook: string): Event[] {
    return this.events.filter(([name]) => name === hook);
  }

  /** Resolves when `hook` has been called `count` times, with its last call. */
  async until(hook: string, count = 1): Promise<Event> {
    while (this.of(hook).length < count) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    return this.of(hook)[count - 1]!;
  }
}

function plain(value: unknown): unknown {
  if (Buffer.isBuffer(value)) return value.toString('hex');
  if (value instanceof Error) return value.message;
  if (isCloseInfo(value)) return value.error?.message;
  return typeof value === 'object' && value !== null && 'on' in value ? '<socket>' : value;
}

function isCloseInfo(value: unknown): value is CloseInfo {
  return typeof value === 'object' && value !== null && 'endedBy' in value;
}

/** A bare socket on loopback that keeps what it receives. */
export class RawPeer {
  readonly socket: Socket;
  readonly received: Buffer[] = [];
  #waiting: Array<() => void> = [];
  #arrived: ((bytes: Buffer) => void) | null = null;
  readonly remote: { port: number; address: string };

  private constructor(socket: Socket, port: number, address: string) {
    this.socket = socket;
    this.remote = { port, address };
    socket.on('message', (bytes, rinfo) => {
      if (this.remote.port === 0) this.remote.port = rinfo.port;
      this.received.push(bytes);
      this.#arrived?.(bytes);
      for (const wake of this.#waiting.splice(0)) wake();
    });
  }

  /** @param port Whom it sends to; 0: whoever sends first. */
  static async open(port: number, options: { localPort?: number; family?: 4 | 6 } = {}): Promise<RawPeer> {
    const isIPv6 = options.family === 6;
    const socket = createSocket({ type: isIPv6 ? 'udp6' : 'udp4', recvBufferSize: 4 * 1024 * 1024 });
    const address = isIPv6 ? '::1' : '127.0.0.1';
    socket.bind(options.localPort ?? 0, address);
    await once(socket, 'listening');
    return new RawPeer(socket, port, address);
  }

  get port(): number {
    return this.socket.address().port;
  }

  onArrival(arrived: (bytes: Buffer) => void): void {
    this.#arrived = arrived;
  }

  send(bytes: Uint8Array | string): Promise<void> {
    const data = typeof bytes === 'string' ? Buffer.from(bytes, 'hex') : bytes;
    return new Promise((resolve, reject) => {
      this.socket.send(data, this.remote.port, this.remote.address, (error) => (error ? reject(error) : resolve()));
    });
  }

  /** The datagram number `count`, counted from 1. */
  async until(count: number): Promise<Buffer> {
    while (this.received.length < count) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    return this.received[count - 1]!;
  }

  hex(): string[] {
    return this.received.map((bytes) => bytes.toString('hex'));
  }

  close(): Promise<void> {
    return new Promise((resolve) => this.socket.close(() => resolve()));
  }
}

/** A wheel whose time passes only when told. */
export class ManualTime implements Clock, TimerHost {
  #now = 1000;
  readonly wheel = new TimerWheel(this, this);

  now(): number {
    return this.#now;
  }

  set(): unknown {
    return this;
  }

  clear(): void {}

  pass(ms: number): void {
    for (const end = this.#now + ms; this.#now < end; ) {
      this.#now = Math.min(this.#now + 10, end);
      this.wheel.advance();
    }
  }

  /** As `pass`, with the process asleep meanwhile. */
  jump(ms: number): void {
    this.#now += ms;
    this.wheel.advance();
  }

  /** Makes a component, before it starts, live in this time. */
  drive<T extends object>(component: T): T {
    (component as unknown as { [$wheel]: TimerWheel })[$wheel] = this.wheel;
    return component;
  }
}

/** Resolves when what is on its way on loopback has been handled: a few turns of the event loop. */
export async function turns(count = 4): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve));
}

/** Polls a condition that has no event of its own. */
export async function eventually(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 1));
}
