import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { canWriteDirectly, DirectWriter, type StreamHandle } from './fast-io.ts';
import { endWithoutNotify } from './tls-fin.ts';

/** Milliseconds that a client has to read an answer in clear text and to end, and bytes that it may send meanwhile. */
const LINGER_MS = 1_000;
const LINGER_BYTES = 64 * 1024;
/** Milliseconds between two looks at what it has sent. */
const LOOK_MS = 25;

/** What OpenSSL calls GET, HEAD, POST, PUT (since 3.2 also PATCH), and CONNECT, in the place of a ClientHello. */
const HTTP_CODES: readonly unknown[] = ['ERR_SSL_HTTP_REQUEST', 'ERR_SSL_HTTPS_PROXY_REQUEST'];

/**
 * The end of a TLS socket of a server whose client spoke HTTP instead of TLS: it is answered in clear text. OpenSSL has sent
 * nothing then, no alert either, so the answer is the first thing that the client gets.
 *
 * ```
 *   handshake failed --> answer and FIN are sent --> the client ends, or has sent or taken too much --> destroyed
 * ```
 */
export class ClearAnswer {
  #answer: Buffer;
  /** The TCP socket below; null on the fast path, where there is only its handle. */
  #raw: Socket | null;
  #timer: NodeJS.Timeout | null = null;
  /** Destroys the socket for the reason that began it all. */
  #destroy: (() => void) | null = null;

  constructor(answer: Buffer, raw: Socket | null) {
    this.#answer = answer;
    this.#raw = raw;
  }

  /**
   * To be called when `socket` is about to be destroyed.
   * @returns Whether it is to wait until `destroy` is called.
   */
  takes(socket: TLSSocket, error: Error | undefined, destroy: () => void): boolean {
    if (!HTTP_CODES.includes((error as { code?: unknown } | undefined)?.code) || this.#destroy !== null) {
      this.#clear();
      return false;
    }
    const handle = (socket as unknown as { _handle?: { _parent?: StreamHandle & { bytesRead?: number } } })._handle;
    const parent = handle?._parent;
    if (!this.#send(socket, parent)) return false;
    this.#destroy = destroy;
    const start = parent?.bytesRead ?? 0;
    const until = performance.now() + LINGER_MS;
    this.#timer = setInterval(() => {
      if (performance.now() >= until || (parent?.bytesRead ?? 0) - start > LINGER_BYTES) this.ended();
    }, LOOK_MS);
    return true;
  }

  /** The client has ended. @returns Whether that is the end of the answer. */
  ended(): boolean {
    const destroy = this.#destroy;
    if (destroy === null) return false;
    this.#clear();
    this.#destroy = null;
    destroy();
    return true;
  }

  #send(socket: TLSSocket, parent: StreamHandle | undefined): boolean {
    if (this.#raw !== null) {
      if (!this.#raw.writable) return false;
      this.#raw.end(this.#answer);
      return true;
    }
    if (typeof parent?.writeBuffer !== 'function' || !canWriteDirectly('tcp')) return false;
    if (DirectWriter.create().write(parent, [this.#answer], { writeCompleted: () => {} }) < 0) return false;
    endWithoutNotify(socket, null);
    return true;
  }

  #clear(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }
}
