import { type CompressionBudget, type CompressorHolder, deflaterBytes, inflaterBytes } from './compression-budget.ts';
import { createInflater, MIN_DEFLATE_BITS } from './deflate-engine.ts';
import type { DeflateParameters } from './deflate-negotiation.ts';
import { type Deflater, InflateError, type Inflater, RunEnd, type TakeSlice } from './zlib-engine.ts';

/** In the place of `compressionThreadBytes` where a thread is needed whatever that says: what is streamed is made slice by slice. */
const STREAMED_LATER_BYTES = 64 * 1024;
/** What a failed attempt counts for at most: it may have made so many bytes before. */
const MAX_WASTED_BYTES = 256 * 1024;
const EMPTY = Buffer.alloc(0);

/** Compression of one connection. */
export class DeflateContext implements CompressorHolder {
  readonly parameters: DeflateParameters;
  /** When its compressor was used last, in uses of all compressors. */
  lastUse = 0;
  /** Whether its compressor works on a thread. */
  isBusy = false;
  #budget: CompressionBudget;
  #deflater: Deflater | null = null;
  #inflater: Inflater | null = null;
  #outBits: number;
  #inBits: number;
  #keepsOut: boolean;
  #keepsIn: boolean;
  /** Reserved for an inflater, whether it exists or not. */
  #inflaterBytes = 0;
  #isClosed = false;

  constructor(budget: CompressionBudget, parameters: DeflateParameters, isServer: boolean) {
    this.#budget = budget;
    this.parameters = parameters;
    const { serverMaxWindowBits, clientMaxWindowBits, serverNoContextTakeover, clientNoContextTakeover } = parameters;
    this.#outBits = isServer ? serverMaxWindowBits : clientMaxWindowBits;
    this.#inBits = isServer ? clientMaxWindowBits : serverMaxWindowBits;
    this.#keepsOut = isServer ? !serverNoContextTakeover : !clientNoContextTakeover;
    this.#keepsIn = isServer ? !clientNoContextTakeover : !serverNoContextTakeover;
    if (!this.#keepsIn) return;
    this.#inflaterBytes = inflaterBytes(this.#inBits);
    // The peer keeps its context, so this end has to, whatever the budget says: only the handshake could prevent it.
    if (!budget.reserve(this.#inflaterBytes)) {
      budget.stats.contextBytes += this.#inflaterBytes;
      budget.stats.contexts++;
    }
  }

  // ---- whole messages that are sent ----------------------------------------------------------------------------------

  /** Whether messages of `length` bytes are compressed at all. */
  #compresses(length: number): boolean {
    return length >= this.#budget.options.thresholdBytes && length > 0 && this.#outBits >= MIN_DEFLATE_BITS;
  }

  /** Whether a message of `length` bytes is to be compressed on a thread. */
  isLate(length: number): boolean {
    return this.isFragmentLate(length) && this.#compresses(length);
  }

  /** The compressed message, as `Deflater.deflate`; null if it goes out as it is. */
  deflate(data: Uint8Array): Uint8Array | null {
    if (!this.#compresses(data.length)) return null;
    if (!this.#keepsOut) return this.#budget.sharedDeflater(this.#outBits).deflate(data);
    const deflater = this.#ownDeflater();
    return deflater === null ? this.#overBudget() : deflater.deflate(data);
  }

  /** As `deflate`, on a thread. */
  async deflateLater(data: Uint8Array): Promise<Uint8Array | null> {
    if (!this.#keepsOut) return this.deflateAloneLater(data);
    const deflater = this.#ownDeflater();
    return deflater === null ? this.#overBudget() : this.#deflateLater(deflater, data, true);
  }

  async #deflateLater(deflater: Deflater, data: Uint8Array, endsMessage: boolean): Promise<Uint8Array | null> {
    this.isBusy = true;
    try {
      return await this.#budget.later(() =>
        this.#isClosed ? Promise.resolve(null) : deflater.deflateLater(data, endsMessage),
      );
    } finally {
      this.isBusy = false;
    }
  }

  #overBudget(): null {
    this.#budget.stats.overBudget++;
    return null;
  }

  /** Its own compressor; null if there is no room for one. */
  #ownDeflater(): Deflater | null {
    if (this.#deflater === null) {
      const { memLevel } = this.#budget.options;
      if (this.#isClosed || !this.#budget.reserve(deflaterBytes(this.#outBits, memLevel))) return null;
      this.#deflater = this.#budget.newDeflater(this.#outBits);
    }
    this.#budget.used(this);
    return this.#deflater;
  }

  /** Base-2 logarithm of the window that this end may use. */
  get outBits(): number {
    return this.#outBits;
  }

  /** As `deflate`, but so that the result refers to no message before: it may go to many connections. */
  deflateAlone(data: Uint8Array): Uint8Array | null {
    return this.#compresses(data.length) ? this.#budget.sharedDeflater(this.#outBits).deflate(data) : null;
  }

  /** As `deflateAlone`, on a thread. The engines that all share are not waited for there. */
  deflateAloneLater(data: Uint8Array, endsMessage = true): Promise<Uint8Array | null> {
    return this.#budget.later(async () => {
      const deflater = this.#budget.newDeflater(this.#outBits);
      try {
        return await deflater.deflateLater(data, endsMessage);
      } finally {
        deflater.close();
      }
    });
  }

  /** A message went out that its own compressor knows nothing of: it must not refer to anything before that. */
  sentElsewhere(): void {
    this.#deflater?.reset();
  }

  // ---- messages that are sent in fragments ---------------------------------------------------------------------------

  /**
   * Whether a message in fragments is compressed, the first of which has `firstBytes` bytes.
   * @param isAsked What the caller wants; left out, what is shorter than the threshold goes out as it is.
   */
  beginFragments(firstBytes: number, isAsked: boolean | undefined): boolean {
    if (isAsked === false || this.#outBits < MIN_DEFLATE_BITS) return false;
    if (isAsked === undefined && firstBytes < this.#budget.options.thresholdBytes) return false;
    // Without take-over and without room, the engine that all share compresses each fragment by itself.
    if (this.#ownDeflater() !== null || !this.#keepsOut) return true;
    this.#overBudget();
    return false;
  }

  /** Whether a fragment of `length` bytes is to be compressed on a thread. */
  isFragmentLate(length: number): boolean {
    const { laterBytes } = this.#budget.options;
    return laterBytes > 0 && length >= laterBytes;
  }

  /**
   * The compressed fragment, with its tail unless it is the last, its bytes as those of `Deflater.deflate`. A compressor that was
   * given up meanwhile costs some bytes and nothing else: a fragment ends between two blocks, and those of the next need not refer to it.
   */
  deflateFragment(data: Uint8Array, isLast: boolean): Uint8Array {
    return (this.#ownDeflater() ?? this.#budget.sharedDeflater(this.#outBits)).deflate(data, isLast);
  }

  /** As `deflateFragment`, on a thread; null if the connection is gone. */
  deflateFragmentLater(data: Uint8Array, isLast: boolean): Promise<Uint8Array | null> {
    const deflater = this.#ownDeflater();
    return deflater === null ? this.deflateAloneLater(data, isLast) : this.#deflateLater(deflater, data, isLast);
  }

  /** The message in fragments is over. */
  endFragments(): void {
    if (!this.#keepsOut) this.giveUpDeflater();
  }

  // ---- messages that are received ------------------------------------------------------------------------------------

  /** Whether so many compressed bytes, which may be four times as long, are to be inflated on a thread: too many, or too late in a turn. */
  inflatesLate(length: number, isStreamed: boolean): boolean {
    const bytes = this.#inflateBytes(isStreamed);
    return bytes > 0 && (length >= bytes >> 2 || this.#budget.isTurnSpent);
  }

  /** Most bytes that are inflated at once, which takes as long as to compress a quarter of them. */
  mostAtOnce(isStreamed: boolean): number {
    const bytes = this.#inflateBytes(isStreamed);
    return bytes > 0 ? 4 * bytes : Number.POSITIVE_INFINITY;
  }

  #inflateBytes(isStreamed: boolean): number {
    const { laterBytes } = this.#budget.options;
    return laterBytes > 0 || !isStreamed ? laterBytes : STREAMED_LATER_BYTES;
  }

  /** A message is to be inflated part by part. False if the budget has no room for an inflater of its own: put it together first. */
  beginParts(): boolean {
    if (this.#keepsIn) return true;
    const bytes = inflaterBytes(this.#inBits);
    if (this.#isClosed || !this.#budget.reserve(bytes)) return false;
    this.#inflaterBytes = bytes;
    this.#inflater = createInflater(this.#inBits);
    return true;
  }

  /** It is complete. */
  endParts(): void {
    if (!this.#keepsIn) this.#giveUpInflater();
  }

  /**
   * A whole message, or the next part of one that was begun by `beginParts`, as `Inflater.inflate`. After `TooLong`, `overflow` tells
   * where to go on.
   */
  inflate(data: Uint8Array, maxBytes: number, isLast = true): Buffer | InflateError {
    const result = this.#inflate(data, maxBytes, isLast);
    this.#budget.inflatedAtOnce(typeof result === 'number' ? Math.min(maxBytes, MAX_WASTED_BYTES) : result.length);
    return result;
  }

  #inflate(data: Uint8Array, maxBytes: number, isLast: boolean): Buffer | InflateError {
    if (this.#inflater !== null) return this.#inflater.inflate(data, maxBytes, isLast);
    if (this.#keepsIn) {
      this.#inflater = createInflater(this.#inBits);
      return this.#inflater.inflate(data, maxBytes, isLast);
    }
    const inflater = this.#budget.sharedInflater(this.#inBits);
    const result = inflater.inflate(data, maxBytes);
    if (result === InflateError.TooLong) inflater.reset();
    return result;
  }

  /** How many bytes of the last part were used, and what was made of them. The engine that all share begins anew. */
  overflow(): { used: number; made: Buffer } {
    const inflater = this.#inflater;
    return inflater === null ? { used: 0, made: EMPTY } : { used: inflater.used, made: inflater.takeMade() };
  }

  /** As `Inflater.inflateLater`, when a thread is free: none is kept while `take` makes it wait. */
  inflateLater(data: Uint8Array, isLast: boolean, take: TakeSlice): Promise<RunEnd> {
    const budget = this.#budget;
    const patientTake: TakeSlice = (slice) => {
      const goesOn = take(slice);
      if (typeof goesOn === 'boolean') return goesOn;
      budget.leave();
      return goesOn.then((isWanted) => budget.enter().then(() => isWanted));
    };
    return budget.later(async () => {
      if (this.#isClosed) return RunEnd.Closed;
      if (this.#keepsIn) this.#inflater ??= createInflater(this.#inBits);
      const own = this.#inflater;
      const inflater = own ?? createInflater(this.#inBits);
      try {
        return await inflater.inflateLater(data, isLast, patientTake);
      } finally {
        if (own === null) inflater.close();
      }
    });
  }

  // ---- its end -------------------------------------------------------------------------------------------------------

  /** Its next message begins with an empty window. */
  giveUpDeflater(): void {
    if (this.#deflater === null) return;
    this.#deflater.close();
    this.#deflater = null;
    this.#budget.release(deflaterBytes(this.#outBits, this.#budget.options.memLevel));
    this.#budget.dropped(this);
  }

  #giveUpInflater(): void {
    this.#inflater?.close();
    this.#inflater = null;
    if (this.#inflaterBytes > 0) this.#budget.release(this.#inflaterBytes);
    this.#inflaterBytes = 0;
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.giveUpDeflater();
    this.#giveUpInflater();
  }
}
