import { TcpAgent, type TcpAgentOptions } from '../agent/tcp-agent.ts';
import { TcpPackAgent } from '../agent/tcp-pack-agent.ts';
import { TcpPullAgent } from '../agent/tcp-pull-agent.ts';
import { securityMaker } from '../connection/security.ts';
import type { StreamConnection } from '../connection/stream-connection.ts';
import { $makeFace } from '../core/internals.ts';
import type { AgentHooks, ConnId, ListenerOf } from '../core/listener.ts';
import type { OptionsOf } from '../core/properties.ts';
import type { Sendable } from '../memory/sendable.ts';
import type { PackProperties } from '../stream/pack-model.ts';
import type { PullProperties } from '../stream/pull-model.ts';
import type { FramingOption } from '../stream/push-model.ts';
import type { SslClientContext } from './options.ts';
import { type SslComplexProperties, sslComplexProperties } from './properties.ts';
import { SecureConnection, SecurePullConnection } from './secure-connection.ts';
import { addMembers, SecureComplexMethods } from './secure-methods.ts';
import { clientTls } from './security.ts';

/** Options of every SSL agent: any of its properties, and its TLS. */
export type SslAgentOptions = TcpAgentOptions & OptionsOf<SslComplexProperties> & SslClientContext;

/** Options of an SSL pull agent: any of its properties, and its TLS. */
export type SslPullAgentOptions = SslAgentOptions & OptionsOf<PullProperties>;

/** Options of an SSL pack agent: any of its properties, and its TLS. */
export type SslPackAgentOptions = SslAgentOptions & OptionsOf<PackProperties>;

/**
 * A TLS agent that hands on bytes as they arrive (HP-Socket's `SSLAgent`): everything of `TcpAgent`, over TLS.
 *
 * ```ts
 * const agent = new SslAgent({
 *   onReceive(agent, connId, data) { console.log(connId, data.toString()); },
 * }, { ssl: {} });
 * await agent.start();
 * const connId = await agent.connect('example.com', 5555);
 * agent.send(connId, 'hello');
 * ```
 */
export class SslAgent<Extra = unknown, Data = Buffer, Message = Sendable> extends TcpAgent<Extra, Data, Message> {
  /** @internal */
  static override readonly [securityMaker] = clientTls;

  constructor(
    listener: AgentHooks<SslAgent<Extra, Data, Message>, Data> & ListenerOf<'push'>,
    options?: SslAgentOptions & FramingOption<Data, Message>,
  ) {
    super(listener as AgentHooks<TcpAgent<Extra, Data, Message>, Data>, options);
  }

  /** @internal */
  protected override [$makeFace](connection: StreamConnection): SecureConnection<Extra, Message> {
    return new SecureConnection(this, connection);
  }
}

/** A TLS agent that holds received bytes until they are fetched (HP-Socket's `SSLPullAgent`): `TcpPullAgent` over TLS. */
export class SslPullAgent<Extra = unknown> extends TcpPullAgent<Extra> {
  /** @internal */
  static override readonly [securityMaker] = clientTls;

  constructor(listener: AgentHooks<SslPullAgent<Extra>, number> & ListenerOf<'pull'>, options?: SslPullAgentOptions) {
    super(listener as AgentHooks<TcpPullAgent<Extra>, number>, options);
  }

  /** @internal */
  protected override [$makeFace](connection: StreamConnection): SecurePullConnection<Extra> {
    return new SecurePullConnection(this, connection);
  }
}

/** A TLS agent whose messages are packages (HP-Socket's `SSLPackAgent`): `TcpPackAgent` over TLS. */
export class SslPackAgent<Extra = unknown> extends TcpPackAgent<Extra> {
  /** @internal */
  static override readonly [securityMaker] = clientTls;

  constructor(listener: AgentHooks<SslPackAgent<Extra>, Buffer> & ListenerOf<'pack'>, options?: SslPackAgentOptions) {
    super(listener as AgentHooks<TcpPackAgent<Extra>, Buffer>, options);
  }

  /** @internal */
  protected override [$makeFace](connection: StreamConnection): SecureConnection<Extra> {
    return new SecureConnection(this, connection);
  }
}

export interface SslAgent<Extra = unknown, Data = Buffer, Message = Sendable>
  extends SecureComplexMethods,
    SslComplexProperties {
  /** One connection, with its TLS; null for an unknown ID. Inside `onClose` it is still there. */
  connection(connId: ConnId): SecureConnection<Extra, Message> | null;
}
export interface SslPullAgent<Extra = unknown> extends SecureComplexMethods, SslComplexProperties {
  /** One connection, with its TLS; null for an unknown ID. Inside `onClose` it is still there. */
  connection(connId: ConnId): SecurePullConnection<Extra> | null;
}
export interface SslPackAgent<Extra = unknown> extends SecureComplexMethods, SslComplexProperties {
  /** One connection, with its TLS; null for an unknown ID. Inside `onClose` it is still there. */
  connection(connId: ConnId): SecureConnection<Extra> | null;
}
addMembers([SslAgent, SslPullAgent, SslPackAgent], SecureComplexMethods, sslComplexProperties);
