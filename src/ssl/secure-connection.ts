import type { StreamConnection } from '../connection/stream-connection.ts';
import { TcpConnection } from '../connection/tcp-connection.ts';
import { addMethods } from '../core/add-methods.ts';
import type { Component } from '../core/component.ts';
import type { SSLSessionInfo } from '../core/enums.ts';
import { $component, $isGone, $link, $security } from '../core/internals.ts';
import type { Sendable } from '../memory/sendable.ts';
import { PullConnection } from '../stream/pull-connection.ts';
import type { SSLInfo } from './options.ts';
import type { TlsSecurity } from './security.ts';
import type { TlsSession } from './session.ts';

/** A connection of a TLS component, as these methods see it. */
interface Secured {
  readonly [$component]: Component & { readonly [$security]: TlsSecurity };
  readonly [$link]: StreamConnection;
  [$isGone](operation: string): false;
}

/** What connections of TLS components have beside others. Never made: `addMethods` puts it into them. */
export abstract class SecureConnectionMethods {
  /** Whether the TLS handshake is done, so that what is sent now is encrypted. Stays as it is when the connection closes. */
  get isSecure(): boolean {
    const session = (this as unknown as Secured)[$link].secure as TlsSession | null;
    return session?.isEstablished ?? false;
  }

  /**
   * Begins the TLS handshake of a connection that started in clear text, with `sslAutoHandShake` off (`StartSSLHandShake`,
   * SSL-S-007, SSL-A-004, SSL-C-004). What was sent before leaves in clear text first; bytes that were received and not yet
   * handed to `onReceive`, or not yet fetched, are the handshake's.
   * @param surplus Bytes that `onReceive` got beyond the last ones in clear text; they are the handshake's too.
   * @returns false with `lastError`: EPERM (automatic, still connecting), EBADSLT (closed), EALREADY.
   */
  startSSLHandShake(surplus?: Uint8Array): boolean {
    const self = this as unknown as Secured;
    const connection = self[$link];
    if (!connection.isValid) return self[$isGone]('startSSLHandShake');
    return self[$component][$security].startHandShake(connection, surplus);
  }

  /**
   * One fact about the TLS of the connection (`GetSSLSessionInfo`, SSL-S-012, SSL-C-009); what kind of value it is,
   * `SSLSessionInfo` says. Also inside `onClose`.
   * @returns null where there is none, and with `lastError`: EPERM (no TLS yet), EINVAL (unknown kind).
   */
  getSSLSessionInfo(kind: SSLSessionInfo): unknown {
    const self = this as unknown as Secured;
    return self[$component][$security].inspect(self[$link], kind);
  }

  /** Protocol, cipher, certificate and so on, also inside `onClose`; null with `lastError` EPERM if there is no TLS yet. */
  getSSLInfo(): SSLInfo | null {
    const self = this as unknown as Secured;
    return self[$component][$security].info(self[$link]);
  }
}

/** One connection of a TLS component: what there is for every TCP connection, and its TLS. */
export class SecureConnection<Extra = unknown, Message = Sendable> extends TcpConnection<Extra, Message> {}

/** One connection of a TLS pull component: what there is for every pull connection, and its TLS. */
export class SecurePullConnection<Extra = unknown> extends PullConnection<Extra> {}

export interface SecureConnection<Extra = unknown, Message = Sendable> extends SecureConnectionMethods {}
export interface SecurePullConnection<Extra = unknown> extends SecureConnectionMethods {}
addMethods([SecureConnection, SecurePullConnection], SecureConnectionMethods);
