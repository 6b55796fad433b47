import type { Component } from '../core/component.ts';
import { SocketErrorCode } from '../core/enums.ts';
import { Errno } from '../core/errno.ts';
import { $refuse, $sendLimit } from '../core/internals.ts';
import { type Sendable, toParts } from '../memory/sendable.ts';
import type { UdpConnection } from './udp-connection.ts';

/** A component of datagrams or ARQ messages, as `sendPacketsOn` sees it. */
export interface DatagramSender extends Component {
  [$sendLimit](): number;
}

/** `sendPackets` on a connection. */
export function sendPacketsOn(
  component: DatagramSender,
  connection: UdpConnection,
  packets: readonly Sendable[],
): boolean {
  const bytes = joinParts(component, packets, component[$sendLimit](), connection.id);
  return bytes !== null && connection.send('sendPackets', bytes);
}

/**
 * The parts of `sendPackets` as one datagram or message; null after noting why not: EINVAL for no parts, EMSGSIZE if they
 * have more than `limit` bytes together (CS-003, ACC-004).
 */
export function joinParts(
  component: Component,
  packets: readonly Sendable[],
  limit: number,
  connId: number,
  operation = 'sendPackets',
): Uint8Array | null {
  const parts = toParts(packets);
  const refuse = (errno: number, message: string): null => {
    component[$refuse](operation, SocketErrorCode.InvalidParam, errno, message, connId);
    return null;
  };
  if (packets.length === 0) return refuse(Errno.EINVAL, 'there are no packets');
  let length = 0;
  for (const part of parts) length += part.length;
  if (length > limit) return refuse(Errno.EMSGSIZE, `the packets have ${length} bytes together, allowed are ${limit}`);
  return parts.length === 1 ? parts[0]! : Buffer.concat(parts, length);
}
