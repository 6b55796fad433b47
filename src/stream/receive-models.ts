import type { PackFraming } from '../connection/send.ts';
import { FetchResult } from '../core/enums.ts';
import { integer, type PropertyTable } from '../core/properties.ts';
import type { LimitCounters } from '../core/stats.ts';
import { sharedMemory } from '../memory/read-memory.ts';
import { MAX_PACK_FLAG, MAX_PACK_SIZE, type PackContext, PackLayer } from '../protocol/pack.ts';
import type { ReceiveLayer, ReceiveSink } from '../protocol/protocol.ts';
import { type PullContext, PullLayer } from '../protocol/pull.ts';
import { type PushContext, PushLayer } from '../protocol/push.ts';

/** Properties of pack components. */
export interface PackProperties {
  /** Largest body of a package, sent or received, 1 to 4,194,303 bytes (PACK-S-001). Default 262,144. */
  maxPackSize: number;
  /** Mark in the header of each package, 0 to 1023; received ones are checked unless this is 0 (PACK-S-003). Default 0. */
  packHeaderFlag: number;
}

export const packProperties: PropertyTable = {
  maxPackSize: integer(0x40000, 1, MAX_PACK_SIZE),
  packHeaderFlag: integer(0, 0, MAX_PACK_FLAG),
};

/** Properties of pull components. */
export interface PullProperties {
  /** Most bytes that may wait to be fetched on one connection; more close it (ENOBUFS). 0 for no limit. Default 16 MiB. */
  maxPullBufferBytes: number;
}

export const pullProperties: PropertyTable = { maxPullBufferBytes: integer(16 * 1024 * 1024, 0) };

/** Values of properties as a component stores them. */
type Settings = Readonly<Record<string, unknown>>;

/** How one run of a component receives, and frames what it sends. */
export interface ReceiveRun {
  createLayer(sink: ReceiveSink): ReceiveLayer;
  /** Null unless sends are packages. */
  readonly framing: PackFraming | null;
}

/** A receive model: fixed by the class of a component, given its settings by each start. */
export type ReceiveModel = (settings: Settings, limits: () => LimitCounters | undefined) => ReceiveRun;

export const pushModel: ReceiveModel = (settings) => {
  const { socketBufferSize } = settings as { socketBufferSize: number };
  // Left at HP-Socket's default, reads are not cut: nobody asked for it, and it costs.
  const context: PushContext = {
    pool: sharedMemory().slabs,
    maxChunkBytes: socketBufferSize === 4096 ? 0 : socketBufferSize,
  };
  return { createLayer: (sink) => new PushLayer(context, sink), framing: null };
};

export const pullModel: ReceiveModel = (settings, limits) => {
  const { maxPullBufferBytes } = settings as unknown as PullProperties;
  const exceeded = (): void => {
    const counters = limits();
    if (counters !== undefined) counters.pullBuffer++;
  };
  const context: PullContext = { pool: sharedMemory().slabs, maxBufferedBytes: maxPullBufferBytes, exceeded };
  return { createLayer: (sink) => new PullLayer(context, sink), framing: null };
};

export const packModel: ReceiveModel = (settings) => {
  const { maxPackSize, packHeaderFlag } = settings as unknown as PackProperties;
  const context: PackContext = { pool: sharedMemory().slabs, maxPackSize, packHeaderFlag };
  return { createLayer: (sink) => new PackLayer(context, sink), framing: context };
};

/** `fetch` or `peek` on a connection's layer; DataNotFound if there is none (ACC-014). */
export function readPulled(layer: ReceiveLayer | undefined, length: number, isPeek: boolean): Buffer | FetchResult {
  if (!Number.isInteger(length) || length < 1)
    throw new RangeError(`length must be a whole number, 1 or more, not ${length}`);
  if (!(layer instanceof PullLayer)) return FetchResult.DataNotFound;
  return isPeek ? layer.peek(length) : layer.fetch(length);
}
