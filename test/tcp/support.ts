import { once } from 'node:events';
import net from 'node:net';
import type { CloseInfo, SocketError, SocketOperation } from '../../src/index.ts';

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);

/** Whether several servers can listen on one port here (`ReuseAddressPolicy.AddrAndPort`). */
export const canSharePort =
  process.platform === 'linux' && (major > 23 || (major === 23 && minor >= 1) || (major === 22 && minor >= 12));

/** A promise and what settles it. */
export interface Deferred<T> {
  readonly promise: Promise<T>;
  resolve(value: T): void;
  reject(error: unknown): void;
}

export function deferred<T = void>(): Deferred<T> {
  let resolve!: (value: T) => void;
  let reject!: (error: unknown) => void;
  const promise = new Promise<T>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
}

/** Counts something, and tells when it has happened often enough. */
export class Counter {
  count = 0;
  #waiting: { count: number; resolve: () => void }[] = [];

  add(by = 1): void {
    this.count += by;
    const ready = this.#waiting.filter((one) => one.count <= this.count);
    if (ready.length === 0) return;
    this.#waiting = this.#waiting.filter((one) => one.count > this.count);
    for (const one of ready) one.resolve();
  }

  /** Resolves when it happened `count` times in all. */
  reach(count: number): Promise<void> {
    if (this.count >= count) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push({ count, resolve }));
  }
}

/** What an `onClose` told. */
export interface SeenClose {
  connId: number;
  operation: SocketOperation;
  errorCode: number;
  error: SocketError | undefined;
}

type AnyHook = (...args: never[]) => unknown;

const hookNames = [
  'onPrepareListen',
  'onAccept',
  'onPrepareConnect',
  'onConnect',
  'onHandShake',
  'onReceive',
  'onEnd',
  'onSend',
  'onSendBlocked',
  'onSendDrained',
  'onClose',
  'onShutdown',
  'onHookError',
];
/** Noted only if the listener has them, since having them changes what a component does. */
const optionalNames = new Set(['onEnd', 'onSend', 'onHookError']);

/** Notes every hook of the listeners that it wraps, in order, and tells when a hook was called often enough. */
export class Journal {
  /** `hook` or `hook:connId`, in order. */
  readonly events: string[] = [];
  /** State of the component inside each hook. */
  readonly states = new Map<string, Set<number>>();
  readonly closes: SeenClose[] = [];
  readonly received: Buffer[] = [];
  #counters = new Map<string, Counter>();

  counter(hook: string): Counter {
    let counter = this.#counters.get(hook);
    if (counter === undefined) {
      counter = new Counter();
      this.#counters.set(hook, counter);
    }
    return counter;
  }

  count(hook: string): number {
    return this.counter(hook).count;
  }

  /** Resolves when `hook` was called `count` times in all. */
  reach(hook: string, count = 1): Promise<void> {
    return this.counter(hook).reach(count);
  }

  /** Names of the hooks in order, without those of the list. */
  names(...without: string[]): string[] {
    return this.events.map((event) => event.split(':')[0]!).filter((name) => !without.includes(name));
  }

  /** The listener with every hook noted before it is called. */
  record<H extends object>(hooks: H): H {
    const given = hooks as Record<string, AnyHook | undefined>;
    const result: Record<string, unknown> = {};
    for (const hook of hookNames) {
      const own = given[hook];
      if (own === undefined && optionalNames.has(hook)) continue;
      result[hook] = (sender: { state: number }, ...args: unknown[]) => {
        const connId = typeof args[0] === 'number' ? `:${args[0]}` : '';
        this.events.push(`${hook}${connId}`);
        const states = this.states.get(hook) ?? new Set();
        this.states.set(hook, states.add(sender.state));
        if (hook === 'onReceive' && Buffer.isBuffer(args[1])) this.received.push(args[1]);
        if (hook === 'onClose') {
          const [id, operation, errorCode, info] = args as [number, SocketOperation, number, CloseInfo];
          this.closes.push({ connId: id, operation, errorCode, error: info.error ?? undefined });
        }
        try {
          return (own as ((...all: unknown[]) => unknown) | undefined)?.call(hooks, sender, ...args);
        } finally {
          this.counter(hook).add();
        }
      };
    }
    return result as H;
  }
}

/** What a promise rejected with; fails if it did not. */
export async function rejection(promise: Promise<unknown>): Promise<SocketError> {
  let value: unknown;
  try {
    value = await promise;
  } catch (error) {
    return error as SocketError;
  }
  throw new Error(`it should have rejected, but resolved with ${String(value)}`);
}

/** A bare socket that is connected; what goes wrong with it later is its own business. */
export async function connectBare(port: number, options: Partial<net.TcpNetConnectOpts> = {}): Promise<net.Socket> {
  const socket = net.connect({ host: '127.0.0.1', port, allowHalfOpen: true, ...options });
  await once(socket, 'connect');
  socket.on('error', () => {});
  return socket;
}

/** A bare server on loopback. `close` also cuts its connections. */
export interface BareServer {
  readonly port: number;
  readonly sockets: net.Socket[];
  readonly server: net.Server;
  /** The connection that was accepted as number `index`. */
  accepted(index?: number): Promise<net.Socket>;
  [Symbol.asyncDispose](): Promise<void>;
}

export async function listenBare(options: net.ListenOptions & { pauseOnConnect?: boolean } = {}): Promise<BareServer> {
  const { pauseOnConnect = false, ...where } = options;
  const sockets: net.Socket[] = [];
  const counter = new Counter();
  const server = net.createServer({ allowHalfOpen: true, pauseOnConnect }, (socket) => {
    socket.on('error', () => {});
    sockets.push(socket);
    counter.add();
  });
  server.listen({ host: '127.0.0.1', port: 0, ...where });
  await once(server, 'listening');
  return {
    port: (server.address() as net.AddressInfo).port,
    sockets,
    server,
    async accepted(index = 0) {
      await counter.reach(index + 1);
      return sockets[index]!;
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      if (!server.listening) return;
      server.close();
      await once(server, 'close');
    },
  };
}

/** Everything that a bare socket gets until the peer's FIN. */
export async function readToEnd(socket: net.Socket): Promise<Buffer> {
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  if (!socket.readableEnded) await once(socket, 'end');
  return Buffer.concat(chunks);
}

/** Exactly `length` bytes of a bare socket. */
export function readBytes(socket: net.Socket, length: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let have = 0;
    const done = (act: () => void): void => {
      socket.off('data', onData);
      socket.off('close', onClose);
      act();
    };
    const onData = (chunk: Buffer): void => {
      chunks.push(chunk);
      have += chunk.length;
      if (have >= length) done(() => resolve(Buffer.concat(chunks)));
    };
    const onClose = (): void => done(() => reject(new Error(`closed after ${have} of ${length} bytes`)));
    socket.on('data', onData);
    socket.on('close', onClose);
    socket.resume();
  });
}

/** Polls a condition that has no event of its own. */
export async function eventually(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 1));
}
