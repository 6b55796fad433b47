import { shown } from '../core/describe.ts';
import { SocketErrorCode, SocketOperation } from '../core/enums.ts';
import { Errno, errnoOf } from '../core/errno.ts';
import type { SocketErrorName } from '../core/error-names.ts';
import { describeSystemError, SocketError } from '../core/errors.ts';
import { toBytes } from '../memory/sendable.ts';
import {
  MAX_PREAMBLE_BYTES,
  type Preamble,
  type PreambleFactory,
  type PreamblePort,
} from '../protocol/preambles/preamble.ts';
import { Lifetime } from '../protocol/protocol.ts';
import type { Link, PreambleSide } from './link.ts';
import { ConnectionState } from './state.ts';

const EMPTY = Buffer.alloc(0);
/** Milliseconds that what a preamble sent before it failed may take to get to the system. */
const LAST_WORDS_MS = 100;

/** What is told of a failure. */
export interface SocketFailure {
  message: string;
  errno: number;
  code?: SocketErrorName | undefined;
}

/** What a stage is made for. Exactly one of these is called for each stage. */
export interface StageOwner {
  /** All preambles are done, and everything that they sent is written: the connection opens. */
  finished(stage: PreambleStage): void;
  /** The connection closed before. */
  gaveUp(stage: PreambleStage): void;
}

/**
 * The preambles of one connection, one after another. The connection is connecting meanwhile.
 *
 * ```
 *   start --> begin --> receive ... --> done --+--> (all is written) --> the receiver gets the rest --> finished
 *               ^                              |
 *               +------ next preamble ---------+        fail, FIN, error, time-out: the connection closes
 * ```
 */
export class PreambleStage implements PreambleSide {
  /** The connection that they are spoken on. */
  readonly connection: Link;
  readonly #factories: readonly PreambleFactory[];
  readonly #isServer: boolean;
  /** The preamble that is spoken; null before the first and behind the last. */
  #current: StagePort | null = null;
  #index = 0;
  /** What no preamble has taken. */
  #input: Buffer = EMPTY;
  #isOwnInput = true;
  #isRunning = false;
  /** Whether the socket is connected. */
  hasStarted = false;
  /** Nothing more is given to preambles. */
  #isOver = false;
  /** Whether the first preamble is not made yet: the first bytes may be all that it would take. */
  protected isLazy = false;
  /** Whether something else counts its failure. */
  isCounted = false;
  /** Says in words what a failure of the socket means; null if it cannot. */
  explain: ((cause: Error) => SocketFailure | null) | null = null;
  /** Puts another socket in the place of this one when all that was sent is written. */
  #replace: ((surplus: Buffer | null) => void) | null = null;
  /** Closes the connection when its last words are written. */
  #closing: (() => void) | null = null;
  /** The peer sent its FIN: a preamble that needs more than has come will not get it. */
  #hasEnded = false;
  readonly #owner: StageOwner;

  constructor(connection: Link, factories: readonly PreambleFactory[], isServer: boolean, owner: StageOwner) {
    this.#owner = owner;
    this.connection = connection;
    this.#factories = factories;
    this.#isServer = isServer;
  }

  /** The socket is connected. */
  start(): void {
    this.hasStarted = true;
    if (!this.isLazy) this.run();
    this.#readOn();
  }

  /**
   * Does without the first preamble, if the first bytes have all that it would take; of a lazy stage.
   * @returns How many it took; 0 if it is needed.
   */
  protected takeFirst(_bytes: Buffer): number {
    return 0;
  }

  /** The first preamble is needed. */
  #wake(): void {
    if (!this.isLazy) return;
    this.isLazy = false;
    if (this.hasStarted) this.run();
  }

  get #isAlive(): boolean {
    return this.connection.state === ConnectionState.Connecting;
  }

  /** Whether the preambles are done, or one has failed. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** What is awaited, for the sentence of a failure. */
  get awaits(): string {
    return this.#current?.preamble?.awaits ?? 'the peer';
  }

  received(bytes: Buffer, lifetime: Lifetime): void {
    const isOwn = lifetime === Lifetime.Forever;
    let taken = 0;
    if (this.isLazy) {
      this.isLazy = false;
      taken = this.takeFirst(bytes);
      if (taken > 0) this.#index = 1;
    }
    if (this.#input.length === 0) {
      this.#input = taken === 0 ? bytes : bytes.subarray(taken);
      this.#isOwnInput = isOwn;
    } else {
      this.#input = Buffer.concat([this.#input, bytes]);
      this.#isOwnInput = true;
    }
    this.run();
    if (!this.#isOwnInput && this.#input.length > 0) {
      this.#input = Buffer.from(this.#input);
      this.#isOwnInput = true;
    }
  }

  /** A preamble is ready for bytes again. */
  again(): void {
    if (this.#isRunning || this.#isOver) return;
    this.run();
    this.#readOn();
  }

  #readOn(): void {
    const isBusy = this.#input.length > 0 && this.#current?.preamble?.isBusy === true;
    if (!this.#isOver && this.#isAlive && !isBusy && this.#replace === null) this.connection.socket.resume();
  }

  /**
   * Stops reading, and calls `replace` when everything that was sent is written and no read is delivered: it puts another socket in the
   * place of this one. It gets what has been read and not taken, null if nothing.
   */
  replaceSocket(replace: (surplus: Buffer | null) => void): void {
    const { connection } = this;
    this.#replace = replace;
    connection.socket.pause();
    connection.awaitsSent = true;
    connection.host.schedule(connection);
  }

  #replaceNow(replace: (surplus: Buffer | null) => void): void {
    this.#replace = null;
    if (!this.#isAlive || this.#isOver) return;
    const surplus = this.#input;
    this.#input = EMPTY;
    try {
      replace(surplus.length === 0 ? null : surplus);
    } catch (thrown) {
      this.threw(thrown);
    }
  }

  threw(thrown: unknown): void {
    const operation = this.#isServer ? SocketOperation.Receive : SocketOperation.Connect;
    if (this.#isAlive) this.connection.hookFailed('preamble', thrown, operation);
  }

  /** Goes on as far as it can. */
  run(): void {
    if (this.#isRunning || this.#isOver) return;
    this.#isRunning = true;
    try {
      while (this.#isAlive && !this.#isOver && this.#step());
    } catch (thrown) {
      this.threw(thrown);
    }
    this.#isRunning = false;
    if (!this.#isAlive || this.#isOver) return;
    if (this.#current === null) this.#finish();
    else if (this.#hasEnded) this.#checkEnd();
  }

  /** A preamble that is busy may need nothing more of a peer that has ended. */
  #checkEnd(): void {
    if (this.#current?.preamble?.isBusy !== true)
      this.fail(`the peer ended the connection in place of ${this.awaits}`, Errno.ECONNABORTED);
  }

  /** @returns false when something is awaited, or nothing is left to do. */
  #step(): boolean {
    let current = this.#current;
    if (current === null) {
      const make = this.#factories[this.#index++];
      if (make === undefined) return false;
      current = new StagePort(this.connection, this);
      this.#current = current;
      current.preamble = make(current);
      current.preamble.begin?.();
    } else {
      const { preamble } = current;
      const input = this.#input;
      if (input.length === 0) return false;
      const taken = preamble!.receive(input);
      if (!(Number.isInteger(taken) && taken >= 0 && taken <= input.length))
        throw new RangeError('receive of a preamble must return how many of the bytes it took');
      this.#input = taken === input.length ? EMPTY : input.subarray(taken);
      if (!current.isDone && taken === 0 && preamble!.isBusy === true) {
        this.connection.socket.pause();
        return false;
      }
      if (!current.isDone && taken === 0) {
        const { maxBytes = MAX_PREAMBLE_BYTES } = preamble!;
        if (this.#isAlive && input.length > maxBytes)
          this.fail(`the peer sent more than ${maxBytes} bytes in place of ${this.awaits}`, Errno.EMSGSIZE);
        return false;
      }
    }
    if (current.isDone) {
      this.#current = null;
      current.preamble!.closed?.();
    }
    return true;
  }

  /** All preambles are done. */
  #finish(): void {
    const connection = this.connection;
    this.#isOver = true;
    if (connection.pendingBytes === 0) return this.#handOver();
    connection.socket.pause();
    connection.awaitsSent = true;
    connection.host.schedule(connection);
  }

  /** Everything that was sent is written. */
  allSent(): void {
    if (this.#closing !== null) this.#closing();
    else if (this.#replace !== null) this.#replaceNow(this.#replace);
    else if (this.#isOver && this.#isAlive) this.#handOver();
  }

  /** The connection opens; what no preamble took is delivered at once if that is done, and else held. */
  #handOver(): void {
    const connection = this.connection;
    const { receiver } = connection;
    connection.preambles = null;
    this.#owner.finished(this);
    const rest = this.#input;
    this.#input = EMPTY;
    if (rest.length > 0) receiver.received(rest, this.#isOwnInput ? Lifetime.Forever : Lifetime.Call);
    // What comes next is left in the socket until it is known what reads it.
    else if (connection.state < ConnectionState.Open || receiver.pauses !== 0) connection.socket.pause();
  }

  /** The peer sent its FIN. */
  ended(): void {
    this.#wake();
    this.#hasEnded = true;
    if (!this.#isOver && !this.#isRunning) this.#checkEnd();
  }

  /** The socket failed. */
  socketFailed(cause: Error): void {
    this.failed(cause, this.explain?.(cause) ?? null);
  }

  /** As `socketFailed`. @param failure What that means; null to describe it as an error of the system. */
  failed(cause: Error, failure: SocketFailure | null): void {
    if (this.#closing !== null) return this.#closing();
    this.#wake();
    if (failure !== null) return this.#close(failure.message, failure.errno, cause, failure.code);
    const errno = errnoOf(cause);
    this.#close(describeSystemError(`the connection failed in place of ${this.awaits}`, errno, cause), errno, cause);
  }

  /** The time is over. @returns Whether a preamble was content with that. */
  expired(): boolean {
    this.#wake();
    const current = this.#current;
    if (this.#isRunning || this.#isOver || current === null) return false;
    this.#isRunning = true;
    try {
      current.preamble!.expired?.();
    } catch (thrown) {
      this.threw(thrown);
    }
    this.#isRunning = false;
    if (!current.isDone) return !this.#isAlive;
    this.#current = null;
    current.preamble!.closed?.();
    this.run();
    return true;
  }

  /** A preamble said that it is done, perhaps in a later turn. */
  settled(port: StagePort): void {
    if (this.#isRunning || this.#current !== port) return;
    this.#current = null;
    port.preamble?.closed?.();
    this.run();
    this.#readOn();
  }

  fail(message: string, errno: number): void {
    this.#close(message, errno, undefined);
  }

  /** Closes the connection, behind what its preambles have sent: that may be why. */
  #close(message: string, errno: number, cause: Error | undefined, code?: SocketErrorName): void {
    // A socket may still fail when all are done, and what they sent is not written.
    if (!this.#isAlive || (this.#isOver && cause === undefined)) return;
    this.#isOver = true;
    const connection = this.connection;
    const { id: connId, host, remoteHost, remotePort } = connection;
    // A limit that refused the client has counted it.
    if (this.#isServer && !this.isCounted) host.limits.preambles++;
    const what = this.#isServer ? '' : `connecting to ${shown(remoteHost)}:${remotePort} failed: `;
    const error = new SocketError({
      socketError: this.#isServer ? SocketErrorCode.DataProc : SocketErrorCode.ConnectServer,
      code,
      errno,
      operation: this.#isServer ? 'receive' : 'connect',
      connId,
      message: what + message,
      cause,
    });
    const operation = this.#isServer ? SocketOperation.Receive : SocketOperation.Connect;
    const close = (): void => connection.close(operation, errno, error);
    if (connection.pendingBytes === 0 || cause !== undefined) return close();
    this.#closing = close;
    connection.socket.pause();
    connection.deadlines.armStage(LAST_WORDS_MS, close);
    connection.awaitsSent = true;
    connection.host.schedule(connection);
  }

  /** The connection is closed. */
  closed(): void {
    const current = this.#current;
    this.#current = null;
    this.#isOver = true;
    this.#input = EMPTY;
    this.#owner.gaveUp(this);
    try {
      current?.preamble?.closed?.();
    } catch (thrown) {
      this.connection.hookFailed('preamble', thrown, SocketOperation.Close);
    }
  }
}

/** What one preamble sees of its connection. */
export class StagePort implements PreamblePort {
  preamble: Preamble | null = null;
  isDone = false;
  readonly connection: Link;
  readonly stage: PreambleStage;

  constructor(connection: Link, stage: PreambleStage) {
    this.connection = connection;
    this.stage = stage;
  }

  get id(): number {
    return this.connection.id;
  }

  get isOpen(): boolean {
    return !this.isDone && !this.stage.isOver && this.connection.state === ConnectionState.Connecting;
  }

  get localAddress(): string {
    return this.connection.localAddress?.address ?? '';
  }

  get localPort(): number {
    return this.connection.localAddress?.port ?? 0;
  }

  get remoteAddress(): string {
    return this.connection.remoteAddress;
  }

  get remotePort(): number {
    return this.connection.remotePort;
  }

  get extra(): unknown {
    return this.connection.extra;
  }

  set extra(extra: unknown) {
    this.connection.extra = extra;
  }

  send(bytes: Uint8Array | string): void {
    if (this.isOpen) this.connection.sendRaw(toBytes(bytes, 0, undefined));
  }

  done(): void {
    if (!this.isOpen) return;
    this.isDone = true;
    this.stage.settled(this);
  }

  fail(message: string, errno: number = Errno.EBADMSG): void {
    if (this.isOpen) this.stage.fail(message, errno);
  }

  threw(thrown: unknown): void {
    if (this.isOpen) this.stage.threw(thrown);
  }

  again(): void {
    if (this.isOpen) this.stage.again();
  }
}
