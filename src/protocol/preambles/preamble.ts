/*
 * Preambles: what is said on a connection before the protocol of its component, and before TLS. A PROXY header that a load
 * balancer puts in front, the talk with a proxy that is to make a tunnel, a line by which a user logs in.
 *
 *   socket --> preamble --> preamble --> hooks, TLS --> protocol of the component
 *
 * Each gets what the one before has left. Until the last is done the connection is connecting: no hook has run for it.
 */

/** What a connection lends to its preamble. */
export interface PreamblePort {
  /** ID of the connection. */
  readonly id: number;
  /** Whether the preamble may still send, and say that it is done: false once the connection closes, or it has said so. */
  readonly isOpen: boolean;
  /** Own address of the socket, as text; '' for a Unix domain socket. */
  readonly localAddress: string;
  /** 0 for Unix domain sockets. */
  readonly localPort: number;
  /** The peer of the socket: behind a PROXY header, what that says. '' for a Unix domain socket. */
  readonly remoteAddress: string;
  /** 0 for Unix domain sockets. */
  readonly remotePort: number;
  /** Data of the connection (`Connection.extra`), which its hooks find there. */
  extra: unknown;
  /** Sends bytes, or text as UTF-8, as they are. Larger ones must not be changed before they are written. */
  send(bytes: Uint8Array | string): void;
  /** The preamble is over: bytes that `receive` has not taken are for what comes next. */
  done(): void;
  /**
   * The connection ends: `connect` or `start` reject with the sentence, a server counts it (`limits.preambles`).
   * @param errno Linux errno of the error. Default EBADMSG.
   */
  fail(message: string, errno?: number): void;
  /** The connection ends as by a hook that throws: what was thrown is the cause of its error, or goes to `onHookError`. */
  threw(thrown: unknown): void;
  /** Shows the bytes that were not taken once more, and reads on: a preamble that was busy is ready for them. */
  again(): void;
}

/** One preamble on one connection. Pure: bytes and calls in, calls of a port out; no sockets, no timers. */
export interface Preamble {
  /** The connection is there, and the preamble before this one done. A side that speaks first does so here. */
  begin?: (() => void) | undefined;
  /**
   * Takes received bytes. They are valid until it returns.
   * @param bytes All that arrived and was not taken yet.
   * @returns How many of them it took; the others are shown again together with what arrives next.
   */
  receive(bytes: Buffer): number;
  /** Most bytes that it leaves untaken; more end the connection (EMSGSIZE). Default 16,384. */
  readonly maxBytes?: number | undefined;
  /** Whether it waits for something else than bytes. Nothing is read then until `PreamblePort.again` or `done`. */
  readonly isBusy?: boolean | undefined;
  /** What it waits for, in the sentence of a failure: `the greeting of the server`. Default: `the peer`. */
  readonly awaits?: string | undefined;
  /**
   * The connection's time for preambles is over. A preamble that can do without an answer says `done` here; else the connection ends
   * (ETIMEDOUT).
   */
  expired?: (() => void) | undefined;
  /** The connection has closed, or the preamble is done: gives up what it holds. */
  closed?: (() => void) | undefined;
}

/** Makes the preamble of a new connection. */
export type PreambleFactory = (port: PreamblePort) => Preamble;

/** Most bytes that a preamble leaves untaken unless it says otherwise. */
export const MAX_PREAMBLE_BYTES = 16_384;
