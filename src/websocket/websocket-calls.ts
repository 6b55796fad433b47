import { sendOn } from '../connection/send.ts';
import type { StreamConnection } from '../connection/stream-connection.ts';
import type { Component } from '../core/component.ts';
import { SocketErrorCode } from '../core/enums.ts';
import { Errno } from '../core/errno.ts';
import { $refuse } from '../core/internals.ts';
import type { ConnId } from '../core/listener.ts';
import { type Sendable, toBytes } from '../memory/sendable.ts';
import { Opcode } from './opcode.ts';
import type { WebSocketProtocol } from './websocket-protocol.ts';
import { webSocketOf } from './websocket-run.ts';

/** Fragments wait while more than this is pending. */
const STREAM_PENDING_BYTES = 256 * 1024;
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
  if (act(protocol)) return true;
  return component[$refuse](
    operation,
    SocketErrorCode.DataSend,
    Errno.ENOBUFS,
    'too much is pending (maxPendingBytes); wait for onSendDrained',
    connId,
  );
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
  try {
    for await (const piece of source) {
      const bytes = toBytes(piece, 0, undefined);
      if (bytes.length === 0) continue;
      if (!protocol.sendFragment(bytes, false)) return notOpen(component, 'sendStream', connection, connId);
      if (connection!.pendingBytes > STREAM_PENDING_BYTES && !(await protocol.whenPending(STREAM_PENDING_BYTES))) {
        return notOpen(component, 'sendStream', connection, connId);
      }
    }
    return protocol.sendFragment(EMPTY, true) || notOpen(component, 'sendStream', connection, connId);
  } finally {
    protocol.abandonFragments();
  }
}
