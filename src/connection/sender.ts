import { getSystemErrorName } from 'node:util';
import { SendPolicy, SocketErrorCode, SocketOperation } from '../core/enums.ts';
import { Errno } from '../core/errno.ts';
import { SocketError } from '../core/errors.ts';
import { notifyHook } from '../core/hooks.ts';
import { SendQueue, type StreamWriter } from '../memory/send-queue.ts';
import { directHandle, type StreamHandle } from '../transport/fast-io.ts';
import { TlsWriter } from '../transport/tls-writer.ts';
import type { Link, SendingSide } from './link.ts';
import type { KeptSender } from './sender-ring.ts';
import { ConnectionState } from './state.ts';

const NO_CONNECTION = null as unknown as Link;

/**
 * The sending side of a stream connection: its queue, how that is written, and the marks. Made by the first send; a connection
 * that has nothing to send may lose it to another one.
 */
export class ConnectionSender implements SendingSide, StreamWriter, KeptSender {
  readonly queue: SendQueue;
  messagesOut = 0;
  ringAt = -1;
  /** Bytes that the protocol holds back. */
  heldBytes = 0;
  /** The connection that has it. Null while none has: it is not called then. (An accessor here cost 10 ns a message.) */
  #connection: Link;
  #handle: StreamHandle | null = null;
  /** Over TLS on the fast path, instead of the handle. */
  #tls: TlsWriter | null = null;
  /** Whether answers to the records of a turn leave together, and how many records it has had. */
  #gathersRecords = false;
  #records = 0;
  #isBlocked = false;
  /** Pending bytes when a send crossed the high-water mark, or was refused, and no hook has told yet, else 0. */
  #crossedBytes = 0;
  /** Pending bytes at which sending may go on. */
  #drainedBytes: number;

  /** One for a connection that has none: a new one, or one that another connection gave up. */
  static of(connection: Link): ConnectionSender {
    const { senders, settings } = connection.host;
    let sender = senders.takeSpare() as ConnectionSender | null;
    if (sender === null) {
      sender = new ConnectionSender(connection);
    } else {
      sender.#connection = connection;
      sender.#drainedBytes = settings.lowWaterMarkBytes;
      sender.useSocket();
    }
    senders.add(sender);
    return sender;
  }

  private constructor(connection: Link) {
    const { host } = connection;
    this.#connection = connection;
    this.queue = new SendQueue(host.sendSlabs, this);
    this.#drainedBytes = host.settings.lowWaterMarkBytes;
    if (host.reportsSends) this.queue.reports = [];
    if (host.settings.sendPolicy === SendPolicy.Safe) this.queue.maxWriteBytes = host.settings.highWaterMarkBytes;
    this.useSocket();
  }

  /** Whether its connection can do without it. Over TLS it is the one that knows of the records under way. */
  get isIdle(): boolean {
    const { queue } = this;
    if (queue.pendingBytes !== 0 || queue.isWriting || this.heldBytes !== 0 || this.#tls !== null) return false;
    if (this.#isBlocked || this.#crossedBytes !== 0 || (queue.reports !== null && queue.reports.length > 0))
      return false;
    const { state, consumer, awaitsSent, isScheduled } = this.#connection;
    return consumer === null && !awaitsSent && !isScheduled && state === ConnectionState.Open;
  }

  leave(): void {
    this.#connection.giveUpSender();
    this.reset();
  }

  /** The socket is closed: what is queued is dropped. */
  abandon(): void {
    // A write that is still to call back must not find another connection.
    if (this.queue.isWriting || this.#tls !== null) this.#connection.host.senders.remove(this, false);
    this.queue.abandon();
  }

  /** The connection is closed, and its protocol. */
  close(): void {
    if (this.ringAt < 0) return;
    const { senders } = this.#connection.host;
    this.leave();
    senders.remove(this, true);
  }

  private reset(): void {
    this.#connection = NO_CONNECTION;
    this.#handle = null;
    this.messagesOut = 0;
    this.heldBytes = 0;
    this.#isBlocked = false;
    this.#crossedBytes = 0;
    this.#gathersRecords = false;
    this.queue.writtenBytes = 0;
    if (this.queue.reports !== null) this.queue.reports = [];
  }

  /** Writes go to the connection's socket from now on, which may be another one than before. */
  useSocket(): void {
    const { host, socket } = this.#connection;
    this.#handle = host.directWriter !== null ? directHandle(socket) : null;
    this.#tls = this.#handle !== null && host.security !== null ? TlsWriter.of(socket) : null;
  }

  /** Bytes that the system has not taken yet, and those that the protocol holds back. */
  get pendingBytes(): number {
    const pendingBytes = this.queue.pendingBytes + this.heldBytes;
    return this.#tls === null ? pendingBytes : pendingBytes + this.#tls.pendingBytes;
  }

  /**
   * Bytes that a close now would drop. Node calls back for a documented write later than the system took it, so there it is the
   * socket that knows.
   */
  get unsentBytes(): number {
    const { queue, pendingBytes } = this;
    const isTaken = this.#handle === null && queue.isWriting && this.#connection.socket.writableLength === 0;
    return isTaken ? pendingBytes - queue.pendingBytes + queue.queuedBytes : pendingBytes;
  }

  /** Whether a write is under way. */
  get isWriting(): boolean {
    return this.queue.isWriting || this.isBusy;
  }

  get isBusy(): boolean {
    return this.#tls?.isBusy === true;
  }

  /** The end of the write under way is awaited: `awaitsSent` of the connection. */
  watchWrite(): void {
    this.#tls?.watch(this);
  }

  /** Whether `length` more bytes may be queued. If not, the policy has been carried out. */
  hasRoomFor(length: number): boolean {
    const { maxPendingBytes } = this.#connection.host.settings;
    return maxPendingBytes === 0 || this.pendingBytes + length <= maxPendingBytes || this.refuse(length);
  }

  private refuse(length: number): false {
    const connection = this.#connection;
    const { settings, limits } = connection.host;
    limits.pendingBytes++;
    if (settings.pendingPolicy === 'close') {
      const message = `connection ${connection.id} had more than maxPendingBytes (${settings.maxPendingBytes}) to send; its peer reads too slowly`;
      const { id: connId } = connection;
      connection.close(
        SocketOperation.Send,
        Errno.ENOBUFS,
        new SocketError({
          socketError: SocketErrorCode.DataSend,
          errno: Errno.ENOBUFS,
          operation: 'send',
          connId,
          message,
        }),
      );
    } else {
      this.promiseRoom(length);
    }
    return false;
  }

  /**
   * A caller that is refused waits for `onSendDrained`, whether the high-water mark was crossed or not; and is refused again unless
   * that comes when there is room. What can never fit is not waited for.
   */
  private promiseRoom(length: number): void {
    const { host } = this.#connection;
    const { pendingBytes } = this;
    const roomBytes = host.settings.maxPendingBytes - length;
    if (roomBytes < 0 || pendingBytes === 0) return;
    this.#drainedBytes = Math.min(this.#drainedBytes, roomBytes);
    if (this.#isBlocked) return;
    this.#crossedBytes = Math.max(this.#crossedBytes, pendingBytes);
    host.schedule(this.#connection);
  }

  /**
   * Something was appended to the queue: it leaves now, at the end of the read being delivered, or of this turn.
   * @param messages Messages that it counts for.
   */
  appended(messages = 1): void {
    const connection = this.#connection;
    const { host } = connection;
    this.messagesOut += messages;
    host.messagesOut += messages;
    if (this.pendingBytes >= host.muchBytes) this.appendedMuch();
    // After a read, its delivery flushes.
    else if (host.active !== connection) host.schedule(connection);
  }

  /** So much is pending that it may have to leave at once, or cross the high-water mark. */
  private appendedMuch(): void {
    const connection = this.#connection;
    const { host } = connection;
    const isUrgent = this.queue.queuedBytes >= host.gatherLimitBytes;
    if (isUrgent) this.flush();
    // A caller that looks at the pending bytes sees the crossing now, so it is told, even if it is over by the end of this turn.
    const { pendingBytes } = this;
    if (pendingBytes > host.settings.highWaterMarkBytes && !this.#isBlocked) this.#crossedBytes = pendingBytes;
    // Hooks about an urgent flush wait until the caller's turn is over.
    if (host.active !== connection && !(isUrgent && this.isSettled(pendingBytes))) host.schedule(connection);
  }

  /** Whether all of it is with the system, and no hook is due: the end of this turn has nothing to do. */
  private isSettled(pendingBytes: number): boolean {
    if (pendingBytes !== 0 || this.#isBlocked || this.#crossedBytes !== 0 || this.queue.reports !== null) return false;
    const { consumer, awaitsSent, receiver } = this.#connection;
    return consumer === null && !awaitsSent && receiver.protocol.wrote === undefined;
  }

  private flush(): void {
    const { queue } = this;
    if (queue.queuedBytes === 0 || queue.isWriting || this.#connection.state >= ConnectionState.Closing) return;
    const before = queue.writtenBytes;
    queue.flush();
    this.#connection.host.bytesOut += queue.writtenBytes - before;
  }

  /** A read has been delivered: the answers to it leave, over TLS perhaps together with those to what comes behind it. */
  readDelivered(): void {
    if (this.#connection.host.security === null || this.mayAnswerRecord()) this.flushAndSettle();
    else this.#connection.host.schedule(this.#connection);
  }

  /**
   * TLS hands on each record of a read by itself, and takes one write at a time. The answer to a record leaves at once, which
   * spares the detour by the end of the turn. If more records follow, their answers have to wait for that write, so then
   * those of a turn are gathered, until one brings a single record again.
   */
  private mayAnswerRecord(): boolean {
    if (this.#tls === null) return false;
    if (!this.#gathersRecords && !this.isWriting) return true;
    this.#gathersRecords = true;
    this.#records++;
    return false;
  }

  /** The end of a turn of the event loop that was asked for. */
  turnEnded(): void {
    if (this.#gathersRecords) {
      this.#gathersRecords = this.#records > 1;
      this.#records = 0;
    }
    this.flushAndSettle();
  }

  /** Writes what is queued, then tells what there is to tell: sent bytes, crossed marks, an empty queue. */
  flushAndSettle(): void {
    if (this.#connection.state >= ConnectionState.Closing) return;
    if (this.queue.queuedBytes > 0) this.flush();
    // (Its own method, so that the usual case is short enough to be inlined.)
    if (this.#tls !== null || !this.isSettled(this.pendingBytes)) this.settle();
  }

  private settle(): void {
    const { queue } = this;
    const connection = this.#connection;
    if (connection.state === ConnectionState.Connecting) {
      // What preambles send is not of the listener's sends.
      if (queue.reports !== null) queue.reports = [];
    } else {
      if (queue.reports !== null && queue.reports.length > 0) this.reportSends(queue.reports);
      this.settleMarks();
    }
    const { pendingBytes } = this;
    if (pendingBytes > 0 && connection.host.settings.sendTimeoutMs > 0) connection.deadlines.watchSends();
    if (connection.awaitsSent && pendingBytes === 0) connection.allSent();
    else if (this.#tls !== null && this.isAwaited()) this.#tls.watch(this);
  }

  /** Whether it matters soon that the write under way is done, or nothing else would notice that it failed. */
  private isAwaited(): boolean {
    const { awaitsSent, state, receiver } = this.#connection;
    if (this.queue.queuedBytes > 0 || this.#isBlocked || awaitsSent) return true;
    return state !== ConnectionState.Open || receiver.pauses !== 0 || receiver.hasEnded;
  }

  private reportSends(reports: Uint8Array[]): void {
    this.queue.reports = [];
    const connection = this.#connection;
    const { listener, owner } = connection.host;
    for (const data of reports) {
      if (connection.state >= ConnectionState.Closing) return;
      this.call('onSend', () => listener.onSend?.(owner, connection.id, data));
    }
  }

  private settleMarks(): void {
    const connection = this.#connection;
    const { listener, settings, owner } = connection.host;
    let pending = this.pendingBytes;
    if (!this.#isBlocked && (this.#crossedBytes > 0 || pending > settings.highWaterMarkBytes)) {
      const told = Math.max(this.#crossedBytes, pending);
      this.#isBlocked = true;
      this.#crossedBytes = 0;
      if (listener.onSendBlocked !== undefined) {
        this.call('onSendBlocked', () => listener.onSendBlocked?.(owner, connection.id, told));
        if (connection.state >= ConnectionState.Closing) return;
        pending = this.pendingBytes;
      }
    }
    if (this.#isBlocked && pending <= this.#drainedBytes) {
      this.#isBlocked = false;
      this.#drainedBytes = settings.lowWaterMarkBytes;
      if (listener.onSendDrained !== undefined) {
        this.call('onSendDrained', () => listener.onSendDrained?.(owner, connection.id, pending));
      }
    }
    // A stream waits for room, however shortly there was none: the marks may not have seen it.
    if (connection.consumer !== null) connection.consumer.wrote(pending);
    const { protocol } = connection.receiver;
    if (protocol.wrote !== undefined) protocol.wrote(pending);
  }

  /** Whether more than the high-water mark is pending, or was and has not drained yet. */
  get isBlocked(): boolean {
    return this.#isBlocked || this.pendingBytes > this.#connection.host.settings.highWaterMarkBytes;
  }

  private call(hook: string, call: () => unknown): void {
    notifyHook(call, (thrown) => this.#connection.hookFailed(hook, thrown, SocketOperation.Send));
  }

  /** Writes to the socket: directly if this Node allows it, else as documented. */
  write(chunks: Uint8Array[]): number {
    const handle = this.#handle;
    if (handle === null) {
      this.writeToStream(chunks);
      return 1;
    }
    const status =
      this.#tls === null
        ? this.#connection.host.directWriter!.write(handle, chunks, this)
        : this.#tls.write(chunks, this);
    if (status < 0) this.#connection.socketFailed(writeError(status));
    return status;
  }

  private writeToStream(chunks: Uint8Array[]): void {
    const { socket } = this.#connection;
    const last = chunks.length - 1;
    try {
      if (last > 0) socket.cork();
      for (let i = 0; i < last; i++) socket.write(chunks[i]!);
      socket.write(chunks[last]!, (error) => {
        // Node calls back without an error, too, for what it drops when the socket is destroyed.
        if ((error === null || error === undefined) && !socket.destroyed) this.writeCompleted(0);
        // Otherwise the socket's 'error' event tells.
      });
      if (last > 0) socket.uncork();
    } catch (thrown) {
      // `_write` of an adopted stream threw, and Node lets that through.
      socket.destroy(thrown instanceof Error ? thrown : new Error(String(thrown)));
    }
  }

  /** The write that was under way is done, or failed with libuv's number. */
  writeCompleted(status: number): void {
    const { queue } = this;
    const connection = this.#connection;
    if (!queue.isWriting && this.#tls === null) return;
    if (connection.state >= ConnectionState.Closing) {
      if (connection.awaitsSent && status === 0) {
        if (queue.isWriting) queue.written();
        connection.allSent();
      }
      return;
    }
    if (status !== 0) {
      connection.socketFailed(writeError(status));
      return;
    }
    if (queue.isWriting) {
      const before = queue.writtenBytes;
      queue.written();
      connection.host.bytesOut += queue.writtenBytes - before;
    }
    this.flushAndSettle();
  }
}

function writeError(status: number): Error {
  let code = 'EIO';
  try {
    code = getSystemErrorName(status);
  } catch {
    // A number that this libuv does not know.
  }
  return Object.assign(new Error(`write ${code}`), { code, syscall: 'write' });
}
