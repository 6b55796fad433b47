import { COPY_LIMIT_BYTES, type SendQueue } from '../memory/send-queue.ts';
import { copyBytes } from '../memory/slab-pool.ts';
import { headerBytes, MAX_HEADER_BYTES, writeHeader } from './frame-header.ts';
import { applyMask, copyMasked, randomKey } from './mask.ts';

/** The bit of the first byte that ends a message. */
export const FINAL = 0x80;
/** RSV1 in the first byte: the message is compressed (RFC 7692, 6). */
export const COMPRESSED = 0x40;

const headerScratch = Buffer.alloc(MAX_HEADER_BYTES);

/**
 * Appends one frame to a queue: `first` is its first byte. Short payloads are copied behind their header into the slab of the
 * queue, so that the frames of one turn leave in one write; long ones are kept by reference, or, masked, as one masked copy.
 * The caller's bytes are never modified (WS-009).
 */
export function appendFrame(queue: SendQueue, first: number, payload: Uint8Array, isMasked: boolean): void {
  const { length } = payload;
  const size = headerBytes(length, isMasked);
  if (length <= COPY_LIMIT_BYTES) {
    const slab = queue.reserve(size + length);
    const { bytes, end } = slab;
    const at = end - length;
    const key = isMasked ? randomKey() : 0;
    writeHeader(bytes, at - size, first, length, isMasked, key);
    copyBytes(payload, 0, length, bytes, at);
    if (isMasked) applyMask(bytes, at, end, key);
  } else if (isMasked) {
    const frame = buildFrame(first, payload, true);
    queue.append(frame, 0, frame.length);
  } else {
    writeHeader(headerScratch, 0, first, length, false, 0);
    queue.append(headerScratch, 0, size);
    queue.append(payload, 0, length);
  }
}

/** Appends one frame whose payload, `length` bytes, is in several parts. */
export function appendFrameParts(
  queue: SendQueue,
  first: number,
  parts: readonly Uint8Array[],
  length: number,
  isMasked: boolean,
): void {
  if (isMasked) return appendFrame(queue, first, Buffer.concat(parts, length), true);
  writeHeader(headerScratch, 0, first, length, false, 0);
  queue.append(headerScratch, 0, headerBytes(length, false));
  for (const part of parts) queue.append(part, 0, part.length);
}

/** One frame as bytes of their own: for control frames, and for what goes to many connections. */
export function buildFrame(first: number, payload: Uint8Array, isMasked: boolean): Buffer {
  const { length } = payload;
  const frame = Buffer.allocUnsafe(headerBytes(length, isMasked) + length);
  const key = isMasked ? randomKey() : 0;
  const at = writeHeader(frame, 0, first, length, isMasked, key);
  if (isMasked) copyMasked(payload, 0, length, frame, at, key);
  else frame.set(payload, at);
  return frame;
}

/** What `sendWSMessage` of HP-Socket can say of a frame. */
export interface RawFrame {
  isFinal: boolean;
  /** RSV1 to RSV3 as a number, RSV1 = 4; only its three bits are used (WS-010). */
  reserved: number;
  /** Only its four bits are used (WS-010). */
  opcode: number;
  /** Masking key of four bytes, or null for none (WS-009). */
  mask: Uint8Array | null;
  data: Uint8Array;
  /** Length to announce, at least that of `data`; 0 for that of `data` (WS-007, WS-008). */
  bodyLength: number;
}

/** A frame exactly as the caller wants it (`SendWSMessage`, HTTP-RQ-001): header and data in one piece. */
export function buildRawFrame({ isFinal, reserved, opcode, mask, data, bodyLength }: RawFrame): Buffer {
  const announced = bodyLength === 0 ? data.length : bodyLength;
  const isMasked = mask !== null;
  const key = isMasked ? mask[0]! | (mask[1]! << 8) | (mask[2]! << 16) | (mask[3]! << 24) : 0;
  const frame = Buffer.allocUnsafe(headerBytes(announced, isMasked) + data.length);
  const first = (isFinal ? FINAL : 0) | ((reserved & 7) << 4) | (opcode & 15);
  const at = writeHeader(frame, 0, first, announced, isMasked, key);
  if (isMasked) copyMasked(data, 0, data.length, frame, at, key);
  else frame.set(data, at);
  return frame;
}
