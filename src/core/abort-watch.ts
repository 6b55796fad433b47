import { type Linked, LinkedList } from './linked-list.ts';

/** Something that is to be done when a signal is aborted. */
export class AbortWatch implements Linked<AbortWatch> {
  previous: AbortWatch | null = null;
  next: AbortWatch | null = null;
  isListed = false;
  readonly call: () => void;
  readonly #signal: WatchedSignal | null;

  constructor(signal: WatchedSignal | null, call: () => void) {
    this.#signal = signal;
    this.call = call;
  }

  /** It is not to be done any more. May be called at any time, and again. */
  end(): void {
    this.#signal?.remove(this);
  }
}

/**
 * What waits for one signal. One listener for all of it: an `AbortSignal` compares a new listener with each that it has, which takes
 * minutes for 100,000 of them, and Node warns of a leak when there are more than ten.
 */
class WatchedSignal {
  readonly #signal: AbortSignal;
  readonly #watches = new LinkedList<AbortWatch>();
  readonly #aborted = (): void => {
    for (let watch = this.#watches.first; watch !== null; watch = this.#watches.first) {
      this.#watches.remove(watch);
      try {
        watch.call();
      } catch (thrown) {
        // As from a listener of the signal itself: the others are called all the same.
        process.nextTick(() => {
          throw thrown;
        });
      }
    }
  };

  constructor(signal: AbortSignal) {
    this.#signal = signal;
  }

  add(watch: AbortWatch): void {
    if (this.#watches.size === 0) this.#signal.addEventListener('abort', this.#aborted, { once: true });
    this.#watches.add(watch);
  }

  remove(watch: AbortWatch): void {
    if (this.#watches.remove(watch) && this.#watches.size === 0)
      this.#signal.removeEventListener('abort', this.#aborted);
  }
}

const watchedSignals = new WeakMap<AbortSignal, WatchedSignal>();

/**
 * Calls `call` when `signal` is aborted, once, unless the watch has ended before. Not if it is aborted already, nor for undefined.
 * Calls come in the order in which they were asked for.
 */
export function watchAbort(signal: AbortSignal | undefined, call: () => void): AbortWatch {
  if (signal === undefined) return new AbortWatch(null, call);
  let watched = watchedSignals.get(signal);
  if (watched === undefined) {
    watched = new WatchedSignal(signal);
    watchedSignals.set(signal, watched);
  }
  const watch = new AbortWatch(watched, call);
  watched.add(watch);
  return watch;
}
