import { isThenable } from '../core/component.ts';
import { HandleResult } from '../core/enums.ts';
import { settleHook } from '../core/hooks.ts';
import type { Port } from '../protocol/protocol.ts';
import { WebSocketMessageStream } from './message-stream.ts';
import { isPlainlyOk } from './plainly-ok.ts';
import type { WebSocketHooks } from './websocket-context.ts';

/** A message that is handed on as it arrives, to the hook that gets it as a stream. */
export class StreamedMessage {
  readonly #port: Port;
  readonly #stream: WebSocketMessageStream;
  /** The promise of the hook. */
  #hook: Promise<void> | null = null;

  constructor(port: Port, isBinary: boolean) {
    this.#port = port;
    this.#stream = new WebSocketMessageStream(port.id, isBinary);
  }

  /** Calls the hook. False to stop for now. */
  begin(hooks: WebSocketHooks): boolean {
    const port = this.#port;
    const stream = this.#stream;
    let result: unknown;
    try {
      result = hooks.messageStream!(port.id, stream, stream.isBinary);
    } catch (thrown) {
      return port.threw('onMessageStream', thrown);
    }
    if (result === undefined || isPlainlyOk(result)) return port.mayDeliver;
    // Its promise may not be settled before the end of the message, so the connection is read on. What it leaves is dropped.
    this.#hook = new Promise((resolve) => {
      settleHook(result, {
        answered: () => {
          if (isThenable(result)) WebSocketMessageStream.cancel(stream);
          resolve();
        },
        refused: () => void port.settle('onMessageStream', HandleResult.Error),
        failed: (thrown) => {
          // Told by the end of the connection itself, if it is that.
          if (!WebSocketMessageStream.isErrorOf(stream, thrown)) port.threw('onMessageStream', thrown);
        },
      });
    });
    return port.mayDeliver;
  }

  /** A piece. @returns Undefined to go on, or a promise of room for more. */
  push(piece: Buffer): Promise<void> | undefined {
    return WebSocketMessageStream.push(this.#stream, piece);
  }

  /** All of it has come. */
  complete(): void {
    WebSocketMessageStream.complete(this.#stream);
  }

  /** Whether all of it has come. */
  get isComplete(): boolean {
    return this.#stream.isComplete;
  }

  /** False to stop for now: the next message waits until the hook has dealt with this one. */
  awaitHook(): boolean {
    return this.#hook === null ? this.#port.mayDeliver : this.#port.settle('onMessageStream', this.#hook);
  }

  /** It will not be completed. */
  fail(message: string): void {
    WebSocketMessageStream.fail(this.#stream, message);
  }
}
