import { Duplex } from 'node:stream';
import type { PullLayer } from '../receive/pull.ts';
import type { Component } from './component.ts';
import { ConnectionState } from './connection-state.ts';
import { SocketErrorCode, SocketOperation } from './enums.ts';
import { Errno } from './errno.ts';
import { SocketError } from './errors.ts';
import type { ConnectionTap, StreamConnection } from './stream-connection.ts';

/** Bytes that a tap gets: what was delivered, or all that a pull layer holds. */
export function bytesOf(connection: StreamConnection, data: Buffer | number): Buffer {
  if (typeof data !== 'number') return data;
  return (connection.layer as PullLayer).fetch(data) as Buffer;
}

/** Makes `tap` take the place of the listener's `onReceive` on a connection. */
export function attachTap(component: Component, connection: StreamConnection | undefined, tap: ConnectionTap): void {
  const isOpen = connection !== undefined && connection.isConnected;
  if (isOpen && connection.tap === null) {
    connection.tap = tap;
    return;
  }
  throw component.failed(
    new SocketError({
      code: SocketErrorCode.IllegalState,
      errno: isOpen ? Errno.EALREADY : Errno.EBADSLT,
      operation: 'createStream',
      message: isOpen
        ? 'the connection already has a stream or an iterator'
        : 'there is no such connection, or it is closed',
    }),
  );
}

/**
 * One connection as a Node stream, made by `createStream`. What arrives is read from it instead of going to `onReceive`;
 * all other hooks go on. Back-pressure works both ways. Ending it sends what is queued and a FIN; destroying it closes the
 * connection. On pack components each chunk written is one package, and each package received is one chunk.
 */
export class ConnectionStream extends Duplex {
  readonly #connection: StreamConnection;
  readonly #send: (bytes: Buffer) => boolean;
  readonly #component: Component;
  #waiting: ((error?: Error | null) => void) | null = null;

  /** @internal */
  constructor(component: Component, connection: StreamConnection | undefined, send: (bytes: Buffer) => boolean) {
    super({ allowHalfOpen: false });
    this.#component = component;
    attachTap(component, connection, this.#tap());
    this.#connection = connection!;
    this.#send = send;
  }

  override _read(): void {
    this.#connection.receiver.resumeTap();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: (error?: Error | null) => void): void {
    // Sends go by ID, or to whomever a client is connected with: by now that may be another connection.
    if (!this.#connection.isValid) callback(new Error('the connection is closed'));
    else if (!this.#send(chunk)) callback(this.#component.lastFailure ?? new Error('the connection is closed'));
    else if (this.#connection.useSender().isBlocked) this.#waiting = callback;
    else callback();
  }

  override _final(callback: (error?: Error | null) => void): void {
    this.#connection.drain(this.#connection.host.settings.closeTimeoutMs);
    callback();
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    const connection = this.#connection;
    if (error !== null) connection?.close(SocketOperation.Close, Errno.ECANCELED);
    else if (connection !== undefined && connection.state < ConnectionState.Draining) connection.disconnect();
    callback(error);
  }

  /** What the connection calls; an object of its own, so that the stream shows nothing but what streams have. */
  #tap(): ConnectionTap {
    return {
      data: (data) => this.push(bytesOf(this.#connection, data)),
      drained: () => this.#answerWaiting(),
      ended: () => void this.push(null),
      connectionClosed: (error) => {
        if (error !== undefined) this.destroy(error);
        else if (!this.readableEnded && !this.destroyed) this.push(null);
        this.#answerWaiting(error ?? new Error('the connection closed before everything was sent'));
      },
    };
  }

  #answerWaiting(error?: Error): void {
    const waiting = this.#waiting;
    this.#waiting = null;
    waiting?.(error);
  }
}
