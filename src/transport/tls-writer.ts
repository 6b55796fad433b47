import type { Socket } from 'node:net';
import {
  asyncIdOf,
  brokenPipe,
  type DirectWriteOwner,
  directHandle,
  requestConstructor,
  type StreamHandle,
  type WriteRequest,
  writeThrew,
} from './fast-io.ts';

/** A write of so many bytes is worth a callback when it is done; what is smaller is looked at when it matters. */
const WATCH_BYTES = 16_384;

/**
 * Writes to the handle of a TLS socket.
 *
 * That encrypts what it is given at once, so that the bytes can be given up; but it never completes at once, even if the
 * system took everything, and it bears only one write at a time. Its callback, a turn later, costs a sixth of a small
 * message's CPU and has mostly nothing to tell. So small writes have none: the request shows by its async ID, which is -1
 * again, that it is done and can serve again. Only when its end is awaited (`watch`), it gets a callback.
 */
export class TlsWriter {
  #handle: StreamHandle;
  #request: WriteRequest | null = null;
  #bytes = 0;
  #isWatched = false;

  private constructor(handle: StreamHandle) {
    this.#handle = handle;
  }

  /** A writer for `socket`, or null if it is not a TLS socket, or not one that this Node lets be written to so. */
  static of(socket: Socket): TlsWriter | null {
    const handle = directHandle(socket);
    return handle === null ? null : TlsWriter.unproven(socket, handle);
  }

  /** The same for the proof: `handle` may be no more than look right. */
  static unproven(socket: Socket, handle: StreamHandle): TlsWriter | null {
    const isTls = (socket as { encrypted?: boolean }).encrypted === true;
    return isTls && requestConstructor() !== null ? new TlsWriter(handle) : null;
  }

  /** Bytes that may not be with the system yet. */
  get pendingBytes(): number {
    return this.isBusy ? this.#bytes : 0;
  }

  /** Whether a write is under way, so that none may begin. */
  get isBusy(): boolean {
    if (this.#bytes === 0) return false;
    if (this.#isWatched || asyncIdOf(this.#request!) !== -1) return true;
    this.#bytes = 0;
    return false;
  }

  /** Takes `chunks`. Returns 0, or libuv's error as a negative number. */
  write(chunks: Uint8Array[], owner: DirectWriteOwner): number {
    let request = this.#request;
    if (request === null) {
      request = new (requestConstructor()!)();
      request.async = false;
      this.#request = request;
    }
    request.handle = this.#handle;
    const first = chunks[0]!;
    let status: unknown;
    try {
      status =
        chunks.length === 1 ? this.#handle.writeBuffer(request, first) : this.#handle.writev(request, chunks, true);
    } catch {
      status = writeThrew();
    }
    if (status !== 0) {
      this.#request = null;
      return status as number;
    }
    // A write never completes at once, unless the system refused it: the peer is gone. After that, none ever completes.
    if (asyncIdOf(request) === -1) return brokenPipe();
    let bytes = first.length;
    for (let i = 1; i < chunks.length; i++) bytes += chunks[i]!.length;
    this.#bytes = bytes;
    if (bytes > WATCH_BYTES) this.watch(owner);
    return 0;
  }

  /** Tells `owner` when the write under way is done. */
  watch(owner: DirectWriteOwner): void {
    if (this.#isWatched || !this.isBusy) return;
    this.#isWatched = true;
    this.#request!.oncomplete = (status) => {
      // A request with a callback is not used again: it is still bound to its write while that runs.
      this.#request = null;
      this.#isWatched = false;
      this.#bytes = 0;
      owner.writeCompleted(status);
    };
  }
}
