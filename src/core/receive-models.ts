import { MAX_PACK_FLAG, MAX_PACK_SIZE, type PackContext, PackLayer } from '../receive/pack.ts';
import { type PullContext, PullLayer } from '../receive/pull.ts';
import { type PushContext, PushLayer } from '../receive/push.ts';
import type { ReceiveLayer } from '../receive/receive-layer.ts';
import { FetchResult } from './enums.ts';
import { integer, type PropertyTable } from './properties.ts';
import { sharedMemory } from './read-memory.ts';

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

export function pushContext(settings: Settings): PushContext {
  const { socketBufferSize } = settings as { socketBufferSize: number };
  // Left at HP-Socket's default, reads are not cut: nobody asked for it, and it costs.
  return { pool: sharedMemory().slabs, maxChunkBytes: socketBufferSize === 4096 ? 0 : socketBufferSize };
}

export function pullContext(settings: Settings, exceeded: () => void): PullContext {
  const { maxPullBufferBytes } = settings as unknown as PullProperties;
  return { pool: sharedMemory().slabs, maxBufferedBytes: maxPullBufferBytes, exceeded };
}

export function packContext(settings: Settings): PackContext {
  const { maxPackSize, packHeaderFlag } = settings as unknown as PackProperties;
  return { pool: sharedMemory().slabs, maxPackSize, packHeaderFlag };
}

/** `fetch` or `peek` on a connection's layer; DataNotFound if there is none (ACC-014). */
export function readPulled(layer: ReceiveLayer | undefined, length: number, isPeek: boolean): Buffer | FetchResult {
  if (!Number.isInteger(length) || length < 1)
    throw new RangeError(`length must be a whole number, 1 or more, not ${length}`);
  if (!(layer instanceof PullLayer)) return FetchResult.DataNotFound;
  return isPeek ? layer.peek(length) : layer.fetch(length);
}

export { PackLayer, PullLayer, PushLayer };
