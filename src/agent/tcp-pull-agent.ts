import type { StreamConnection } from '../connection/stream-connection.ts';
import { addMethods } from '../core/add-methods.ts';
import { $makeFace, $pullReader } from '../core/internals.ts';
import type { AgentHooks, ConnId, ListenerOf } from '../core/listener.ts';
import { defineProperties, type OptionsOf } from '../core/properties.ts';
import { PullConnection } from '../stream/pull-connection.ts';
import { ComplexPullMethods } from '../stream/pull-methods.ts';
import { type PullProperties, PullReader, pullModel, pullProperties } from '../stream/pull-model.ts';
import { StreamAgent } from './stream-agent.ts';
import type { TcpAgentOptions } from './tcp-agent.ts';

/** Options of a TCP pull agent: any of its properties. */
export type TcpPullAgentOptions = TcpAgentOptions & OptionsOf<PullProperties>;

/**
 * A TCP agent that holds received bytes until they are fetched (HP-Socket's `TcpPullAgent`). `onReceive` gets the total
 * number of bytes held.
 */
export class TcpPullAgent<Extra = unknown> extends StreamAgent<Extra> {
  constructor(listener: AgentHooks<TcpPullAgent<Extra>, number> & ListenerOf<'pull'>, options?: TcpPullAgentOptions) {
    super(listener, options, pullModel);
  }

  /** @internal */
  protected readonly [$pullReader] = new PullReader();

  /** @internal */
  protected override [$makeFace](connection: StreamConnection): PullConnection<Extra> {
    return new PullConnection(this, connection);
  }
}

export interface TcpPullAgent<Extra = unknown> extends PullProperties, ComplexPullMethods {
  /** One connection, with `fetch` and `peek`; null for an unknown ID. Inside `onClose` it is still there. */
  connection(connId: ConnId): PullConnection<Extra> | null;
}
defineProperties(TcpPullAgent.prototype, pullProperties);
addMethods([TcpPullAgent], ComplexPullMethods);
