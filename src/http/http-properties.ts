import { describe, quote } from '../core/describe.ts';
import { custom, flag, integer, oneOf, type TableOf } from '../core/properties.ts';
import { servingRule, type WebSocketServing } from '../websocket/websocket-properties.ts';
import { HttpVersion } from './enums.ts';
import { type HttpPolicy, type HttpRules, RULE_NAMES } from './policy.ts';
import { defaultLimits, type HttpLimits } from './settings.ts';

/** Properties of every HTTP component; each is also an option of the constructor. */
export interface HttpProperties extends Writable<Omit<HttpLimits, 'maxCollectedBytes'>> {
  /** Version that start lines have (HTTP-M-003). Default `HttpVersion.V1_1`. */
  localVersion: HttpVersion;
  /** Whether connections speak HTTP from the start (HTTP-M-021). Off: bytes go to `onReceive` until `startHttp`. Default true. */
  httpAutoStart: boolean;
  /** What is accepted: `'strict'`, the default, or `'hp'`, what HP-Socket accepts. */
  httpPolicy: HttpPolicy;
  /** Single rules that differ from `httpPolicy`, true for strict. Default none. */
  httpRules: Partial<HttpRules>;
  /** Which WebSocket frames the frame hooks get: `'strict'`, the default, those that RFC 6455 allows; `'hp'` any, masked rightly. */
  wsPolicy: 'strict' | 'hp';
}

type Writable<T> = { -readonly [K in keyof T]: T[K] };

/** Properties of every HTTP server. */
export interface HttpServerProperties<S = unknown>
  extends HttpProperties,
    Writable<Pick<HttpLimits, 'maxCollectedBytes'>> {
  /** Milliseconds after `release` until the connection closes, 100 to 60,000 (HTTP-RS-006). Default 3000. */
  releaseDelay: number;
  /**
   * When `onRequest` is called: `'collect'`, the default, when the whole body is there; `'stream'` when the head is, and the
   * handler reads the body as it arrives.
   */
  requestBody: 'collect' | 'stream';
  /**
   * Serves WebSockets on the same port: hooks and options as of `WebSocketServer`, or true. Null, the default: none, but for
   * the hooks `onUpgrade` and `onWSMessage...`.
   */
  ws: WebSocketServing<S> | true | null;
}

const maxMs = 0x7fffffff;

export const httpProperties = {
  localVersion: oneOf(HttpVersion.V1_1, Object.values(HttpVersion)),
  httpAutoStart: flag(true),
  httpPolicy: oneOf('strict', ['strict', 'hp']),
  httpRules: custom({}, checkRules),
  wsPolicy: oneOf('strict', ['strict', 'hp']),
  headTimeoutMs: integer(defaultLimits.headTimeoutMs, 0, maxMs),
  keepAliveTimeoutMs: integer(defaultLimits.keepAliveTimeoutMs, 0, maxMs),
  minBodyBytesPerSecond: integer(defaultLimits.minBodyBytesPerSecond, 0),
  responseTimeoutMs: integer(defaultLimits.responseTimeoutMs, 0, maxMs),
  maxHeadBytes: integer(defaultLimits.maxHeadBytes, 128),
  maxTargetBytes: integer(defaultLimits.maxTargetBytes, 1),
  maxHeaderCount: integer(defaultLimits.maxHeaderCount, 1),
  maxTrailerBytes: integer(defaultLimits.maxTrailerBytes, 0),
  maxChunkExtensionBytes: integer(defaultLimits.maxChunkExtensionBytes, 0),
  maxBodyBytes: integer(defaultLimits.maxBodyBytes, 0),
  maxPipelinedRequests: integer(defaultLimits.maxPipelinedRequests, 1),
  maxRequestsPerConnection: integer(defaultLimits.maxRequestsPerConnection, 0),
} satisfies TableOf<HttpProperties>;

export const httpServerProperties = {
  ...httpProperties,
  maxCollectedBytes: integer(defaultLimits.maxCollectedBytes, 0),
  releaseDelay: integer(3000, 100, 60_000),
  requestBody: oneOf('collect', ['collect', 'stream']),
  ws: servingRule,
} satisfies TableOf<HttpServerProperties>;

/** @throws TypeError for an unknown rule, or a value that is neither true nor false. */
function checkRules(name: string, value: unknown): void {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new TypeError(`${name} must be an object, not ${describe(value)}`);
  }
  for (const [rule, isOn] of Object.entries(value)) {
    if (!RULE_NAMES.includes(rule as keyof HttpRules)) {
      throw new TypeError(`unknown rule ${quote(rule)} in ${name}; rules are ${RULE_NAMES.join(', ')}`);
    }
    if (typeof isOn !== 'boolean') throw new TypeError(`${name}.${rule} must be true or false, not ${describe(isOn)}`);
  }
}

/** The limits among the settings of a component. */
export function limitsOf(settings: Readonly<Record<string, unknown>>): HttpLimits {
  const limits = { ...defaultLimits } as Record<string, unknown>;
  for (const name of Object.keys(limits)) if (name in settings) limits[name] = settings[name];
  return limits as unknown as HttpLimits;
}
