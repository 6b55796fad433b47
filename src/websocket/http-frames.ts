import type { Component } from '../core/component.ts';
import { checkConnId } from '../core/connection-facts.ts';
import { SocketErrorCode } from '../core/enums.ts';
import { Errno } from '../core/errno.ts';
import { $refuse } from '../core/internals.ts';
import type { ConnId } from '../core/listener.ts';
import { sharedMemory } from '../memory/read-memory.ts';
import type { Port, Protocol } from '../protocol/protocol.ts';
import { type FrameContext, type FrameHooks, WebSocketFrameProtocol, type WSMessageState } from './frame-protocol.ts';
import type { RawFrame } from './frame-writer.ts';

/** Names of HP-Socket's hooks about frames. */
export const FRAME_HOOKS: readonly (keyof FrameHooks)[] = [
  'onWSMessageHeader',
  'onWSMessageBody',
  'onWSMessageComplete',
];

/** Which frames an HTTP component takes: `'strict'` checks all that RFC 6455 asks for, `'hp'` the masking alone (WS-002, WS-003). */
export type WSPolicy = 'strict' | 'hp';

/**
 * Makes the protocol of connections of an HTTP component that were upgraded to WebSocket and whose frames the listener wants; null
 * if it has no hook for them.
 */
export function frameProtocols(
  component: Component,
  listener: FrameHooks,
  isServer: boolean,
  policy: WSPolicy,
): ((port: Port) => Protocol) | null {
  if (FRAME_HOOKS.every((name) => listener[name] === undefined)) return null;
  const context: FrameContext = {
    expectsMask: isServer,
    allowedReserved: 0,
    isValidating: policy === 'strict',
    pool: sharedMemory().slabs,
    hooks: listener,
    sender: component,
  };
  return (port) => new WebSocketFrameProtocol(context, port);
}

/** Sends one frame on a connection whose frames the listener gets (`SendWSMessage`). */
export function sendFrameOn(
  component: Component,
  protocol: Protocol | undefined,
  connId: ConnId,
  frame: RawFrame,
): boolean {
  const refuse = (code: SocketErrorCode, errno: number, message: string): false =>
    component[$refuse]('sendWSMessage', code, errno, message, connId);
  if (!(protocol instanceof WebSocketFrameProtocol)) {
    checkConnId(connId);
    return refuse(
      SocketErrorCode.IllegalState,
      Errno.EPERM,
      'it was not upgraded to a WebSocket whose frames the listener gets',
    );
  }
  if (frame.bodyLength !== 0 && frame.bodyLength < frame.data.length) {
    return refuse(SocketErrorCode.InvalidParam, Errno.EINVAL, 'bodyLength is less than the length of the data');
  }
  if (protocol.sendFrame(frame)) return true;
  return refuse(SocketErrorCode.DataSend, Errno.ENOBUFS, 'too much is pending (maxPendingBytes), or it is closing');
}

/** State of the current or last frame of a connection; null before the first, or without frames (`GetWSMessageState`). */
export function frameStateOf(protocol: Protocol | undefined): WSMessageState | null {
  return protocol instanceof WebSocketFrameProtocol ? protocol.messageState : null;
}
