import { securityMaker } from '../connection/security.ts';
import type { StreamConnection } from '../connection/stream-connection.ts';
import { $makeFace } from '../core/internals.ts';
import type { OptionsOf } from '../core/properties.ts';
import type { SslClientContext } from '../ssl/options.ts';
import { type SslProperties, sslProperties } from '../ssl/properties.ts';
import { SecureConnection } from '../ssl/secure-connection.ts';
import { addMembers, SecureSingleMethods } from '../ssl/secure-methods.ts';
import { clientTls } from '../ssl/security.ts';
import { HttpClient, type HttpClientHooks, type HttpClientOptions } from './http-client.ts';

/** Options of an HTTPS client: those of an HTTP client, and its TLS. */
export type HttpsClientOptions = HttpClientOptions & OptionsOf<SslProperties> & SslClientContext;

/**
 * An HTTPS client (HP-Socket's `HttpsClient`): `HttpClient` over TLS.
 *
 * ```ts
 * const client = new HttpsClient({}, { ssl: {} });
 * await client.start('example.com', 443);
 * const response = await client.request();
 * ```
 */
export class HttpsClient<Extra = unknown> extends HttpClient<Extra> {
  /** @internal */
  static override readonly [securityMaker] = clientTls;

  constructor(listener: HttpClientHooks<HttpsClient<Extra>>, options?: HttpsClientOptions) {
    super(listener as HttpClientHooks<HttpClient<Extra>>, options);
  }

  /** @internal */
  protected override [$makeFace](connection: StreamConnection): SecureConnection<Extra> {
    return new SecureConnection(this, connection);
  }
}

export interface HttpsClient<Extra = unknown> extends SecureSingleMethods, SslProperties {
  /** The connection, with its TLS; null while there is none. Inside `onClose` it is still there. */
  get connection(): SecureConnection<Extra> | null;
}
addMembers([HttpsClient], SecureSingleMethods, sslProperties);
