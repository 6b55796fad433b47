import { securityMaker } from '../connection/security.ts';
import type { OptionsOf } from '../core/properties.ts';
import type { SslClientContext } from '../ssl/options.ts';
import { type SslComplexProperties, sslComplexProperties } from '../ssl/properties.ts';
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
}

export interface HttpsAgent<Extra = unknown> extends SecureComplexMethods, SslComplexProperties {}
addMembers([HttpsAgent], SecureComplexMethods, sslComplexProperties);
