import { Component } from './component.ts';
import type { ManagedConnection } from './connection.ts';
import { ReuseAddressPolicy, SendPolicy } from './enums.ts';
import { $facts, $link, $nextConnectionId } from './internals.ts';
import type { ConnId } from './listener.ts';
import { defineProperties, flag, integer, oneOf, type TableOf } from './properties.ts';

/** Properties of every client. Each is also an option of the constructor. */
export interface SingleSocketProperties {
  /** How the local address may be shared (CLI-020). Default `AddrOnly`. */
  reuseAddressPolicy: ReuseAddressPolicy;
  /**
   * Stored for compatibility (CLI-022).
   * @deprecated Does nothing on Node.
   */
  freeBufferPoolSize: number;
  /**
   * Stored for compatibility (CLI-024).
   * @deprecated Does nothing on Node.
   */
  freeBufferPoolHold: number;
  /** When queued bytes are handed to the system. Default `SendPolicy.Pack`. */
  sendPolicy: SendPolicy;
  /** Whether the time of the last receive is kept. Default true. */
  markSilence: boolean;
}

/** IDs of clients are one count for the whole process (CID-005). */
let lastConnectionId = 0;

export interface SingleSocket<Extra = unknown> extends SingleSocketProperties {}

/** A component with one connection: what all clients have in common (`IClient`). */
export abstract class SingleSocket<Extra = unknown> extends Component {
  #extra: Extra | null = null;
  #connectionId = 0;

  /** Whether this is a TLS component (`IsSecure`, CLI-009). */
  get isSecure(): boolean {
    return false;
  }

  /** Data attached to the client, null if none; survives restarts (`SetExtra` / `GetExtra`, CLI-007, CLI-008). */
  get extra(): Extra | null {
    return this.#extra;
  }

  set extra(extra: Extra | null) {
    this.#extra = extra ?? null;
  }

  /** ID of the present or the last connection; 0 before the first (`GetConnectionID`, CLI-014). */
  get connectionId(): ConnId {
    return this.#connectionId;
  }

  /** The connection, null while there is none. @internal */
  protected abstract [$link]: ManagedConnection | null;

  /** Whether receiving is paused (`IsPauseReceive`, CLI-018). */
  get isPauseReceive(): boolean {
    return this[$link]?.isPaused ?? false;
  }

  /** True between `onConnect` and `onClose` (`IsConnected`, CLI-019). */
  get isConnected(): boolean {
    return this[$link]?.isConnected ?? false;
  }

  /** Bytes that were sent and not yet taken by the system (`GetPendingDataLength`, CLI-017). */
  get pendingDataLength(): number {
    return this[$link]?.pendingBytes ?? 0;
  }

  /** @internal */
  protected override [$facts](): object {
    return { ...super[$facts](), connectionId: this.connectionId, extra: this.extra };
  }

  /** @internal */
  protected [$nextConnectionId](): ConnId {
    this.#connectionId = ++lastConnectionId;
    return this.#connectionId;
  }
}

defineProperties(SingleSocket.prototype, {
  reuseAddressPolicy: oneOf(ReuseAddressPolicy.AddrOnly, Object.values(ReuseAddressPolicy)),
  freeBufferPoolSize: integer(60, 0),
  freeBufferPoolHold: integer(60, 0),
  sendPolicy: oneOf(SendPolicy.Pack, Object.values(SendPolicy)),
  markSilence: flag(true),
} satisfies TableOf<SingleSocketProperties>);
