import { SocketErrorCode } from './enums.ts';
import { Errno, errnoName } from './errno.ts';

/**
 * Codes of failures that this library finds itself:
 *
 * | code | meaning |
 * |---|---|
 * | `HP_ILLEGAL_STATE` | The call is not possible in this state of the component or connection |
 * | `HP_INVALID_PARAM` | An argument or an option makes no sense |
 * | `HP_NO_CONNECTION` | There is no connection of that ID, or it is closed |
 * | `HP_MESSAGE_TOO_LARGE` | A message is larger than is allowed: one to be sent, or one that the peer sent |
 * | `HP_BAD_MESSAGE` | The peer sent bytes that break the rules of the protocol |
 * | `HP_TRUNCATED` | The bytes ended before they said so: TLS without a close_notify (many peers never send one), or in mid-handshake; compressed data |
 * | `HP_SEND_BUFFER_FULL` | Too much waits to be sent already (`maxPendingBytes`, or the system's own limit) |
 * | `HP_LIMIT_REACHED` | A limit of this component was reached: connections, bytes held, rates. The message names the option |
 * | `HP_HOOK_FAILED` | A hook threw, or its promise was rejected; `cause` is what it threw |
 * | `HP_HOOK_REFUSED` | A hook answered `HandleResult.Error` |
 * | `HP_ABORTED` | Cancelled from this side: by a signal, by `stop` or by `disconnect` |
 * | `HP_STREAM_DESTROYED` | The stream of a connection was destroyed with an error, which is the `cause` |
 * | `HP_MESSAGE_TRUNCATED` | The peer ended the connection in the middle of a message: what came of it is lost |
 * | `HP_TLS_NOT_READY` | A TLS component was started without a context |
 * | `HP_TLS_FAILED` | A TLS handshake or record failed; the message holds OpenSSL's reason in words |
 * | `HP_FAILED` | Anything else |
 */
export type OwnErrorName =
  | 'HP_ILLEGAL_STATE'
  | 'HP_INVALID_PARAM'
  | 'HP_NO_CONNECTION'
  | 'HP_MESSAGE_TOO_LARGE'
  | 'HP_BAD_MESSAGE'
  | 'HP_TRUNCATED'
  | 'HP_SEND_BUFFER_FULL'
  | 'HP_LIMIT_REACHED'
  | 'HP_HOOK_FAILED'
  | 'HP_HOOK_REFUSED'
  | 'HP_ABORTED'
  | 'HP_STREAM_DESTROYED'
  | 'HP_MESSAGE_TRUNCATED'
  | 'HP_TLS_NOT_READY'
  | 'HP_TLS_FAILED'
  | 'HP_FAILED';

/** Codes of the system's failures, as Node's errors have them; a host name that does not resolve is `ENOTFOUND`. */
export type SystemErrorName = keyof typeof Errno | 'ENOTFOUND' | 'EAI_AGAIN';

/**
 * The `code` of a `SocketError`: stable, and the same on every platform. A code of the system where the system failed,
 * else one that begins with `HP_`. Deadlines of this library are `ETIMEDOUT`, as the system's are; `operation` and the
 * message tell which.
 */
export type SocketErrorName = OwnErrorName | SystemErrorName;

/** The code that HP-Socket's two numbers stand for. @param cause The error that was the cause; undefined if none was. */
export function errorName(socketError: SocketErrorCode, errno: number, cause: unknown): SocketErrorName {
  switch (socketError) {
    case SocketErrorCode.SslEnvNotReady:
      return 'HP_TLS_NOT_READY';
    case SocketErrorCode.IllegalState:
      if (errno === Errno.EBADSLT) return 'HP_NO_CONNECTION';
      return errno === Errno.ECANCELED ? 'HP_ABORTED' : 'HP_ILLEGAL_STATE';
    case SocketErrorCode.InvalidParam:
      return errno === Errno.EMSGSIZE ? 'HP_MESSAGE_TOO_LARGE' : 'HP_INVALID_PARAM';
    case SocketErrorCode.SocketPrepare:
      return hookErrorName(cause);
    case SocketErrorCode.DataProc:
      if (errno === Errno.ECANCELED) return hookErrorName(cause);
      if (errno === Errno.EMSGSIZE) return 'HP_MESSAGE_TOO_LARGE';
      if (errno === Errno.ETIMEDOUT) return 'ETIMEDOUT';
      return errno === Errno.ENOBUFS ? 'HP_LIMIT_REACHED' : 'HP_BAD_MESSAGE';
    case SocketErrorCode.DataSend:
      if (errno === Errno.ENOBUFS) return 'HP_SEND_BUFFER_FULL';
      if (errno === Errno.ECANCELED) return 'HP_ABORTED';
      return errno === Errno.EMSGSIZE ? 'HP_MESSAGE_TOO_LARGE' : systemErrorName(errno, cause);
    default:
      if (errno === Errno.ECANCELED) return 'HP_ABORTED';
      if (errno === Errno.ENODATA) return 'HP_TRUNCATED';
      return errno === Errno.ENOSR ? 'HP_LIMIT_REACHED' : systemErrorName(errno, cause);
  }
}

function hookErrorName(cause: unknown): SocketErrorName {
  return cause === undefined ? 'HP_HOOK_REFUSED' : 'HP_HOOK_FAILED';
}

/** The code of a failure of the system, with the error of Node behind it. */
export function systemErrorName(errno: number, cause: unknown): SocketErrorName {
  const code = (cause as { code?: unknown } | null | undefined)?.code;
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') return code;
  const name = errnoName(errno);
  return Object.hasOwn(Errno, name) ? (name as SystemErrorName) : 'HP_FAILED';
}
