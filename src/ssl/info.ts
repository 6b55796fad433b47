import { X509Certificate } from 'node:crypto';
import tls, { type DetailedPeerCertificate, type PeerCertificate, type TLSSocket } from 'node:tls';
import { SSLSessionInfo } from '../core/enums.ts';
import type { Context } from './contexts.ts';
import type { SSLInfo } from './options.ts';
import type { TlsSession } from './session.ts';

/** One fact about a TLS session: null if there is none, undefined for a kind that does not exist (SSI-001 to SSI-017). */
export function inspectSession(
  session: TlsSession,
  context: Context | undefined,
  cipherList: string,
  kind: SSLSessionInfo,
): unknown {
  const { socket } = session;
  switch (kind) {
    case SSLSessionInfo.Ctx:
      return context?.secureContext ?? null;
    case SSLSessionInfo.CtxCertStore:
      return context?.material.ca ?? [];
    case SSLSessionInfo.CtxCiphers:
    case SSLSessionInfo.Ciphers:
      return ciphersOf(cipherList);
    case SSLSessionInfo.CtxMethod:
    case SSLSessionInfo.Method:
    case SSLSessionInfo.PKey:
    case SSLSessionInfo.ClientCiphers:
      return null;
    case SSLSessionInfo.ServerNameType:
      return serverNameOf(socket) === null ? -1 : 0;
    case SSLSessionInfo.ServerName:
      return serverNameOf(socket);
    case SSLSessionInfo.Version:
      return session.settled?.protocol ?? socket?.getProtocol() ?? null;
    case SSLSessionInfo.Cert:
      return certificate(socket?.getCertificate() as PeerCertificate | null | undefined);
    case SSLSessionInfo.CurrentCipher:
      return session.settled?.cipher ?? socket?.getCipher() ?? null;
    case SSLSessionInfo.PeerCert:
      return x509Chain(session)[0] ?? null;
    case SSLSessionInfo.PeerCertChain:
      return legacyChain(session);
    case SSLSessionInfo.VerifiedChain:
      return session.settled?.isVerified === true ? legacyChain(session) : null;
    default:
      return undefined;
  }
}

/** Summary of a TLS session. */
export function infoOf(session: TlsSession): SSLInfo {
  const { socket, isEstablished, settled } = session;
  const alpn = socket?.alpnProtocol;
  return {
    protocol: settled?.protocol ?? null,
    cipher: settled?.cipher?.name ?? null,
    alpnProtocol: typeof alpn === 'string' ? alpn : null,
    serverName: serverNameOf(socket),
    isResumed: settled?.isResumed ?? false,
    isEstablished,
    peerCertificate: isEstablished ? legacyChain(session) : null,
  };
}

function serverNameOf(socket: TLSSocket | null): string | null {
  const name = (socket as (TLSSocket & { servername?: unknown }) | null)?.servername;
  return typeof name === 'string' && name !== '' ? name : null;
}

function x509Chain(session: TlsSession): X509Certificate[] {
  if (!session.isEstablished) return [];
  return session.peerChain().map((der) => new X509Certificate(der));
}

/** The chain as Node's plain objects: the leaf, with its issuers in `issuerCertificate`. */
function legacyChain(session: TlsSession): DetailedPeerCertificate | null {
  let issuer: DetailedPeerCertificate | null = null;
  for (const certificate of x509Chain(session).reverse()) {
    const plain = certificate.toLegacyObject() as DetailedPeerCertificate;
    plain.issuerCertificate = issuer ?? plain;
    issuer = plain;
  }
  return issuer;
}

/** Node tells "none" by an empty object. */
function certificate(found: PeerCertificate | null | undefined): PeerCertificate | null {
  return found === null || found === undefined || Object.keys(found).length === 0 ? null : found;
}

/** Suites of OpenSSL that a cipher list names; all of them if it names none, since only OpenSSL can evaluate the rest. */
function ciphersOf(cipherList: string): string[] {
  const all = tls.getCiphers();
  const named = new Set(cipherList.toLowerCase().split(':'));
  const found = all.filter((name) => named.has(name));
  return found.length > 0 ? found : all;
}
