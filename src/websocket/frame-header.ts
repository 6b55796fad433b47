import { MAX_CONTROL_BYTES, Opcode, type Violation, Violations } from './opcode.ts';

/** Longest header: two bytes, a length of eight, a masking key of four (WS-001). */
export const MAX_HEADER_BYTES = 14;
const TWO_32 = 4_294_967_296;

/**
 * Header of a frame (RFC 6455, 5.2; WS-001):
 *
 * ```
 *   byte 0                       byte 1
 *  +-----+------+------+------+--------+   +------+--------------+  +-----------------+  +---------------+
 *  | FIN | RSV1 | RSV2 | RSV3 | opcode |   | MASK | length 0-125 |  | 126: 16 bits,   |  | with MASK:    |
 *  | 0x80| 0x40 | 0x20 | 0x10 | 4 bits |   | 0x80 | 126, 127     |  | 127: 64 bits    |  | 4 bytes of key|
 *  +-----+------+------+------+--------+   +------+--------------+  +-----------------+  +---------------+
 * ```
 *
 * One object is filled again and again: a header costs no allocation.
 */
export class FrameHeader {
  /** Bytes that the header itself takes. */
  size = 0;
  isFinal = false;
  /** RSV1 to RSV3 as a number, RSV1 = 4. */
  reserved = 0;
  opcode = 0;
  isMasked = false;
  /** The masking key as a little-endian word; 0 without one. */
  key = 0;
  /** Length of the payload. Beyond 2^53 it is not exact, but no such payload ever comes to an end. */
  length = 0;
  /** Whether the length is in its shortest form. */
  isMinimal = true;

  /** Reads `bytes[at, end)`. False if the header is not all there. */
  read(bytes: Uint8Array, at: number, end: number): boolean {
    if (end - at < 2) return false;
    const first = bytes[at]!;
    const second = bytes[at + 1]!;
    this.isFinal = first >= 0x80;
    this.reserved = (first >> 4) & 7;
    this.opcode = first & 15;
    this.isMasked = second >= 0x80;
    let next = at + 2;
    let length = second & 127;
    this.isMinimal = true;
    if (length === 126) {
      next += 2;
      if (next > end) return false;
      length = (bytes[at + 2]! << 8) | bytes[at + 3]!;
      this.isMinimal = length > 125;
    } else if (length === 127) {
      next += 8;
      if (next > end) return false;
      length = word(bytes, at + 2) * TWO_32 + word(bytes, at + 6);
      this.isMinimal = length > 0xffff;
    }
    this.length = length;
    if (this.isMasked) {
      if (next + 4 > end) return false;
      this.key = bytes[next]! | (bytes[next + 1]! << 8) | (bytes[next + 2]! << 16) | (bytes[next + 3]! << 24);
      next += 4;
    } else {
      this.key = 0;
    }
    this.size = next - at;
    return true;
  }
}

function word(bytes: Uint8Array, at: number): number {
  return bytes[at]! * 16_777_216 + ((bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!);
}

/** What the frames of one connection have to keep to. */
export interface FrameRules {
  /** Whether frames have to be masked: this end is the server (RFC 6455, 5.1; WS-002). */
  readonly expectsMask: boolean;
  /** Reserved bits that extensions allow on the first frame of a message; 4 with permessage-deflate. */
  readonly allowedReserved: number;
}

/**
 * Checks the first two bytes of a frame, which is all that most rules are about: a violation is known before the rest of the
 * header is there. `isContinuing` says whether a message was begun and not finished.
 */
export function checkFrameStart(
  first: number,
  second: number,
  rules: FrameRules,
  isContinuing: boolean,
): Violation | null {
  const opcode = first & 15;
  const reserved = (first >> 4) & 7;
  // RFC 6455, 5.2: "MUST be 0 unless an extension is negotiated that defines meanings for non-zero values".
  if ((reserved & ~rules.allowedReserved) !== 0) return Violations.reservedBits;
  if (opcode >= 8) {
    if (opcode > Opcode.Pong) return Violations.opcode;
    // RFC 7692, 6.1: the bit is of data messages only.
    if (reserved !== 0) return Violations.reservedBits;
    // RFC 6455, 5.5: control frames have at most 125 bytes and are not fragmented.
    if (first < 0x80) return Violations.controlFragmented;
    if ((second & 127) > MAX_CONTROL_BYTES) return Violations.controlLength;
  } else {
    if (opcode > Opcode.Binary) return Violations.opcode;
    if (opcode === Opcode.Continuation) {
      if (!isContinuing) return Violations.strayContinuation;
      // RFC 7692, 6.1: RSV1 is set on the first frame and on no other.
      if (reserved !== 0) return Violations.compressedContinuation;
    } else if (isContinuing) {
      return Violations.interleaved;
    }
  }
  // RFC 6455, 5.1: a client masks all its frames, a server none.
  if (second >= 0x80 !== rules.expectsMask) return rules.expectsMask ? Violations.unmasked : Violations.masked;
  return null;
}

/**
 * Checks the length once it is there: `bytes[at, end)` begins with a frame whose first two bytes were checked. Null if it is
 * right, or not there yet.
 */
export function checkFrameLength(bytes: Uint8Array, at: number, end: number): Violation | null {
  const form = bytes[at + 1]! & 127;
  // RFC 6455, 5.2: "the minimal number of bytes MUST be used to encode the length".
  if (form === 126) {
    return end - at >= 4 && bytes[at + 2] === 0 && bytes[at + 3]! < 126 ? Violations.lengthNotMinimal : null;
  }
  if (form !== 127) return null;
  // RFC 6455, 5.2: "the most significant bit MUST be 0".
  if (end - at >= 3 && bytes[at + 2]! >= 0x80) return Violations.lengthSign;
  if (end - at >= 10 && word(bytes, at + 2) === 0 && bytes[at + 6] === 0 && bytes[at + 7] === 0) {
    return Violations.lengthNotMinimal;
  }
  return null;
}

/** Bytes of the header of a frame with `length` bytes of payload. */
export function headerBytes(length: number, isMasked: boolean): number {
  const size = length < 126 ? 2 : length < 65_536 ? 4 : 10;
  return isMasked ? size + 4 : size;
}

/** Writes the header of a frame to `target` at `at`, with the shortest form of the length. Returns the offset behind it. */
export function writeHeader(
  target: Uint8Array,
  at: number,
  first: number,
  length: number,
  isMasked: boolean,
  key: number,
): number {
  const mask = isMasked ? 0x80 : 0;
  let next = at + 2;
  target[at] = first;
  if (length < 126) {
    target[at + 1] = mask | length;
  } else if (length < 65_536) {
    target[at + 1] = mask | 126;
    target[at + 2] = length >> 8;
    target[at + 3] = length & 255;
    next = at + 4;
  } else {
    target[at + 1] = mask | 127;
    const high = Math.floor(length / TWO_32);
    const low = length >>> 0;
    for (let i = 0; i < 4; i++) {
      target[at + 2 + i] = (high >>> (24 - 8 * i)) & 255;
      target[at + 6 + i] = (low >>> (24 - 8 * i)) & 255;
    }
    next = at + 10;
  }
  if (!isMasked) return next;
  target[next] = key & 255;
  target[next + 1] = (key >>> 8) & 255;
  target[next + 2] = (key >>> 16) & 255;
  target[next + 3] = key >>> 24;
  return next + 4;
}
