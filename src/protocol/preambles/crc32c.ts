/** Table for CRC-32C (Castagnoli), reflected polynomial 0x82f63b78 (RFC 9260, appendix A). */
let table: Uint32Array | null = null;

function makeTable(): Uint32Array {
  const made = new Uint32Array(256);
  for (let n = 0; n < 256; n++) {
    let crc = n;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f6_3b78 : crc >>> 1;
    made[n] = crc >>> 0;
  }
  return made;
}

/** CRC-32C of `bytes`, of which the four at `zeroAt` count as zeros. */
export function crc32c(bytes: Uint8Array, zeroAt = -1): number {
  table ??= makeTable();
  let crc = 0xffff_ffff;
  for (let i = 0; i < bytes.length; i++) {
    const byte = i >= zeroAt && i < zeroAt + 4 && zeroAt >= 0 ? 0 : bytes[i]!;
    crc = table[(crc ^ byte) & 0xff]! ^ (crc >>> 8);
  }
  return (crc ^ 0xffff_ffff) >>> 0;
}
