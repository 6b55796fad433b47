import type { SocketErrorName } from '../core/error-names.ts';
import type { SendQueue } from '../memory/send-queue.ts';
import type { SlabPool } from '../memory/slab-pool.ts';

/** How long the bytes of a read stay what they are. */
export const Lifetime = Object.freeze({
  /** Until `receive` returns: what is delivered or kept is copied. */
  Call: 0,
  /** As `Call`, but they may be lent to the consumer that they are delivered to: only what is kept is copied. */
  Loan: 1,
  /** For ever: they become the layer's, and then the listener's. */
  Forever: 2,
} as const);
export type Lifetime = (typeof Lifetime)[keyof typeof Lifetime];

/** Shared by the connections of one component. */
export interface ReceiveContext {
  /** Where copies of borrowed bytes come from. */
  readonly pool: SlabPool;
}

/** What becomes of a connection whose peer sent its FIN, as the protocol sees it. */
export const AtEnd = Object.freeze({
  /** The peer ended between two messages: what is queued is sent, then the connection closes. */
  Drain: 0,
  /** The protocol still has something to say, and ends the connection itself. */
  Stay: 1,
  /** The peer ended in the middle of a message: the connection closes with an error. */
  Truncated: 2,
} as const);
export type AtEnd = (typeof AtEnd)[keyof typeof AtEnd];

/**
 * What a connection lends to its protocol. No method calls back into the protocol before it returns, except `become`,
 * which opens the next one.
 */
export interface Port {
  /** ID of the connection. */
  readonly id: number;
  /** Whether messages may be delivered and bytes queued: false once the connection closes. */
  readonly isOpen: boolean;
  /**
   * Hands one message to the consumer of this connection: its stream, its iterator, or the hook `onReceive`.
   * @returns false to stop for now, because receiving was paused or the connection closes: keep the rest until `resume`.
   */
  deliver(data: unknown): boolean;
  /** Whether a stream or an iterator takes what `deliver` hands on, in the place of hooks. */
  readonly hasConsumer: boolean;
  /**
   * Counts a message that a hook of the protocol gets, in the place of `deliver`: statistics, and the rate of messages.
   * @returns false if the connection closes because of it.
   */
  count(): boolean;
  /** Whether the next message may be delivered: nothing asked for a pause, and the connection is open. */
  readonly mayDeliver: boolean;
  /**
   * What a hook of the protocol answered. Call it only for results that are neither undefined nor `HandleResult.Ok`.
   * `HandleResult.Error` closes the connection; a promise pauses it, and when that is settled `answered` gets its value,
   * then `Protocol.resume` is called. Any other value means Ok.
   * @returns false to stop for now, as `deliver`.
   */
  settle(hook: string, result: unknown, answered?: (value: unknown) => void): boolean;
  /** A hook of the protocol threw: the connection closes. Always false. */
  threw(hook: string, thrown: unknown): boolean;
  /**
   * The peer broke the protocol, or the protocol cannot go on: the connection closes at once with this errno and sentence.
   * @param code Left out, it follows from the errno: `HP_BAD_MESSAGE`, `HP_MESSAGE_TOO_LARGE`, `ETIMEDOUT`, ...
   * @param cause The error behind it, if there is one.
   */
  violate(errno: number, message: string, code?: SocketErrorName, cause?: unknown): void;
  /** Queues bytes as they are, past `frame`; larger ones are kept by reference until written. False if `maxPendingBytes` refuses. */
  send(bytes: Uint8Array): boolean;
  /** As `send`, for a message in several parts of `length` bytes together: all of them are queued, or none. */
  sendAll(parts: readonly Uint8Array[], length: number): boolean;
  /** Counts bytes that the protocol holds back, to send them later, as pending: `bytes` more, or fewer. */
  reserve(bytes: number): void;
  /** Queues bytes as they are in the place of `reserved` ones that were held back. False if the connection closes. */
  sendReserved(bytes: Uint8Array, reserved: number): boolean;
  /** Takes no more sends, writes what is queued, sends a FIN, waits for the peer's, and closes. */
  end(): void;
  /** Calls the protocol's `expired` in `ms` milliseconds unless another deadline is set before; 0 for none. One per protocol. */
  deadline(ms: number): void;
  /** Lets `next` take this protocol's place: it is opened, then gets the bytes that `takeRest` gives up. */
  become(next: Protocol): void;
  /**
   * Keeps the connection able to send while it drains: an answer is still to come. A draining stop waits for the release.
   * @returns Releases it; calling that again does nothing.
   */
  hold(): () => void;
}

/**
 * What the bytes of one connection mean, in both directions. Pure: bytes and calls in, calls of a port out; no sockets, no
 * timers. Push, pull and pack are protocols, and so are HTTP, WebSocket and framings of a user's own.
 */
export interface Protocol {
  /** The connection is open: its first hooks let it in, over TLS the handshake is done. Nothing was received before. */
  opened(): void;
  /** Takes the bytes of a read, which stay what they are for `lifetime`. Never called while `hasBacklog`. */
  receive(bytes: Buffer, lifetime: Lifetime): void;
  /** Delivers what was kept when the port said stop, until it says stop again. */
  resume(): void;
  /** The peer's FIN, behind everything that it sent, all of which was delivered. */
  ended(): AtEnd;
  /**
   * The connection is to drain: a protocol that says goodbye does it now, and ends by `Port.end` when it is done. Called again when the
   * peer has ended meanwhile.
   * @returns true: there is nothing to say, a FIN may follow what is queued.
   */
  drain(): boolean;
  /** Something was written, or nothing is left to write: so many bytes are pending now. Only for protocols that wait for room. */
  wrote?(pendingBytes: number): void;
  /** The deadline has passed that it set by `Port.deadline`. */
  expired?(): void;
  /** The connection is gone: gives up what the protocol holds. */
  closed(): void;

  /** Bytes of a message that is sent, where messages are something else than bytes; `sizeOf` and `frame` get them. Throws if there are none. */
  encode?(message: unknown): Uint8Array;
  /** Bytes on the wire of a message of `length` bytes, or minus the errno of why there can be none (EINVAL, EMSGSIZE). */
  sizeOf(length: number): number;
  /** Appends one message to the queue. */
  frame(queue: SendQueue, bytes: Uint8Array): void;
  /** Appends one message, `length` bytes in several parts. */
  frameParts(queue: SendQueue, parts: readonly Uint8Array[], length: number): void;
  /** Why a message of `length` bytes is not possible: a sentence, for a negative answer of `sizeOf`. */
  explain(length: number): string;

  /** Gives up what is held and was not handed on, in order: the bytes belong to another protocol from here on. Null if none. */
  takeRest(): Buffer | null;
  /** Whether something is kept that `resume` would deliver. */
  readonly hasBacklog: boolean;
  /** Bytes held: undelivered, incomplete, or not yet fetched. */
  readonly bufferedBytes: number;
  /** Whether a message has begun that is not whole yet, for `messageTimeoutMs`. Left out: it has no messages. */
  readonly isMidMessage?: boolean;
  /** Whether it delivers bytes that may be lent for the time of the call, and keeps none of them itself. */
  readonly deliversBytes: boolean;
  /**
   * Whether it hands on the bytes of reads themselves, now: large reads get memory of their own then, to be handed on without a
   * copy. If not, they land in the memory that all connections share, which stays in the cache. Left out: yes.
   */
  readonly handsOnReads?: boolean;
  /** Whether what it delivers has boundaries that a stream has to keep. */
  readonly hasMessages: boolean;
}
