import type { FetchResult } from '../core/enums.ts';
import type { ClientHooks } from '../core/listener.ts';
import { defineProperties } from '../core/properties.ts';
import {
  PackLayer,
  type PackProperties,
  PullLayer,
  type PullProperties,
  PushLayer,
  packContext,
  packProperties,
  pullContext,
  pullProperties,
  pushContext,
  readPulled,
} from '../core/receive-models.ts';
import type { SingleSocketProperties } from '../core/single-socket.ts';
import type { StreamProperties } from '../core/stream-properties.ts';
import type { PackContext } from '../receive/pack.ts';
import type { PullContext } from '../receive/pull.ts';
import type { PushContext } from '../receive/push.ts';
import type { ReceiveLayer, ReceiveSink } from '../receive/receive-layer.ts';
import { StreamClient, type StreamClientProperties } from './stream-client.ts';

/** Options of every TCP client: any of its properties. */
export type TcpClientOptions = Partial<SingleSocketProperties & StreamProperties & StreamClientProperties>;

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
export class TcpClient<Extra = unknown> extends StreamClient<Extra> {
  #context: PushContext | null = null;

  constructor(listener: ClientHooks<TcpClient<Extra>, Buffer>, options?: TcpClientOptions) {
    super(listener, options);
  }

  /** @internal */
  protected override prepareLayers(): void {
    this.#context = pushContext(this.settings);
  }

  /** @internal */
  override createLayer(sink: ReceiveSink): ReceiveLayer {
    return new PushLayer(this.#context!, sink);
  }
}

/**
 * A TCP client that holds received bytes until they are fetched (HP-Socket's `TcpPullClient`). `onReceive` gets the total
 * number of bytes held.
 */
export class TcpPullClient<Extra = unknown> extends StreamClient<Extra> {
  #context: PullContext | null = null;

  constructor(
    listener: ClientHooks<TcpPullClient<Extra>, number>,
    options?: TcpClientOptions & Partial<PullProperties>,
  ) {
    super(listener, options);
  }

  /** Takes `length` bytes, or tells why not: all or nothing (`Fetch`, PULL-C-001). The bytes are the caller's own. */
  fetch(length: number): Buffer | FetchResult {
    return readPulled(this.connection?.layer, length, false);
  }

  /** As `fetch`, and leaves the bytes where they are (`Peek`, PULL-C-002). */
  peek(length: number): Buffer | FetchResult {
    return readPulled(this.connection?.layer, length, true);
  }

  /** @internal */
  protected override prepareLayers(): void {
    this.#context = pullContext(this.settings, () => void this.host!.limits.pullBuffer++);
  }

  /** @internal */
  override createLayer(sink: ReceiveSink): ReceiveLayer {
    return new PullLayer(this.#context!, sink);
  }
}

export interface TcpPullClient<Extra = unknown> extends PullProperties {}
defineProperties(TcpPullClient.prototype, pullProperties);

/**
 * A TCP client whose messages are packages: a 4-byte header and a body, sent whole and received whole (HP-Socket's
 * `TcpPackClient`, byte for byte). `onReceive` gets one body.
 */
export class TcpPackClient<Extra = unknown> extends StreamClient<Extra> {
  #context: PackContext | null = null;

  constructor(
    listener: ClientHooks<TcpPackClient<Extra>, Buffer>,
    options?: TcpClientOptions & Partial<PackProperties>,
  ) {
    super(listener, options);
  }

  /** @internal */
  protected override prepareLayers(): void {
    this.#context = packContext(this.settings);
    this.framing = this.#context;
  }

  /** @internal */
  override createLayer(sink: ReceiveSink): ReceiveLayer {
    return new PackLayer(this.#context!, sink);
  }
}

export interface TcpPackClient<Extra = unknown> extends PackProperties {}
defineProperties(TcpPackClient.prototype, packProperties);
