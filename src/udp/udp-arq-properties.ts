import { ArqSettings, bulk, interactive, stockKcp } from '../arq/index.ts';
import { SocketErrorCode } from '../core/enums.ts';
import { Errno } from '../core/errno.ts';
import { SocketError } from '../core/errors.ts';
import { defineProperties, flag, integer, oneOf, type PropertyTable, type TableOf } from '../core/properties.ts';

/** Properties of ARQ components, with HP-Socket's names and defaults (AQ-025 to AQ-036). Each is also an option. */
export interface ArqProperties {
  /**
   * Sets several of the properties below at once; those given beside it win. `'interactive'`: low latency for small
   * messages. `'bulk'`: throughput. `'stockKcp'`: what a plain KCP peer starts with, with `checkConv`. Default null:
   * HP-Socket's defaults.
   */
  preset: 'interactive' | 'bulk' | 'stockKcp' | null;
  /** KCP's nodelay: gentler back-off after a loss (ARQ-S-001). Default false. */
  noDelay: boolean;
  /** KCP's nc: no congestion window (ARQ-S-003). Default false. */
  turnoffCongestCtrl: boolean;
  /** Milliseconds between flushes, 1 or more; KCP clamps it to 10 to 5000 (ARQ-S-005). Default 60. */
  flushInterval: number;
  /** Resend a segment once so many later ones were acknowledged; 0 for only after a time-out (ARQ-S-007). Default 0. */
  resendByAcks: number;
  /** After a fast resend, count only acknowledgements of segments sent later. Default false, HP-Socket's way. */
  conserveResend: boolean;
  /** Segments in flight, at most: 1 to 262,144 (ARQ-S-009). Default 128. */
  sendWndSize: number;
  /** Segments that may wait to be delivered: 1 to 262,144; below 128 counts as 128 (ARQ-S-011). Default 512. */
  recvWndSize: number;
  /** Smallest retransmission time-out, milliseconds: 1 to 60,000 (ARQ-S-013). Default 30. */
  minRto: number;
  /** Transmissions of a segment to which fast resend applies; 0 for all (ARQ-S-015). Default 5. */
  fastLimit: number;
  /** Bytes of a KCP datagram with its 24-byte header: 72 to `maxDatagramSize`, at most 65,507; 0 for that (ARQ-S-017). Default 0. */
  maxTransUnit: number;
  /** Bytes of the largest message, sent or received: 1 to 127 * (MTU - 24) - 1 (ARQ-S-019). Default 4096. */
  maxMessageSize: number;
  /** Milliseconds for the ARQ handshake, 1 or more, and more than 2 * minRto (ARQ-S-021). Default 5000. */
  handshakeTimeoutMs: number;
  /** Segments of a connection that may wait in all, 1 or more, before `send` refuses (ENOBUFS). Default 32,768. */
  maxWaitingSendCount: number;
  /** Offer the peer `sendUnreliable`; it works if both ends do. Default false: no bit differs from HP-Socket's. */
  unreliable: boolean;
  /**
   * Let a client go on under another address (another network, a NAT that forgot), by a key that both ends agree on; works
   * if both ends do: docs/udp.md. Default false: no bit differs from HP-Socket's. Not with `checkConv`.
   */
  migration: boolean;
  /**
   * The peers are plain KCP (skywind3000/kcp; kcp-go without encryption and FEC), not HP-Socket's: no ARQ handshake, so
   * `onHandShake` follows `onAccept` or `onConnect` at once; both directions carry one conversation ID, and datagrams of another
   * are dropped; clients send no heartbeats. Nothing proves a peer's address then. Default false.
   */
  checkConv: boolean;
  /** With `checkConv`, the conversation ID, 0 to 2^32-1. Default 0: servers take the client's, clients make one up. */
  conv: number;
}

export const arqProperties = {
  preset: oneOf(null, [null, 'interactive', 'bulk', 'stockKcp']),
  noDelay: flag(false),
  turnoffCongestCtrl: flag(false),
  flushInterval: integer(60, 1, 0x7fffffff),
  resendByAcks: integer(0, 0, 0x7fffffff),
  conserveResend: flag(false),
  sendWndSize: integer(128, 1, 0x40000),
  recvWndSize: integer(512, 1, 0x40000),
  minRto: integer(30, 1, 60_000),
  fastLimit: integer(5, 0, 0x7fffffff),
  maxTransUnit: integer(0, 72, 65_507, true),
  maxMessageSize: integer(4096, 1),
  handshakeTimeoutMs: integer(5000, 1, 0x7fffffff),
  maxWaitingSendCount: integer(32_768, 1, 0x7fffffff),
  unreliable: flag(false),
  migration: flag(false),
  checkConv: flag(false),
  conv: integer(0, 0, 0xffffffff),
} satisfies TableOf<ArqProperties>;

const presets: Readonly<Record<string, object>> = { interactive, bulk, stockKcp };

/** Options with those of the preset filled in; what is given beside it wins. */
export function withPreset<T extends object>(options: T | undefined): T | undefined {
  const { preset } = (options ?? {}) as { preset?: unknown };
  if (typeof preset !== 'string') return options;
  // The preset comes first, so that what stands beside it is set after it.
  const { preset: _, ...rest } = options as T & { preset: unknown };
  return { preset, ...rest } as unknown as T;
}

/**
 * Defines the properties of ARQ components, and more, if given. `preset` sets the others of its set: options of a
 * constructor are merged with it first, so there they win, whatever their order.
 */
export function defineArqProperties(prototype: object, more: PropertyTable = {}): void {
  defineProperties(prototype, { ...arqProperties, ...more });
  const { get, set } = Object.getOwnPropertyDescriptor(prototype, 'preset')!;
  Object.defineProperty(prototype, 'preset', {
    configurable: true,
    enumerable: true,
    get: get!,
    set(this: Record<string, unknown>, value: unknown) {
      set!.call(this, value);
      if (typeof value === 'string') Object.assign(this, presets[value]);
    },
  });
}

/**
 * The checked settings of one run.
 * @throws SocketError (InvalidParam) that names the property that does not fit the others (ACC-008).
 */
export function arqSettings(properties: Record<string, unknown>, isDirect: boolean): ArqSettings {
  try {
    return new ArqSettings({
      ...properties,
      maxDatagramSize: Math.min(properties.maxDatagramSize as number, 65_507),
      immediateFlush: isDirect,
    });
  } catch (cause) {
    throw new SocketError({
      socketError: SocketErrorCode.InvalidParam,
      errno: Errno.EINVAL,
      operation: 'start',
      message: `start failed: ${(cause as Error).message}`,
      cause,
    });
  }
}
