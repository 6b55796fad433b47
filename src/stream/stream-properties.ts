import { checkPreamble } from '../connection/trusted-proxies.ts';
import { custom, flag, integer, oneOf, type TableOf } from '../core/properties.ts';
import type { PreambleFactory } from '../protocol/preambles/preamble.ts';

/** Properties of every TCP and TLS component. Each is also an option of the constructor. */
export interface StreamProperties {
  /**
   * Most bytes of one push `onReceive`, at least 8, of clients at least 1 (TCP-S-004, TCP-C-002). HP-Socket's default, 4096, is what it reads at most; as
   * long as this property is left alone, one `onReceive` here carries whatever one read brought.
   */
  socketBufferSize: number;
  /** Milliseconds of silence before the system probes the peer; 0 for never, else 1000 or more (TCP-S-008). Default 60,000. */
  keepAliveTime: number;
  /**
   * Milliseconds between probes, of which 5 may stay unanswered; 0 switches keep-alive off, else 1000 or more
   * (TCP-S-010). Default 20,000. Before
   * Node 24.21 and 26.10 only 0 counts: there it is 1 second, 10 times.
   */
  keepAliveInterval: number;
  /** Send small pieces at once, without waiting for acknowledgements (`TCP_NODELAY`, TCP-S-012). Default true; HP-Socket: false. */
  noDelay: boolean;
  /** Use the undocumented fast path where this Node has it. Default true; environment HP_SOCKET_FAST_PATH=off overrides. */
  fastPath: boolean;
  /**
   * Whether large reads land in the same memory over and over, so that the bytes that `onReceive` gets are only valid until
   * it returns, as in HP-Socket (EV-S-04); copy what you keep. Bytes that are sent on, and those of a hook that returns a
   * promise, of streams, iterators and pull components stay valid. It saves 10 to 20 % of the CPU of messages of 1 KiB and
   * more. Default false: received bytes are the listener's for ever.
   */
  reuseReceiveMemory: boolean;
  /**
   * Pending bytes of a connection above which `onSendBlocked` is called, once per crossing: 1 or more, never above `maxPendingBytes`.
   * Default 1 MiB.
   */
  highWaterMarkBytes: number;
  /** Pending bytes at which `onSendDrained` is called, as sending may go on: 0 or more, never above the high-water mark. Default 512 KiB. */
  lowWaterMarkBytes: number;
  /** Most pending bytes of a connection; 0 for no limit. Default 128 MiB. */
  maxPendingBytes: number;
  /** What a send that exceeds `maxPendingBytes` does: `'refuse'`, the default, returns false, `'close'` also closes the connection (ENOBUFS). */
  pendingPolicy: 'refuse' | 'close';
  /**
   * Close a connection (ETIMEDOUT) that received nothing for so many milliseconds; 0 for never, the default. Time in which
   * this side does not read does not count: after `pauseReceive`, while the promise of a hook is pending or the buffer of a
   * stream is full, above a receive rate. `connectionTimeoutMs` bounds that as well.
   */
  idleTimeoutMs: number;
  /**
   * Whether bytes that the system takes for the peer count against `idleTimeoutMs` as well. Default false: a peer that is
   * gone takes bytes for minutes. When the peer has sent its FIN, they always count.
   */
  idleCountsSent: boolean;
  /** Close a connection (ETIMEDOUT) that is so many milliseconds old; 0 for never, the default. */
  connectionTimeoutMs: number;
  /**
   * After the peer's FIN, or the end of a connection's stream: milliseconds in which something must be sent or received, or
   * the connection is closed. 1 or more: 0 throws. Default 30,000.
   */
  closeTimeoutMs: number;
  /**
   * Milliseconds that an opening hook may take to answer (`onAccept`, `onConnect`, `onHandShake`), or the connection is closed
   * (ETIMEDOUT); 0 for no limit. Default 60,000.
   */
  openingTimeoutMs: number;
  /** Longest time in milliseconds that one message may take to come whole, pack and framers; 0 for no limit, the default. */
  messageTimeoutMs: number;
  /**
   * Close a connection (ETIMEDOUT) that received fewer bytes per second than this, on average over 5 s in which this side
   * read; 0 for no limit, the default. For protocols whose peers send all the time.
   */
  minReceiveBytesPerSecond: number;
  /** Close a connection (ETIMEDOUT) whose peer takes nothing of what is pending for so many milliseconds; 0 for never, the default. */
  sendTimeoutMs: number;
  /** Milliseconds for a TLS handshake; 0 for no limit. Default 10,000. */
  handshakeTimeoutMs: number;
  /** Most bytes per second that one connection may receive on average; 0 for no limit, the default. */
  maxReceiveBytesPerSecond: number;
  /** Most calls of `onReceive` per second for one connection on average; 0 for no limit, the default. */
  maxReceiveMessagesPerSecond: number;
  /** What a connection above its rate gets: `'pause'` (the default) reads it later, `'close'` closes it (ENOBUFS). */
  receiveRatePolicy: 'pause' | 'close';
  /**
   * Makes what is said on each connection before anything else of this component, TLS included: behind a PROXY header and the
   * tunnels of proxies, before the first hook. Null, the default, for nothing. Its time is `preambleTimeoutMs` on servers,
   * `syncConnectTimeout` on agents and clients.
   */
  preamble: PreambleFactory | null;
}

export const streamProperties = {
  socketBufferSize: integer(4096, 8),
  keepAliveTime: integer(60_000, 1000, undefined, true),
  keepAliveInterval: integer(20_000, 1000, undefined, true),
  noDelay: flag(true),
  fastPath: flag(true),
  reuseReceiveMemory: flag(false),
  highWaterMarkBytes: integer(1024 * 1024, 1),
  lowWaterMarkBytes: integer(512 * 1024, 0),
  maxPendingBytes: integer(128 * 1024 * 1024, 0),
  pendingPolicy: oneOf('refuse', ['refuse', 'close']),
  idleTimeoutMs: integer(0, 0, 0x7fffffff),
  idleCountsSent: flag(false),
  connectionTimeoutMs: integer(0, 0, 0x7fffffff),
  closeTimeoutMs: integer(30_000, 1, 0x7fffffff),
  openingTimeoutMs: integer(60_000, 0, 0x7fffffff),
  messageTimeoutMs: integer(0, 0, 0x7fffffff),
  minReceiveBytesPerSecond: integer(0, 0),
  sendTimeoutMs: integer(0, 0, 0x7fffffff),
  handshakeTimeoutMs: integer(10_000, 0, 0x7fffffff),
  maxReceiveBytesPerSecond: integer(0, 0),
  maxReceiveMessagesPerSecond: integer(0, 0),
  receiveRatePolicy: oneOf('pause', ['pause', 'close']),
  preamble: custom(null, checkPreamble),
} satisfies TableOf<StreamProperties>;

/** A port number, 0 to 65535. */
export function isPort(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 65_535;
}
