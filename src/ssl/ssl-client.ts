import { TcpClient, type TcpClientOptions } from '../client/tcp-client.ts';
import { TcpPackClient } from '../client/tcp-pack-client.ts';
import { TcpPullClient } from '../client/tcp-pull-client.ts';
import { securityMaker } from '../connection/security.ts';
import type { StreamConnection } from '../connection/stream-connection.ts';
import { $makeFace } from '../core/internals.ts';
import type { ClientHooks, ListenerOf } from '../core/listener.ts';
import type { OptionsOf } from '../core/properties.ts';
import type { Sendable } from '../memory/sendable.ts';
import type { PackProperties } from '../stream/pack-model.ts';
import type { PullProperties } from '../stream/pull-model.ts';
import type { FramingOption } from '../stream/push-model.ts';
import type { SslClientContext } from './options.ts';
import { type SslProperties, sslProperties } from './properties.ts';
import { SecureConnection, SecurePullConnection } from './secure-connection.ts';
import { addMembers, SecureSingleMethods } from './secure-methods.ts';
import { clientTls } from './security.ts';

/** Options of every SSL client: any of its properties, and its TLS. */
export type SslClientOptions = TcpClientOptions & OptionsOf<SslProperties> & SslClientContext;

/** Options of an SSL pull client: any of its properties, and its TLS. */
export type SslPullClientOptions = SslClientOptions & OptionsOf<PullProperties>;

/** Options of an SSL pack client: any of its properties, and its TLS. */
export type SslPackClientOptions = SslClientOptions & OptionsOf<PackProperties>;

/**
 * A TLS client that hands on bytes as they arrive (HP-Socket's `SSLClient`): everything of `TcpClient`, over TLS.
 *
 * ```ts
 * const client = new SslClient({
 *   onReceive(client, connId, data) { console.log(data.toString()); },
 * }, { ssl: {} });
 * await client.start('example.com', 5555);
 * client.send('hello');
 * ```
 */
export class SslClient<Extra = unknown, Data = Buffer, Message = Sendable> extends TcpClient<Extra, Data, Message> {
  /** @internal */
  static override readonly [securityMaker] = clientTls;

  constructor(
    listener: ClientHooks<SslClient<Extra, Data, Message>, Data> & ListenerOf<'push'>,
    options?: SslClientOptions & FramingOption<Data, Message>,
  ) {
    super(listener as ClientHooks<TcpClient<Extra, Data, Message>, Data>, options);
  }

  /** @internal */
  protected override [$makeFace](connection: StreamConnection): SecureConnection<Extra, Message> {
    return new SecureConnection(this, connection);
  }
}

/** A TLS client that holds received bytes until they are fetched (HP-Socket's `SSLPullClient`): `TcpPullClient` over TLS. */
export class SslPullClient<Extra = unknown> extends TcpPullClient<Extra> {
  /** @internal */
  static override readonly [securityMaker] = clientTls;

  constructor(
    listener: ClientHooks<SslPullClient<Extra>, number> & ListenerOf<'pull'>,
    options?: SslPullClientOptions,
  ) {
    super(listener as ClientHooks<TcpPullClient<Extra>, number>, options);
  }

  /** @internal */
  protected override [$makeFace](connection: StreamConnection): SecurePullConnection<Extra> {
    return new SecurePullConnection(this, connection);
  }
}

/** A TLS client whose messages are packages (HP-Socket's `SSLPackClient`): `TcpPackClient` over TLS. */
export class SslPackClient<Extra = unknown> extends TcpPackClient<Extra> {
  /** @internal */
  static override readonly [securityMaker] = clientTls;

  constructor(
    listener: ClientHooks<SslPackClient<Extra>, Buffer> & ListenerOf<'pack'>,
    options?: SslPackClientOptions,
  ) {
    super(listener as ClientHooks<TcpPackClient<Extra>, Buffer>, options);
  }

  /** @internal */
  protected override [$makeFace](connection: StreamConnection): SecureConnection<Extra> {
    return new SecureConnection(this, connection);
  }
}

export interface SslClient<Extra = unknown, Data = Buffer, Message = Sendable>
  extends SecureSingleMethods,
    SslProperties {
  /** The connection, with its TLS; null while there is none. Inside `onClose` it is still there. */
  get connection(): SecureConnection<Extra, Message> | null;
}
export interface SslPullClient<Extra = unknown> extends SecureSingleMethods, SslProperties {
  /** The connection, with its TLS; null while there is none. Inside `onClose` it is still there. */
  get connection(): SecurePullConnection<Extra> | null;
}
export interface SslPackClient<Extra = unknown> extends SecureSingleMethods, SslProperties {
  /** The connection, with its TLS; null while there is none. Inside `onClose` it is still there. */
  get connection(): SecureConnection<Extra> | null;
}
addMembers([SslClient, SslPullClient, SslPackClient], SecureSingleMethods, sslProperties);
