import type { FetchResult } from '../core/enums.ts';
import { $pullReader, $table, $unknownId } from '../core/internals.ts';
import type { ConnId } from '../core/listener.ts';
import type { Protocol } from '../protocol/protocol.ts';
import type { PullReader } from './pull-model.ts';

/** A pull server or agent, as these methods see it. */
interface ComplexPull {
  readonly [$pullReader]: PullReader;
  readonly [$table]: { get(connId: ConnId): { readonly protocol: Protocol } | undefined };
  [$unknownId](operation: string, connId: ConnId): false;
}

/** Methods of pull servers and agents. Never made: `addMethods` puts them into the components. */
export abstract class ComplexPullMethods {
  /**
   * Takes `length` bytes, all or nothing (`Fetch`, PULL-S-001). They are the caller's own.
   * @returns null while fewer are held, which is no failure, and for an unknown ID or a connection that became a stream.
   * @throws RangeError if `length` is no whole number above 0.
   */
  fetch(connId: ConnId, length: number): Buffer | null {
    return read(this, 'fetch', connId, length);
  }

  /** As `fetch`, and leaves the bytes where they are: what is returned is a copy (`Peek`, PULL-S-002). */
  peek(connId: ConnId, length: number): Buffer | null {
    return read(this, 'peek', connId, length);
  }

  /** HP-Socket's number of how the last `fetch` or `peek` ended (`EnFetchResult`). */
  get lastFetchResult(): FetchResult {
    return (this as unknown as ComplexPull)[$pullReader].lastResult;
  }
}

function read(component: object, operation: 'fetch' | 'peek', connId: ConnId, length: number): Buffer | null {
  const self = component as ComplexPull;
  const connection = self[$table].get(connId);
  const bytes = self[$pullReader].read(connection?.protocol, length, operation === 'peek');
  if (connection === undefined) self[$unknownId](operation, connId);
  return bytes;
}
