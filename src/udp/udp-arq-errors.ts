import { type ArqSettings, KCP_HEADER_BYTES } from '../arq/index.ts';
import { SocketErrorCode } from '../core/enums.ts';
import { Errno, errnoName } from '../core/errno.ts';
import { SocketError } from '../core/errors.ts';
import type { DatagramPort } from './datagram-protocol.ts';

/** What keeps the answers of a server from its clients though both are there. */
const ANSWERS_FROM_ELSEWHERE =
  ', and that a server with several addresses listens on the one that it is asked at: one that listens on 0.0.0.0 may answer from another';

/** Why datagrams of kcp-go with FEC are not taken. */
export const FEC_REFUSED =
  'the peer sends forward error correction (kcp-go with dataShards and parityShards), which is not supported; set both to 0 there';

/** Why a datagram of plain KCP was dropped: it belongs to another conversation than `conv`. */
export function foreignConversation(bytes: Buffer, conv: number): string {
  const other = bytes.length >= KCP_HEADER_BYTES ? `conversation ${bytes.readUInt32LE(0)}` : 'what is no KCP';
  return `the peer sent ${other}, and this one is ${conv}; both ends need the same conv`;
}

/** The handshake did not end in time. */
export function handshakeTimeout(port: DatagramPort, handshakeTimeoutMs: number): SocketError {
  const { id, remoteAddress, remotePort, isClient } = port;
  return new SocketError({
    socketError: SocketErrorCode.ConnectServer,
    errno: Errno.ETIMEDOUT,
    operation: 'handshake',
    connId: id,
    message: `the ARQ handshake of connection ${id} with ${remoteAddress}:${remotePort} did not end within ${handshakeTimeoutMs} ms (handshakeTimeoutMs); check that an ARQ peer is there${isClient ? ANSWERS_FROM_ELSEWHERE : ''}`,
  });
}

/** Why the session ended: what `errno` of the session means. */
export function whySessionFailed(port: DatagramPort, errno: number, { maxMessageSize }: ArqSettings): string {
  if (errno === Errno.ECONNRESET) {
    return port.isClient
      ? 'the server does not know this connection: it was restarted, has closed it, or sees this client under another address now (another network, a NAT that forgot)'
      : 'the peer is another one than before: it was restarted, or another client has its address now';
  }
  if (errno === Errno.EMSGSIZE) return `the peer sent a message of more than ${maxMessageSize} bytes (maxMessageSize)`;
  return errno === Errno.EPROTO ? FEC_REFUSED : 'the peer sent what is no ARQ datagram';
}

/** A peer with the same address but another ID has proved itself (CLS-026). */
export function superseded(connId: number): SocketError {
  return new SocketError({
    socketError: SocketErrorCode.Network,
    errno: Errno.ECONNRESET,
    operation: 'receive',
    connId,
    message: `connection ${connId}: the peer was restarted and came back with the same address (${errnoName(Errno.ECONNRESET)})`,
  });
}

/** The peer did not acknowledge everything before the drain was over. */
export function notAcknowledged(connId: number, waitingSendCount: number): SocketError {
  return new SocketError({
    socketError: SocketErrorCode.Network,
    errno: Errno.ETIMEDOUT,
    operation: 'drain',
    connId,
    message: `the peer of connection ${connId} did not acknowledge the last ${waitingSendCount} segments in time`,
  });
}

/** Why a message of `length` bytes is not sent. */
export function whyNotSent(errno: number, length: number, isUnreliable: boolean, settings: ArqSettings): string {
  switch (errno) {
    case Errno.EINVAL:
    case Errno.EMSGSIZE:
      return isUnreliable
        ? `an unreliable message of ${length} bytes is not possible, allowed are 1 to ${settings.maxSegmentBytes} (maxTransUnit - 24)`
        : `a message of ${length} bytes is not possible, allowed are 1 to ${settings.maxMessageSize} (maxMessageSize)`;
    case Errno.ENOBUFS:
      return 'too many messages wait for the peer (maxWaitingSendCount); wait for onSendDrained';
    case Errno.EOPNOTSUPP:
      return 'the peer is not known to take unreliable messages; set the option unreliable at both ends';
    default:
      return 'the ARQ handshake is not done yet; send from onHandShake on';
  }
}
