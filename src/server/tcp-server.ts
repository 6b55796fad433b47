import type { ComplexSocketProperties } from '../core/complex-socket.ts';
import type { ListenerOf, ServerHooks } from '../core/listener.ts';
import { defineProperties, type OptionsOf } from '../core/properties.ts';
import type { Sendable } from '../memory/sendable.ts';
import { type FramingOption, type FramingProperties, framingProperties, pushModel } from '../stream/push-model.ts';
import type { StreamProperties } from '../stream/stream-properties.ts';
import { StreamServer, type StreamServerProperties } from './stream-server.ts';

/** Options of every TCP server: any of its properties. */
export type TcpServerOptions = OptionsOf<ComplexSocketProperties & StreamProperties & StreamServerProperties>;

/**
 * A TCP server that hands on bytes as they arrive (HP-Socket's `TcpServer`).
 *
 * ```ts
 * const echo = new TcpServer({
 *   onReceive(server, connId, data) { server.send(connId, data); },
 * });
 * const { port } = await echo.start('127.0.0.1', 0);
 * ```
 */
export class TcpServer<Extra = unknown, Data = Buffer, Message = Sendable> extends StreamServer<Extra, Message> {
  constructor(
    listener: ServerHooks<TcpServer<Extra, Data, Message>, Data> & ListenerOf<'push'>,
    options?: TcpServerOptions & FramingOption<Data, Message>,
  ) {
    super(listener, options, pushModel);
  }
}

export interface TcpServer<Extra = unknown, Data = Buffer, Message = Sendable>
  extends FramingProperties<Data, Message> {}
defineProperties(TcpServer.prototype, framingProperties);
