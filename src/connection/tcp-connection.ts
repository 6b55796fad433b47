import type { Component } from '../core/component.ts';
import { Connection } from '../core/connection.ts';
import { $component, $isGone, $link, $sendParts } from '../core/internals.ts';
import type { Sendable } from '../memory/sendable.ts';
import type { ProxyHeader } from '../protocol/preambles/proxy-header.ts';
import { MessageQueue, type MessagesOptions } from './message-queue.ts';
import { bytesOf, readSmallFile, sendOn, sendPacketsOn } from './send.ts';
import { attachConsumer, ConnectionStream, type ConnectionStreamOptions } from './stream.ts';
import type { StreamConnection } from './stream-connection.ts';

/** One TCP or TLS connection: what there is for every connection, and sends, streams and iterators. */
export class TcpConnection<Extra = unknown, Message = Sendable> extends Connection<Extra> {
  /** @internal */
  protected readonly [$component]: Component;
  /** @internal */
  protected readonly [$link]: StreamConnection;

  /** @internal */
  constructor(component: Component, connection: StreamConnection) {
    super(component, connection);
    this[$component] = component;
    this[$link] = connection;
  }

  /** The proxies that the connection goes through, nearest first, as URLs without user and password; empty on servers (PXY-002). */
  get proxies(): readonly string[] {
    return this[$link].proxies;
  }

  /** The PROXY header that the connection came with; null if with none, and without `proxyProtocol`. Also inside `onClose`. */
  get proxyHeader(): ProxyHeader | null {
    return this[$link].proxyHeader;
  }

  /**
   * Queues bytes (`Send`, CS-002, CLI-003). Up to 4 KiB are copied at once; more belong to the library until they are
   * written, so do not change them before.
   * @param data Bytes, or text to be sent as UTF-8.
   * @returns true when queued, which does not mean delivered. False, with `lastError` and `lastFailure` of the component
   *   saying why: EBADSLT (closed), EPERM (still connecting), EMSGSIZE (pack size), ENOBUFS (`maxPendingBytes`).
   * @throws TypeError, RangeError for arguments that make no sense.
   */
  send(data: Message, offset = 0, length?: number): boolean {
    return sendOn(this[$component], this[$link], bytesOf(this[$link], data, offset, length));
  }

  /** Queues several pieces in a row as one message (`SendPackets`, CS-003). Results as `send`; EINVAL for an empty list. */
  sendPackets(packets: readonly Message[]): boolean {
    return this[$sendParts](packets, 'sendPackets');
  }

  /** @internal */
  [$sendParts](parts: readonly unknown[], operation: string): boolean {
    return sendPacketsOn(this[$component], this[$link], parts, operation);
  }

  /**
   * Sends a file with optional bytes before and behind it, 4,194,303 bytes in all at most (`SendSmallFile`, TCP-S-001).
   * @returns false with `lastError`: ENOENT and the like, ENODATA for an empty file, EFBIG, or as `send`.
   * @throws TypeError for arguments that make no sense.
   */
  async sendSmallFile(fileName: string | URL, head?: Sendable, tail?: Sendable): Promise<boolean> {
    const parts = await readSmallFile(this[$component], this.id, fileName, head, tail);
    return parts !== null && this[$sendParts](parts, 'sendSmallFile');
  }

  /**
   * The connection as a `stream.Duplex`: what arrives is read from the stream instead of going to `onReceive`. Call it in
   * `onAccept`, `onConnect` or `onHandShake`, or right after `await start(...)` of a client, so that no byte comes before.
   * @throws SocketError (IllegalState): closed, or the connection has a stream or an iterator already.
   */
  createStream(options?: ConnectionStreamOptions): ConnectionStream {
    return new ConnectionStream(this[$component], this[$link], (bytes) => this.send(bytes as Message), options);
  }

  /**
   * Messages of this connection for `for await`, instead of `onReceive`: packages on pack components, chunks otherwise. The
   * loop ends when the connection does, or drains, and throws when that ended with an error.
   * @throws SocketError (IllegalState): closed, or the connection has a stream.
   */
  messages(options: MessagesOptions = {}): AsyncIterableIterator<Buffer> {
    const connection = this[$link];
    if (!(connection.consumer instanceof MessageQueue)) {
      attachConsumer(this[$component], connection, new MessageQueue(connection, options));
    }
    return (connection.consumer as MessageQueue)[Symbol.asyncIterator]();
  }

  /**
   * Closes the connection at once by a reset: what is queued is dropped, and the peer gets ECONNRESET, so that it does not take
   * what it has for all. Over TLS it ends without close_notify. `onClose(Close, 0)` follows.
   * @returns false (EBADSLT) if it is closed already.
   */
  reset(): boolean {
    const connection = this[$link];
    if (!connection.isValid) return this[$isGone]('reset');
    connection.reset();
    return true;
  }

  /**
   * Keeps the connection able to send while it drains, for a handler that answers later than its hook: a stop that drains
   * waits for the release, or until its time is up.
   * @returns Releases the hold; calling that again does nothing.
   */
  hold(): () => void {
    return this[$link].hold();
  }
}
