import { BufferView } from '../memory/buffer-view.ts';
import { writeLatin1 } from './latin1.ts';

/** Longest answer that is kept as bytes, and longest text of a body that is compared. */
const MAX_BYTES = 1024;

/**
 * The last answer with certain fields, as bytes: one that is like it, in the same second, is sent by copying them. What differs is
 * written over it.
 *
 * ```
 *   HTTP/1.1 200 OK CRLF fields Date: ... CRLF Content-Length: 13 CRLF CRLF | Hello, World!
 *   `--------------------------- head ---------------------------------------'`-- body ---'
 * ```
 */
export class EncodedAnswer {
  #memory = Buffer.allocUnsafeSlow(MAX_BYTES);
  #status = 0;
  #date = '';
  #ending = '';
  /** Bytes of the body, and the body if it is a text. */
  #length = -1;
  #body: string | null = null;
  #headBytes = 0;
  #bytes: Buffer = this.#memory;

  /** Whether the head is the one that is kept. @param ending The line about the connection, or ''. */
  hasHead(status: number, date: string, length: number, ending: string): boolean {
    return this.#length === length && this.#date === date && this.#status === status && this.#ending === ending;
  }

  /** Length of a body that is the one that is kept, else -1. */
  lengthOf(body: unknown): number {
    return body === this.#body && body !== null ? this.#length : -1;
  }

  /**
   * Keeps another head.
   * @returns false if the answer is too long for that.
   */
  setHead(head: string, status: number, date: string, length: number, ending: string): boolean {
    this.#length = -1;
    this.#body = null;
    if (head.length + length > MAX_BYTES) return false;
    writeLatin1(this.#memory, head, 0);
    this.#headBytes = head.length;
    this.#status = status;
    this.#date = date;
    this.#ending = ending;
    this.#length = length;
    if (this.#bytes.length !== head.length + length) {
      this.#bytes = new BufferView(this.#memory.buffer, 0, head.length + length);
    }
    return true;
  }

  /** The answer with this body, until the next call. */
  bytesWith(body: string | Uint8Array | null | undefined): Buffer {
    if (typeof body === 'string') {
      if (body !== this.#body) {
        this.#body = body;
        // One byte each, or not.
        if (body.length === this.#length) writeLatin1(this.#memory, body, this.#headBytes);
        else this.#memory.write(body, this.#headBytes, 'utf8');
      }
    } else if (body !== null && body !== undefined) {
      this.#body = null;
      this.#memory.set(body, this.#headBytes);
    }
    return this.#bytes;
  }
}
