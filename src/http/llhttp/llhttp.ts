import { isRecentLlhttp, llhttpBinary } from './binary.ts';
import { checkLayout } from './check.ts';
import { Llhttp } from './instance.ts';

let shared: Llhttp | null = null;

/** The memory of a read is about to be used for another one. */
export function forgetInput(): void {
  if (shared !== null) shared.loaded = null;
}

/**
 * llhttp, compiled when it is first asked for.
 * @throws Error if it is missing, older than 9.3, or not laid out as expected.
 */
export function llhttp(): Llhttp {
  if (shared === null) {
    const binary = llhttpBinary();
    if (!isRecentLlhttp(binary)) throw new Error('hp-socket: the HTTP parser is older than llhttp 9.3');
    const instance = new Llhttp(binary);
    checkLayout(instance);
    shared = instance;
  }
  return shared;
}
