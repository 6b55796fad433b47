import { integer, type TableOf } from '../../core/properties.ts';

/** Properties of the connections that an agent keeps for requests by URL. */
export interface HttpPoolProperties {
  /** Most connections to one origin (scheme, host, port), 1 or more. Default 64. */
  maxConnectionsPerOrigin: number;
  /**
   * Most requests that are on their way on one connection, 1 to 64. Default 1: none is sent before the one in front of it is
   * answered. More are for idempotent methods without a body that is streamed, when no connection may be added.
   */
  pipelining: number;
  /** Most requests that wait for a connection to one origin, 1 or more; another one is refused (ENOBUFS). Default 1024. */
  maxQueuedRequests: number;
  /** Milliseconds that a request may wait for a connection; 0 for no limit. Then ETIMEDOUT. Default 30,000. */
  queueTimeoutMs: number;
  /**
   * Milliseconds that a connection is kept for another request, unless the server tells by `Keep-Alive: timeout` how long it
   * keeps it: then a second less than that, 10 minutes at most; 0 for as long as the server likes. Default 4000.
   */
  keepAliveTimeoutMs: number;
  /** Longest body after decoding (`decompress`), 1 or more. Default 16 MiB. */
  maxDecodedBytes: number;
}

/** Those of them that the pool itself goes by. */
export type PoolSettings = Omit<HttpPoolProperties, 'maxDecodedBytes'>;

export const poolProperties = {
  maxConnectionsPerOrigin: integer(64, 1),
  pipelining: integer(1, 1, 64),
  maxQueuedRequests: integer(1024, 1),
  queueTimeoutMs: integer(30_000, 0, 0x7fffffff),
  keepAliveTimeoutMs: integer(4000, 0, 0x7fffffff),
  maxDecodedBytes: integer(16 * 1024 * 1024, 1, 0x7fffffff),
} satisfies TableOf<HttpPoolProperties>;

/** How the pool of an agent is doing. */
export interface HttpPoolStats {
  /** Origins with a connection, or a request that waits for one. */
  origins: number;
  /** Open connections. */
  connections: number;
  /** Those of them that wait for a request. */
  idle: number;
  /** Connections that are being made. */
  connecting: number;
  /** Requests that wait for a connection. */
  queued: number;
  /** Requests that were sent and are not over. */
  inFlight: number;
  /** Connections that were made, so far in this run. */
  connected: number;
  /** Requests that were sent once more, because their connection went before a byte of the answer came. */
  retries: number;
  /** Requests that `maxQueuedRequests` refused. */
  queueFull: number;
  /** Requests that waited longer than `queueTimeoutMs`. */
  queueTimeouts: number;
  /** Idle connections that were closed to make room for another origin, because the agent had `maxConnectionCount`. */
  evicted: number;
}

/** What is counted of a pool while it runs. */
export type PoolCounters = Pick<HttpPoolStats, 'connected' | 'retries' | 'queueFull' | 'queueTimeouts' | 'evicted'>;
