import tls, { type PeerCertificate, type TLSSocket } from 'node:tls';
import { SSLSessionInfo } from '../core/enums.ts';
import type { SSLInfo } from '../core/security.ts';
import { verifyErrorOf } from '../transport/tls-socket.ts';
import type { Context } from './contexts.ts';

/** One fact about a TLS session: null if there is none, undefined for a kind that does not exist (SSI-001 to SSI-017). */
export function inspectSession(
  socket: TLSSocket | null,
  context: Context | undefined,
  cipherList: string,
  kind: SSLSessionInfo,
): unknown {
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
      return socket?.getProtocol() ?? null;
    case SSLSessionInfo.Cert:
      return certificate(socket?.getCertificate() as PeerCertificate | null | undefined);
    case SSLSessionInfo.CurrentCipher:
      return socket?.getCipher() ?? null;
    case SSLSessionInfo.PeerCert:
      return socket?.getPeerX509Certificate() ?? null;
    case SSLSessionInfo.PeerCertChain:
      return certificate(socket?.getPeerCertificate(true));
    case SSLSessionInfo.VerifiedChain: {
      const chain = certificate(socket?.getPeerCertificate(true));
      return chain === null || verifyErrorOf(socket!) !== null ? null : chain;
    }
    default:
      return undefined;
  }
}

/** Summary of a TLS session. */
export function infoOf(socket: TLSSocket | null, isEstablished: boolean): SSLInfo {
  const alpn = socket?.alpnProtocol;
  return {
    protocol: (isEstablished ? socket?.getProtocol() : null) ?? null,
    cipher: (isEstablished ? socket?.getCipher()?.name : null) ?? null,
    alpnProtocol: typeof alpn === 'string' ? alpn : null,
    serverName: serverNameOf(socket),
    isResumed: isEstablished && socket?.isSessionReused() === true,
    isEstablished,
    peerCertificate: certificate(socket?.getPeerCertificate()),
  };
}

function serverNameOf(socket: TLSSocket | null): string | null {
  const name = (socket as (TLSSocket & { servername?: unknown }) | null)?.servername;
  return typeof name === 'string' && name !== '' ? name : null;
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
