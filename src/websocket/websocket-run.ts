import type { StreamConnection } from '../connection/stream-connection.ts';
import type { Component } from '../core/component.ts';
import { notifyHook } from '../core/hooks.ts';
import { $connectionOf, $reportHookError } from '../core/internals.ts';
import type { ConnId } from '../core/listener.ts';
import { sharedMemory } from '../memory/read-memory.ts';
import { Compression } from './compression.ts';
import type { CompressionStats } from './compression-budget.ts';
import { type TopicStats, Topics } from './topics.ts';
import { UpgradeRequestView } from './upgrade-request.ts';
import {
  newWebSocketCounters,
  type WebSocketContext,
  type WebSocketCounters,
  type WebSocketHooks,
} from './websocket-context.ts';
import type { AnyWebSocketHooks, WebSocketRequest } from './websocket-listener.ts';
import { busOf, compressionOptions, type TopicProperties, type WebSocketProperties } from './websocket-properties.ts';
import { WebSocketProtocol } from './websocket-protocol.ts';

/** A component whose connections can be found by ID. */
export interface WebSocketComponent extends Component {
  [$connectionOf](connId: ConnId): StreamConnection | undefined;
}

/** What the WebSockets of a component did. */
export interface WebSocketStats extends WebSocketCounters {
  /** WebSockets that are open. */
  open: number;
  /** Of permessage-deflate; null if that is off. */
  compression: CompressionStats | null;
  /** Of topics; null for components without. */
  topics: TopicStats | null;
}

/** Keeps account of the open WebSockets of some path. */
export interface Members {
  opened(connId: ConnId): void;
  closed(connId: ConnId): void;
}

/** What the WebSockets of one run of a component share, from `start` to the next. */
export class WebSocketRun {
  readonly #shared: Omit<WebSocketContext, 'hooks' | 'streamBytes'>;
  readonly compression: Compression | null;
  readonly topics: Topics | null;
  readonly counters = newWebSocketCounters();
  openCount = 0;

  readonly #component: WebSocketComponent;
  readonly #listener: object;
  readonly #maxSubscriberPendingBytes: number;
  readonly #streamBytes: number;

  /** @param listener The component's own: its `onHookError` is called for hooks that failed. */
  constructor(
    component: WebSocketComponent,
    listener: object,
    settings: WebSocketProperties & Partial<TopicProperties>,
    isServer: boolean,
    hasTopics: boolean,
  ) {
    this.#component = component;
    this.#listener = listener;
    this.#streamBytes = settings.streamMessageBytes;
    this.#maxSubscriberPendingBytes = settings.maxSubscriberPendingBytes ?? 0;
    this.compression = settings.compression ? new Compression(compressionOptions(settings)) : null;
    this.topics = hasTopics
      ? new Topics(
          {
            policy: settings.slowSubscriberPolicy!,
            maxSubscriberPendingBytes: settings.maxSubscriberPendingBytes!,
            maxTopicsPerConnection: settings.maxTopicsPerConnection!,
          },
          busOf(settings as TopicProperties),
        )
      : null;
    this.#shared = {
      isServer,
      expectsMask: isServer,
      allowedReserved: 0,
      maxMessageBytes: settings.maxMessageBytes,
      maxFragments: settings.maxFragments,
      maxStreamedBytes: settings.maxStreamedMessageBytes,
      pool: sharedMemory().slabs,
      textAsString: settings.textAsString,
      pingIntervalMs: settings.pingIntervalMs,
      pongTimeoutMs: settings.pongTimeoutMs,
      closeTimeoutMs: settings.closeTimeoutMs,
      counters: this.counters,
    };
  }

  /**
   * What the WebSockets share for which the same hooks are called.
   * @param members Keeps account of those that are open.
   */
  contextFor(listener: AnyWebSocketHooks, members: Members | null = null): WebSocketContext {
    const streamBytes = listener.onMessageStream === undefined ? Number.POSITIVE_INFINITY : this.#streamBytes;
    return { ...this.#shared, streamBytes, hooks: this.#hooksOf(listener, members) };
  }

  #hooksOf(listener: AnyWebSocketHooks, members: Members | null): WebSocketHooks {
    const component = this.#component;
    const hooks: WebSocketHooks = {
      open: (id) => {
        this.openCount++;
        members?.opened(id);
        return listener.onOpen?.(component, id);
      },
      closed: (id, { code, reason, wasClean }) => {
        this.openCount--;
        this.topics?.removed(id);
        if (listener.onWSClose !== undefined) this.#tellEnd(listener, id, code, reason, wasClean);
        members?.closed(id);
      },
    };
    if (listener.onMessage !== undefined) {
      hooks.message = (id, data, isBinary) => listener.onMessage!(component, id, data, isBinary);
    }
    if (listener.onMessageStream !== undefined) {
      hooks.messageStream = (id, stream, isBinary) => listener.onMessageStream!(component, id, stream, isBinary);
    }
    if (listener.onPing !== undefined) hooks.ping = (id, data) => listener.onPing!(component, id, data);
    if (listener.onPong !== undefined) hooks.pong = (id, data) => listener.onPong!(component, id, data);
    const { topics } = this;
    if (topics !== null) {
      hooks.wrote = (id, pendingBytes) => {
        if (pendingBytes <= this.#maxSubscriberPendingBytes) topics.drained(id);
      };
    }
    return hooks;
  }

  #tellEnd(hooks: AnyWebSocketHooks, id: ConnId, code: number, reason: string, wasClean: boolean): void {
    const failed = (error: unknown): void =>
      this.#component[$reportHookError](this.#listener, 'onWSClose', error, id, false);
    notifyHook(() => hooks.onWSClose!(this.#component, id, code, reason, wasClean), failed);
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

/** The request that opened the WebSocket of a connection; null if it has none, and on agents and clients. */
export function requestOf(connection: StreamConnection | undefined | null): WebSocketRequest | null {
  const head = webSocketOf(connection)?.requestHead ?? null;
  return head === null ? null : new UpgradeRequestView(head);
}
