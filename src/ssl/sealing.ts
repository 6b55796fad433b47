import { createHash, randomBytes } from 'node:crypto';
import { SSLVerifyMode } from '../core/enums.ts';
import type { Material } from '../transport/tls-material.ts';

/** How the contexts of a server seal their sessions, and where these are valid. */
export interface Sealing {
  readonly ticketKeys: Buffer;
  /** Sessions are only valid among servers that have it in common. */
  readonly realm: string;
  /** Without tickets no session is resumed. */
  readonly hasTickets: boolean;
}

/** Which clients a context lets in. */
export interface Verifying {
  readonly verifyMode: number;
  /** Tells apart what is trusted. */
  readonly trust: string;
}

let componentCount = 0;

/** Secrets of one component instance (TL-009). */
export function ownSealing(): Sealing {
  return { ticketKeys: randomBytes(48), realm: `hp-socket-${process.pid}-${++componentCount}`, hasTickets: true };
}

/** The same sealing with other keys: those given, which other processes may share, or random ones. */
export function withKeys(sealing: Sealing, keys: Buffer | undefined): Sealing {
  if (keys === undefined) return { ...sealing, ticketKeys: randomBytes(48) };
  if (!(keys instanceof Uint8Array) || keys.length !== 48)
    throw new RangeError('ticketKeys must be a Buffer of 48 bytes');
  // Processes that share keys must also agree on the realm. The caller that gave the keys may wipe or reuse their bytes.
  return { ...sealing, ticketKeys: Buffer.from(keys), realm: 'hp-socket-shared' };
}

/**
 * A resumed session brings its verified certificate with it and no context is chosen for it. So when clients are verified, and
 * not in the same way and by the same authorities for all names, a client of one name could get in by another one: there are
 * no tickets then.
 */
export function mayGiveTickets(contexts: readonly Verifying[]): boolean {
  const [first] = contexts;
  if (first === undefined || contexts.every(({ verifyMode }) => (verifyMode & SSLVerifyMode.Peer) === 0)) return true;
  return contexts.every(({ verifyMode, trust }) => verifyMode === first.verifyMode && trust === first.trust);
}

/** A text that tells apart what is trusted. */
export function trustOf({ ca, crl }: Material): string {
  if (ca === null && crl.length === 0) return '';
  const hash = createHash('sha256');
  for (const pem of [...(ca ?? []), ...crl].sort()) hash.update(pem);
  return hash.digest('hex');
}

/**
 * OpenSSL resumes sessions only within one of these. What is trusted is part of it, since a session that began with a client
 * certificate would outlive its authority, or its revocation, otherwise; and so is the verify mode, since a client that has a session
 * from before clients were asked for certificates is not asked for one as long as it lasts, and would be refused without.
 * 32 bytes is all that there is room for.
 */
export function sessionIdContext({ realm }: Sealing, trust: string, verifyMode: number): string {
  return createHash('sha256').update(`${realm} ${trust} ${verifyMode}`).digest('hex').slice(0, 32);
}
