import { Duplex } from 'node:stream';
import type { Component } from '../core/component.ts';
import { destroyedError, unsentError } from '../core/connection-errors.ts';
import { SocketErrorCode, SocketOperation } from '../core/enums.ts';
import { Errno } from '../core/errno.ts';
import { SocketError } from '../core/errors.ts';
import { $failed } from '../core/internals.ts';
import { checkOptions, type OptionRule } from '../core/option-names.ts';
import { flag } from '../core/properties.ts';
import { sharedMemory } from '../memory/read-memory.ts';
import { COPY_LIMIT_BYTES } from '../memory/send-queue.ts';
import { PushProtocol } from '../protocol/push.ts';
import type { Consumer } from './consumer.ts';
import { ConnectionState } from './state.ts';
import type { StreamConnection } from './stream-connection.ts';

/**
 * Makes `consumer` take the place of the listener's `onReceive` on a connection. A pull connection becomes a push one, and
 * begins with what it holds.
 */
export function attachConsumer(
  component: Component,
  connection: StreamConnection | undefined,
  consumer: Consumer,
): void {
  const isOpen = connection !== undefined && connection.isConnected;
  if (isOpen && connection.consumer === null) {
    connection.attachConsumer(consumer);
    const { receiver } = connection;
    if (!receiver.protocol.deliversBytes) {
      const rest = receiver.protocol.takeRest();
      receiver.become(new PushProtocol({ pool: sharedMemory().slabs, maxChunkBytes: 0 }, receiver));
      if (rest !== null && !consumer.deliver(rest)) receiver.pauseConsumer();
    }
    if (receiver.hasToldEnd) consumer.ended();
    return;
  }
  throw isOpen ? isTaken(component) : noSuchConnection(component);
}

/** The error of a stream or an iterator of a connection that is not there. */
export function noSuchConnection(component: Component): SocketError {
  return refusedStream(component, Errno.EBADSLT, 'there is no such connection, or it is closed');
}

function isTaken(component: Component): SocketError {
  return refusedStream(component, Errno.EALREADY, 'the connection already has a stream or an iterator');
}

function refusedStream(component: Component, errno: number, message: string): SocketError {
  return component[$failed]({ socketError: SocketErrorCode.IllegalState, errno, operation: 'createStream', message });
}

/** Options of `createStream`. */
export interface ConnectionStreamOptions {
  /**
   * Whether the stream stays writable when the peer has sent its FIN, until you end it. Default false, as for sockets of
   * `node:net`: it ends itself when it has been read to its end.
   */
  allowHalfOpen?: boolean | undefined;
}

const streamRules = { allowHalfOpen: flag(false) } satisfies Record<keyof ConnectionStreamOptions, OptionRule>;

/**
 * One connection as a Node stream, made by `createStream`. What arrives is read from it instead of going to `onReceive`;
 * all other hooks go on. Back-pressure works both ways. Ending it sends what is queued and a FIN; destroying it closes the
 * connection. It tells errors, a reset by the peer among them, as every stream does, by 'error'; but without a listener, the
 * failure of a connection is no uncaught exception, for `onClose` tells it as well.
 *
 * On pack components each chunk written is one package, and each package received is one chunk (it is in object mode for
 * reading, so `readableLength` counts packages). There is no empty package: writing nothing sends nothing.
 */
export class ConnectionStream extends Duplex {
  readonly #connection: StreamConnection;
  /** Whether everything was written that will be. */
  #isDone = false;
  readonly #send: (bytes: Buffer) => boolean;
  readonly #component: Component;
  /** Answer of a write that waits, for that many bytes to be written, or for pending bytes to fall to the low-water mark. */
  #waiting: ((error?: Error | null) => void) | null = null;
  /** What that write has not sent yet, as there is no room for it. */
  #unsent: Buffer | null = null;
  #awaitedBytes = 0;
  #needsRoom = false;
  /** Makes the write, or the end, that came while TLS shakes hands. */
  #held: (() => void) | null = null;

  /** @internal */
  constructor(
    component: Component,
    connection: StreamConnection | undefined,
    send: (bytes: Buffer) => boolean,
    options: ConnectionStreamOptions = {},
  ) {
    checkOptions('createStream', options, streamRules);
    // Byte streams join chunks that wait, which would lose where a package ends.
    super({
      allowHalfOpen: options.allowHalfOpen ?? false,
      readableObjectMode: connection?.protocol.hasMessages === true,
    });
    this.#component = component;
    this.#connection = connection!;
    this.#send = send;
    attachConsumer(component, connection, this.#consumer());
  }

  /** For `Readable`. Not to be called. */
  override _read(): void {
    this.#connection.receiver.resumeConsumer();
  }

  /** For `Writable`. Not to be called. */
  override _write(chunk: Buffer, encoding: BufferEncoding, callback: (error?: Error | null) => void): void {
    const { maxPendingBytes } = this.#connection.host.settings;
    if (maxPendingBytes > 0 && chunk.length > maxPendingBytes && !this.readableObjectMode) {
      const rest = chunk.subarray(maxPendingBytes);
      const sent = (error?: Error | null): void => (error ? callback(error) : this._write(rest, encoding, callback));
      return this._write(chunk.subarray(0, maxPendingBytes), encoding, sent);
    }
    // Sends go by ID, or to whomever a client is connected with: by now that may be another connection.
    if (!this.#connection.isValid) return callback(unsentError(this.#connection.id));
    if (chunk.length === 0) return callback();
    if (this.#connection.isShakingHands) {
      this.#held = () => this._write(chunk, encoding, callback);
      return;
    }
    if (!this.#hasRoomFor(chunk)) {
      this.#waiting = callback;
      this.#unsent = chunk;
      this.#connection.sender!.watchWrite();
      return;
    }
    if (!this.#send(chunk)) return callback(this.#component.lastFailure ?? unsentError(this.#connection.id));
    const { queue, isBlocked } = this.#connection.useSender();
    // Large sends are kept by reference until they are written, but after the callback the chunk is its owner's again.
    // (Copying them instead costs 25 us for 64 KiB: a pipe back to the sender needs 1.4 times the CPU.)
    const isKept = chunk.length > COPY_LIMIT_BYTES && queue.pendingBytes > 0;
    if (!isBlocked && !isKept) return callback();
    this.#waiting = callback;
    this.#awaitedBytes = isKept ? queue.writtenBytes + queue.pendingBytes : 0;
    this.#needsRoom = isBlocked;
  }

  /** Whether `maxPendingBytes` lets this chunk be sent; also if it never will, as a package that is too large, for that is an error. */
  #hasRoomFor(chunk: Buffer): boolean {
    const { host, pendingBytes } = this.#connection;
    const { maxPendingBytes } = host.settings;
    return (
      maxPendingBytes === 0 ||
      pendingBytes === 0 ||
      pendingBytes + Math.max(this.#connection.protocol.sizeOf(chunk.length), chunk.length) <= maxPendingBytes
    );
  }

  /** For `Writable`. Not to be called. */
  override _final(callback: (error?: Error | null) => void): void {
    if (this.#connection.isShakingHands) {
      this.#held = () => this._final(callback);
      return;
    }
    this.#isDone = true;
    this.#connection.drainPatiently();
    callback();
  }

  /** For `Duplex`. Not to be called. */
  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    const connection = this.#connection;
    const isTold = error instanceof SocketError && !connection.isValid;
    // Leaving a loop over a stream destroys it with an AbortError, which is no failure of anything.
    const isFailed = error !== null && (error as NodeJS.ErrnoException).code !== 'ABORT_ERR';
    if (isFailed) connection.close(SocketOperation.Close, Errno.ECANCELED, destroyedError(connection.id, error));
    else if (connection.state < ConnectionState.Draining) connection.disconnect();
    // A stream that came to its end in both directions destroys itself: what is left to do is to send the rest.
    else if (!this.readableEnded || !this.writableFinished) connection.close(SocketOperation.Close, 0);
    // Without the error here there is no event; `errored` and `finished(stream)` tell it nevertheless.
    callback(isTold && this.listenerCount('error') === 0 ? null : error);
  }

  /** What the connection calls; an object of its own, so that the stream shows nothing but what streams have. */
  #consumer(): Consumer {
    const isDone = (): boolean => this.#isDone || this.destroyed;
    return {
      get isDone() {
        return isDone();
      },
      opened: () => this.#makeHeld(),
      deliver: (data) => this.#pushed(data as Buffer),
      wrote: (pendingBytes) => this.#wrote(pendingBytes),
      ended: () => this.#pushEnd(),
      connectionClosed: (error) => {
        if (error !== undefined) this.destroy(error);
        else if (!this.readableEnded && !this.destroyed) this.#pushEnd();
        this.#answerWaiting(error ?? unsentError(this.#connection.id));
        this.#makeHeld();
      },
    };
  }

  /** Not at once: see below. It fails by itself if the connection is gone. */
  #makeHeld(): void {
    const held = this.#held;
    this.#held = null;
    if (held !== null) process.nextTick(held);
  }

  /** Listeners of 'data' are called from inside: one that throws must not leave the connection in the middle of a read. */
  #pushed(bytes: Buffer): boolean {
    try {
      return this.push(bytes);
    } catch (thrown) {
      this.destroy(thrown instanceof Error ? thrown : new Error(`a listener of 'data' threw ${thrown}`));
      return false;
    }
  }

  #pushEnd(): void {
    this.push(null);
    // A stream ends when it has been read. If nothing waits to be read, it ends without: a stream that is only written must end too.
    this.read(0);
  }

  #wrote(pendingBytes: number): void {
    if (this.#waiting === null) return;
    if (this.#unsent !== null) return this.#sendWaiting(this.#waiting, this.#unsent);
    const { host, sender } = this.#connection;
    if (this.#needsRoom && pendingBytes > host.settings.lowWaterMarkBytes) return;
    if (sender!.queue.writtenBytes >= this.#awaitedBytes) this.#answerWaiting();
  }

  /** Not at once either: a send in the middle of telling what was sent would come before what the hooks then send. */
  #sendWaiting(waiting: (error?: Error | null) => void, chunk: Buffer): void {
    if (!this.#hasRoomFor(chunk)) return this.#connection.sender!.watchWrite();
    this.#waiting = null;
    this.#unsent = null;
    process.nextTick(() => this._write(chunk, 'utf8', waiting));
  }

  /** Not at once: it calls the user's code, and the connection is in the middle of something. */
  #answerWaiting(error?: Error): void {
    const waiting = this.#waiting;
    if (waiting === null) return;
    this.#waiting = null;
    this.#unsent = null;
    process.nextTick(waiting, error);
  }
}
