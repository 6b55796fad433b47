import {
  createDeflater,
  createInflater,
  type Deflater,
  InflateError,
  type Inflater,
  MIN_DEFLATE_BITS,
} from './deflate-engine.ts';
import {
  answerDeflateOffer,
  type DeflateAnswer,
  type DeflateParameters,
  type DeflateWish,
} from './deflate-negotiation.ts';
import { type Violation, Violations } from './opcode.ts';

/** How a component compresses messages (RFC 7692). */
export interface CompressionOptions extends DeflateWish {
  /** Shorter messages go out as they are, in bytes. */
  readonly thresholdBytes: number;
  /** Effort, 0 to 9, or -1 for zlib's own choice (6). */
  readonly level: number;
  /** Memory of a compressor, 1 to 9: 2 ^ (memLevel + 9) bytes, beside four times the window. */
  readonly memLevel: number;
  /** Most memory for the contexts of all connections, in bytes. */
  readonly budgetBytes: number;
  /** Messages of so many bytes and more are compressed, and inflated, on threads; 0 for none. */
  readonly laterBytes: number;
  /** How many at once. */
  readonly maxLater: number;
}

/** Counters of the compression of one component. */
export interface CompressionStats {
  /** Memory that contexts hold, as zlib documents it. */
  contextBytes: number;
  /** Contexts alive. */
  contexts: number;
  /** Compressors given up for those of other connections. */
  evictions: number;
  /** Messages that went out uncompressed because the budget was used up. */
  overBudget: number;
  /** Messages compressed or inflated on threads. */
  later: number;
  /** Those that had to wait for others. */
  laterQueued: number;
}

/** Memory of an inflater beside its window: zlib's `inflate_state`. */
const INFLATE_STATE_BYTES = 10 * 1024;
/** A compressor may be taken away from a connection when each other one has been used so many times since. */
const EVICTION_ROUNDS = 4;

/** Memory of a compressor, by zlib's own formula. */
export function deflaterBytes(windowBits: number, memLevel: number): number {
  return (1 << (windowBits + 2)) + (1 << (memLevel + 9));
}

/** Memory of an inflater. */
export function inflaterBytes(windowBits: number): number {
  return (1 << windowBits) + INFLATE_STATE_BYTES;
}

/**
 * The compression of all connections of one component, and the one budget that their contexts share.
 *
 * A context is what a connection keeps from message to message: the compressor's is 256 KiB and more, the inflater's 40 KiB. Without
 * context take-over there is nothing to keep, so all those connections use the same two engines. A compressor can be given up
 * at any time, for a sender is free not to refer to earlier messages; an inflater cannot, so its memory is reserved in the
 * handshake, and a server that has none left asks the client for `client_no_context_takeover`.
 */
export class Compression {
  readonly options: CompressionOptions;
  readonly stats: CompressionStats = {
    contextBytes: 0,
    contexts: 0,
    evictions: 0,
    overBudget: 0,
    later: 0,
    laterQueued: 0,
  };
  #sharedDeflaters = new Map<number, Deflater>();
  #sharedInflaters = new Map<number, Inflater>();
  /** Connections that hold a compressor, the one that was used longest ago first. */
  #holders = new Set<DeflateContext>();
  #uses = 0;
  #running = 0;
  #queue: (() => void)[] = [];

  constructor(options: CompressionOptions) {
    this.options = options;
  }

  /** Server: the answer to an offer, without contexts that the budget has no room for. */
  answer(header: string): DeflateAnswer | null {
    const { options } = this;
    const fits = this.stats.contextBytes + inflaterBytes(options.clientMaxWindowBits) <= options.budgetBytes;
    return answerDeflateOffer(header, fits ? options : { ...options, clientNoContextTakeover: true });
  }

  /** Contexts of a new connection that agreed on `parameters`. */
  open(parameters: DeflateParameters, isServer: boolean): DeflateContext {
    return new DeflateContext(this, parameters, isServer);
  }

  /** Does a job on a thread, when fewer than `maxLater` others are being done. */
  async later<T>(job: () => Promise<T>): Promise<T> {
    this.stats.later++;
    if (this.#running < this.options.maxLater) this.#running++;
    else {
      this.stats.laterQueued++;
      await new Promise<void>((go) => this.#queue.push(go));
    }
    try {
      return await job();
    } finally {
      const next = this.#queue.shift();
      if (next === undefined) this.#running--;
      else next();
    }
  }

  /** The compressor for all connections without context take-over; each message begins anew. */
  sharedDeflater(windowBits: number): Deflater {
    let deflater = this.#sharedDeflaters.get(windowBits);
    if (deflater === undefined) {
      deflater = createDeflater(windowBits, this.options.level, this.options.memLevel);
      this.#sharedDeflaters.set(windowBits, deflater);
    } else {
      deflater.reset();
    }
    return deflater;
  }

  /** The inflater for all connections without context take-over. */
  sharedInflater(windowBits: number): Inflater {
    let inflater = this.#sharedInflaters.get(windowBits);
    if (inflater === undefined) {
      inflater = createInflater(windowBits);
      this.#sharedInflaters.set(windowBits, inflater);
    } else {
      inflater.reset();
    }
    return inflater;
  }

  /** Takes `bytes` of the budget, from compressors that were not used for long if need be. False if there is no room. @internal */
  reserve(bytes: number): boolean {
    const { stats, options } = this;
    while (stats.contextBytes + bytes > options.budgetBytes) {
      const [oldest] = this.#holders;
      if (oldest === undefined || oldest.isBusy || this.#uses - oldest.lastUse < this.#holders.size * EVICTION_ROUNDS)
        return false;
      oldest.giveUpDeflater();
      stats.evictions++;
    }
    stats.contextBytes += bytes;
    stats.contexts++;
    return true;
  }

  /** @internal */
  release(bytes: number): void {
    this.stats.contextBytes -= bytes;
    this.stats.contexts--;
  }

  /** A compressor is used: its turn to be given up comes last. @internal */
  used(holder: DeflateContext): void {
    holder.lastUse = ++this.#uses;
    this.#holders.delete(holder);
    this.#holders.add(holder);
  }

  /** @internal */
  dropped(holder: DeflateContext): void {
    this.#holders.delete(holder);
  }

  /** Gives up the shared engines; the component stopped. */
  close(): void {
    for (const deflater of this.#sharedDeflaters.values()) deflater.close();
    for (const inflater of this.#sharedInflaters.values()) inflater.close();
    this.#sharedDeflaters.clear();
    this.#sharedInflaters.clear();
  }
}

/** Compression of one connection. */
export class DeflateContext {
  readonly parameters: DeflateParameters;
  /** When its compressor was used last, in uses of all compressors. @internal */
  lastUse = 0;
  /** Whether its compressor works on a thread. @internal */
  isBusy = false;
  #compression: Compression;
  #deflater: Deflater | null = null;
  #inflater: Inflater | null = null;
  #outBits: number;
  #inBits: number;
  #keepsOut: boolean;
  #keepsIn: boolean;
  /** Reserved for an inflater, whether it exists or not. */
  #inflaterBytes = 0;
  #isClosed = false;

  constructor(compression: Compression, parameters: DeflateParameters, isServer: boolean) {
    this.#compression = compression;
    this.parameters = parameters;
    const { serverMaxWindowBits, clientMaxWindowBits, serverNoContextTakeover, clientNoContextTakeover } = parameters;
    this.#outBits = isServer ? serverMaxWindowBits : clientMaxWindowBits;
    this.#inBits = isServer ? clientMaxWindowBits : serverMaxWindowBits;
    this.#keepsOut = isServer ? !serverNoContextTakeover : !clientNoContextTakeover;
    this.#keepsIn = isServer ? !clientNoContextTakeover : !serverNoContextTakeover;
    if (!this.#keepsIn) return;
    this.#inflaterBytes = inflaterBytes(this.#inBits);
    // The peer keeps its context, so this end has to, whatever the budget says: only the handshake could prevent it.
    if (!compression.reserve(this.#inflaterBytes)) {
      compression.stats.contextBytes += this.#inflaterBytes;
      compression.stats.contexts++;
    }
  }

  /** Whether messages of `length` bytes are compressed at all. */
  #compresses(length: number): boolean {
    return length >= this.#compression.options.thresholdBytes && length > 0 && this.#outBits >= MIN_DEFLATE_BITS;
  }

  /** Whether a message of `length` bytes is to be compressed on a thread. */
  isLate(length: number): boolean {
    const { laterBytes } = this.#compression.options;
    return laterBytes > 0 && length >= laterBytes && this.#compresses(length);
  }

  /** Whether a message of `length` compressed bytes, which may be four times as long, is to be inflated on a thread. */
  inflatesLate(length: number): boolean {
    const { laterBytes } = this.#compression.options;
    return laterBytes > 0 && length >= laterBytes >> 2;
  }

  /** The compressed message, as `Deflater.deflate`; null if it goes out as it is. */
  deflate(data: Uint8Array): Uint8Array | null {
    if (!this.#compresses(data.length)) return null;
    if (!this.#keepsOut) return this.#compression.sharedDeflater(this.#outBits).deflate(data);
    return this.#ownDeflater()?.deflate(data) ?? null;
  }

  /** As `deflate`, on a thread. */
  async deflateLater(data: Uint8Array): Promise<Uint8Array | null> {
    if (!this.#keepsOut) return this.deflateAloneLater(data);
    const deflater = this.#ownDeflater();
    if (deflater === null) return null;
    this.isBusy = true;
    try {
      return await this.#compression.later(() =>
        this.#isClosed ? Promise.resolve(null) : deflater.deflateLater(data),
      );
    } finally {
      this.isBusy = false;
    }
  }

  #ownDeflater(): Deflater | null {
    const { options, stats } = this.#compression;
    if (this.#deflater === null) {
      if (this.#isClosed || !this.#compression.reserve(deflaterBytes(this.#outBits, options.memLevel))) {
        stats.overBudget++;
        return null;
      }
      this.#deflater = createDeflater(this.#outBits, options.level, options.memLevel);
    }
    this.#compression.used(this);
    return this.#deflater;
  }

  /** Base-2 logarithm of the window that this end may use. */
  get outBits(): number {
    return this.#outBits;
  }

  /** As `deflate`, but so that the result refers to no message before: it may go to many connections. */
  deflateAlone(data: Uint8Array): Uint8Array | null {
    return this.#compresses(data.length) ? this.#compression.sharedDeflater(this.#outBits).deflate(data) : null;
  }

  /** As `deflateAlone`, on a thread. The engines that all share are not waited for there. */
  async deflateAloneLater(data: Uint8Array): Promise<Uint8Array | null> {
    const { level, memLevel } = this.#compression.options;
    const deflater = createDeflater(this.#outBits, level, memLevel);
    try {
      return await this.#compression.later(() => deflater.deflateLater(data));
    } finally {
      deflater.close();
    }
  }

  /** A message went out that its own compressor knows nothing of: it must not refer to anything before that. */
  sentElsewhere(): void {
    this.#deflater?.reset();
  }

  /** The message, the caller's own, or what is wrong with it. */
  inflate(data: Uint8Array, maxBytes: number): Buffer | Violation {
    let inflater: Inflater;
    if (this.#keepsIn) inflater = this.#inflater ??= createInflater(this.#inBits);
    else inflater = this.#compression.sharedInflater(this.#inBits);
    return violationOf(inflater.inflate(data, maxBytes));
  }

  /** As `inflate`, on a thread; null if the connection is gone. */
  async inflateLater(data: Uint8Array, maxBytes: number): Promise<Buffer | Violation | null> {
    let inflater: Inflater;
    if (this.#keepsIn) inflater = this.#inflater ??= createInflater(this.#inBits);
    else inflater = createInflater(this.#inBits);
    try {
      const result = await this.#compression.later(() =>
        this.#isClosed ? Promise.resolve(null) : inflater.inflateLater(data, maxBytes),
      );
      return result === null || this.#isClosed ? null : violationOf(result);
    } finally {
      if (!this.#keepsIn) inflater.close();
    }
  }

  /** Its next message begins with an empty window. @internal */
  giveUpDeflater(): void {
    if (this.#deflater === null) return;
    this.#deflater.close();
    this.#deflater = null;
    this.#compression.release(deflaterBytes(this.#outBits, this.#compression.options.memLevel));
    this.#compression.dropped(this);
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.giveUpDeflater();
    this.#inflater?.close();
    this.#inflater = null;
    if (this.#inflaterBytes > 0) this.#compression.release(this.#inflaterBytes);
  }
}

function violationOf(result: Buffer | InflateError): Buffer | Violation {
  if (result === InflateError.TooLong) return Violations.messageBytes;
  return result === InflateError.Data ? Violations.inflate : result;
}
