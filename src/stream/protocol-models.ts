import type { Component } from '../core/component.ts';
import { describe } from '../core/describe.ts';
import { FetchResult } from '../core/enums.ts';
import { custom, integer, type OptionsOf, type TableOf } from '../core/properties.ts';
import type { LimitCounters } from '../core/stats.ts';
import { sharedMemory } from '../memory/read-memory.ts';
import type { Sendable } from '../memory/sendable.ts';
import { framedProtocols } from '../protocol/framers/framed.ts';
import { Framer } from '../protocol/framers/framer.ts';
import { MAX_PACK_FLAG, MAX_PACK_SIZE, type PackContext, PackProtocol } from '../protocol/pack.ts';
import type { Port, Protocol } from '../protocol/protocol.ts';
import { type PullContext, PullProtocol } from '../protocol/pull.ts';
import { type PushContext, PushProtocol } from '../protocol/push.ts';

/** Properties of pack components. */
export interface PackProperties {
  /** Largest body of a package, sent or received, 1 to 4,194,303 bytes (PACK-S-001). Default 262,144. */
  maxPackSize: number;
  /** Mark in the header of each package, 0 to 1023; received ones are checked unless this is 0 (PACK-S-003). Default 0. */
  packHeaderFlag: number;
}

export const packProperties = {
  maxPackSize: integer(0x40000, 1, MAX_PACK_SIZE),
  packHeaderFlag: integer(0, 0, MAX_PACK_FLAG),
} satisfies TableOf<PackProperties>;

/** Properties of pull components. */
export interface PullProperties {
  /** Most bytes that may wait to be fetched on one connection; more close it (ENOBUFS). 0 for no limit. Default 16 MiB. */
  maxPullBufferBytes: number;
}

export const pullProperties = { maxPullBufferBytes: integer(16 * 1024 * 1024, 0) } satisfies TableOf<PullProperties>;

/** Properties of push components. */
export interface FramingProperties<Data = Buffer, Message = Sendable> {
  /**
   * Where messages begin and end: every whole message is one `onReceive`, and `send` frames. Null, the default: bytes as they
   * arrive. `createStream` gives raw bytes where the framing makes something else of them.
   */
  framing: Framer<Data, Message> | null;
}

/** The option `framing` of a push component. */
export type FramingOption<Data, Message> = OptionsOf<FramingProperties<Data, Message>>;

export const framingProperties = {
  framing: custom(null, (name, value) => {
    if (value === null || value instanceof Framer) return;
    throw new TypeError(
      `${name} must be a framing, such as lines() or lengthField({ ... }) make it, not ${describe(value)}`,
    );
  }),
} satisfies TableOf<FramingProperties>;

/** Values of properties as a component stores them. */
type Settings = Readonly<Record<string, unknown>>;

/** Makes the protocol of a new connection. */
export type ProtocolFactory = (port: Port) => Protocol;

/** What a protocol model gets when a component starts. */
export interface ProtocolModelInit {
  /** Values of the component's properties. */
  readonly settings: Settings;
  /** Counters of the present run. */
  readonly limits: () => LimitCounters | undefined;
  /** The listener, for protocols with hooks of their own. */
  readonly listener: object;
  /** What those hooks get as their sender. */
  readonly component: Component;
}

/** Which protocol the connections of a component speak: fixed by its class, given its settings by each start. */
export interface ProtocolModel {
  (init: ProtocolModelInit): ProtocolFactory;
  /** Names of the hooks that it calls beside those of all components. */
  readonly hooks?: readonly string[];
}

export const pushModel: ProtocolModel = ({ settings }) => {
  const { socketBufferSize, framing = null } = settings as {
    socketBufferSize: number;
    framing?: Framer<unknown, unknown> | null;
  };
  if (framing !== null) return framedProtocols(sharedMemory().slabs, framing);
  // Left at HP-Socket's default, reads are not cut: nobody asked for it, and it costs.
  const context: PushContext = {
    pool: sharedMemory().slabs,
    maxChunkBytes: socketBufferSize === 4096 ? 0 : socketBufferSize,
  };
  return (port) => new PushProtocol(context, port);
};

export const pullModel: ProtocolModel = ({ settings, limits }) => {
  const { maxPullBufferBytes } = settings as unknown as PullProperties;
  const exceeded = (): void => {
    const counters = limits();
    if (counters !== undefined) counters.pullBuffer++;
  };
  const context: PullContext = { pool: sharedMemory().slabs, maxBufferedBytes: maxPullBufferBytes, exceeded };
  return (port) => new PullProtocol(context, port);
};

export const packModel: ProtocolModel = ({ settings }) => {
  const { maxPackSize, packHeaderFlag } = settings as unknown as PackProperties;
  const context: PackContext = { pool: sharedMemory().slabs, maxPackSize, packHeaderFlag };
  return (port) => new PackProtocol(context, port);
};

/** How the pull components of all roles fetch and peek. */
export class PullReader {
  /** How the last call ended. */
  lastResult: FetchResult = FetchResult.Ok;

  /**
   * `fetch` or `peek` on a connection.
   * @returns null if fewer bytes are held, or it is no pull connection, or no longer since it became a stream (ACC-014).
   */
  read(protocol: Protocol | undefined, length: number, isPeek: boolean): Buffer | null {
    if (!Number.isInteger(length) || length < 1)
      throw new RangeError(`length must be a whole number, 1 or more, not ${describe(length)}`);
    if (!isFetchable(protocol)) {
      this.lastResult = FetchResult.DataNotFound;
      return null;
    }
    const bytes = isPeek ? protocol.peek(length) : protocol.fetch(length);
    this.lastResult = bytes === null ? FetchResult.LengthTooLong : FetchResult.Ok;
    return bytes;
  }
}

function isFetchable(protocol: Protocol | undefined): protocol is Protocol & Pick<PullProtocol, 'fetch' | 'peek'> {
  return typeof (protocol as Partial<PullProtocol> | undefined)?.fetch === 'function';
}
