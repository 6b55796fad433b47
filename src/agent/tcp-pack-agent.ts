import type { AgentHooks, ListenerOf } from '../core/listener.ts';
import { defineProperties, type OptionsOf } from '../core/properties.ts';
import { type PackProperties, packModel, packProperties } from '../stream/pack-model.ts';
import { StreamAgent } from './stream-agent.ts';
import type { TcpAgentOptions } from './tcp-agent.ts';

/** Options of a TCP pack agent: any of its properties. */
export type TcpPackAgentOptions = TcpAgentOptions & OptionsOf<PackProperties>;

/**
 * A TCP agent whose messages are packages: a 4-byte header and a body, sent whole and received whole (HP-Socket's
 * `TcpPackAgent`, byte for byte). `onReceive` gets one body.
 */
export class TcpPackAgent<Extra = unknown> extends StreamAgent<Extra> {
  constructor(listener: AgentHooks<TcpPackAgent<Extra>, Buffer> & ListenerOf<'pack'>, options?: TcpPackAgentOptions) {
    super(listener, options, packModel);
  }
}

export interface TcpPackAgent<Extra = unknown> extends PackProperties {}
defineProperties(TcpPackAgent.prototype, packProperties);
