import type { CipherNameAndProtocol, DetailedPeerCertificate, TLSSocket } from 'node:tls';
import { verifyErrorOf } from '../transport/tls-socket.ts';

/** What a handshake settled about its connection. */
export interface SettledFacts {
  readonly protocol: string | null;
  readonly cipher: CipherNameAndProtocol | null;
  readonly isResumed: boolean;
  /** Whether the peer has a certificate and OpenSSL found nothing wrong with it. */
  readonly isVerified: boolean;
}

/** Those seen so far, by a text that tells them apart. There are a few dozen, and thousands of connections have one of them. */
const known = new Map<string, SettledFacts>();

/** To be called when the handshake is done: a closed socket knows nothing. `hasPeer` is whether the peer has a certificate. */
export function settledFacts(socket: TLSSocket, hasPeer: boolean): SettledFacts {
  const protocol = socket.getProtocol();
  const cipher = socket.getCipher() as CipherNameAndProtocol | null;
  const isResumed = socket.isSessionReused();
  const isVerified = hasPeer && verifyErrorOf(socket) === null;
  const key = `${protocol} ${cipher?.name} ${isResumed} ${isVerified}`;
  let facts = known.get(key);
  if (facts === undefined) {
    facts = { protocol, cipher: cipher === null ? null : Object.freeze({ ...cipher }), isResumed, isVerified };
    known.set(key, facts);
  }
  return facts;
}

/** Certificates as DER, leaf first. */
export function chainOf(certificate: Partial<DetailedPeerCertificate> | null | undefined): Buffer[] {
  const chain: Buffer[] = [];
  for (let each = certificate; each?.raw !== undefined; each = each.issuerCertificate) {
    const raw = Buffer.isBuffer(each.raw) ? each.raw : Buffer.from(each.raw); // Deno: no Buffer
    if (chain.some((known) => known.equals(raw))) break;
    chain.push(raw);
  }
  return chain;
}
