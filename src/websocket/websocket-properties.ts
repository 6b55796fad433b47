import { checkListener } from '../core/check-listener.ts';
import { describe } from '../core/describe.ts';
import { unknownName } from '../core/option-names.ts';
import { custom, flag, integer, oneOf, type PropertyTable, type TableOf } from '../core/properties.ts';
import type { CompressionOptions } from './compression-budget.ts';
import { parseProtocols } from './handshake.ts';
import { LocalTopicBus, type TopicBus } from './topic-bus.ts';
import type { SlowSubscriberPolicy } from './topics.ts';
import { HUB_HOOKS, type WebSocketHubHooks } from './websocket-listener.ts';

const MEBIBYTE = 1024 * 1024;
const MAX_MS = 0x7fffffff;

/** Properties of every WebSocket component. */
export interface WebSocketProperties {
  /** Largest message that is taken, in bytes, 1 or more, once inflated too; a larger one fails the connection with 1009. Default 16 MiB. */
  maxMessageBytes: number;
  /** Most fragments of a message, 1 or more; beyond, the connection fails with 1008. Default 16,384. */
  maxFragments: number;
  /** With the hook `onMessageStream`: messages of more bytes, 125 at least, are handed on as they arrive. Default 65,536. */
  streamMessageBytes: number;
  /** Largest message that is handed on so, in bytes, 1 or more, once inflated; a larger one fails the connection with 1009. Default 1 GiB. */
  maxStreamedMessageBytes: number;
  /** Whether text is delivered as a string instead of a `Buffer` of valid UTF-8. Default false. */
  textAsString: boolean;
  /** Milliseconds of silence after which a ping is sent; 0 for never. Default 30,000. */
  pingIntervalMs: number;
  /** Milliseconds, 1 or more, that a peer has for a sign of life after a ping; then its connection is closed (ETIMEDOUT). Default 10,000. */
  pongTimeoutMs: number;
  /** Milliseconds that the closing handshake may take, 1 or more: 0 throws. Default 5,000. */
  closeTimeoutMs: number;
  /** Milliseconds that the opening handshake may take, 1 or more: 0 throws. Default 10,000. */
  handshakeTimeoutMs: number;
  /** Whether permessage-deflate is offered, or accepted (RFC 7692). Default false: it costs memory and time. */
  compression: boolean;
  /** Shorter messages, and streams whose first piece is shorter, go out uncompressed, in bytes. Default 1,024. */
  compressionThresholdBytes: number;
  /** zlib's effort, 0 to 9, -1 for its own choice. Default -1. */
  compressionLevel: number;
  /** zlib's memory for a compressor, 1 to 9. Default 8. */
  compressionMemLevel: number;
  /** Base-2 logarithm of the largest window of the server, 8 to 15. Default 15. */
  compressionServerWindowBits: number;
  /** Base-2 logarithm of the largest window of a client that lets itself be told, 8 to 15. Default 15. */
  compressionClientWindowBits: number;
  /** Whether the server may keep its window from message to message. Default true: better, and 300 KiB a connection. */
  compressionServerTakeover: boolean;
  /** Whether clients may keep theirs. Default true: better, and 42 KiB a connection. */
  compressionClientTakeover: boolean;
  /**
   * Most memory for the compression of all connections, in bytes. Beyond it messages go out uncompressed, and compressed ones that would
   * be handed on as they arrive are put together first if their inflater has no room. Default 64 MiB.
   */
  compressionBudgetBytes: number;
  /**
   * Messages of so many bytes and more are compressed on threads of Node's pool, so that nobody else waits, and inflated there if they have
   * a quarter of it as they come, or turn out to have four times as much. 0 for never; with `onMessageStream`, messages are inflated as if
   * it were the default. Default 65,536.
   */
  compressionThreadBytes: number;
  /** How many messages are compressed or inflated on threads at once, 1 or more; the pool has 4 unless UV_THREADPOOL_SIZE says otherwise. Default 4. */
  compressionThreads: number;
}

export const webSocketProperties = {
  maxMessageBytes: integer(16 * MEBIBYTE, 1, 0x7fffffff),
  maxFragments: integer(16_384, 1),
  streamMessageBytes: integer(65_536, 125),
  maxStreamedMessageBytes: integer(1024 * MEBIBYTE, 1, Number.MAX_SAFE_INTEGER),
  textAsString: flag(false),
  pingIntervalMs: integer(30_000, 0, MAX_MS),
  pongTimeoutMs: integer(10_000, 1, MAX_MS),
  closeTimeoutMs: integer(5000, 1, MAX_MS),
  handshakeTimeoutMs: integer(10_000, 1, MAX_MS),
  compression: flag(false),
  compressionThresholdBytes: integer(1024, 0),
  compressionLevel: integer(-1, -1, 9),
  compressionMemLevel: integer(8, 1, 9),
  compressionServerWindowBits: integer(15, 8, 15),
  compressionClientWindowBits: integer(15, 8, 15),
  compressionServerTakeover: flag(true),
  compressionClientTakeover: flag(true),
  compressionBudgetBytes: integer(64 * MEBIBYTE, 0),
  compressionThreadBytes: integer(65_536, 0),
  compressionThreads: integer(4, 1),
} satisfies TableOf<WebSocketProperties>;

/** Properties of components with topics: servers and agents. */
export interface TopicProperties {
  /** What becomes of a subscriber that does not read fast enough: `'drop'`, the default, `'close'` or `'block'`. */
  slowSubscriberPolicy: SlowSubscriberPolicy;
  /** A subscriber with more bytes pending is slow; 1 or more. Default 1 MiB. */
  maxSubscriberPendingBytes: number;
  /** Most topics of one connection, 1 or more. Default 128. */
  maxTopicsPerConnection: number;
  /** Shares topics with other components; null, the default, for topics of this component alone. */
  topicBus: TopicBus | null;
}

export const topicProperties = {
  slowSubscriberPolicy: oneOf('drop', ['drop', 'close', 'block']),
  maxSubscriberPendingBytes: integer(MEBIBYTE, 1),
  maxTopicsPerConnection: integer(128, 1),
  topicBus: custom(null, (name, value) => {
    const isBus = value === null || typeof (value as Partial<TopicBus> | undefined)?.publish === 'function';
    if (!isBus) throw new TypeError(`${name} must be a TopicBus or null, not ${describe(value)}`);
  }),
} satisfies TableOf<TopicProperties>;

/** Properties of WebSocket servers. */
export interface WebSocketServerProperties {
  /** Sub-protocols that are spoken, the best one first (WSS-007); a hook may choose otherwise. Default none. */
  subProtocols: readonly string[];
  /** Pages of which origins may connect; null, the default, for all. Requests without `Origin` come from no page. */
  allowedOrigins: readonly string[] | null;
}

function checkTokens(name: string, value: unknown): void {
  const isList = Array.isArray(value) && value.every((item) => typeof item === 'string');
  if (!isList || (value.length > 0 && parseProtocols(value.join(', ')) === null)) {
    throw new TypeError(`${name} must be an array of different tokens, not ${describe(value)}`);
  }
}

export const subProtocolsRule = custom(Object.freeze([]), checkTokens);

export const webSocketServerProperties = {
  subProtocols: subProtocolsRule,
  allowedOrigins: custom(null, (name, value) => {
    if (value !== null && !(Array.isArray(value) && value.every((item) => typeof item === 'string'))) {
      throw new TypeError(`${name} must be an array of origins or null, not ${describe(value)}`);
    }
  }),
} satisfies TableOf<WebSocketServerProperties>;

/** How an HTTP server serves WebSockets: hooks, and any of the properties of `WebSocketServer`. */
export interface WebSocketServing<S>
  extends WebSocketHubHooks<S>,
    Partial<WebSocketProperties & WebSocketServerProperties & TopicProperties> {}

const servingProperties: PropertyTable = { ...webSocketProperties, ...webSocketServerProperties, ...topicProperties };

/** The option `ws`: null for no WebSockets, true for the default of each property. */
export const servingRule = custom(null, (name, value) => {
  if (value === null || value === true) return;
  if (typeof value !== 'object' || Array.isArray(value)) {
    throw new TypeError(`${name} must be an object with hooks and options, true or null, not ${describe(value)}`);
  }
  const known = [...HUB_HOOKS, ...Object.keys(servingProperties)];
  for (const [key, given] of Object.entries(value as object)) {
    if (!known.includes(key)) throw unknownName(name, key, known);
    if (given !== undefined) servingProperties[key]?.check(`${name}.${key}`, given);
  }
  checkListener(value, HUB_HOOKS);
});

/** What the option `ws` asks for, with the default of each property that it leaves out. */
export function servingSettings(serving: object): WebSocketProperties & WebSocketServerProperties & TopicProperties {
  const settings: Record<string, unknown> = {};
  for (const [name, rule] of Object.entries(servingProperties)) {
    settings[name] = (serving as Record<string, unknown>)[name] ?? rule.default;
  }
  return settings as unknown as WebSocketProperties & WebSocketServerProperties & TopicProperties;
}

/** The compression that these properties ask for. */
export function compressionOptions(properties: WebSocketProperties): CompressionOptions {
  return {
    serverNoContextTakeover: !properties.compressionServerTakeover,
    clientNoContextTakeover: !properties.compressionClientTakeover,
    serverMaxWindowBits: properties.compressionServerWindowBits,
    clientMaxWindowBits: properties.compressionClientWindowBits,
    thresholdBytes: properties.compressionThresholdBytes,
    level: properties.compressionLevel,
    memLevel: properties.compressionMemLevel,
    budgetBytes: properties.compressionBudgetBytes,
    laterBytes: properties.compressionThreadBytes,
    maxLater: properties.compressionThreads,
  };
}

/** The bus of these properties. */
export function busOf({ topicBus }: TopicProperties): TopicBus {
  return topicBus ?? new LocalTopicBus();
}
