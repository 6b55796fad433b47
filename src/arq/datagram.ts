import { CMD_PUSH, KCP_HEADER_BYTES, RECV_WINDOW_MIN } from './constants.ts';
import { HANDSHAKE_BYTES } from './handshake.ts';
import { readInt32 } from './segment.ts';

/** The 16 bytes that end a UDP or ARQ connection (UD-011). Frozen in meaning: never write to it. */
export const CLOSE_NOTIFY: Buffer = Buffer.from('beb61febda5246ba923359dbbfe6c8e4', 'hex');

/** Kinds of datagram of an ARQ connection (AQ-001..005). */
export const ArqDatagram = Object.freeze({
  Heartbeat: 0,
  CloseNotify: 1,
  Handshake: 2,
  Segments: 3,
  /** Of no legal length: EBADMSG. */
  Invalid: 4,
} as const);
export type ArqDatagram = (typeof ArqDatagram)[keyof typeof ArqDatagram];

/** What a datagram is by its length, and for 16 bytes by its content. Its contents are checked by what takes it. */
export function classifyDatagram(datagram: Uint8Array): ArqDatagram {
  const length = datagram.length;
  if (length >= KCP_HEADER_BYTES) return ArqDatagram.Segments;
  if (length === HANDSHAKE_BYTES) return ArqDatagram.Handshake;
  if (length === 0) return ArqDatagram.Heartbeat;
  return isCloseNotify(datagram) ? ArqDatagram.CloseNotify : ArqDatagram.Invalid;
}

/**
 * True for a datagram of kcp-go with forward error correction: a sequence number of 4 bytes, then F1 00 for data or F2 00 for
 * parity, where KCP has its command and fragment number.
 */
export function hasFecHeader(datagram: Uint8Array): boolean {
  return datagram.length >= 8 && (datagram[4] === 0xf1 || datagram[4] === 0xf2) && datagram[5] === 0;
}

/**
 * True for a datagram with which a stock KCP peer may begin a conversation: its first segment is data, among the first that a
 * window lets through, and complete.
 */
export function beginsConversation(datagram: Uint8Array): boolean {
  if (datagram.length < KCP_HEADER_BYTES || datagram[4] !== CMD_PUSH) return false;
  const sn = readInt32(datagram, 12);
  const length = readInt32(datagram, 20);
  return sn >= 0 && sn < RECV_WINDOW_MIN && length >= 0 && length <= datagram.length - KCP_HEADER_BYTES;
}

/** True for the close notify: exactly those 16 bytes (AQ-002). */
export function isCloseNotify(datagram: Uint8Array): boolean {
  if (datagram.length !== CLOSE_NOTIFY.length) return false;
  for (let i = 0; i < CLOSE_NOTIFY.length; i++) if (datagram[i] !== CLOSE_NOTIFY[i]) return false;
  return true;
}
