const marker: unique symbol = Symbol.for('hp-socket.transferResult') as never;

/** A result together with what of it moves instead of being copied. */
export interface TransferredResult<T> {
  readonly [marker]: true;
  /** What the caller gets. */
  readonly value: T;
  /** What moves to the caller's thread instead of being copied. */
  readonly transfer: readonly Transferable[];
}

/** What can move between threads: an ArrayBuffer, a MessagePort, a stream, ... */
export type Transferable = ArrayBuffer | import('node:worker_threads').MessagePort | object;

/**
 * In a task function of a `ThreadPool`: returns `value` so that the memory in `transfer` moves to the caller instead of being
 * copied. The worker must not use it any more.
 * @example return transferResult(pixels, [pixels.buffer]);
 */
export function transferResult<T>(value: T, transfer: readonly Transferable[]): TransferredResult<T> {
  return { [marker]: true, value, transfer };
}

/** @internal */
export function isTransferredResult(value: unknown): value is TransferredResult<unknown> {
  return typeof value === 'object' && value !== null && marker in value;
}
