import { randomFillSync } from 'node:crypto';
import { endianness } from 'node:os';
import { copyBytes } from '../memory/slab-pool.ts';
import { hasVectors, maskByVectors, VECTOR_BYTES } from './mask-vectors.ts';

/**
 * Masking (RFC 6455, 5.3): byte i of a payload is XORed with byte i mod 4 of the key. Done by words where the memory allows it.
 *
 * ```
 *   address   ...1  ...2  ...3 | ...4  ...5  ...6  ...7 | ...8  ...9
 *             head, by bytes   | 32-bit words           | tail, by bytes
 *   key        k0    k1    k2  |  k3    k0    k1    k2  |  k3    k0      <- rotated to where the words start
 * ```
 *
 * A key is kept as the little-endian word of its four bytes, so that the lowest byte comes first.
 */

const isLittleEndian = endianness() === 'LE';

/** Word views of memory are kept for as long as reads land there; larger memory belongs to one message and is let go. */
const MAX_CACHED_BYTES = 512 * 1024;

let cachedMemory: ArrayBufferLike | null = null;
let cachedWords: Int32Array = new Int32Array(0);

/** The words of `memory`. Making a view costs some 60 ns, so the last one is kept: reads land in the same memory again. */
function wordsOf(memory: ArrayBufferLike): Int32Array {
  if (memory === cachedMemory) return cachedWords;
  const bytes = memory.byteLength;
  const words = new Int32Array(memory, 0, bytes >> 2);
  if (bytes <= MAX_CACHED_BYTES) {
    cachedMemory = memory;
    cachedWords = words;
  }
  return words;
}

/** Bits that are set in some byte beyond ASCII. */
const NOT_ASCII = 0x80808080 | 0;

/** `key` as it is `count` bytes further on. */
export function rotateKey(key: number, count: number): number {
  const bits = (count & 3) << 3;
  return bits === 0 ? key : (key >>> bits) | (key << (32 - bits));
}

/**
 * Masks or unmasks `bytes[start, end)` in place; byte `start` meets the lowest byte of `key`.
 * @returns Whether all of the result is ASCII. That comes for free here, and saves the check of most text.
 */
export function applyMask(bytes: Uint8Array, start: number, end: number, key: number): boolean {
  if (end - start >= VECTOR_BYTES) return copyMasked(bytes, start, end, bytes, start, key);
  return maskInPlace(bytes, start, end, key);
}

/** As `applyMask`, but writes the result to `target` at `at`, which may be the place where the bytes stand. */
export function copyMasked(
  source: Uint8Array,
  start: number,
  end: number,
  target: Uint8Array,
  at: number,
  key: number,
): boolean {
  let done = 0;
  let isAscii = true;
  if (end - start >= VECTOR_BYTES && hasVectors()) {
    done = (end - start) & ~15;
    isAscii = maskByVectors(source, start, done, target, at, key);
  }
  if (source !== target) copyBytes(source, start + done, end, target, at + done);
  // The key is where it was, since 16 is a multiple of its length.
  return maskInPlace(target, at + done, at + end - start, key) && isAscii;
}

function maskInPlace(bytes: Uint8Array, start: number, end: number, key: number): boolean {
  if (end - start < 16 || !isLittleEndian) return maskBytes(bytes, start, end, key, 0);
  return maskWords(bytes, bytes.byteOffset, wordsOf(bytes.buffer), start, end, key);
}

/**
 * The same for code that masks many payloads of one Buffer: `byteOffset` and `buffer` are accessors in C++ that cost more than a
 * short payload does, so they are asked once.
 */
export class Masker {
  #bytes: Uint8Array = new Uint8Array(0);
  #offset = 0;
  #words: Int32Array = cachedWords;

  /** Works on `bytes` from now on. */
  on(bytes: Uint8Array, memory: ArrayBufferLike, byteOffset: number): void {
    if (bytes === this.#bytes) return;
    this.#bytes = bytes;
    this.#offset = byteOffset;
    this.#words = wordsOf(memory);
  }

  /** As `applyMask`. */
  apply(start: number, end: number, key: number): boolean {
    if (end - start < 16 || !isLittleEndian) return maskBytes(this.#bytes, start, end, key, 0);
    return maskWords(this.#bytes, this.#offset, this.#words, start, end, key);
  }
}

function maskBytes(bytes: Uint8Array, start: number, end: number, key: number, seen: number): boolean {
  let k = key;
  let all = seen;
  for (let i = start; i < end; i++) {
    const byte = bytes[i]! ^ (k & 255);
    bytes[i] = byte;
    all |= byte;
    k = (k >>> 8) | (k << 24);
  }
  return (all & NOT_ASCII) === 0;
}

function maskWords(
  bytes: Uint8Array,
  offset: number,
  words: Int32Array,
  start: number,
  end: number,
  key: number,
): boolean {
  let k = key;
  let all = 0;
  let i = start;
  while (((offset + i) & 3) !== 0) {
    const byte = bytes[i]! ^ (k & 255);
    bytes[i++] = byte;
    all |= byte;
    k = (k >>> 8) | (k << 24);
  }
  let at = (offset + i) >> 2;
  const last = at + ((end - i) >> 2);
  // Four at a time, which halves the time of 64 KiB (bench/micro/websocket.ts).
  for (const unrolled = last - 3; at < unrolled; at += 4) {
    const a = words[at]! ^ k;
    const b = words[at + 1]! ^ k;
    const c = words[at + 2]! ^ k;
    const d = words[at + 3]! ^ k;
    words[at] = a;
    words[at + 1] = b;
    words[at + 2] = c;
    words[at + 3] = d;
    all |= a | b | c | d;
  }
  for (; at < last; at++) {
    const word = words[at]! ^ k;
    words[at] = word;
    all |= word;
  }
  return maskBytes(bytes, (at << 2) - offset, end, k, all);
}

const KEYS = 1024;
const keys = new Int32Array(KEYS);
let nextKey = KEYS;

/** A fresh masking key from the system's strong randomness (RFC 6455, 5.3 and 10.3), as a little-endian word. */
export function randomKey(): number {
  if (nextKey === KEYS) {
    randomFillSync(keys);
    nextKey = 0;
  }
  const key = keys[nextKey]!;
  keys[nextKey++] = 0;
  return key;
}
