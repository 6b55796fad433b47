import type { ComplexSocketProperties } from '../core/complex-socket.ts';
import type { FetchResult } from '../core/enums.ts';
import type { AgentHooks, ConnId } from '../core/listener.ts';
import { defineProperties } from '../core/properties.ts';
import {
  type PackProperties,
  type PullProperties,
  packModel,
  packProperties,
  pullModel,
  pullProperties,
  pushModel,
  readPulled,
} from '../stream/protocol-models.ts';
import type { StreamProperties } from '../stream/stream-properties.ts';
import { StreamAgent, type StreamAgentProperties } from './stream-agent.ts';

/** Options of every TCP agent: any of its properties. */
export type TcpAgentOptions = Partial<ComplexSocketProperties & StreamProperties & StreamAgentProperties>;

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
export class TcpAgent<Extra = unknown> extends StreamAgent<Extra> {
  constructor(listener: AgentHooks<TcpAgent<Extra>, Buffer>, options?: TcpAgentOptions) {
    super(listener, options, pushModel);
  }
}

/**
 * A TCP agent that holds received bytes until they are fetched (HP-Socket's `TcpPullAgent`). `onReceive` gets the total
 * number of bytes held.
 */
export class TcpPullAgent<Extra = unknown> extends StreamAgent<Extra> {
  constructor(listener: AgentHooks<TcpPullAgent<Extra>, number>, options?: TcpAgentOptions & Partial<PullProperties>) {
    super(listener, options, pullModel);
  }

  /** Takes `length` bytes, or tells why not: all or nothing (`Fetch`, PULL-S-001). The bytes are the caller's own. */
  fetch(connId: ConnId, length: number): Buffer | FetchResult {
    return readPulled(this.table.get(connId)?.protocol, length, false);
  }

  /** As `fetch`, and leaves the bytes where they are (`Peek`, PULL-S-002). */
  peek(connId: ConnId, length: number): Buffer | FetchResult {
    return readPulled(this.table.get(connId)?.protocol, length, true);
  }
}

export interface TcpPullAgent<Extra = unknown> extends PullProperties {}
defineProperties(TcpPullAgent.prototype, pullProperties);

/**
 * A TCP agent whose messages are packages: a 4-byte header and a body, sent whole and received whole (HP-Socket's
 * `TcpPackAgent`, byte for byte). `onReceive` gets one body.
 */
export class TcpPackAgent<Extra = unknown> extends StreamAgent<Extra> {
  constructor(listener: AgentHooks<TcpPackAgent<Extra>, Buffer>, options?: TcpAgentOptions & Partial<PackProperties>) {
    super(listener, options, packModel);
  }
}

export interface TcpPackAgent<Extra = unknown> extends PackProperties {}
defineProperties(TcpPackAgent.prototype, packProperties);
