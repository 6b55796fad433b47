import { SendPolicy } from '../core/enums.ts';
import { $createProtocol, $security, $settings, $wheel } from '../core/internals.ts';
import type { AnyHooks } from '../core/listener.ts';
import { type ComponentStats, type LimitCounters, newLimitCounters } from '../core/stats.ts';
import type { TimerWheel } from '../core/timer-wheel.ts';
import { TurnEnd, type TurnTask } from '../core/turn-end.ts';
import { youngCollector } from '../core/young-collector.ts';
import { keptSendSlabPool, type ReadMemory, sharedMemory } from '../memory/read-memory.ts';
import type { SendSlabPool } from '../memory/slab-pool.ts';
import type { Port, Protocol } from '../protocol/protocol.ts';
import { DirectWriter, isFastPathAllowed } from '../transport/fast-io.ts';
import type { LifecycleOwner } from './lifecycle.ts';
import type { StreamSecurity } from './security.ts';
import { SenderRing } from './sender-ring.ts';

/** What a connection asks of the component that it belongs to. */
export interface ConnectionOwner extends LifecycleOwner {
  /** TLS, or null for plain components. @internal */
  readonly [$security]: StreamSecurity | null;
  /** Makes the protocol of a new connection. @internal */
  [$createProtocol](port: Port): Protocol;
}

/** Properties that the connections of a stream component read, as they stood when it started. */
export interface StreamSettings {
  readonly sendPolicy: SendPolicy;
  readonly markSilence: boolean;
  readonly fastPath: boolean;
  readonly reuseReceiveMemory: boolean;
  readonly noDelay: boolean;
  readonly keepAliveTime: number;
  readonly keepAliveInterval: number;
  readonly highWaterMarkBytes: number;
  readonly lowWaterMarkBytes: number;
  readonly maxPendingBytes: number;
  readonly pendingPolicy: 'refuse' | 'close';
  readonly idleTimeoutMs: number;
  readonly idleCountsSent: boolean;
  readonly connectionTimeoutMs: number;
  readonly closeTimeoutMs: number;
  readonly openingTimeoutMs: number;
  readonly messageTimeoutMs: number;
  readonly minReceiveBytesPerSecond: number;
  readonly sendTimeoutMs: number;
  readonly handshakeTimeoutMs: number;
  readonly maxReceiveBytesPerSecond: number;
  readonly maxReceiveMessagesPerSecond: number;
  readonly receiveRatePolicy: 'pause' | 'close';
}

/** Queued bytes of one turn beyond which they are handed over at once: what one read can bring. */
const GATHER_LIMIT_BYTES = 256 * 1024;

/**
 * What all stream connections of one running component share: its listener, settings, memory, counters, and the end of
 * the turn of the event loop. Made anew by each start.
 */
export class ConnectionHost {
  readonly owner: ConnectionOwner;
  readonly listener: AnyHooks;
  readonly settings: StreamSettings;
  readonly wheel: TimerWheel;
  readonly read: ReadMemory;
  readonly sendSlabs: SendSlabPool;
  readonly limits: LimitCounters = newLimitCounters();
  /** TLS, or null for plain components. */
  readonly security: StreamSecurity | null;
  readonly isFast: boolean;
  /** Writes past Node's streams; null where that is not possible or not wanted. */
  readonly directWriter: DirectWriter | null;
  /** Queued bytes of a connection that are handed over at once; fewer wait for the end of the read, or the turn. */
  readonly gatherLimitBytes: number;
  /** Pending bytes of a connection from which on an append has to look at that limit, and at the high-water mark. */
  readonly muchBytes: number;
  readonly reportsSends: boolean;
  /** Whether reads note their time. */
  readonly marksReceives: boolean;
  /** Whether open connections have deadlines. */
  readonly hasDeadlines: boolean;
  opened = 0;
  closed = 0;
  refused = 0;
  acceptErrors = 0;
  bytesIn = 0;
  bytesOut = 0;
  messagesIn = 0;
  messagesOut = 0;
  /** The connection whose read is being delivered: its sends are flushed when that is over, without a detour. */
  active: TurnTask | null = null;
  readonly senders = new SenderRing((task) => this.schedule(task));
  readonly #turnEnd = new TurnEnd<TurnTask>(null);

  constructor(owner: ConnectionOwner, listener: AnyHooks) {
    this.owner = owner;
    this.listener = listener;
    const settings = { ...owner[$settings] } as unknown as StreamSettings;
    const highWaterMarkBytes = Math.min(
      settings.highWaterMarkBytes,
      settings.maxPendingBytes || Number.POSITIVE_INFINITY,
    );
    const lowWaterMarkBytes = Math.min(settings.lowWaterMarkBytes, highWaterMarkBytes);
    this.settings = { ...settings, highWaterMarkBytes, lowWaterMarkBytes };
    this.gatherLimitBytes = settings.sendPolicy === SendPolicy.Direct ? 0 : GATHER_LIMIT_BYTES;
    this.muchBytes = Math.min(this.gatherLimitBytes, highWaterMarkBytes + 1);
    this.wheel = owner[$wheel];
    this.security = owner[$security];
    this.marksReceives = settings.markSilence || settings.idleTimeoutMs > 0;
    this.hasDeadlines =
      settings.idleTimeoutMs > 0 || settings.connectionTimeoutMs > 0 || settings.minReceiveBytesPerSecond > 0;
    const memory = sharedMemory();
    this.read = memory.read;
    this.reportsSends = typeof listener.onSend === 'function';
    this.sendSlabs = this.reportsSends ? keptSendSlabPool() : memory.sendSlabs;
    this.isFast = this.settings.fastPath && isFastPathAllowed();
    this.directWriter = this.isFast ? DirectWriter.create() : null;
    if (this.isFast) youngCollector.allow();
  }

  /** Asks for `task.turnEnded()` at the end of this turn of the event loop. */
  schedule(task: TurnTask): void {
    this.#turnEnd.schedule(task);
  }

  stats(connections: number, pendingBytes: number): ComponentStats {
    const { slabs, sendSlabs, read } = sharedMemory();
    return {
      connections,
      opened: this.opened,
      closed: this.closed,
      refused: this.refused,
      acceptErrors: this.acceptErrors,
      bytesIn: this.bytesIn,
      bytesOut: this.bytesOut,
      messagesIn: this.messagesIn,
      messagesOut: this.messagesOut,
      pendingBytes,
      pool: {
        receiveSlabs: slabs.slabCount,
        sendSlabs: sendSlabs.slabCount,
        freeSendSlabs: sendSlabs.freeCount,
        readWindows: read.windowCount,
      },
      limits: { ...this.limits },
    };
  }
}
