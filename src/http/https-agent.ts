import { securityMaker } from '../connection/security.ts';
import type { StreamConnection } from '../connection/stream-connection.ts';
import { $makeFace } from '../core/internals.ts';
import type { ConnId } from '../core/listener.ts';
import type { OptionsOf } from '../core/properties.ts';
import type { SslClientContext } from '../ssl/options.ts';
import { type SslComplexProperties, sslComplexProperties } from '../ssl/properties.ts';
import { SecureConnection } from '../ssl/secure-connection.ts';
import { addMembers, SecureComplexMethods } from '../ssl/secure-methods.ts';
import { clientTls } from '../ssl/security.ts';
import { HttpAgent, type HttpAgentHooks, type HttpAgentOptions } from './http-agent.ts';

/** Options of an HTTPS agent: those of an HTTP agent, and its TLS. */
export type HttpsAgentOptions = HttpAgentOptions & OptionsOf<SslComplexProperties> & SslClientContext;

/** An HTTPS agent (HP-Socket's `HttpsAgent`): `HttpAgent` over TLS. */
export class HttpsAgent<Extra = unknown> extends HttpAgent<Extra> {
  /** @internal */
  static override readonly [securityMaker] = clientTls;

  constructor(listener: HttpAgentHooks<HttpsAgent<Extra>>, options?: HttpsAgentOptions) {
    super(listener as HttpAgentHooks<HttpAgent<Extra>>, options);
  }

  /** @internal */
  protected override [$makeFace](connection: StreamConnection): SecureConnection<Extra> {
    return new SecureConnection(this, connection);
  }
}

export interface HttpsAgent<Extra = unknown> extends SecureComplexMethods, SslComplexProperties {
  /** One connection, with its TLS; null for an unknown ID. Inside `onClose` it is still there. */
  connection(connId: ConnId): SecureConnection<Extra> | null;
}
addMembers([HttpsAgent], SecureComplexMethods, sslComplexProperties);
