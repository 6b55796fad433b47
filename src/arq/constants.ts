// Numbers of the KCP protocol (KC-001..017) and of HP-Socket's layer above it (AQ-001..010), all in one place.

/** Bytes of a KCP segment header (KC-001..008). */
export const KCP_HEADER_BYTES = 24;

export const CMD_PUSH = 81;
export const CMD_ACK = 82;
export const CMD_WINDOW_ASK = 83;
export const CMD_WINDOW_TELL = 84;

export const RTO_INITIAL_MS = 200;
export const RTO_MAX_MS = 60_000;
/** What a sender believes the peer's receive window is until the first segment says so (KC-011). */
export const REMOTE_WINDOW_INITIAL = 128;
export const SSTHRESH_MIN = 2;
export const DEAD_LINK_TRANSMITS = 20;
export const PROBE_FIRST_MS = 7_000;
export const PROBE_MAX_MS = 120_000;
/** A message must have fewer fragments than this, so 127 is the most (KC-016). */
export const FRAGMENT_LIMIT = 128;
export const CLOCK_RESYNC_MS = 10_000;
export const INTERVAL_MIN_MS = 10;
export const INTERVAL_MAX_MS = 5_000;
export const RECV_WINDOW_MIN = 128;
/** The `wnd` field has 16 bits: a larger window is advertised as this. */
export const WINDOW_FIELD_MAX = 0xffff;

/** What `Kcp.input` and `Kcp.send` report; the first three numbers are ikcp's own. */
export const KcpError = Object.freeze({
  /** Shorter than a header, or (with `checkConv`) of another conversation. */
  NotOurs: -1,
  /** `len` is negative or larger than what is left of the datagram (KC-028). In `send`: too many fragments (KC-016). */
  BadLength: -2,
  /** A command other than 81..84 (KC-002). */
  UnknownCommand: -3,
  /** Fragment numbers do not count down to 0: no KCP sender does that. */
  BadFragments: -4,
  /** A message in reassembly is larger than `maxMessageSize`, or than the receive window can hold. */
  MessageTooLarge: -5,
  /** `send`: as many segments wait as `maxWaitingSendCount` allows. */
  QueueFull: -6,
} as const);
export type KcpError = (typeof KcpError)[keyof typeof KcpError];
