import { sendOn, sendPacketsOn } from '../connection/send.ts';
import type { StreamConnection } from '../connection/stream-connection.ts';
import type { Component } from '../core/component.ts';
import { SocketErrorCode } from '../core/enums.ts';
import { Errno } from '../core/errno.ts';
import { $refuse } from '../core/internals.ts';
import type { ConnId } from '../core/listener.ts';
import { type Sendable, toBytes } from '../memory/sendable.ts';
import { MAX_HEADER_BYTES } from './frame-header.ts';
import { Opcode } from './opcode.ts';
import type { WebSocketProtocol } from './websocket-protocol.ts';
import { webSocketOf } from './websocket-run.ts';

/** Fragments wait while more than this is pending. */
const STREAM_PENDING_BYTES = 256 * 1024;
/** Longest fragment that a stream is cut into. */
const FRAGMENT_BYTES = 64 * 1024;
const EMPTY = Buffer.alloc(0);

/** Notes that a connection is no open WebSocket. Always false. */
export function notOpen(
  component: Component,
  operation: string,
  connection: StreamConnection | undefined,
  connId: ConnId,
): false {
  if (connection === undefined) {
    return component[$refuse](
      operation,
      SocketErrorCode.IllegalState,
      Errno.EBADSLT,
      'there is no such connection',
      connId,
    );
  }
  const protocol = webSocketOf(connection);
  const message = protocol === null ? 'its opening handshake is not done' : 'the WebSocket is closing';
  return component[$refuse](operation, SocketErrorCode.IllegalState, Errno.EPERM, message, connId);
}

/** Queues one message. Text is what a string is, unless `opcode` says otherwise. */
export function sendMessageOn(
  component: Component,
  connection: StreamConnection | undefined,
  connId: ConnId,
  data: Sendable,
  opcode: number,
): boolean {
  const protocol = webSocketOf(connection);
  if (protocol === null) return notOpen(component, 'send', connection, connId);
  const bytes = toBytes(data, 0, undefined);
  protocol.sendOpcode = opcode;
  const isQueued = sendOn(component, connection!, bytes);
  protocol.sendOpcode = Opcode.Binary;
  return isQueued;
}

/** Does something with an open WebSocket that cannot be queued if it says false. */
export function doOn(
  component: Component,
  operation: string,
  connection: StreamConnection | undefined,
  connId: ConnId,
  act: (protocol: WebSocketProtocol) => boolean,
): boolean {
  const protocol = webSocketOf(connection);
  if (protocol === null || !protocol.isOpen) return notOpen(component, operation, connection, connId);
  return act(protocol) || noRoom(component, operation, connId);
}

function noRoom(component: Component, operation: string, connId: ConnId): false {
  return component[$refuse](
    operation,
    SocketErrorCode.DataSend,
    Errno.ENOBUFS,
    'too much is pending (maxPendingBytes); wait for onSendDrained',
    connId,
  );
}

/** Whether a message is text: it is a string, or several. */
export function isText(data: Sendable | readonly Sendable[]): boolean {
  return typeof data === 'string' || (Array.isArray(data) && data.every((part) => typeof part === 'string'));
}

/** Queues several pieces as one message: text if all of them are strings. */
export function sendMessagePartsOn(
  component: Component,
  connection: StreamConnection | undefined,
  connId: ConnId,
  packets: readonly Sendable[],
): boolean {
  const protocol = webSocketOf(connection);
  if (protocol === null) return notOpen(component, 'sendPackets', connection, connId);
  protocol.sendOpcode = isText(packets) ? Opcode.Text : Opcode.Binary;
  try {
    return sendPacketsOn(component, connection!, packets);
  } finally {
    protocol.sendOpcode = Opcode.Binary;
  }
}

/** Sends what a source brings as one message in fragments, and waits while the peer does not keep up. */
export async function sendStreamOn(
  component: Component,
  connection: StreamConnection | undefined,
  connId: ConnId,
  source: AsyncIterable<Sendable> | Iterable<Sendable>,
  isBinary: boolean,
): Promise<boolean> {
  const protocol = webSocketOf(connection);
  if (protocol === null || !protocol.isOpen) return notOpen(component, 'sendStream', connection, connId);
  if (!protocol.beginFragments(isBinary ? Opcode.Binary : Opcode.Text)) {
    return component[$refuse](
      'sendStream',
      SocketErrorCode.IllegalState,
      Errno.EBUSY,
      'another message is being sent in fragments',
      connId,
    );
  }
  const sender = new FragmentSender(component, connection!, protocol);
  try {
    for await (const piece of source) if (!(await sender.send(sender.bytesOf(piece)))) return false;
    return (await sender.send(sender.takeHalf())) && sender.finish();
  } finally {
    protocol.abandonFragments();
  }
}

/** Sends the fragments of one message, none larger than there is room for. */
class FragmentSender {
  #component: Component;
  #connection: StreamConnection;
  #protocol: WebSocketProtocol;
  #maxPendingBytes: number;
  #maxFragmentBytes: number;
  /** First half of a character that a string ended with. */
  #half = '';

  constructor(component: Component, connection: StreamConnection, protocol: WebSocketProtocol) {
    this.#component = component;
    this.#connection = connection;
    this.#protocol = protocol;
    // What is pending and one fragment more always fit into `maxPendingBytes`.
    const half = Math.floor((connection.host.settings.maxPendingBytes || Number.POSITIVE_INFINITY) / 2);
    this.#maxPendingBytes = Math.min(STREAM_PENDING_BYTES, half);
    this.#maxFragmentBytes = Math.max(1, Math.min(FRAGMENT_BYTES, half - MAX_HEADER_BYTES));
  }

  /** A piece as bytes. A character that two strings share is not torn. */
  bytesOf(piece: Sendable): Uint8Array {
    if (typeof piece !== 'string') return toBytes(piece, 0, undefined);
    const text = this.#half + piece;
    const last = text.charCodeAt(text.length - 1);
    const isTorn = last >= 0xd800 && last <= 0xdbff;
    this.#half = isTorn ? text.slice(-1) : '';
    return Buffer.from(isTorn ? text.slice(0, -1) : text);
  }

  /** What is left of a text that ended in the middle of a character. */
  takeHalf(): Uint8Array {
    const half = this.#half;
    this.#half = '';
    return Buffer.from(half);
  }

  async send(bytes: Uint8Array): Promise<boolean> {
    for (let at = 0; at < bytes.length; at += this.#maxFragmentBytes) {
      if (this.#connection.pendingBytes > this.#maxPendingBytes) {
        if (!(await this.#protocol.whenPending(this.#maxPendingBytes))) return this.#refuse();
      }
      const end = Math.min(bytes.length, at + this.#maxFragmentBytes);
      if (!this.#protocol.sendFragment(bytes.subarray(at, end), false)) return this.#refuse();
    }
    return true;
  }

  finish(): boolean {
    return this.#protocol.sendFragment(EMPTY, true) || this.#refuse();
  }

  #refuse(): false {
    if (!this.#protocol.isOpen) return notOpen(this.#component, 'sendStream', this.#connection, this.#connection.id);
    return noRoom(this.#component, 'sendStream', this.#connection.id);
  }
}
