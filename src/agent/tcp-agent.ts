import type { ComplexSocketProperties } from '../core/complex-socket.ts';
import type { FetchResult } from '../core/enums.ts';
import { $table, $unknownId } from '../core/internals.ts';
import type { AgentHooks, ConnId, ListenerOf } from '../core/listener.ts';
import { defineProperties, type OptionsOf } from '../core/properties.ts';
import type { Sendable } from '../memory/sendable.ts';
import {
  type FramingOption,
  type FramingProperties,
  framingProperties,
  type PackProperties,
  type PullProperties,
  PullReader,
  packModel,
  packProperties,
  pullModel,
  pullProperties,
  pushModel,
} from '../stream/protocol-models.ts';
import type { StreamProperties } from '../stream/stream-properties.ts';
import { StreamAgent, type StreamAgentProperties } from './stream-agent.ts';

/** Options of every TCP agent: any of its properties. */
export type TcpAgentOptions = OptionsOf<ComplexSocketProperties & StreamProperties & StreamAgentProperties>;

/** Options of a TCP pull agent: any of its properties. */
export type TcpPullAgentOptions = TcpAgentOptions & OptionsOf<PullProperties>;

/** Options of a TCP pack agent: any of its properties. */
export type TcpPackAgentOptions = TcpAgentOptions & OptionsOf<PackProperties>;

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

/**
 * A TCP agent that holds received bytes until they are fetched (HP-Socket's `TcpPullAgent`). `onReceive` gets the total
 * number of bytes held.
 */
export class TcpPullAgent<Extra = unknown> extends StreamAgent<Extra> {
  constructor(listener: AgentHooks<TcpPullAgent<Extra>, number> & ListenerOf<'pull'>, options?: TcpPullAgentOptions) {
    super(listener, options, pullModel);
  }

  readonly #reader = new PullReader();

  /**
   * Takes `length` bytes, all or nothing (`Fetch`, PULL-S-001). They are the caller's own.
   * @returns null while fewer are held, which is no failure, and for an unknown ID or a connection that became a stream.
   * @throws RangeError if `length` is no whole number above 0.
   */
  fetch(connId: ConnId, length: number): Buffer | null {
    return this.#read('fetch', connId, length);
  }

  /** As `fetch`, and leaves the bytes where they are: what is returned is a copy (`Peek`, PULL-S-002). */
  peek(connId: ConnId, length: number): Buffer | null {
    return this.#read('peek', connId, length);
  }

  /** HP-Socket's number of how the last `fetch` or `peek` ended (`EnFetchResult`). */
  get lastFetchResult(): FetchResult {
    return this.#reader.lastResult;
  }

  #read(operation: 'fetch' | 'peek', connId: ConnId, length: number): Buffer | null {
    const connection = this[$table].get(connId);
    const bytes = this.#reader.read(connection?.protocol, length, operation === 'peek');
    if (connection === undefined) this[$unknownId](operation, connId);
    return bytes;
  }
}

export interface TcpPullAgent<Extra = unknown> extends PullProperties {}
defineProperties(TcpPullAgent.prototype, pullProperties);

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
