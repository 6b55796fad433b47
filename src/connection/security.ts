import type { Socket } from 'node:net';
import type { Component } from '../core/component.ts';
import type { SocketError } from '../core/errors.ts';
import type { AcceptedSocket } from '../transport/tcp-listener.ts';

/** TLS on one connection, as the connection sees it. */
export interface SecureSession {
  /** The socket failed. True if that has to do with TLS; the connection was closed with the reason in words then. */
  failed(cause: Error): boolean;
  /** The peer will send nothing more. Returns true if that was in mid-handshake and the connection is closed by it. */
  peerEnded(): boolean;
  /** All that was queued is written. */
  allSent(): void;
  /** Sends a FIN, behind everything that was written. */
  end(): void;
  /**
   * The connection is closing. Closes the socket with a close_notify; false if there is none to be sent and the socket is
   * just to be destroyed.
   */
  sayGoodbye(isCutOff: boolean): boolean;
}

/** TLS of one component, as the parts see it that know nothing of `node:tls`; connections and hosts are only handed through. */
export interface StreamSecurity {
  /** Why a start is not possible, or null. */
  checkReady(): SocketError | null;
  /** A run begins. */
  begin(host: () => object): void;
  /** Makes the socket of an accepted connection. */
  acceptSocket(accepted: AcceptedSocket, connection: object): Socket;
  /** A connection was made, whose socket is going to connect. */
  preparing(connection: object): void;
  /** `onAccept` or `onConnect` let a connection in: what comes next. `done` is told how it went. */
  letIn(connection: object, done: (error?: SocketError) => void): void;
}

/** Static member by which a class of components names what makes its TLS; null on plain ones. */
export const securityMaker: unique symbol = Symbol('hp-socket.securityMaker');

/** Makes the TLS of a component, whose properties are set, by the options of its constructor. */
export type SecurityMaker = (component: Component, options: object | undefined) => StreamSecurity;

/** TLS of a component of the class `named`; null if that names none. */
export function makeSecurity(
  named: { readonly [securityMaker]: SecurityMaker | null },
  component: Component,
  options: object | undefined,
): StreamSecurity | null {
  return named[securityMaker]?.(component, options) ?? null;
}
