import { HandleResult } from '../../src/core/enums.ts';
import { SendQueue } from '../../src/memory/send-queue.ts';
import { SendSlabPool, SlabPool } from '../../src/memory/slab-pool.ts';
import type { Port, Protocol } from '../../src/protocol/protocol.ts';
import { Compression } from '../../src/websocket/compression.ts';
import type { CompressionOptions } from '../../src/websocket/compression-budget.ts';
import { type DeflateParameters, FULL_DEFLATE } from '../../src/websocket/deflate-negotiation.ts';
import { newWebSocketCounters, type WebSocketContext } from '../../src/websocket/websocket-context.ts';
import { WebSocketProtocol } from '../../src/websocket/websocket-protocol.ts';
import type { Role } from './support.ts';

/** A port that writes down what its protocol asks for. Nothing is written to the system until `flush`. */
export class FakePort implements Port {
  readonly id = 7;
  isOpen = true;
  hasConsumer = false;
  /** Whether the user paused receiving. */
  isPaused = false;
  /** Messages that were counted. */
  counted = 0;
  /** What happened, in order: `end`, `violate 74 ...`, `threw ...`, `refused ...`. */
  readonly log: string[] = [];
  readonly delivered: unknown[] = [];
  readonly queue: SendQueue;
  /** Bytes that the system took. */
  readonly written: Buffer[] = [];
  /** Whether `maxPendingBytes` refuses everything. */
  isFull = false;
  deadlineMs = 0;
  /** Settles what a hook is waiting for. */
  pending: Promise<void> | null = null;
  protocol!: Protocol;

  constructor() {
    this.queue = new SendQueue(new SendSlabPool(), {
      write: (chunks) => {
        for (const chunk of chunks) this.written.push(Buffer.from(chunk));
        return 0;
      },
    });
  }

  deliver(data: unknown): boolean {
    this.delivered.push(data);
    return this.isOpen;
  }

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
    if (!this.isOpen) return false;
    this.queue.append(bytes, 0, bytes.length);
    return true;
  }

  count(): boolean {
    this.counted++;
    return this.isOpen;
  }

  get mayDeliver(): boolean {
    return this.isOpen && this.pending === null && !this.isPaused;
  }

  settle(hook: string, result: unknown, answered?: (value: unknown) => void): boolean {
    if (result === HandleResult.Error) {
      this.log.push(`refused ${hook}`);
      this.isOpen = false;
      return false;
    }
    if (!(result instanceof Promise)) return this.isOpen;
    this.pending = result.then((value) => {
      this.pending = null;
      answered?.(value);
      if (this.pending === null) this.protocol.resume();
    });
    return false;
  }

  threw(hook: string, thrown: unknown): boolean {
    this.log.push(`threw ${hook} ${String(thrown)}`);
    this.isOpen = false;
    return false;
  }

  violate(errno: number, message: string): void {
    this.log.push(`violate ${errno} ${message}`);
    this.isOpen = false;
  }

  send(bytes: Uint8Array): boolean {
    if (this.isFull || !this.isOpen) return false;
    this.queue.append(bytes, 0, bytes.length);
    return true;
  }

  end(): void {
    this.log.push('end');
  }

  deadline(ms: number): void {
    this.deadlineMs = ms;
  }

  /** The deadline passes. */
  expire(): void {
    if (this.deadlineMs === 0) throw new Error('there is no deadline');
    this.deadlineMs = 0;
    this.protocol.expired!();
  }

  become(): void {
    throw new Error('nothing follows a WebSocket');
  }

  hold(): () => void {
    return () => {};
  }

  /** The system takes what is queued. */
  flush(): void {
    this.queue.flush();
    this.protocol.wrote?.(0);
  }

  /** Everything that was sent. */
  get output(): Buffer {
    this.queue.flush();
    return Buffer.concat(this.written);
  }
}

export const compressionOptions: CompressionOptions = {
  ...FULL_DEFLATE,
  thresholdBytes: 0,
  level: 6,
  memLevel: 8,
  budgetBytes: 1 << 30,
  laterBytes: 0,
  maxLater: 4,
};

export interface Peer {
  readonly port: FakePort;
  readonly protocol: WebSocketProtocol;
  readonly log: string[];
  /** Sends as a component does. */
  send(data: Uint8Array | string): boolean;
}

/** A protocol on a fake port whose hooks write down what they get; `echoes` sends messages back. */
export function makePeer(
  role: Role,
  settings: Partial<WebSocketContext> & { echoes?: boolean; deflate?: DeflateParameters | null } = {},
): Peer {
  const { echoes = false, deflate = null, ...rest } = settings;
  const port = new FakePort();
  const log: string[] = [];
  const send = (data: Uint8Array | string): boolean => {
    const bytes = Buffer.from(data as Uint8Array);
    if (protocol.sizeOf(bytes.length) < 0) return false;
    protocol.sendOpcode = typeof data === 'string' ? 1 : 2;
    protocol.frame(port.queue, bytes);
    return true;
  };
  const context: WebSocketContext = {
    isServer: role === 'server',
    expectsMask: role === 'server',
    allowedReserved: 0,
    maxMessageBytes: 1 << 25,
    maxFragments: 1 << 17,
    streamBytes: Number.POSITIVE_INFINITY,
    maxStreamedBytes: 1 << 30,
    pool: new SlabPool(),
    textAsString: false,
    pingIntervalMs: 0,
    pongTimeoutMs: 5000,
    closeTimeoutMs: 3000,
    counters: newWebSocketCounters(),
    hooks: {
      message: (_id, data, isBinary) => {
        log.push(`${isBinary ? 'binary' : 'text'} ${data.length}`);
        if (echoes) send(isBinary ? (data as Buffer) : data.toString());
      },
      ping: (_id, data) => void log.push(`ping ${data.length}`),
      pong: (_id, data) => void log.push(`pong ${data.length}`),
      closing: (_id, code, reason) => void log.push(`closing ${code} ${reason}`),
      closed: (_id, end) => void log.push(`closed ${end.code} ${end.wasClean ? 'clean' : 'not clean'}`),
    },
    ...rest,
  };
  const compression = deflate === null ? null : new Compression(compressionOptions);
  const protocol = new WebSocketProtocol(context, port, '', compression?.open(deflate!, role === 'server') ?? null);
  port.protocol = protocol;
  protocol.opened();
  return { port, protocol, log, send };
}
