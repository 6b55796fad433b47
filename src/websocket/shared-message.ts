import type { DeflateContext } from './deflate-context.ts';
import { buildFrame, COMPRESSED, FINAL } from './frame-writer.ts';
import type { Opcode } from './opcode.ts';

/** One message for many connections: framed, masked and compressed at most once for all of them. */
export class SharedMessage {
  readonly data: Uint8Array;
  readonly opcode: Opcode;
  /** Frames by kind: 0 plain, 1 masked. */
  #frames: (Buffer | null)[] = [null, null];
  /** Compressed frames, by window bits and masking; null where compression is not worth it. */
  #compressed: Map<number, Buffer | null | Promise<Buffer | null>> | null = null;

  constructor(data: Uint8Array, opcode: Opcode) {
    this.data = data;
    this.opcode = opcode;
  }

  /** The frame as it is. Masked ones share one fresh key. */
  frame(isMasked: boolean): Buffer {
    const kind = isMasked ? 1 : 0;
    this.#frames[kind] ??= buildFrame(FINAL | this.opcode, this.data, isMasked);
    return this.#frames[kind];
  }

  /** Whether it is compressed on a thread for this connection. */
  isLate(context: DeflateContext): boolean {
    return context.isLate(this.data.length);
  }

  /**
   * The frame compressed for the window of this connection, or null if it goes uncompressed; a promise of it if it is made on a thread.
   * It refers to no message before.
   */
  compressedFrame(context: DeflateContext, isMasked: boolean): Buffer | null | Promise<Buffer | null> {
    const key = context.outBits * 2 + (isMasked ? 1 : 0);
    this.#compressed ??= new Map();
    const known = this.#compressed.get(key);
    if (known !== undefined) return known;
    const frameOf = (compressed: Uint8Array | null): Buffer | null =>
      compressed === null ? null : buildFrame(FINAL | COMPRESSED | this.opcode, compressed, isMasked);
    const frame = this.isLate(context)
      ? context.deflateAloneLater(this.data).then(frameOf)
      : frameOf(context.deflateAlone(this.data));
    this.#compressed.set(key, frame);
    return frame;
  }
}
