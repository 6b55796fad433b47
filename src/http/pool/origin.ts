import type { StreamConnection } from '../../connection/stream-connection.ts';
import type { Component } from '../../core/component.ts';
import { SocketErrorCode } from '../../core/enums.ts';
import { Errno } from '../../core/errno.ts';
import { SocketError } from '../../core/errors.ts';
import { $failed, $wheel } from '../../core/internals.ts';
import { WheelTimer } from '../../core/timer-wheel.ts';
import { HttpClientProtocol } from '../client-protocol.ts';
import type { PendingRequest } from '../pending-request.ts';
import type { PoolCounters, PoolSettings } from './pool-settings.ts';
import { type ConnectionHome, PooledConnection } from './pooled-connection.ts';

/** What origins share: the pool that they are in. */
export interface OriginHost {
  readonly component: Component;
  readonly settings: PoolSettings;
  readonly counters: PoolCounters;
  /** Whether requests are still sent. */
  readonly isOpen: boolean;
  connect(origin: Origin): Promise<StreamConnection>;
  /** Calls `connect` of the origin, now or when there is room for another connection. */
  wantsConnection(origin: Origin): void;
  /** Whether another origin has waited longer for room than this one. */
  isRoomWanted(by: Origin): boolean;
  /** Closes idle connections if others wait for room. */
  makeRoom(): void;
  /** A connection is closed to make room. */
  evicting(connection: StreamConnection): void;
  /** A number that is higher with each call. */
  stamp(): number;
  /** A request is over, or an origin has nothing left. */
  changed(origin: Origin): void;
  /** Sends a request once more. */
  again(origin: Origin, request: PendingRequest): void;
}

/**
 * The connections to one scheme, host and port, and the requests that wait for one of them. The connection that became free last
 * is used first, so that those that are too many are idle until they are closed.
 */
export class Origin implements ConnectionHome {
  readonly key: string;
  readonly host: string;
  readonly port: number;
  readonly serverName: string | undefined;
  readonly connections = new Set<PooledConnection>();
  connecting = 0;
  #host: OriginHost;
  /** Free connections; some of them may have closed meanwhile. */
  #idle: PooledConnection[] = [];
  /** Oldest first. */
  #queue = new Set<PendingRequest>();
  #queueTimer: WheelTimer | null = null;

  constructor(host: OriginHost, key: string, name: string, port: number, serverName: string | undefined) {
    this.#host = host;
    this.key = key;
    this.host = name;
    this.port = port;
    this.serverName = serverName;
  }

  get queued(): number {
    return this.#queue.size;
  }

  get idle(): number {
    let count = 0;
    for (const connection of this.connections) if (connection.inFlight === 0) count++;
    return count;
  }

  get inFlight(): number {
    let count = 0;
    for (const connection of this.connections) count += connection.inFlight;
    return count;
  }

  get isEmpty(): boolean {
    return this.connections.size === 0 && this.connecting === 0 && this.#queue.size === 0;
  }

  /** When the request that waits longest began to. Infinity if none waits. */
  get waitingSince(): number {
    for (const request of this.#queue) return request.queuedAt;
    return Number.POSITIVE_INFINITY;
  }

  /** The connection that has been free longest; undefined if none is. */
  get idlest(): PooledConnection | undefined {
    return this.#idle[0];
  }

  /** Sends a request on a connection that is free, or lets it wait for one. */
  dispatch(request: PendingRequest): void {
    while (this.#idle.length > 0) {
      if (this.#sendOn(this.#idle.pop()!, request)) return;
    }
    const { settings } = this.#host;
    const isFull = this.connections.size + this.connecting >= settings.maxConnectionsPerOrigin;
    if (isFull && settings.pipelining > 1 && this.#pipeline(request)) return;
    if (this.#queue.size >= settings.maxQueuedRequests) return this.#refuse(request);
    this.#enqueue(request);
    if (!isFull) this.#connectIfNeeded();
  }

  /** @returns false if nothing of it was sent. */
  #sendOn(connection: PooledConnection, request: PendingRequest): boolean {
    return (connection.inFlight > 0 || connection.isUsable) && connection.send(request);
  }

  /** Sends a request behind others that are not answered. */
  #pipeline(request: PendingRequest): boolean {
    if (!request.isRepeatable) return false;
    let best: PooledConnection | null = null;
    for (const connection of this.connections) {
      if (!this.#mayPipelineOn(connection)) continue;
      if (best === null || connection.inFlight < best.inFlight) best = connection;
    }
    return best?.send(request) ?? false;
  }

  #refuse(request: PendingRequest): void {
    const { maxQueuedRequests } = this.#host.settings;
    this.#host.counters.queueFull++;
    request.fail(Errno.ENOBUFS, `${maxQueuedRequests} requests wait for a connection already (maxQueuedRequests)`);
  }

  // ---- waiting ---------------------------------------------------------------------------------------------------

  #enqueue(request: PendingRequest): void {
    request.queuedAt = this.#host.component[$wheel].clock.now();
    request.owner = this;
    this.#queue.add(request);
    const { queueTimeoutMs } = this.#host.settings;
    if (queueTimeoutMs === 0 || this.#queueTimer !== null) return;
    this.#queueTimer = new WheelTimer(() => this.#checkQueue(), true);
    this.#host.component[$wheel].arm(this.#queueTimer, queueTimeoutMs);
  }

  /** Requests leave in the order in which they came, so the first is the one that waits longest. */
  #checkQueue(): void {
    this.#queueTimer = null;
    const { settings, component, counters } = this.#host;
    const now = component[$wheel].clock.now();
    for (const request of this.#queue) {
      const restMs = request.queuedAt + settings.queueTimeoutMs - now;
      if (restMs > 0) {
        this.#queueTimer = new WheelTimer(() => this.#checkQueue(), true);
        component[$wheel].arm(this.#queueTimer, restMs);
        return;
      }
      counters.queueTimeouts++;
      request.fail(Errno.ETIMEDOUT, 'no connection became free in time (queueTimeoutMs)');
    }
  }

  #stopTimer(): void {
    if (this.#queue.size > 0 || this.#queueTimer === null) return;
    this.#host.component[$wheel].cancel(this.#queueTimer);
    this.#queueTimer = null;
  }

  /** A connection is free: it takes what waits, unless another origin has waited longer for its place. */
  free(connection: PooledConnection): void {
    if (this.#host.isRoomWanted(this)) connection.evict();
    else this.#serveOn(connection);
  }

  #serveOn(connection: PooledConnection): void {
    this.refill(connection);
    if (connection.inFlight > 0 || !connection.isUsable) return;
    connection.freeSince = this.#host.stamp();
    this.#idle.push(connection);
    this.#host.makeRoom();
  }

  evicting(connection: StreamConnection): void {
    this.#host.evicting(connection);
  }

  /** Sends what waits on a connection, as far as that may be. */
  refill(connection: PooledConnection): void {
    for (const request of this.#queue) {
      if (connection.inFlight > 0 && !(request.isRepeatable && this.#mayPipelineOn(connection))) return;
      this.#queue.delete(request);
      this.#stopTimer();
      if (!this.#sendOn(connection, request)) return this.dispatch(request);
    }
  }

  #mayPipelineOn(connection: PooledConnection): boolean {
    const { pipelining, maxConnectionsPerOrigin } = this.#host.settings;
    if (connection.inFlight >= pipelining || !connection.isPipelinable) return false;
    return this.connections.size + this.connecting >= maxConnectionsPerOrigin;
  }

  // ---- connecting ------------------------------------------------------------------------------------------------

  /** More requests wait than connections are being made. */
  get needsConnection(): boolean {
    const { maxConnectionsPerOrigin } = this.#host.settings;
    return this.connecting < this.#queue.size && this.connections.size + this.connecting < maxConnectionsPerOrigin;
  }

  #connectIfNeeded(): void {
    if (this.needsConnection) this.#host.wantsConnection(this);
  }

  /** Makes a connection. */
  connect(): void {
    this.connecting++;
    this.#host.connect(this).then(
      (connection) => this.#connected(connection),
      (thrown: unknown) => {
        this.connecting--;
        this.#notConnected(thrown);
      },
    );
  }

  #connected(connection: StreamConnection): void {
    this.connecting--;
    const { protocol } = connection;
    const pool = this.#host;
    if (!(protocol instanceof HttpClientProtocol) || !protocol.isReusable || !pool.isOpen) {
      if (connection.isConnected) connection.disconnect();
      return this.#notConnected(undefined);
    }
    pool.counters.connected++;
    const pooled = new PooledConnection(this, connection, protocol, pool.settings.keepAliveTimeoutMs);
    this.connections.add(pooled);
    this.#serveOn(pooled);
  }

  /** No request can be sent if this was the last hope. */
  #notConnected(thrown: unknown): void {
    if (this.connections.size === 0 && this.connecting === 0) {
      const error =
        thrown instanceof SocketError
          ? thrown
          : this.#host.component[$failed]({
              socketError: SocketErrorCode.ConnectServer,
              errno: Errno.ECONNABORTED,
              operation: 'request',
              message: 'no answer: the connection was closed as soon as it was open',
              cause: thrown,
            });
      for (const request of this.#queue) request.failWith(error);
    }
    this.#host.changed(this);
  }

  /** A connection is gone: others take its place for what waits. */
  lost(connection: PooledConnection): void {
    this.connections.delete(connection);
    const at = this.#idle.indexOf(connection);
    if (at >= 0) this.#idle.splice(at, 1);
    if (this.#host.isOpen) this.#connectIfNeeded();
    this.#host.changed(this);
  }

  /** Sends a request once more whose connection went untouched. @returns false if it may not be repeated. */
  retry(request: PendingRequest): boolean {
    if (request.attempts !== 1 || !request.isRepeatable || !this.#host.isOpen) return false;
    this.#host.counters.retries++;
    request.owner = this;
    // Behind what is being done to the connection that went.
    queueMicrotask(() => {
      if (!request.isOver) this.#host.again(this, request);
    });
    return true;
  }

  /** A request of one of its connections is over. */
  changed(): void {
    this.#host.changed(this);
  }

  /** What waits gets no connection any more. */
  close(reason: string): void {
    for (const request of this.#queue) request.fail(Errno.ECANCELED, reason);
  }

  // ---- RequestOwner: of those that wait ----------------------------------------------------------------------------

  requestOver(request: PendingRequest): void {
    if (!this.#queue.delete(request)) return;
    this.#stopTimer();
    this.#host.changed(this);
  }

  mayRetry(): boolean {
    return false;
  }
}
