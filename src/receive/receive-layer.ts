import type { SlabPool } from '../core/slab-pool.ts';

/** Where a receive layer delivers to: a connection, or a test. */
export interface ReceiveSink {
  /**
   * Hands on one `onReceive`: bytes that are the receiver's own, or the total length of what a pull layer holds.
   * @returns false to stop for now: receiving was paused, or the connection is closing. The layer keeps the rest.
   */
  deliver(data: Buffer | number): boolean;
  /** The bytes violate the protocol; the layer takes nothing more. */
  violate(errno: number, message: string): void;
}

/** How received bytes reach the listener. One per connection; pure: bytes in, calls of the sink out. */
export interface ReceiveLayer {
  /**
   * Takes `bytes`. If `isBorrowed`, the memory is overwritten after the call, and what is kept or delivered is copied;
   * otherwise it becomes the layer's.
   */
  receive(bytes: Buffer, isBorrowed: boolean): void;
  /** Delivers what was kept when the sink said stop, until it says stop again. */
  resume(): void;
  /** Gives up what is held and was not handed on, in order: the bytes belong to another protocol from here on. Null if none. */
  takeRest(): Buffer | null;
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
