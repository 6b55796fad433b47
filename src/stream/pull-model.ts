import { describe } from '../core/describe.ts';
import { FetchResult } from '../core/enums.ts';
import { integer, type TableOf } from '../core/properties.ts';
import { sharedMemory } from '../memory/read-memory.ts';
import type { Protocol } from '../protocol/protocol.ts';
import { type PullContext, PullProtocol } from '../protocol/pull.ts';
import type { ProtocolModel } from './protocol-models.ts';

/** Properties of pull components. */
export interface PullProperties {
  /** Most bytes that may wait to be fetched on one connection; more close it (ENOBUFS). 0 for no limit. Default 16 MiB. */
  maxPullBufferBytes: number;
}

export const pullProperties = { maxPullBufferBytes: integer(16 * 1024 * 1024, 0) } satisfies TableOf<PullProperties>;

export const pullModel: ProtocolModel = ({ settings, limits }) => {
  const { maxPullBufferBytes } = settings as unknown as PullProperties;
  const exceeded = (): void => {
    const counters = limits();
    if (counters !== undefined) counters.pullBuffer++;
  };
  const context: PullContext = { pool: sharedMemory().slabs, maxBufferedBytes: maxPullBufferBytes, exceeded };
  return (port) => new PullProtocol(context, port);
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
