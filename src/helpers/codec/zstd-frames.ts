const MAGIC = 0xfd2fb528;
const SKIPPABLE_MAGIC = 0x184d2a50;
const RLE_BLOCK = 1;
const CHECKSUM_BYTES = 4;
const DICTIONARY_ID_BYTES: readonly number[] = [0, 1, 2, 4];
const CONTENT_SIZE_BYTES: readonly number[] = [0, 2, 4, 8];

/** What is gathered next, and how many bytes it has. */
const Part = Object.freeze({ Magic: 0, SkippedSize: 1, Descriptor: 2, Block: 3 } as const);
type Part = (typeof Part)[keyof typeof Part];
const PART_BYTES: readonly number[] = [4, 4, 1, 3];

/**
 * Follows the frames of zstd (RFC 8878, 3.1) through what a decompressor has taken, to know whether the last one is complete: zlib of
 * Node 22 ends in the middle of one without an error.
 *
 * ```
 *   magic 4 | descriptor 1 | rest of the header | [ block header 3 | block ] ... | checksum 0 or 4
 *   magic 4 | size 4 | skipped bytes
 * ```
 */
export class ZstdFrames {
  #part: Part = Part.Magic;
  #gathered = 0;
  #value = 0;
  /** Bytes that say nothing here. */
  #skip = 0;
  #hasChecksum = false;

  /** Whether the bytes so far end with a frame. */
  get isComplete(): boolean {
    return this.#part === Part.Magic && this.#gathered === 0 && this.#skip === 0;
  }

  push(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; ) {
      const skipped = Math.min(this.#skip, bytes.length - at);
      this.#skip -= skipped;
      at += skipped;
      if (at === bytes.length) return;
      this.#value += bytes[at++]! * 2 ** (8 * this.#gathered);
      if (++this.#gathered < PART_BYTES[this.#part]!) continue;
      this.#take(this.#value);
      this.#gathered = 0;
      this.#value = 0;
    }
  }

  #take(value: number): void {
    switch (this.#part) {
      case Part.Magic:
        // What is neither is an error of the decompressor.
        if (value === MAGIC) this.#part = Part.Descriptor;
        else if (value - (value % 16) === SKIPPABLE_MAGIC) this.#part = Part.SkippedSize;
        break;
      case Part.SkippedSize:
        this.#skip = value;
        this.#part = Part.Magic;
        break;
      case Part.Descriptor: {
        const isSingleSegment = (value & 32) !== 0;
        const contentSize = CONTENT_SIZE_BYTES[value >> 6]! + (isSingleSegment && value >> 6 === 0 ? 1 : 0);
        this.#skip = (isSingleSegment ? 0 : 1) + DICTIONARY_ID_BYTES[value & 3]! + contentSize;
        this.#hasChecksum = (value & 4) !== 0;
        this.#part = Part.Block;
        break;
      }
      case Part.Block: {
        this.#skip = ((value >> 1) & 3) === RLE_BLOCK ? 1 : value >> 3;
        if ((value & 1) === 0) break; // another one follows
        this.#skip += this.#hasChecksum ? CHECKSUM_BYTES : 0;
        this.#part = Part.Magic;
      }
    }
  }
}
