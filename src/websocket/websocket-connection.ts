import type { StreamConnection } from '../connection/stream-connection.ts';
import { TcpConnection } from '../connection/tcp-connection.ts';
import type { Component } from '../core/component.ts';
import { $sendParts } from '../core/internals.ts';
import { type Sendable, toBytes } from '../memory/sendable.ts';
import { CloseCode, Opcode } from './opcode.ts';
import { type SendStreamOptions, sendStreamOn } from './send-stream.ts';
import { notSubscribed, subscribeOn } from './subscriptions.ts';
import { closeOn, sendControlOn, sendMessageOn, sendMessagePartsOn } from './websocket-calls.ts';
import type { WebSocketEnd } from './websocket-context.ts';
import type { WebSocketRequest } from './websocket-listener.ts';
import { requestOf, runOf, webSocketOf } from './websocket-run.ts';

/**
 * One WebSocket: what there is for every connection, and messages, pings and topics. On an HTTP server it is also a connection that
 * has not become a WebSocket; there, `send` sends bytes as they are until it has.
 */
export class WebSocketConnection<Extra = unknown> extends TcpConnection<Extra> {
  readonly #component: Component;
  readonly #connection: StreamConnection;
  readonly #sendsRaw: boolean;

  /** @internal */
  constructor(component: Component, connection: StreamConnection, sendsRaw = false) {
    super(component, connection);
    this.#component = component;
    this.#connection = connection;
    this.#sendsRaw = sendsRaw;
  }

  get #isRaw(): boolean {
    return this.#sendsRaw && webSocketOf(this.#connection) === null;
  }

  /** Queues a message: text if it is a string, binary if it is bytes. As `WebSocketServer.send`. */
  override send(data: Sendable, offset = 0, length?: number): boolean {
    if (this.#isRaw) return super.send(data, offset, length);
    const opcode = typeof data === 'string' ? Opcode.Text : Opcode.Binary;
    const part = offset === 0 && length === undefined ? data : toBytes(data, offset, length);
    return sendMessageOn(this.#component, this.#connection, this.id, part, opcode);
  }

  /** Queues several pieces as one message: text if all of them are strings. */
  override sendPackets(packets: readonly Sendable[]): boolean {
    return this[$sendParts](packets, 'sendPackets');
  }

  /** @internal */
  override [$sendParts](parts: readonly Sendable[], operation: string): boolean {
    if (this.#isRaw) return super[$sendParts](parts, operation);
    return sendMessagePartsOn(this.#component, this.#connection, this.id, parts, operation);
  }

  /** Queues a text message; bytes have to be UTF-8. */
  sendText(text: Sendable): boolean {
    return sendMessageOn(this.#component, this.#connection, this.id, text, Opcode.Text);
  }

  /** Sends what a source brings as one message in fragments, at the speed of the peer. As `WebSocketServer.sendStream`. */
  sendStream(source: AsyncIterable<Sendable> | Iterable<Sendable>, options: SendStreamOptions = {}): Promise<boolean> {
    return sendStreamOn(this.#component, this.#connection, this.id, source, options);
  }

  /** Sends a ping. @throws RangeError for more than 125 bytes. */
  ping(data: Sendable = ''): boolean {
    return sendControlOn(this.#component, 'ping', this.#connection, this.id, data);
  }

  /** Sends a pong that was not asked for. @throws RangeError for more than 125 bytes. */
  pong(data: Sendable = ''): boolean {
    return sendControlOn(this.#component, 'pong', this.#connection, this.id, data);
  }

  /** Begins the closing handshake. As `WebSocketServer.close`. */
  close(code: number = CloseCode.Normal, reason = ''): boolean {
    return closeOn(this.#component, this.#connection, this.id, code, reason);
  }

  /** Whether the handshake is done and no close frame was sent or came. */
  get isOpen(): boolean {
    return webSocketOf(this.#connection)?.isOpen ?? false;
  }

  /** The sub-protocol that was agreed on, '' for none; null if there is no WebSocket. */
  get subProtocol(): string | null {
    return webSocketOf(this.#connection)?.subProtocol ?? null;
  }

  /** Whether permessage-deflate was agreed on. */
  get isCompressing(): boolean {
    return webSocketOf(this.#connection)?.isCompressing ?? false;
  }

  /** How the WebSocket would end if its connection broke now; null if there is none. Also inside `onClose`. */
  get end(): WebSocketEnd | null {
    return webSocketOf(this.#connection)?.end ?? null;
  }

  /** The request that opened it; null on agents and clients. Also inside `onWSClose`. */
  get request(): WebSocketRequest | null {
    return requestOf(this.#connection);
  }

  /** Subscribes it to a topic. As `WebSocketServer.subscribe`. */
  subscribe(topic: string): boolean {
    return subscribeOn(this.#component, this.#connection, this.id, topic);
  }

  /** Gets no more messages of `topic`. @returns false with `lastError` (EPERM) if it did not get them. */
  unsubscribe(topic: string): boolean {
    const topics = runOf(this.#component)?.topics ?? null;
    return topics?.unsubscribe(this.id, topic) === true || notSubscribed(this.#component, this.id);
  }

  /** Its topics. */
  get topics(): string[] {
    return runOf(this.#component)?.topics?.topicsOf(this.id) ?? [];
  }
}
