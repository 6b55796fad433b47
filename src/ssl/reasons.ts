import { SocketErrorCode } from '../core/enums.ts';
import { Errno } from '../core/errno.ts';
import { SocketError } from '../core/errors.ts';
import { reasonInWords, type TlsFailure } from '../transport/tls-reasons.ts';

/** The error of a handshake or of a record, with OpenSSL's reason in words. */
export function tlsError(connId: number, peer: string, isEstablished: boolean, cause: TlsFailure): SocketError {
  const what = isEstablished
    ? `TLS of connection ${connId} with ${peer}`
    : `the TLS handshake of connection ${connId} with ${peer}`;
  return new SocketError({
    socketError: SocketErrorCode.Network,
    code: 'HP_TLS_FAILED',
    errno: Errno.EBADMSG,
    operation: isEstablished ? 'receive' : 'handshake',
    connId,
    message: `${what} failed: ${reasonInWords(cause)}`,
    cause,
  });
}

/** The peer's FIN came before the handshake was done. */
export function brokenOffError(connId: number, peer: string, cause?: Error): SocketError {
  return new SocketError({
    socketError: SocketErrorCode.Network,
    code: 'HP_TRUNCATED',
    errno: Errno.ECONNABORTED,
    operation: 'handshake',
    connId,
    message: `${peer} closed connection ${connId} in the middle of the TLS handshake; its log may tell why`,
    cause,
  });
}

/** The stream ended with a bare FIN. Peers on Node that refuse a certificate do that, and nothing else. */
export function truncatedError(connId: number, peer: string, hasReceived: boolean): SocketError {
  const guess = hasReceived
    ? 'what it sent may have been cut short'
    : 'it had sent nothing, so it may have refused the certificate of this end; its log may tell why';
  return new SocketError({
    socketError: SocketErrorCode.Network,
    errno: Errno.ENODATA,
    operation: 'receive',
    connId,
    message: `${peer} closed connection ${connId} without a close_notify: ${guess}`,
  });
}
