import { custom, flag, integer, type TableOf } from '../core/properties.ts';
import type { AddressList } from '../transport/address-list.ts';
import { checkAddressList } from '../transport/address-list.ts';

/** Properties of every UDP component. Each is also an option of the constructor. */
export interface UdpSocketProperties {
  /**
   * Most bytes of a datagram, 1 to 65,536, for sending and receiving (UDP-S-001, UDP-C-001, CAST-001, NODE-018). Default 1432; in a
   * local network up to 1472 pass unfragmented, across the Internet 548 always do.
   */
  maxDatagramSize: number;
  /** Use the undocumented fast path where this Node has it. Default true; environment HP_SOCKET_FAST_PATH=off overrides. */
  fastPath: boolean;
  /** Bytes of the system's receive buffer, in which a burst waits: 65,536 to 2^30-1, or 0 for the system's default. Default 4 MiB. */
  recvBufferBytes: number;
  /** Bytes of the system's send buffer: 65,536 to 2^30-1, or 0 for the system's default. Default 4 MiB. */
  sendBufferBytes: number;
  /** Bytes that may wait for the system to take them, 65,536 or more; beyond, datagrams are dropped and counted. Default 16 MiB. */
  maxSendQueueBytes: number;
  /** Datagrams of one peer that may wait while a promise of a hook is pending or receiving is paused; 0 or more. Default 1024. */
  maxQueuedDatagrams: number;
  /**
   * Milliseconds that an opening hook may take to answer (`onAccept`, `onConnect`, `onHandShake`), or the connection is closed
   * (ETIMEDOUT); 0 for no limit. Default 60,000.
   */
  openingTimeoutMs: number;
}

/** Heartbeat properties of UDP servers and clients. */
export interface DetectProperties {
  /** Unanswered intervals after which one more closes the connection; 0 for no detection (UDP-S-005, UDP-C-003). Default 3. */
  detectAttempts: number;
  /**
   * Milliseconds between heartbeats, 0 for none, else 1000 or more (UDP-S-007, UDP-C-005). Default 60,000. A peer that
   * vanished is noticed `(detectAttempts + 1) * detectInterval` after its last datagram.
   */
  detectInterval: number;
}

/** Properties of UDP servers beside those of all components with many connections. */
export interface UdpServerProperties extends UdpSocketProperties, DetectProperties {
  /**
   * Stored for compatibility (UDP-S-003). Default 64.
   * @deprecated Does nothing on Node.
   */
  postReceiveCount: number;
  /** Most connections of one peer: an IPv4 address or an IPv6 /64 network. 0 for no limit, the default. */
  maxConnectionsPerAddress: number;
  /** Most new connections per second on average; datagrams of more are ignored. 0 for no limit, the default. */
  acceptsPerSecond: number;
  /** Only peers listed here are let in; null, the default, for all. */
  allowList: AddressList | null;
  /** Peers listed here are ignored; null, the default, for none. */
  blockList: AddressList | null;
}

/** Properties of UDP clients beside those of all clients. */
export interface UdpClientProperties extends UdpSocketProperties, DetectProperties {}

export const udpSocketProperties = {
  maxDatagramSize: integer(1432, 1, 65_536),
  fastPath: flag(true),
  recvBufferBytes: integer(4 * 1024 * 1024, 65_536, 0x3fffffff, true),
  sendBufferBytes: integer(4 * 1024 * 1024, 65_536, 0x3fffffff, true),
  maxSendQueueBytes: integer(16 * 1024 * 1024, 65_536),
  maxQueuedDatagrams: integer(1024, 0),
  openingTimeoutMs: integer(60_000, 0, 0x7fffffff),
} satisfies TableOf<UdpSocketProperties>;

export const detectProperties = {
  detectAttempts: integer(3, 0),
  detectInterval: integer(60_000, 1000, 0x7fffffff, true),
} satisfies TableOf<DetectProperties>;

export const udpServerProperties = {
  ...udpSocketProperties,
  ...detectProperties,
  postReceiveCount: integer(64, 1),
  maxConnectionsPerAddress: integer(0, 0),
  acceptsPerSecond: integer(0, 0),
  allowList: custom(null, checkAddressList),
  blockList: custom(null, checkAddressList),
} satisfies TableOf<UdpServerProperties>;
