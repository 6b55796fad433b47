import type { StreamConnection } from '../connection/stream-connection.ts';
import { addMethods } from '../core/add-methods.ts';
import { $makeFace, $pullReader } from '../core/internals.ts';
import type { ConnId, ListenerOf, ServerHooks } from '../core/listener.ts';
import { defineProperties, type OptionsOf } from '../core/properties.ts';
import { PullConnection } from '../stream/pull-connection.ts';
import { ComplexPullMethods } from '../stream/pull-methods.ts';
import { type PullProperties, PullReader, pullModel, pullProperties } from '../stream/pull-model.ts';
import { StreamServer } from './stream-server.ts';
import type { TcpServerOptions } from './tcp-server.ts';

/** Options of a TCP pull server: any of its properties. */
export type TcpPullServerOptions = TcpServerOptions & OptionsOf<PullProperties>;

/**
 * A TCP server that holds received bytes until they are fetched (HP-Socket's `TcpPullServer`). `onReceive` gets the total
 * number of bytes held.
 */
export class TcpPullServer<Extra = unknown> extends StreamServer<Extra> {
  constructor(
    listener: ServerHooks<TcpPullServer<Extra>, number> & ListenerOf<'pull'>,
    options?: TcpPullServerOptions,
  ) {
    super(listener, options, pullModel);
  }

  /** @internal */
  protected readonly [$pullReader] = new PullReader();

  /** @internal */
  protected override [$makeFace](connection: StreamConnection): PullConnection<Extra> {
    return new PullConnection(this, connection);
  }
}

export interface TcpPullServer<Extra = unknown> extends PullProperties, ComplexPullMethods {
  /** One connection, with `fetch` and `peek`; null for an unknown ID. Inside `onClose` it is still there. */
  connection(connId: ConnId): PullConnection<Extra> | null;
}
defineProperties(TcpPullServer.prototype, pullProperties);
addMethods([TcpPullServer], ComplexPullMethods);
