import { addMethods } from '../core/add-methods.ts';
import { $pullReader } from '../core/internals.ts';
import type { ListenerOf, ServerHooks } from '../core/listener.ts';
import { defineProperties, type OptionsOf } from '../core/properties.ts';
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
}

export interface TcpPullServer<Extra = unknown> extends PullProperties, ComplexPullMethods {}
defineProperties(TcpPullServer.prototype, pullProperties);
addMethods([TcpPullServer], ComplexPullMethods);
