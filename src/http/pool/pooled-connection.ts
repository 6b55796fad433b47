import type { StreamConnection } from '../../connection/stream-connection.ts';
import { Errno } from '../../core/errno.ts';
import type { ConnectionWatcher, HttpClientProtocol } from '../client-protocol.ts';
import { keepAliveMs } from '../keep-alive.ts';
import type { MessageHead } from '../message-head.ts';
import type { PendingRequest, RequestOwner } from '../pending-request.ts';

/** Where a connection belongs to; it owns the requests that no connection has. */
export interface ConnectionHome extends RequestOwner {
  /** It is free: it takes what waits. */
  free(connection: PooledConnection): void;
  /** More may be sent behind what is on its way. */
  refill(connection: PooledConnection): void;
  /** It is gone, or left the pool. */
  lost(connection: PooledConnection): void;
  /** Sends a request once more whose connection went untouched. @returns false if it may not be repeated. */
  retry(request: PendingRequest): boolean;
  /** A request is over. */
  changed(): void;
  /** It is closed, for others to take its place. */
  evicting(connection: StreamConnection): void;
}

/** A connection of a pool, and the requests that are on their way on it. */
export class PooledConnection implements ConnectionWatcher, RequestOwner {
  /** Requests that were sent and are not over. */
  inFlight = 0;
  /** When it became free, as `OriginHost.stamp` counts. */
  freeSince = 0;
  #connection: StreamConnection;
  #home: ConnectionHome;
  #protocol: HttpClientProtocol;
  #keepAliveMs: number;
  /** Whether it waits among the free ones. */
  #isFree = true;
  #isGone = false;
  /** Whether the server is about to close it. */
  #isExpiring = false;
  /** Whether all that is on its way may be repeated, so that more may be sent behind it. */
  #isPipelinable = true;

  constructor(home: ConnectionHome, connection: StreamConnection, protocol: HttpClientProtocol, idleMs: number) {
    this.#home = home;
    this.#connection = connection;
    this.#protocol = protocol;
    this.#keepAliveMs = idleMs;
    protocol.watcher = this;
    protocol.idleLimit(idleMs);
  }

  /** Whether it can take a request, and will take the answer for its own. */
  get isUsable(): boolean {
    return !this.#isExpiring && this.#protocol.isReusable && !this.#protocol.isTaken;
  }

  /** Whether a request may be sent behind those that are not answered. */
  get isPipelinable(): boolean {
    return this.inFlight > 0 && this.#isPipelinable && this.#protocol.isSilent && this.#protocol.port.isOpen;
  }

  /** Sends a request. @returns false if nothing of it was sent, and another connection may take it. */
  send(request: PendingRequest): boolean {
    request.owner = this;
    this.inFlight++;
    if (request.sendTo(this.#protocol)) {
      this.#isFree = false;
      this.#isPipelinable = this.#isPipelinable && request.isRepeatable;
      return true;
    }
    this.inFlight--;
    request.owner = this.#home;
    if (!this.#protocol.port.isOpen) return false;
    request.fail(Errno.ENOBUFS, 'it is longer than what may wait to be sent (maxPendingBytes)');
    return true;
  }

  // ---- RequestOwner ----------------------------------------------------------------------------------------------

  requestOver(_request: PendingRequest, head: MessageHead | null, hasUpgraded: boolean): void {
    this.inFlight--;
    if (head !== null) {
      const hint = keepAliveMs(head);
      this.#isExpiring = hint === 0;
      this.#protocol.idleLimit(hint ?? this.#keepAliveMs);
      if (hasUpgraded) this.#leave(); // it is the caller's
    }
    this.#home.changed();
  }

  mayRetry(request: PendingRequest): boolean {
    // A connection that never answered anything is not one that the server had grown tired of.
    if (this.#protocol.answerCount === 0 || !this.#home.retry(request)) return false;
    this.inFlight--;
    return true;
  }

  // ---- ConnectionWatcher -----------------------------------------------------------------------------------------

  settled(): void {
    if (this.inFlight > 0) {
      if (this.isPipelinable) this.#home.refill(this);
      return;
    }
    if (this.#protocol.isTaken || this.#protocol.requests.length > 0) return; // other code uses it, too
    if (!this.isUsable) return this.#retire();
    if (this.#isFree) return;
    this.#isFree = true;
    this.#isPipelinable = true;
    this.#home.free(this);
  }

  /** It serves no more: while it ends, another one may take its place. */
  #retire(): void {
    this.#leave();
    this.#protocol.finish();
  }

  /** It is idle, and another origin needs its place. */
  evict(): void {
    this.#home.evicting(this.#connection);
    this.#leave();
    this.#connection.disconnect();
  }

  gone(): void {
    this.#leave();
  }

  #leave(): void {
    if (this.#isGone) return;
    this.#isGone = true;
    this.#protocol.watcher = null;
    this.#home.lost(this);
  }
}
