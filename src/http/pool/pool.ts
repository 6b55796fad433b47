import type { StreamConnection } from '../../connection/stream-connection.ts';
import { watchAbort } from '../../core/abort-watch.ts';
import type { Component } from '../../core/component.ts';
import { deadlineAfter } from '../../core/delay.ts';
import { Errno } from '../../core/errno.ts';
import type { PendingRequest } from '../pending-request.ts';
import { type RequestTarget, targetOf } from '../request-target.ts';
import { Origin, type OriginHost } from './origin.ts';
import type { HttpPoolStats, PoolCounters, PoolSettings } from './pool-settings.ts';
import type { PooledConnection } from './pooled-connection.ts';

/** URLs whose parts are remembered. */
const MAX_TARGETS = 512;
/** A longer URL is not worth its memory. */
const MAX_TARGET_LENGTH = 512;

/** What a pool asks of its agent. */
export interface PoolHost {
  readonly component: Component;
  readonly isSecure: boolean;
  readonly settings: PoolSettings;
  /** Whether the agent may have another connection. */
  hasRoom(): boolean;
  connect(host: string, port: number, serverName: string | undefined): Promise<StreamConnection>;
}

/** The connections of an agent for requests by URL, by origin. */
export class HttpPool implements OriginHost {
  readonly component: Component;
  readonly settings: PoolSettings;
  readonly counters: PoolCounters = { connected: 0, retries: 0, queueFull: 0, queueTimeouts: 0, evicted: 0 };
  isOpen = true;
  #host: PoolHost;
  #origins = new Map<string, Origin>();
  #targets = new Map<string, RequestTarget>();
  /** Whether nothing new is taken. */
  #isDraining = false;
  #awaitingIdle: (() => void)[] = [];
  /** Origins that would connect if the agent had room, in the order in which they get it. */
  #waiting = new Set<Origin>();
  /** Connections that were evicted and are not gone. */
  #leaving = new Set<StreamConnection>();
  #stamp = 0;

  constructor(host: PoolHost) {
    this.#host = host;
    this.component = host.component;
    this.settings = host.settings;
  }

  /** The parts of a URL. @throws SocketError as `targetOf`. */
  targetOf(url: string): RequestTarget {
    let target = this.#targets.get(url);
    if (target === undefined) {
      target = targetOf(this.component, this.#host.isSecure, url, 'request');
      if (url.length <= MAX_TARGET_LENGTH) {
        if (this.#targets.size >= MAX_TARGETS) this.#targets.clear();
        this.#targets.set(url, target);
      }
    }
    return target;
  }

  /** Sends a request when a connection is free, or can be made. */
  dispatch(request: PendingRequest, target: RequestTarget, serverName: string | undefined): void {
    if (this.#isDraining) return request.fail(Errno.ECANCELED, 'the agent is stopping');
    const { authority, host, port } = target;
    const key = serverName === undefined ? authority : `${authority} ${serverName}`;
    let origin = this.#origins.get(key);
    if (origin === undefined) {
      origin = new Origin(this, key, host, port, serverName);
      this.#origins.set(key, origin);
    }
    origin.dispatch(request);
  }

  again(origin: Origin, request: PendingRequest): void {
    const { key } = origin;
    const present = this.#origins.get(key) ?? origin;
    this.#origins.set(key, present);
    present.dispatch(request);
  }

  connect(origin: Origin): Promise<StreamConnection> {
    return this.#host.connect(origin.host, origin.port, origin.serverName);
  }

  // ---- room among the connections of the agent -------------------------------------------------------------------

  wantsConnection(origin: Origin): void {
    const hasRoom = this.#host.hasRoom();
    if (hasRoom && this.#waiting.size === 0) return origin.connect();
    // Without a connection of the pool there is nothing to wait for: connecting fails, and tells why.
    if (!hasRoom && !this.#hasConnections) return origin.connect();
    this.#waiting.add(origin);
    this.#giveRoom();
  }

  get #hasConnections(): boolean {
    if (this.#leaving.size > 0) return true;
    for (const { connections, connecting } of this.#origins.values()) {
      if (connections.size + connecting > 0) return true;
    }
    return false;
  }

  /** Lets those connect that wait, as far as there is room, in turns. */
  #giveRoom(): void {
    for (const origin of this.#waiting) {
      if (!origin.needsConnection) {
        this.#waiting.delete(origin);
      } else {
        if (!this.#host.hasRoom()) break;
        this.#waiting.delete(origin);
        origin.connect();
        if (origin.needsConnection) this.#waiting.add(origin); // behind the others
      }
    }
    this.makeRoom();
  }

  makeRoom(): void {
    // Some may have been served meanwhile by connections that they had.
    for (const origin of this.#waiting) if (!origin.needsConnection) this.#waiting.delete(origin);
    while (this.#leaving.size < this.#waiting.size) {
      let idlest: PooledConnection | undefined;
      for (const origin of this.#origins.values()) {
        const { idlest: own } = origin;
        if (own !== undefined && (idlest === undefined || own.freeSince < idlest.freeSince)) idlest = own;
      }
      if (idlest === undefined) return;
      idlest.evict();
    }
  }

  isRoomWanted(by: Origin): boolean {
    if (this.#leaving.size >= this.#waiting.size) return false;
    const { waitingSince } = by;
    for (const origin of this.#waiting) if (origin !== by && origin.waitingSince < waitingSince) return true;
    return false;
  }

  evicting(connection: StreamConnection): void {
    this.#leaving.add(connection);
    this.counters.evicted++;
  }

  /** A connection of the agent is gone. */
  released(connection: StreamConnection): void {
    this.#leaving.delete(connection);
    if (this.isOpen && this.#waiting.size > 0) this.#giveRoom();
  }

  stamp(): number {
    return ++this.#stamp;
  }

  // ---- the end ---------------------------------------------------------------------------------------------------

  changed(origin: Origin): void {
    if (origin.isEmpty) {
      this.#waiting.delete(origin);
      if (this.#origins.get(origin.key) === origin) this.#origins.delete(origin.key);
    }
    if (this.#awaitingIdle.length > 0 && !this.isBusy) this.#tellIdle();
  }

  /** Whether requests are on their way, or wait. */
  get isBusy(): boolean {
    for (const origin of this.#origins.values()) if (origin.queued > 0 || origin.inFlight > 0) return true;
    return false;
  }

  /** Takes no more requests, and waits until there are none, `timeoutMs` milliseconds or until `signal` is aborted. */
  async drain(timeoutMs: number, signal: AbortSignal | undefined): Promise<void> {
    this.#isDraining = true;
    if (!this.isBusy || signal?.aborted === true) return;
    let over = (): void => {};
    const done = new Promise<void>((resolve) => {
      over = resolve;
    });
    this.#awaitingIdle.push(over);
    const cancel = deadlineAfter(timeoutMs, over);
    const watch = watchAbort(signal, over);
    await done;
    cancel();
    watch.end();
  }

  /** Nothing is sent any more; what waits fails. */
  close(): void {
    this.#isDraining = true;
    this.isOpen = false;
    this.#waiting.clear();
    for (const origin of this.#origins.values()) origin.close('the agent was stopped');
    this.#tellIdle();
  }

  #tellIdle(): void {
    for (const resolve of this.#awaitingIdle.splice(0)) resolve();
  }

  stats(): HttpPoolStats {
    const stats = { origins: 0, connections: 0, idle: 0, connecting: 0, queued: 0, inFlight: 0, ...this.counters };
    for (const origin of this.#origins.values()) {
      stats.origins++;
      stats.connections += origin.connections.size;
      stats.idle += origin.idle;
      stats.connecting += origin.connecting;
      stats.queued += origin.queued;
      stats.inFlight += origin.inFlight;
    }
    return stats;
  }
}

/** Of an agent that has made no request by URL. */
export function noPoolStats(): HttpPoolStats {
  return {
    origins: 0,
    connections: 0,
    idle: 0,
    connecting: 0,
    queued: 0,
    inFlight: 0,
    connected: 0,
    retries: 0,
    queueFull: 0,
    queueTimeouts: 0,
    evicted: 0,
  };
}
