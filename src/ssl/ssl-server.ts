import { securityMaker } from '../connection/security.ts';
import type { StreamConnection } from '../connection/stream-connection.ts';
import { $makeFace } from '../core/internals.ts';
import type { ConnId, ListenerOf, ServerHooks } from '../core/listener.ts';
import type { OptionsOf } from '../core/properties.ts';
import type { Sendable } from '../memory/sendable.ts';
import { TcpPackServer } from '../server/tcp-pack-server.ts';
import { TcpPullServer } from '../server/tcp-pull-server.ts';
import { TcpServer, type TcpServerOptions } from '../server/tcp-server.ts';
import type { PackProperties } from '../stream/pack-model.ts';
import type { PullProperties } from '../stream/pull-model.ts';
import type { FramingOption } from '../stream/push-model.ts';
import type { SslServerContexts } from './options.ts';
import { type SslServerProperties, sslServerProperties } from './properties.ts';
import { SecureConnection, SecurePullConnection } from './secure-connection.ts';
import { addMembers, SecureServerMethods } from './secure-methods.ts';
import { serverTls } from './security.ts';

/** Options of every SSL server: any of its properties, and its TLS. */
export type SslServerOptions = TcpServerOptions & OptionsOf<SslServerProperties> & SslServerContexts;

/** Options of an SSL pull server: any of its properties, and its TLS. */
export type SslPullServerOptions = SslServerOptions & OptionsOf<PullProperties>;

/** Options of an SSL pack server: any of its properties, and its TLS. */
export type SslPackServerOptions = SslServerOptions & OptionsOf<PackProperties>;

/**
 * A TLS server that hands on bytes as they arrive (HP-Socket's `SSLServer`): everything of `TcpServer`, over TLS.
 *
 * ```ts
 * const echo = new SslServer({
 *   onReceive(server, connId, data) { server.send(connId, data); },
 * }, { ssl: { certFile: 'server.crt', keyFile: 'server.key' } });
 * const { port } = await echo.start('0.0.0.0', 5555);
 * ```
 */
export class SslServer<Extra = unknown, Data = Buffer, Message = Sendable> extends TcpServer<Extra, Data, Message> {
  /** @internal */
  static override readonly [securityMaker] = serverTls;

  constructor(
    listener: ServerHooks<SslServer<Extra, Data, Message>, Data> & ListenerOf<'push'>,
    options?: SslServerOptions & FramingOption<Data, Message>,
  ) {
    super(listener as ServerHooks<TcpServer<Extra, Data, Message>, Data>, options);
  }

  /** @internal */
  protected override [$makeFace](connection: StreamConnection): SecureConnection<Extra, Message> {
    return new SecureConnection(this, connection);
  }
}

/** A TLS server that holds received bytes until they are fetched (HP-Socket's `SSLPullServer`): `TcpPullServer` over TLS. */
export class SslPullServer<Extra = unknown> extends TcpPullServer<Extra> {
  /** @internal */
  static override readonly [securityMaker] = serverTls;

  constructor(
    listener: ServerHooks<SslPullServer<Extra>, number> & ListenerOf<'pull'>,
    options?: SslPullServerOptions,
  ) {
    super(listener as ServerHooks<TcpPullServer<Extra>, number>, options);
  }

  /** @internal */
  protected override [$makeFace](connection: StreamConnection): SecurePullConnection<Extra> {
    return new SecurePullConnection(this, connection);
  }
}

/** A TLS server whose messages are packages (HP-Socket's `SSLPackServer`): `TcpPackServer` over TLS. */
export class SslPackServer<Extra = unknown> extends TcpPackServer<Extra> {
  /** @internal */
  static override readonly [securityMaker] = serverTls;

  constructor(
    listener: ServerHooks<SslPackServer<Extra>, Buffer> & ListenerOf<'pack'>,
    options?: SslPackServerOptions,
  ) {
    super(listener as ServerHooks<TcpPackServer<Extra>, Buffer>, options);
  }

  /** @internal */
  protected override [$makeFace](connection: StreamConnection): SecureConnection<Extra> {
    return new SecureConnection(this, connection);
  }
}

export interface SslServer<Extra = unknown, Data = Buffer, Message = Sendable>
  extends SecureServerMethods,
    SslServerProperties {
  /** One connection, with its TLS; null for an unknown ID. Inside `onClose` it is still there. */
  connection(connId: ConnId): SecureConnection<Extra, Message> | null;
}
export interface SslPullServer<Extra = unknown> extends SecureServerMethods, SslServerProperties {
  /** One connection, with its TLS; null for an unknown ID. Inside `onClose` it is still there. */
  connection(connId: ConnId): SecurePullConnection<Extra> | null;
}
export interface SslPackServer<Extra = unknown> extends SecureServerMethods, SslServerProperties {
  /** One connection, with its TLS; null for an unknown ID. Inside `onClose` it is still there. */
  connection(connId: ConnId): SecureConnection<Extra> | null;
}
addMembers([SslServer, SslPullServer, SslPackServer], SecureServerMethods, sslServerProperties);
