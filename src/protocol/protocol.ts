import type { SlabPool } from '../memory/slab-pool.ts';

/** Where a receive layer delivers to: a connection, or a test. */
export interface ReceiveSink {
  /**
   * Hands on one `onReceive`: bytes that are the receiver's own, unless they were a loan, or the total length of what a pull
   * layer holds.
   * @returns false to stop for now: receiving was paused, or the connection is closing. The layer keeps the rest.
   */
  deliver(data: Buffer | number): boolean;
  /** The bytes violate the protocol; the layer takes nothing more. */
  violate(errno: number, message: string): void;
}

/** How long the bytes of a read stay what they are. */
export const Lifetime = Object.freeze({
  /** Until `receive` returns: what is delivered or kept is copied. */
  Call: 0,
  /** As `Call`, but they may be lent to who gets them delivered: only what is kept is copied. */
  Loan: 1,
  /** For ever: they become the layer's, and then the listener's. */
  Forever: 2,
} as const);
export type Lifetime = (typeof Lifetime)[keyof typeof Lifetime];

/** How received bytes reach the listener. One per connection; pure: bytes in, calls of the sink out. */
export interface ReceiveLayer {
  /** Takes the bytes of a read, which stay what they are for `lifetime`. */
  receive(bytes: Buffer, lifetime: Lifetime): void;
  /** Delivers what was kept when the sink said stop, until it says stop again. */
  resume(): void;
  /** Gives up what is held and was not handed on, in order: the bytes belong to another protocol from here on. Null if none. */
  takeRest(): Buffer | null;
  /** Whether it delivers bytes, and not the number of those that it holds. */
  readonly deliversBytes: boolean;
  /** Whether something is kept that `resume` would deliver. */
  readonly hasBacklog: boolean;
  /** Bytes held: undelivered, incomplete, or not yet fetched. */
  readonly bufferedBytes: number;
}

/** Shared by the connections of one component. */
export interface ReceiveContext {
  /** Where copies of borrowed bytes come from. */
  readonly pool: SlabPool;
}
