import type { StreamConnection } from '../connection/stream-connection.ts';
import type { Component } from '../core/component.ts';
import { SocketErrorCode } from '../core/enums.ts';
import { Errno } from '../core/errno.ts';
import { $refuse } from '../core/internals.ts';
import type { ConnId } from '../core/listener.ts';
import type { SharedMessage } from './shared-message.ts';
import type { Subscriber } from './topics.ts';
import { notOpen } from './websocket-calls.ts';
import { runOf, webSocketOf } from './websocket-run.ts';

/** One connection as a subscriber of topics. */
class ConnectionSubscriber implements Subscriber {
  readonly connId: ConnId;
  #connection: StreamConnection;

  constructor(connection: StreamConnection) {
    this.connId = connection.id;
    this.#connection = connection;
  }

  get pendingBytes(): number {
    return this.#connection.pendingBytes;
  }

  get isOpen(): boolean {
    return webSocketOf(this.#connection)?.isOpen ?? false;
  }

  send(message: SharedMessage): boolean {
    return webSocketOf(this.#connection)?.sendShared(message) ?? false;
  }

  close(code: number, reason: string): void {
    webSocketOf(this.#connection)?.close(code, reason);
  }
}

/** Notes that a connection is not subscribed to the topic. Always false. */
export function notSubscribed(component: Component, connId: ConnId): false {
  const message = 'it is not subscribed to that topic';
  return component[$refuse]('unsubscribe', SocketErrorCode.IllegalState, Errno.EPERM, message, connId);
}

/** Subscribes a connection to a topic. @returns false with `lastError` if it cannot be. */
export function subscribeOn(
  component: Component,
  connection: StreamConnection | undefined,
  connId: ConnId,
  topic: string,
): boolean {
  if (webSocketOf(connection)?.isOpen !== true) return notOpen(component, 'subscribe', connection, connId);
  const topics = runOf(component)?.topics ?? null;
  if (topics === null) {
    const message = 'topics are of servers and agents';
    return component[$refuse]('subscribe', SocketErrorCode.IllegalState, Errno.EPERM, message, connId);
  }
  if (topics.subscribe(connId, topic, () => new ConnectionSubscriber(connection!))) return true;
  const message = 'it has maxTopicsPerConnection topics already';
  return component[$refuse]('subscribe', SocketErrorCode.IllegalState, Errno.ENOBUFS, message, connId);
}
