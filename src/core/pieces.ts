import { describe } from './describe.ts';

/** Whatever `for await` takes. */
export type Source<T> = AsyncIterable<T> | Iterable<T | PromiseLike<T>>;

/**
 * The pieces of `source` as `for await` gets them, but when `stop` is called while the next one is awaited, they end: a source may bring
 * nothing more for ever, and what its pieces were for may be over.
 * @param onStop Gets `stop`.
 * @throws TypeError for what is no source; what the source throws.
 */
export async function* piecesUntil<T>(source: Source<T>, onStop: (stop: () => void) => void): AsyncGenerator<T, void> {
  const iterator = iteratorOf(source);
  let isStopped = false;
  let isOver = false;
  // One at a time: `Promise.race` would leave a reaction of each piece on one promise that is pending all the while.
  let wake: (step: null) => void = () => {};
  onStop(() => {
    isStopped = true;
    wake(null);
  });
  try {
    while (!isStopped) {
      const step = await new Promise<IteratorResult<T> | null>((resolve, reject) => {
        wake = resolve;
        Promise.resolve(iterator.next()).then(resolve, (error: unknown) => {
          isOver = true;
          reject(error);
        });
      });
      if (step === null) return;
      if (step.done === true) isOver = true;
      if (isOver) return;
      yield step.value;
    }
  } finally {
    // A source that is asked for its next piece ends only when it has brought that.
    if (isStopped && !isOver) Promise.resolve(iterator.return?.()).catch(() => {});
    else if (!isOver) await iterator.return?.();
  }
}

function iteratorOf<T>(source: Source<T>): AsyncIterator<T> {
  const from = Object(source) as Partial<AsyncIterable<T> & Iterable<T | PromiseLike<T>>>;
  const later = from[Symbol.asyncIterator]?.();
  if (later !== undefined) return later;
  const iterator = from[Symbol.iterator]?.();
  if (iterator === undefined) throw new TypeError(`a source must be iterable, not ${describe(source)}`);
  return {
    next: async () => {
      const { done, value } = iterator.next();
      return done === true ? { done, value: undefined } : { done: false, value: await value };
    },
    return: async () => {
      iterator.return?.();
      return { done: true, value: undefined };
    },
  };
}
