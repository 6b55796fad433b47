/** What a pool has done since it was created. */
export interface ThreadPoolStats {
  /** Tasks that a thread, or the caller, has begun to run. */
  started: number;
  /** Tasks whose promise was resolved. */
  completed: number;
  /** Tasks that threw, or whose thread died. */
  failed: number;
  /** Tasks that ran for longer than they may. */
  timedOut: number;
  /** Tasks that a signal or a stop ended. */
  cancelled: number;
  /** Tasks that found the queue full, and were refused. */
  rejected: number;
  /** Tasks that found the queue full, and ran on the caller's thread. */
  callerRuns: number;
  /** Threads that took the place of one that died, or was ended because of its task. */
  threadsReplaced: number;
  /** Most tasks that have waited in the queue at once. */
  peakQueueSize: number;
}

/** All counters of a pool but the one that its queue keeps. */
export function emptyStats(): Omit<ThreadPoolStats, 'peakQueueSize'> {
  return {
    started: 0,
    completed: 0,
    failed: 0,
    timedOut: 0,
    cancelled: 0,
    rejected: 0,
    callerRuns: 0,
    threadsReplaced: 0,
  };
}
