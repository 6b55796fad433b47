import { describe } from '../core/describe.ts';
import { INTERVAL_MAX_MS, INTERVAL_MIN_MS, KCP_HEADER_BYTES, RECV_WINDOW_MIN } from './constants.ts';

/** Options of a KCP session, in HP-Socket's words, with HP-Socket's defaults (AQ-025..036). */
export interface KcpOptions {
  /** KCP `nodelay`: gentler back-off, no extra eighth on the first timeout. Default `false`. */
  noDelay?: boolean | undefined;
  /** KCP `nc`: `true` sends as fast as the windows allow, without a congestion window. Default `false`. */
  turnoffCongestCtrl?: boolean | undefined;
  /** Milliseconds between flushes, > 0, default 60; KCP clamps it to 10..5000. */
  flushInterval?: number | undefined;
  /** Resend a segment once this many later ones were acknowledged; 0 (default) = only after a timeout. */
  resendByAcks?: number | undefined;
  /** Segments in flight at most, > 0, default 128. */
  sendWndSize?: number | undefined;
  /** Segments that wait for `recv` or for a gap to close, > 0, default 512; below 128 counts as 128. */
  recvWndSize?: number | undefined;
  /** Smallest retransmission timeout in milliseconds, > 0, default 30. */
  minRto?: number | undefined;
  /**
   * `true`: after a fast resend only acknowledgements of segments sent later count, so that one loss is repaired by one
   * resend (ikcp's FASTACK_CONSERVE). `false` (default) is HP-Socket's way: while the round trip lasts, every further
   * `resendByAcks` acknowledgements resend once more, up to `fastLimit`, which costs bandwidth and CPU and wins a little time
   * when resends are lost too. The peer cannot tell.
   */
  conserveResend?: boolean | undefined;
  /** Fast resends apply to a segment's first so many transmissions; 0 = always. Default 5. */
  fastLimit?: number | undefined;
  /** Bytes of a datagram, header included: 72..65507; 0 (default) = `maxDatagramSize`. */
  maxTransUnit?: number | undefined;
  /** Largest datagram of the component in bytes, default 1432. Only bounds and defaults `maxTransUnit`. */
  maxDatagramSize?: number | undefined;
  /** Bytes of the largest message, both for sending and for reassembly: 1..127*(MTU-24)-1, default 4096. */
  maxMessageSize?: number | undefined;
  /**
   * `false` (default) is HP-Socket on the wire: outgoing `conv` is the own ID, incoming `conv` is not looked at (AQ-023,
   * AQ-024). `true` is stock KCP: both directions carry the same `conv`, and a datagram of another one is refused.
   */
  checkConv?: boolean | undefined;
  /**
   * `true`: the owner of the session flushes at the end of a turn of the event loop, so that a datagram holds more than one
   * of HP-Socket does. The session makes up for what that changes: on a line that loses many it spreads and repeats
   * (redundancy.ts), and the congestion window opens by what is acknowledged, not by datagrams. `false` (default): as ikcp.
   */
  isGathered?: boolean | undefined;
  /** Segments that may wait in all (queued and unacknowledged) before `send` refuses; default 32768. */
  maxWaitingSendCount?: number | undefined;
}

const ranges: Array<[keyof KcpOptions, number, number, number]> = [
  ['flushInterval', 60, 1, 0x7fffffff],
  ['resendByAcks', 0, 0, 0x7fffffff],
  ['sendWndSize', 128, 1, 0x40000],
  ['recvWndSize', 512, 1, 0x40000],
  ['minRto', 30, 1, 60_000],
  ['fastLimit', 5, 0, 0x7fffffff],
  ['maxDatagramSize', 1432, 72, 65_507],
  ['maxWaitingSendCount', 32_768, 1, 0x7fffffff],
];

/** The value of a whole-number option, or a `RangeError` that names it. */
export function integerOption(name: string, value: unknown, fallback: number, min: number, max: number): number {
  if (value === undefined) return fallback;
  if (typeof value !== 'number' || !Number.isInteger(value) || value < min || value > max) {
    throw new RangeError(`${name} must be a whole number from ${min} to ${max}, not ${describe(value)}`);
  }
  return value;
}

/**
 * Checked options, built once per component and shared by all its sessions, so that a session holds one pointer.
 *
 * @throws RangeError that names the option that is out of range.
 */
export class KcpSettings {
  readonly noDelay: boolean;
  readonly turnoffCongestCtrl: boolean;
  /** As given (the period of HP-Socket's timer); `interval` is what KCP makes of it. */
  readonly flushInterval: number;
  readonly interval: number;
  readonly resendByAcks: number;
  readonly conserveResend: boolean;
  readonly sendWndSize: number;
  readonly recvWndSize: number;
  readonly minRto: number;
  readonly fastLimit: number;
  readonly maxTransUnit: number;
  /** Data bytes of a full segment: MTU less the header. */
  readonly maxSegmentBytes: number;
  readonly maxMessageSize: number;
  readonly checkConv: boolean;
  readonly isGathered: boolean;
  readonly maxWaitingSendCount: number;

  constructor(options: KcpOptions = {}) {
    const value: Partial<Record<keyof KcpOptions, number>> = {};
    for (const [name, fallback, min, max] of ranges) {
      value[name] = integerOption(name, options[name], fallback, min, max);
    }
    const datagram = value.maxDatagramSize!;
    this.noDelay = options.noDelay ?? false;
    this.turnoffCongestCtrl = options.turnoffCongestCtrl ?? false;
    this.flushInterval = value.flushInterval!;
    this.interval = Math.min(Math.max(this.flushInterval, INTERVAL_MIN_MS), INTERVAL_MAX_MS);
    this.resendByAcks = value.resendByAcks!;
    this.conserveResend = options.conserveResend ?? false;
    this.sendWndSize = value.sendWndSize!;
    this.recvWndSize = Math.max(value.recvWndSize!, RECV_WINDOW_MIN);
    this.minRto = value.minRto!;
    this.fastLimit = value.fastLimit!;
    const mtu = options.maxTransUnit === 0 ? undefined : options.maxTransUnit;
    this.maxTransUnit = integerOption('maxTransUnit', mtu, datagram, 3 * KCP_HEADER_BYTES, datagram);
    this.maxSegmentBytes = this.maxTransUnit - KCP_HEADER_BYTES;
    const largest = (RECV_WINDOW_MIN - 1) * this.maxSegmentBytes - 1;
    this.maxMessageSize = integerOption('maxMessageSize', options.maxMessageSize, 4096, 1, largest);
    this.checkConv = options.checkConv ?? false;
    this.isGathered = options.isGathered ?? false;
    this.maxWaitingSendCount = value.maxWaitingSendCount!;
  }
}

/**
 * Low latency for small messages (games, control): acknowledgements and resends every 10 ms, a loss is repaired after two
 * later acknowledgements, no congestion window. Costs some bandwidth; do not use it to move files over a shared line.
 */
export const interactive: Readonly<KcpOptions> = Object.freeze({
  noDelay: true,
  turnoffCongestCtrl: true,
  flushInterval: 10,
  resendByAcks: 2,
  sendWndSize: 256,
  recvWndSize: 512,
});

/**
 * Throughput: windows that hold bandwidth x round trip. In segments that is `bytes per second * rtt seconds / (MTU - 24)`;
 * 1024 segments of 1408 bytes carry 14 MB/s over 100 ms, and as much as the machine can do on a local net. The receiver's
 * window counts too (HP-Socket's default is 512), the smaller of the two decides.
 */
export const bulk: Readonly<KcpOptions> = Object.freeze({
  noDelay: true,
  turnoffCongestCtrl: true,
  flushInterval: 10,
  resendByAcks: 2,
  conserveResend: true,
  sendWndSize: 1024,
  recvWndSize: 2048,
});

/** What a stock `ikcp_create` starts with (KC-011), for peers that are not HP-Socket. */
export const stockKcp: Readonly<KcpOptions> = Object.freeze({
  flushInterval: 100,
  sendWndSize: 32,
  recvWndSize: 128,
  minRto: 100,
  maxTransUnit: 1400,
  maxMessageSize: 127 * (1400 - KCP_HEADER_BYTES) - 1,
  checkConv: true,
});
