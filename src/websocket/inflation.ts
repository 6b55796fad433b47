import type { DeflateContext } from './deflate-context.ts';
import type { MessageRules } from './message-sink.ts';
import { type Violation, Violations } from './opcode.ts';
import type { StreamedMessage } from './streamed-message.ts';
import { Utf8Validator } from './utf8.ts';
import { InflateError, RunEnd } from './zlib-engine.ts';

/** Where an inflated message goes. */
export interface InflationTarget {
  /** It is longer than `streamBytes`: what it is handed on to; null if the connection closes. */
  beginStream(isBinary: boolean): StreamedMessage | null;
}

/** So many slices, and one for each KiB, are held one by one. */
const MANY_SLICES = 256;

/** What stopped an inflation: a violation of the peer, or `Gone`, the end of the connection, which was told elsewhere. */
export const GONE = 'gone';
type Trouble = Violation | typeof GONE;
/** That of a part: null if there was none. */
export type PartResult = Trouble | null;

/**
 * One compressed message on its way in, expanded slice by slice as its parts arrive. What it expands to is counted, checked to be
 * text if it has to be, and handed on once it is more than `streamBytes`; a shorter message is delivered as a whole at its end.
 *
 * ```
 *   part ──> at once, up to `mostAtOnce` ──> slice ──> held ──────────> whole message
 *     │                                        ^          │ longer than streamBytes
 *     └─ long, or what is left ──> threads ────┘          └──> stream, which says when there is room
 * ```
 *
 * So a bomb takes the time and the memory of some slices, whoever reads it or does not. While a part is worked on nothing more is
 * read from its connection.
 */
export class Inflation {
  readonly isBinary: boolean;
  readonly #rules: MessageRules;
  readonly #deflate: DeflateContext;
  readonly #target: InflationTarget;
  /** Whether it may be handed on as it arrives. */
  readonly #isStreamable: boolean;
  readonly #text: Utf8Validator | null;
  #held: Buffer[] = [];
  #total = 0;
  #stream: StreamedMessage | null = null;
  /** What came up on a thread. */
  #trouble: PartResult = null;

  /** @param isStreamable Whether `DeflateContext.beginParts` agreed to it. */
  constructor(
    rules: MessageRules,
    deflate: DeflateContext,
    target: InflationTarget,
    isBinary: boolean,
    isStreamable: boolean,
  ) {
    this.#rules = rules;
    this.#deflate = deflate;
    this.#target = target;
    this.isBinary = isBinary;
    this.#isStreamable = isStreamable;
    this.#text = isBinary ? null : new Utf8Validator();
  }

  /** Whether it is being handed on. */
  get isStreamed(): boolean {
    return this.#stream !== null;
  }

  /** The next part of the message. @returns a promise if it takes longer. */
  push(data: Uint8Array, isLast: boolean): PartResult | Promise<PartResult> {
    if (this.#deflate.inflatesLate(data.length, this.#isStreamable)) return this.#pushLater(data, isLast);
    const { maxMessageBytes, maxStreamedBytes } = this.#rules;
    const limit = this.#isStreamable ? Math.max(maxMessageBytes, maxStreamedBytes) : maxMessageBytes;
    const most = Math.min(limit, this.#deflate.mostAtOnce(this.#isStreamable));
    const result = this.#deflate.inflate(data, most, isLast);
    if (result === InflateError.Data) return Violations.inflate;
    // The engine that works by documented calls alone cannot do a part at once.
    if (result === InflateError.TooLong) return this.goOn(data, isLast);
    return this.#settle(this.#take(result), isLast);
  }

  /** Goes on behind what `DeflateContext.inflate` made of `data` before it said `TooLong`. */
  goOn(data: Uint8Array, isLast: boolean): PartResult | Promise<PartResult> {
    const { used, made } = this.#deflate.overflow();
    const taken = this.#take(made);
    const rest = data.subarray(used);
    if (taken instanceof Promise) return taken.then(() => this.#pushLater(rest, isLast));
    return taken ?? this.#pushLater(rest, isLast);
  }

  async #pushLater(data: Uint8Array, isLast: boolean): Promise<PartResult> {
    const end = await this.#deflate.inflateLater(data, isLast, (slice) => {
      const taken = this.#take(slice);
      if (taken instanceof Promise) return taken.then(() => true);
      this.#trouble = taken;
      return taken === null;
    });
    if (end === RunEnd.Stopped) return this.#trouble ?? GONE;
    if (end === RunEnd.Closed) return GONE;
    return end === RunEnd.Done ? this.#settle(null, isLast) : Violations.inflate;
  }

  /** The part was taken: is it the last one, the text has to be whole. */
  #settle(taken: PartResult | Promise<void>, isLast: boolean): PartResult | Promise<PartResult> {
    if (taken instanceof Promise) return taken.then(() => this.#settle(null, isLast) as PartResult);
    if (taken !== null || !isLast) return taken;
    if (this.#stream === null && this.#total > this.#rules.maxMessageBytes) return Violations.messageBytes;
    return this.#text === null || this.#text.isComplete ? null : Violations.text;
  }

  /** A slice of the message. @returns a promise of room for more, null to go on, or what is wrong with it. */
  #take(slice: Buffer): PartResult | Promise<void> {
    if (slice.length === 0) return null;
    const { streamBytes, maxMessageBytes, maxStreamedBytes } = this.#rules;
    this.#total += slice.length;
    const isLong = this.#isStreamable && this.#total > streamBytes;
    // What is too long for a whole message may get long enough to be streamed.
    const mostWhole = this.#isStreamable ? Math.max(maxMessageBytes, streamBytes) : maxMessageBytes;
    if (this.#total > (isLong ? maxStreamedBytes : mostWhole)) return Violations.messageBytes;
    if (this.#text !== null && !this.#text.push(slice, 0, slice.length)) return Violations.text;
    if (!isLong) {
      this.#hold(slice);
      return null;
    }
    if (this.#stream === null) {
      this.#stream = this.#target.beginStream(this.isBinary);
      if (this.#stream === null) return GONE;
      for (const held of this.#held) void this.#stream.push(held);
      this.#held = [];
    }
    return this.#stream.push(slice) ?? null;
  }

  /** Keeps a slice. Slices of a byte, each of which is an object, become one now and then: what is held takes little more than its bytes. */
  #hold(slice: Buffer): void {
    this.#held.push(slice);
    if (this.#held.length > MANY_SLICES + this.#total / 1024) this.#held = [Buffer.concat(this.#held)];
  }

  /** A message that was not handed on, when its last part was taken. */
  whole(): Buffer {
    return this.#held.length === 1 ? this.#held[0]! : Buffer.concat(this.#held);
  }
}
