import type { ArqSession, ArqSettings } from '../arq/index.ts';
import { SocketOperation } from '../core/enums.ts';
import { notifyHook } from '../core/hooks.ts';
import type { DatagramPort } from './datagram-protocol.ts';

/** Which hook is to be called next. */
const BacklogNews = Object.freeze({ None: 0, Blocked: 1, Drained: 2 } as const);
type BacklogNews = (typeof BacklogNews)[keyof typeof BacklogNews];

/**
 * A connection that `maxWaitingSendCount` refused a message: from that on until there is room again. Counts are in segments.
 *
 * ```
 *  0            drainedCount = half, or less for a large message            maxWaitingSendCount
 *  |------------------------|-------------------------------------------------------|
 *                           ^ onSendDrained, on the way down                        ^ refused: onSendBlocked
 * ```
 */
export class ArqBacklog {
  readonly #settings: ArqSettings;
  #drainedCount: number;
  #isBlocked = false;
  #isTold = false;

  constructor(settings: ArqSettings) {
    this.#settings = settings;
    this.#drainedCount = settings.maxWaitingSendCount >> 1;
  }

  /** A message of `length` bytes was refused. False if it could never fit, and so is not to be waited for. */
  refused(length: number): boolean {
    const { maxWaitingSendCount, maxSegmentBytes } = this.#settings;
    const roomCount = maxWaitingSendCount - Math.ceil(length / maxSegmentBytes);
    if (roomCount < 0) return false;
    this.#drainedCount = Math.min(this.#drainedCount, roomCount);
    this.#isBlocked = true;
    return true;
  }

  /** Calls the hooks that are to be called now. */
  tell(port: DatagramPort, session: ArqSession): void {
    const { listener, owner } = port.host;
    while (port.isOpen) {
      const waitingCount = session.waitingSendCount;
      const news = this.#next(waitingCount);
      if (news === BacklogNews.None) return;
      const hook = news === BacklogNews.Blocked ? 'onSendBlocked' : 'onSendDrained';
      notifyHook(
        () => listener[hook]?.(owner, port.id, waitingCount),
        (thrown) => port.hookFailed(hook, thrown, SocketOperation.Send),
      );
    }
  }

  /** Which hook is to be called now; to be asked until there is none. */
  #next(waitingCount: number): BacklogNews {
    if (!this.#isBlocked) return BacklogNews.None;
    if (!this.#isTold) {
      this.#isTold = true;
      return BacklogNews.Blocked;
    }
    if (waitingCount > this.#drainedCount) return BacklogNews.None;
    this.#isBlocked = false;
    this.#isTold = false;
    this.#drainedCount = this.#settings.maxWaitingSendCount >> 1;
    return BacklogNews.Drained;
  }
}
