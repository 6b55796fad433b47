import type { ListenerOf, ServerHooks } from '../core/listener.ts';
import { defineProperties, type OptionsOf } from '../core/properties.ts';
import { type PackProperties, packModel, packProperties } from '../stream/pack-model.ts';
import { StreamServer } from './stream-server.ts';
import type { TcpServerOptions } from './tcp-server.ts';

/** Options of a TCP pack server: any of its properties. */
export type TcpPackServerOptions = TcpServerOptions & OptionsOf<PackProperties>;

/**
 * A TCP server whose messages are packages: a 4-byte header and a body, sent whole and received whole (HP-Socket's
 * `TcpPackServer`, byte for byte). `onReceive` gets one body.
 */
export class TcpPackServer<Extra = unknown> extends StreamServer<Extra> {
  constructor(
    listener: ServerHooks<TcpPackServer<Extra>, Buffer> & ListenerOf<'pack'>,
    options?: TcpPackServerOptions,
  ) {
    super(listener, options, packModel);
  }
}

export interface TcpPackServer<Extra = unknown> extends PackProperties {}
defineProperties(TcpPackServer.prototype, packProperties);
