import { securityMaker } from '../connection/security.ts';
import type { StreamConnection } from '../connection/stream-connection.ts';
import { $makeFace } from '../core/internals.ts';
import type { OptionsOf } from '../core/properties.ts';
import type { SslClientContext } from '../ssl/options.ts';
import { type SslProperties, sslProperties } from '../ssl/properties.ts';
import { SecureConnection } from '../ssl/secure-connection.ts';
import { addMembers, SecureSingleMethods } from '../ssl/secure-methods.ts';
import { clientTls } from '../ssl/security.ts';
import type { HttpClientHooks } from './http-client.ts';
import { HttpSyncClient, type HttpSyncClientOptions } from './http-sync-client.ts';

/** Options of an HTTPS sync client: those of an HTTP sync client, and its TLS. */
export type HttpsSyncClientOptions = HttpSyncClientOptions & OptionsOf<SslProperties> & SslClientContext;

/** HP-Socket's `HttpsSyncClient`: `HttpSyncClient` for `https:` URLs. A redirect to `http:` is refused (EPROTO). */
export class HttpsSyncClient<Extra = unknown> extends HttpSyncClient<Extra> {
  /** @internal */
  static override readonly [securityMaker] = clientTls;

  constructor(listener: HttpClientHooks<HttpsSyncClient<Extra>> = {}, options?: HttpsSyncClientOptions) {
    super(listener as HttpClientHooks<HttpSyncClient<Extra>>, options);
  }

  /** @internal */
  protected override [$makeFace](connection: StreamConnection): SecureConnection<Extra> {
    return new SecureConnection(this, connection);
  }
}

export interface HttpsSyncClient<Extra = unknown> extends SecureSingleMethods, SslProperties {
  /** The connection, with its TLS; null while there is none. Inside `onClose` it is still there. */
  get connection(): SecureConnection<Extra> | null;
}
addMembers([HttpsSyncClient], SecureSingleMethods, sslProperties);
