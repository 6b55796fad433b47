import { readFile, stat } from 'node:fs/promises';
import type { Component } from '../core/component.ts';
import { SocketErrorCode } from '../core/enums.ts';
import { Errno, errnoName, errnoOf } from '../core/errno.ts';
import { describe } from '../core/properties.ts';
import { type Sendable, toBytes } from '../memory/sendable.ts';
import { MAX_PACK_SIZE, PACK_HEADER_BYTES, packHeader } from '../protocol/pack.ts';
import { ConnectionState } from './state.ts';
import type { StreamConnection } from './stream-connection.ts';

/** How a component frames what it sends: not at all, or as packages. */
export interface PackFraming {
  readonly packHeaderFlag: number;
  readonly maxPackSize: number;
}

/** Queues `bytes` on a connection, as one package if there is a framing (CS-002, PK-010, SND). */
export function sendOn(
  component: Component,
  connection: StreamConnection,
  framing: PackFraming | null,
  bytes: Uint8Array,
): boolean {
  const { length } = bytes;
  if (connection.state !== ConnectionState.Open && !canSendNow(component, connection)) return false;
  const sender = connection.useSender();
  if (framing === null) {
    if (length === 0) return true;
    if (!sender.hasRoomFor(length)) return full(component, connection, length);
    sender.queue.append(bytes, 0, length);
  } else {
    if (length === 0 || length > framing.maxPackSize) return badPackSize(component, connection, framing, length);
    if (!sender.hasRoomFor(length + PACK_HEADER_BYTES)) return full(component, connection, length);
    sender.queue.appendPackage(packHeader(framing.packHeaderFlag, length), bytes);
  }
  sender.appended();
  return true;
}

/** Queues several pieces in a row with nothing between them; as one package if there is a framing (CS-003). */
export function sendPacketsOn(
  component: Component,
  connection: StreamConnection,
  framing: PackFraming | null,
  packets: readonly Sendable[],
): boolean {
  if (!Array.isArray(packets)) throw new TypeError('packets must be an array of Buffers, Uint8Arrays or strings');
  if (packets.length === 0) {
    return component.refuse(
      'sendPackets',
      SocketErrorCode.InvalidParam,
      Errno.EINVAL,
      'there are no packets',
      connection.id,
    );
  }
  if (connection.state !== ConnectionState.Open && !canSendNow(component, connection)) return false;
  const parts = packets.map((packet) => toBytes(packet, 0, undefined));
  let length = 0;
  for (const part of parts) length += part.length;
  if (framing !== null && (length === 0 || length > framing.maxPackSize)) {
    return badPackSize(component, connection, framing, length);
  }
  if (length === 0) return true;
  const sender = connection.useSender();
  const { queue } = sender;
  if (!sender.hasRoomFor(length + (framing === null ? 0 : PACK_HEADER_BYTES)))
    return full(component, connection, length);
  if (framing !== null) queue.appendUInt32LE(packHeader(framing.packHeaderFlag, length));
  for (const part of parts) queue.append(part, 0, part.length);
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
    component.refuse('sendSmallFile', SocketErrorCode.DataSend, errno, message, connId);
    return null;
  };
  if (typeof fileName !== 'string' && !(fileName instanceof URL)) {
    throw new TypeError(`fileName must be a string or a URL, not ${describe(fileName)}`);
  }
  const around = toBytes(head ?? '', 0, undefined).length + toBytes(tail ?? '', 0, undefined).length;
  try {
    const { size } = await stat(fileName);
    if (size === 0) return refuse(Errno.ENODATA, `the file ${fileName} is empty`);
    if (size + around > MAX_SMALL_FILE_BYTES) {
      return refuse(
        Errno.EFBIG,
        `the file ${fileName} with head and tail has ${size + around} bytes, allowed are ${MAX_SMALL_FILE_BYTES}`,
      );
    }
    const body = await readFile(fileName);
    return [head ?? '', body, tail ?? ''];
  } catch (error) {
    const errno = errnoOf(error);
    return refuse(errno, `the file ${fileName} cannot be read: ${errnoName(errno)}`);
  }
}

function canSendNow(component: Component, connection: StreamConnection): boolean {
  if (connection.state === ConnectionState.Connecting) {
    return component.refuse('send', SocketErrorCode.IllegalState, Errno.EPERM, 'it is still connecting', connection.id);
  }
  if (connection.canSend) return true;
  if (connection.state === ConnectionState.Opening && !connection.isEnding) {
    return component.refuse(
      'send',
      SocketErrorCode.IllegalState,
      Errno.EPERM,
      'its TLS handshake is not done',
      connection.id,
    );
  }
  return component.refuse('send', SocketErrorCode.IllegalState, Errno.EBADSLT, 'it is closing', connection.id);
}

function full(component: Component, connection: StreamConnection, length: number): false {
  const { pendingBytes, host } = connection;
  const { maxPendingBytes } = host.settings;
  const message =
    pendingBytes === 0 || length > maxPendingBytes
      ? `${length} bytes are more than maxPendingBytes (${maxPendingBytes}) allows at once; send them in pieces, or raise it`
      : `${pendingBytes} bytes are pending, ${length} more would exceed maxPendingBytes; wait for onSendDrained`;
  return component.refuse('send', SocketErrorCode.DataSend, Errno.ENOBUFS, message, connection.id);
}

function badPackSize(component: Component, connection: StreamConnection, framing: PackFraming, length: number): false {
  const message = `a package of ${length} bytes is not possible, allowed are 1 to ${framing.maxPackSize} (maxPackSize)`;
  return component.refuse('send', SocketErrorCode.InvalidParam, Errno.EMSGSIZE, message, connection.id);
}
