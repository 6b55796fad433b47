/** Limits and deadlines of HTTP connections; all have a counter in `HttpCounters`. 0 switches one off, unless said otherwise. */
export interface HttpLimits {
  /** Milliseconds from the first byte of a head, or from the opening of the connection, to its end. Default 30,000. */
  readonly headTimeoutMs: number;
  /** Milliseconds that a connection may be idle between two messages. Default 60,000. */
  readonly keepAliveTimeoutMs: number;
  /** Fewest bytes of a body per second, on average over `BODY_RATE_WINDOW_MS`. Default 240. */
  readonly minBodyBytesPerSecond: number;
  /** Milliseconds for the answer to a complete request to begin; then 503. Default 300,000. */
  readonly responseTimeoutMs: number;
  /** Bytes of the longest head, start line included, 128 or more. Default 65,536. */
  readonly maxHeadBytes: number;
  /** Bytes of the longest request target, 1 or more. Default 16,384. */
  readonly maxTargetBytes: number;
  /** Most fields of a head, and of trailers, 1 or more. Default 256. */
  readonly maxHeaderCount: number;
  /** Bytes of the longest trailers of a message. Default 8,192. */
  readonly maxTrailerBytes: number;
  /** Most bytes of chunk extensions in one message. Default 4,096. */
  readonly maxChunkExtensionBytes: number;
  /** Bytes of the longest body that is collected for `onRequest` and the like. Default 1 MiB. */
  readonly maxBodyBytes: number;
  /**
   * Most bytes of bodies that a server holds at once, over all its connections: of requests that arrive and of those that are not
   * answered yet. The body that goes beyond it is refused with 503, unless it is alone. Default 256 MiB.
   */
  readonly maxCollectedBytes: number;
  /** Most requests of one connection that wait for their answer, 1 or more; it is not read further then. Default 64. */
  readonly maxPipelinedRequests: number;
  /** Most requests of one connection; the last is answered with `Connection: close`. Default 0, no limit. */
  readonly maxRequestsPerConnection: number;
}

export const defaultLimits: HttpLimits = Object.freeze({
  headTimeoutMs: 30_000,
  keepAliveTimeoutMs: 60_000,
  minBodyBytesPerSecond: 240,
  responseTimeoutMs: 300_000,
  maxHeadBytes: 65_536,
  maxTargetBytes: 16_384,
  maxHeaderCount: 256,
  maxTrailerBytes: 8_192,
  maxChunkExtensionBytes: 4_096,
  maxBodyBytes: 1024 * 1024,
  maxCollectedBytes: 256 * 1024 * 1024,
  maxPipelinedRequests: 64,
  maxRequestsPerConnection: 0,
});

/** How long a body is measured before its rate counts. */
export const BODY_RATE_WINDOW_MS = 10_000;
/** Bytes that a refused peer may still send until its connection is cut, and milliseconds in which it must end. */
export const LINGER_BYTES = 256 * 1024;
export const LINGER_MS = 2_000;

/** Bytes of an answer that may be on their way before its stream has to wait. */
export const STREAM_WINDOW_BYTES = 256 * 1024;

/** What HTTP connections of a component did, and how often a limit struck. */
export interface HttpCounters {
  /** Messages whose head was complete. */
  messages: number;
  /** Messages that were refused, whatever the reason. */
  parseErrors: number;
  /** Connections closed because a head took longer than `headTimeoutMs`. */
  headTimeouts: number;
  /** Idle connections closed after `keepAliveTimeoutMs`. */
  keepAliveTimeouts: number;
  /** Bodies that came slower than `minBodyBytesPerSecond`. */
  bodyRateTimeouts: number;
  /** Requests without an answer within `responseTimeoutMs`. */
  responseTimeouts: number;
  /** Heads above `maxHeadBytes`. */
  headTooLarge: number;
  /** Request targets above `maxTargetBytes`. */
  targetTooLong: number;
  /** Heads with more than `maxHeaderCount` fields. */
  tooManyFields: number;
  /** Trailers above `maxTrailerBytes`. */
  trailersTooLarge: number;
  /** Chunk extensions above `maxChunkExtensionBytes`. */
  chunkExtensionsTooLong: number;
  /** Bodies above `maxBodyBytes`. */
  bodyTooLarge: number;
  /** Bodies that were refused because a server held `maxCollectedBytes`. */
  collectedBytesFull: number;
  /** Bytes of bodies that a server holds now. */
  collectedBytes: number;
  /** Times that reading paused because `maxPipelinedRequests` waited. */
  pipelineFull: number;
  /** Connections closed after `maxRequestsPerConnection`. */
  requestsPerConnection: number;
  /** Connections that another protocol took over. */
  upgrades: number;
}

export function httpCounters(): HttpCounters {
  return {
    messages: 0,
    parseErrors: 0,
    headTimeouts: 0,
    keepAliveTimeouts: 0,
    bodyRateTimeouts: 0,
    responseTimeouts: 0,
    headTooLarge: 0,
    targetTooLong: 0,
    tooManyFields: 0,
    trailersTooLarge: 0,
    chunkExtensionsTooLong: 0,
    bodyTooLarge: 0,
    collectedBytesFull: 0,
    collectedBytes: 0,
    pipelineFull: 0,
    requestsPerConnection: 0,
    upgrades: 0,
  };
}
