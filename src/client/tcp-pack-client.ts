import type { ClientHooks, ListenerOf } from '../core/listener.ts';
import { defineProperties, type OptionsOf } from '../core/properties.ts';
import { type PackProperties, packModel, packProperties } from '../stream/pack-model.ts';
import { StreamClient } from './stream-client.ts';
import type { TcpClientOptions } from './tcp-client.ts';

/** Options of a TCP pack client: any of its properties. */
export type TcpPackClientOptions = TcpClientOptions & OptionsOf<PackProperties>;

/**
 * A TCP client whose messages are packages: a 4-byte header and a body, sent whole and received whole (HP-Socket's
 * `TcpPackClient`, byte for byte). `onReceive` gets one body.
 */
export class TcpPackClient<Extra = unknown> extends StreamClient<Extra> {
  constructor(
    listener: ClientHooks<TcpPackClient<Extra>, Buffer> & ListenerOf<'pack'>,
    options?: TcpPackClientOptions,
  ) {
    super(listener, options, packModel);
  }
}

export interface TcpPackClient<Extra = unknown> extends PackProperties {}
defineProperties(TcpPackClient.prototype, packProperties);
