import { createHash } from 'node:crypto';

/** Numbers in a row, which compress to a third or so. */
export const numbers = (from: number, count: number): string =>
  Array.from({ length: count }, (_, i) => from + i).join(' ');

/** Bytes that do not compress, the same each time. */
export function noise(length: number): Buffer {
  const bytes = Buffer.allocUnsafe(length);
  let state = 1;
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    bytes[i] = state >>> 16;
  }
  return bytes;
}

export const hashOf = (data: Uint8Array | string): string => createHash('sha1').update(data).digest('hex');
