/** What a message compressed by a sync flush ends with, and what is left out on the wire (RFC 7692, 7.2.1). */
export const TAIL: Buffer = Buffer.from([0x00, 0x00, 0xff, 0xff]);

/**
 * What is inflated at the end of a message: its tail, and one more empty block. Behind whole data neither makes a byte. In the middle of a
 * block they are taken for a part of it, and make some bytes, or none that can be inflated: so it shows that data was cut off.
 */
export const END: Buffer = Buffer.concat([TAIL, Buffer.of(0), TAIL]);

/** Why a message, or a part of it, was not inflated at once. */
export const InflateError = Object.freeze({ Data: 1, TooLong: 2 } as const);
export type InflateError = (typeof InflateError)[keyof typeof InflateError];

/** How work on a thread ended: all is done, an end inside the data, what cannot be inflated, not wanted, closed meanwhile. */
export const RunEnd = Object.freeze({ Done: 0, Ended: 1, Data: 2, Stopped: 3, Closed: 4 } as const);
export type RunEnd = (typeof RunEnd)[keyof typeof RunEnd];

/** Gets a slice of what is made on a thread. False: no more is wanted. A promise: no more before it resolves. */
export type TakeSlice = (slice: Buffer) => boolean | Promise<boolean>;

/** Compresses messages of one sender, each of them a unit (RFC 7692, 7.2.1). */
export interface Deflater {
  /**
   * The compressed message without its tail. Its bytes are the caller's own, or, up to 4096, valid until the next call.
   * @param endsMessage False for a fragment that others follow: it keeps its tail, so that what it holds can be inflated.
   */
  deflate(data: Uint8Array, endsMessage?: boolean): Uint8Array;
  /** The same on a thread of Node's pool, the caller's own; null if it was closed meanwhile. One at a time, and nothing else meanwhile. */
  deflateLater(data: Uint8Array, endsMessage?: boolean): Promise<Uint8Array | null>;
  /** Forgets the messages before. */
  reset(): void;
  close(): void;
}

/** Expands messages of one sender, each as a whole or part by part. */
export interface Inflater {
  /**
   * What `data`, the next part of a message, expands to, the caller's own. `TooLong` once more than `maxBytes` came of it, or if
   * only a thread can do it: then `used` bytes of it were, and became what `takeMade` returns; `inflateLater` may go on behind them.
   * @param isLast Whether the message ends with it, as it does if nothing else is said.
   */
  inflate(data: Uint8Array, maxBytes: number, isLast?: boolean): Buffer | InflateError;
  /** Bytes of `data` that were used when `inflate` said `TooLong`. */
  readonly used: number;
  /** What had been made then, the caller's own: at most one byte more than was allowed. */
  takeMade(): Buffer;
  /**
   * Expands the next part of a message on threads of Node's pool, slice by slice. It stops while `take` makes it wait, with no
   * more than two slices made ahead. One call at a time, and nothing else meanwhile. Unless it ends with `Done` the engine is of no
   * more use.
   */
  inflateLater(data: Uint8Array, isLast: boolean, take: TakeSlice): Promise<RunEnd>;
  /** Forgets the messages before. */
  reset(): void;
  close(): void;
}
