import { endianness } from 'node:os';
import { describe } from '../../core/describe.ts';

/** Whether this machine keeps the lowest byte first (`SYS_IsLittleEndian`, SYS-022). */
export function isLittleEndian(): boolean {
  return endianness() === 'LE';
}

/** The two bytes of a number the other way round (`SYS_SwapEndian16`, SYS-021). */
export function swapEndian16(value: number): number {
  return ((value & 0xff) << 8) | ((value >>> 8) & 0xff);
}

/** The four bytes of a number the other way round, without sign (`SYS_SwapEndian32`, SYS-021). */
export function swapEndian32(value: number): number {
  return ((swapEndian16(value) << 16) | swapEndian16(value >>> 16)) >>> 0;
}

/** Network order to that of this machine (`SYS_NToH64`, SYS-020), 0 to 2^64 - 1. @throws TypeError for what is no bigint. */
export function nToH64(value: bigint): bigint {
  if (typeof value !== 'bigint') throw new TypeError(`the value must be a bigint, not ${describe(value)}`);
  return isLittleEndian() ? swapEndian64(value) : BigInt.asUintN(64, value);
}

/** The order of this machine to that of the network (`SYS_HToN64`, SYS-020), 0 to 2^64 - 1. @throws TypeError for what is no bigint. */
export function hToN64(value: bigint): bigint {
  return nToH64(value);
}

function swapEndian64(value: bigint): bigint {
  const bytes = Buffer.allocUnsafe(8);
  bytes.writeBigUInt64LE(BigInt.asUintN(64, value));
  return bytes.readBigUInt64BE();
}
