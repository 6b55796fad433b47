/**
 * State of a connection, stream or datagram.
 *
 * - Connecting: the socket connects (stream agents and clients only).
 * - Opening:    connected or accepted; the first hooks run, or TLS or ARQ shakes hands. Nothing is delivered yet.
 * - Open:       data flows. TLS that is started by hand goes back to Opening, once.
 * - Draining:   no more sends are taken; what is queued is written, then a FIN, then the peer's FIN is awaited.
 * - Closing:    the transport is being closed. No hook runs until
 * - Closed:     `onClose` is called, if the connection had been let in, and the ID is free.
 */
export const ConnectionState = Object.freeze({
  Connecting: 0,
  Opening: 1,
  Open: 2,
  Draining: 3,
  Closing: 4,
  Closed: 5,
} as const);
export type ConnectionState = (typeof ConnectionState)[keyof typeof ConnectionState];

const { Connecting, Opening, Open, Draining, Closing, Closed } = ConnectionState;

/**
 * The legal transitions; every other one is an internal error.
 *
 * ```
 *  Connecting --> Opening --> Open --> Draining --+
 *      |           | ^          | |               v
 *      |           | +--- TLS --+ |
 *      +-----------+--------------+----------> Closing --> Closed
 * ```
 */
export const transitions: Readonly<Record<ConnectionState, readonly ConnectionState[]>> = {
  [Connecting]: [Opening, Closing],
  [Opening]: [Open, Closing],
  [Open]: [Opening, Draining, Closing],
  [Draining]: [Closing],
  [Closing]: [Closed],
  [Closed]: [],
};

/** The table as a set of bits for each state, so that a look at it costs nothing. */
const reachable: readonly number[] = [Connecting, Opening, Open, Draining, Closing, Closed].map((from) =>
  transitions[from].reduce<number>((bits, to) => bits | (1 << to), 0),
);

/** Whether a connection may go from one state to the other. */
export function isLegalTransition(from: ConnectionState, to: ConnectionState): boolean {
  return (reachable[from]! & (1 << to)) !== 0;
}
