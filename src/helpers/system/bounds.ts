const GZIP_EXTRA_BYTES = 11;

/**
 * Most bytes that zlib makes of `length` bytes (`SYS_GuessCompressBound`, SYS-035).
 * @param isGzip Whether it is for gzip, whose header is longer.
 */
export function guessCompressBound(length: number, isGzip = false): number {
  const bound = length + Math.floor(length / 4096) + Math.floor(length / 16_384) + Math.floor(length / 2 ** 25) + 13;
  return isGzip ? bound + GZIP_EXTRA_BYTES : bound;
}

/**
 * The length that the last member of gzip data says it has (`SYS_GZipGuessUncompressBound`, SYS-038), modulo 2^32; 0 if it is no
 * gzip. Anyone can write anything there: never allocate by it.
 */
export function gzipGuessUncompressBound(data: Uint8Array): number {
  if (data.length < 20 || data[0] !== 0x1f || data[1] !== 0x8b) return 0;
  return new DataView(data.buffer, data.byteOffset + data.length - 4, 4).getUint32(0, true);
}

/** Most bytes that brotli makes of `length` bytes (`SYS_BrotliGuessCompressBound`, SYS-042). */
export function brotliGuessCompressBound(length: number): number {
  return length === 0 ? 2 : length + 2 + 4 * Math.floor(length / 16_384) + 4;
}
