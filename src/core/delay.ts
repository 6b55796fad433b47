/** Longest delay that `setTimeout` takes, nearly 25 days; told a longer one it warns, and fires at once. */
export const MAX_DELAY_MS = 0x7fffffff;

/** As `setTimeout`, but a delay that is too long for that, such as Infinity, never ends: there is no timer. */
export function timeoutAfter(delayMs: number, callback: () => void): NodeJS.Timeout | undefined {
  return delayMs > MAX_DELAY_MS ? undefined : setTimeout(callback, delayMs);
}
