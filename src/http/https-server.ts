import { securityMaker } from '../connection/security.ts';
import type { StreamConnection } from '../connection/stream-connection.ts';
import { $makeFace } from '../core/internals.ts';
import type { ConnId } from '../core/listener.ts';
import type { OptionsOf } from '../core/properties.ts';
import type { SSLContextOptions, SSLMemoryContextOptions, SslServerContexts } from '../ssl/options.ts';
import { type SslServerProperties, sslServerProperties } from '../ssl/properties.ts';
import { addMembers, SecureServerMethods } from '../ssl/secure-methods.ts';
import { httpServerTls } from '../ssl/security.ts';
import { SecureWebSocketConnection } from '../websocket/secure-websocket-connection.ts';
import { HttpServer, type HttpServerHooks, type HttpServerOptions } from './http-server.ts';
import { plainHttpAnswerOf } from './plain-http.ts';

/** Options of an HTTPS server: those of an HTTP server and of a TLS server. */
export type HttpsServerOptions = HttpServerOptions & OptionsOf<SslServerProperties> & SslServerContexts;

/**
 * An HTTPS server (HP-Socket's `HttpsServer`): `HttpServer` over TLS. A client that speaks HTTP in clear text gets 400, in clear
 * text, unless the rule `answersErrors` is off.
 *
 * ```ts
 * const server = new HttpsServer({ onRequest: (_server, _connId, request) => request.respond('Hello') }, {
 *   ssl: { certFile: 'server.crt', keyFile: 'server.key' },
 * });
 * await server.start('0.0.0.0', 443);
 * ```
 */
export class HttpsServer<Extra = unknown> extends HttpServer<Extra> {
  /** @internal */
  static override readonly [securityMaker] = httpServerTls(plainHttpAnswerOf);

  constructor(listener: HttpServerHooks<HttpsServer<Extra>>, options?: HttpsServerOptions) {
    super(
      listener as HttpServerHooks<HttpServer<Extra>>,
      options?.ssl === undefined ? options : ({ ...options, ssl: withAlpn(options.ssl) } as HttpsServerOptions),
    );
  }

  /** As for every TLS server; `http/1.1` is offered by ALPN unless `alpnProtocols` says otherwise. */
  setupSSLContext(options: SSLContextOptions | SSLMemoryContextOptions = {}): boolean {
    return SecureServerMethods.prototype.setupSSLContext.call(this, withAlpn(options) as SSLContextOptions);
  }

  /** @internal */
  override [$makeFace](connection: StreamConnection): SecureWebSocketConnection<Extra> {
    return new SecureWebSocketConnection(this, connection, true);
  }
}

export interface HttpsServer<Extra = unknown> extends SecureServerMethods, SslServerProperties {
  /** One connection, with its TLS; null for an unknown ID. Inside `onClose` it is still there. */
  connection(connId: ConnId): SecureWebSocketConnection<Extra> | null;
}
addMembers([HttpsServer], SecureServerMethods, sslServerProperties);

/** Contexts, the first of which offers `http/1.1` unless it offers something else. The others follow it. */
function withAlpn(ssl: unknown): unknown {
  if (Array.isArray(ssl)) return ssl.length === 0 ? ssl : [withAlpn(ssl[0]), ...ssl.slice(1)];
  if (typeof ssl !== 'object' || ssl === null || 'alpnProtocols' in ssl) return ssl;
  return { ...ssl, alpnProtocols: ['http/1.1'] };
}
