import { createDeflater, createInflater } from './deflate-engine.ts';
import type { DeflateWish } from './deflate-negotiation.ts';
import type { Deflater, Inflater } from './zlib-engine.ts';

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
/** Most bytes that are inflated at once in one turn of the event loop; what comes then goes to threads, and others get their turn. */
const TURN_BYTES = 4 * 1024 * 1024;
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

/** What holds a compressor that can be taken away from it. */
export interface CompressorHolder {
  /** When its compressor was used last, in uses of all compressors. */
  lastUse: number;
  /** Whether its compressor works on a thread. */
  readonly isBusy: boolean;
  giveUpDeflater(): void;
}

/**
 * The compression of all connections of one component, and the one budget that their contexts share.
 *
 * A context is what a connection keeps from message to message: the compressor's is 256 KiB and more, the inflater's 40 KiB. Without
 * context take-over there is nothing to keep, so all those connections use the same two engines. A compressor can be given up
 * at any time, for a sender is free not to refer to earlier messages; an inflater cannot, so its memory is reserved in the
 * handshake, and a server that has none left asks the client for `client_no_context_takeover`.
 */
export class CompressionBudget {
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
  #holders = new Set<CompressorHolder>();
  #uses = 0;
  #running = 0;
  #queue: (() => void)[] = [];
  /** Inflated at once since that was last too much. */
  #bytesAtOnce = 0;
  /** Whether no more is to be inflated at once in this turn: little messages may be bombs, and there may be thousands in one read. */
  isTurnSpent = false;

  constructor(options: CompressionOptions) {
    this.options = options;
  }

  /** Does a job on a thread, when fewer than `maxLater` others are being done. */
  async later<T>(job: () => Promise<T>): Promise<T> {
    this.stats.later++;
    await this.enter();
    try {
      return await job();
    } finally {
      this.leave();
    }
  }

  /** Resolves when a thread is free; `leave` frees it. */
  async enter(): Promise<void> {
    if (this.#running < this.options.maxLater) {
      this.#running++;
      return;
    }
    this.stats.laterQueued++;
    await new Promise<void>((go) => this.#queue.push(go));
  }

  /** A job is done, or waits for something else than a thread. */
  leave(): void {
    const next = this.#queue.shift();
    if (next === undefined) this.#running--;
    else next();
  }

  /** So many bytes were inflated at once. */
  inflatedAtOnce(bytes: number): void {
    this.#bytesAtOnce += bytes;
    if (this.#bytesAtOnce < TURN_BYTES || this.isTurnSpent) return;
    this.isTurnSpent = true;
    setImmediate(() => {
      this.#bytesAtOnce = 0;
      this.isTurnSpent = false;
    });
  }

  /** The compressor for all connections without context take-over; each message begins anew. */
  sharedDeflater(windowBits: number): Deflater {
    let deflater = this.#sharedDeflaters.get(windowBits);
    if (deflater === undefined) {
      deflater = this.newDeflater(windowBits);
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
  used(holder: CompressorHolder): void {
    holder.lastUse = ++this.#uses;
    this.#holders.delete(holder);
    this.#holders.add(holder);
  }

  /** @internal */
  dropped(holder: CompressorHolder): void {
    this.#holders.delete(holder);
  }

  /** Gives up the shared engines; the component stopped. */
  close(): void {
    for (const deflater of this.#sharedDeflaters.values()) deflater.close();
    for (const inflater of this.#sharedInflaters.values()) inflater.close();
    this.#sharedDeflaters.clear();
    this.#sharedInflaters.clear();
  }

  /** A new compressor. */
  newDeflater(windowBits: number): Deflater {
    return createDeflater(windowBits, this.options.level, this.options.memLevel);
  }
}
