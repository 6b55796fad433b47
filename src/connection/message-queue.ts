import { describe } from '../core/describe.ts';
import type { SocketError } from '../core/errors.ts';
import { checkOptions, type OptionRule } from '../core/option-names.ts';
import type { Consumer } from './consumer.ts';
import type { StreamConnection } from './stream-connection.ts';

/** Options of `messages`. */
export interface MessagesOptions {
  /** Messages that may wait before the connection is read no further. Default 1024. */
  maxQueued?: number | undefined;
  /** Bytes that may wait in them before the connection is read no further. Default 1 MiB. */
  maxQueuedBytes?: number | undefined;
}

const messagesRules = {
  maxQueued: true,
  maxQueuedBytes: true,
} satisfies Record<keyof MessagesOptions, OptionRule>;

/** A limit. @throws RangeError if it is no whole number above 0. */
function limit(name: string, value: number): number {
  if (Number.isInteger(value) && value >= 1) return value;
  throw new RangeError(`${name} must be a whole number, 1 or more, not ${describe(value)}`);
}

/** A `next` that waits for a message. */
interface Waiting {
  readonly iterator: object;
  resolve(result: IteratorResult<Buffer>): void;
  reject(error: Error): void;
}

/**
 * Messages of one connection for `for await`. Reading stops while as many messages or bytes wait as the options allow, so a
 * slow loop slows its peer down and nothing is lost. Leaving the loop keeps what waits for the next one.
 */
export class MessageQueue implements Consumer, AsyncIterable<Buffer> {
  readonly #connection: StreamConnection;
  readonly #maxQueued: number;
  readonly #maxQueuedBytes: number;
  /** Taken ones are undefined, so that they can be collected. */
  #queue: (Buffer | undefined)[] = [];
  #head = 0;
  #queuedBytes = 0;
  #waiting: Waiting[] = [];
  #hasEnded = false;
  #error: SocketError | undefined;

  constructor(connection: StreamConnection, options: MessagesOptions) {
    checkOptions('messages', options, messagesRules);
    const { maxQueued = 1024, maxQueuedBytes = 1024 * 1024 } = options;
    this.#connection = connection;
    this.#maxQueued = limit('maxQueued', maxQueued);
    this.#maxQueuedBytes = limit('maxQueuedBytes', maxQueuedBytes);
  }

  /** Messages that wait. */
  get length(): number {
    return this.#queue.length - this.#head;
  }

  deliver(data: unknown): boolean {
    const message = data as Buffer;
    const waiting = this.#waiting.shift();
    if (waiting !== undefined) {
      waiting.resolve({ done: false, value: message });
      return true;
    }
    this.#queue.push(message);
    this.#queuedBytes += message.length;
    return this.length < this.#maxQueued && this.#queuedBytes < this.#maxQueuedBytes;
  }

  opened(): void {}

  wrote(): void {}

  isDone = false;

  ended(): void {
    this.#hasEnded = true;
    if (this.length === 0) this.#finish();
  }

  connectionClosed(error: SocketError | undefined): void {
    this.#hasEnded = true;
    this.#error = error;
    if (this.length === 0) this.#finish();
  }

  /** Nothing more will come: answers the reads that wait, and lets the connection end. */
  #finish(): void {
    this.isDone = true;
    this.#connection.drainPatiently();
    for (const { resolve, reject } of this.#waiting.splice(0)) {
      if (this.#error !== undefined) reject(this.#error);
      else resolve({ done: true, value: undefined });
    }
  }

  #take(): Buffer {
    const message = this.#queue[this.#head]!;
    this.#queue[this.#head++] = undefined;
    this.#queuedBytes -= message.length;
    if (this.#head > 64 && this.#head * 2 > this.#queue.length) {
      this.#queue.splice(0, this.#head);
      this.#head = 0;
    }
    if (this.length <= this.#maxQueued >> 1 && this.#queuedBytes <= this.#maxQueuedBytes >> 1)
      this.#connection.receiver.resumeConsumer();
    return message;
  }

  /** `iterator` waits no more: the next message is for another one. */
  #leave(iterator: object): void {
    const left = this.#waiting.filter((one) => one.iterator === iterator);
    this.#waiting = this.#waiting.filter((one) => one.iterator !== iterator);
    for (const { resolve } of left) resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): AsyncIterableIterator<Buffer> {
    const iterator: AsyncIterableIterator<Buffer> = {
      next: () => {
        if (this.length > 0) return Promise.resolve({ done: false, value: this.#take() });
        if (!this.#hasEnded) {
          return new Promise((resolve, reject) => this.#waiting.push({ iterator, resolve, reject }));
        }
        this.#finish();
        return this.#error === undefined
          ? Promise.resolve({ done: true, value: undefined })
          : Promise.reject(this.#error);
      },
      return: (value?: unknown) => {
        this.#leave(iterator);
        return Promise.resolve({ done: true, value });
      },
      [Symbol.asyncIterator]: () => iterator,
    };
    return iterator;
  }
}
