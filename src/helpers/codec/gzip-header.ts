import * as zlib from 'node:zlib';

/**
 * The header of a gzip member (RFC 1952), which `GzipHeader` swallows piece by piece:
 *
 *   1f 8b  08  flags  mtime(4)  extra flags  system  [length(2) extra]  [name 0]  [comment 0]  [crc(2)]
 */
const MAGIC = [0x1f, 0x8b, 8];
const HAS_CRC = 2;
const HAS_EXTRA = 4;
const HAS_NAME = 8;
const HAS_COMMENT = 16;
const RESERVED = 0xe0;
const FIXED_BYTES = 10;
/** Names and comments have no length of their own. */
const MAX_HEADER_BYTES = 128 * 1024;

export class GzipHeader {
  #bytes: Buffer = Buffer.alloc(0);

  /**
   * Takes bytes.
   * @returns How many of `data` belong to the header, -1 if it is not complete yet and all do, or what is wrong.
   */
  feed(data: Uint8Array): number | string {
    const before = this.#bytes.length;
    this.#bytes = before === 0 ? Buffer.from(data) : Buffer.concat([this.#bytes, data]);
    const bytes = this.#bytes;
    for (let i = 0; i < MAGIC.length && i < bytes.length; i++) {
      if (bytes[i] !== MAGIC[i]) return 'incorrect header';
    }
    const end = endOfHeader(bytes);
    if (typeof end === 'string' || end >= 0) return typeof end === 'string' ? end : end - before;
    return bytes.length > MAX_HEADER_BYTES ? 'the header is too long' : -1;
  }
}

/** Length of the header; -1 if more bytes are needed. */
function endOfHeader(bytes: Buffer): number | string {
  if (bytes.length < FIXED_BYTES) return -1;
  const flags = bytes[3]!;
  if ((flags & RESERVED) !== 0) return 'unknown header flags';
  let at = FIXED_BYTES;
  if ((flags & HAS_EXTRA) !== 0) {
    if (bytes.length < at + 2) return -1;
    at += 2 + bytes.readUInt16LE(at);
  }
  for (const flag of [HAS_NAME, HAS_COMMENT]) {
    if ((flags & flag) === 0) continue;
    const zero = at <= bytes.length ? bytes.indexOf(0, at) : -1;
    if (zero < 0) return -1;
    at = zero + 1;
  }
  if ((flags & HAS_CRC) !== 0) at += 2;
  return at <= bytes.length ? at : -1;
}

/** CRC-32 of `data` behind what gave `value`. Node has it from 20.15 on. */
export const crc32: (data: Uint8Array, value: number) => number =
  (zlib as { crc32?: (data: Uint8Array, value: number) => number }).crc32 ?? crc32ByTable;

const table = new Uint32Array(256).map((_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  return value;
});

/** @internal */
export function crc32ByTable(data: Uint8Array, value: number): number {
  let crc = ~value;
  for (let i = 0; i < data.length; i++) crc = table[(crc ^ data[i]!) & 0xff]! ^ (crc >>> 8);
  return ~crc >>> 0;
}
