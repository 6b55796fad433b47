import { isThenable } from '../../core/component.ts';
import { SocketErrorCode } from '../../core/enums.ts';
import { Errno } from '../../core/errno.ts';
import { SocketError } from '../../core/errors.ts';
import { codecCancelled } from './codec-error.ts';

/**
 * Gets the output of a codec piece by piece (CB-04, CB-05). `data` belongs to it. Returning false, or a promise of false, ends
 * the call with ECANCELED; the next piece waits for a promise.
 */
export type CodecCallback<Context> = (
  data: Buffer,
  context: Context,
) => boolean | void | undefined | PromiseLike<boolean | void | undefined>;

/** Most calls that wait for the one before them. */
const MAX_WAITING_CALLS = 1024;

/** What compressors and decompressors share: one call after the other, the callback, and errors. */
export abstract class Codec<Context> implements Disposable {
  readonly #callback: CodecCallback<Context>;
  #isValid = true;
  #lastFailure: SocketError | null = null;
  #last: Promise<unknown> = Promise.resolve();
  #waitingCount = 0;

  /** @internal */
  constructor(callback: CodecCallback<Context>) {
    if (typeof callback !== 'function') throw new TypeError('the callback must be a function that takes the output');
    this.#callback = callback;
  }

  /** False once it is closed (`IsValid`; CPR-004, DCP-003). */
  get isValid(): boolean {
    return this.#isValid;
  }

  /** Why the last call that returned false did so; null if none has. */
  get lastFailure(): SocketError | null {
    return this.#lastFailure;
  }

  /** Linux errno of it: EPERM, EBADMSG, EMSGSIZE, ECANCELED; 0 if there was none. */
  get lastSystemError(): number {
    return this.#lastFailure?.errno ?? 0;
  }

  /**
   * Begins anew, as if nothing had been processed; a call that is under way ends with ECANCELED (`Reset`; CPR-003, DCP-002).
   * @returns false if it is closed.
   */
  reset(): boolean {
    if (!this.#isValid) return this.#fail(closed('reset'));
    this.restart();
    return true;
  }

  /** Frees what it holds (`HP_Destroy_Compressor`, `HP_Destroy_Decompressor`); every later call returns false. */
  close(): void {
    this.#isValid = false;
    this.restart();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** Drops the state of the stream, which the next use makes anew. @internal */
  protected abstract restart(): void;

  /** Runs `work` behind the calls before it, and gives its output to the callback. @internal */
  protected call(operation: string, context: Context, work: () => AsyncGenerator<Buffer, void>): Promise<boolean> {
    if (!this.#isValid) return Promise.resolve(this.#fail(closed(operation)));
    if (this.#waitingCount >= MAX_WAITING_CALLS) {
      return Promise.resolve(
        this.#fail(
          new SocketError({
            socketError: SocketErrorCode.DataProc,
            code: 'HP_LIMIT_REACHED',
            errno: Errno.ENOBUFS,
            operation,
            message: `${operation} is called faster than it is done: ${MAX_WAITING_CALLS} calls wait; await it`,
          }),
        ),
      );
    }
    this.#waitingCount++;
    const result = this.#last.then(() => this.#work(operation, context, work));
    this.#last = result.catch(() => {});
    return result;
  }

  async #work(operation: string, context: Context, work: () => AsyncGenerator<Buffer, void>): Promise<boolean> {
    try {
      if (!this.#isValid) return this.#fail(closed(operation));
      for await (const piece of work()) {
        let answer = this.#callback(piece, context);
        if (isThenable(answer)) answer = await answer;
        if (answer === false) throw codecCancelled(operation, 'the callback returned false');
      }
      return true;
    } catch (error) {
      // After any error the object begins anew, and can be used again.
      this.restart();
      if (error instanceof SocketError) return this.#fail(error);
      throw error;
    } finally {
      this.#waitingCount--;
    }
  }

  #fail(error: SocketError): false {
    this.#lastFailure = error;
    return false;
  }
}

function closed(operation: string): SocketError {
  return new SocketError({
    socketError: SocketErrorCode.IllegalState,
    errno: Errno.EPERM,
    operation,
    message: `${operation} is not possible after close(); create another one`,
  });
}
