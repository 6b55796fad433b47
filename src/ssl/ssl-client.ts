import { TcpClient, type TcpClientOptions, TcpPackClient, TcpPullClient } from '../client/tcp-client.ts';
import type { StreamSecurity } from '../connection/security.ts';
import type { ClientHooks } from '../core/listener.ts';
import { defineProperties } from '../core/properties.ts';
import type { PackProperties, PullProperties } from '../stream/protocol-models.ts';
import { type SslProperties, sslProperties } from './properties.ts';
import { TlsSecurity } from './security.ts';

/** Options of every SSL client: any of its properties. */
export type SslClientOptions = TcpClientOptions & Partial<SslProperties>;

/**
 * A TLS client that hands on bytes as they arrive (HP-Socket's `SSLClient`): everything of `TcpClient`, over TLS.
 *
 * ```ts
 * const client = new SslClient({
 *   onReceive(client, connId, data) { console.log(data.toString()); },
 * });
 * client.setupSSLContext();
 * await client.start('example.com', 5555);
 * client.send('hello');
 * ```
 */
export class SslClient<Extra = unknown> extends TcpClient<Extra> {
  constructor(listener: ClientHooks<SslClient<Extra>, Buffer>, options?: SslClientOptions) {
    super(listener as ClientHooks<TcpClient<Extra>, Buffer>, options);
  }

  /** @internal */
  protected override makeSecurity(): StreamSecurity {
    return new TlsSecurity(this, false);
  }
}

/** A TLS client that holds received bytes until they are fetched (HP-Socket's `SSLPullClient`): `TcpPullClient` over TLS. */
export class SslPullClient<Extra = unknown> extends TcpPullClient<Extra> {
  constructor(
    listener: ClientHooks<SslPullClient<Extra>, number>,
    options?: SslClientOptions & Partial<PullProperties>,
  ) {
    super(listener as ClientHooks<TcpPullClient<Extra>, number>, options);
  }

  /** @internal */
  protected override makeSecurity(): StreamSecurity {
    return new TlsSecurity(this, false);
  }
}

/** A TLS client whose messages are packages (HP-Socket's `SSLPackClient`): `TcpPackClient` over TLS. */
export class SslPackClient<Extra = unknown> extends TcpPackClient<Extra> {
  constructor(
    listener: ClientHooks<SslPackClient<Extra>, Buffer>,
    options?: SslClientOptions & Partial<PackProperties>,
  ) {
    super(listener as ClientHooks<TcpPackClient<Extra>, Buffer>, options);
  }

  /** @internal */
  protected override makeSecurity(): StreamSecurity {
    return new TlsSecurity(this, false);
  }
}

for (const { prototype } of [SslClient, SslPullClient, SslPackClient]) defineProperties(prototype, sslProperties);
