import type { SocketAddress } from './address.ts';
import type { Component } from './component.ts';
import { ageOf, isGone, localAddressOf, remoteAddressOf, silenceOf } from './connection-facts.ts';
import { SocketErrorCode } from './enums.ts';
import { Errno } from './errno.ts';
import { $inspect, type Inspect, inspected } from './inspect.ts';
import { $isGone, $refuse } from './internals.ts';
import type { ConnId } from './listener.ts';
import { checkOptions, type OptionRule } from './option-names.ts';
import { duration, flag } from './properties.ts';
import type { ConnectionStats } from './stats.ts';

/** What a component asks of one of its connections. */
export interface ManagedConnection {
  id: number;
  extra: unknown;
  readonly isValid: boolean;
  readonly isConnected: boolean;
  readonly isPaused: boolean;
  readonly openedAt: number;
  readonly lastReceiveAt: number;
  readonly pendingBytes: number;
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly remoteHost: string;
  readonly localAddress: SocketAddress | null;
  /** Called once when the connection begins to close. */
  onClosing: (() => void) | null;
  disconnect(): void;
  drain(timeoutMs: number): void;
  pauseReceive(isPaused: boolean): void;
  /** Reads on, within bounds, while receiving is paused, so that the end of the peer is noticed. */
  readAhead(): void;
  stats(): ConnectionStats;
}

/** How `disconnect` ends a connection. */
export interface DisconnectOptions {
  /** Take no more sends, write everything, then close: with a FIN, after which the peer's is awaited. Default false. */
  drain?: boolean | undefined;
  /** Milliseconds that the draining may take. Default 30,000. */
  timeoutMs?: number | undefined;
}

const disconnectRules = {
  drain: flag(false),
  timeoutMs: duration,
} satisfies Record<keyof DisconnectOptions, OptionRule>;

/** Throws for options of `disconnect` that there are not. */
export function checkDisconnectOptions(options: boolean | DisconnectOptions): void {
  if (typeof options === 'boolean') return;
  checkOptions('disconnect', options, disconnectRules, { drainTimeoutMs: 'timeoutMs', timeout: 'timeoutMs' });
}

/** Milliseconds that a drain may take unless it is told. */
const DRAIN_MS = 30_000;

/**
 * One connection of a component: everything that HP-Socket's calls do for a connection ID, without the ID. It stays valid
 * for ever; once the connection is gone, calls return false or null and say why in the component's `lastFailure`.
 *
 * ```ts
 * const connection = server.connection(connId);
 * connection?.disconnect({ drain: true });
 * ```
 */
export class Connection<Extra = unknown> {
  readonly #component: Component;
  readonly #connection: ManagedConnection;
  #abort: AbortController | null = null;

  /** @internal */
  constructor(component: Component, connection: ManagedConnection) {
    this.#component = component;
    this.#connection = connection;
  }

  /** @internal */
  [$inspect](depth: number | null, options: object, inspect: Inspect): string {
    const { id, isConnected, remoteAddress, pendingBytes, extra } = this;
    return inspected(this, { id, isConnected, remoteAddress, pendingBytes, extra }, depth, options, inspect);
  }

  /** ID of the connection (`CONNID`). */
  get id(): ConnId {
    return this.#connection.id;
  }

  /** Data attached to the connection, null if none; also inside `onClose` (`Get/SetConnectionExtra`, CS-009, CS-010). */
  get extra(): Extra | null {
    return this.#connection.extra as Extra | null;
  }

  set extra(extra: Extra | null) {
    this.#connection.extra = extra ?? null;
  }

  /** True from `onAccept` / `onConnect` until the connection closes, false inside `onClose` (`IsConnected`, CS-024). */
  get isConnected(): boolean {
    return this.#connection.isConnected;
  }

  /** Whether receiving is paused by `pause` (`IsPauseReceive`, CS-023). */
  get isPaused(): boolean {
    return this.#connection.isPaused;
  }

  /** Bytes that were sent and not yet taken by the system, headers of the protocol included (`GetPendingDataLength`, CS-022). */
  get pendingBytes(): number {
    return this.#connection.pendingBytes;
  }

  /** Milliseconds since accept or connect, null once the connection closes (`GetConnectPeriod`, CS-016); `stats` tells it then too. */
  get ageMs(): number | null {
    return ageOf(this.#component, this.#connection);
  }

  /** Milliseconds since bytes last arrived (`GetSilencePeriod`, CS-017); null with `markSilence` off, and once the connection closes. */
  get silenceMs(): number | null {
    return silenceOf(this.#component, this.#connection);
  }

  /**
   * Numeric address of the peer, also inside `onClose` (`GetRemoteAddress`, CS-019); null for a peer that was gone before it was
   * accepted, and over Unix domain sockets.
   */
  get remoteAddress(): SocketAddress | null {
    return remoteAddressOf(this.#connection);
  }

  /** The host given to `connect` or `start`, not resolved (`GetRemoteHost`, AGT-003); '' on servers. */
  get remoteHost(): string {
    return this.#connection.remoteHost;
  }

  /** Local address, null once the connection closes (`GetLocalAddress`, CS-018). */
  get localAddress(): SocketAddress | null {
    return localAddressOf(this.#component, this.#connection);
  }

  /** Snapshot of the connection's counters. */
  stats(): ConnectionStats {
    return this.#connection.stats();
  }

  /**
   * Aborted when the connection closes, for whatever reason: give it to what works for this peer. Once asked for, the
   * connection reads on within 64 KiB while a hook's promise is pending or receiving is paused, so that a reset is noticed.
   */
  get signal(): AbortSignal {
    if (this.#abort === null) {
      const abort = new AbortController();
      this.#abort = abort;
      const connection = this.#connection;
      const { onClosing } = connection;
      if (!connection.isValid) abort.abort();
      else {
        connection.onClosing = () => {
          onClosing?.();
          abort.abort();
        };
        connection.readAhead();
      }
    }
    return this.#abort.signal;
  }

  /**
   * Stops receiving (`PauseReceive`, CS-004). True also when it already is so. A peer's FIN or reset is noticed after
   * resuming, behind all bytes that came before it; while draining, a FIN without any at once.
   * @returns false with `lastError`: EBADSLT (closed), EPERM (still connecting).
   */
  pause(): boolean {
    return this.#pause(true);
  }

  /** Goes on receiving (`PauseReceive(false)`). Results as `pause`. */
  resume(): boolean {
    return this.#pause(false);
  }

  #pause(isPaused: boolean): boolean {
    const connection = this.#connection;
    if (!connection.isValid) return this[$isGone]('pauseReceive');
    if (!connection.isConnected) {
      return this.#component[$refuse](
        'pauseReceive',
        SocketErrorCode.IllegalState,
        Errno.EPERM,
        'it is still connecting',
        connection.id,
      );
    }
    connection.pauseReceive(isPaused);
    return true;
  }

  /**
   * Closes the connection at the end of this turn of the event loop; `onClose(Close, 0)` follows (`Disconnect`, CS-005).
   * What is queued is offered to the system once more; what that does not take is dropped, unless `drain` is asked for.
   * @returns false (EBADSLT) if it is closed already.
   */
  disconnect(options: boolean | DisconnectOptions = true): boolean {
    checkDisconnectOptions(options);
    const connection = this.#connection;
    if (!connection.isValid) return this[$isGone]('disconnect');
    if (typeof options === 'object' && options.drain === true) connection.drain(options.timeoutMs ?? DRAIN_MS);
    else connection.disconnect();
    return true;
  }

  /** As `disconnect({ drain: true, timeoutMs })`. */
  drain(timeoutMs = DRAIN_MS): boolean {
    return this.disconnect({ drain: true, timeoutMs });
  }

  /** @internal */
  protected [$isGone](operation: string): false {
    return isGone(this.#component, operation, this.#connection.id);
  }
}
