import { describe } from './describe.ts';

/** Whatever `for await` takes. */
export type Source<T> = AsyncIterable<T> | Iterable<T | PromiseLike<T>>;

/** What is made piece by piece: the body of a message, or the message. */
export interface Pieces<T> {
  /** The pieces, as `for await` gets them. */
  readonly source: AsyncIterable<T>;
  /**
   * The rest is not wanted: the pieces end, also while one is awaited that may never come, and the source is asked to give up what it
   * holds, such as an open file.
   */
  drop(): void;
}

/** What may be found on a source of pieces, beside its iterator. */
interface Droppable {
  destroy?: () => unknown;
  cancel?: () => unknown;
  getReader?: () => ReadableStreamDefaultReader<unknown>;
  httpVersion?: unknown;
  statusCode?: unknown;
}

const DONE: IteratorReturnResult<undefined> = { done: true, value: undefined };

/**
 * @param what It has to be, for the message: `body must be a text, bytes, or something to iterate over`.
 * @throws TypeError for what is no source, and for a web stream that is being read elsewhere.
 */
export function piecesOf<T>(what: string, from: Source<T>): Pieces<T> {
  const { [Symbol.asyncIterator]: later, [Symbol.iterator]: now } = Object(from) as Partial<
    AsyncIterable<T> & Iterable<T | PromiseLike<T>>
  >;
  if (typeof later !== 'function' && typeof now !== 'function') throw new TypeError(`${what}, not ${describe(from)}`);
  const { destroy, cancel, getReader, httpVersion, statusCode } = from as Droppable;
  if (typeof getReader === 'function') {
    // A web stream: its own iterator could not be left while it waits for a piece.
    const reader = getReader.call(from) as ReadableStreamDefaultReader<T>;
    const end = async (): Promise<typeof DONE> => {
      await reader.cancel();
      return DONE;
    };
    const next = (): Promise<IteratorResult<T>> => reader.read() as Promise<IteratorResult<T>>;
    return droppable(() => ({ next, return: end }), end);
  }
  // To destroy a request that node:http received would end its connection, on which an answer may be due.
  const isRequest = httpVersion !== undefined && typeof statusCode !== 'number';
  const letGo = typeof destroy === 'function' ? (isRequest ? undefined : destroy) : cancel;
  return droppable(
    () => (later === undefined ? asyncIterator(now!.call(from)) : later.call(from)),
    () => typeof letGo === 'function' && letGo.call(from),
  );
}

/** Pieces of the iterator that `begin` makes; `letGo` tells the source that the rest is not wanted. */
function droppable<T>(begin: () => AsyncIterator<T>, letGo: () => unknown): Pieces<T> {
  let isDropped = false;
  let begun: AsyncIterator<T> | null = null;
  // Of the piece that is awaited. `Promise.race` would leave a reaction of each piece on one promise that is pending all the while.
  let wake: (step: typeof DONE) => void = () => {};
  const iterate = (): AsyncIterator<T> => {
    const iterator = begin();
    begun = iterator;
    return {
      next: async () => {
        if (isDropped) return DONE;
        return new Promise<IteratorResult<T>>((resolve, reject) => {
          wake = resolve;
          // One that is made by hand may answer without a promise, which for await takes as well.
          Promise.resolve(iterator.next()).then(resolve, reject);
        });
      },
      return: async () => (await iterator.return?.()) ?? DONE,
    };
  };
  const drop = (): void => {
    isDropped = true;
    wake(DONE);
    unheeded(letGo);
    // Is done only when the source has brought the piece that it is asked for.
    unheeded(() => begun?.return?.());
  };
  return { source: { [Symbol.asyncIterator]: iterate }, drop };
}

/** Calls, and ignores a throw or a rejection: the source is used no more, and may have failed already. */
function unheeded(call: () => unknown): void {
  (async () => call())().catch(() => {});
}

function asyncIterator<T>(iterator: Iterator<T | PromiseLike<T>>): AsyncIterator<T> {
  return {
    next: async () => {
      const { done, value } = iterator.next();
      return done === true ? DONE : { done: false, value: await value };
    },
    return: async () => {
      iterator.return?.();
      return DONE;
    },
  };
}
