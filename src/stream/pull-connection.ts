import { TcpConnection } from '../connection/tcp-connection.ts';
import { $component, $link, $pullReader } from '../core/internals.ts';
import type { PullReader } from './pull-model.ts';

/** One connection of a pull component: what there is for every TCP connection, and the bytes that wait to be fetched. */
export class PullConnection<Extra = unknown> extends TcpConnection<Extra> {
  /**
   * Takes `length` bytes, all or nothing (`Fetch`, PULL-S-001, PULL-C-001). They are the caller's own. What is held when the
   * connection closes may still be fetched.
   * @returns null while fewer are held, which is no failure, and if the connection became a stream; the component's
   *   `lastFetchResult` tells.
   * @throws RangeError if `length` is no whole number above 0.
   */
  fetch(length: number): Buffer | null {
    return readerOf(this[$component]).read(this[$link].protocol, length, false);
  }

  /** As `fetch`, and leaves the bytes where they are: what is returned is a copy (`Peek`, PULL-S-002, PULL-C-002). */
  peek(length: number): Buffer | null {
    return readerOf(this[$component]).read(this[$link].protocol, length, true);
  }
}

const readerOf = (component: object): PullReader => (component as { readonly [$pullReader]: PullReader })[$pullReader];
