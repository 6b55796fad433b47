import { clip } from './describe.ts';
import type { SocketErrorCode } from './enums.ts';
import { errnoName, errnoOf } from './errno.ts';
import { errorName, type SocketErrorName } from './error-names.ts';

/** What `SocketError` is made of. */
export interface SocketErrorInit {
  /** HP-Socket's number of the component error (`EnSocketError`). */
  socketError: SocketErrorCode;
  /** The stable code. Left out, it is what the two numbers and the cause stand for. */
  code?: SocketErrorName | undefined;
  /** A sentence that says what happened and what to do. */
  message: string;
  /** Linux errno, as HP-Socket's system error. Taken from `cause` when left out. */
  errno?: number | undefined;
  /** The connection concerned, if there is one. */
  connId?: number | undefined;
  /** The operation that failed: `'start'`, `'connect'`, `'send'`, ... */
  operation: string;
  /** The error of the system, or what a hook threw. */
  cause?: unknown | undefined;
}

const brand: unique symbol = Symbol.for('hp-socket.SocketError') as never;

/**
 * The one error class of this library, apart from the `TypeError` and `RangeError` that wrong arguments throw.
 *
 * ```ts
 * client.start('127.0.0.1', 5555).catch((error) => {
 *   if (error instanceof SocketError && error.code === 'ECONNREFUSED') return retryLater();
 *   throw error;
 * });
 * ```
 *
 * `instanceof` works across two copies of this package in one process.
 */
export class SocketError extends Error {
  /** Always `SocketError`. */
  override readonly name = 'SocketError';
  /** What failed, as a stable name: `'ECONNREFUSED'`, `'HP_MESSAGE_TOO_LARGE'`, ... */
  readonly code: SocketErrorName;
  /** HP-Socket's number of the component error (`EnSocketError`), as `lastError` of the component gives it. */
  readonly socketError: SocketErrorCode;
  /** HP-Socket's system error: a Linux errno on every platform; 0 if there was none. */
  readonly errno: number;
  /** Name of `errno`; '' if it is 0. */
  readonly errnoName: string;
  /** The connection concerned; null if it was none. */
  readonly connId: number | null;
  /** What failed: `'start'`, `'connect'`, `'send'`, the name of a hook, ... */
  readonly operation: string;
  /** @internal */
  readonly [brand] = true;

  constructor(init: SocketErrorInit) {
    super(init.message, init.cause === undefined ? undefined : { cause: init.cause });
    this.errno = init.errno ?? (init.cause === undefined ? 0 : errnoOf(init.cause));
    this.code = init.code ?? errorName(init.socketError, this.errno, init.cause);
    this.socketError = init.socketError;
    this.errnoName = this.errno === 0 ? '' : errnoName(this.errno);
    this.connId = init.connId ?? null;
    this.operation = init.operation;
  }

  static override [Symbol.hasInstance](value: unknown): boolean {
    if (this !== SocketError) return Function.prototype[Symbol.hasInstance].call(this, value);
    return typeof value === 'object' && value !== null && brand in value;
  }
}

/** An impossible state inside the library: never the caller's fault, please report it. */
export function internalError(message: string): Error {
  return new Error(`hp-socket internal error: ${message}. Please report it.`);
}

/** Sentences for what the system refuses, by errno name: what it means and what to do. */
const advice: Readonly<Record<string, string>> = {
  EADDRINUSE:
    'another program (or another component) already uses it; stop that one, choose another port, or use port 0',
  EACCES: 'this process may not use it; ports below 1024 and foreign socket files need rights, so choose a higher port',
  EADDRNOTAVAIL: 'no network interface of this machine has that address; use an own address, 0.0.0.0 or ::',
  EHOSTUNREACH: 'the host name does not resolve or no route leads there; check the name and the network',
  ENETUNREACH: 'no route leads to that network; check the address and the network',
  ECONNREFUSED: 'nothing listens there; check host and port, and that the server is started',
  ETIMEDOUT:
    'no answer came in time; check that the host is up and no firewall drops the packets, or raise the time-out',
  ECONNRESET: 'the peer reset the connection; its log may tell why',
  EMFILE: 'this process has no file descriptors left; raise the limit (ulimit -n) or keep fewer connections',
  ENFILE: 'this machine has no file descriptors left; raise the system limit or keep fewer connections',
  ENOENT: 'the path does not exist; for a socket file, check that the server is started',
  EINVAL: 'an argument is not valid; check address, port and options',
  EAFNOSUPPORT: 'the address family does not fit; do not mix IPv4 and IPv6 addresses',
  ECANCELED: 'it was cancelled; a hook answered HandleResult.Error or a signal aborted it',
  ENOBUFS: 'the system has no buffer space left; send slower or raise the limits',
};

/** The same where it is something else for socket files. */
const fileAdvice: Readonly<Record<string, string>> = {
  EADDRINUSE: 'another program listens there, or one left the file behind; stop that one, or remove the file',
  EACCES: 'the directory does not exist, or this process may not write there; check the path and its rights',
  ECONNREFUSED: 'nobody listens there any more; check that the server is started',
};

/** The same where it is something else for a socket that connects. */
const connectAdvice: Readonly<Record<string, string>> = {
  EADDRNOTAVAIL:
    'the own port is in use towards that peer, or all ports are; choose another localPort or none, close connections, or connect from another own address',
};

/** "what failed: reason (ECODE); what to do." @param isFile Whether it is about a Unix domain socket. */
export function describeSystemError(what: string, errno: number, cause?: unknown, isFile = false): string {
  const name = errnoName(errno);
  const reason = cause instanceof Error ? clip(cause.message) : '';
  const special = isFile
    ? fileAdvice
    : (cause as NodeJS.ErrnoException | undefined)?.syscall === 'connect'
      ? connectAdvice
      : {};
  const help = special[name] ?? advice[name];
  return `${what}: ${name}${help === undefined ? '' : ` - ${help}`}${reason === '' || reason.includes(name) ? '' : ` (${reason})`}`;
}
