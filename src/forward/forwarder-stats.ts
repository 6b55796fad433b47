import type { ComponentStats } from '../core/stats.ts';

/** Snapshot of a forwarder since its last start. */
export interface PortForwarderStats {
  /** Pairs now, those that still connect included. */
  pairs: number;
  /** Clients that were let in. */
  accepted: number;
  /** Pairs that were linked. */
  connected: number;
  /** Clients turned away for want of a target. */
  unserved: number;
  /** Attempts to connect to a target that failed. */
  connectFailures: number;
  /** Pairs that ended in a reset or another error. */
  broken: number;
  /** Times that `targetTimeoutMs` struck. */
  targetTimeouts: number;
  /** Times that `halfCloseTimeoutMs` struck. */
  halfCloseTimeouts: number;
  /** Times that one side was not read for a while because the other did not take more. */
  blocked: number;
  /** The server's own; `server.limits` shows how many its limits turned away. */
  server: ComponentStats;
  /** The agent's own. */
  agent: ComponentStats;
}

/** What a forwarder counts itself. */
export type ForwarderCounters = Omit<PortForwarderStats, 'pairs' | 'server' | 'agent'>;

export function newCounters(): ForwarderCounters {
  return {
    accepted: 0,
    connected: 0,
    unserved: 0,
    connectFailures: 0,
    broken: 0,
    targetTimeouts: 0,
    halfCloseTimeouts: 0,
    blocked: 0,
  };
}
