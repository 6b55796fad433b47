import type { StreamConnection } from '../connection/stream-connection.ts';
import type { Component } from '../core/component.ts';
import { checkConnId } from '../core/connection-facts.ts';
import { $connectionOf, $unknownId } from '../core/internals.ts';
import type { ConnId } from '../core/listener.ts';
import { defineProperties, type PropertyTable } from '../core/properties.ts';
import { type Sendable, toBytes } from '../memory/sendable.ts';
import { CloseCode, Opcode } from './opcode.ts';
import { type SendStreamOptions, sendStreamOn } from './send-stream.ts';
import { notSubscribed, subscribeOn } from './subscriptions.ts';
import type { Topics } from './topics.ts';
import { closeOn, sendControlOn, sendMessageOn, sendMessagePartsOn } from './websocket-calls.ts';
import type { WebSocketEnd } from './websocket-context.ts';
import { broadcastTo } from './websocket-hub.ts';
import type { WebSocketRequest } from './websocket-listener.ts';
import { requestOf, runOf, type WebSocketStats, webSocketOf } from './websocket-run.ts';

/** How a message is published. */
export interface PublishOptions {
  /** A connection that does not get it: whose message it is. */
  except?: ConnId | undefined;
}

/** What the methods ask of the component that they are called on. */
interface ManyConnections extends Component {
  getAllConnectionIDs(): ConnId[];
  [$connectionOf](connId: ConnId): StreamConnection | undefined;
  [$unknownId](operation: string, connId: ConnId): false;
}

const self = (component: object): ManyConnections => component as ManyConnections;

/** What WebSocket servers and agents have for their connections. Put into them by `addWebSocketMembers`. */
export abstract class WebSocketMethods {
  /**
   * Queues a message: text if it is a string, binary if it is bytes. Up to 4 KiB are copied at once; more belong to the library
   * until they are written, so do not change them before.
   * @returns true when queued. False with `lastError` and `lastFailure`: EBADSLT (no such connection), EPERM (not open, or closing),
   *   EBUSY (a message is being sent in fragments), ENOBUFS (`maxPendingBytes`).
   */
  send(connId: ConnId, data: Sendable, offset = 0, length?: number): boolean {
    const opcode = typeof data === 'string' ? Opcode.Text : Opcode.Binary;
    const part = offset === 0 && length === undefined ? data : toBytes(data, offset, length);
    return sendMessageOn(self(this), self(this)[$connectionOf](connId), connId, part, opcode);
  }

  /** Queues several pieces as one message: text if all of them are strings. Results as `send`; EINVAL for an empty list. */
  sendPackets(connId: ConnId, packets: readonly Sendable[]): boolean {
    return sendMessagePartsOn(self(this), self(this)[$connectionOf](connId), connId, packets, 'sendPackets');
  }

  /** Queues a text message (WSS-012); bytes have to be UTF-8. Results as `send`. */
  sendText(connId: ConnId, text: Sendable): boolean {
    return sendMessageOn(self(this), self(this)[$connectionOf](connId), connId, text, Opcode.Text);
  }

  /**
   * Sends what a source brings as one message in fragments, at the speed of the peer. Other messages of this connection are refused
   * meanwhile (EBUSY). If the source throws, the connection is closed with 1011, and the promise rejects. Where permessage-deflate was
   * agreed on, it is compressed, piece by piece, if its first piece is long enough, or `options` say so.
   * @param source Pieces, each as bytes or a string; what it yields may be used again when the next is asked for.
   * @param options Whether it is text, and whether it is compressed.
   * @returns Whether all of it was queued. Rejects with a TypeError for options that there are not.
   */
  sendStream(
    connId: ConnId,
    source: AsyncIterable<Sendable> | Iterable<Sendable>,
    options: SendStreamOptions = {},
  ): Promise<boolean> {
    return sendStreamOn(self(this), self(this)[$connectionOf](connId), connId, source, options);
  }

  /** Sends a ping (WSS-012). @throws RangeError for more than 125 bytes. */
  ping(connId: ConnId, data: Sendable = ''): boolean {
    return sendControlOn(self(this), 'ping', self(this)[$connectionOf](connId), connId, data);
  }

  /** Sends a pong that was not asked for (WSS-012): pings are answered by themselves. @throws RangeError for more than 125 bytes. */
  pong(connId: ConnId, data: Sendable = ''): boolean {
    return sendControlOn(self(this), 'pong', self(this)[$connectionOf](connId), connId, data);
  }

  /**
   * Begins the closing handshake; messages that arrive before the peer's answer are still delivered.
   * @param code 1000 to 1003, 1007 to 1014 or 3000 to 4999. Default 1000.
   * @param reason At most 123 bytes of UTF-8.
   * @throws RangeError for other codes and longer reasons.
   */
  close(connId: ConnId, code: number = CloseCode.Normal, reason = ''): boolean {
    return closeOn(self(this), self(this)[$connectionOf](connId), connId, code, reason);
  }

  /** Whether the handshake of a connection is done and no close frame was sent or came. */
  isOpen(connId: ConnId): boolean {
    return webSocketOf(found(this, connId))?.isOpen ?? false;
  }

  /** The sub-protocol that was agreed on, '' for none; null if there is no WebSocket (WSS-007). */
  getSubProtocol(connId: ConnId): string | null {
    return webSocketOf(known(this, 'getSubProtocol', connId))?.subProtocol ?? null;
  }

  /** Whether permessage-deflate was agreed on. */
  isCompressing(connId: ConnId): boolean {
    return webSocketOf(found(this, connId))?.isCompressing ?? false;
  }

  /** How a WebSocket would end if its connection broke now; null if there is none. Also inside `onClose`. */
  getEnd(connId: ConnId): WebSocketEnd | null {
    return webSocketOf(known(this, 'getEnd', connId))?.end ?? null;
  }

  /**
   * Subscribes a connection to a topic.
   * @returns false with `lastError` if it is no open WebSocket, or has `maxTopicsPerConnection` topics.
   */
  subscribe(connId: ConnId, topic: string): boolean {
    return subscribeOn(self(this), self(this)[$connectionOf](connId), connId, topic);
  }

  /** Gets no more messages of `topic`. @returns false with `lastError` if it did not get them: EBADSLT, EPERM. */
  unsubscribe(connId: ConnId, topic: string): boolean {
    if (topicsOf(this)?.unsubscribe(connId, topic) === true) return true;
    return known(this, 'unsubscribe', connId) !== undefined && notSubscribed(self(this), connId);
  }

  /** Topics of a connection. */
  getTopics(connId: ConnId): string[] {
    found(this, connId);
    return topicsOf(this)?.topicsOf(connId) ?? [];
  }

  /** Connections that are subscribed to a topic. */
  getSubscribers(topic: string): ConnId[] {
    return topicsOf(this)?.subscribersOf(topic) ?? [];
  }

  /**
   * Sends a message to the subscribers of a topic, here and on the other components of `topicBus`: framed, and compressed, once for
   * all. Text if it is a string. Slow subscribers follow `slowSubscriberPolicy`.
   * @returns How many connections of this component get it.
   */
  publish(topic: string, data: Sendable, options: PublishOptions = {}): number {
    const bytes = toBytes(data, 0, undefined);
    return topicsOf(this)?.publish(topic, bytes, typeof data !== 'string', options.except) ?? 0;
  }

  /** As `publish`, and resolves when no subscriber that got it is slow any more: for publishers that follow `'block'`. */
  async publishPatiently(topic: string, data: Sendable, options: PublishOptions = {}): Promise<number> {
    const bytes = toBytes(data, 0, undefined);
    return (await topicsOf(this)?.publishPatiently(topic, bytes, typeof data !== 'string', options.except)) ?? 0;
  }

  /** Sends a message to all open WebSockets of this component. @returns How many get it. */
  broadcast(data: Sendable, options: PublishOptions = {}): number {
    const bytes = toBytes(data, 0, undefined);
    return broadcastTo(self(this), self(this).getAllConnectionIDs(), bytes, typeof data === 'string', options.except);
  }

  /**
   * The request that opened a WebSocket: path, query, headers (WSS-015); null for an unknown ID, and on agents. Also inside `onWSClose`.
   */
  getRequest(connId: ConnId): WebSocketRequest | null {
    return requestOf(known(this, 'getRequest', connId));
  }

  /** What its WebSockets did in this run, or the last one. */
  webSocketStats(): WebSocketStats | null {
    return runOf(this)?.stats() ?? null;
  }
}

/** The connection of an ID, for a question whether there is something. */
function found(component: object, connId: ConnId): StreamConnection | undefined {
  const connection = self(component)[$connectionOf](connId);
  if (connection === undefined) checkConnId(connId);
  return connection;
}

/** The connection of an ID; undefined after noting that there is none. */
function known(component: object, operation: string, connId: ConnId): StreamConnection | undefined {
  const connection = self(component)[$connectionOf](connId);
  if (connection === undefined) self(component)[$unknownId](operation, connId);
  return connection;
}

function topicsOf(component: object): Topics | null {
  return runOf(component)?.topics ?? null;
}

/** Puts the methods and properties of WebSockets into component classes. */
export function addWebSocketMembers(
  components: readonly { readonly prototype: object }[],
  methods: readonly { readonly prototype: object }[],
  properties: PropertyTable,
): void {
  for (const { prototype } of components) {
    for (const source of methods) {
      for (const name of Reflect.ownKeys(source.prototype)) {
        if (Object.hasOwn(prototype, name)) continue;
        Object.defineProperty(prototype, name, Object.getOwnPropertyDescriptor(source.prototype, name)!);
      }
    }
    defineProperties(prototype, properties);
  }
}
