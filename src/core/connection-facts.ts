import type { SocketAddress } from './address.ts';
import type { Component } from './component.ts';
import { describe } from './describe.ts';
import { SocketErrorCode } from './enums.ts';
import { Errno } from './errno.ts';
import { $refuse, $settings, $wheel } from './internals.ts';
import type { ConnId } from './listener.ts';

// What is asked of a connection by its ID and of its `Connection` has one answer, which is found here.

/** A connection, as far as its facts are asked here. */
interface KnownConnection {
  readonly id: ConnId;
  readonly isValid: boolean;
  readonly openedAt: number;
  readonly lastReceiveAt: number;
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly localAddress: SocketAddress | null;
}

/** Throws for an ID that is no number. For calls that found no connection: one that was found has a number. */
export function checkConnId(connId: ConnId): void {
  if (typeof connId !== 'number') throw new TypeError(`connId must be a number, not ${describe(connId)}`);
}

/** Notes that there is no connection of that ID, or that it is closed. Always false. */
export function isGone(component: Component, operation: string, connId: ConnId): false {
  const message = 'there is no such connection, or it is closed';
  return component[$refuse](operation, SocketErrorCode.IllegalState, Errno.EBADSLT, message, connId);
}

/** Milliseconds since accept or connect; null after noting that it is closed. */
export function ageOf(component: Component, connection: KnownConnection): number | null {
  if (connection.isValid) return Math.floor(component[$wheel].since(connection.openedAt));
  return isGone(component, 'getConnectPeriod', connection.id) || null;
}

/** Milliseconds since bytes last arrived; null after noting that it is closed, or that `markSilence` is off. */
export function silenceOf(component: Component, connection: KnownConnection): number | null {
  const { id } = connection;
  if (!connection.isValid) return isGone(component, 'getSilencePeriod', id) || null;
  if (component[$settings].markSilence !== false) return Math.floor(component[$wheel].since(connection.lastReceiveAt));
  component[$refuse]('getSilencePeriod', SocketErrorCode.IllegalState, Errno.EPERM, 'markSilence is off', id);
  return null;
}

/** Local address; null after noting that it is closed. */
export function localAddressOf(component: Component, connection: KnownConnection): SocketAddress | null {
  if (connection.isValid) return connection.localAddress;
  return isGone(component, 'getLocalAddress', connection.id) || null;
}

/** Numeric address of the peer; null if it has none, which is no failure. */
export function remoteAddressOf({ remoteAddress: address, remotePort: port }: KnownConnection): SocketAddress | null {
  return address === '' ? null : { address, port };
}
