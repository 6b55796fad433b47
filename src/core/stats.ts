/** What limits and deadlines did. Each counts how often it struck. */
export interface LimitCounters {
  /** Connections refused because `maxConnectionCount` was reached. */
  connections: number;
  /** Connections refused by `maxConnectionsPerAddress`. */
  perAddress: number;
  /** Connections refused by `acceptsPerSecond`. */
  acceptRate: number;
  /** Connections refused by `allowList` or `blockList`. */
  blockedAddresses: number;
  /** Connections refused because they came from no trusted proxy (`proxyProtocol`). */
  untrustedProxies: number;
  /** Connections that a server closed for their preamble: none came, it was broken, or late (`proxyProtocol`, `preamble`). */
  preambles: number;
  /** Sends refused, or connections closed, by `maxPendingBytes`. */
  pendingBytes: number;
  /** Times a connection was paused or closed by a receive rate. */
  receiveRate: number;
  /** Connections closed by `idleTimeoutMs`. */
  idle: number;
  /** Connections closed by `connectionTimeoutMs`. */
  lifetime: number;
  /** Connections closed because they did not finish connecting, or their handshake, in time. */
  handshakeTimeouts: number;
  /** Connections whose TLS handshake had to wait because `maxHandshakes` were under way. */
  handshakesQueued: number;
  /** Connections closed by `openingTimeoutMs`. */
  opening: number;
  /** Connections closed by `messageTimeoutMs`. */
  messageTimeouts: number;
  /** Connections closed by `minReceiveBytesPerSecond`. */
  slowPeers: number;
  /** Connections closed by `sendTimeoutMs`. */
  sendTimeouts: number;
  /** Connections closed because the peer did not take what was left, or did not close, in time. */
  closing: number;
  /** Connections closed because they held more unfetched bytes than `maxPullBufferBytes`. */
  pullBuffer: number;
}

export function newLimitCounters(): LimitCounters {
  return {
    connections: 0,
    perAddress: 0,
    acceptRate: 0,
    blockedAddresses: 0,
    untrustedProxies: 0,
    preambles: 0,
    pendingBytes: 0,
    receiveRate: 0,
    idle: 0,
    lifetime: 0,
    handshakeTimeouts: 0,
    handshakesQueued: 0,
    opening: 0,
    messageTimeouts: 0,
    slowPeers: 0,
    sendTimeouts: 0,
    closing: 0,
    pullBuffer: 0,
  };
}

/** Snapshot of a component since its last start. */
export interface ComponentStats {
  /** Connections now. */
  connections: number;
  /** Connections that were let in; over TLS when their handshake was done. */
  opened: number;
  /** Connections that ended. */
  closed: number;
  /** Connections that a hook or a limit refused, and connects that failed. */
  refused: number;
  /** Accepts that failed in the system, for example for want of file descriptors. */
  acceptErrors: number;
  /** Bytes received; over TLS in clear text. */
  bytesIn: number;
  /** Bytes that the system has taken. */
  bytesOut: number;
  /** Calls of `onReceive`: packages for pack components. */
  messagesIn: number;
  /** Accepted calls of `send` and `sendPackets`. */
  messagesOut: number;
  /** Bytes that the system has not taken yet, of all connections. */
  pendingBytes: number;
  /** Memory shared by all components of the process. */
  pool: {
    /** Slabs allocated for received bytes. */
    receiveSlabs: number;
    /** Slabs allocated for small sends. */
    sendSlabs: number;
    /** Of these, free for reuse. */
    freeSendSlabs: number;
    /** Connections with a read window of their own. */
    readWindows: number;
  };
  /** How often each limit and deadline struck. */
  limits: LimitCounters;
}

/** Snapshot of one connection. */
export interface ConnectionStats {
  /** Bytes received; over TLS in clear text. */
  bytesIn: number;
  /** Bytes that the system has taken. */
  bytesOut: number;
  /** Calls of `onReceive`, or pieces handed to a stream or an iterator. */
  messagesIn: number;
  /** Accepted calls of `send` and its kin. */
  messagesOut: number;
  /** Bytes that the system has not taken yet (`GetPendingDataLength`). */
  pendingBytes: number;
  /** Bytes received and held: incomplete packages, unfetched bytes, what waits for a paused listener. */
  bufferedBytes: number;
  /** Whole milliseconds since accept or connect, until the connection closes. */
  ageMs: number;
  /** Whole milliseconds since bytes last arrived, until the connection closes. */
  silenceMs: number;
}

/** How the connections ended that were open when `stop` was called. */
export interface StopReport {
  /** Connections that were open. */
  connections: number;
  /** Of these, closed after all that was queued had been sent and the peer had closed too. */
  drained: number;
  /** Of these, cut off: without `drainTimeoutMs`, or because it ran out. */
  forced: number;
  /** Of these, ended by an error, for example a reset by the peer. */
  failed: number;
  /** Bytes that were queued and never sent. */
  droppedBytes: number;
  /** Milliseconds that `stop` took. */
  durationMs: number;
}
