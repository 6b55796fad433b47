import type { StreamConnection } from '../connection/stream-connection.ts';
import type { Component } from '../core/component.ts';
import { $connectionOf, $reportHookError, $settings } from '../core/internals.ts';
import type { ConnId } from '../core/listener.ts';
import { sharedMemory } from '../memory/read-memory.ts';
import { Compression, type CompressionStats } from './compression.ts';
import type { ServerUpgrade } from './server-upgrade.ts';
import { type TopicStats, Topics } from './topics.ts';
import type { AnyWebSocketHooks } from './websocket-listener.ts';
import { busOf, compressionOptions, type TopicProperties, type WebSocketProperties } from './websocket-properties.ts';
import {
  newWebSocketCounters,
  type WebSocketContext,
  type WebSocketCounters,
  type WebSocketHooks,
  WebSocketProtocol,
} from './websocket-protocol.ts';

/** A component whose connections can be found by ID. */
export interface WebSocketComponent extends Component {
  [$connectionOf](connId: ConnId): StreamConnection | undefined;
}

/** What the WebSockets of a component did. */
export interface WebSocketStats extends WebSocketCounters {
  /** WebSockets that are open. */
  open: number;
  compression: CompressionStats | null;
  topics: TopicStats | null;
}

/** What the WebSockets of one run of a component share, from `start` to the next. */
export class WebSocketRun {
  readonly context: WebSocketContext;
  readonly compression: Compression | null;
  readonly topics: Topics | null;
  readonly counters = newWebSocketCounters();
  /** Of servers. */
  upgrade: ServerUpgrade | null = null;
  openCount = 0;

  constructor(component: WebSocketComponent, listener: AnyWebSocketHooks, isServer: boolean, hasTopics: boolean) {
    const settings = component[$settings] as unknown as WebSocketProperties & TopicProperties;
    this.compression = settings.compression ? new Compression(compressionOptions(settings)) : null;
    this.topics = hasTopics
      ? new Topics(
          {
            policy: settings.slowSubscriberPolicy,
            maxSubscriberPendingBytes: settings.maxSubscriberPendingBytes,
            maxTopicsPerConnection: settings.maxTopicsPerConnection,
          },
          busOf(settings),
        )
      : null;
    this.context = {
      isServer,
      expectsMask: isServer,
      allowedReserved: 0,
      maxMessageBytes: settings.maxMessageBytes,
      maxFragments: settings.maxFragments,
      pool: sharedMemory().slabs,
      textAsString: settings.textAsString,
      pingIntervalMs: settings.pingIntervalMs,
      pongTimeoutMs: settings.pongTimeoutMs,
      closeTimeoutMs: settings.closeTimeoutMs,
      counters: this.counters,
      hooks: this.#hooksOf(component, listener),
    };
  }

  #hooksOf(component: WebSocketComponent, listener: AnyWebSocketHooks): WebSocketHooks {
    const hooks: WebSocketHooks = {
      open: (id) => {
        this.openCount++;
        return listener.onOpen?.(component, id);
      },
      closed: (id, { code, reason, wasClean }) => {
        this.openCount--;
        this.topics?.removed(id);
        this.upgrade?.closed(id);
        if (listener.onWSClose === undefined) return;
        try {
          const result = listener.onWSClose(component, id, code, reason, wasClean);
          if (typeof (result as PromiseLike<unknown> | undefined)?.then === 'function') {
            Promise.resolve(result).catch((error: unknown) =>
              component[$reportHookError](listener, 'onWSClose', error, id, false),
            );
          }
        } catch (error) {
          component[$reportHookError](listener, 'onWSClose', error, id, false);
        }
      },
    };
    if (listener.onMessage !== undefined) {
      hooks.message = (id, data, isBinary) => listener.onMessage!(component, id, data, isBinary);
    }
    if (listener.onPing !== undefined) hooks.ping = (id, data) => listener.onPing!(component, id, data);
    if (listener.onPong !== undefined) hooks.pong = (id, data) => listener.onPong!(component, id, data);
    const { topics } = this;
    const { maxSubscriberPendingBytes } = component[$settings] as unknown as TopicProperties;
    if (topics !== null) {
      hooks.wrote = (id, pendingBytes) => {
        if (pendingBytes <= maxSubscriberPendingBytes) topics.drained(id);
      };
    }
    return hooks;
  }

  stats(): WebSocketStats {
    return {
      ...this.counters,
      open: this.openCount,
      compression: this.compression === null ? null : { ...this.compression.stats },
      topics: this.topics === null ? null : { ...this.topics.stats },
    };
  }

  /** The component starts anew: what this run shared is given up. */
  close(): void {
    this.topics?.close();
    this.compression?.close();
  }
}

const runs = new WeakMap<object, WebSocketRun>();

/** The present run of a component, or the last one; null before its first start. */
export function runOf(component: object): WebSocketRun | null {
  return runs.get(component) ?? null;
}

/** A component starts. */
export function beginRun(component: object, run: WebSocketRun): void {
  runs.get(component)?.close();
  runs.set(component, run);
}

/** The WebSocket of a connection; null if it has none, or none yet. */
export function webSocketOf(connection: StreamConnection | undefined | null): WebSocketProtocol | null {
  const protocol = connection?.protocol;
  return protocol instanceof WebSocketProtocol ? protocol : null;
}
