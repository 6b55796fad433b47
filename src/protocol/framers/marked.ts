import { Errno } from '../../core/errno.ts';
import { checkOptions } from '../../core/option-names.ts';
import { flag, oneOf } from '../../core/properties.ts';
import { COPY_LIMIT_BYTES, type SendQueue } from '../../memory/send-queue.ts';
import type { Sendable } from '../../memory/sendable.ts';
import { copyBytes } from '../../memory/slab-pool.ts';
import type { FrameInput } from './frame-input.ts';
import { checkMark, Framer, type FramingOptions } from './framer.ts';

const LF = 10;
const CR = 13;
const EMPTY = Buffer.alloc(0);

/** Options of `lines`. */
export interface LinesOptions extends FramingOptions {
  /** Whether sent lines end with CR LF. Default false: with LF. Received ones may always end with either. */
  crlf?: boolean | undefined;
  /** `'utf8'` or `'latin1'`: `onReceive` gets strings. Default `'buffer'`: bytes, which costs less. */
  encoding?: 'buffer' | 'utf8' | 'latin1' | undefined;
}

/**
 * Messages that end with `mark`, which is not delivered (HPSocket.Net's terminator adapter, ADP-008). Empty ones are
 * delivered too. `send` appends the mark; it does not look for it in what it is given.
 * @param mark 1 to 1024 bytes, or text as UTF-8.
 * @throws TypeError, RangeError
 */
export function delimiter(mark: Sendable, options: FramingOptions = {}): Framer {
  checkOptions('delimiter', options, { maxMessageBytes: true });
  return new MarkedFramer<Buffer>(EMPTY, checkMark('mark', mark), false, 'buffer', options.maxMessageBytes);
}

/**
 * Lines, which end with LF or CR LF; the end is not delivered. `send` appends it.
 * @throws TypeError, RangeError
 */
export function lines(options: LinesOptions & { encoding: 'utf8' | 'latin1' }): Framer<string>;
export function lines(options?: LinesOptions & { encoding?: 'buffer' | undefined }): Framer;
export function lines(options: LinesOptions = {}): Framer | Framer<string> {
  checkOptions('lines', options, {
    crlf: flag(false),
    encoding: oneOf('buffer', ['buffer', 'utf8', 'latin1']),
    maxMessageBytes: true,
  });
  const { crlf = false, encoding = 'buffer', maxMessageBytes } = options;
  return new LinesFramer(crlf, encoding, maxMessageBytes) as Framer | Framer<string>;
}

/**
 * Messages between two marks, which are not delivered (HPSocket.Net's between-and adapter, ADP-009). Anything else between
 * an end and the next start closes the connection (EBADMSG). `send` adds both; it does not look for them in what it is given.
 * @param start 1 to 1024 bytes, or text as UTF-8.
 * @param end The same.
 * @throws TypeError, RangeError
 */
export function startEnd(start: Sendable, end: Sendable, options: FramingOptions = {}): Framer {
  checkOptions('startEnd', options, { maxMessageBytes: true });
  return new MarkedFramer<Buffer>(
    checkMark('start', start),
    checkMark('end', end),
    false,
    'buffer',
    options.maxMessageBytes,
  );
}

/** Messages up to a mark, and behind another one if that is not empty. */
class MarkedFramer<Data extends Buffer | string> extends Framer<Data> {
  readonly deliversBytes: boolean;
  readonly extraBytes: number;
  readonly #start: Buffer;
  readonly #startBytes: number;
  /** The mark as `indexOf` finds it fastest. */
  readonly #sought: number | Buffer;
  readonly #endBytes: number;
  readonly #dropsCr: boolean;
  readonly #encoding: 'buffer' | 'utf8' | 'latin1';
  /** What is sent behind a message. */
  readonly #sentEnd: Buffer;
  readonly #sentEndBytes: number;

  constructor(
    start: Buffer,
    end: Buffer,
    dropsCr: boolean,
    encoding: 'buffer' | 'utf8' | 'latin1',
    maxMessageBytes: number | undefined,
    sentEnd = end,
  ) {
    super(maxMessageBytes);
    this.#start = start;
    this.#startBytes = start.length;
    this.#sought = end.length === 1 ? end[0]! : end;
    this.#endBytes = end.length;
    this.#dropsCr = dropsCr;
    this.#encoding = encoding;
    this.#sentEnd = sentEnd;
    this.#sentEndBytes = sentEnd.length;
    this.deliversBytes = encoding === 'buffer';
    this.extraBytes = start.length + end.length + (dropsCr ? 1 : 0);
  }

  decode(input: FrameInput): Data | undefined {
    const { bytes, at } = input;
    const startBytes = this.#startBytes;
    const from = at + startBytes;
    if (startBytes > 0 && input.scanned < startBytes && !this.#hasStart(input)) return undefined;
    const searched = at + input.scanned;
    const found = bytes.indexOf(this.#sought, searched > from ? searched : from);
    if (found < 0) {
      // The beginning of the mark may be there, but no more of it than this.
      input.scanned = Math.max(startBytes, bytes.length - at - this.#endBytes + 1);
      if (bytes.length - at >= this.maxMessageBytes + this.extraBytes) return this.tooLong(input, bytes.length - from);
      return undefined;
    }
    const end = this.#dropsCr && found > from && bytes[found - 1] === CR ? found - 1 : found;
    if (end - from > this.maxMessageBytes) return this.tooLong(input, end - from);
    input.at = found + this.#endBytes;
    if (this.#encoding === 'buffer') return input.view(from, end) as Data;
    return bytes.toString(this.#encoding, from, end) as Data;
  }

  /** Whether the whole mark of the start is there; anything else fails as soon as it shows. */
  #hasStart(input: FrameInput): boolean {
    const { bytes, at } = input;
    const start = this.#start;
    const length = Math.min(start.length, bytes.length - at);
    for (let i = input.scanned; i < length; i++) {
      if (bytes[at + i] === start[i]) continue;
      input.fail('the peer sent a message that does not begin with the mark of its start');
      return false;
    }
    input.scanned = length;
    return length === start.length;
  }

  sizeOf(length: number): number {
    if (length > this.maxMessageBytes) return -Errno.EMSGSIZE;
    return this.#startBytes + length + this.#sentEndBytes;
  }

  frame(queue: SendQueue, bytes: Uint8Array): void {
    const startBytes = this.#startBytes;
    const end = this.#sentEnd;
    const endBytes = this.#sentEndBytes;
    const { length } = bytes;
    const total = startBytes + length + endBytes;
    if (total > COPY_LIMIT_BYTES) {
      queue.append(this.#start, 0, startBytes);
      queue.append(bytes, 0, length);
      queue.append(end, 0, endBytes);
      return;
    }
    const slab = queue.reserve(total);
    const at = slab.end - total;
    if (startBytes > 0) copyBytes(this.#start, 0, startBytes, slab.bytes, at);
    copyBytes(bytes, 0, length, slab.bytes, at + startBytes);
    if (endBytes === 1) slab.bytes[slab.end - 1] = end[0]!;
    else copyBytes(end, 0, endBytes, slab.bytes, slab.end - endBytes);
  }

  frameParts(queue: SendQueue, parts: readonly Uint8Array[], _length: number): void {
    queue.append(this.#start, 0, this.#start.length);
    for (const part of parts) queue.append(part, 0, part.length);
    queue.append(this.#sentEnd, 0, this.#sentEnd.length);
  }
}

class LinesFramer extends MarkedFramer<Buffer | string> {
  constructor(isCrlf: boolean, encoding: 'buffer' | 'utf8' | 'latin1', maxMessageBytes: number | undefined) {
    super(EMPTY, Buffer.of(LF), true, encoding, maxMessageBytes, isCrlf ? Buffer.of(CR, LF) : Buffer.of(LF));
  }
}
