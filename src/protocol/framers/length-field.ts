import { Errno } from '../../core/errno.ts';
import { checkOptions } from '../../core/option-names.ts';
import { oneOf } from '../../core/properties.ts';
import type { SendQueue } from '../../memory/send-queue.ts';
import { COPY_LIMIT_BYTES } from '../../memory/send-queue.ts';
import { copyBytes } from '../../memory/slab-pool.ts';
import type { FrameInput } from './frame-input.ts';
import { checkWhole, Framer, type FramingOptions } from './framer.ts';

/** How a length field is laid out. */
export interface LengthFieldOptions extends FramingOptions {
  /** Bytes in front of the field, 0 to 1024. Default 0. Those that `send` is not given are sent as zeros. */
  offset?: number | undefined;
  /** Bytes of the field, 1 to 8. Default 4. */
  width?: number | undefined;
  /** Order of its bytes. Default `'big'`. */
  endianness?: 'big' | 'little' | undefined;
  /** What is added to the field's value to get the number of bytes behind the field, -4096 to 4096. Default 0. Minus `offset + width` where the field counts the whole frame. */
  adjustment?: number | undefined;
  /** Bytes at the beginning of a frame that `onReceive` does not get and `send` is not given: all of the field or none of it. Default `offset + width`. */
  strip?: number | undefined;
}

/**
 * Messages behind a length (HPSocket.Net's fixed-header adapter, ADP-006): `offset` bytes, a field of `width` bytes, and as
 * many more bytes as the field says.
 *
 * ```
 * |<- offset ->|<- width ->|<- value + adjustment ->|
 * |            |   value   |                        |
 * |<-- strip, not delivered|<------- message ------>|
 * ```
 * `maxMessageBytes` counts what is delivered.
 * @throws TypeError, RangeError for options that make no sense.
 */
export function lengthField(options: LengthFieldOptions = {}): Framer {
  checkOptions('lengthField', options, rules);
  return new LengthFieldFramer(options);
}

const rules = {
  offset: true,
  width: true,
  endianness: oneOf('big', ['big', 'little']),
  adjustment: true,
  strip: true,
  maxMessageBytes: true,
} as const;

class LengthFieldFramer extends Framer {
  readonly deliversBytes = true;
  readonly extraBytes: number;
  readonly #offset: number;
  readonly #width: number;
  readonly #isLittle: boolean;
  readonly #adjustment: number;
  readonly #strip: number;
  readonly #headBytes: number;
  readonly #maxValue: number;

  constructor({
    offset = 0,
    width = 4,
    endianness = 'big',
    adjustment = 0,
    strip,
    maxMessageBytes,
  }: LengthFieldOptions) {
    super(maxMessageBytes);
    this.#offset = checkWhole('offset', offset, 0, 1024);
    this.#width = checkWhole('width', width, 1, 8);
    this.#headBytes = offset + width;
    this.#isLittle = endianness === 'little';
    this.#adjustment = checkWhole('adjustment', adjustment, -4096, 4096);
    this.#strip = checkWhole('strip', strip ?? this.#headBytes, 0, 4096);
    if (this.#strip > offset && this.#strip < this.#headBytes)
      throw new RangeError(
        `strip must leave the field whole: up to ${offset}, or ${this.#headBytes} and more, not ${strip}`,
      );
    this.extraBytes = Math.max(this.#strip, this.#headBytes);
    this.#maxValue = width > 6 ? Number.MAX_SAFE_INTEGER : 2 ** (8 * width) - 1;
  }

  decode(input: FrameInput): Buffer | undefined {
    const { bytes, at } = input;
    const available = bytes.length - at;
    const head = this.#headBytes;
    if (available < head) return undefined;
    const value = this.#read(bytes, at + this.#offset);
    const total = head + value + this.#adjustment;
    const strip = this.#strip;
    if (total < head || total < strip) {
      return input.fail(`the length field of a message says ${value}, which is less than its header has`);
    }
    if (total - strip > this.maxMessageBytes) return this.tooLong(input, total - strip);
    if (available < total) {
      input.needs = total;
      return undefined;
    }
    input.at = at + total;
    return input.view(at + strip, at + total);
  }

  /** Values beyond 2^53 lose their last digits; they are far above any limit. */
  #read(bytes: Buffer, at: number): number {
    const width = this.#width;
    if (width === 4) {
      if (this.#isLittle)
        return (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0;
      return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
    }
    let value = 0;
    if (this.#isLittle) for (let i = at + width - 1; i >= at; i--) value = value * 256 + bytes[i]!;
    else for (let i = at; i < at + width; i++) value = value * 256 + bytes[i]!;
    return value;
  }

  #write(bytes: Uint8Array, at: number, value: number): void {
    const width = this.#width;
    // Shifts of the low 32 bits: a division for each byte is a quarter of the time that framing takes.
    const low = value >>> 0;
    const lowBytes = width < 4 ? width : 4;
    if (this.#isLittle) for (let i = 0; i < lowBytes; i++) bytes[at + i] = low >>> (8 * i);
    else for (let i = 0; i < lowBytes; i++) bytes[at + width - 1 - i] = low >>> (8 * i);
    if (width <= 4) return;
    let left = Math.floor(value / 0x1_0000_0000);
    for (let i = 4; i < width; i++) {
      bytes[this.#isLittle ? at + i : at + width - 1 - i] = left % 256;
      left = Math.floor(left / 256);
    }
  }

  #valueOf(length: number): number {
    return this.#strip + length - this.#headBytes - this.#adjustment;
  }

  sizeOf(length: number): number {
    const total = this.#strip + length;
    const value = this.#valueOf(length);
    if (length > this.maxMessageBytes || total < this.#headBytes || value < 0 || value > this.#maxValue)
      return -Errno.EMSGSIZE;
    return total;
  }

  override explain(length: number): string {
    if (length > this.maxMessageBytes) return super.explain(length);
    return `a message of ${length} bytes is not possible: its length field of ${this.#width} bytes cannot say ${this.#valueOf(length)}`;
  }

  frame(queue: SendQueue, bytes: Uint8Array): void {
    const strip = this.#strip;
    const { length } = bytes;
    const total = strip + length;
    if (total <= COPY_LIMIT_BYTES) {
      const slab = queue.reserve(total);
      const at = slab.end - total;
      // The memory was used before. Where the field is all that is stripped, it is written over below.
      if (strip !== this.#width || this.#offset > 0) for (let i = at; i < at + strip; i++) slab.bytes[i] = 0;
      copyBytes(bytes, 0, length, slab.bytes, at + strip);
      this.#write(slab.bytes, at + this.#offset, this.#valueOf(length));
    } else if (strip >= this.#headBytes) {
      this.#appendHead(queue, length);
      queue.append(bytes, 0, length);
    } else {
      const whole = Buffer.alloc(total);
      whole.set(bytes, strip);
      this.#write(whole, this.#offset, this.#valueOf(length));
      queue.append(whole, 0, total);
    }
  }

  frameParts(queue: SendQueue, parts: readonly Uint8Array[], length: number): void {
    if (this.#strip < this.#headBytes) return this.frame(queue, Buffer.concat(parts, length));
    this.#appendHead(queue, length);
    for (const part of parts) queue.append(part, 0, part.length);
  }

  #appendHead(queue: SendQueue, length: number): void {
    const head = Buffer.alloc(this.#strip);
    this.#write(head, this.#offset, this.#valueOf(length));
    queue.append(head, 0, head.length);
  }
}
