import { readFile, stat } from 'node:fs/promises';
import type { Component } from '../core/component.ts';
import { describe, shown } from '../core/describe.ts';
import { SocketErrorCode } from '../core/enums.ts';
import { Errno, errnoName, errnoOf } from '../core/errno.ts';
import { $refuse, $settings } from '../core/internals.ts';
import { checkPackets, type Sendable, toBytes } from '../memory/sendable.ts';
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
  checkWhole(offset, length);
  return protocol.encode(data);
}

function checkWhole(offset: number, length: number | undefined): void {
  if (offset !== 0 || length !== undefined)
    throw new RangeError('with this framing, a message is sent whole: without offset and length');
}

/** Throws for what `send` does not take on any connection of a component. For calls that found none. */
export function checkSend(component: Component, data: unknown, offset: number, length: number | undefined): void {
  const { framing } = component[$settings] as { framing?: { encode: ((message: unknown) => Sendable) | null } | null };
  const encode = framing?.encode ?? null;
  if (encode === null) return void toBytes(data as Sendable, offset, length);
  checkWhole(offset, length);
  toBytes(encode(data), 0, undefined);
}

/** As `checkSend`, for `sendPackets`. */
export function checkSendPackets(component: Component, packets: readonly unknown[]): void {
  checkPackets(packets);
  for (const packet of packets) checkSend(component, packet, 0, undefined);
}

/** Queues `bytes` on a connection, as one message of its protocol (CS-002, PK-010, SND). */
export function sendOn(component: Component, connection: StreamConnection, bytes: Uint8Array): boolean {
  if (connection.state !== ConnectionState.Open && !canSendNow(component, connection, 'send')) return false;
  const { protocol } = connection.receiver;
  const size = protocol.sizeOf(bytes.length);
  if (size <= 0) return size === 0 || impossible(component, connection, 'send', -size, bytes.length);
  const sender = connection.useSender();
  if (!sender.hasRoomFor(size)) return full(component, connection, 'send', size);
  protocol.frame(sender.queue, bytes);
  sender.appended();
  return true;
}

/**
 * Queues several pieces in a row with nothing between them, as one message of the protocol (CS-003).
 * @param operation What `lastFailure` is to name.
 */
export function sendPacketsOn(
  component: Component,
  connection: StreamConnection,
  packets: readonly unknown[],
  operation: string,
): boolean {
  checkPackets(packets);
  if (packets.length === 0) {
    return component[$refuse](
      operation,
      SocketErrorCode.InvalidParam,
      Errno.EINVAL,
      'there are no packets',
      connection.id,
    );
  }
  const parts = packets.map((packet) => bytesOf(connection, packet, 0, undefined));
  if (connection.state !== ConnectionState.Open && !canSendNow(component, connection, operation)) return false;
  let length = 0;
  for (const part of parts) length += part.length;
  const { protocol } = connection.receiver;
  const size = protocol.sizeOf(length);
  if (size <= 0) return size === 0 || impossible(component, connection, operation, -size, length);
  const sender = connection.useSender();
  if (!sender.hasRoomFor(size)) return full(component, connection, operation, size);
  protocol.frameParts(sender.queue, parts, length);
  sender.appended();
  return true;
}

/** Largest file, with head and tail, that `sendSmallFile` takes. */
export const MAX_SMALL_FILE_BYTES = MAX_PACK_SIZE;

/** Throws for what `sendSmallFile` does not take. @returns Bytes of head and tail together. */
export function checkSmallFile(fileName: string | URL, head: Sendable | undefined, tail: Sendable | undefined): number {
  if (typeof fileName !== 'string' && !(fileName instanceof URL)) {
    throw new TypeError(`fileName must be a string or a URL, not ${describe(fileName)}`);
  }
  return toBytes(head ?? '', 0, undefined).length + toBytes(tail ?? '', 0, undefined).length;
}

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
  const around = checkSmallFile(fileName, head, tail);
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

function canSendNow(component: Component, connection: StreamConnection, operation: string): boolean {
  if (connection.canSend) return true;
  let errno: number = Errno.EPERM;
  let message = 'it is still connecting';
  if (connection.isShakingHands) message = 'its TLS handshake is not done';
  else if (connection.state !== ConnectionState.Connecting) {
    errno = Errno.EBADSLT;
    message = 'it is closing';
  }
  return component[$refuse](operation, SocketErrorCode.IllegalState, errno, message, connection.id);
}

function full(component: Component, connection: StreamConnection, operation: string, length: number): false {
  const { pendingBytes, host } = connection;
  const { maxPendingBytes } = host.settings;
  const message =
    pendingBytes === 0 || length > maxPendingBytes
      ? `${length} bytes are more than maxPendingBytes (${maxPendingBytes}) allows at once; send them in pieces, or raise it`
      : `${pendingBytes} bytes are pending, ${length} more would exceed maxPendingBytes; wait for onSendDrained`;
  return component[$refuse](operation, SocketErrorCode.DataSend, Errno.ENOBUFS, message, connection.id);
}

function impossible(
  component: Component,
  connection: StreamConnection,
  operation: string,
  errno: number,
  length: number,
): false {
  const message = connection.protocol.explain(length);
  return component[$refuse](operation, SocketErrorCode.InvalidParam, errno, message, connection.id);
}
