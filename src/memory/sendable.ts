import { describe } from '../core/describe.ts';

/** What can be sent: bytes, or text that is sent as UTF-8. */
export type Sendable = Uint8Array | string;

/** Throws unless `packets` is an array; its pieces are checked as they become bytes. */
export function checkPackets(packets: readonly unknown[]): void {
  if (Array.isArray(packets)) return;
  throw new TypeError(`packets must be an array of Buffers, Uint8Arrays or strings, not ${describe(packets)}`);
}

/** Bytes of each packet. Throws on arguments that can only be a mistake. */
export function toParts(packets: readonly Sendable[]): Uint8Array[] {
  checkPackets(packets);
  return packets.map((packet) => toBytes(packet, 0, undefined));
}

/** Bytes of `data[offset, offset + length)`. Throws on arguments that can only be a mistake. */
export function toBytes(data: Sendable, offset: number, length: number | undefined): Uint8Array {
  const bytes = typeof data === 'string' ? Buffer.from(data) : data;
  if (!(bytes instanceof Uint8Array)) {
    throw new TypeError(`data must be a Buffer, a Uint8Array or a string, not ${describe(data)}`);
  }
  if (offset === 0 && length === undefined) return bytes;
  const end = length === undefined ? bytes.length : offset + length;
  if (!Number.isInteger(offset) || !Number.isInteger(end) || offset < 0 || end < offset || end > bytes.length) {
    throw new RangeError(
      `offset ${describe(offset)} and length ${describe(length)} do not lie within the ${bytes.length} bytes of data`,
    );
  }
  return bytes.subarray(offset, end);
}
