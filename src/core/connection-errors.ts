import { clip, shown } from './describe.ts';
import { SocketErrorCode, SocketOperation } from './enums.ts';
import { Errno, errnoOf } from './errno.ts';
import { describeSystemError, SocketError, type SocketErrorInit } from './errors.ts';

/** The error of a connection that one of its first hooks refused. */
export function refusalError(connId: number, hook: string, hasThrown: boolean, thrown: unknown): SocketError {
  return new SocketError({
    socketError: hasThrown ? SocketErrorCode.DataProc : SocketErrorCode.ConnectServer,
    code: hasThrown ? 'HP_HOOK_FAILED' : 'HP_HOOK_REFUSED',
    errno: Errno.ECANCELED,
    operation: hook,
    connId,
    message: hasThrown
      ? `the hook ${hook} failed, so connection ${connId} was refused`
      : `the hook ${hook} refused connection ${connId}`,
    ...(hasThrown ? { cause: thrown } : {}),
  });
}

/** The code for what a hook did. What it threw does not tell: that may be undefined. */
export function hookCode(what: string): 'HP_HOOK_FAILED' | 'HP_HOOK_REFUSED' {
  return what === 'failed' ? 'HP_HOOK_FAILED' : 'HP_HOOK_REFUSED';
}

/** The error of a connection that a hook ended. @param what What the hook did: `failed`, ... */
export function hookError(connId: number, hook: string, what: string, cause?: unknown): SocketError {
  return new SocketError({
    socketError: SocketErrorCode.DataProc,
    code: hookCode(what),
    errno: Errno.ECANCELED,
    operation: hook,
    connId,
    message: `the hook ${hook} ${what}, so connection ${connId} was closed`,
    ...(cause === undefined ? {} : { cause }),
  });
}

/** The error of a connection whose opening hook did not answer in time. */
export function lateHookError(connId: number, hook: string, timeoutMs: number): SocketError {
  return new SocketError({
    socketError: SocketErrorCode.Network,
    errno: Errno.ETIMEDOUT,
    operation: hook,
    connId,
    message: `the hook ${hook} of connection ${connId} did not answer within ${timeoutMs} ms (openingTimeoutMs)`,
  });
}

/** Why a connection is not open, though no hook refused it: the reason of its end, if there was one. */
export function closedBefore(
  connId: number,
  hook: string,
  error: SocketError | undefined,
  errorCode: number,
): SocketError {
  return (
    error ??
    new SocketError({
      socketError: SocketErrorCode.ConnectServer,
      errno: errorCode || Errno.ECONNABORTED,
      operation: hook,
      connId,
      message: `connection ${connId} closed before it was ready`,
    })
  );
}

/** The error of a connection whose stream was destroyed with an error. */
export function destroyedError(connId: number, cause: Error): SocketError {
  return new SocketError({
    socketError: SocketErrorCode.DataProc,
    code: 'HP_STREAM_DESTROYED',
    errno: Errno.ECANCELED,
    operation: 'stream',
    connId,
    message: `the stream of connection ${connId} was destroyed: ${clip(cause.message)}`,
    cause,
  });
}

/** The error of a connection whose peer ended it in the middle of a message. */
export function cutShortError(connId: number, bytes: number): SocketError {
  return new SocketError({
    socketError: SocketErrorCode.DataProc,
    code: 'HP_MESSAGE_TRUNCATED',
    errno: Errno.EBADMSG,
    operation: 'receive',
    connId,
    message: `the peer of connection ${connId} ended it in the middle of a message, of which ${bytes} bytes came`,
  });
}

/** Why a write to a stream failed: its connection is gone. */
export function unsentError(connId: number): SocketError {
  return new SocketError({
    socketError: SocketErrorCode.Network,
    errno: Errno.ECONNABORTED,
    operation: 'send',
    connId,
    message: `connection ${connId} closed before everything was sent`,
  });
}

/** As `new SocketError`, without a stack: its frames would be of Node and of this library, and take longer than all the rest. */
function withoutStack(init: SocketErrorInit): SocketError {
  const limit = Error.stackTraceLimit;
  try {
    Error.stackTraceLimit = 0;
  } catch {
    return new SocketError(init); // intrinsics are frozen
  }
  try {
    return new SocketError(init);
  } finally {
    Error.stackTraceLimit = limit;
  }
}

/** The error of a stream connection whose socket failed, during `operation`. */
export function socketError(
  connection: { id: number; remoteAddress: string; remoteHost: string; remotePort: number },
  operation: SocketOperation,
  cause: Error,
): SocketError {
  const { id: connId, remoteAddress, remoteHost, remotePort } = connection;
  const isConnect = operation === SocketOperation.Connect;
  const errno = errnoOf(cause);
  // A connection by a path has no address and no port.
  const isFile = remoteAddress === '' && remotePort === 0;
  const peer = isFile ? shown(remoteHost) || 'its peer' : `${remoteAddress || shown(remoteHost)}:${remotePort}`;
  const what = isConnect ? `connecting to ${peer} failed` : `connection ${connId} with ${peer} failed`;
  return withoutStack({
    socketError: isConnect ? connectCode(cause) : SocketErrorCode.Network,
    errno,
    operation: isConnect ? 'connect' : ((cause as NodeJS.ErrnoException).syscall ?? 'socket'),
    connId,
    message: describeSystemError(what, errno, cause, isFile),
    cause,
  });
}

/** The error of a connection whose first proxy could not be connected to. */
export function proxyError(connId: number, proxies: readonly string[], cause: Error): SocketError {
  const errno = errnoOf(cause);
  const place = proxies.length > 1 ? `1 of ${proxies.length} ` : '';
  return new SocketError({
    socketError: connectCode(cause),
    errno,
    operation: 'connect',
    connId,
    message: describeSystemError(`connecting to proxy ${place}(${shown(proxies[0])}) failed`, errno, cause),
    cause,
  });
}

/** HP-Socket's component error for why the system did not connect (CLI-001). */
function connectCode({ syscall, code }: NodeJS.ErrnoException): SocketErrorCode {
  if (syscall === 'getaddrinfo' || code === 'EMFILE' || code === 'ENFILE') return SocketErrorCode.SocketCreate;
  // libuv tells of an own port that is in use only when it connects.
  if (syscall === 'bind' || code === 'EADDRINUSE') return SocketErrorCode.SocketBind;
  return SocketErrorCode.ConnectServer;
}

/** The error of a UDP connection that the system ended. */
export function datagramError(
  connection: { id: number; remoteAddress: string; remotePort: number },
  operation: SocketOperation,
  errno: number,
  cause: Error | undefined,
): SocketError {
  const { id: connId, remoteAddress, remotePort } = connection;
  return new SocketError({
    socketError: SocketErrorCode.Network,
    errno,
    operation: operation === SocketOperation.Send ? 'send' : 'receive',
    connId,
    message: describeSystemError(`connection ${connId} with ${remoteAddress}:${remotePort} failed`, errno, cause),
    cause,
  });
}
