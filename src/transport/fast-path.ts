import type { Proof } from './proof.ts';
import { streamProof } from './stream-proof.ts';

/** Given by the first component that speaks TLS, so that plain ones do not load `node:tls`. */
let tlsProof: Proof | null = null;

/** Makes TLS prove its fast path by `proof`. */
export function useTlsProof(proof: Proof): void {
  tlsProof = proof;
}

/**
 * Whether the fast path works in this process, as soon as that is known. Never rejects.
 * @param isSecure Whether TLS is to be spoken, too. Where that fails alone, TCP still counts.
 */
export async function proveFastPath(isSecure: boolean): Promise<boolean> {
  if (isSecure) await tlsProof?.settle();
  return streamProof.settle();
}

/** Whether `proveFastPath` has nothing to wait for. */
export function isFastPathSettled(isSecure: boolean): boolean {
  return isSecure && tlsProof !== null ? tlsProof.isSettled : streamProof.isSettled;
}

/** Why the fast path is not taken, over TCP and over TLS; null where it is, or where it has not been asked for yet. */
export function fastPathProblems(): { tcp: string | null; tls: string | null } {
  return { tcp: streamProof.problem, tls: tlsProof?.problem ?? null };
}
