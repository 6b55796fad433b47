import { securityMaker } from '../connection/security.ts';
import { type SslServerProperties, sslServerProperties } from '../ssl/properties.ts';
import { addMembers, SecureServerMethods } from '../ssl/secure-methods.ts';
import { serverTls } from '../ssl/security.ts';
import { HttpServer, type HttpServerHooks, type HttpServerOptions } from './http-server.ts';

/** Options of an HTTPS server: those of an HTTP server and of a TLS server. */
export type HttpsServerOptions = HttpServerOptions & Partial<SslServerProperties>;

/**
 * An HTTPS server (HP-Socket's `HttpsServer`): `HttpServer` over TLS.
 *
 * ```ts
 * const server = new HttpsServer({ onRequest: (_server, _connId, request) => void request.respond('Hello') });
 * server.setupSSLContext({ certFile: 'server.crt', keyFile: 'server.key' });
 * await server.start('0.0.0.0', 443);
 * ```
 */
export class HttpsServer<Extra = unknown> extends HttpServer<Extra> {
  /** @internal */
  static override readonly [securityMaker] = serverTls;

  constructor(listener: HttpServerHooks<HttpsServer<Extra>>, options?: HttpsServerOptions) {
    super(listener as HttpServerHooks<HttpServer<Extra>>, options);
  }
}

export interface HttpsServer<Extra = unknown> extends SecureServerMethods, SslServerProperties {}
addMembers([HttpsServer], SecureServerMethods, sslServerProperties);
