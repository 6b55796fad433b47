import { sendOn, sendPacketsOn } from '../connection/send.ts';
import type { StreamConnection } from '../connection/stream-connection.ts';
import type { Component } from '../core/component.ts';
import { checkConnId } from '../core/connection-facts.ts';
import { SocketErrorCode } from '../core/enums.ts';
import { Errno } from '../core/errno.ts';
import { $refuse } from '../core/internals.ts';
import type { ConnId } from '../core/listener.ts';
import { type Sendable, toBytes, toParts } from '../memory/sendable.ts';
import { checkedControl, closeBodyOf } from './control-payload.ts';
import { Opcode } from './opcode.ts';
import type { WebSocketProtocol } from './websocket-protocol.ts';
import { webSocketOf } from './websocket-run.ts';

/** Notes that a connection is no open WebSocket. Always false. */
export function notOpen(
  component: Component,
  operation: string,
  connection: StreamConnection | undefined,
  connId: ConnId,
): false {
  if (connection === undefined) {
    checkConnId(connId);
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
  const bytes = toBytes(data, 0, undefined);
  if (protocol === null) return notOpen(component, 'send', connection, connId);
  protocol.sendOpcode = opcode;
  const isQueued = sendOn(component, connection!, bytes);
  protocol.sendOpcode = Opcode.Binary;
  return isQueued;
}

/** Sends a ping, or a pong that was not asked for. */
export function sendControlOn(
  component: Component,
  kind: 'ping' | 'pong',
  connection: StreamConnection | undefined,
  connId: ConnId,
  data: Sendable,
): boolean {
  const bytes = checkedControl(toBytes(data, 0, undefined));
  return doOn(component, kind, connection, connId, (protocol) => protocol[kind](bytes));
}

/** Begins the closing handshake. */
export function closeOn(
  component: Component,
  connection: StreamConnection | undefined,
  connId: ConnId,
  code: number,
  reason: string,
): boolean {
  closeBodyOf(code, reason);
  return doOn(component, 'close', connection, connId, (protocol) => protocol.close(code, reason));
}

/** Does something with an open WebSocket that cannot be queued if it says false. */
function doOn(
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

/** Notes that too much is pending. Always false. */
export function noRoom(component: Component, operation: string, connId: ConnId): false {
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
  operation: string,
): boolean {
  const protocol = webSocketOf(connection);
  if (protocol === null) {
    toParts(packets);
    return notOpen(component, operation, connection, connId);
  }
  protocol.sendOpcode = isText(packets) ? Opcode.Text : Opcode.Binary;
  try {
    return sendPacketsOn(component, connection!, packets, operation);
  } finally {
    protocol.sendOpcode = Opcode.Binary;
  }
}
