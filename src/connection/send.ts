import { readFile, stat } from 'node:fs/promises';
import type { Component } from '../core/component.ts';
import { describe, shown } from '../core/describe.ts';
import { SocketErrorCode } from '../core/enums.ts';
import { Errno, errnoName, errnoOf } from '../core/errno.ts';
import { $refuse } from '../core/internals.ts';
import { type Sendable, toBytes } from '../memory/sendable.ts';
import { MAX_PACK_SIZE } from '../protocol/pack.ts';
import { ConnectionState } from './state.ts';
import type { StreamConnection } from './stream-connection.ts';

/** What `send` was given, as bytes. */
export function bytesOf(
  connection: StreamConnection,
  data: unknown,
  offset: number,
  length: number | undefined,
): Uint8Array {
  const { protocol } = connection.receiver;
  if (protocol.encode === undefined) return toBytes(data as Sendable, offset, length);
  if (offset !== 0 || length !== undefined)
    throw new RangeError('with this framing, a message is sent whole: without offset and length');
  return protocol.encode(data);
}

/** Queues `bytes` on a connection, as one message of its protocol (CS-002, PK-010, SND). */
export function sendOn(component: Component, connection: StreamConnection, bytes: Uint8Array): boolean {
  if (connection.state !== ConnectionState.Open && !canSendNow(component, connection)) return false;
  const { protocol } = connection.receiver;
  const size = protocol.sizeOf(bytes.length);
  if (size <= 0) return size === 0 || impossible(component, connection, -size, bytes.length);
  const sender = connection.useSender();
  if (!sender.hasRoomFor(size)) return full(component, connection, size);
  protocol.frame(sender.queue, bytes);
  sender.appended();
  return true;
}

/** Queues several pieces in a row with nothing between them, as one message of the protocol (CS-003). */
export function sendPacketsOn(
  component: Component,
  connection: StreamConnection,
  packets: readonly unknown[],
): boolean {
  if (!Array.isArray(packets)) {
    throw new TypeError(`packets must be an array of Buffers, Uint8Arrays or strings, not ${describe(packets)}`);
  }
  if (packets.length === 0) {
    return component[$refuse](
      'sendPackets',
      SocketErrorCode.InvalidParam,
      Errno.EINVAL,
      'there are no packets',
      connection.id,
    );
  }
  if (connection.state !== ConnectionState.Open && !canSendNow(component, connection)) return false;
  const parts = packets.map((packet) => bytesOf(connection, packet, 0, undefined));
  let length = 0;
  for (const part of parts) length += part.length;
  const { protocol } = connection.receiver;
  const size = protocol.sizeOf(length);
  if (size <= 0) return size === 0 || impossible(component, connection, -size, length);
  const sender = connection.useSender();
  if (!sender.hasRoomFor(size)) return full(component, connection, size);
  protocol.frameParts(sender.queue, parts, length);
  sender.appended();
  return true;
}

/** Largest file, with head and tail, that `sendSmallFile` takes. */
export const MAX_SMALL_FILE_BYTES = MAX_PACK_SIZE;

/** The parts that `sendSmallFile` sends, or null after noting why there are none (TCP-S-001). */
export async function readSmallFile(
  component: Component,
  connId: number,
  fileName: string | URL,
  head: Sendable | undefined,
  tail: Sendable | undefined,
): Promise<Sendable[] | null> {
  const refuse = (errno: number, message: string): null => {
    component[$refuse]('sendSmallFile', SocketErrorCode.DataSend, errno, message, connId);
    return null;
  };
  if (typeof fileName !== 'string' && !(fileName instanceof URL)) {
    throw new TypeError(`fileName must be a string or a URL, not ${describe(fileName)}`);
  }
  const around = toBytes(head ?? '', 0, undefined).length + toBytes(tail ?? '', 0, undefined).length;
  try {
    const { size } = await stat(fileName);
    if (size === 0) return refuse(Errno.ENODATA, `the file ${shown(String(fileName))} is empty`);
    if (size + around > MAX_SMALL_FILE_BYTES) {
      return refuse(
        Errno.EFBIG,
        `the file ${shown(String(fileName))} with head and tail has ${size + around} bytes, allowed are ${MAX_SMALL_FILE_BYTES}`,
      );
    }
    const body = await readFile(fileName);
    return [head ?? '', body, tail ?? ''];
  } catch (error) {
    const errno = errnoOf(error);
    return refuse(errno, `the file ${shown(String(fileName))} cannot be read: ${errnoName(errno)}`);
  }
}

function canSendNow(component: Component, connection: StreamConnection): boolean {
  if (connection.state === ConnectionState.Connecting) {
    return component[$refuse](
      'send',
      SocketErrorCode.IllegalState,
      Errno.EPERM,
      'it is still connecting',
      connection.id,
    );
  }
  if (connection.canSend) return true;
  if (connection.state === ConnectionState.Opening && !connection.isEnding) {
    return component[$refuse](
      'send',
      SocketErrorCode.IllegalState,
      Errno.EPERM,
      'its TLS handshake is not done',
      connection.id,
    );
  }
  return component[$refuse]('send', SocketErrorCode.IllegalState, Errno.EBADSLT, 'it is closing', connection.id);
}

function full(component: Component, connection: StreamConnection, length: number): false {
  const { pendingBytes, host } = connection;
  const { maxPendingBytes } = host.settings;
  const message =
    pendingBytes === 0 || length > maxPendingBytes
      ? `${length} bytes are more than maxPendingBytes (${maxPendingBytes}) allows at once; send them in pieces, or raise it`
      : `${pendingBytes} bytes are pending, ${length} more would exceed maxPendingBytes; wait for onSendDrained`;
  return component[$refuse]('send', SocketErrorCode.DataSend, Errno.ENOBUFS, message, connection.id);
}

function impossible(component: Component, connection: StreamConnection, errno: number, length: number): false {
  const message = connection.protocol.explain(length);
  return component[$refuse]('send', SocketErrorCode.InvalidParam, errno, message, connection.id);
}
