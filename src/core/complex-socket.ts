import { availableParallelism } from 'node:os';
import type { SocketAddress } from './address.ts';
import { Component } from './component.ts';
import { Connection, checkDisconnectOptions, type DisconnectOptions, type ManagedConnection } from './connection.ts';
import { ageOf, checkConnId, isGone, localAddressOf, remoteAddressOf, silenceOf } from './connection-facts.ts';
import { ConnectionTable } from './connection-table.ts';
import { describe } from './describe.ts';
import { OnSendSyncPolicy, ReuseAddressPolicy, SendPolicy, SocketErrorCode } from './enums.ts';
import { Errno } from './errno.ts';
import {
  $facts,
  $makeFace,
  $pendingBytesOfAll,
  $refuse,
  $resetTable,
  $table,
  $unknownId,
  $wheel,
} from './internals.ts';
import type { ConnId } from './listener.ts';
import { defineProperties, flag, integer, oneOf, type TableOf } from './properties.ts';
import type { ConnectionStats } from './stats.ts';

/** Properties of every server and agent. Each is also an option of the constructor. */
export interface ComplexSocketProperties {
  /** How the local address may be shared; HP-Socket's `ReuseAddressPolicy`. `AddrAndPort` needs Node 22.12 or 23.1 (CS-025). Default `AddrOnly`. */
  reuseAddressPolicy: ReuseAddressPolicy;
  /** When queued bytes are handed to the system (CS-027). Default `SendPolicy.Pack`. */
  sendPolicy: SendPolicy;
  /**
   * Stored for compatibility; one thread is always the strictest (CS-029).
   * @deprecated Does nothing on Node.
   */
  onSendSyncPolicy: OnSendSyncPolicy;
  /** Most connections at once, 1 to 5,000,000; more are closed at once, without a hook (CS-031). Default 10,000. */
  maxConnectionCount: number;
  /**
   * Stored for compatibility, milliseconds (CS-033).
   * @deprecated Does nothing on Node.
   */
  freeSocketObjLockTime: number;
  /**
   * Stored for compatibility (CS-035).
   * @deprecated Does nothing on Node.
   */
  freeSocketObjPool: number;
  /**
   * Stored for compatibility (CS-037).
   * @deprecated Does nothing on Node.
   */
  freeBufferObjPool: number;
  /**
   * Stored for compatibility (CS-039).
   * @deprecated Does nothing on Node.
   */
  freeSocketObjHold: number;
  /**
   * Stored for compatibility (CS-041).
   * @deprecated Does nothing on Node.
   */
  freeBufferObjHold: number;
  /**
   * Stored for compatibility: there is one thread (CS-043).
   * @deprecated Does nothing on Node.
   */
  workerThreadCount: number;
  /** Whether the time of the last receive is kept, for silence (CS-045). Default true. */
  markSilence: boolean;
}

/** Longest period that the `disconnect...Connections` methods take, milliseconds. */
const MAX_PERIOD_MS = 1_073_741_823;

export interface ComplexSocket<C extends ManagedConnection, Extra = unknown> extends ComplexSocketProperties {}

/**
 * A component with many connections, found by their IDs: what servers and agents have in common (`IComplexSocket`).
 * `Extra` is the type of the data that a user attaches to connections.
 */
export abstract class ComplexSocket<C extends ManagedConnection, Extra = unknown> extends Component {
  /** @internal */
  protected [$table]: ConnectionTable<C>;
  #faces = new WeakMap<C, Connection<Extra>>();

  constructor(options: object | undefined) {
    super(options);
    this[$table] = new ConnectionTable<C>(this.maxConnectionCount);
  }

  /** Whether this is a TLS component (`IsSecure`, CS-011). */
  get isSecure(): boolean {
    return false;
  }

  /** Connections in use, connecting and closing ones included (`GetConnectionCount`, CS-014). */
  get connectionCount(): number {
    return this[$table].size;
  }

  /** @internal */
  protected override [$facts](): object {
    return { ...super[$facts](), connectionCount: this.connectionCount };
  }

  /** IDs of all connections (`GetAllConnectionIDs`, CS-015). */
  getAllConnectionIDs(): ConnId[] {
    return Array.from(this[$table].values(), (connection) => connection.id);
  }

  /**
   * One connection, with all that can be done with it; the same object for the same connection each time. Null for an unknown
   * ID, which is no failure; inside `onClose` it is still there.
   */
  connection(connId: ConnId): Connection<Extra> | null {
    const connection = this[$table].get(connId);
    if (connection === undefined) {
      checkConnId(connId);
      return null;
    }
    let face = this.#faces.get(connection);
    if (face === undefined) {
      face = this[$makeFace](connection);
      this.#faces.set(connection, face);
    }
    return face;
  }

  /** @internal */
  protected [$makeFace](connection: C): Connection<Extra> {
    return new Connection(this, connection);
  }

  /** Attaches data to a connection, also inside `onClose` (`SetConnectionExtra`, CS-009). False for an unknown ID. */
  setConnectionExtra(connId: ConnId, extra: Extra | null): boolean {
    const connection = this[$table].get(connId);
    if (connection === undefined) return this[$unknownId]('setConnectionExtra', connId);
    connection.extra = extra ?? null;
    return true;
  }

  /** Data attached to a connection, null if none or the ID is unknown (`GetConnectionExtra`, CS-010). */
  getConnectionExtra(connId: ConnId): Extra | null {
    const connection = this[$table].get(connId);
    if (connection !== undefined) return connection.extra as Extra | null;
    return this[$unknownId]('getConnectionExtra', connId) || null;
  }

  /**
   * Closes a connection at the end of this turn of the event loop; `onClose(Close, 0)` follows (`Disconnect`, CS-005).
   * What is queued is offered to the system once more; what that does not take is dropped, unless `drain` is asked for.
   * @param options Whether to drain the connection first. A boolean is HP-Socket's `bForce`, which changes nothing.
   * @returns false (EBADSLT) if the ID is unknown or already closed.
   */
  disconnect(connId: ConnId, options: boolean | DisconnectOptions = true): boolean {
    const connection = this.connection(connId);
    if (connection !== null) return connection.disconnect(options);
    checkDisconnectOptions(options);
    return this[$unknownId]('disconnect', connId);
  }

  /** Disconnects each connection that is at least `periodMs` old (`DisconnectLongConnections`, CS-006). */
  disconnectLongConnections(periodMs: number): boolean {
    if (!this.#isPeriod('disconnectLongConnections', periodMs)) return false;
    const now = this[$wheel].clock.now();
    for (const connection of this[$table].values()) {
      if (connection.isValid && Math.max(now - connection.openedAt, 0) >= periodMs) connection.disconnect();
    }
    return true;
  }

  /**
   * Disconnects each connection that received nothing for `periodMs` (`DisconnectSilenceConnections`, CS-007). Sending
   * does not count. False if `markSilence` is off.
   */
  disconnectSilenceConnections(periodMs: number): boolean {
    if (!this.#isPeriod('disconnectSilenceConnections', periodMs)) return false;
    if (!this.markSilence) {
      return this[$refuse](
        'disconnectSilenceConnections',
        SocketErrorCode.IllegalState,
        Errno.EPERM,
        'markSilence is off',
      );
    }
    const now = this[$wheel].clock.now();
    for (const connection of this[$table].values()) {
      if (connection.isValid && Math.max(now - connection.lastReceiveAt, 0) >= periodMs) connection.disconnect();
    }
    return true;
  }

  #isPeriod(operation: string, periodMs: number): boolean {
    if (typeof periodMs !== 'number' || Number.isNaN(periodMs))
      throw new TypeError(`periodMs must be a number, not ${describe(periodMs)}`);
    if (periodMs >= 0 && periodMs <= MAX_PERIOD_MS) return true;
    return this[$refuse](
      operation,
      SocketErrorCode.InvalidParam,
      Errno.EINVAL,
      `periodMs must be 0 to ${MAX_PERIOD_MS}`,
    );
  }

  /**
   * Stops or goes on receiving on one connection (`PauseReceive`, CS-004). True also when it already is so. A peer's FIN
   * or reset is noticed after resuming, behind all bytes that came before it; while draining, a FIN without any at once.
   */
  pauseReceive(connId: ConnId, isPaused = true): boolean {
    const connection = this.connection(connId);
    if (connection === null) return this[$unknownId]('pauseReceive', connId);
    return isPaused ? connection.pause() : connection.resume();
  }

  /** Whether receiving is paused by `pauseReceive`, null for an unknown ID (`IsPauseReceive`, CS-023). */
  isPauseReceive(connId: ConnId): boolean | null {
    return this.#valid('isPauseReceive', connId)?.isPaused ?? null;
  }

  /**
   * True from `onAccept` / `onConnect` until the connection closes, false inside `onClose` (`IsConnected`, CS-024), and for an unknown
   * ID, which is no failure.
   */
  isConnected(connId: ConnId): boolean {
    const connection = this[$table].get(connId);
    if (connection !== undefined) return connection.isConnected;
    checkConnId(connId);
    return false;
  }

  /** Milliseconds since accept or connect, null for an unknown ID (`GetConnectPeriod`, CS-016). */
  getConnectPeriod(connId: ConnId): number | null {
    const connection = this.#known('getConnectPeriod', connId);
    return connection === undefined ? null : ageOf(this, connection);
  }

  /** Milliseconds since bytes last arrived, null for an unknown ID or with `markSilence` off (`GetSilencePeriod`, CS-017). */
  getSilencePeriod(connId: ConnId): number | null {
    const connection = this.#known('getSilencePeriod', connId);
    return connection === undefined ? null : silenceOf(this, connection);
  }

  /** Local address of a connection, null for an unknown ID and inside `onClose` (`GetLocalAddress`, CS-018). */
  getLocalAddress(connId: ConnId): SocketAddress | null {
    const connection = this.#known('getLocalAddress', connId);
    return connection === undefined ? null : localAddressOf(this, connection);
  }

  /**
   * Numeric address of the peer, also inside `onClose` (`GetRemoteAddress`, CS-019); null for an unknown ID, a peer that was gone
   * before it was accepted, and over Unix domain sockets.
   */
  getRemoteAddress(connId: ConnId): SocketAddress | null {
    const connection = this.#known('getRemoteAddress', connId);
    return connection === undefined ? null : remoteAddressOf(connection);
  }

  /**
   * Bytes that were sent and not yet taken by the system, pack headers included; null for an unknown ID
   * (`GetPendingDataLength`, CS-022).
   */
  getPendingDataLength(connId: ConnId): number | null {
    return this.#valid('getPendingDataLength', connId)?.pendingBytes ?? null;
  }

  /** Snapshot of one connection, null for an unknown ID. */
  getConnectionStats(connId: ConnId): ConnectionStats | null {
    return this.#known('getConnectionStats', connId)?.stats() ?? null;
  }

  /** The connection of an ID, also while it closes; undefined after noting that there is none. */
  #known(operation: string, connId: ConnId): C | undefined {
    const connection = this[$table].get(connId);
    if (connection === undefined) this[$unknownId](operation, connId);
    return connection;
  }

  #valid(operation: string, connId: ConnId): C | undefined {
    const connection = this[$table].get(connId);
    if (connection?.isValid === true) return connection;
    this[$unknownId](operation, connId);
    return undefined;
  }

  /** @internal */
  protected [$unknownId](operation: string, connId: ConnId): false {
    checkConnId(connId);
    return isGone(this, operation, connId);
  }

  /** Begins a run: IDs start at 1 again (CID-003). @internal */
  protected [$resetTable](): void {
    this[$table] = new ConnectionTable<C>(this.maxConnectionCount);
  }

  /** Bytes pending on all connections. @internal */
  protected [$pendingBytesOfAll](): number {
    let sum = 0;
    for (const connection of this[$table].values()) sum += connection.pendingBytes;
    return sum;
  }
}

defineProperties(ComplexSocket.prototype, {
  reuseAddressPolicy: oneOf(ReuseAddressPolicy.AddrOnly, Object.values(ReuseAddressPolicy)),
  sendPolicy: oneOf(SendPolicy.Pack, Object.values(SendPolicy)),
  onSendSyncPolicy: oneOf(OnSendSyncPolicy.None, Object.values(OnSendSyncPolicy)),
  maxConnectionCount: integer(10_000, 1, 5_000_000),
  freeSocketObjLockTime: integer(30_000, 1000),
  freeSocketObjPool: integer(600, 0),
  freeBufferObjPool: integer(1024, 0),
  freeSocketObjHold: integer(600, 0),
  freeBufferObjHold: integer(1024, 0),
  workerThreadCount: integer(Math.min(2 * availableParallelism() + 2, 512), 1, 512),
  markSilence: flag(true),
} satisfies TableOf<ComplexSocketProperties>);
