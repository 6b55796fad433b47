/** Longest delay that `setTimeout` takes, nearly 25 days; told a longer one it warns, and fires at once. */
export const MAX_DELAY_MS = 0x7fffffff;

/** As `setTimeout`, but a delay that is too long for that, such as Infinity, never ends: there is no timer. */
export function timeoutAfter(delayMs: number, callback: () => void): NodeJS.Timeout | undefined {
  return delayMs > MAX_DELAY_MS ? undefined : setTimeout(callback, delayMs);
}

/** Turns of the event loop that follow a deadline: one to read what waits in the system, the others to close what ends by that. */
const LAST_TURNS = 4;

/**
 * As `timeoutAfter`, for a deadline at which something is given up, such as a peer or a request. A busy process may notice it late.
 * Bytes that had come in time wait in the system then; they are read before `callback` is called.
 * @returns A function that cancels the call, at any time.
 */
export function deadlineAfter(delayMs: number, callback: () => void): () => void {
  let isCancelled = false;
  let turnsLeft = LAST_TURNS;
  const late = (): void => {
    if (isCancelled) return;
    if (turnsLeft-- > 0) setImmediate(late);
    else callback();
  };
  const timer = timeoutAfter(delayMs, late);
  return () => {
    isCancelled = true;
    clearTimeout(timer);
  };
}
