import type { StreamConnection } from '../connection/stream-connection.ts';
import type { Component } from '../core/component.ts';
import { SocketErrorCode } from '../core/enums.ts';
import { Errno } from '../core/errno.ts';
import { $refuse } from '../core/internals.ts';
import type { ConnId } from '../core/listener.ts';
import { checkOptions, type OptionRule } from '../core/option-names.ts';
import { piecesOf } from '../core/pieces.ts';
import { flag } from '../core/properties.ts';
import { type Sendable, toBytes } from '../memory/sendable.ts';
import { Opcode } from './opcode.ts';
import { roomFor } from './outbox.ts';
import { noRoom, notOpen } from './websocket-calls.ts';
import type { WebSocketProtocol } from './websocket-protocol.ts';
import { webSocketOf } from './websocket-run.ts';

/** How a message is sent in fragments. */
export interface SendStreamOptions {
  /** Whether it is binary. Default true; with false it is text, and bytes have to be UTF-8. */
  isBinary?: boolean | undefined;
  /**
   * Whether it is compressed, where permessage-deflate was agreed on. Default: if its first piece has at least
   * `compressionThresholdBytes`: each fragment takes some 6 bytes more, which little ones do not save.
   */
  isCompressed?: boolean | undefined;
}

const streamOptions = { isBinary: flag(true), isCompressed: flag(false) } satisfies Record<
  keyof SendStreamOptions,
  OptionRule
>;

/** Fragments wait while more than this is pending. */
const STREAM_PENDING_BYTES = 256 * 1024;
/** Longest fragment that a stream is cut into. */
const FRAGMENT_BYTES = 64 * 1024;
const EMPTY = Buffer.alloc(0);

/** Sends what a source brings as one message in fragments, and waits while the peer does not keep up. */
export async function sendStreamOn(
  component: Component,
  connection: StreamConnection | undefined,
  connId: ConnId,
  source: AsyncIterable<Sendable> | Iterable<Sendable>,
  options: SendStreamOptions,
): Promise<boolean> {
  checkOptions('sendStream', options, streamOptions);
  const protocol = webSocketOf(connection);
  if (protocol === null || !protocol.isOpen) return notOpen(component, 'sendStream', connection, connId);
  const opcode = (options.isBinary ?? true) ? Opcode.Binary : Opcode.Text;
  const fragments = protocol.beginFragments(opcode, options.isCompressed);
  if (fragments === null) {
    return component[$refuse](
      'sendStream',
      SocketErrorCode.IllegalState,
      Errno.EBUSY,
      'another message is being sent in fragments',
      connId,
    );
  }
  const sender = new FragmentSender(component, connection!, protocol);
  // A draining stop waits for the message.
  const release = connection!.hold();
  try {
    const pieces = piecesOf('a stream must be something to iterate over', source);
    fragments.onInterrupted = pieces.drop;
    for await (const piece of pieces.source) if (!(await sender.send(sender.bytesOf(piece)))) return false;
    return (await sender.send(sender.takeHalf())) && (await sender.finish());
  } finally {
    protocol.abandonFragments(fragments);
    release();
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
    // What is pending and one fragment more, compressed or not, always fit into `maxPendingBytes`.
    const half = Math.floor((connection.host.settings.maxPendingBytes || Number.POSITIVE_INFINITY) / 2);
    this.#maxPendingBytes = Math.min(STREAM_PENDING_BYTES, half);
    const overhead = roomFor(Math.min(FRAGMENT_BYTES, half)) - Math.min(FRAGMENT_BYTES, half);
    this.#maxFragmentBytes = Math.max(1, Math.min(FRAGMENT_BYTES, half - overhead));
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
      const isSent = this.#protocol.sendFragment(bytes.subarray(at, end), false);
      if (isSent !== true && !(await isSent)) return this.#refuse();
    }
    return true;
  }

  async finish(): Promise<boolean> {
    return (await this.#protocol.sendFragment(EMPTY, true)) || this.#refuse();
  }

  #refuse(): false {
    if (!this.#protocol.isOpen) return notOpen(this.#component, 'sendStream', this.#connection, this.#connection.id);
    return noRoom(this.#component, 'sendStream', this.#connection.id);
  }
}
