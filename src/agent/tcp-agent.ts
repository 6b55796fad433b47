import type { ComplexSocketProperties } from '../core/complex-socket.ts';
import type { AgentHooks, ListenerOf } from '../core/listener.ts';
import { defineProperties, type OptionsOf } from '../core/properties.ts';
import type { Sendable } from '../memory/sendable.ts';
import { type FramingOption, type FramingProperties, framingProperties, pushModel } from '../stream/push-model.ts';
import type { StreamProperties } from '../stream/stream-properties.ts';
import { StreamAgent, type StreamAgentProperties } from './stream-agent.ts';

/** Options of every TCP agent: any of its properties. */
export type TcpAgentOptions = OptionsOf<ComplexSocketProperties & StreamProperties & StreamAgentProperties>;

/**
 * A TCP agent, many outgoing connections in one object, that hands on bytes as they arrive (HP-Socket's `TcpAgent`).
 *
 * ```ts
 * const agent = new TcpAgent({
 *   onReceive(agent, connId, data) { console.log(connId, data.toString()); },
 * });
 * await agent.start();
 * const connId = await agent.connect('127.0.0.1', 5555);
 * agent.send(connId, 'hello');
 * ```
 */
export class TcpAgent<Extra = unknown, Data = Buffer, Message = Sendable> extends StreamAgent<Extra, Message> {
  constructor(
    listener: AgentHooks<TcpAgent<Extra, Data, Message>, Data> & ListenerOf<'push'>,
    options?: TcpAgentOptions & FramingOption<Data, Message>,
  ) {
    super(listener, options, pushModel);
  }
}

export interface TcpAgent<Extra = unknown, Data = Buffer, Message = Sendable>
  extends FramingProperties<Data, Message> {}
defineProperties(TcpAgent.prototype, framingProperties);
