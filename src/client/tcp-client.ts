import type { ClientHooks, ListenerOf } from '../core/listener.ts';
import { defineProperties, type OptionsOf } from '../core/properties.ts';
import type { SingleSocketProperties } from '../core/single-socket.ts';
import type { Sendable } from '../memory/sendable.ts';
import { type FramingOption, type FramingProperties, framingProperties, pushModel } from '../stream/push-model.ts';
import type { StreamProperties } from '../stream/stream-properties.ts';
import { StreamClient, type StreamClientProperties } from './stream-client.ts';

/** Options of every TCP client: any of its properties. */
export type TcpClientOptions = OptionsOf<SingleSocketProperties & StreamProperties & StreamClientProperties>;

/**
 * A TCP client that hands on bytes as they arrive (HP-Socket's `TcpClient`).
 *
 * ```ts
 * const client = new TcpClient({
 *   onReceive(client, connId, data) { console.log(data.toString()); },
 * });
 * await client.start('127.0.0.1', 5555);
 * client.send('hello');
 * ```
 */
export class TcpClient<Extra = unknown, Data = Buffer, Message = Sendable> extends StreamClient<Extra, Message> {
  constructor(
    listener: ClientHooks<TcpClient<Extra, Data, Message>, Data> & ListenerOf<'push'>,
    options?: TcpClientOptions & FramingOption<Data, Message>,
  ) {
    super(listener, options, pushModel);
  }
}

export interface TcpClient<Extra = unknown, Data = Buffer, Message = Sendable>
  extends FramingProperties<Data, Message> {}
defineProperties(TcpClient.prototype, framingProperties);
