/**
 * State of a connection. Legal transitions, everything else is an internal error:
 *
 * ```
 *  Connecting --> Opening --> Open --> Draining --+
 *      |           | ^          | |               v
 *      |           | +--- TLS --+ |
 *      +-----------+--------------+----------> Closing --> Closed
 * ```
 *
 * - Connecting: the socket connects (agents and clients only).
 * - Opening:    connected or accepted; the first hooks run, or TLS shakes hands. Nothing is delivered yet.
 * - Open:       data flows. TLS that is started by hand goes back to Opening, once.
 * - Draining:   no more sends are taken; what is queued is written, then a FIN, then the peer's FIN is awaited.
 * - Closing:    the socket is being closed. No hook runs until
 * - Closed:     `onClose` was called, if the connection had been let in, and the ID is free.
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
